"""A document's source text as HTML: kept pieces marked, dropped ones dimmed, nothing left out."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from lingua_core.report.escaping import escaped
from lingua_core.results import CompressedDocument, ScoredSegment

__all__ = ["marked_text"]

LONGEST_OPEN_GAP = 1200
"""Dropped runs of more characters are folded, with their size on the fold."""

MOST_TOOLTIPS = 600
"""In documents of more segments, dropped neighbours share one element and one tooltip."""


class _Run(NamedTuple):
    """A stretch of text with one verdict."""

    start: int
    end: int
    kept: bool


def marked_text(document: CompressedDocument, *, fold: bool = True) -> str:
    """All of the source text, escaped; exactly the characters of `document.spans` are inside `<mark>`.

    Args:
        document: The document to show.
        fold: Put long dropped runs into `<details>`; a reader can open them.
    """
    text = document.source.text
    segments = sorted(document.segments)
    merge = len(segments) > MOST_TOOLTIPS
    parts: list[str] = []
    at = 0
    for run in _runs(text, document):
        first = at
        while at < len(segments) and segments[at].start < run.end:
            at += 1
        inside = segments[first:at]
        if run.kept:
            parts.append(f"<mark>{_pieces(text, run, inside)}</mark>")
        else:
            parts.append(_dropped(text, run, inside, merge=merge, fold=fold))
    return "".join(parts)


def _runs(text: str, document: CompressedDocument) -> Iterator[_Run]:
    at = 0
    for start, end in document.spans:
        if start > at:
            yield _Run(at, start, False)
        yield _Run(start, end, True)
        at = end
    if at < len(text):
        yield _Run(at, len(text), False)


def _dropped(text: str, run: _Run, segments: Sequence[ScoredSegment], *, merge: bool, fold: bool) -> str:
    piece = text[run.start : run.end]
    if not fold or not segments or len(piece.strip()) <= LONGEST_OPEN_GAP:
        return _dimmed(text, run, segments, merge=merge)
    inner = _Run(run.end - len(piece.lstrip()), run.start + len(piece.rstrip()), False)
    return (
        f'<details class="gap"><summary>{_summary(segments)}</summary><div>'
        f'<span class="edge">{escaped(text[run.start : inner.start])}</span>'
        f"{_dimmed(text, inner, segments, merge=merge)}"
        f'<span class="edge">{escaped(text[inner.end : run.end])}</span></div></details>'
    )


def _dimmed(text: str, run: _Run, segments: Sequence[ScoredSegment], *, merge: bool) -> str:
    if merge and len(segments) > 1:
        return f'<span title="{_summary(segments)}">{escaped(text[run.start : run.end])}</span>'
    return _pieces(text, run, segments)


def _pieces(text: str, run: _Run, segments: Sequence[ScoredSegment]) -> str:
    """Each segment in an element with its tooltip; what lies between them as it is."""
    parts: list[str] = []
    at = run.start
    for segment in segments:
        start, end = max(at, segment.start), min(run.end, segment.end)
        if start >= end:
            continue
        kind = ' class="fixed"' if segment.kind in ("code", "table_row") else ""
        parts.append(escaped(text[at:start]))
        parts.append(f'<span{kind} title="{_tooltip(segment)}">{escaped(text[start:end])}</span>')
        at = end
    parts.append(escaped(text[at : run.end]))
    return "".join(parts)


def _tooltip(segment: ScoredSegment) -> str:
    kind = segment.kind.replace("_", " ")
    return f"{kind}, score {segment.score:.3f}, {_tokens(segment.tokens)}"


def _summary(segments: Sequence[ScoredSegment]) -> str:
    scores = [segment.score for segment in segments]
    tokens = sum(segment.tokens for segment in segments)
    low, high = f"{min(scores):.3f}", f"{max(scores):.3f}"
    between = f"score {low}" if low == high else f"scores {low} to {high}"
    pieces = "1 piece" if len(segments) == 1 else f"{len(segments):,} pieces"
    return f"{pieces} dropped: {_tokens(tokens)}, {between}"


def _tokens(count: int) -> str:
    return "1 token" if count == 1 else f"{count:,} tokens"
