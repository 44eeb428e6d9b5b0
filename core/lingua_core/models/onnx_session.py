"""ONNX models on the CPU: one sequence a run, on all cores.

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

from lingua_core.errors import InputError, ModelError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = ["Device", "LazySession", "check_threads", "map_longest_first", "usable_cores"]

Device = Literal["auto", "cpu", "cuda"]
Result = TypeVar("Result")


class LazySession:
    """An ONNX file that is loaded on first use. Safe to share between threads, to copy and to pickle.

    Args:
        file: The model.
        device: "auto" and "cpu" run on the CPU; "cuda" needs an onnxruntime build with that provider.

    Raises:
        InputError: If the device is unknown; on first use, if it is not available.
    """

    def __init__(self, file: Path, device: Device) -> None:
        if device not in ("auto", "cpu", "cuda"):
            raise InputError(f"device must be 'auto', 'cpu' or 'cuda' for this method, got {device!r}.")
        self._file = file
        self._device: Device = device
        self._session: InferenceSession | None = None
        self._lock = threading.Lock()

    def __call__(self) -> "InferenceSession":
        """The session."""
        with self._lock:
            if self._session is None:
                self._session = _open_session(self._file, self._device)
            return self._session

    def __getstate__(self) -> dict[str, object]:
        """For pickling and copying: everything but the loaded model, which loads again on first use."""
        return {**self.__dict__, "_session": None, "_lock": None}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())


def check_threads(threads: int | None) -> int:
    """The number of threads to use: as given, or one for each usable core.

    Raises:
        InputError: If it is not a positive integer.
    """
    if threads is not None and (not isinstance(threads, int) or threads < 1):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
        raise InputError(f"threads must be at least 1, got {threads!r}.")
    return threads or usable_cores()


def map_longest_first(
    function: Callable[[int], Result], lengths: Sequence[int], *, threads: int
) -> list[Result]:
    """`function(i)` for each index, several at once; results in index order.

    The longest are taken first, so that none is left over at the end.
    """
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])

    def run(i: int) -> tuple[int, Result]:
        return i, function(i)

    if len(lengths) <= 1 or threads == 1:
        done = dict(map(run, order))
    else:
        # A pool for each call costs microseconds and, unlike a kept one, survives a fork.
        with ThreadPoolExecutor(min(threads, len(lengths))) as pool:
            done = dict(pool.map(run, order))
    return [done[i] for i in range(len(lengths))]


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
