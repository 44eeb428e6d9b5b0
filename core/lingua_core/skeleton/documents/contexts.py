"""The contexts of one answer's calls, compressed from its documents."""

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from lingua_core.compression import PromptCompressor
from lingua_core.documents import Document
from lingua_core.errors import InputError, LinguaError, ScorerError
from lingua_core.skeleton.documents.budgeting import PointBudget, PromptFrame
from lingua_core.skeleton.documents.choosing import choose_mode
from lingua_core.skeleton.documents.citing import cited_numbers
from lingua_core.skeleton.documents.options import SMALLEST, ContextOptions
from lingua_core.skeleton.documents.selecting import Selector, selector
from lingua_core.skeleton.documents.selection import (
    Excerpt,
    citations,
    merged_citations,
    numbered,
    united,
    whole,
)
from lingua_core.skeleton.types import Expansion, Point, SkeletonAnswer

__all__ = ["DocumentContexts"]

_LOGGER = logging.getLogger(__name__)
_SHORT = 160
"""Tokens of documents that are not worth cutting."""
Excerpts = tuple[Excerpt, ...]


@dataclass(slots=True)
class _Given:
    """What one answer's calls were given so far.

    Attributes:
        view: What the skeleton is planned on.
        direct: What a direct answer is written from.
        points: By number, of the last call that wrote each.
        calls: Of all calls, in the order in which they asked.
        notes: By number, why a point was not written from what bears on it.
    """

    view: Excerpts | None = None
    direct: Excerpts | None = None
    points: dict[int, Excerpts] = field(default_factory=dict[int, Excerpts])
    calls: list[Excerpts] = field(default_factory=list[Excerpts])
    notes: dict[int, str] = field(default_factory=dict[int, str])


class DocumentContexts:
    """Gives each call of one answer what it needs of the documents. A `ContextProvider`, for one answer.

    Points ask as their lines close. Those that ask while others are being scored are scored together in the
    next pass. A point for which nothing can be selected, because the compressor fails or finds nothing, is
    written from what the skeleton was planned on, and the answer's notes say so.

    Args:
        documents: What the answer is to rest on.
        compressor: Cuts them; its counter counts.
        options: Modes and budgets.
        frame: What prompts hold beside contexts: for the default budget.

    Raises:
        InputError: If there is no text.
    """

    def __init__(
        self,
        documents: Sequence[Document],
        compressor: PromptCompressor,
        options: ContextOptions,
        *,
        frame: PromptFrame | None = None,
    ) -> None:
        self.documents = tuple(documents)
        if not any(document.text.strip() for document in self.documents):
            raise InputError(f"documents holds no text ({len(self.documents)} documents).")
        self._compressor = compressor
        self.whole_tokens = self.count([self.whole()])
        budget, frame = _default_budget(options, self.whole_tokens, frame or PromptFrame())
        if options.context_tokens is not None:
            budget, frame = options.context_tokens, PromptFrame()
        self.context_tokens = budget
        self.choice = choose_mode(options, total=self.context_tokens, whole=self.whole_tokens)
        self._view_tokens = options.skeleton_tokens(self.context_tokens)
        left = max(0, self.context_tokens - self._view_tokens)
        share = left // options.expected_points
        least = SMALLEST if options.context_tokens is not None else max(SMALLEST, share // 2)
        self._points = PointBudget(total=left, expected=options.expected_points, least=least, frame=frame)
        largest = min(self._view_tokens, share)
        if self.choice.mode == "shared":
            self._view_tokens = largest = self.choice.shared_tokens
        self._largest, self._reread = largest, options.reread
        self._lock = threading.Lock()
        self._viewing, self._preparing = threading.Lock(), threading.Lock()
        self._selector: Selector | None = None
        self._waiting: dict[int, int] = {}
        self._given = _Given()

    # What calls are written from

    def for_skeleton(self, question: str) -> str:
        """A compressed view of all documents.

        Raises:
            LinguaError: If the compressor fails: there is nothing to fall back on.
        """
        return numbered(self._view(question))

    def for_direct(self, question: str) -> str:
        """All documents, compressed to the whole budget.

        Raises:
            LinguaError: If the compressor fails.
        """
        kept = self._for_question(question, self.context_tokens, "a direct answer")
        with self._lock:
            self._given.direct = kept
        return numbered(kept)

    def for_points(self, question: str, points: Sequence[Point]) -> str:
        """What bears on these points."""
        kept = self._for_points(question, points)
        with self._lock:
            self._given.points.update({point.index: kept for point in points})
            self._given.calls.append(kept)
        return numbered(kept)

    # What is known of the plan

    def waits_for_plan(self, points: Sequence[Point]) -> bool:
        """Whether one of these names nothing of the documents: it is to read what the others leave."""
        if self.choice.mode == "shared" or self._selector is None:
            return False
        return any(self._selector.is_broad(point.text) for point in points)

    def plan_is_complete(self, waiting: Sequence[Point], *, points: int) -> None:
        """Share out what is left among the points that waited."""
        numbers = [point.index for point in waiting]
        with self._lock:
            self._waiting = dict.fromkeys(
                numbers, self._points.of_waiting(numbers, points=points) if numbers else 0
            )

    def _view(self, question: str) -> Excerpts:
        with self._viewing:
            if self._given.view is None:
                self._given.view = self._for_question(question, self._view_tokens, "the skeleton")
            return self._given.view

    def _prepared(self) -> Selector:
        # Not in the constructor, which an event loop may wait for.
        with self._preparing:
            if self._selector is None:
                self._selector = selector(
                    self._compressor, self.documents, largest=self._largest, reread=self._reread
                )
            return self._selector

    def _for_question(self, question: str, tokens: int, purpose: str) -> Excerpts:
        try:
            return self._prepared().for_question(question, tokens).excerpts
        except Exception as error:
            message = f"The documents could not be compressed to {tokens} tokens for {purpose}: {error}"
            if isinstance(error, InputError):
                raise InputError(message) from error
            raise ScorerError(message) from error

    def _for_points(self, question: str, points: Sequence[Point]) -> Excerpts:
        if self.choice.mode == "shared":
            return self._view(question)
        return united([self._for_point(question, point) for point in points])

    def _for_point(self, question: str, point: Point) -> Excerpts:
        with self._lock:
            tokens = self._waiting.get(point.index) or self._points.of(point.index)
        try:
            selected = self._prepared().for_point(question, point.text, tokens)
        except Exception as error:  # a user's scorer or counter may raise anything; the answer goes on
            _LOGGER.warning("The compressor failed for point %d: %s", point.index, error)
            reason = f"{error}" if isinstance(error, LinguaError) else f"{type(error).__name__}: {error}"
            why = f"The compressor failed for point {point.index} ({reason.rstrip('.')})"
            return self._instead(question, point, why)
        if not selected.bears:
            return self._instead(question, point, f"No document bears on point {point.index}")
        return selected.excerpts

    def _instead(self, question: str, point: Point, why: str) -> Excerpts:
        with self._lock:
            self._given.notes[point.index] = f"{why}: written from what the skeleton was planned on."
        return self._view(question)

    # What came of it

    def count(self, texts: Sequence[str]) -> int:
        """Tokens of some texts, by the compressor's counter."""
        return sum(self._compressor.token_counter.count(list(texts)))

    def whole(self) -> str:
        """All documents as they are, as a direct call would read them."""
        return numbered(whole(self.documents))

    def given_tokens(self) -> int:
        """Tokens of all contexts that were handed out, once for each call."""
        with self._lock:
            given = [self._given.view or (), self._given.direct or (), *self._given.calls]
        return self.count([numbered(kept) for kept in given])

    def credit(self, answer: SkeletonAnswer) -> SkeletonAnswer:
        """The answer with what each point was written from and what it cites, numbered alike throughout."""
        with self._lock:
            view, direct = self._given.view or (), self._given.direct
            points, fallen_back = dict(self._given.points), dict(self._given.notes)
        notes = [fallen_back[index] for index in sorted(fallen_back)]
        if answer.route == "skeleton":
            used = [view, *points.values()]
            notes.append(f"Contexts: {self.choice.mode}; {self.choice.reason}.")
        else:
            # What a skeleton's call has written as an answer rests on what the skeleton was to be planned on.
            used = [view if direct is None else direct]
        found = merged_citations(used)
        if answer.route == "skeleton":
            notes += [note for e in answer.expansions if (note := _unknown_to_point(e, points))]
        elif wrong := _unknown(answer.text, used):
            notes.append(f"The answer cites {wrong}, which it was not given.")
        return replace(
            answer,
            expansions=tuple(
                _credited(e, points.get(e.point.index, ()), fallen_back.get(e.point.index, ""))
                for e in answer.expansions
            ),
            citations=found,
            notes=(*answer.notes, *notes),
        )


def _default_budget(options: ContextOptions, whole: int, frame: PromptFrame) -> tuple[int, PromptFrame]:
    """Tokens of contexts with which as many points as expected read no more than a direct call, all told.

    Where prompts alone are larger than that, saving is out of reach: then every call reads short documents
    whole, rather than a few words of them, and what prompts hold beside does not count.
    """
    affordable = whole - frame.of_answer(options.expected_points)
    if affordable >= options.least_tokens:
        return affordable, frame
    view = options.skeleton_share
    smallest_share = min(share for share in (view, (1 - view) / options.expected_points) if share)
    return max(options.least_tokens, -int(-min(whole, _SHORT) // smallest_share)), PromptFrame()


def _unknown_to_point(expansion: Expansion, given: Mapping[int, Excerpts]) -> str:
    """A note if a point cites what neither it nor the points that it builds on were given; else empty."""
    point = expansion.point
    read = [given.get(index, ()) for index in (point.index, *point.depends_on)]
    wrong = _unknown(expansion.text, read)
    return f"Point {point.index} cites {wrong}, which it was not given." if wrong else ""


def _unknown(text: str, given: Sequence[Excerpts]) -> str:
    known = {excerpt.index + 1 for kept in given for excerpt in kept}
    return ", ".join(f"[{number}]" for number in cited_numbers(text) if number not in known)


def _credited(expansion: Expansion, kept: Excerpts, note: str) -> Expansion:
    known = {excerpt.index + 1 for excerpt in kept}
    cited = tuple(number for number in cited_numbers(expansion.text) if number in known)
    return replace(expansion, citations=citations(kept), cited=cited, note=note)
