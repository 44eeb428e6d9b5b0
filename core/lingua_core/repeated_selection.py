"""Selecting from the same documents again and again: for several queries, scores and budgets.

Documents are segmented and counted once. Scoring and selecting are separate steps, so that scores can be
kept, combined and used for several budgets.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lingua_core.budget import choose_budget
from lingua_core.documents import Document
from lingua_core.errors import InputError, ScorerError
from lingua_core.fitting import Fitted, fit
from lingua_core.pipeline import Pipeline
from lingua_core.pruning.iterative import IterativePruner
from lingua_core.request import Request
from lingua_core.scorers.base import Passage, PassageScores, Scorer, pool, score_once

__all__ = ["RepeatedSelection", "SegmentScores"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentScores:
    """What a query makes of the documents that were scored for it; NaN for all others.

    Attributes:
        keep: Of all segments of all documents, in one row. Shape (segments,).
        relevance: Of the documents. Shape (documents,).
    """

    keep: NDArray[np.float32]
    relevance: NDArray[np.float32]


class RepeatedSelection:
    """The documents of one prompt, to be selected from more than once. Threads may share it.

    Made by `PromptCompressor.repeated_selection`.

    Args:
        pipeline: Of a compressor that keeps whole segments.
        documents: To select from.
        largest: Segments of more tokens are divided.

    Raises:
        InputError: If the method keeps words, whose choice depends on the budget.
    """

    def __init__(self, pipeline: Pipeline, documents: Sequence[Document], *, largest: int) -> None:
        valuer = pipeline.plan.valuer
        if isinstance(valuer, IterativePruner) or not pipeline.plan.keeps_segments:
            raise InputError(
                f"Method {pipeline.method!r} keeps words, and which ones depends on the budget: its scores "
                "cannot be used again. Call compress for each query, or use a method that keeps sentences."
            )
        self._scorer: Scorer = valuer
        self._pipeline = pipeline
        self._prepared = pipeline.preparation.prepare(documents)
        pipeline.preparation.divide_oversized(self._prepared, max(1, largest))
        self._lengths = [len(document.segments) for document in self._prepared]
        self.owners: NDArray[np.int64] = np.repeat(np.arange(len(documents)), self._lengths)

    @property
    def passages(self) -> list[Passage]:
        """The documents as scorers see them, in input order."""
        return [document.as_passage() for document in self._prepared]

    def score(self, asked: Sequence[tuple[str, Sequence[int]]]) -> list[SegmentScores]:
        """Score some documents for each query; the model goes over all in one pass.

        Args:
            asked: Queries, each with the indices of the documents to score.
        """
        scored = [[i for i in indices if self._lengths[i]] for _, indices in asked]
        requests = [
            Request(prepared=[self._prepared[i] for i in indices], query=query, notes=())
            for (query, _), indices in zip(asked, scored, strict=True)
        ]
        found = score_once(self._scorer, [request.task("") for request in requests])
        if [len(row) for row in found] != [len(indices) for indices in scored]:
            raise ScorerError(f"Scorer {self._scorer.name!r} must return one PassageScores for each passage.")
        for request, row in zip(requests, found, strict=True):
            request.accept(row)
        return [self._spread(indices, row) for indices, row in zip(scored, found, strict=True)]

    def select(self, keep: NDArray[np.float32], *, target_tokens: int, headings: Sequence[str]) -> Fitted:
        """The best segments within a budget.

        Args:
            keep: Scores of all segments. Shape (segments,).
            target_tokens: The most tokens of what is kept, headings included.
            headings: What stands above each document of which something is kept; one for each.

        Raises:
            ProtectedOverBudgetError: If what may not be cut is larger than the budget.
        """
        request = Request(prepared=self._prepared, query=None, notes=())
        rows = np.split(keep.astype(np.float32), np.cumsum(self._lengths)[:-1])
        request.accept(
            [
                PassageScores.of_segments(document.segments, row, relevance=float(row.max(initial=0.0)))
                for document, row in zip(self._prepared, rows, strict=True)
                if document.is_open
            ]
        )
        candidates = request.candidates(keep_headings=self._pipeline.keep_headings)
        openings = np.array(self._pipeline.counter.count(headings), np.int64)
        return fit(
            self._prepared,
            replace(candidates, owners=self.owners, openings=openings),
            choose_budget(target_tokens=target_tokens),
            counter=self._pipeline.counter,
            separator=self._pipeline.separator,
            document_separator=self._pipeline.document_separator,
            order=range(len(self._prepared)),
            headings=headings,
        )

    def _spread(self, indices: Sequence[int], found: Sequence[PassageScores]) -> SegmentScores:
        keep = np.full(len(self.owners), np.nan, np.float32)
        relevance = np.full(len(self._prepared), np.nan, np.float32)
        for i, scores in zip(indices, found, strict=True):
            keep[self.owners == i] = pool(scores, self._prepared[i].segments)
            relevance[i] = scores.relevance
        return SegmentScores(keep=keep, relevance=relevance)
