"""The torch model where the scorer expects the ONNX one: to measure during training, at full precision."""

# torch, transformers and onnx are partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportIndexIssue=false

from collections.abc import Sequence

import numpy as np
import torch

from lingua_core.models.onnx_extractor import Reading
from lingua_core.models.pairs import PairWindow
from lingua_core.training.extractor.model import Extractor, pad

__all__ = ["TorchReader"]

_TOKENS_A_PART = 16_000


class TorchReader:
    """Reads windows in padded batches.

    Args:
        model: In evaluation mode.
        low_precision: Compute in bfloat16.
    """

    def __init__(self, model: Extractor, *, low_precision: bool = False) -> None:
        self._model = model
        self._low_precision = low_precision

    def read(self, windows: Sequence[PairWindow], *, cutoff: float = -np.inf) -> list[Reading]:
        """What the heads say of each window, in input order; see `OnnxExtractor.read`."""
        order = sorted(range(len(windows)), key=lambda i: len(windows[i].ids))
        found: dict[int, Reading] = {}
        at = 0
        while at < len(order):
            end = at + 1
            while end < len(order) and (end + 1 - at) * len(windows[order[end]].ids) <= _TOKENS_A_PART:
                end += 1
            found.update(self._part(order[at:end], windows, cutoff))
            at = end
        return [found[i] for i in range(len(windows))]

    def _part(self, part: list[int], windows: Sequence[PairWindow], cutoff: float) -> dict[int, Reading]:
        device = next(self._model.parameters()).device
        padded = pad([windows[i] for i in part])
        with (
            torch.inference_mode(),
            torch.autocast(device.type, dtype=torch.bfloat16, enabled=self._low_precision),
        ):
            depths = self._model(type(padded)(*(tensor.to(device) for tensor in padded)))
        found: dict[int, Reading] = {}
        for row, i in enumerate(part):
            left = float(depths[0].relevance[row]) < cutoff
            logits = depths[0 if left else 1]
            first, count = windows[i].first, len(windows[i].owners)
            found[i] = Reading(
                keep=logits.keep[row, first : first + count].float().cpu().numpy(),
                relevance=float(logits.relevance[row]),
                left_early=left,
            )
        return found
