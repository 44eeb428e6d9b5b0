"""JSON Lines: one document a line."""

import json
from typing import Any, NoReturn, cast

from lingua_core.documents import Document
from lingua_core.errors import InputError

__all__ = ["documents_from_lines", "looks_like_lines"]

_OWN_FIELDS = frozenset({"id", "text", "title", "metadata"})


def documents_from_lines(text: str, name: str) -> list[Document]:
    """The documents of a JSON Lines text; blank lines are passed over.

    Fields: `text` (required), `id` (default: name and line), `title`, `metadata`. Every other field
    goes into the metadata.

    Args:
        text: The lines.
        name: What messages and default ids call the source.

    Raises:
        InputError: If a line is no such object; the message names the line.
    """
    # Not splitlines: U+2028 and its kin may stand inside a JSON string.
    lines = enumerate(text.split("\n"), start=1)
    return [_document(line, f"{name}:{number}") for number, line in lines if line.strip()]


def looks_like_lines(text: str) -> bool:
    """Whether the first line is a JSON object with a text, as in JSON Lines."""
    first = text.lstrip().split("\n", 1)[0]
    if not first.startswith("{") or '"text"' not in first:
        return False
    try:
        record: Any = json.loads(first)
    except ValueError:
        return False
    return isinstance(cast(dict[str, Any], record).get("text"), str)


def _document(line: str, where: str) -> Document:
    record = _record(line, where)
    if not isinstance(record.get("text"), str):
        raise InputError(f"{where}: the field 'text' must be a string, got {_shown(record, 'text')}.")
    title = record.get("title")
    if title is not None and not isinstance(title, str):
        raise InputError(
            f"{where}: the field 'title' must be a string or null, got {_shown(record, 'title')}."
        )
    return Document(record["text"], id=_id(record, where), title=title, metadata=_metadata(record, where))


def _record(line: str, where: str) -> dict[str, Any]:
    try:
        record: object = json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not valid JSON ({error}). JSON Lines has one object a line.") from error
    if not isinstance(record, dict):
        raise InputError(f"{where}: expected a JSON object with a field 'text', got {line.strip()!r:.60}.")
    return cast(dict[str, Any], record)


def _id(record: dict[str, Any], where: str) -> str:
    given = record.get("id")
    if given is None:
        return where
    if isinstance(given, (dict, list, bool)):
        raise InputError(f"{where}: the field 'id' must be a string or a number, got {_shown(record, 'id')}.")
    return str(given)


def _metadata(record: dict[str, Any], where: str) -> dict[str, Any]:
    given: object = record.get("metadata")
    if given is not None and not isinstance(given, dict):
        raise InputError(
            f"{where}: the field 'metadata' must be an object, got {_shown(record, 'metadata')}."
        )
    metadata = cast(dict[str, Any], given or {})
    others = {key: value for key, value in record.items() if key not in _OWN_FIELDS}
    twice = sorted(metadata.keys() & others.keys())
    if twice:
        raise InputError(f"{where}: the field {twice[0]!r} stands both beside 'metadata' and inside it.")
    return {**metadata, **others}


def _shown(record: dict[str, Any], field: str) -> str:
    return f"{record[field]!r:.60}" if field in record else "nothing"


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
