"""What a compression removed, as passages with ids that can be asked for.

A part is a passage: neighbouring removed pieces of one section, together with the few kept words that may
stand between them, as methods that keep words leave them. So what is fetched can be read.
"""

import hashlib
import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from lingua_core.documents import Document, Span
from lingua_core.segmentation.blocks import blocks
from lingua_core.segmentation.pieces import divide

if TYPE_CHECKING:
    from lingua_core.results import CompressedDocument

__all__ = ["ID_LENGTH", "OriginalDocument", "RemovedPart", "plain_heading", "removed_parts", "removed_spans"]

ID_LENGTH = 10
"""Characters of an id: enough to tell the parts of a store apart, few enough to be cheap in a prompt."""

_DIGITS = 27
_LONGEST = 1600
"""Characters of a passage; longer removed runs are several parts."""
_LONGEST_BRIDGE = 80
"""Characters of kept text that a passage may hold between two removed pieces."""
_SENTENCE_ENDS = ".!?。！？…\n"
_HEADING_SHOWN = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginalDocument:
    """A document as it was before compression, under a key made from all of its content.

    Attributes:
        key: Hexadecimal; equal documents have equal keys.
        text: The whole text.
        id: The caller's identifier.
        title: Its title.
    """

    key: str
    text: str
    id: str | None = None
    title: str | None = None

    @classmethod
    def of(cls, document: Document) -> "OriginalDocument":
        """The document with its key; its metadata and score are not part of it."""
        named = json.dumps([document.id, document.title]).encode()
        key = hashlib.sha256(named + b"\0" + document.text.encode("utf-8", "surrogatepass")).hexdigest()
        return cls(key=key, text=document.text, id=document.id, title=document.title)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovedPart:
    """A passage of which something was removed.

    Attributes:
        id: What to ask for it by: a short beginning of `digest`.
        digest: "r" and digits, made from the document's content and the spans; equal input, equal digest.
        document: Index of the document in the input.
        document_id: The document's id.
        title: The document's title.
        key: The key of its `OriginalDocument`.
        heading: The heading that the passage stands under or begins with, without its markup; "" for none.
        spans: Sorted, disjoint character spans into the document's text: what was removed.
        text: The passage as it stood, from the first removed character to the last.
        tokens: Tokens of what was removed, as the sum of its segments' tokens.
        heading_removed: Whether the passage begins with its heading.
    """

    id: str
    digest: str
    document: int
    document_id: str | None
    title: str | None
    key: str
    heading: str
    spans: tuple[Span, ...]
    text: str
    tokens: int
    heading_removed: bool = False

    @property
    def span(self) -> Span:
        """The extent of `text` in the document's text."""
        return Span(self.spans[0].start, self.spans[-1].end)


class _Heading(NamedTuple):
    start: int
    end: int


def removed_spans(document: "CompressedDocument") -> tuple[Span, ...]:
    """Everything of a document that was not kept; with its `spans` they are the whole text, exactly."""
    borders = [Span(0, 0), *document.spans, Span(len(document.source.text), len(document.source.text))]
    return tuple(Span(a.end, b.start) for a, b in pairwise(borders) if a.end < b.start)


def removed_parts(documents: Iterable["CompressedDocument"]) -> tuple[RemovedPart, ...]:
    """The passages that were removed from documents, in input order, and in text order inside each.

    Every removed character is in exactly one part, but for white space that stands by itself between kept
    pieces, or at the ends of a document that was kept; `removed_spans` has that too.
    """
    found = [
        part
        for document in sorted(documents, key=lambda document: document.index)
        for part in _of_document(document)
    ]
    return tuple(_with_ids(found))


def plain_heading(heading: str) -> str:
    """A heading without its markup, on one line."""
    lines = [line.strip(" \t#*_=-~^") for line in heading.splitlines()]
    words = next((line for line in lines if line), "").split()
    return " ".join(words)[:_HEADING_SHOWN]


def _of_document(document: "CompressedDocument") -> Iterator[RemovedPart]:
    text = document.source.text
    gaps = [gap for gap in removed_spans(document) if text[gap.start : gap.end].strip()]
    if not gaps:
        return
    headings = _headings(document)
    starts = [heading.start for heading in headings]
    original = OriginalDocument.of(document.source)
    costs = _Costs(document)
    for spans in _passages(text, gaps, starts):
        first = spans[0].start + _indent(text[slice(*spans[0])])
        at = bisect_right(starts, first) - 1
        digest = _digest(original.key, spans)
        yield RemovedPart(
            id=digest[:ID_LENGTH],
            digest=digest,
            document=document.index,
            document_id=document.id,
            title=document.title,
            key=original.key,
            heading=plain_heading(text[slice(*headings[at])]) if at >= 0 else "",
            spans=spans,
            text=text[spans[0].start : spans[-1].end],
            tokens=sum(costs.within(span) for span in spans),
            heading_removed=at >= 0 and starts[at] == first,
        )


def _headings(document: "CompressedDocument") -> list[_Heading]:
    """The headings of a document; where the segments are words, they do not say."""
    found = [_Heading(s.start, s.end) for s in document.segments if s.kind == "heading"]
    if found:
        return found
    text = document.source.text
    return [
        _Heading(block.start + _indent(text[block.start : block.end]), block.end)
        for block in blocks(text)
        if block.kind == "heading"
    ]


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip())


def _passages(text: str, gaps: Sequence[Span], headings: Sequence[int]) -> Iterator[tuple[Span, ...]]:
    """Gaps in groups of neighbours; long gaps, and gaps over several sections, in pieces."""
    pieces = [piece for gap in gaps for piece in _pieces(text, gap, headings)]
    passage: list[Span] = []
    for piece in pieces:
        if passage and not _belongs(text, passage, piece, headings):
            yield tuple(passage)
            passage = []
        passage.append(piece)
    yield tuple(passage)


def _pieces(text: str, gap: Span, headings: Sequence[int]) -> Iterator[Span]:
    """The gap cut where sections begin, and where it is too long; together they are the gap."""
    first = gap.start + _indent(text[gap.start : gap.end])
    inside = headings[bisect_right(headings, first) : bisect_left(headings, gap.end)]
    for start, end in pairwise([gap.start, *inside, gap.end]):
        borders = [start, *(piece.start for piece in divide(text, Span(start, end), _LONGEST)[1:]), end]
        yield from (Span(*pair) for pair in pairwise(borders))


def _belongs(text: str, passage: Sequence[Span], piece: Span, headings: Sequence[int]) -> bool:
    """Whether a removed piece goes on with the passage before it."""
    start, end = passage[0].start, passage[-1].end
    if end == piece.start:  # cut on purpose
        return False
    if piece.start - end > _LONGEST_BRIDGE or piece.end - start > _LONGEST:
        return False
    if bisect_right(headings, start) != bisect_right(headings, piece.start):
        return False
    ended = any(c in text[end - 1 : piece.start] for c in _SENTENCE_ENDS)
    return not (ended and piece.end - start > _LONGEST // 2)


class _Costs:
    """Tokens of a document's dropped segments, by where they are."""

    def __init__(self, document: "CompressedDocument") -> None:
        dropped = sorted((s.start, s.end, s.tokens) for s in document.segments if not s.kept)
        self._starts = [start for start, _, _ in dropped]
        self._tokens = [tokens for _, _, tokens in dropped]

    def within(self, span: Span) -> int:
        first, last = bisect_left(self._starts, span.start), bisect_left(self._starts, span.end)
        return sum(self._tokens[first:last])


def _digest(key: str, spans: Sequence[Span]) -> str:
    content = f"{key} {' '.join(f'{start}-{end}' for start, end in spans)}"
    number = int.from_bytes(hashlib.sha256(content.encode()).digest())
    # Tokenizers of today's models take digits three at a time: no other spelling is as cheap.
    return f"r{number % 10**_DIGITS:0{_DIGITS}}"


def _with_ids(parts: Sequence[RemovedPart]) -> list[RemovedPart]:
    """The parts with ids that tell them apart; the same document given twice has the same parts twice."""
    length = ID_LENGTH
    different = len({part.digest for part in parts})
    while len({part.digest[:length] for part in parts}) < different:
        length += 3
    return list(parts) if length == ID_LENGTH else [replace(p, id=p.digest[:length]) for p in parts]
