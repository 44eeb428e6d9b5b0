"""Points written as lines: which lines are points of the list, which belong to points, which to neither."""

import re
from dataclasses import dataclass, field
from typing import Literal

from lingua_core.skeleton.parsing.assembling import Item
from lingua_core.skeleton.parsing.dependencies import split_dependencies
from lingua_core.skeleton.parsing.markers import Marker, MarkerKind, markers, split_inline
from lingua_core.skeleton.parsing.thoughts import is_run_on
from lingua_core.skeleton.parsing.words import clean, count_words, plain

__all__ = ["Hypothesis", "ListReader"]

Hypothesis = Literal["heading", "bullet", "roman", "letter", "decimal", "chinese", "reasoning", "json"]
_FENCE = re.compile(r"\s*(?:`{3,}|~{3,})\s*([\w+#.-]*)")
_PLAIN_FENCES = frozenset(
    (
        "",
        "text",
        "txt",
        "plaintext",
        "plain",
        "markdown",
        "md",
        "json",
        "json5",
        "jsonc",
        "outline",
        "list",
        "skeleton",
        "yaml",
        "yml",
    )
)
_TITLE = re.compile(
    r"(?i:skeleton|outline|plan\b|points\b|key points|structure|overview of|answer\b|"
    r"table of contents|gliederung|skelett|struktur|"
    r"esquema|esqueleto|plan de|squelette|scaletta|план|структура|骨架|大纲|提纲|大綱|アウトライン|"
    r"骨子|개요|الهيكل|المخطط|रूपरेखा)"
)
_PREAMBLE = re.compile(
    r"(?i:sure|certainly|of course|okay|ok\b|absolutely|great|here(?:'s| is| are)|below|"
    r"the (?:skeleton|outline|following)|"
    r"hier|natürlich|gerne|claro|aquí|bien sûr|voici|конечно|вот|当然|好的|以下|はい|もちろん|بالطبع|إليك)"
)
_WEAK: frozenset[MarkerKind] = frozenset(("heading", "bullet"))
_FARTHEST = 3
"""How far a number may be from the one before: skipped points and countdowns are within, dates are not."""
_CODE_LINES = 2
_WORDS_OF_SENTENCE = 15


@dataclass(slots=True)
class ListReader:
    """Takes line by line. The first list of the outermost level holds the points.

    A list that begins with 1 is believed at once; every other one (bullets, headings, letters, Roman
    numerals, numbers that begin elsewhere) when its second item comes, and nothing is certain before. Items
    of other lists, deeper ones, and text belong to the point above them, and are left out. Numbers may begin
    again, stay at 1, or skip; each such line is a point.

    Attributes:
        disabled: Kinds of markers not to believe.
        items: The points so far.
        notes: What was left out although it looked like a point.
        prose: Words before the list.
        inside: Words in the list and behind it, those of sub-points counted by half.
        has_code: Whether there is a block of code.
        longest: Words of the longest line.
        opening: The first line of text.
        is_prefixed: Whether the line that comes was begun for the model, who may have ignored that.
        is_done: Whether nothing that follows counts.
    """

    disabled: frozenset[Hypothesis] = frozenset()
    is_prefixed: bool = False
    items: list[Item] = field(default_factory=list[Item])
    notes: list[str] = field(default_factory=list[str])
    prose: float = 0.0
    inside: float = 0.0
    longest: float = 0.0
    has_code: bool = False
    is_done: bool = False
    opening: str = ""
    _list: Marker | None = None
    _is_believed: bool = False
    _last: int = 0
    _base: int = 0
    _subs: dict[tuple[int, str], int] = field(default_factory=dict[tuple[int, str], int])
    _outer: list[tuple[Marker, Item]] = field(default_factory=list[tuple[Marker, Item]])
    _is_empty: bool = False
    _divided: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    _fence: str = ""
    _code: int = 0

    @property
    def certain(self) -> int:
        """How many of the items nothing that follows can change."""
        if not self._is_believed:
            return 0
        return len(self.items) - (1 if self._is_empty or self._divided else 0)

    @property
    def kind(self) -> MarkerKind | None:
        """The kind of the list."""
        return self._list.kind if self._list else None

    @property
    def is_code(self) -> bool:
        """Whether it is inside a block of code."""
        return self._fence == "code"

    @property
    def is_believed(self) -> bool:
        """Whether the list is one beyond doubt."""
        return self._is_believed

    def take(self, line: str) -> None:
        """Read a line, given without its line break."""
        if self.is_done or not line.strip() or self._is_fence(line):
            return
        words = count_words(line)
        if self._fence == "code":
            self._take_code(words)
            return
        if self.items and is_run_on(line):
            self.is_done = True
            self.notes.append(
                f"The text went on with something else ({line.strip()!r:.40}), which was left out."
            )
            return
        if not self.opening:
            self.opening = line
        self.longest = max(self.longest, words)
        found = [m for m in markers(line) if m.kind not in self.disabled]
        if found and self._take_marked(found, words):
            return
        if not self._take_inline_list(line, words):
            self._take_text(line, words, is_marked=bool(found))

    def finish(self) -> None:
        """The end of the text."""
        if self._divided:
            self._divide()
        if self._is_empty:
            self._drop_empty()

    def _is_fence(self, line: str) -> bool:
        match = _FENCE.match(line)
        if match is None:
            return False
        if self._fence:
            self._fence = ""
        else:
            holds_list = not self.items and match[1].casefold() in _PLAIN_FENCES
            self._fence = "list" if holds_list else "code"
            self._code = 0
        return True

    def _take_code(self, words: float) -> None:
        self._code += 1
        self.has_code |= self._code >= _CODE_LINES
        self._count(words, is_sub=False)

    def _count(self, words: float, *, is_sub: bool) -> None:
        if not self.items:
            self.prose += words
        else:
            self.inside += words / 2 if is_sub else words

    def _take_text(self, line: str, words: float, *, is_marked: bool) -> None:
        if self._is_empty and not is_marked:
            self._is_empty = False
            last = self.items[-1]
            self.items[-1] = self._item(last.number, line)
            self.inside += words
            return
        self._count(words, is_sub=is_marked)
        if self.items and not is_marked and self._is_believed:
            text, needs = split_dependencies(line.strip(), kind=self.kind or "decimal")
            if needs is not None and not clean(text):
                self.notes.append(
                    "A dependency that stood below its point was left out; it belongs on the point's line."
                )

    # Marked lines

    def _take_marked(self, found: list[Marker], words: float) -> bool:
        """Whether the line became a point, or was a title."""
        if self._list is None:
            return self._begin(found, words)
        if self._begins_answer(found[0], words):
            self.is_done = True
            self.notes.append("The text went on with the answer itself, which was left out.")
            return True
        marker = next((m for m in found if m.kind == self._list.kind), found[0])
        if not self._is_believed and self._replaces(marker):
            return self._begin([marker], words)
        if not self._belongs(marker):
            return False
        self._append(marker, words)
        self._is_believed = True
        return True

    def _begins_answer(self, marker: Marker, words: float) -> bool:
        """Whether a list that begins again writes out the one before it."""
        if not (self._is_believed and len(self.items) > 1 and marker.value == 1 < self._last):
            return False
        text, first = plain(clean(marker.rest)), plain(self.items[0].text)
        per_point = self.inside / len(self.items)
        return (text != first and text.startswith(first)) or words > max(_WORDS_OF_SENTENCE, 3 * per_point)

    def _begin(self, found: list[Marker], words: float) -> bool:
        marker = next((m for m in found if m.value == 1 or m.kind not in ("roman", "letter")), None)
        if marker is None:
            return False
        if marker.kind == "heading" and _is_title(marker.rest):
            return True
        self.prose += self.inside
        self.inside = 0.0
        self.items.clear()
        self._subs.clear()
        self._is_empty = False
        self._divided.clear()
        self._list, self._base = marker, marker.indent
        self._is_believed = (
            marker.kind in ("decimal", "chinese") and marker.value == 1 and not marker.doubtful
        )
        if self.is_prefixed and not self.items and _is_preamble(marker.rest):
            self._is_believed = False
        self._append(marker, words)
        self.is_prefixed = False
        return True

    def _replaces(self, marker: Marker) -> bool:
        """Whether a list that is not believed yet gives way to another one that this line begins."""
        now = self._list
        if now is None or marker.doubtful:
            return False
        if now.kind == "heading" and marker.kind == "heading" and marker.form != now.form:
            for outer, item in self._outer:
                if outer.form == marker.form:
                    self._list, self.items = outer, [item]
                    return False
            if marker.form > now.form:
                self._outer.append((now, self.items[0]))
                return True
            return False
        if marker.kind in ("decimal", "chinese") and marker.value == 1:
            if now.kind in ("decimal", "chinese"):  # a preamble that was taken for point 1
                return now.value == 1 and not now.doubtful
            return now.kind == "heading" or (now.kind == "bullet" and marker.indent <= self._base + 1)
        return False

    def _belongs(self, marker: Marker) -> bool:
        now = self._list
        if now is None or marker.kind != now.kind:
            return False
        shallow = marker.indent <= self._base + 1
        same = marker.form == now.form
        if marker.kind in _WEAK:
            return same and (shallow or marker.kind == "heading")
        key = (marker.indent, marker.form)
        if same and shallow:
            if marker.value in (1, self._last) or abs(marker.value - self._last) <= _FARTHEST:
                return True
            self.notes.append(
                f"A line begins with {marker.value}, out of turn after {self._last}: taken for text."
            )
            return False
        if (
            marker.value == self._last + 1
            and key not in self._subs
            and not (marker.form.startswith("b") and not shallow)
        ):
            return True  # an indentation that was lost, or another delimiter
        self._subs[key] = marker.value
        return False

    def _append(self, marker: Marker, words: float) -> None:
        self._settle_last(marker)
        self.inside += words
        self._subs.clear()
        self._base = min(self._base, marker.indent)
        parts = split_inline(marker.rest, marker.form, marker.value)
        if len(parts) == 2:
            self._divided = parts  # "Python 2. And" or a second point: the next number tells
            parts = [(marker.value, marker.rest)]
        for value, text in parts:
            self.items.append(self._item(value if marker.kind not in _WEAK else None, text))
            self._last = value
        self._is_empty = not self.items[-1].text

    def _settle_last(self, marker: Marker) -> None:
        """Decide what was open about the last item, now that the next one has come."""
        if self._divided:
            is_next = marker.value == self._divided[-1][0] + 1
            if is_next:
                self._divide()
            self._divided = []
        if self._is_empty:
            self._drop_empty()

    def _divide(self) -> None:
        self.items[-1:] = [self._item(value, text) for value, text in self._divided]
        self._last = self._divided[-1][0]
        self._divided = []

    def _drop_empty(self) -> None:
        number = self.items.pop().number
        self.notes.append(f"Point {number} had no text." if number is not None else "A point had no text.")
        self._is_empty = False

    def _item(self, number: int | None, text: str) -> Item:
        text, needs = split_dependencies(text, kind=self.kind or "decimal")
        return Item(number, clean(text), needs)

    def _take_inline_list(self, line: str, words: float) -> bool:
        """A list inside a line that begins with something else: "The points: 1. A 2. B 3. C"."""
        if self._list is not None or "decimal" in self.disabled:
            return False
        for form in (".", ")", "()", "、", "circle"):
            head, *parts = split_inline(line, form, 0)
            if len(parts) > 1:
                self.prose += count_words(head[1])
                self._list = Marker("decimal", form, 1, len(line) - len(line.lstrip()), "")
                self._base, self._last, self._is_believed = self._list.indent, parts[-1][0], True
                self.items.extend(self._item(value, text) for value, text in parts)
                self.inside += words - count_words(head[1])
                self.longest = max(count_words(head[1]), *(count_words(text) for _, text in parts))
                return True
        return False


def _is_title(text: str) -> bool:
    return text.rstrip("*_ ").endswith((":", "：")) or _TITLE.search(text) is not None


def _is_preamble(text: str) -> bool:
    return text.rstrip("*_ ").endswith((":", "：")) or _PREAMBLE.match(text.lstrip("*_ ")) is not None
