"""Code among prose: fenced, front matter, or only recognisable by its looks.

A retrieved chunk may begin or end inside a code block, so a fence may close what was opened before the
chunk, or open what is closed behind it; and source files have no fences at all.
"""

import re
from collections.abc import Iterator, Sequence

from lingua_core.segmentation.lines import Line

__all__ = ["code_blocks", "fenced_code"]

_LONGEST_FRONT_MATTER = 60
_CODE_SHARE = 0.6
_CODE_LINE = re.compile(
    r"\s*(?:"
    r"(?:def|class|fn|func|function|struct|enum|impl|interface)\s+\w.*[({:]"
    r"|import\s+[\w.{}*,\s]+(?:from\s.*)?;?$|from\s+[\w.]+\s+import\b"
    r"|(?:return|yield|raise|throw)\b.*[()=\[\]\"';]|(?:return|yield|pass|break|continue)(?:\s+\w+(?:\s*[-+*/%<>=&|]+\s*\S+)*)?;?$"
    r"|(?:if|elif|else|for|while|try|except|finally|with|switch|case)\b.*[:{]$"
    r"|(?:const|let|var|public|private|protected|static|async|await|export)\s.*[=({;]"
    r"|(?:SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|FROM|WHERE|JOIN)\s"
    r"|@\w+|//|/\*|\*/|\#include|\#!|\$\s+\w"
    r"|[\w.\[\]\"'$]+(?:\s*:\s*\w[\w\[\]., |]*)?\s*[-+*/|&:]?=(?!=)\s*\S"
    r"|[\w.]+\(.*\)?[;,)]*$"
    r"|[\])}]+[;,)]*$|[{\[(]$"
    r"|\"[^\"]+\"\s*:\s*\S.*$"
    r"|.*(?:[{(\[]|\);|\),|\];|\},|\]\)|\)\)|->|=>|\\)$"
    r")"
)
_COMMENT = re.compile(r"\s*(?:#|--|\"\"\"|''')")


def code_blocks(text: str, lines: Sequence[Line]) -> dict[int, int]:
    """The last line of each code block by its first line."""
    found = dict(_front_matter(text, lines))
    found.update(fenced_code(text, lines))
    covered = {i for first, last in found.items() for i in range(first, last + 1)}
    found.update(_unfenced(text, lines, covered))
    return found


def _front_matter(text: str, lines: Sequence[Line]) -> Iterator[tuple[int, int]]:
    """A block of metadata between `---` at the very beginning."""
    if not lines or lines[0].of(text).rstrip() != "---":
        return
    for i in range(1, min(len(lines), _LONGEST_FRONT_MATTER)):
        if lines[i].of(text).rstrip() in ("---", "..."):
            yield 0, i
            return
        if lines[i].kind == "blank":
            return


def fenced_code(text: str, lines: Sequence[Line]) -> dict[int, int]:
    """The last line of each fenced code block by its first line."""
    fences = [i for i, line in enumerate(lines) if line.kind == "fence"]
    if not fences:
        return {}
    outside, inside = (_pair(text, lines, fences, begins_inside=b) for b in (False, True))
    open_end = outside.unclosed
    if outside.contradictions > inside.contradictions:
        return inside.blocks(len(lines))
    if open_end is None or _has_info(lines[open_end].of(text)):
        return outside.blocks(len(lines))
    # One bare fence is left over: which side of it looks like code?
    before = _code_share(text, lines[: fences[0]])
    after = _code_share(text, lines[open_end + 1 :])
    if max(before, after) < _CODE_SHARE:
        return outside.closed
    return inside.blocks(len(lines)) if before > after else outside.blocks(len(lines))


class _Pairing:
    """Fences paired up under one assumption about where the text begins."""

    def __init__(self, begins_inside: bool) -> None:
        self.closed: dict[int, int] = {}
        self.unclosed: int | None = 0 if begins_inside else None
        self.contradictions = 0

    def blocks(self, lines: int) -> dict[int, int]:
        """All blocks; one that is not closed runs to the end."""
        return self.closed if self.unclosed is None else {**self.closed, self.unclosed: lines - 1}


def _pair(text: str, lines: Sequence[Line], fences: Sequence[int], *, begins_inside: bool) -> _Pairing:
    pairing = _Pairing(begins_inside)
    marker = lines[fences[0]].of(text).strip()[0] if begins_inside else ""
    for i in fences:
        content = lines[i].of(text).strip()
        if pairing.unclosed is None:
            pairing.unclosed, marker = i, content[0]
        elif content[0] == marker:
            if _has_info(content):
                pairing.contradictions += 1
                pairing.unclosed = i
            else:
                pairing.closed[pairing.unclosed] = i
                pairing.unclosed = None
    return pairing


def _has_info(fence: str) -> bool:
    """Whether a fence names a language, so that it can only open a block."""
    content = fence.strip()
    return bool(content.strip(content[0]).strip())


def _unfenced(text: str, lines: Sequence[Line], covered: set[int]) -> Iterator[tuple[int, int]]:
    """Runs of at least two lines of which most look like code."""
    first = 0
    while first < len(lines):
        last = first
        while last < len(lines) and lines[last].kind != "blank" and last not in covered:
            last += 1
        if last - first >= 2 and _code_share(text, lines[first:last]) >= _CODE_SHARE:
            yield first, last - 1
        first = max(last, first) + 1


def _code_share(text: str, lines: Sequence[Line]) -> float:
    """The share of lines that look like code, among those that are neither blank nor comments."""
    counted = like = 0
    for line in lines:
        content = line.of(text)[:300].rstrip()
        if not content or line.kind in ("blank", "fence") or _COMMENT.match(content):
            continue
        counted += 1
        like += line.kind in ("text", "heading") and _CODE_LINE.match(content) is not None
    return like / counted if counted else 0.0
