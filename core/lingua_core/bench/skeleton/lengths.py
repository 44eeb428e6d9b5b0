"""Answers with the lengths of the Skeleton-of-Thought paper, and what any schedule makes of them."""

import random
from dataclasses import dataclass

from lingua_core.llms import WrittenAnswer

__all__ = ["Latencies", "Lengths", "words"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Latencies:
    """Of an endpoint, in seconds.

    Attributes:
        first: Until the first token of a call.
        each: Between two tokens.
    """

    first: float = 0.5
    each: float = 0.02

    def of(self, tokens: int) -> float:
        """Seconds of a call that writes so many tokens."""
        return self.first + max(0, tokens - 1) * self.each


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """Tokens of one answer, both ways.

    Attributes:
        titles: Of each line of the skeleton, its number included.
        points: Of each point's text.
        direct: Of the answer in one piece.
    """

    titles: tuple[int, ...]
    points: tuple[int, ...]
    direct: int

    @classmethod
    def of_paper(
        cls, chance: random.Random, *, heavy_tail: bool = False, count: int | None = None
    ) -> "Lengths":
        """5-9 points of 45-75 tokens, the longest 100-130, a skeleton of 45-55, a direct answer of 300-380.

        Args:
            chance: Where they come from.
            count: How many points instead.
            heavy_tail: Whether the longest point is as long as the direct answer, as with some models.
        """
        count = count or chance.randint(5, 9)
        direct = chance.randint(300, 380)
        points = [chance.randint(45, 75) for _ in range(count)]
        points[chance.randrange(count)] = direct if heavy_tail else chance.randint(100, 130)
        skeleton = chance.randint(45, 55)
        titles = [skeleton // count + (i < skeleton % count) for i in range(count)]
        return cls(titles=tuple(titles), points=tuple(points), direct=direct)

    def written(self, chance: random.Random) -> WrittenAnswer:
        """Such an answer for a `ScriptedLLM`; the number before a title is one of its tokens."""
        points = tuple(
            (words(title - 1, chance).rstrip("."), words(length, chance))
            for title, length in zip(self.titles, self.points, strict=True)
        )
        return WrittenAnswer(points=points, direct=words(self.direct, chance))

    def critical_seconds(self, latencies: Latencies) -> float:
        """The longest way through skeleton and points: no point can start before its line has closed."""
        plan = latencies.of(sum(self.titles))
        ends = [plan]
        for i, length in enumerate(self.points):
            # A line closes with the first token of the next one, the last line with the skeleton.
            closed = min(plan, latencies.first + sum(self.titles[: i + 1]) * latencies.each)
            ends.append(closed + latencies.of(length))
        return max(ends)


def words(count: int, chance: random.Random) -> str:
    """A text of that many tokens of a `ScriptedLLM`, in sentences."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    made = ["".join(chance.choices(letters, k=chance.randint(2, 7))) for _ in range(count)]
    made = [word + "." if i % 11 == 10 or i == count - 1 else word for i, word in enumerate(made)]
    return " ".join(made)
