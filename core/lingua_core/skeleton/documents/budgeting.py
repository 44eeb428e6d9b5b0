"""Sharing out tokens among points before it is known how many there are."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

__all__ = ["FEWEST", "PointBudget"]

FEWEST = 4
"""As many points are thought to be still to come, at least, however many have come."""
_LARGE = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PointBudget:
    """Each point's share of a budget. It follows from the point's number alone, not from who asks first.

    All but the last few of the points that are expected get the same. From then on each gets a quarter of
    what is left, so that there is something for further ones. No point gets less than `least`: as long as no
    more points come than expected, and the budget is `least` for each of them, it holds; every point beyond
    may exceed it by `least`.

    Attributes:
        total: Tokens for all points together.
        expected: How many points there will be, about.
        least: Tokens that every point gets.
    """

    total: int
    expected: int
    least: int

    def of(self, number: int) -> int:
        """Tokens of the point with this number, counted from 1."""
        return next(islice(self._shares(), number - 1, None))

    @classmethod
    def used(cls, expected: int) -> float:
        """The fraction of a large budget that as many points as expected use."""
        budget = cls(total=_LARGE, expected=expected, least=0)
        return sum(islice(budget._shares(), expected)) / _LARGE

    def _shares(self) -> Iterator[int]:
        left, to_come = self.total, self.expected
        while True:
            share = max(self.least, left // max(FEWEST, to_come))
            yield share
            left, to_come = max(0, left - share), to_come - 1
