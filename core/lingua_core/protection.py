"""Pieces of text that are never cut in half."""

import re
from bisect import bisect_right
from collections.abc import Collection, Sequence
from typing import Literal, get_args

from lingua_core.documents import Span
from lingua_core.errors import InputError
from lingua_core.segmentation.code import fenced_code
from lingua_core.segmentation.lines import lines_of
from lingua_core.segmentation.segment import Segment

__all__ = ["DEFAULT_PROTECT", "ProtectedKind", "Protection"]

ProtectedKind = Literal["numbers", "negations", "code", "urls", "quotes"]
DEFAULT_PROTECT: tuple[ProtectedKind, ...] = get_args(ProtectedKind)

_NEGATION = (
    r"not|no|never|neither|nor|none|nobody|nothing|nowhere|without|cannot|hardly|barely|scarcely|except|unless"
    r"|n(?:icht|ie|iemals)|kein\w*|ohne|ne|pas|jamais|sans|nunca|jamás|sin|non|mai|senza|não|nem|sem|не|ни|без"
)
_PATTERNS: dict[ProtectedKind, str] = {
    "code": r"`[^`\n]{1,300}`",
    "urls": r"\b(?:https?|ftp|file|s3)://[^\s<>\"]+|\bwww\.[^\s<>\"]+|\b[\w.+-]{1,64}@[\w-]{1,63}\.[\w.-]{0,190}\w",
    "quotes": (
        r"“[^“”\n]{1,400}”|«[^«»\n]{1,400}»|„[^„“”\n]{1,400}[“”]|「[^「」\n]{1,400}」|『[^『』\n]{1,400}』"
        r"|(?<![\w\"])\"(?=\S)[^\"\n]{1,400}(?<=\S)\"(?!\w)"
    ),
    # A sign or currency, digits with their separators (dates, times, versions, ranges too), and the unit.
    "numbers": (
        r"(?:[+\-±~≈<>≤≥][^\S\n]?)?(?:[$€£¥₹][^\S\n]?)?\d+(?:[.,:/'’\u00a0\u202f–-]\d+)*"
        r"(?:[^\S\n]?(?:%|‰|°[^\S\n]?[CFK]?|percent\b|million\b|billion\b|trillion\b|thousand\b|[$€£¥₹]"
        r"|(?:k|c|m|µ|μ|n|M|G|T)?(?:m|g|s|l|L|W|Hz|B|V|A|J|Pa|mol|eV|bit)\b|kWh\b|hours?\b|minutes?\b|seconds?\b"
        r"|days?\b|weeks?\b|months?\b|years?\b|dollars?\b|euros?\b|km/h\b|mph\b|[ap]\.?m\b\.?))?"
    ),
    # A negation with the word that it negates.
    "negations": rf"(?i:\b(?:{_NEGATION})\b(?:[^\S\n]+\w+)?|\b\w+n['’]t\b(?:[^\S\n]+\w+)?)",
}
# Kinds that may hold a sentence's end, with what a text must contain to have one: looking for that
# first is many times faster than the expression.
_MAY_HOLD_SENTENCES: dict[ProtectedKind, str] = {
    "code": r"[`~]",
    "urls": r"://|www\.|@",
    "quotes": r"[“«„「『\"]",
}


class Protection:
    """Finds the pieces that selection must keep whole or drop whole.

    Args:
        protect: Names of built-in kinds ("numbers", "negations", "code", "urls", "quotes"), compiled
            patterns, or regular expressions as strings.

    Raises:
        InputError: If an expression does not compile, matches empty text, or looks like a
            misspelled kind.
    """

    def __init__(self, protect: Collection[str | re.Pattern[str]] = DEFAULT_PROTECT) -> None:
        if isinstance(protect, str):
            raise InputError(
                f"protect must be a collection of kinds and patterns, got the single str {protect!r}. "
                "Wrap it in a list."
            )
        if not isinstance(protect, Collection):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise InputError(f"protect must be a collection of kinds and patterns, got {protect!r:.80}.")
        self.kinds: tuple[ProtectedKind, ...] = tuple(kind for kind in DEFAULT_PROTECT if kind in protect)
        self.patterns = tuple(as_pattern(item, "protect") for item in protect if item not in DEFAULT_PROTECT)
        self._all = [re.compile(_PATTERNS[kind]) for kind in self.kinds]
        # Quotes, code and addresses may hold a sentence end; the others live inside sentences, and
        # are looked for only where a sentence has to be divided.
        self._across = [
            (re.compile(hint), re.compile(_PATTERNS[kind]))
            for kind, hint in _MAY_HOLD_SENTENCES.items()
            if kind in self.kinds
        ]

    def spans(self, text: str, start: int = 0, end: int | None = None) -> list[Span]:
        """All protected spans that begin in `text[start:end]`, merged, sorted and disjoint."""
        stop = len(text) if end is None else end
        found = [
            Span(*match.span())
            for pattern in (*self._all, *self.patterns)
            for match in pattern.finditer(text, start, stop)
            if match.end() > match.start()
        ]
        return merge_spans([*found, *self._fenced(text, start, stop)])

    def keep_whole(self, text: str, segments: Sequence[Segment]) -> list[Segment]:
        """Join neighbouring segments wherever a boundary falls inside a protected piece."""
        spans = self._spans_across(text)
        if not spans or len(segments) < 2:
            return list(segments)
        return _join_across(segments, spans)

    def keep_all_whole(self, text: str, segments: Sequence[Segment]) -> list[Segment]:
        """The same for segments smaller than sentences, which may cut any kind of protected piece."""
        return _join_across(segments, self.spans(text))

    def _spans_across(self, text: str) -> list[Span]:
        patterns = (*(pattern for hint, pattern in self._across if hint.search(text)), *self.patterns)
        found = [Span(*match.span()) for pattern in patterns for match in pattern.finditer(text)]
        return merge_spans([*found, *self._fenced(text, 0, len(text))])

    def _fenced(self, text: str, start: int, stop: int) -> list[Span]:
        """Fenced code in a range, by the rules of the segmenter, for segmenters that know nothing of it."""
        # Only the range is read: this runs once for every segment that has to be divided.
        part = text[start:stop]
        if "code" not in self.kinds or not ("```" in part or "~~~" in part):
            return []
        lines = lines_of(part)
        blocks = fenced_code(part, lines)
        return [Span(start + lines[a].start, start + lines[b].end) for a, b in blocks.items()]


def as_pattern(item: str | re.Pattern[str], option: str) -> re.Pattern[str]:
    """Compile a user's expression, with an error that names the option it came from."""
    if isinstance(item, re.Pattern):
        pattern = item
    elif isinstance(item, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers may be untyped
        if option == "protect" and re.fullmatch(r"[a-z_]+", item):
            raise InputError(
                f"Unknown kind in protect: {item!r}. Expected one of {', '.join(DEFAULT_PROTECT)}; "
                f"to protect that literal word pass re.compile({item!r})."
            )
        try:
            pattern = re.compile(item)
        except re.error as error:
            raise InputError(
                f"{option} holds {item!r}, which is no valid regular expression: {error}."
            ) from error
    else:
        raise InputError(f"{option} must hold str and re.Pattern, got {type(item).__name__}: {item!r:.80}.")
    if isinstance(pattern.pattern, bytes):
        raise InputError(
            f"{option} holds a pattern of bytes, {pattern.pattern!r:.80}. Compile it from a str."
        )
    if pattern.match(""):
        raise InputError(
            f"{option} holds {pattern.pattern!r}, which matches empty text. Make it match something."
        )
    return pattern


def merge_spans(spans: Sequence[Span]) -> list[Span]:
    """Sort spans and unite those that overlap."""
    merged: list[Span] = []
    for span in sorted(spans):
        if merged and span.start < merged[-1].end:
            if span.end > merged[-1].end:
                merged[-1] = Span(merged[-1].start, span.end)
        else:
            merged.append(span)
    return merged


def _join_across(segments: Sequence[Segment], spans: Sequence[Span]) -> list[Segment]:
    starts = [span.start for span in spans]
    joined: list[Segment] = []
    renumbered: list[int] = []
    for segment in segments:
        previous = joined[-1] if joined else None
        crossing = bisect_right(starts, previous.end - 1) - 1 if previous else -1
        if previous and crossing >= 0 and spans[crossing].end > segment.start:
            joined[-1] = previous._replace(end=segment.end)
        else:
            parent = renumbered[segment.parent] if segment.parent >= 0 else -1
            joined.append(segment._replace(parent=parent))
        renumbered.append(len(joined) - 1)
    return joined
