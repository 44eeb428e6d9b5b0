"""Several points in one reply: telling apart which text is whose, while it streams in."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lingua_core.errors import InputError
from lingua_core.skeleton.parsing.words import plain
from lingua_core.skeleton.types import Point

__all__ = ["SectionSplitter", "SectionsEnd", "section_marker"]

_STRICT = re.compile(
    r"[\s*#`>]*={2,}\s*\**\s*(?:[^\W\d_]{1,12}\s*)?[#(（\[]?(\d{1,3})(?!\d)(.{0,200}?)\s*\**\s*(={2,})?[\s*`:]*\Z"
)
_LOOSE = re.compile(
    r"\s*(?:#{1,6}\s*|[*_]{1,3}\s*)*(?:[^\W\d_]{1,12}\s+)?[(（\[]?(\d{1,3})\s*[.．:：、)）\]]*(?P<title>.{0,200}?)[\s*_#:：]*\Z"
)
_LONGEST_LINE = 240


def section_marker(index: int) -> str:
    """The line before a point's text when a reply holds several: "=== 3 ==="."""
    return f"=== {index} ==="


@dataclass(frozen=True, slots=True, kw_only=True)
class SectionsEnd:
    """What the end of a reply settles.

    Attributes:
        deltas: (point's index, text) that had been held back.
        missing: Points that got no text, in order.
    """

    deltas: tuple[tuple[int, str], ...]
    missing: tuple[int, ...]


class SectionSplitter:
    """Cuts a reply at its section markers, as it streams in.

    A marker is a line such as "=== 3 ===", or one that holds a point's number and title and nothing else.
    Markers of points that were not asked for are text. Text belongs to the section that is open; what comes
    before the first marker belongs to the first point. White space at the ends of sections goes. The deltas
    of a point, joined, do not depend on how the reply was cut.

    Args:
        points: The points that were asked for, in order.

    Raises:
        InputError: If there is none.
    """

    def __init__(self, points: Sequence[Point]) -> None:
        if not points:
            raise InputError("points is empty: a reply is split into the sections of at least one point.")
        self._titles = {point.index: plain(point.text) for point in points}
        self._current = points[0].index
        self._has_text: dict[int, bool] = dict.fromkeys(self._titles, False)
        self._spaces: dict[int, str] = dict.fromkeys(self._titles, "")
        self._line = ""
        self._at_start = True

    def feed(self, text: str) -> list[tuple[int, str]]:
        """(Point's index, new text), in the order of the reply; neighbours have different indices."""
        found: list[tuple[int, str]] = []
        while text:
            if not self._at_start:
                text = self._pass_line(text, found)
                continue
            # A line that may be a marker is held until it ends, or has become something else.
            for at, character in enumerate(text):
                self._line += character
                if character == "\n" or not self._may_be_marker(self._line):
                    self._end_of_doubt(found)
                    text = text[at + 1 :]
                    break
            else:
                return found
        return found

    def finish(self) -> SectionsEnd:
        """The end of the reply."""
        found: list[tuple[int, str]] = []
        if self._line:
            self._end_of_doubt(found)
        missing = tuple(index for index, has_text in self._has_text.items() if not has_text)
        return SectionsEnd(deltas=tuple(found), missing=missing)

    def _pass_line(self, text: str, found: list[tuple[int, str]]) -> str:
        head, end, rest = text.partition("\n")
        self._emit(head + end, found)
        self._at_start = bool(end)
        return rest

    def _end_of_doubt(self, found: list[tuple[int, str]]) -> None:
        line, self._line = self._line, ""
        index = self._marked(line.strip())
        if index is not None:
            self._current = index
            return
        self._at_start = line.endswith("\n")
        self._emit(line, found)

    def _may_be_marker(self, line: str) -> bool:
        body = line.lstrip()
        if not body:
            return True
        if len(body) > _LONGEST_LINE:
            return False
        return (
            body[0] in "=#*_([（"
            or body[0].isdigit()
            or re.match(r"[^\W\d_]{1,12}(?:\s{0,2}\Z|\s{1,2}\d)", body) is not None
        )

    def _marked(self, line: str) -> int | None:
        if match := _STRICT.match(line):
            index = int(match[1])
            title = plain(match[2])
            closes = match[3] is not None or not title or title == self._titles.get(index)
            return index if index in self._titles and closes else None
        if match := _LOOSE.match(line):
            index = int(match[1])
            title = plain(match["title"])
            return index if title and title == self._titles.get(index) else None
        return None

    def _emit(self, text: str, found: list[tuple[int, str]]) -> None:
        index = self._current
        text = self._spaces[index] + (text if self._has_text[index] else text.lstrip())
        kept = text.rstrip()
        self._spaces[index] = text[len(kept) :]
        if not kept:
            return
        self._has_text[index] = True
        if found and found[-1][0] == index:
            found[-1] = (index, found[-1][1] + kept)
        else:
            found.append((index, kept))
