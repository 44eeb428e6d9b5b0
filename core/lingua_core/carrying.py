"""What both adapters share: what they hang on documents, their fixed options, and how they refuse options."""

from collections.abc import Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from lingua_core.compression import Order
from lingua_core.errors import LinguaError
from lingua_core.results import CompressedDocument, CompressionResult

__all__ = [
    "NOTE_KEY",
    "CoreErrors",
    "FixedOptions",
    "bookkeeping",
    "copied",
    "notes_by_document",
    "removed_ids",
]

NOTE_KEY = "removal_note"
"""Where a document's metadata says what was removed, for the prompt."""

Key = TypeVar("Key")


class FixedOptions(TypedDict):
    """The options of `PromptCompressor.compress` that an adapter fixes at construction."""

    target_tokens: int | None
    rate: float | None
    threshold: float | None
    instruction: str
    order: Order


class CoreErrors:
    """A base of pydantic models, named before pydantic's own: the core's errors are raised as they are.

    pydantic wraps every `ValueError` of a model's checks, and what the core says of options is one. (The core
    itself does without pydantic; both frameworks bring it.)
    """

    if not TYPE_CHECKING:  # type checkers read the constructor's signature off the fields

        def __init__(self, **options: object) -> None:
            try:
                super().__init__(**options)
            except ValueError as error:
                failure = _wrapped(error) or error
            else:
                return
            raise failure


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


def notes_by_document(result: CompressionResult) -> dict[int, str]:
    """What is said of what was removed, by the index of the kept document below which it stands.

    The note behind the whole prompt stands below the last document.
    """
    notes = {document.index: [document.removal_note] for document in result.documents}
    if result.documents:
        notes[result.documents[-1].index].append(result.removal_note)
    return {index: "\n".join(filter(None, own)) for index, own in notes.items()}


def removed_ids(result: CompressionResult) -> dict[int, list[str]]:
    """The ids of what was removed from each document, by its index."""
    ids: dict[int, list[str]] = {}
    for part in result.removed:
        ids.setdefault(part.document, []).append(part.id)
    return ids


def copied(metadata: Mapping[Key, Any]) -> dict[Key, Any]:
    """A copy that shares nothing mutable, but for values that cannot be copied (locks, connections)."""
    return {key: _copied(value) for key, value in metadata.items()}


def _copied(value: Any) -> Any:  # noqa: ANN401  # metadata may hold anything
    try:
        return deepcopy(value)
    except Exception:
        # Whatever copying raises, the value itself still is what the caller attached.
        return value


def _wrapped(error: Any) -> LinguaError | None:  # noqa: ANN401  # pydantic's ValidationError, or not
    details: list[Mapping[str, Any]] = error.errors() if hasattr(error, "errors") else []
    causes = (detail.get("ctx", {}).get("error") for detail in details)
    return next((cause for cause in causes if isinstance(cause, LinguaError)), None)
