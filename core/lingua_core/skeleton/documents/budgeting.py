"""Sharing out tokens among points before it is known how many there are."""

import threading

__all__ = ["PointBudget"]


class PointBudget:
    """Gives each point its share of a budget, in the order in which they ask; threads may share it.

    As long as no more points come than expected, all get the same. From the last one expected on, each gets
    half of what is left, so that the budget holds however many there are.

    Args:
        total: Tokens for all points together.
        expected: How many points there will be, about.
    """

    def __init__(self, total: int, expected: int) -> None:
        self._lock = threading.Lock()
        self._left = total
        self._expected = expected
        self._given = 0

    def take(self, points: int = 1) -> int:
        """Tokens for the next points together; may be 0."""
        with self._lock:
            granted = 0
            for _ in range(points):
                share = self._left // max(2, self._expected - self._given)
                self._left -= share
                self._given += 1
                granted += share
            return granted
