"""Sharing out tokens among points, most of them before it is known how many there are."""

from collections.abc import Collection
from dataclasses import dataclass

__all__ = ["PointBudget", "PromptFrame"]

_WIDEST = 3
"""As many equal shares a point may read that waited until all others were known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptFrame:
    """What the prompts of an answer hold beside contexts, in tokens.

    Attributes:
        skeleton: The prompt for the skeleton, less that of a direct answer.
        point: A point's prompt, without the plan.
        title: A line of the plan.
    """

    skeleton: int = 0
    point: int = 0
    title: int = 0

    def of_point(self, known: int) -> int:
        """A point's prompt with a plan of so many lines."""
        return self.point + known * self.title

    def of_answer(self, points: int) -> int:
        """All prompts, if each point knows of those before it."""
        return self.skeleton + sum(self.of_point(i) for i in range(1, points + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class PointBudget:
    """Each point's share of a budget, whoever asks first.

    Points that are asked for while the plan is still being written get equal shares, as many as points are
    expected, and then the least. Those that wait for the whole plan share what these leave: with fewer
    points than expected that is much, for what the prompts of the missing points would have held is left
    as well.

    Attributes:
        total: Tokens for the contexts of as many points as expected.
        expected: How many points there will be, about.
        least: Tokens that every point gets; beyond the expected ones it may exceed the budget by them.
        frame: What prompts hold beside contexts, if the budget is one of whole prompts.
    """

    total: int
    expected: int
    least: int
    frame: PromptFrame = PromptFrame()

    def of(self, number: int) -> int:
        """Tokens of the point with this number, counted from 1, that does not wait."""
        return max(self.least, self.total // self.expected) if number <= self.expected else self.least

    def of_waiting(self, waiting: Collection[int], *, points: int) -> int:
        """Tokens of each of those that wait, if there are so many points in all."""
        early = [i for i in range(1, points + 1) if i not in waiting]
        left = self.total + self.frame.of_answer(self.expected) - self.frame.skeleton
        left -= sum(self.of(i) + self.frame.of_point(i) for i in early)
        share = left // len(waiting) - self.frame.of_point(points)
        return max(self.least, min(share, _WIDEST * self.of(1)))
