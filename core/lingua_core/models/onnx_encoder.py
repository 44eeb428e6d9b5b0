"""A transformer encoder in ONNX, one sequence a run, on all cores.

Every window of text is run by itself on one thread, and several windows at once on several threads.
Compared with padded batches this wastes nothing on padding, keeps small matrices in the cache, and
makes the output independent of what else is in the batch, which dynamic int8 quantisation otherwise
does not grant: its activation scales are taken over the whole batch.
"""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from lingua_core.errors import InputError, ModelError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = ["Device", "OnnxEncoder"]

Device = Literal["auto", "cpu", "cuda"]
Result = TypeVar("Result")


class OnnxEncoder:
    """Hidden states of token sequences. Loads on first use; safe to share between threads.

    Args:
        folder: Holds `model.onnx` (input `input_ids`, shape (1, tokens); output `hidden`, shape
            (1, tokens, width)).
        device: "auto" and "cpu" run on the CPU; "cuda" needs an onnxruntime build with that provider.
        threads: How many sequences run at once; None for the number of usable cores.

    Raises:
        InputError: If the device is unknown or not available.
    """

    def __init__(self, folder: Path, *, device: Device = "auto", threads: int | None = None) -> None:
        if device not in ("auto", "cpu", "cuda"):
            raise InputError(f"device must be 'auto', 'cpu' or 'cuda' for this method, got {device!r}.")
        if threads is not None and (not isinstance(threads, int) or threads < 1):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise InputError(f"threads must be at least 1, got {threads!r}.")
        self._file = folder / "model.onnx"
        self._device: Device = device
        self._threads = threads or usable_cores()
        self._session: InferenceSession | None = None
        self._lock = threading.Lock()

    def map(
        self,
        function: Callable[[int, NDArray[np.float32]], Result],
        sequences: Sequence[Sequence[int] | NDArray[np.int64]],
    ) -> list[Result]:
        """Apply `function(index, hidden)` to the hidden states, shape (tokens, width), of each sequence.

        Sequences are taken longest first, so that no long one is left over at the end; results are
        in input order. Hidden states are not kept, so memory does not grow with the input.
        """
        session = self._loaded()
        order = sorted(range(len(sequences)), key=lambda i: -len(sequences[i]))

        def run(i: int) -> tuple[int, Result]:
            ids = np.asarray(sequences[i], np.int64)[None, :]
            hidden = session.run(["hidden"], {"input_ids": ids})[0][0]
            return i, function(i, hidden)

        if len(sequences) == 1 or self._threads == 1:
            done = dict(map(run, order))
        else:
            # A pool for each call costs microseconds and, unlike a kept one, survives a fork.
            with ThreadPoolExecutor(min(self._threads, len(sequences) or 1)) as pool:
                done = dict(pool.map(run, order))
        return [done[i] for i in range(len(sequences))]

    def __getstate__(self) -> dict[str, object]:
        """For pickling and copying: everything but the loaded model, which loads again on first use."""
        return {**self.__dict__, "_session": None, "_lock": None}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    def _loaded(self) -> "InferenceSession":
        with self._lock:
            if self._session is None:
                self._session = _open_session(self._file, self._device)
            return self._session


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def _open_session(file: Path, device: Device) -> "InferenceSession":
    import onnxruntime

    if not file.is_file():
        raise ModelError(
            f"No model at {str(file)!r}: expected an ONNX file. Reinstall lingua-rag, or export one."
        )
    providers = ["CPUExecutionProvider"]
    if device == "cuda":
        if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
            raise InputError(
                "device='cuda' needs the onnxruntime-gpu package; this onnxruntime offers "
                f"{', '.join(onnxruntime.get_available_providers())}. Use device='cpu'."
            )
        providers.insert(0, "CUDAExecutionProvider")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Spinning would keep cores busy between runs, at the cost of whatever runs beside us.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=providers)
    except Exception as error:  # onnxruntime's errors share no base class
        raise ModelError(f"The model at {str(file)!r} cannot be loaded: {error}") from error
