"""The plain bi-encoder: every sentence embedded by itself, as sentence-transformers does it."""

from collections.abc import Sequence

from lingua_core.models.sentence_encoder import SentenceEncoder
from lingua_core.scorers import PassageScores, ScoringTask

__all__ = ["SentenceEmbeddingScorer"]


class SentenceEmbeddingScorer:
    """Cosine similarity between the query and each segment, neither of which sees what surrounds it."""

    name = "sentence-embedding"
    requires_query = True
    default_threshold: float | None = None

    def __init__(self, encoder: SentenceEncoder | None = None) -> None:
        self._encoder = encoder or SentenceEncoder()

    def score(self, tasks: Sequence[ScoringTask]) -> list[list[PassageScores]]:
        """Scores of every passage of every task."""
        return [self._task(task) for task in tasks]

    def _task(self, task: ScoringTask) -> list[PassageScores]:
        texts = [p.text[s.start : s.end] for p in task.passages for s in p.segments]
        vectors = self._encoder.embed([task.query or "", *texts])
        keep = vectors[1:] @ vectors[0]
        found: list[PassageScores] = []
        at = 0
        for passage in task.passages:
            own = keep[at : at + len(passage.segments)]
            at += len(passage.segments)
            found.append(PassageScores.of_segments(passage.segments, own, relevance=float(own.max())))
        return found
