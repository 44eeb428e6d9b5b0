"""The contexts of one answer's calls, compressed from its documents."""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lingua_core.compression import PromptCompressor
from lingua_core.documents import Document, Span
from lingua_core.errors import LinguaError
from lingua_core.skeleton.documents.budgeting import PointBudget
from lingua_core.skeleton.documents.choosing import ContextChoice, choose_mode
from lingua_core.skeleton.documents.citing import cited_numbers
from lingua_core.skeleton.documents.options import SMALLEST, ContextOptions
from lingua_core.skeleton.documents.scoring import SharedPasses
from lingua_core.skeleton.documents.selection import (
    Excerpt,
    citations,
    excerpts,
    merged_citations,
    numbered,
    united,
)
from lingua_core.skeleton.types import Expansion, Point, SkeletonAnswer

__all__ = ["DocumentContexts"]

_LOGGER = logging.getLogger(__name__)
Excerpts = tuple[Excerpt, ...]


@dataclass(slots=True)
class _Given:
    """What one answer's calls were given so far.

    Attributes:
        view: What the skeleton is planned on.
        core: What bears on the question as a whole, and is part of every point's context.
        direct: What a direct answer is written from.
        points: By number.
        notes: What did not go the plain way.
    """

    view: Excerpts | None = None
    core: Excerpts | None = None
    direct: Excerpts | None = None
    points: dict[int, Excerpts] | None = None
    notes: list[str] | None = None


class DocumentContexts:
    """Gives each call of one answer what it needs of the documents. A `ContextProvider`, for one answer.

    Points ask as their lines close. Those that ask while others are being scored are scored together in the
    next pass. A point for which nothing can be selected, because the compressor fails or finds nothing, is
    written from what the skeleton was planned on, and the answer's notes say so.

    Args:
        documents: What the answer is to rest on.
        compressor: Cuts them; its counter counts.
        options: Modes and budgets.
        overhead: Tokens that all prompts of an answer have beside contexts, for the default budget.
    """

    def __init__(
        self,
        documents: Sequence[Document],
        compressor: PromptCompressor,
        options: ContextOptions,
        *,
        overhead: int = 0,
    ) -> None:
        self.documents = tuple(documents)
        self._compressor = compressor
        self._options = options
        self._passes = SharedPasses(compressor, self.documents)
        self.origin_tokens = sum(compressor.token_counter.count([d.text for d in self.documents]))
        least = SMALLEST * (options.expected_points + 1)
        self.context_tokens = options.context_tokens or max(least, self.origin_tokens - overhead)
        self.choice = self._choice()
        self._view_tokens = max(SMALLEST, int(self.context_tokens * options.skeleton_share))
        if self.choice.mode == "shared":
            self._view_tokens = self._shared_tokens()
        left = max(0, self.context_tokens - self._view_tokens)
        self._points = PointBudget(left, options.expected_points)
        self._core_tokens = int(options.question_share * left / options.expected_points)
        self._lock = threading.Lock()
        self._given = _Given(points={}, notes=[])
        self._calls: list[Excerpts] = []

    def _choice(self) -> ContextChoice:
        shared = min(self.origin_tokens, self.context_tokens)
        return choose_mode(self._options, total=self.context_tokens, shared=shared)

    def _shared_tokens(self) -> int:
        """Of a context that all calls read: the whole budget where a cache pays for it, else a part."""
        calls = self._options.expected_points + 1
        is_cached = self.choice.shared < calls * min(self.origin_tokens, self.context_tokens)
        return max(SMALLEST, self.context_tokens if is_cached else self.context_tokens // calls)

    # What calls are written from

    def for_skeleton(self, question: str) -> str:
        """A compressed view of all documents."""
        return numbered(self._view(question))

    def for_direct(self, question: str) -> str:
        """All documents, compressed to the whole budget."""
        kept = self._compress(question, self.context_tokens)
        with self._lock:
            self._given.direct = kept
        return numbered(kept)

    def for_points(self, question: str, points: Sequence[Point]) -> str:
        """What bears on these points."""
        kept = self._for_points(question, points)
        with self._lock:
            assert self._given.points is not None
            self._given.points.update({point.index: kept for point in points})
            self._calls.append(kept)
        return numbered(kept)

    def _view(self, question: str) -> Excerpts:
        if self._given.view is None:
            kept = self._compress(question, self._view_tokens)
            with self._lock:
                self._given.view = self._given.view or kept
        return self._given.view or ()

    def _core(self, question: str) -> Excerpts:
        if self._core_tokens < SMALLEST:
            return ()
        if self._given.core is None:
            kept = self._compress(question, self._core_tokens)
            with self._lock:
                self._given.core = self._given.core or kept
        return self._given.core or ()

    def _for_points(self, question: str, points: Sequence[Point]) -> Excerpts:
        if self.choice.mode == "shared":
            return self._view(question)
        names = " and ".join(f"point {point.index}" for point in points)
        tokens = self._points.take(len(points))
        if tokens < SMALLEST:
            return self._instead(question, f"The context budget was used up before {names}")
        query = " ".join([question, *(point.text for point in points)])
        try:
            core = self._core(question)
            own = self._compress(query, max(SMALLEST, tokens - (self._core_tokens if core else 0)))
        except LinguaError as error:
            _LOGGER.warning("The compressor failed for %s: %s", names, error)
            return self._instead(question, f"The compressor failed for {names} ({error})")
        if not self._bears(own):
            return self._instead(question, f"No document bears on {names}")
        return united([core, own])

    def _bears(self, kept: Excerpts) -> bool:
        """Whether anything is worth reading, for scorers that can tell."""
        least = self._compressor.scorer.default_threshold
        return any(least is None or excerpt.score >= least for excerpt in kept)

    def _instead(self, question: str, why: str) -> Excerpts:
        with self._lock:
            assert self._given.notes is not None
            self._given.notes.append(f"{why}: written from what the skeleton was planned on.")
        return self._view(question)

    def _compress(self, query: str, tokens: int) -> Excerpts:
        return excerpts(self._passes.compress(query, tokens))

    # What came of it

    def count(self, texts: Sequence[str]) -> int:
        """Tokens of some texts, by the compressor's counter."""
        return sum(self._compressor.token_counter.count(list(texts)))

    def whole(self) -> str:
        """All documents as they are, as a direct call would read them."""
        return numbered(
            [
                Excerpt(
                    index=i,
                    document=document,
                    spans=(Span(0, len(document.text)),),
                    score=0.0,
                    separator="",
                )
                for i, document in enumerate(self.documents)
            ]
        )

    def given_tokens(self) -> int:
        """Tokens of all contexts that were handed out, once for each call."""
        with self._lock:
            given = [self._given.view or (), self._given.direct or (), *self._calls]
        return self.count([numbered(kept) for kept in given])

    def credit(self, answer: SkeletonAnswer) -> SkeletonAnswer:
        """The answer with what each point was written from and what it cites, numbered alike throughout."""
        with self._lock:
            points, notes = dict(self._given.points or {}), list(self._given.notes or [])
        if answer.route == "direct":
            used = [self._given.direct or self._given.view or ()]
        else:
            used = [self._given.view or (), *points.values()]
        found = merged_citations(used)
        known = {citation.number for citation in found}
        if wrong := [number for number in cited_numbers(answer.text) if number not in known]:
            notes.append(f"The answer cites {wrong}, which no call was given.")
        if answer.route == "skeleton":
            notes.append(f"Contexts: {self.choice.mode}; {self.choice.reason}.")
        return replace(
            answer,
            expansions=tuple(_credited(e, points.get(e.point.index, ())) for e in answer.expansions),
            citations=found,
            notes=(*answer.notes, *notes),
        )


def _credited(expansion: Expansion, kept: Excerpts) -> Expansion:
    known = {excerpt.index + 1 for excerpt in kept}
    cited = tuple(number for number in cited_numbers(expansion.text) if number in known)
    return replace(expansion, citations=citations(kept), cited=cited)
