"""One prompt on its way through the pipeline: from scores to candidates, from a selection to documents."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lingua_core.budget import RATE_TOLERANCE, Budget
from lingua_core.fitting import Fitted
from lingua_core.models.readings import Readings
from lingua_core.preparation import PreparedDocument
from lingua_core.results import CompressedDocument, Note, ScoredSegment, compressed_document
from lingua_core.scorers.base import PassageScores, ScoringTask, check_scores, pool
from lingua_core.segmentation import worth_keeping_alone
from lingua_core.selection import Candidates

__all__ = ["Request"]


@dataclass(slots=True, kw_only=True)
class Request:
    """One prompt's documents and query, with what is known of them so far.

    Attributes:
        prepared: The documents, segmented and counted, in input order.
        query: The question, or None.
        notes: What did not go the plain way before scoring.
        scores: Scores of each document; None for one without text.
        ranks: Relevance of each document, where an earlier stage has ranked them.
        signals: What counts beside the method's own scores, of sentences, for each document; None where
            nothing does.
        readings: What a language model of one stage leaves for the next; None where no other follows.
    """

    prepared: Sequence[PreparedDocument]
    query: str | None
    notes: Sequence[Note]
    scores: list[PassageScores | None] = field(init=False)
    ranks: list[float] | None = None
    signals: list[PassageScores | None] | None = None
    readings: Readings | None = None

    def __post_init__(self) -> None:
        self.scores = [None] * len(self.prepared)

    def has_text(self) -> bool:
        """Whether there is anything to score."""
        return any(document.is_open for document in self.prepared)

    def task(self, instruction: str) -> ScoringTask:
        """What the scorer is asked: the documents of which something may be kept."""
        return ScoringTask(
            query=self.query,
            passages=[document.as_passage() for document in self.prepared if document.is_open],
            instruction=instruction,
            readings=self.readings,
        )

    def accept(self, scores: Sequence[PassageScores]) -> None:
        """Take the scorer's answer to `task`."""
        # Checked here, so that no later stage meets what a scorer should not have returned.
        for passage_scores in scores:
            check_scores(passage_scores)
        self.scores = self._spread(scores)

    def hear(self, signals: Sequence[PassageScores]) -> None:
        """Take what is to count beside the method's own scores, of the sentences as they are now."""
        self.signals = self._spread(signals)

    def heard(self) -> list[NDArray[np.float32]] | None:
        """What counts beside the scores, for the segments of each passage of `task`; None for nothing."""
        if self.signals is None:
            return None
        return [
            pool(signal, document.open_segments)
            for document, signal in zip(self.prepared, self.signals, strict=True)
            if signal is not None and document.is_open
        ]

    def _spread(self, scores: Sequence[PassageScores]) -> list[PassageScores | None]:
        """Scores of the documents of which something may be kept, and None for the others."""
        given = iter(scores)
        return [next(given) if document.is_open else None for document in self.prepared]

    def rank(self, relevance: Sequence[float]) -> None:
        """Take the relevance of the documents of which something may be kept."""
        given = iter(relevance)
        self.ranks = [float(next(given)) if document.is_open else 0.0 for document in self.prepared]

    def relevance(self, index: int) -> float:
        """The relevance of a document; 0 for one without text."""
        if self.ranks is not None:
            return self.ranks[index]
        scores = self.scores[index]
        return float(scores.relevance) if scores else 0.0

    def candidates(self, *, keep_headings: bool) -> Candidates:
        """All segments in one row, as selection wants them."""
        rows = self.prepared
        scores = self._pooled()
        parents: list[int] = []
        for document in rows:
            first = len(parents)
            parents.extend([first + s.parent if s.parent >= 0 else -1 for s in document.segments])
        alone = [flag for document in rows for flag in worth_keeping_alone(document.segments)]
        if not keep_headings:
            parents = [-1] * len(parents)
            alone = [True] * len(alone)
        barred = [flag for document in rows for flag in document.barred]
        return Candidates(
            scores=np.concatenate([np.zeros(0, np.float32), *scores]),
            costs=np.array([cost for document in rows for cost in document.costs], np.int64),
            parents=np.array(parents, np.int64),
            selectable=np.array(alone, np.bool_) & ~np.array(barred, np.bool_),
            required=np.array([flag for document in rows for flag in document.required], np.bool_),
        )

    def _pooled(self) -> list[NDArray[np.float32]]:
        """Scores of each document's segments; what an earlier stage has set aside gets the lowest."""
        rows = [
            pool(scores, document.segments) if scores is not None else None
            for document, scores in zip(self.prepared, self.scores, strict=True)
        ]
        lowest = min((float(row.min()) for row in rows if row is not None and len(row)), default=0.0)
        return [
            row if row is not None else np.full(len(document.segments), lowest, np.float32)
            for document, row in zip(self.prepared, rows, strict=True)
        ]

    def documents(
        self, candidates: Candidates, fitted: Fitted, *, separator: str
    ) -> list[CompressedDocument]:
        """Every document with its spans, kept or not, in input order."""
        scores: list[float] = candidates.scores.tolist()
        kept: list[bool] = fitted.kept.tolist()
        found: list[CompressedDocument] = []
        for i, prepared, at in self._rows():
            segments = tuple(
                ScoredSegment(segment.start, segment.end, segment.kind, score, cost, verdict)
                for segment, score, cost, verdict in zip(
                    prepared.segments, scores[at], prepared.costs, kept[at], strict=True
                )
            )
            found.append(
                compressed_document(
                    prepared.document,
                    index=i,
                    spans=fitted.spans[i],
                    score=self.relevance(i),
                    origin_tokens=prepared.tokens,
                    compressed_tokens=fitted.document_tokens[i],
                    segments=segments,
                    separator=separator,
                )
            )
        return found

    def outcome_notes(self, budget: Budget, candidates: Candidates, fitted: Fitted) -> Iterator[Note]:
        """What did not go the plain way in selection."""
        limit = budget.segment_limit(sum(document.tokens for document in self.prepared))
        for i, document, at in self._rows():
            if document.divided:
                message = f"Text in pieces larger than the budget was divided ({document.divided} times)."
                yield Note(code="divided_segment", message=message, document=i)
            over = 0
            if limit is not None:
                over = int(((candidates.costs[at] > limit) & ~fitted.kept[at]).sum())
            if over:
                what = (
                    "A piece that may not be cut was"
                    if over == 1
                    else f"{over} pieces that may not be cut were"
                )
                message = f"{what} larger than the budget and left out."
                yield Note(code="protected_over_budget", message=message, document=i)
        if len(fitted.kept) and not fitted.kept.any():
            yield Note(code="nothing_kept", message=f"No segment passed {budget}.")
        origin = sum(document.tokens for document in self.prepared)
        # The share that one token makes is no miss.
        if budget.kind == "rate" and not budget.is_default and origin and fitted.kept.any():
            reached = fitted.tokens / origin
            if abs(reached - budget.value) > RATE_TOLERANCE + 1 / origin:
                message = f"Whole segments came no nearer to the rate {budget.value:g} than {reached:.3g}."
                yield Note(code="rate_missed", message=message)
        if self.query is not None and len(candidates.scores) > 1 and np.ptp(candidates.scores) == 0:
            message = "No segment scored higher than another; what was kept is no answer to the query."
            yield Note(code="no_signal", message=message)

    def _rows(self) -> Iterator[tuple[int, PreparedDocument, slice]]:
        """Each document with its index and its place in the row of all segments."""
        at = 0
        for i, document in enumerate(self.prepared):
            yield i, document, slice(at, at + len(document.segments))
            at += len(document.segments)
