"""Sentences inside a paragraph.

Boundaries come from `sentencex` (Wikimedia; abbreviations and terminators of some 300 languages).
Added here: the language from the script, line breaks that end a sentence, and joining what was cut
too eagerly.
"""

import re
from collections.abc import Iterator

from sentencex import get_sentence_boundaries

from lingua_core.documents import Span
from lingua_core.unicode import encodable

__all__ = ["language_of", "sentence_spans", "strip_span"]

# Hard-wrapped text breaks lines near one width, within these bounds; any other break is meant.
_WRAP_WIDTHS = range(50, 131)
_NARROWEST = 30
_FULL_LINES = 0.7
_OPENING = '“„«「『"'
_TERMINATORS = (".", "!", "?", ":", ";")
_LONGEST_PART = 10_000
_BREAK = re.compile(r"(?:\r\n|[\r\n\v\f\x85\u2028\u2029])\s*")
_WORD = re.compile(r"\S*")
_INSIDE_NAME = re.compile(r"[.!?:;][A-Za-z0-9_]")  # self._name, file.txt, a!=b
_SPACES = re.compile(r"\s+")
_MARKER = re.compile(
    r"(?:\(?(?:\d{1,3}|\w)[.)]|[-*+•‣◦▪●·–]|\[\d{1,3}\]|\d+(?:\.\d+)+\.?|(?:§{1,2}|Art\.?|Sec\.?|Section|Article)\s?\d+[a-z]?\.?)\Z"
)
_ABBREVIATION = re.compile(
    r"(?:Dr|Mr|Mrs|Ms|Prof|Rev|Hon|Gen|Col|Capt|Lt|Sgt|St|No|Nos|Fig|Figs|Eq|Vol|Ch|Sec|Art|Approx|approx|ca|cf|vs|pp?)\.\Z"
)
_SHORT_WORD = re.compile(r"(?:^|\s)\S{1,5}\.\Z")
_SCRIPTS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("zh", re.compile(r"[\u4e00-\u9fff]")),
    ("ko", re.compile(r"[\uac00-\ud7af]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
    ("ar", re.compile(r"[\u0600-\u06ff]")),
    ("he", re.compile(r"[\u0590-\u05ff]")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
    ("el", re.compile(r"[\u0370-\u03ff]")),
    ("th", re.compile(r"[\u0e00-\u0e7f]")),
    ("hy", re.compile(r"[\u0530-\u058f]")),
    ("my", re.compile(r"[\u1000-\u109f]")),
    ("am", re.compile(r"[\u1200-\u137f]")),
)


def language_of(text: str) -> str:
    """A language whose sentence rules fit the script that most of the text is in; "en" for Latin."""
    if text.isascii():
        return "en"
    sample = text[:4000]
    for language, script in _SCRIPTS:
        # A Japanese text is recognised by its kana although most of it may be Han.
        share = 0.1 if language == "ja" else 0.3
        if len(script.findall(sample)) > share * len(sample):
            return language
    return "en"


def sentence_spans(text: str, start: int, end: int, language: str) -> list[Span]:
    """Spans of the sentences in `text[start:end]`, without surrounding white space.

    Every character of the range that is not white space is in exactly one span.
    """
    cuts = [start, *_sentence_starts(text, start, end, language), *_line_starts(text, start, end), end]
    cuts = sorted(set(cuts))
    spans: list[Span] = []
    for i in range(len(cuts) - 1):
        span = strip_span(text, cuts[i], cuts[i + 1])
        if span.start == span.end:
            continue
        if spans and _belongs_to_previous(text, spans[-1], span):
            span = Span(spans.pop().start, span.end)
        elif spans and (opening := _opening_quote(text, spans[-1])) is not None:
            span = Span(opening, span.end)
            spans[-1] = strip_span(text, spans[-1].start, opening)
        spans.append(span)
    return spans


def _opening_quote(text: str, span: Span) -> int | None:
    """Where a quotation mark stands that ends a sentence but opens the next one."""
    last = span.end - 1
    return last if last - 1 > span.start and text[last] in _OPENING and text[last - 1].isspace() else None


def strip_span(text: str, start: int, end: int) -> Span:
    """The range without the white space at its ends."""
    content = text[start:end]
    left = len(content) - len(content.lstrip())
    return Span(start + left, max(start + left, start + len(content.rstrip())))


def _sentence_starts(text: str, start: int, end: int, language: str) -> Iterator[int]:
    """Where sentences begin. Long paragraphs are read in parts that begin at a sentence.

    sentencex takes quadratic time on text full of unmatched quotation marks; parts bound that.
    """
    continued = False  # whether `start` lies inside a sentence that is longer than a part
    while start < end:
        part = text[start : min(end, start + _LONGEST_PART)]
        starts = [b["start_index"] for b in get_sentence_boundaries(language, encodable(part))]
        is_last = start + len(part) == end
        for position in starts if is_last else starts[:-1]:
            if (position or not continued) and not _INSIDE_NAME.match(part, max(0, position - 1)):
                yield start + position
        if is_last:
            return
        continued = not (len(starts) > 1 and starts[-1] > 0)
        if continued:
            spaces = list(_SPACES.finditer(part))
            start += spaces[-1].end() if spaces else len(part)
        else:
            start += starts[-1]


def _line_starts(text: str, start: int, end: int) -> list[int]:
    """Where lines begin whose break ends a sentence although no punctuation says so.

    In hard-wrapped text nearly every line is full: the next word would not have fitted. Breaks behind
    full lines mean nothing there, all others (in logs, records, verse) are meant.
    """
    breaks = [match.span() for match in _BREAK.finditer(text, start, end) if match.end() < end]
    if not breaks:
        return []
    starts = [start, *(after for _, after in breaks)]
    ends = [*(before for before, _ in breaks), end]
    lengths = [b - a for a, b in zip(starts, ends, strict=True)]
    width = max(lengths)
    needed = [lengths[i] + 1 + _first_word_length(text, after, end) for i, (_, after) in enumerate(breaks)]
    if width in _WRAP_WIDTHS and sum(n > 0.9 * width for n in needed) >= _FULL_LINES * len(needed):
        return [after for n, (_, after) in zip(needed, breaks, strict=True) if n <= 0.9 * width]
    # Narrow columns, and paragraphs of two lines: only a sentence that plainly goes on is not broken.
    ragged = width < _NARROWEST or sum(n > 0.6 * width for n in needed) < _FULL_LINES * len(needed)
    return [
        after
        for i, (_, after) in enumerate(breaks)
        if ragged or not text[after].islower() or text[starts[i] : ends[i]].rstrip().endswith(_TERMINATORS)
    ]


def _first_word_length(text: str, start: int, end: int) -> int:
    word = _WORD.match(text, start, min(end, start + 200))
    return len(word.group()) if word else 0


def _belongs_to_previous(text: str, previous: Span, span: Span) -> bool:
    """Whether a cut came too early: behind a list marker or an abbreviation, or before closing marks."""
    between = text[previous.end : span.start]
    if "\n" in between or "\r" in between:
        return False
    if previous.end - previous.start <= 14 and (
        _MARKER.match(text, previous.start, previous.end)
        or _ABBREVIATION.match(text, previous.start, previous.end)
    ):
        return True
    first = text[span.start]
    if first.islower() or (first.isdigit() and previous.end - previous.start <= 8):
        return _SHORT_WORD.search(text[max(previous.start, previous.end - 8) : previous.end]) is not None
    return span.end - span.start < 8 and not any(map(str.isalnum, text[span.start : span.end]))
