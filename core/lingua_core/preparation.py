"""From documents to segments with their costs: everything before scoring."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lingua_core.documents import Document, Span
from lingua_core.protection import Protection
from lingua_core.rendering import WIDEST_GAP
from lingua_core.scorers.base import Passage
from lingua_core.segmentation import Segment, Segmenter, divide
from lingua_core.tokens import TokenCounter
from lingua_core.unicode import encodable

__all__ = ["Preparation", "PreparedDocument"]


@dataclass(slots=True)
class PreparedDocument:
    """A document cut into segments.

    Attributes:
        document: The source.
        text: Its text, safe for native libraries; same offsets.
        tokens: Tokens of the whole text.
        segments: What is kept or dropped as a whole.
        costs: Tokens of each segment, with the white space before it.
        divided: How many segments were divided because they are larger than the budget.
    """

    document: Document
    text: str
    tokens: int
    segments: list[Segment]
    costs: list[int]
    divided: int = 0

    def as_passage(self) -> Passage:
        """What a scorer sees of it."""
        return Passage(text=self.text, title=self.document.title, segments=self.segments)


class Preparation:
    """Segments, protects and counts."""

    def __init__(
        self,
        *,
        segmenter: Segmenter,
        protection: Protection,
        required: Sequence[re.Pattern[str]],
        counter: TokenCounter,
    ) -> None:
        self._segmenter = segmenter
        self._protection = protection
        self._required = required
        self._counter = counter

    def prepare(self, documents: Sequence[Document]) -> list[PreparedDocument]:
        """Segments and counts of all documents, each kind of count in one batch."""
        texts = [encodable(document.text) for document in documents]
        tokens = self._counter.count([document.text for document in documents])
        segments = [self._protection.keep_whole(t, self._segmenter.segment(t)) if t else [] for t in texts]
        costs = self._count(texts, segments)
        return [
            PreparedDocument(*fields)
            for fields in zip(documents, texts, tokens, segments, costs, strict=True)
        ]

    def divide_oversized(self, prepared: Sequence[PreparedDocument], allowance: int) -> None:
        """Divide, in place, segments that cost more than may be kept at all, where that can be done.

        What must be kept is never divided.
        """
        for document in prepared:
            if max(document.costs, default=0) > allowance:
                self._divide(document, allowance)

    def is_required(self, document: PreparedDocument, segment: Segment) -> bool:
        """Whether the segment holds a match of an `always_keep` pattern."""
        return any(p.search(document.text, segment.start, segment.end) for p in self._required)

    @property
    def has_required(self) -> bool:
        """Whether there are `always_keep` patterns."""
        return bool(self._required)

    def _divide(self, document: PreparedDocument, allowance: int) -> None:
        before = len(document.segments)
        stuck = {(s.start, s.end) for s in document.segments if self.is_required(document, s)}
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
            stuck.update(spans[0] for spans in pieces.values() if len(spans) == 1)
            document.segments = _replaced(document.segments, pieces)
            document.costs = self._count([document.text], [document.segments])[0]
        document.divided += len(document.segments) - before

    def _pieces(self, document: PreparedDocument, i: int, allowance: int) -> list[Span]:
        segment, cost = document.segments[i], document.costs[i]
        limit = max(1, int(0.9 * (segment.end - segment.start) * allowance / cost))
        protected = self._protection.spans(document.text, segment.start, segment.end)
        return divide(document.text, Span(segment.start, segment.end), limit, protected)

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
