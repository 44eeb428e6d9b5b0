"""Documents of LangChain to documents of the core, and back."""

from collections.abc import Iterable, Sequence
from typing import Any

from langchain_core.documents import Document

from lingua_core import CompressedDocument, CompressionResult, InputError, Order
from lingua_core import Document as CoreDocument
from lingua_core.carrying import NOTE_KEY, bookkeeping, copied, notes_by_document, removed_ids

__all__ = ["METADATA_KEY", "from_core", "in_place", "to_core"]

METADATA_KEY = "lingua"
"""Where a compressed document's metadata says what was kept."""


def to_core(documents: Iterable[Document], title_key: str | None) -> list[CoreDocument]:
    """The same documents for the core; the value under `title_key` is the title, if it is a str.

    Raises:
        InputError: If something is no LangChain document.
    """
    return [_to_core(document, title_key) for document in documents]


def in_place(result: CompressionResult, order: Order) -> Sequence[CompressedDocument]:
    """What was kept and what was not: in input order, or the latter behind the reordered former."""
    every = (*result.documents, *result.dropped)
    return sorted(every, key=lambda document: document.index) if order == "original" else every


def from_core(
    result: CompressionResult,
    verdicts: Sequence[CompressedDocument],
    originals: Sequence[Document],
    *,
    noted: bool = False,
    stored: bool = False,
) -> list[Document]:
    """Fresh documents for some of a result's; they share nothing mutable with the originals.

    Args:
        result: The compression.
        verdicts: The documents of it that are wanted.
        originals: What was compressed.
        noted: Whether each says in its metadata what was removed, for the prompt.
        stored: Whether each names the ids of what was removed from it.
    """
    notes = notes_by_document(result) if noted else None
    ids = removed_ids(result) if stored else None
    found: list[Document] = []
    for kept in verdicts:
        entry = bookkeeping(result, kept)
        if ids is not None:
            entry["removed"] = ids.get(kept.index, [])
        fresh = _compressed(originals[kept.index], kept, entry)
        if notes is not None:
            # On every document: a prompt template that names it fails on those without.
            fresh.metadata[NOTE_KEY] = notes.get(kept.index, "")
        found.append(fresh)
    return found


def _to_core(document: Document, title_key: str | None) -> CoreDocument:
    if not isinstance(document, Document):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers may be untyped
        raise InputError(
            f"documents must be langchain_core.documents.Document, got {type(document).__name__}: "
            f"{document!r:.80}."
        )
    return CoreDocument(document.page_content, id=document.id, title=_title(document, title_key))


def _title(document: Document, title_key: str | None) -> str | None:
    title: object = document.metadata.get(title_key) if title_key is not None else None
    return title if isinstance(title, str) else None


def _compressed(original: Document, kept: CompressedDocument, entry: dict[str, Any]) -> Document:
    fresh = original.model_copy(update={"metadata": copied(original.metadata)})
    fresh.page_content = kept.text
    # A reranker's score, or an earlier compression's entry, is not ours to overwrite.
    fresh.metadata.setdefault("relevance_score", float(kept.score))
    if METADATA_KEY in fresh.metadata:
        entry["previous"] = fresh.metadata[METADATA_KEY]
    fresh.metadata[METADATA_KEY] = entry
    return fresh
