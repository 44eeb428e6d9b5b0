"""Sentences that say again what an earlier point has said: found by their words, in any language."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from lingua_core.documents import Span
from lingua_core.errors import InputError
from lingua_core.segmentation import TextSegmenter
from lingua_core.unicode import WORD

__all__ = ["Repeat", "find_repeats", "remove_repeats"]

_UNIT = re.compile(
    f"[\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e01-\u0e4e\u0e80-\u0eff\u1000-\u109f\u1780-\u17ff]|{WORD}"
)
_LONE = re.compile(
    "[\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e01-\u0e4e\u0e80-\u0eff\u1000-\u109f\u1780-\u17ff]"
)
_FEWEST_SHINGLES = 5
"""Shorter sentences ("This saves time.") are alike by chance."""
_CONTAINMENT = 0.85


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """A sentence that repeats an earlier one.

    Attributes:
        text: Which text it stands in, from 0.
        span: Where, in characters.
        earlier_text: Which text says it first.
        earlier_span: Where.
        similarity: Share of common word pairs: of both sentences, or of the later one if that lies within
            the earlier one; 1 for the same words.
    """

    text: int
    span: Span
    earlier_text: int
    earlier_span: Span
    similarity: float


@dataclass(frozen=True, slots=True)
class _Sentence:
    text: int
    span: Span
    shingles: frozenset[tuple[str, str]]


def find_repeats(texts: Sequence[str], *, threshold: float = 0.6) -> tuple[Repeat, ...]:
    """Sentences of later texts that say what a sentence of an earlier text says, in the order of the texts.

    Sentences are compared by their pairs of neighbouring words (letters, in scripts without spaces): alike
    are two whose Jaccard similarity reaches `threshold`, and a later one that lies within an earlier one.
    Short sentences are never repeats. Takes time linear in the text, as long as words are varied.

    Raises:
        InputError: If `threshold` is not in (0, 1].
    """
    if not 0 < threshold <= 1:
        raise InputError(f"threshold must be in (0, 1], got {threshold!r}.")
    seen: list[_Sentence] = []
    holders: dict[tuple[str, str], list[int]] = defaultdict(list)
    repeats: list[Repeat] = []
    for number, text in enumerate(texts):
        fresh: list[_Sentence] = []
        for sentence in _sentences(number, text):
            best = _best_match(sentence, seen, holders, threshold)
            if best is not None:
                repeats.append(best)
            fresh.append(sentence)
        for sentence in fresh:
            for shingle in sentence.shingles:
                holders[shingle].append(len(seen))
            seen.append(sentence)
    return tuple(repeats)


def remove_repeats(texts: Sequence[str], repeats: Iterable[Repeat]) -> tuple[str, ...]:
    """The texts without the repeats; a text that would be left without a word stays as it is."""
    cut: dict[int, list[Span]] = defaultdict(list)
    for repeat in repeats:
        cut[repeat.text].append(repeat.span)
    return tuple(_without(text, sorted(cut[i])) if i in cut else text for i, text in enumerate(texts))


def _sentences(number: int, text: str) -> list[_Sentence]:
    found: list[_Sentence] = []
    for segment in TextSegmenter().segment(text):
        if segment.kind not in ("sentence", "list_item"):
            continue
        shingles = _shingles(text[segment.start : segment.end])
        if len(shingles) >= _FEWEST_SHINGLES:
            found.append(_Sentence(number, Span(segment.start, segment.end), shingles))
    return found


def _shingles(sentence: str) -> frozenset[tuple[str, str]]:
    words = _UNIT.findall(sentence.casefold())
    shingles = frozenset(pairwise(words))
    # A letter says less than a word: where letters are counted, more of them must be there.
    if len(shingles) < 2 * _FEWEST_SHINGLES and sum(len(_LONE.findall(w)) for w in words) > len(words) / 2:
        return frozenset()
    return shingles


def _best_match(
    sentence: _Sentence,
    seen: Sequence[_Sentence],
    holders: dict[tuple[str, str], list[int]],
    threshold: float,
) -> Repeat | None:
    common: dict[int, int] = defaultdict(int)
    for shingle in sentence.shingles:
        for holder in holders.get(shingle, ()):
            common[holder] += 1
    best: Repeat | None = None
    for holder, count in sorted(common.items()):
        other = seen[holder]
        jaccard = count / (len(sentence.shingles) + len(other.shingles) - count)
        containment = count / len(sentence.shingles)
        if jaccard < threshold and containment < _CONTAINMENT:
            continue
        similarity = max(jaccard, containment if containment >= _CONTAINMENT else 0.0)
        if best is None or similarity > best.similarity:
            best = Repeat(
                text=sentence.text,
                span=sentence.span,
                earlier_text=other.text,
                earlier_span=other.span,
                similarity=similarity,
            )
    return best


def _without(text: str, spans: Sequence[Span]) -> str:
    kept: list[str] = []
    at = 0
    for span in spans:
        kept.append(text[at : span.start])
        at = span.end
        # The white space behind a sentence goes with it, but not the break between paragraphs.
        while at < len(text) and text[at] in " \t":
            at += 1
    kept.append(text[at:])
    rest = re.sub(r"[ \t]+(?=\n)", "", "".join(kept)).strip()
    rest = re.sub(r"\n{3,}", "\n\n", rest)
    return rest if any(map(str.isalnum, rest)) else text
