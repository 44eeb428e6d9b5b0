"""From documents to segments with their costs: everything before scoring."""

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from lingua_core.documents import Document, Span
from lingua_core.protection import Protection
from lingua_core.rendering import WIDEST_GAP
from lingua_core.scorers.base import Passage
from lingua_core.segmentation import Segment, Segmenter, TextSegmenter, check_segments, divide
from lingua_core.tokens import SPACES, TokenCounter, adds_up
from lingua_core.unicode import encodable

__all__ = ["Preparation", "PreparedDocument"]

_LONGEST_SEGMENT = 1200
"""Characters. Longer sentences (transcripts, registers, minified text) are divided always."""


@dataclass(slots=True, kw_only=True)
class PreparedDocument:
    """A document cut into segments.

    Attributes:
        document: The source.
        text: Its text, safe for native libraries; same offsets.
        tokens: Tokens of the whole text.
        segments: What is kept or dropped as a whole.
        costs: Tokens of each segment, with the white space before it.
        exact: Whether the tokens of any choice of segments are the sum of their costs; if not, the
            costs are estimates.
        required: Whether each segment must be kept whatever its score.
        barred: Whether an earlier stage has decided against each segment.
        with_space: Whether kept spans begin with the white space before them, as words do.
        divided: How many segments were divided because they are larger than the budget.
    """

    document: Document
    text: str
    tokens: int
    segments: list[Segment]
    costs: list[int]
    exact: bool
    required: list[bool]
    barred: list[bool]
    with_space: bool = False
    divided: int = 0

    @property
    def open_segments(self) -> list[Segment]:
        """The segments that may still be kept."""
        return [s for s, barred in zip(self.segments, self.barred, strict=True) if not barred]

    @property
    def open_tokens(self) -> int:
        """Tokens of what may still be kept."""
        return sum(cost for cost, barred in zip(self.costs, self.barred, strict=True) if not barred)

    @property
    def is_open(self) -> bool:
        """Whether anything may still be kept."""
        return not all(self.barred)

    def as_passage(self) -> Passage:
        """What a scorer sees of it."""
        return Passage(text=self.text, title=self.document.title, segments=self.open_segments)


class Preparation:
    """Segments, protects and counts."""

    def __init__(
        self,
        *,
        segmenter: Segmenter,
        protection: Protection,
        required: Sequence[re.Pattern[str]],
        counter: TokenCounter,
        separator: str,
    ) -> None:
        self._segmenter = segmenter
        self._protection = protection
        self._required = required
        self._counter = counter
        self._adds_up = adds_up(counter, separator)

    def prepare(self, documents: Sequence[Document]) -> list[PreparedDocument]:
        """Segments and counts of all documents, each kind of count in one batch."""
        texts = [encodable(document.text) for document in documents]
        segments = [self._segment(t) if t else [] for t in texts]
        costs = self._count(texts, segments)
        exact = [self._is_exact(t, row) for t, row in zip(texts, segments, strict=True)]
        rest = iter(self._counter.count([d.text for d, e in zip(documents, exact, strict=True) if not e]))
        return [
            PreparedDocument(
                document=document,
                text=texts[i],
                tokens=sum(costs[i]) if exact[i] else next(rest),
                segments=segments[i],
                costs=costs[i],
                exact=exact[i],
                required=self._are_required(texts[i], segments[i]),
                barred=[False] * len(segments[i]),
            )
            for i, document in enumerate(documents)
        ]

    def refine(self, prepared: Sequence[PreparedDocument], segmenter: Segmenter, *, with_space: bool) -> None:
        """Exchange, in place, the segments for smaller ones; protected pieces stay whole.

        What an earlier stage has decided against stays so.
        """
        smaller = [self._smaller(document, segmenter) for document in prepared]
        costs = self._count([document.text for document in prepared], smaller)
        for document, segments, row in zip(prepared, smaller, costs, strict=True):
            ends = [s.end for s in document.segments]
            coarse = [document.barred[min(bisect_left(ends, s.end), len(ends) - 1)] for s in segments]
            document.segments, document.costs, document.barred = segments, row, coarse
            document.exact = self._is_exact(document.text, segments)
            document.required = self._are_required(document.text, segments)
            document.with_space = with_space

    def _smaller(self, document: PreparedDocument, segmenter: Segmenter) -> list[Segment]:
        segments = segmenter.segment(document.text) if document.segments else []
        return self._protection.keep_all_whole(document.text, segments)

    def divide_oversized(self, prepared: Sequence[PreparedDocument], allowance: int) -> None:
        """Divide, in place, segments that cost more than may be kept at all, where that can be done.

        What must be kept is never divided.
        """
        for document in prepared:
            if max(document.costs, default=0) > allowance:
                self._divide(document, allowance)

    def _segment(self, text: str) -> list[Segment]:
        segments = self._segmenter.segment(text)
        # The default segmenter's output is property-tested; anyone else's is checked.
        checked = segments if isinstance(self._segmenter, TextSegmenter) else check_segments(text, segments)
        whole = self._protection.keep_whole(text, checked)
        pieces = {
            i: self._divided(text, segment, _LONGEST_SEGMENT)
            for i, segment in enumerate(whole)
            if segment.end - segment.start > _LONGEST_SEGMENT
        }
        return _replaced(whole, pieces) if pieces else whole

    def _divided(self, text: str, segment: Segment, limit: int) -> list[Span]:
        if segment.kind == "code" and "code" in self._protection.kinds:
            return [Span(segment.start, segment.end)]
        protected = self._protection.spans(text, segment.start, segment.end)
        return divide(text, Span(segment.start, segment.end), limit, protected)

    def _are_required(self, text: str, segments: Sequence[Segment]) -> list[bool]:
        return [any(p.search(text, s.start, s.end) for p in self._required) for s in segments]

    def _divide(self, document: PreparedDocument, allowance: int) -> None:
        stuck = {
            (s.start, s.end) for s, must in zip(document.segments, document.required, strict=True) if must
        }
        # Characters a token costs vary inside a text, so that one round may not be enough.
        for _ in range(8):
            oversized = [
                i
                for i, (segment, cost) in enumerate(zip(document.segments, document.costs, strict=True))
                if cost > allowance and (segment.start, segment.end) not in stuck
            ]
            if not oversized:
                break
            pieces = {i: self._pieces(document, i, allowance) for i in oversized}
            document.divided += sum(len(spans) > 1 for spans in pieces.values())
            stuck.update(spans[0] for spans in pieces.values() if len(spans) == 1)
            document.segments = _replaced(document.segments, pieces)
            document.costs = self._count([document.text], [document.segments])[0]
        document.exact = self._is_exact(document.text, document.segments)
        document.required = self._are_required(document.text, document.segments)
        document.barred = [False] * len(document.segments)

    def _is_exact(self, text: str, segments: Sequence[Segment]) -> bool:
        return self._adds_up and all(text[s.end] in SPACES for s in segments[:-1])

    def _pieces(self, document: PreparedDocument, i: int, allowance: int) -> list[Span]:
        segment, cost = document.segments[i], document.costs[i]
        limit = max(1, int(0.9 * (segment.end - segment.start) * allowance / cost))
        return self._divided(document.text, segment, limit)

    def _count(self, texts: Sequence[str], segments: Sequence[Sequence[Segment]]) -> list[list[int]]:
        pieces: list[str] = []
        for text, row in zip(texts, segments, strict=True):
            previous = 0
            for start, end, *_ in row:
                pieces.append(text[max(previous, start - WIDEST_GAP) : end])
                previous = end
        counts = self._counter.count(pieces)
        found: list[list[int]] = []
        at = 0
        for row in segments:
            found.append(counts[at : at + len(row)])
            at += len(row)
        return found


def _replaced(segments: Sequence[Segment], pieces: dict[int, list[Span]]) -> list[Segment]:
    """The segments with some of them exchanged for their pieces; parents renumbered."""
    found: list[Segment] = []
    new_index: list[int] = []
    for i, segment in enumerate(segments):
        new_index.append(len(found))
        parent = new_index[segment.parent] if segment.parent >= 0 else -1
        found.extend(
            Segment(start, end, segment.kind, parent)
            for start, end in pieces.get(i, [Span(segment.start, segment.end)])
        )
    return found
