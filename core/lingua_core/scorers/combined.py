"""Several ways of valuing text at once, each with its weight."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lingua_core.errors import InputError, ScorerError
from lingua_core.scorers.base import PassageScores, Scorer, ScoringTask, check_scores, pool

__all__ = ["CombinedScorer", "with_signals"]


class CombinedScorer:
    """The weighted sum of other scorers' scores.

    Scorers count in nats, probabilities or fractions. So each one's scores are first standardised over all
    segments of a prompt: less their mean, in standard deviations. Sums are therefore no probabilities, and
    there is no threshold. A scorer that cannot tell any two segments apart adds nothing.

    Args:
        weighted: Scorers with their weights; a negative weight turns a scorer round.
        name: For people; by default the scorers' names with their weights.

    Raises:
        InputError: If there is no scorer, or a weight is no number.
    """

    default_threshold: float | None = None

    def __init__(self, weighted: Sequence[tuple[Scorer, float]], *, name: str | None = None) -> None:
        if not weighted:
            raise InputError("CombinedScorer needs at least one pair of a scorer and its weight, got none.")
        for scorer, weight in weighted:
            if not isinstance(scorer, Scorer):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
                raise InputError(f"Expected a Scorer with its weight, got {scorer!r:.80}.")
            if isinstance(weight, bool | str) or not np.isfinite(weight):
                raise InputError(f"The weight of {scorer.name!r} must be a finite number, got {weight!r}.")
        self._weighted = [(scorer, float(weight)) for scorer, weight in weighted]
        self.name = name or " + ".join(f"{weight:g} {scorer.name}" for scorer, weight in self._weighted)
        self.requires_query = any(scorer.requires_query for scorer, _ in self._weighted)

    def score(self, tasks: Sequence[ScoringTask]) -> list[list[PassageScores]]:
        """Scores of every passage of every task; the units are the passages' segments."""
        sums = [
            [np.zeros(len(passage.segments) + 1, np.float32) for passage in task.passages] for task in tasks
        ]
        for scorer, weight in self._weighted:
            found = scorer.score(tasks)
            for task, scores, total in zip(tasks, found, sums, strict=True):
                if len(scores) != len(task.passages):
                    raise ScorerError(
                        f"Scorer {scorer.name!r} returned scores for {len(scores)} passages of "
                        f"{len(task.passages)}. Expected one for each."
                    )
                for row, added in zip(total, _rows(task, scores), strict=True):
                    row += np.float32(weight) * added
        return [
            [
                PassageScores.of_segments(passage.segments, row[:-1], relevance=float(row[-1]))
                for passage, row in zip(task.passages, total, strict=True)
            ]
            for task, total in zip(tasks, sums, strict=True)
        ]


def with_signals(
    task: ScoringTask, scores: Sequence[PassageScores], signals: Sequence[NDArray[np.float32]]
) -> list[PassageScores]:
    """Scores, standardised over all segments of the task, with what else counts added to them.

    Args:
        task: What was scored.
        scores: Of its passages.
        signals: For each passage, what to add to each of its segments.
    """
    rows = _standardised([pool(s, p.segments) for s, p in zip(scores, task.passages, strict=True)])
    return [
        PassageScores.of_segments(passage.segments, row + signal, relevance=found.relevance)
        for passage, found, row, signal in zip(task.passages, scores, rows, signals, strict=True)
    ]


def _standardised(rows: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """The rows less the mean over all of them, in standard deviations; zeros where all are equal."""
    flat = np.concatenate([np.zeros(0, np.float32), *rows]).astype(np.float64)
    mean, spread = (float(flat.mean()), float(flat.std())) if len(flat) else (0.0, 0.0)
    if spread <= 1e-9 * max(1.0, abs(mean)):
        return [np.zeros(len(row), np.float32) for row in rows]
    return [((row - mean) / spread).astype(np.float32) for row in rows]


def _rows(task: ScoringTask, scores: Sequence[PassageScores]) -> list[NDArray[np.float32]]:
    """For each passage its segments' standardised scores, and at the end its relevance among the others'."""
    for found in scores:
        check_scores(found)
    keep = _standardised([pool(s, p.segments) for s, p in zip(scores, task.passages, strict=True)])
    relevance = _standardised([np.array([found.relevance], np.float32) for found in scores])
    return [np.concatenate([row, of_passage]) for row, of_passage in zip(keep, relevance, strict=True)]
