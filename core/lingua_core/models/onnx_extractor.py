"""The extractor in ONNX: two halves, of which plainly irrelevant windows run through the first only."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lingua_core.models.onnx_session import Device, LazySession, check_threads, map_longest_first
from lingua_core.models.pairs import PairWindow

__all__ = ["OnnxExtractor", "Reading"]


class Reading(NamedTuple):
    """What the model says of a window.

    Attributes:
        keep: Keep logit of each token that the window answers for. Shape (tokens,).
        relevance: Logit of the window holding evidence.
        left_early: Whether the logits are those of the first half.
    """

    keep: NDArray[np.float32]
    relevance: float
    left_early: bool


class OnnxExtractor:
    """Keep and relevance logits of windows. Loads on first use; safe to share between threads.

    Args:
        folder: Holds `lower.onnx` (inputs `input_ids` and `token_types`, shape (1, tokens); outputs
            `states`, shape (1, tokens, width), and `logits`, shape (1, tokens, 2): keep and relevance)
            and `upper.onnx` (from `states` to `logits`).
        device: "auto" and "cpu" run on the CPU; "cuda" needs an onnxruntime build with that provider.
        threads: How many windows run at once; None for the number of usable cores.

    Raises:
        InputError: If the device is unknown or not available.
    """

    def __init__(self, folder: Path, *, device: Device = "auto", threads: int | None = None) -> None:
        self._lower = LazySession(folder / "lower.onnx", device)
        self._upper = LazySession(folder / "upper.onnx", device)
        self._threads = check_threads(threads)

    def read(self, windows: Sequence[PairWindow], *, cutoff: float = -np.inf) -> list[Reading]:
        """What the heads say of each window, in input order.

        Args:
            windows: What to read.
            cutoff: Windows whose relevance logit is below this in the middle of the model leave there.
        """
        lower, upper = self._lower(), self._upper()

        def run(i: int) -> Reading:
            window = windows[i]
            ids = np.asarray(window.ids, np.int64)[None, :]
            types = (np.arange(len(window.ids)) >= window.question).astype(np.int64)[None, :]
            states, logits = lower.run(["states", "logits"], {"input_ids": ids, "token_types": types})
            left = float(logits[0, 0, 1]) < cutoff
            if not left:
                logits = upper.run(["logits"], {"states": states})[0]
            last = window.first + len(window.owners)
            return Reading(logits[0, window.first : last, 0].copy(), float(logits[0, 0, 1]), left)

        return map_longest_first(run, [len(window.ids) for window in windows], threads=self._threads)
