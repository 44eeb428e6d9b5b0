"""JSON data and JSON text, with nothing lost between them."""

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, TypeAlias, cast

from lingua_core.documents import Span
from lingua_core.errors import InputError
from lingua_core.structured.json_rules import Path, written_path

__all__ = ["JSON", "StringLiteral", "plain", "read", "string_values", "write"]

JSON: TypeAlias = "dict[str, JSON] | list[JSON] | str | int | float | bool | None"

_DEEPEST = 200
"""Levels: what Python can follow with room to spare."""

_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"')
StringLiteral: TypeAlias = tuple[Path, Span, str]
"""Where a string value stands: its path, the span of its literal in the text, and what it means."""


class SpelledFloat(float):
    """A number that was written otherwise than Python would write it, with all its digits."""

    __slots__ = ("spelling",)
    spelling: str

    def __new__(cls, spelling: str) -> "SpelledFloat":
        """The number that is spelled like this."""
        number = super().__new__(cls, spelling)
        number.spelling = str(spelling)
        return number


def read(text: str) -> JSON:
    """The data of a JSON text; `write` spells its numbers as they were.

    Raises:
        InputError: If it is no JSON text, or an object has the same key twice.
    """
    try:
        return json.loads(text, parse_float=_number, object_pairs_hook=_object)
    except InputError:
        raise
    except json.JSONDecodeError as error:
        raise InputError(
            f"data is a str, but no JSON text: {error}. Pass a dict, a list or valid JSON; plain text goes "
            "to PromptCompressor.compress."
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"data is a JSON text that Python cannot read: {error}.") from error


def plain(data: object) -> JSON:
    """A deep copy of dicts, lists, strings, numbers, booleans and None.

    Raises:
        InputError: If there is anything else in it; the message has the path.
    """
    return _plain(data, ())


def write(data: JSON) -> str:
    """The JSON text, as `json.dumps(data, ensure_ascii=False)` writes it."""
    if isinstance(data, SpelledFloat):
        return data.spelling
    if isinstance(data, dict):
        return "{" + ", ".join([f"{_quoted(key)}: {write(value)}" for key, value in data.items()]) + "}"
    if isinstance(data, list):
        return "[" + ", ".join([write(value) for value in data]) + "]"
    return _quoted(data)


def string_values(text: str, data: JSON) -> list[StringLiteral]:
    """Every string value of a JSON text, in order.

    Args:
        text: The JSON text.
        data: What `read` made of it.
    """
    literals = (Span(*match.span()) for match in _STRING.finditer(text))
    return [
        (path, literal, value)
        for literal, (path, value) in zip(literals, _strings(data, ()), strict=True)
        if value is not None
    ]


def _strings(data: JSON, path: Path) -> Iterator[tuple[Path, str | None]]:
    """All strings in the order of the text; None for the keys."""
    if isinstance(data, str):
        yield path, data
    elif isinstance(data, dict):
        for key, value in data.items():
            yield path, None
            yield from _strings(value, (*path, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from _strings(value, (*path, index))


def _quoted(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _number(spelling: str) -> float:
    number = float(spelling)
    return number if repr(number) == spelling or not math.isfinite(number) else SpelledFloat(spelling)


def _object(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter([key for key, _ in pairs]).most_common(1)[0][0]
        raise InputError(
            f"An object in the JSON text has the key {twice!r:.80} twice, and one value would be lost. "
            "Rename one."
        )
    return found


def _plain(value: object, path: Path) -> JSON:
    if len(path) > _DEEPEST:
        raise InputError(
            f"data is nested deeper than {_DEEPEST} levels, or contains itself, at "
            f"{written_path(path)[:80]!r}. Pass a flatter part of it."
        )
    if isinstance(value, dict):
        found: dict[str, JSON] = {}
        for key, inner in cast(dict[Any, object], value).items():
            if not isinstance(key, str):
                raise InputError(
                    f"At {written_path(path)!r}: the keys of JSON objects are str, got "
                    f"{type(key).__name__}: {key!r:.80}. Convert it."
                )
            found[key] = _plain(inner, (*path, key))
        return found
    if isinstance(value, list):
        return [_plain(inner, (*path, index)) for index, inner in enumerate(cast(list[object], value))]
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(
            f"At {written_path(path)!r}: {value!r} is no JSON number, or larger than a float can be. "
            "Use null or a string."
        )
    if isinstance(value, int):
        _check_writable(value, path)
    if value is None or isinstance(value, (str, int, float)):
        return value
    raise InputError(
        f"At {written_path(path)!r}: {type(value).__name__} is no JSON value, got {value!r:.80}. "
        "JSON has dict, list, str, int, float, bool and None."
    )


def _check_writable(value: int, path: Path) -> None:
    try:
        int.__repr__(value)
    except ValueError as error:
        raise InputError(
            f"At {written_path(path)!r}: the number has more digits than Python writes ({error}). "
            "Use a string."
        ) from error
