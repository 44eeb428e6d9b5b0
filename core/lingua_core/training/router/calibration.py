"""From logits to probabilities and the threshold, and what they are worth on questions held out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lingua_core.errors import InputError
from lingua_core.models.onnx_router import OnnxRouter, lower_digest
from lingua_core.models.router_settings import RouterSettings
from lingua_core.training.platt import fit_platt
from lingua_core.training.router.examples import RouterExample

__all__ = [
    "COST_OF_FALSE_POSITIVE",
    "FALSE_POSITIVE_RATE",
    "FEWEST_OF_A_LABEL",
    "RouterFigures",
    "calibrate",
    "figures",
    "require_enough",
]

FEWEST_OF_A_LABEL = 5
FALSE_POSITIVE_RATE = 0.05
"""Of the questions held out that are none for a skeleton, at most this share is routed to one."""

COST_OF_FALSE_POSITIVE = 2.0
"""What a needless skeleton costs, against 1 for a missed one: it may spoil an answer, not just slow it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterFigures:
    """How good decisions are.

    Attributes:
        questions: How many were asked.
        precision: Share of right ones among the decisions for a skeleton.
        recall: Share of the questions for a skeleton that got one.
        f1: Harmonic mean of both.
        false_positive_rate: Share of the questions for a direct answer that got a skeleton.
    """

    questions: int
    precision: float
    recall: float
    f1: float
    false_positive_rate: float


def calibrate(
    folder: Path, examples: Sequence[RouterExample], *, false_positive_rate: float = FALSE_POSITIVE_RATE
) -> tuple[RouterSettings, RouterFigures]:
    """Settings for the exported model in `folder`, which are saved there, and what they achieve.

    The threshold is the higher of two: the probability from which on a skeleton is worth its risk, given
    what a false positive costs, and the one that keeps to the false-positive rate.

    Args:
        folder: Holds `router.onnx`.
        examples: Not learnt from; with at least five of each label.
        false_positive_rate: At most this share of the negative examples reaches the threshold.

    Raises:
        InputError: If there are too few examples.
    """
    require_enough(examples)
    labels = np.array([example.label for example in examples], np.bool_)
    model = OnnxRouter(folder)
    logits = np.array([model.read(example.question).points for example in examples], np.float64)
    scale, offset = fit_platt(logits, labels)
    probabilities = 1 / (1 + np.exp(-(scale * logits + offset)))
    settings = RouterSettings(
        scale=scale,
        offset=offset,
        threshold=_threshold(probabilities[~labels], false_positive_rate),
        lower=lower_digest(),
    )
    settings.save(folder)
    return settings, figures(probabilities >= settings.threshold, labels)


def require_enough(examples: Sequence[RouterExample]) -> None:
    """Raise an InputError unless there are enough questions of each label to calibrate with."""
    positive = sum(example.label for example in examples)
    negative = len(examples) - positive
    if min(positive, negative) < FEWEST_OF_A_LABEL:
        raise InputError(
            f"Calibration needs at least {FEWEST_OF_A_LABEL} held-out questions of each label, got "
            f"{positive} with label 1 and {negative} with label 0. Give more questions: one in five is held "
            "out, by a hash of its text."
        )


def figures(decisions: NDArray[np.bool_], labels: NDArray[np.bool_]) -> RouterFigures:
    """What decisions are worth, given what would have been right."""
    hits = int((decisions & labels).sum())
    precision = hits / max(1, int(decisions.sum()))
    recall = hits / max(1, int(labels.sum()))
    return RouterFigures(
        questions=len(labels),
        precision=precision,
        recall=recall,
        f1=2 * precision * recall / max(1e-12, precision + recall),
        false_positive_rate=int((decisions & ~labels).sum()) / max(1, int((~labels).sum())),
    )


def _threshold(negatives: NDArray[np.float64], rate: float) -> float:
    """In hundredths: worth the risk, and reached by at most `rate` of the negatives."""
    allowed = int(rate * len(negatives))
    highest = float(np.sort(negatives)[::-1][allowed])
    worth = COST_OF_FALSE_POSITIVE / (COST_OF_FALSE_POSITIVE + 1)
    return min(1.0, max(round(worth, 2), float(np.floor(highest * 100) + 1) / 100))
