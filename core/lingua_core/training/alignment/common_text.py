"""What two texts have in common, and where tokens of both begin in it."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

__all__ = ["CommonText", "Starts"]


class CommonText:
    """Two texts that may differ somewhere in the middle: their common beginning and their common end.

    Args:
        there: One text.
        here: The other.
    """

    def __init__(self, there: bytes, here: bytes) -> None:
        shorter = min(len(there), len(here))
        self._same_until = _common(there, here, shorter)
        same_end = _common(there[::-1], here[::-1], shorter - self._same_until)
        self._same_from = len(here) - same_end
        self._shift = len(there) - len(here)

    def place(self, start: int, end: int) -> int | None:
        """Where a piece of `here` begins `there`; None if it is not in what they have in common."""
        if end <= self._same_until:
            return start
        return start + self._shift if start >= self._same_from else None


class Starts:
    """Where pieces that make up a text begin.

    Args:
        pieces: Empty ones are passed over.
    """

    def __init__(self, pieces: Sequence[bytes]) -> None:
        offsets = accumulate((len(piece) for piece in pieces), initial=0)
        kept = [(start, i) for start, (i, piece) in zip(offsets, enumerate(pieces), strict=False) if piece]
        self._starts = [start for start, _ in kept]
        self._indices = [i for _, i in kept]

    def covering(self, place: int) -> tuple[int, int]:
        """The index of the piece that holds a byte, and where that piece begins."""
        found = bisect_right(self._starts, place) - 1
        return self._indices[found], self._starts[found]


def _common(one: bytes, other: bytes, longest: int) -> int:
    """Length of the common beginning."""
    low, high = 0, longest
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
