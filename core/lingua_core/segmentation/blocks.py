"""Blocks of a document from its lines: headings, lists, tables, code, paragraphs.

A small subset of Markdown and reStructuredText, read leniently: retrieved chunks begin and end
anywhere, so nothing may depend on the document being well-formed.
"""

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from lingua_core.segmentation.code import code_blocks
from lingua_core.segmentation.lines import Line, lines_of

__all__ = ["Block", "blocks"]

BlockKind = Literal["heading", "code", "table", "list_item", "paragraph"]


class Block(NamedTuple):
    """Whole lines of one kind: `text[start:end]`, without the final line break."""

    kind: BlockKind
    start: int
    end: int


_TITLES_IN_A_ROW = 3
_TITLE = re.compile(r"\S.{0,78}[^\s.?!:;,…。？！：；，、]\s*\Z", re.DOTALL)


def blocks(text: str) -> Iterator[Block]:
    """Yield the blocks of a text in order; every character that is not white space is in one."""
    lines = _without_comments(text, lines_of(text))
    code = code_blocks(text, lines)
    i = 0
    while i < len(lines):
        line = lines[i]
        if line.kind == "blank":
            i += 1
        elif i in code:
            yield Block("code", line.start, lines[code[i]].end)
            i = code[i] + 1
        elif line.kind == "row" and i + 1 < len(lines) and lines[i + 1].kind == "row":
            last = _run(lines, i, "row")
            yield Block("table", line.start, lines[last].end)
            i = last + 1
        elif line.kind == "heading" or _is_title(text, lines, i):
            yield Block("heading", line.start, line.end)
            i += 1
        elif line.kind == "text" and i + 1 < len(lines) and _is_underline(text, line, lines[i + 1]):
            yield Block("heading", line.start, lines[i + 1].end)
            i += 2
        elif line.kind == "item":
            last = _continued(lines, i)
            yield Block("list_item", line.start, lines[last].end)
            i = last + 1
        else:
            last = _continued(lines, i)
            if last + 1 < len(lines) and last > i and _is_underline(text, lines[last], lines[last + 1]):
                last -= 1  # the last line is the next heading's text
            yield Block("paragraph", line.start, lines[last].end)
            i = last + 1


def _without_comments(text: str, lines: list[Line]) -> list[Line]:
    """Adjacent "headings" of one level are a comment in some language, not headings."""
    levels = [_hashes(line.of(text)) if line.kind == "heading" else 0 for line in lines]
    padded = [0, *levels, 0]
    return [
        line._replace(kind="text") if level and level in (padded[i], padded[i + 2]) else line
        for i, (line, level) in enumerate(zip(lines, levels, strict=True))
    ]


def _hashes(line: str) -> int:
    content = line.lstrip()
    return len(content) - len(content.lstrip("#"))


def _run(lines: list[Line], first: int, kind: str) -> int:
    last = first
    while last + 1 < len(lines) and lines[last + 1].kind == kind:
        last += 1
    return last


def _continued(lines: list[Line], first: int) -> int:
    """The last line of the paragraph or list item that begins at `first`."""
    last = first
    while last + 1 < len(lines) and lines[last + 1].kind == "text":
        last += 1
    return last


def _is_underline(text: str, line: Line, below: Line) -> bool:
    if below.kind != "rule" or line.kind != "text":
        return False
    length = below.end - below.start
    return length >= 3 and len(text[line.start : line.end].strip()) <= length + 3


def _is_title(text: str, lines: list[Line], i: int) -> bool:
    """A short line without final punctuation, alone between blank lines, above a longer text.

    Titles may follow each other; the last of them must stand above a text.
    """
    content = _title_like(text, lines, i)
    if content is None:
        return False
    for _ in range(_TITLES_IN_A_ROW):
        i = _next_filled(lines, i)
        if i < len(lines) and lines[i].end - lines[i].start > len(content) + 20:
            return lines[i].kind in ("text", "item", "row", "fence")
        if i >= len(lines) or _title_like(text, lines, i) is None:
            return False
    return False


def _title_like(text: str, lines: list[Line], i: int) -> str | None:
    line = lines[i]
    alone = (i == 0 or lines[i - 1].kind == "blank") and i + 1 < len(lines) and lines[i + 1].kind == "blank"
    if line.kind not in ("text", "item") or not alone:
        return None
    content = text[line.start : line.end].strip()
    is_short = content.count(" ") < 12 and _TITLE.match(content) is not None
    return content if is_short and (content[0].isupper() or content[0].isdigit()) else None


def _next_filled(lines: list[Line], i: int) -> int:
    i += 1
    while i < len(lines) and lines[i].kind == "blank":
        i += 1
    return i
