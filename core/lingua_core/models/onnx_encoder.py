"""A transformer encoder in ONNX: hidden states of token sequences.

It is in two halves, so that other models can stand on the lower one.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from lingua_core.errors import ModelError
from lingua_core.models.onnx_session import Device, LazySession, check_threads, map_longest_first

__all__ = ["OnnxEncoder"]

Result = TypeVar("Result")


class OnnxEncoder:
    """Hidden states of token sequences. Loads on first use; safe to share between threads.

    Args:
        folder: Holds `lower.onnx` (input `input_ids`, shape (1, tokens); output `states`, shape
            (1, tokens, width)) and `upper.onnx` (from `states` to `hidden`, of the same shape). A folder
            of an earlier version holds one `model.onnx` (from `input_ids` to `hidden`) instead.
        device: "auto" and "cpu" run on the CPU; "cuda" needs an onnxruntime build with that provider.
        threads: How many sequences run at once; None for the number of usable cores.

    Raises:
        InputError: If the device is unknown or not available.
    """

    def __init__(self, folder: Path, *, device: Device = "auto", threads: int | None = None) -> None:
        self._folder = folder
        self._parts = [LazySession(file, device) for file in _files(folder)]
        self._threads = check_threads(threads)

    def map(
        self,
        function: Callable[[int, NDArray[np.float32]], Result],
        sequences: Sequence[Sequence[int] | NDArray[np.int64]],
    ) -> list[Result]:
        """Apply `function(index, hidden)` to the hidden states, shape (tokens, width), of each sequence.

        Results are in input order. Hidden states are not kept, so memory does not grow with the input.

        Raises:
            ModelError: If the model is missing or damaged, or no sentence encoder.
        """
        sessions = [part() for part in self._parts]
        inputs = [value.name for value in sessions[0].get_inputs()]
        if inputs != ["input_ids"]:
            raise ModelError(
                f"The model in {str(self._folder)!r} reads {', '.join(inputs)}, a sentence encoder input_ids "
                "only. If it is an extractor, its extractor.json is missing."
            )

        def run(i: int) -> Result:
            name, value = "input_ids", np.asarray(sequences[i], np.int64)[None, :]
            for session in sessions[:-1]:
                name, value = "states", session.run(["states"], {name: value})[0]
            return function(i, sessions[-1].run(["hidden"], {name: value})[0][0])

        return map_longest_first(run, [len(ids) for ids in sequences], threads=self._threads)


def _files(folder: Path) -> list[Path]:
    halves, whole = [folder / "lower.onnx", folder / "upper.onnx"], folder / "model.onnx"
    return [whole] if whole.is_file() and not halves[0].is_file() else halves
