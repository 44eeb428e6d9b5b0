"""Dividing a piece that is too large to be kept or dropped as a whole."""

import re
from bisect import bisect_left
from collections.abc import Sequence

from lingua_core.documents import Span

__all__ = ["divide"]

# Places to cut, best first: after the marks that end a clause, at white space, and between characters
# of scripts that are written without spaces (a combining mark stays with its base, small kana and
# closing marks with what they follow).
_NEVER_FIRST = "、。，．！？；：）」』】〕》〉ーぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ々"
_CUTS = (
    re.compile(r"(?<=[;!?])\s+|(?<=[；。！？…])\s*|(?<=[:—–])\s+|(?:\r?\n)+\s*"),
    re.compile(r"(?<=[,)\]])\s+|(?<=[、，：）」』])|\s(?=[(（「『—–])"),
    re.compile(r"\s+"),
    re.compile(
        rf"(?<=[\u2e80-\u9fff\uf900-\ufaff])(?![{_NEVER_FIRST}])(?=[\u2e80-\u9fff\uf900-\ufaff])"
        r"|(?<=[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff])"
        r"(?=[\u0e01-\u0e2e\u0e40-\u0e44\u0e81-\u0eae\u0ec0-\u0ec4\u1000-\u102a\u1780-\u17b3])"
    ),
)


def divide(text: str, span: Span, limit: int, protected: Sequence[Span] = ()) -> list[Span]:
    """Divide a span into pieces of at most `limit` characters where that can be done cleanly.

    Cuts are made at clause ends, else at white space, else between characters of scripts that are
    written without spaces; never inside a word or a protected span. A piece that has no such place
    stays whole, whatever its length.

    Args:
        text: The document.
        span: What to divide.
        limit: The length aimed at, in characters.
        protected: Sorted, disjoint spans that must not be cut.
    """
    if span.end - span.start <= limit:
        return [span]
    starts = [p.start for p in protected]

    def is_free(position: int) -> bool:
        i = bisect_left(starts, position) - 1
        return i < 0 or protected[i].end <= position

    pieces = [span]
    for pattern in _CUTS:
        pieces = [
            smaller
            for piece in pieces
            for smaller in (
                [piece]
                if piece.end - piece.start <= limit
                else _pack(
                    piece,
                    limit,
                    [
                        (m.start(), m.end())
                        for m in pattern.finditer(text, piece.start, piece.end)
                        if is_free(m.start()) and is_free(m.end())
                    ],
                )
            )
        ]
    return pieces


def _pack(piece: Span, limit: int, cuts: list[tuple[int, int]]) -> list[Span]:
    """Join neighbouring parts between cuts, within the limit and about equally long."""
    length = piece.end - piece.start
    wanted = length / -(-length // limit)  # so that no small rest is left over
    packed: list[Span] = []
    start, last_end, next_start = piece.start, -1, -1
    for before, after in [*cuts, (piece.end, piece.end)]:
        if before <= start:
            continue
        if last_end > start and (
            before - start > limit or abs(last_end - start - wanted) < before - start - wanted
        ):
            packed.append(Span(start, last_end))
            start = next_start
        last_end, next_start = before, after
    if start < piece.end:
        packed.append(Span(start, piece.end))
    return packed
