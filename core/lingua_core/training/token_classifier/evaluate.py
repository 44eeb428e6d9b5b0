"""What a classifier is worth on held-out tokens, beside what costs nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lingua_core.models.token_classifier import TokenClassifier
from lingua_core.training.token_classifier.labels import UNLABELLED, LabelledRow

__all__ = ["Baseline", "TokenFigures", "area_under_curve", "evaluate", "figures"]

_KEPT = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFigures:
    """How well probabilities agree with labels.

    Attributes:
        tokens: How many were labelled.
        precision: Share of right ones among the tokens that are kept at probability 0.5 and above.
        recall: Share of the tokens to keep that are kept.
        f1: Harmonic mean of both.
        auc: Probability that a token to keep has a higher one than a token to drop; 0.5 where all are to
            be kept, or none.
        rate: Share of the tokens that is kept.
        rate_of_labels: Share of the tokens that is to be kept.
    """

    tokens: int
    precision: float
    recall: float
    f1: float
    auc: float
    rate: float
    rate_of_labels: float


class Baseline:
    """Keeps what is kept more often than not in the rows learnt from, token by token, in any context.

    Args:
        rows: To count in.
    """

    def __init__(self, rows: Sequence[LabelledRow]) -> None:
        ids, labels = _joined(rows)
        size = int(ids.max(initial=0)) + 1
        self._prior = float(labels.mean()) if len(labels) else 0.0
        self._seen = np.bincount(ids, minlength=size)
        self._kept = np.bincount(ids, labels, minlength=size)

    def probabilities(self, rows: Sequence[LabelledRow]) -> list[NDArray[np.float32]]:
        """Share of each token's occurrences that were kept, with one more of the average share."""
        return [self._of(row.ids) for row in rows]

    def _of(self, ids: NDArray[np.int64]) -> NDArray[np.float32]:
        is_known = ids < len(self._seen)
        known = np.where(is_known, ids, 0)
        shares = (self._kept[known] + self._prior) / (self._seen[known] + 1)
        return np.where(is_known, shares, self._prior).astype(np.float32)


def evaluate(classifier: TokenClassifier, rows: Sequence[LabelledRow]) -> TokenFigures:
    """Figures of a model."""
    return figures(classifier.probabilities([row.ids for row in rows]), rows)


def figures(probabilities: Sequence[NDArray[np.floating[Any]]], rows: Sequence[LabelledRow]) -> TokenFigures:
    """Figures of one array of probabilities a row."""
    scores = np.concatenate([*probabilities, np.zeros(0, np.float32)])
    labels = np.concatenate([*(row.labels for row in rows), np.zeros(0, np.int64)])
    scores, labels = scores[labels != UNLABELLED], labels[labels != UNLABELLED] == 1
    kept = scores >= _KEPT
    hits = int((kept & labels).sum())
    precision, recall = hits / max(1, int(kept.sum())), hits / max(1, int(labels.sum()))
    return TokenFigures(
        tokens=len(labels),
        precision=precision,
        recall=recall,
        f1=2 * precision * recall / max(1e-12, precision + recall),
        auc=area_under_curve(scores, labels),
        rate=float(kept.mean()) if len(kept) else 0.0,
        rate_of_labels=float(labels.mean()) if len(labels) else 0.0,
    )


def area_under_curve(scores: NDArray[np.floating[Any]], labels: NDArray[np.bool_]) -> float:
    """Area under the ROC curve; equal scores count half."""
    positive = int(labels.sum())
    negative = len(labels) - positive
    if not positive or not negative:
        return 0.5
    _, group, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = np.cumsum(sizes) - (sizes - 1) / 2  # the average rank, from 1, of each group of equals
    return float((ranks[group][labels].sum() - positive * (positive + 1) / 2) / (positive * negative))


def _joined(rows: Sequence[LabelledRow]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Labelled tokens of all rows and their labels."""
    ids = np.concatenate([*(row.ids for row in rows), np.zeros(0, np.int64)])
    labels = np.concatenate([*(row.labels for row in rows), np.zeros(0, np.int64)])
    return ids[labels != UNLABELLED], labels[labels != UNLABELLED]
