"""What both adapters share: what they hang on documents, their fixed options, and unwrapping errors."""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any, TypedDict, TypeVar

from lingua_core.compression import Order
from lingua_core.errors import LinguaError
from lingua_core.results import CompressedDocument, CompressionResult

__all__ = ["FixedOptions", "bookkeeping", "copied", "wrapped_error"]

Key = TypeVar("Key")


class FixedOptions(TypedDict):
    """The options of `PromptCompressor.compress` that an adapter fixes at construction."""

    target_tokens: int | None
    rate: float | None
    threshold: float | None
    instruction: str
    order: Order


def wrapped_error(details: Iterable[Mapping[str, Any]]) -> LinguaError | None:
    """The core's own error, if pydantic wrapped one; `details` are its `ValidationError.errors()`."""
    causes = (detail.get("ctx", {}).get("error") for detail in details)
    return next((cause for cause in causes if isinstance(cause, LinguaError)), None)


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
