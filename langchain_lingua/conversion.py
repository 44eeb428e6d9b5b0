"""Documents of LangChain to documents of the core, and back."""

from collections.abc import Iterable, Sequence

from langchain_core.documents import Document

from lingua_core import CompressedDocument, CompressionResult
from lingua_core import Document as CoreDocument

__all__ = ["METADATA_KEY", "from_core", "to_core"]

METADATA_KEY = "lingua"
"""Where a compressed document's metadata says what was kept."""


def to_core(documents: Iterable[Document], title_key: str | None) -> list[CoreDocument]:
    """The same documents for the core; the value under `title_key` is the title, if it is a str."""
    return [
        CoreDocument(document.page_content, id=document.id, title=_title(document, title_key))
        for document in documents
    ]


def from_core(result: CompressionResult, originals: Sequence[Document]) -> list[Document]:
    """Fresh documents for what was kept; they share nothing mutable with the originals."""
    return [_compressed(originals[kept.index], kept) for kept in result.documents]


def _title(document: Document, title_key: str | None) -> str | None:
    title: object = document.metadata.get(title_key) if title_key is not None else None
    return title if isinstance(title, str) else None


def _compressed(original: Document, kept: CompressedDocument) -> Document:
    fresh = original.model_copy(deep=True)
    fresh.page_content = kept.text
    fresh.metadata["relevance_score"] = float(kept.score)
    fresh.metadata[METADATA_KEY] = {
        "spans": [[start, end] for start, end in kept.spans],
        "origin_tokens": kept.origin_tokens,
        "compressed_tokens": kept.compressed_tokens,
    }
    return fresh
