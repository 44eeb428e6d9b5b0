"""Written answers with the lengths of the Skeleton-of-Thought paper, and what any schedule makes of them."""

import random
from dataclasses import dataclass

from lingua_core.llms import WrittenAnswer
from lingua_core.llms.scripts import tokens_of

FIRST, EACH = 0.5, 0.02
"""Seconds until the first token of a call, and between two tokens."""


def words(count: int, rng: random.Random) -> str:
    """A text of that many tokens of a `ScriptedLLM`, in sentences."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    made = ["".join(rng.choices(letters, k=rng.randint(2, 7))) for _ in range(count)]
    made = [word + "." if i % 11 == 10 or i == count - 1 else word for i, word in enumerate(made)]
    return " ".join(made)


@dataclass(frozen=True)
class Lengths:
    """Tokens of one answer."""

    titles: list[int]
    points: list[int]

    @classmethod
    def of_paper(cls, rng: random.Random) -> "Lengths":
        """5-9 points of 50-75 tokens, the longest 100-130; titles so that the skeleton has 45-55."""
        count = rng.randint(5, 9)
        points = [rng.randint(45, 75) for _ in range(count)]
        points[rng.randrange(count)] = rng.randint(100, 130)
        skeleton = rng.randint(45, 55)
        titles = [skeleton // count + (i < skeleton % count) for i in range(count)]
        return cls(titles, points)

    def written(self, rng: random.Random) -> WrittenAnswer:
        """Such an answer; the number before a title is one of its tokens."""
        points = tuple(
            (words(title - 1, rng).rstrip("."), words(length, rng))
            for title, length in zip(self.titles, self.points, strict=True)
        )
        answer = WrittenAnswer(points=points, direct=words(sum(self.points) * 3 // 4, rng))
        assert [len(tokens_of(text)) for _, text in points] == self.points
        return answer

    @property
    def plan_seconds(self) -> float:
        """Until the skeleton is complete."""
        return FIRST + (sum(self.titles) - 1) * EACH

    @property
    def critical_seconds(self) -> float:
        """The longest way through skeleton and points: none can be launched before its line has closed."""
        ends = [self.plan_seconds]
        for i, length in enumerate(self.points):
            # A line closes with the first token of the next one, the last line with the skeleton.
            closed = min(self.plan_seconds, FIRST + sum(self.titles[: i + 1]) * EACH)
            ends.append(closed + FIRST + (length - 1) * EACH)
        return max(ends)

    @property
    def paper_seconds(self) -> float:
        """The paper's schedule: wait for the skeleton, then write all points at once."""
        return self.plan_seconds + FIRST + (max(self.points) - 1) * EACH
