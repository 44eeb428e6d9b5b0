"""What of the documents bears on a question, and on each point of its answer.

The model reads all documents once, with the question. What a point names is looked up in the words of all
segments and in the titles (milliseconds); a few documents are then read once more, with question and point
together: those that promise most, and those that hold most of what the point names, for where the question
is broad ("an overview of ...") its scores say nothing about points. On development data that keeps as much
evidence as reading all documents with each point, at a fifth of the work (docs/experiments/rag-skeleton.md).
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lingua_core.compression import PromptCompressor
from lingua_core.documents import Document
from lingua_core.repeated_selection import RepeatedSelection, SegmentScores
from lingua_core.scorers.lexical import LexicalIndex, terms
from lingua_core.skeleton.documents.scoring import SharedPasses
from lingua_core.skeleton.documents.selection import Excerpt, excerpts, heading, numbered

__all__ = ["CompressionSelector", "SegmentSelector", "Selected", "Selector", "selector"]

Vector = NDArray[np.float32]
_NAMED = 4.0
"""Standard deviations of the scores that a segment gains by holding all words of a point, and as many by
standing under a title of the same words."""
_NAMES = 0.45
"""A point names something of the documents if a segment holds this share of its words, by their weight, title
and text taken together."""
_TOLD = 0.015
"""Of probabilities: a segment this likely bears on a point by itself. On development data 95 % of points that
had nothing to do with the documents stayed below .009, 95 % of those like "Background" came above .024."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """What was selected.

    Attributes:
        excerpts: In the order of the input.
        bears: Whether any of it bears on what was asked, as far as the scorer can tell.
    """

    excerpts: tuple[Excerpt, ...]
    bears: bool = True


class Selector(Protocol):
    """Selects from the documents of one answer. Threads may share it."""

    def for_question(self, question: str, tokens: int) -> Selected:
        """What bears on the question, in at most so many tokens, numbers and titles included."""
        ...

    def for_point(self, question: str, point: str, tokens: int) -> Selected:
        """What bears on a point of its answer."""
        ...

    def is_broad(self, point: str) -> bool:
        """Whether a point names nothing by which documents are found, such as "Background". Takes no time."""
        ...


def selector(
    compressor: PromptCompressor, documents: Sequence[Document], *, largest: int, reread: int
) -> Selector:
    """The selector that fits a compressor.

    Args:
        compressor: Its method decides.
        documents: To select from.
        largest: Segments of more tokens are divided.
        reread: Documents that are read again with each point.
    """
    if compressor.keeps_segments:
        return SegmentSelector(compressor, documents, largest=largest, reread=reread)
    return CompressionSelector(compressor, documents)


class SegmentSelector:
    """For methods that keep whole segments: scores are kept and combined.

    Args:
        compressor: Its scorer, counter and segments are used.
        documents: To select from.
        largest: Segments of more tokens are divided.
        reread: Documents that are read again with each point; 0 for none.
    """

    def __init__(
        self, compressor: PromptCompressor, documents: Sequence[Document], *, largest: int, reread: int
    ) -> None:
        self._documents = documents
        self._reread = reread
        self._separator = compressor.separator
        self._threshold = compressor.scorer.default_threshold
        self._headings = [heading(i, document) for i, document in enumerate(documents)]
        self._repeated: RepeatedSelection = compressor.repeated_selection(documents, largest=largest)
        self._index = LexicalIndex(self._repeated.passages)
        self._titles = [set(terms(document.title or "")) for document in documents]
        self._passes = SharedPasses(self._repeated.score)
        self._lock = threading.Lock()
        self._of_question: dict[str, SegmentScores] = {}

    def for_question(self, question: str, tokens: int) -> Selected:
        """What bears on the question, in at most so many tokens, numbers and titles included."""
        scores = self._base(question)
        kept = self._selected(scores, _standardized(self._spread_out(scores.keep)), tokens)
        return Selected(excerpts=kept, bears=bool(kept))

    def for_point(self, question: str, point: str, tokens: int) -> Selected:
        """What bears on a point of its answer."""
        base = self._base(question)
        named = self._named(point)
        best = self._most_promising(self._combined(base.keep, named), named)
        fresh = self._passes.get((f"{question} {point}", best)) if best else base
        scores = SegmentScores(
            keep=np.where(np.isnan(fresh.keep), base.keep, fresh.keep),
            relevance=np.where(np.isnan(fresh.relevance), base.relevance, fresh.relevance),
        )
        kept = self._selected(scores, self._combined(scores.keep, named), tokens)
        return Selected(excerpts=kept, bears=bool(kept) and (_is_named(named) or self._is_told(point, best)))

    def is_broad(self, point: str) -> bool:
        """Whether a point names nothing by which documents are found, such as "Background". Takes no time."""
        return not _is_named(self._named(point))

    def _base(self, question: str) -> SegmentScores:
        # Held while the model reads: who comes meanwhile needs the same.
        with self._lock:
            if question not in self._of_question:
                everything = range(len(self._documents))
                self._of_question[question] = self._repeated.score([(question, everything)])[0]
            return self._of_question[question]

    def _named(self, point: str) -> Vector:
        """How much segments hold of what the point names: its words, and the same again for their title."""
        rows = self._index.scores(point)
        words = np.concatenate([np.zeros(0, np.float32), *rows])
        wanted = set(terms(point))
        alike = [len(wanted & title) / max(1, len(wanted | title)) for title in self._titles]
        titled = np.asarray(alike, np.float32)[self._repeated.owners]
        return (words + titled).astype(np.float32)

    def _combined(self, keep: Vector, named: Vector) -> Vector:
        return (_standardized(self._spread_out(keep)) + _NAMED * named).astype(np.float32)

    def _most_promising(self, combined: Vector, named: Vector) -> list[int]:
        """The documents to read again: half by all that is known, half by what the point names."""
        found = self._best_documents(combined)[: self._reread - self._reread // 2]
        others = [i for i in self._best_documents(named) if i not in found]
        return sorted([*found, *others[: self._reread // 2]])

    def _best_documents(self, values: Vector) -> list[int]:
        best = np.full(len(self._documents), -np.inf)
        np.maximum.at(best, self._repeated.owners, values)
        return [int(i) for i in np.argsort(-best, kind="stable") if np.isfinite(best[i])]

    def _spread_out(self, keep: Vector) -> Vector:
        """Probabilities as log-odds, which tell apart what is near 0 and near 1; other scores as they are."""
        if self._threshold is None or not _are_probabilities(keep):
            return keep
        sure = np.clip(keep, 1e-7, 1 - 1e-7)
        return np.log(sure / (1 - sure)).astype(np.float32)

    def _selected(self, scores: SegmentScores, combined: Vector, tokens: int) -> tuple[Excerpt, ...]:
        fitted = self._repeated.select(combined, target_tokens=tokens, headings=self._headings)
        return tuple(
            Excerpt(
                index=i,
                document=document,
                spans=fitted.spans[i],
                score=float(scores.relevance[i]),
                separator=self._separator,
            )
            for i, document in enumerate(self._documents)
            if fitted.spans[i]
        )

    def _is_told(self, point: str, documents: Sequence[int]) -> bool:
        """Whether some of these documents bear on a point that they do not name, as far as one can tell.

        Asked of the point alone: with the question before it, what bears on the question passes for it.
        """
        if self._threshold is None:
            return True
        keep = (self._passes.get((point, documents)) if documents else self._base(point)).keep
        least = max(self._threshold, _TOLD) if _are_probabilities(keep) else self._threshold
        return bool(np.nanmax(keep, initial=-np.inf) >= least)


class CompressionSelector:
    """For methods that keep words: each query is compressed by itself, those that wait in one pass.

    Args:
        compressor: Does it.
        documents: To select from.
    """

    def __init__(self, compressor: PromptCompressor, documents: Sequence[Document]) -> None:
        self._compressor = compressor
        self._documents = documents
        counts = compressor.token_counter.count([heading(i, d) for i, d in enumerate(documents)])
        self._heading_tokens = sum(counts) / max(1, len(counts))
        self._passes: SharedPasses[tuple[str, int], Selected] = SharedPasses(self._answer)

    def for_question(self, question: str, tokens: int) -> Selected:
        """What bears on the question, in at most so many tokens, numbers and titles included."""
        return self._passes.get((question, tokens))

    def for_point(self, question: str, point: str, tokens: int) -> Selected:
        """What bears on a point of its answer."""
        return self._passes.get((f"{question} {point}", tokens))

    def is_broad(self, point: str) -> bool:
        """False: without scores of segments there is no telling."""
        return False

    def _answer(self, asked: Sequence[tuple[str, int]]) -> list[Selected]:
        found: dict[tuple[str, int], Selected] = {}
        for tokens in dict.fromkeys(tokens for _, tokens in asked):
            queries = list(dict.fromkeys(query for query, wanted in asked if wanted == tokens))
            results = self._compressor.compress_batch(
                [self._documents] * len(queries), queries, target_tokens=self._for_text(tokens)
            )
            for query, result in zip(queries, results, strict=True):
                kept = self._within(excerpts(result), tokens)
                found[query, tokens] = Selected(excerpts=kept, bears=bool(kept))
        return [found[request] for request in asked]

    def _for_text(self, tokens: int) -> int:
        """What is left of a budget under the headings of all documents, or of a quarter of it."""
        above = min(self._heading_tokens * len(self._documents), tokens / 4)
        return max(1, int(tokens - above))

    def _within(self, kept: tuple[Excerpt, ...], tokens: int) -> tuple[Excerpt, ...]:
        """Without the documents that matter least, as far as there are more than fit with their headings."""
        count = self._compressor.token_counter.count
        while kept and count([numbered(kept)])[0] > tokens:
            least = min(kept, key=lambda excerpt: (excerpt.score, -excerpt.index))
            kept = tuple(excerpt for excerpt in kept if excerpt is not least)
        return kept


def _are_probabilities(keep: Vector) -> bool:
    return bool(np.nanmin(keep, initial=0.0) >= 0 and np.nanmax(keep, initial=0.0) <= 1)


def _is_named(named: Vector) -> bool:
    return bool(named.max(initial=0.0) >= _NAMES)


def _standardized(values: Vector) -> Vector:
    """With mean 0 and standard deviation 1; all 0 where all are equal."""
    spread = float(values.std()) if len(values) else 0.0
    return ((values - values.mean()) / spread).astype(np.float32) if spread > 0 else np.zeros_like(values)
