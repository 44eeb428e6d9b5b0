"""What comes out of a compression."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

from lingua_core.budget import Budget
from lingua_core.documents import Document, Span
from lingua_core.recovery import Recovered, recover
from lingua_core.removed.parts import RemovedPart, removed_parts
from lingua_core.rendering import render
from lingua_core.segmentation.segment import SegmentKind

__all__ = ["CompressedDocument", "CompressionResult", "Note", "Savings", "ScoredSegment"]


class ScoredSegment(NamedTuple):
    """A segment of a document with its verdict; offsets are into the document's text."""

    start: int
    end: int
    kind: SegmentKind
    score: float
    tokens: int
    kept: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something that did not go the plain way.

    Attributes:
        code: Stable, for programs: "no_documents", "blank_query", "unused_instruction",
            "divided_segment", "protected_over_budget", "nothing_kept", "rate_missed", "no_signal",
            "no_removal_note", "not_stored"; of structured prompts also "no_tags" and "unused_rule".
        message: For people.
        document: Index of the document concerned, or None for the whole.
    """

    code: str
    message: str
    document: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressedDocument:
    """One document after compression.

    Attributes:
        text: The kept pieces of `source.text`, verbatim, joined by `separator`.
        source: The document as it was given.
        spans: Sorted, disjoint character spans into `source.text`; what `text` is made of.
        index: The document's position in the input.
        score: Its relevance for the query, from the method's scorer.
        origin_tokens: Tokens of `source.text`.
        compressed_tokens: Tokens of `text`.
        segments: All segments of the source, kept and dropped, with their scores.
        separator: What joins the pieces.
        removal_note: What is said, behind the text, of what was removed from this document; empty unless the
            compressor writes a note per document.
    """

    text: str
    source: Document
    spans: tuple[Span, ...]
    index: int
    score: float
    origin_tokens: int
    compressed_tokens: int
    segments: tuple[ScoredSegment, ...] = field(repr=False)
    separator: str = "\n"
    removal_note: str = ""

    @property
    def noted_text(self) -> str:
        """The text, with the note below it if there is one: what stands in the prompt."""
        return f"{self.text}\n{self.removal_note}" if self.removal_note else self.text

    @property
    def id(self) -> str | None:
        """The source's id."""
        return self.source.id

    @property
    def title(self) -> str | None:
        """The source's title."""
        return self.source.title

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The source's metadata."""
        return self.source.metadata


class Savings:
    """What follows from the numbers of tokens before and after, for every result that has them."""

    __slots__ = ()

    origin_tokens: int
    compressed_tokens: int

    @property
    def rate(self) -> float:
        """Kept fraction of the tokens: compressed / origin; 1.0 if there was nothing to compress."""
        return self.compressed_tokens / self.origin_tokens if self.origin_tokens else 1.0

    @property
    def ratio(self) -> float:
        """Times smaller: origin / compressed; infinite if nothing was kept."""
        if not self.origin_tokens:
            return 1.0
        return self.origin_tokens / self.compressed_tokens if self.compressed_tokens else float("inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressionResult(Savings):
    """All documents after compression, with the statistics.

    Every input document is either in `documents` (something was kept) or in `dropped`.

    Attributes:
        text: The prompt: the kept documents' texts, joined by `document_separator`, and the notes of what was
            removed, if the compressor writes any.
        documents: What was kept, in the order asked for.
        dropped: Documents of which nothing was kept, in input order.
        query: The query that decided, or None.
        method: The compression method.
        budget: What bounded the result.
        token_counter: Name of the counter behind every number of tokens.
        origin_tokens: Tokens of all source texts, each counted by itself.
        compressed_tokens: Tokens of `text`, counted as a whole.
        document_separator: What joins the documents in `text`.
        notes: What did not go the plain way; empty if all did.
        removal_note: What `text` says at its end of what was removed; empty if it says nothing.
    """

    text: str
    documents: tuple[CompressedDocument, ...]
    dropped: tuple[CompressedDocument, ...]
    query: str | None
    method: str
    budget: Budget
    token_counter: str
    origin_tokens: int
    compressed_tokens: int
    document_separator: str = "\n\n"
    notes: tuple[Note, ...] = ()
    removal_note: str = ""

    @property
    def removed(self) -> tuple[RemovedPart, ...]:
        """The passages that were removed, with their ids; found anew each time it is asked for."""
        return removed_parts((*self.documents, *self.dropped))

    def recover(self, response: str, *, min_similarity: float = 0.5) -> list[Recovered]:
        """Map the sentences and quotes of an answer back to where they come from.

        Only kept text is searched, for that is all the model saw. Spans are offsets into the
        documents' source texts. Similarity is a matter of words: it says where a sentence may come from,
        not that the source supports it. A source that lacks one of the sentence's numbers, or negates
        where the sentence does not, is never taken for its origin.

        Args:
            response: What the model answered.
            min_similarity: Least share of a sentence's informative words that must be found
                together in a document, from 0 to 1.

        Returns:
            One entry for each quote and sentence of the response that has an origin, in text order.
        """
        return recover(
            response, [(d.index, d.source, d.spans) for d in self.documents], min_similarity=min_similarity
        )

    def to_html(self) -> str:
        """A self-contained HTML page that shows what was kept and what was dropped."""
        from lingua_core.report.compression_html import page

        return page(self)

    def statistics(self) -> dict[str, Any]:
        """Plain data about the compression, for logs and traces; holds no text of a document."""
        return {
            "method": self.method,
            "budget": asdict(self.budget),
            "token_counter": self.token_counter,
            "origin_tokens": self.origin_tokens,
            "compressed_tokens": self.compressed_tokens,
            "rate": self.rate,
            "kept": [{"index": d.index, "id": d.id} for d in self.documents],
            "dropped": [{"index": d.index, "id": d.id} for d in self.dropped],
            "notes": [asdict(note) for note in self.notes],
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: the text, all documents with ids, metadata, spans, scores; statistics."""
        statistics = self.statistics()
        del statistics["kept"]  # told by `documents`
        return {
            "text": self.text,
            "query": self.query,
            **statistics,
            "ratio": self.ratio if self.compressed_tokens or not self.origin_tokens else None,
            "removal_note": self.removal_note,
            "removed": [_part_dict(part) for part in self.removed],
            "documents": [_document_dict(document) for document in self.documents],
            "dropped": [_document_dict(document) for document in self.dropped],
        }

    def _repr_html_(self) -> str:
        from lingua_core.report.compression_html import fragment

        return fragment(self)

    def __repr__(self) -> str:
        return (
            f"CompressionResult({self.origin_tokens} -> {self.compressed_tokens} tokens "
            f"[{self.token_counter}], {len(self.documents)} documents kept, {len(self.dropped)} dropped, "
            f"method={self.method!r}, {self.budget})"
        )


def _document_dict(document: CompressedDocument) -> dict[str, Any]:
    return {
        "index": document.index,
        "id": document.id,
        "title": document.title,
        "text": document.text,
        "spans": [list(span) for span in document.spans],
        "score": document.score,
        "origin_tokens": document.origin_tokens,
        "compressed_tokens": document.compressed_tokens,
        "metadata": dict(document.metadata),
        "removal_note": document.removal_note,
    }


def _part_dict(part: RemovedPart) -> dict[str, Any]:
    return {
        "id": part.id,
        "document": part.document,
        "heading": part.heading,
        "spans": [list(span) for span in part.spans],
        "tokens": part.tokens,
    }


def joined(documents: Sequence[CompressedDocument], note: str, separator: str) -> str:
    """The prompt of some kept documents, in their order, with what is said of what was removed."""
    return separator.join([*(document.noted_text for document in documents), *([note] if note else [])])


def compressed_document(
    source: Document,
    *,
    index: int,
    spans: tuple[Span, ...],
    score: float,
    origin_tokens: int,
    compressed_tokens: int,
    segments: tuple[ScoredSegment, ...],
    separator: str,
) -> CompressedDocument:
    """Build a compressed document; its text follows from the spans."""
    return CompressedDocument(
        text=render(source.text, spans, separator),
        source=source,
        spans=spans,
        index=index,
        score=score,
        origin_tokens=origin_tokens,
        compressed_tokens=compressed_tokens,
        segments=segments,
        separator=separator,
    )
