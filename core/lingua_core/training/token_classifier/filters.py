"""Which pairs are good enough to learn from (section 3.3 of the paper).

A high variation rate says that the model wrote words of its own; a wide alignment gap, that its words could
not be found where they should be, so that labels are wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lingua_core.errors import InputError
from lingua_core.training.token_classifier.alignment import Alignment

__all__ = ["Choice", "QualityFilters", "choose"]


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityFilters:
    """What is left out. The defaults are the paper's.

    Attributes:
        variation_share: At most this share of the pairs is left out, those of the highest variation rates.
        gap_share: At most this share of the rest is left out, those of the widest alignment gaps.
        most_variation: A variation rate above it is left out besides; None for no such limit.
        widest_gap: An alignment gap above it is left out besides; None for no such limit.

    Raises:
        InputError: If a share is not in [0, 1), or a limit not in [0, 1].
    """

    variation_share: float = 0.05
    gap_share: float = 0.1
    most_variation: float | None = None
    widest_gap: float | None = None

    def __post_init__(self) -> None:
        for name in ("variation_share", "gap_share"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name} must be in [0, 1), got {getattr(self, name)!r}.")
        for name in ("most_variation", "widest_gap"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise InputError(f"{name} must be in [0, 1] or None, got {value!r}.")


class Choice(NamedTuple):
    """Which pairs are learnt from, and why others are not.

    Attributes:
        kept: Indices, ascending.
        varied: How many were left out for their variation rate.
        gaping: How many of the rest were left out for their alignment gap.
        most_variation: The highest rate that was let through.
        widest_gap: The widest gap that was let through.
    """

    kept: list[int]
    varied: int
    gaping: int
    most_variation: float
    widest_gap: float


def choose(alignments: Sequence[Alignment], filters: QualityFilters) -> Choice:
    """Apply the variation rate first, then the alignment gap to what it left.

    Equal values are on one side: where a share would part them, all are kept, so that perfect pairs stay.
    """
    everything = list(range(len(alignments)))
    variation = [alignment.variation_rate for alignment in alignments]
    gaps = [alignment.alignment_gap for alignment in alignments]
    faithful = _lowest(everything, variation, filters.variation_share, filters.most_variation)
    kept = _lowest(faithful, gaps, filters.gap_share, filters.widest_gap)
    return Choice(
        kept=kept,
        varied=len(everything) - len(faithful),
        gaping=len(faithful) - len(kept),
        most_variation=max((variation[i] for i in kept), default=0.0),
        widest_gap=max((gaps[i] for i in kept), default=0.0),
    )


def _lowest(indices: list[int], values: Sequence[float], share: float, limit: float | None) -> list[int]:
    if not indices:
        return indices
    highest = sorted((values[i] for i in indices), reverse=True)
    border = highest[int(share * len(indices))]
    if limit is not None:
        border = min(border, limit)
    return [i for i in indices if values[i] <= border]
