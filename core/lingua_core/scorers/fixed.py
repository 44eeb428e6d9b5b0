"""A scorer that needs no model: for tests, baselines and measuring what surrounds the model."""

from collections.abc import Callable, Sequence

import numpy as np

from lingua_core.scorers.base import PassageScores, ScoringTask
from lingua_core.segmentation.segment import Segment

__all__ = ["FixedScorer"]


class FixedScorer:
    """Scores every segment with a given function of its text.

    Args:
        function: From (query, segment text) to a keep score. By default every segment scores its
            position from the end, so that the beginning of each passage is kept first.
        requires_query: What the scorer says of itself.
        default_threshold: What the scorer says of itself.
    """

    name = "fixed"

    def __init__(
        self,
        function: Callable[[str | None, str], float] | None = None,
        *,
        requires_query: bool = False,
        default_threshold: float | None = None,
    ) -> None:
        self._function = function
        self.requires_query = requires_query
        self.default_threshold = default_threshold

    def score(self, tasks: Sequence[ScoringTask]) -> list[list[PassageScores]]:
        """Scores of every passage of every task."""
        return [
            [self._passage(task.query, passage.text, passage.segments) for passage in task.passages]
            for task in tasks
        ]

    def _passage(self, query: str | None, text: str, segments: Sequence[Segment]) -> PassageScores:
        if self._function is None:
            keep = -np.arange(len(segments), dtype=np.float32)
        else:
            keep = np.array([self._function(query, text[s.start : s.end]) for s in segments], np.float32)
        return PassageScores.of_segments(segments, keep, relevance=float(keep.max(initial=0.0)))
