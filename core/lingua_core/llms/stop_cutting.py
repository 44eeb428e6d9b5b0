"""Ending a text before the first of some stop strings, while it comes in pieces."""

from collections.abc import Sequence

__all__ = ["StopCutter"]


class StopCutter:
    """Ends a text before the first stop string, wherever pieces of it begin and end.

    The first is the one that is complete first, so that the result does not depend on the pieces. What may
    be the beginning of a stop string is held back until it is known.

    Args:
        stops: The stop strings.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(dict.fromkeys(stop for stop in stops if stop))
        self._held = ""
        self.is_stopped = False

    def add(self, text: str) -> str:
        """What is sure to belong to the text; `is_stopped` says whether that was the end of it."""
        if not self._stops or not text:
            return text
        self._held += text
        found = [(at + len(stop), at) for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if found:
            self.is_stopped = True
            return self._let_go(min(found)[1])
        return self._let_go(len(self._held) - max(map(self._begun, self._stops)))

    def flush(self) -> str:
        """What was held back, at the end of the text."""
        return self._let_go(len(self._held))

    def _let_go(self, count: int) -> str:
        text, self._held = self._held[:count], "" if self.is_stopped else self._held[count:]
        return text

    def _begun(self, stop: str) -> int:
        """Characters at the end of the held text that are a beginning of the stop string."""
        longest = min(len(stop) - 1, len(self._held))
        return next((n for n in range(longest, 0, -1) if self._held.endswith(stop[:n])), 0)
