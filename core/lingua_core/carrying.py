"""What adapters hang on the documents of their framework, so that nothing is lost on the way back."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, TypeVar

from lingua_core.results import CompressedDocument, CompressionResult

__all__ = ["bookkeeping", "copied"]

Key = TypeVar("Key")


def bookkeeping(result: CompressionResult, kept: CompressedDocument) -> dict[str, Any]:
    """Plain data about one kept document: relevance, spans into the original text, tokens, its notes."""
    entry: dict[str, Any] = {
        "relevance": float(kept.score),
        "spans": [[start, end] for start, end in kept.spans],
        "origin_tokens": kept.origin_tokens,
        "compressed_tokens": kept.compressed_tokens,
    }
    notes = [note.message for note in result.notes if note.document == kept.index]
    if notes:
        entry["notes"] = notes
    return entry


def copied(metadata: Mapping[Key, Any]) -> dict[Key, Any]:
    """A copy that shares nothing mutable, but for values that cannot be copied (locks, connections)."""
    return {key: _copied(value) for key, value in metadata.items()}


def _copied(value: Any) -> Any:  # noqa: ANN401  # metadata may hold anything
    try:
        return deepcopy(value)
    except Exception:
        # Whatever copying raises, the value itself still is what the caller attached.
        return value
