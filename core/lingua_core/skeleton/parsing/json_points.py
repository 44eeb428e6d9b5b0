"""Points written as JSON, read while it is being written, whatever its mistakes."""

import json
import re
from dataclasses import dataclass, field
from typing import Literal

from lingua_core.skeleton.parsing.assembling import Item
from lingua_core.skeleton.parsing.dependencies import Reference, read_references, split_dependencies
from lingua_core.skeleton.parsing.markers import markers
from lingua_core.skeleton.parsing.numerals import decimal_value
from lingua_core.skeleton.parsing.words import clean

__all__ = ["JsonReader", "json_start"]

_START = re.compile(r"\s*(?:[^\[{<>]{0,80}[:：]\s*)?(?=[\[{])")
_INSIDE = re.compile(r"[\[{]\s*([\s\S])")
_TEXTS = (
    "point",
    "text",
    "title",
    "heading",
    "name",
    "topic",
    "label",
    "section",
    "step",
    "content",
    "summary",
    "description",
    "要点",
    "标题",
)
_NEEDS = (
    "depends_on",
    "dependencies",
    "depends",
    "dependson",
    "deps",
    "after",
    "requires",
    "needs",
    "parents",
    "prerequisites",
)
_NUMBERS = ("id", "index", "number", "no", "n", "point_id", "order")
_NO_POINTS = frozenset(
    (*_NEEDS, "notes", "keywords", "tags", "sources", "references", "assumptions", "question", "examples")
)
_POINT_KEY = re.compile(r"\D{0,12}(\d{1,3})\Z")
_DEEPEST = 100
Role = Literal["root", "points", "point", "list", "other"]


def json_start(line: str) -> int | None:
    """Where JSON begins in a line, at its start or behind a colon; None if it does not, or not yet."""
    match = _START.match(line)
    inside = _INSIDE.match(line, match.end()) if match else None
    return match.end() if match and inside and inside[1] in "\"'[{]}“" else None


@dataclass(slots=True)
class _Frame:
    kind: Literal["array", "object"]
    role: Role
    key: str | None = None
    fields: dict[str, list[str]] = field(default_factory=dict[str, list[str]])


@dataclass(slots=True)
class JsonReader:
    """Takes JSON character by character; `items` grows as strings and objects close.

    Understood are an array of strings or of objects, the same under a key of an object, objects one after
    another, and an object whose keys are numbered. Trailing and missing commas, single quotes, bare keys,
    comments, line breaks in strings, and an end that never comes are put up with.
    """

    items: list[Item] = field(default_factory=list[Item])
    is_closed: bool = False
    _stack: list[_Frame] = field(default_factory=list[_Frame])
    _points_key: str | None = None
    _quote: str = ""
    _written: list[str] = field(default_factory=list[str])
    _escaped: bool = False
    _maybe_end: bool = False

    def feed(self, text: str) -> int:
        """Take text; returns how much of it was read: all, unless the outermost value closed within."""
        for at, character in enumerate(text):
            self._take(character)
            if self.is_closed:
                return at + 1
        return len(text)

    def finish(self) -> None:
        """The end of a text that may have broken off: an object that has its text counts."""
        if not self._quote and self._stack and self._stack[-1].role == "point":
            self._add_object(self._stack.pop())

    def _take(self, c: str) -> None:
        if self._maybe_end:
            self._maybe_end = False
            if c.isalnum():  # an apostrophe
                self._written.append("'")
            else:
                self._end_string()
        if self._quote:
            self._take_in_string(c)
        elif c in "\"'“":
            self._end_bare()
            self._quote = {"“": "”"}.get(c, c)
        elif c in "[{":
            self._end_bare()
            self._open("array" if c == "[" else "object")
        elif c in "]}":
            self._end_bare()
            self._close("array" if c == "]" else "object")
        elif c == ":" and self._stack and self._stack[-1].kind == "object" and self._stack[-1].key is None:
            self._stack[-1].key = "".join(self._written).strip()
            self._written.clear()
        elif c == "," or c == "\n":
            self._end_bare()
            if c == "," and self._stack:
                self._stack[-1].key = None
        elif not (c == ":" or (c.isspace() and not self._written)):
            self._written.append(c)

    def _take_in_string(self, c: str) -> None:
        if self._escaped:
            self._escaped = False
            self._written.append("\\" + c)
        elif c == "\\":
            self._escaped = True
        elif c == self._quote:
            if c == "'":
                self._maybe_end = True
            else:
                self._end_string()
        else:
            self._written.append(c)

    def _end_string(self) -> None:
        text = _unescaped("".join(self._written))
        self._quote = ""
        self._written.clear()
        frame = self._stack[-1] if self._stack else None
        if frame is None:
            return
        if frame.kind == "object" and frame.key is None:
            frame.key = text
        else:
            self._value(frame, text, is_text=True)

    def _end_bare(self) -> None:
        text = "".join(self._written).strip()
        self._written.clear()
        if text and self._stack:
            self._value(self._stack[-1], text, is_text=False)

    def _value(self, frame: _Frame, text: str, *, is_text: bool) -> None:
        if frame.kind == "object":
            key, frame.key = frame.key or "", None
            frame.fields.setdefault(key.casefold(), []).append(text)
            match = _POINT_KEY.match(key)
            if is_text and match and frame.role == "root" and self._accepts("#"):
                self._add(text, {}, number=decimal_value(match[1]))
        elif frame.role == "points" and is_text:
            self._add(text, {})
        elif frame.role == "list" and len(self._stack) > 1:
            owner = self._stack[-2]
            owner.fields.setdefault((owner.key or "").casefold(), []).append(text)

    def _open(self, kind: Literal["array", "object"]) -> None:
        if len(self._stack) >= _DEEPEST:
            return
        parent = self._stack[-1] if self._stack else None
        self._stack.append(_Frame(kind, self._role(kind, parent)))

    def _role(self, kind: str, parent: _Frame | None) -> Role:
        if parent is None:
            return "points" if kind == "array" else "root"
        if parent.role == "points":
            return "point" if kind == "object" else "points"
        key = (parent.key or "").casefold()
        if parent.role == "root" and key not in _NO_POINTS:
            if kind == "object":
                return "root"
            return "points" if self._accepts(key) else "other"
        return "list" if parent.role in ("point", "root") and kind == "array" else "other"

    def _accepts(self, key: str) -> bool:
        """Whether points may stand under this key: the first one with points is the only one."""
        if self._points_key is None or not self.items:
            self._points_key = key
        return self._points_key == key

    def _close(self, kind: Literal["array", "object"]) -> None:
        if not any(frame.kind == kind for frame in self._stack):
            return
        while self._stack:
            frame = self._stack.pop()
            if frame.role == "point" or (
                frame.role == "root" and not self._stack and self._points_key is None
            ):
                self._add_object(frame)
            if self._stack and self._stack[-1].kind == "object":
                self._stack[-1].key = None
            if frame.kind == kind:
                break
        # Objects one after another are a list without brackets.
        self.is_closed = not self._stack and not (
            self.items and self._points_key is None and kind == "object"
        )

    def _add_object(self, frame: _Frame) -> None:
        written = [k for k in frame.fields if k not in _NEEDS and k not in _NUMBERS]
        key = next((k for k in _TEXTS if k in frame.fields), written[0] if written else None)
        if key is not None:
            names = [v for k in _NUMBERS for v in frame.fields.get(k, ()) if not v.isdecimal()]
            numbers = [
                decimal_value(v)
                for k in _NUMBERS
                for v in frame.fields.get(k, ())
                if v.isdecimal() and len(v) < 4
            ]
            self._add(
                frame.fields[key][0],
                frame.fields,
                number=numbers[0] if numbers else None,
                name=names[0] if names else "",
            )

    def _add(
        self, text: str, fields: dict[str, list[str]], *, number: int | None = None, name: str = ""
    ) -> None:
        line = " ".join(text.split())
        found = [m for m in markers(line) if m.kind in ("decimal", "chinese")]
        body, needs = split_dependencies(found[0].rest if found else line)
        if number is None and found:
            number = found[0].value
        given = [value for key in _NEEDS for value in fields.get(key, ())]
        if given:
            needs = _needs(given)
        self.items.append(Item(number, clean(body), needs, name))


def _needs(values: list[str]) -> Reference:
    numbers: list[int] = []
    titles: list[str] = []
    everything = False
    for value in values:
        if value.casefold() in ("null", "none", ""):
            continue
        reference = (
            read_references(value) if not any(map(str.isalpha, value)) or len(value) < 4 else Reference()
        )
        if reference.numbers:
            numbers.extend(reference.numbers)
        elif read_references(value).everything:
            everything = True
        else:
            titles.append(value)
    return Reference(tuple(dict.fromkeys(numbers)), everything, tuple(titles))


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text
    try:
        return str(json.loads(f'"{text}"', strict=False))
    except ValueError:
        return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)
