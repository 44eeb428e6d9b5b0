"""What an answer is written from: one text for all calls, or each call its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from lingua_core.skeleton.types import Point

__all__ = ["ContextProvider", "FixedContext"]


@runtime_checkable
class ContextProvider(Protocol):
    """Gives each call of an answer the text to write from. Several threads may call at once.

    Texts may take time to make: the driver asks from worker threads, for several points at once.
    """

    def for_skeleton(self, question: str) -> str:
        """What the skeleton is planned from."""
        ...

    def for_points(self, question: str, points: Sequence[Point]) -> str:
        """What these points, of one call, are written from."""
        ...

    def for_direct(self, question: str) -> str:
        """What a direct answer is written from."""
        ...


@dataclass(frozen=True, slots=True)
class FixedContext:
    """The same text for all calls: their prompts then begin alike, as caches like it."""

    text: str

    def for_skeleton(self, question: str) -> str:
        """The text."""
        return self.text

    def for_points(self, question: str, points: Sequence[Point]) -> str:
        """The text."""
        return self.text

    def for_direct(self, question: str) -> str:
        """The text."""
        return self.text
