"""A user's own ranking of documents as a scorer."""

from collections.abc import Callable, Sequence

import numpy as np

from lingua_core.errors import ScorerError
from lingua_core.scorers.base import PassageScores, ScoringTask

__all__ = ["RankingFunction", "RankingScorer"]

RankingFunction = Callable[[str | None, Sequence[str]], Sequence[float]]
"""From the query, or None, and the documents' texts to a number for each, higher for better."""


class RankingScorer:
    """Scores passages with a function: a reranker, an embedding service, anything.

    Args:
        function: From the query, or None, and texts to a number for each text.
    """

    name = "ranking"
    requires_query = False
    default_threshold: float | None = None

    def __init__(self, function: RankingFunction) -> None:
        self._function = function

    def score(self, tasks: Sequence[ScoringTask]) -> list[list[PassageScores]]:
        """The function's number for each passage, which all its segments share.

        Raises:
            ScorerError: If the function does not return one finite number for each text.
        """
        return [self._of(task) for task in tasks]

    def _of(self, task: ScoringTask) -> list[PassageScores]:
        texts = [passage.text for passage in task.passages]
        given = self._function(task.query, texts)
        try:
            numbers = np.asarray(list(given), np.float64)
        except (TypeError, ValueError) as error:
            raise ScorerError(_complaint(given, len(texts))) from error
        if numbers.shape != (len(texts),) or not np.isfinite(numbers).all():
            raise ScorerError(_complaint(given, len(texts)))
        return [
            PassageScores.of_segments(
                passage.segments,
                np.full(len(passage.segments), number, np.float32),
                relevance=float(number),
            )
            for passage, number in zip(task.passages, numbers, strict=True)
        ]


def _complaint(given: object, number: int) -> str:
    return (
        f"A ranker must return one finite number for each of the {number} texts that it is given, higher for "
        f"better; got {given!r:.120}."
    )
