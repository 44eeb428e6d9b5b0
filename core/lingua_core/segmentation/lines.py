"""Lines of a text, each with what it looks like by itself."""

import re
from typing import NamedTuple

__all__ = ["Line", "lines_of"]


class Line(NamedTuple):
    """`text[start:end]` without the line break; `kind` is a group of the expression below."""

    start: int
    end: int
    kind: str

    def of(self, text: str) -> str:
        """The line's characters."""
        return text[self.start : self.end]


_KINDS = re.compile(
    r"(?P<blank>\s*$)"
    r"|(?P<fence> {0,3}(?:`{3,}|~{3,}))"
    r"|(?P<heading> {0,3}\#{1,6}(?:\s+\S|$))"
    r"|(?P<rule>\s*(?:={3,}|-{3,}|~{3,}|\*{3,}|\^{3,}|_{3,})\s*$)"
    r"|(?P<row>\s*\|.*|[^|]*\|[^|]*\|.*|\s*[:\-]+[ \t]*\|[ \t|:\-]*$)"
    r"|(?P<item>\s*(?:[-*+•‣◦▪●·–]\s+|\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,5})[.)]\s+|\[\d{1,3}\]\s+)\S)"
    r"|(?P<text>.)",
    re.DOTALL,
)
_BREAKS = "\r\n\v\f\x85\u2028\u2029"
_LINES = re.compile(rf"[^{_BREAKS}]*(?:\r\n|[{_BREAKS}]|\Z)")


def lines_of(text: str) -> list[Line]:
    """All lines of the text."""
    found: list[Line] = []
    for match in _LINES.finditer(text):
        if match.end() == match.start():
            continue
        content = match.group().rstrip(_BREAKS)
        kind = _KINDS.match(content)
        found.append(
            Line(match.start(), match.start() + len(content), str(kind.lastgroup) if kind else "blank")
        )
    return found
