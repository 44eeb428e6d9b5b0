"""What an answer is written from: one text for all calls, or each call its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from lingua_core.skeleton.types import Point

__all__ = ["ContextProvider", "FixedContext", "PlanAwareContexts"]


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


@runtime_checkable
class PlanAwareContexts(ContextProvider, Protocol):
    """A provider that gives more to points for which the whole plan is waited for.

    Both methods are called in the event loop, and must be quick.
    """

    def waits_for_plan(self, points: Sequence[Point]) -> bool:
        """Whether these points, of one call, are to be asked for only when the plan is complete."""
        ...

    def plan_is_complete(self, waiting: Sequence[Point], *, points: int) -> None:
        """Hear that there are so many points in all, and which of them have waited for that, why ever."""
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
