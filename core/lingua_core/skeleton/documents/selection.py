"""What of the documents a call gets to read: spans of each, with where they come from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lingua_core.documents import Document, Span
from lingua_core.rendering import render
from lingua_core.results import CompressionResult
from lingua_core.skeleton.types import Citation

__all__ = ["Excerpt", "citations", "excerpts", "heading", "merged_citations", "numbered", "united", "whole"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """What is kept of one document.

    Attributes:
        index: The document's place in the input, from 0.
        document: The document.
        spans: Sorted, disjoint character spans into its text.
        score: Its relevance.
        separator: Joins the pieces.
    """

    index: int
    document: Document
    spans: tuple[Span, ...]
    score: float
    separator: str


def excerpts(result: CompressionResult) -> tuple[Excerpt, ...]:
    """What a compression kept, in the order of its text."""
    return tuple(
        Excerpt(
            index=kept.index,
            document=kept.source,
            spans=kept.spans,
            score=kept.score,
            separator=kept.separator,
        )
        for kept in result.documents
    )


def whole(documents: Sequence[Document]) -> tuple[Excerpt, ...]:
    """The documents as they are."""
    return tuple(
        Excerpt(index=i, document=document, spans=(Span(0, len(document.text)),), score=0.0, separator="")
        for i, document in enumerate(documents)
    )


def numbered(kept: Sequence[Excerpt]) -> str:
    """The excerpts, each under its number and title.

    A document's number is its place in the input, from 1: the same for every call of an answer.
    """
    return "\n\n".join(
        heading(excerpt.index, excerpt.document)
        + render(excerpt.document.text, excerpt.spans, excerpt.separator)
        for excerpt in kept
    )


def heading(index: int, document: Document) -> str:
    """What stands above what is kept of a document, with the line break behind it."""
    title = " ".join((document.title or "").split())
    return f"[{index + 1}] {title}".rstrip() + "\n"


def citations(kept: Sequence[Excerpt]) -> tuple[Citation, ...]:
    """Where the excerpts come from."""
    return tuple(
        Citation(
            number=excerpt.index + 1,
            id=excerpt.document.id,
            title=excerpt.document.title,
            spans=excerpt.spans,
            score=excerpt.score,
        )
        for excerpt in sorted(kept, key=lambda excerpt: excerpt.index)
    )


def merged_citations(groups: Iterable[Sequence[Excerpt]]) -> tuple[Citation, ...]:
    """Where all of them come from, one citation for each document."""
    return citations(united(groups))


def united(groups: Iterable[Sequence[Excerpt]]) -> tuple[Excerpt, ...]:
    """All excerpts, one for each document, in the order of the input."""
    found: dict[int, Excerpt] = {}
    for group in groups:
        for excerpt in group:
            known = found.get(excerpt.index)
            found[excerpt.index] = excerpt if known is None else _both(known, excerpt)
    return tuple(found[index] for index in sorted(found))


def _both(one: Excerpt, other: Excerpt) -> Excerpt:
    spans: list[Span] = []
    for start, end in sorted((*one.spans, *other.spans)):
        if spans and start <= spans[-1].end:
            spans[-1] = Span(spans[-1].start, max(spans[-1].end, end))
        else:
            spans.append(Span(start, end))
    return Excerpt(
        index=one.index,
        document=one.document,
        spans=tuple(spans),
        score=max(one.score, other.score),
        separator=one.separator,
    )
