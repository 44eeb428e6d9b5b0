"""What is known of each point while it is written."""

import asyncio
from dataclasses import dataclass, field

from lingua_core.llms.base import Usage
from lingua_core.skeleton.driver.calls import Outcome
from lingua_core.skeleton.types import Expansion, ExpansionStatus, Point

__all__ = ["PointState", "share"]


@dataclass(slots=True, eq=False)
class PointState:
    """A point that is being written.

    Attributes:
        point: The point.
        status: How it ended; None while it is written.
        error: What went wrong, or empty.
        ended: Set once nothing more comes from its own call.
    """

    point: Point
    status: ExpansionStatus | None = None
    error: str = ""
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_missing(self) -> bool:
        """Whether its call ended without a text that can stand."""
        return self.status == "failed"

    def conclude(self, outcome: Outcome, text: str, *, is_shown: bool, is_last: bool = True) -> None:
        """Take over how the call ended that wrote this point.

        Args:
            outcome: Of the call.
            text: What it wrote of this point.
            is_shown: Whether some of that is part of the answer already.
            is_last: Whether the call wrote nothing after it: an end in the middle is then its end.
        """
        if not text:
            self.status, self.error = "failed", outcome.reason or "nothing was written"
        elif outcome.end == "complete" or not is_last:
            self.status = "complete" if outcome.attempts == 1 else "retried"
        elif outcome.end == "failed" and not is_shown:
            self.status, self.error = "failed", outcome.reason
        else:
            self.status, self.error = "truncated", outcome.reason
        self.ended.set()

    def to_expansion(self, text: str, usage: Usage) -> Expansion:
        """The value for the answer; a point that is still being written was cut."""
        status = self.status or ("truncated" if text else "cancelled")
        return Expansion(point=self.point, text=text, status=status, usage=usage, error=self.error)


def share(usage: Usage, *, among: int) -> list[Usage]:
    """One call's tokens, divided among the points that it wrote; the sum is the whole."""

    def part(total: int, i: int) -> int:
        return total // among + (i < total % among)

    return [
        Usage(
            prompt_tokens=part(usage.prompt_tokens, i),
            completion_tokens=part(usage.completion_tokens, i),
            cached_tokens=part(usage.cached_tokens, i),
            calls=part(usage.calls, i),
            estimated=usage.estimated,
        )
        for i in range(among)
    ]
