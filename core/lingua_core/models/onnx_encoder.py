"""A transformer encoder in ONNX: hidden states of token sequences."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from lingua_core.models.onnx_session import Device, LazySession, check_threads, map_longest_first

__all__ = ["OnnxEncoder"]

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
        self._session = LazySession(folder / "model.onnx", device)
        self._threads = check_threads(threads)

    def map(
        self,
        function: Callable[[int, NDArray[np.float32]], Result],
        sequences: Sequence[Sequence[int] | NDArray[np.int64]],
    ) -> list[Result]:
        """Apply `function(index, hidden)` to the hidden states, shape (tokens, width), of each sequence.

        Results are in input order. Hidden states are not kept, so memory does not grow with the input.
        """
        session = self._session()

        def run(i: int) -> Result:
            ids = np.asarray(sequences[i], np.int64)[None, :]
            return function(i, session.run(["hidden"], {"input_ids": ids})[0][0])

        return map_longest_first(run, [len(ids) for ids in sequences], threads=self._threads)
