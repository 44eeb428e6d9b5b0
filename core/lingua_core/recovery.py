"""From an answer back to its sources.

The model sees only verbatim pieces, so what it quotes or repeats can be found again. LongLLMLingua
(arXiv 2310.06839, section 4.4) recovers single words by longest common subsequence; here whole
sentences and quotes of the answer get a document and character spans, for citations.
"""

import math
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from lingua_core.documents import Document, Span
from lingua_core.errors import InputError
from lingua_core.segmentation.segmenter import TextSegmenter
from lingua_core.unicode import WORD

__all__ = ["Recovered", "recover"]

_WORD = re.compile(rf"[\u2e80-\u9fff]|{WORD}(?:[.,:/'’-]{WORD})*")
_NUMBER = re.compile(r"\d")
_NEGATION = re.compile(
    r"(?:not|no|never|nor|none|nothing|without|cannot|\w+n't|nicht|kein\w*|nie|ohne|pas|jamais|sans|nunca|sin|не|нет|"
    r"ни|без|不|没|无|未)\Z"
)
_QUOTE = re.compile(r"[“\"«„「]([^“”\"«»„「」\n]{3,600})[”\"»“」]")
_WORDS_IN_QUOTE = 2
_INFORMATIVE_WORDS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """Where a piece of an answer comes from.

    Attributes:
        text: The piece of the answer.
        response_span: Its character span in the answer.
        kind: "quote" for text in quotation marks, which is matched word for word; "sentence".
        document: Index of the document in the input.
        document_id: The document's id.
        spans: Character spans into the document's source text.
        similarity: Share of the piece's informative words found there, from 0 to 1; 1.0 for quotes.
    """

    text: str
    response_span: Span
    kind: Literal["quote", "sentence"]
    document: int
    document_id: str | None
    spans: tuple[Span, ...]
    similarity: float


@dataclass(frozen=True, slots=True)
class _Source:
    """The words of what was kept of one document, with their offsets."""

    index: int
    document: Document
    words: list[str]
    offsets: list[Span]
    sentences: list["_Sentence"]


class _Sentence(NamedTuple):
    """A kept sentence: its range of words, and its characters in the source text."""

    first: int
    last: int
    span: Span


def recover(
    response: str,
    kept: Sequence[tuple[int, Document, tuple[Span, ...]]],
    *,
    min_similarity: float,
) -> list[Recovered]:
    """See `CompressionResult.recover`."""
    if not isinstance(response, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers may be untyped
        raise InputError(f"response must be a str, got {type(response).__name__}. Pass the answer's text.")
    if not isinstance(min_similarity, (int, float)) or not 0 <= min_similarity <= 1:  # pyright: ignore[reportUnnecessaryIsInstance]  # callers may be untyped
        raise InputError(f"min_similarity must be in [0, 1], got {min_similarity!r}.")
    sources = [_source(*entry) for entry in kept]
    weights = _weights(sources)
    found = [*_quotes(response, sources), *_sentences(response, sources, weights, min_similarity)]
    return sorted(found, key=lambda r: (r.response_span, r.kind))


def _source(index: int, document: Document, spans: tuple[Span, ...]) -> _Source:
    words: list[str] = []
    offsets: list[Span] = []
    sentences: list[_Sentence] = []
    segmenter = TextSegmenter()
    for start, end in spans:
        piece = document.text[start:end]
        for segment in segmenter.segment(piece):
            first = len(words)
            for match in _WORD.finditer(piece, segment.start, segment.end):
                words.append(_fold(match.group()))
                offsets.append(Span(start + match.start(), start + match.end()))
            if len(words) > first:
                span = Span(start + segment.start, start + segment.end)
                sentences.append(_Sentence(first, len(words), span))
    return _Source(index, document, words, offsets, sentences)


def _fold(word: str) -> str:
    return word.casefold().replace("’", "'")


def _weights(sources: Iterable[_Source]) -> dict[str, float]:
    """Rare words say more about the origin than common ones: inverse sentence frequency."""
    frequency: Counter[str] = Counter()
    total = 0
    for source in sources:
        for first, last, _ in source.sentences:
            frequency.update(set(source.words[first:last]))
            total += 1
    return {word: math.log(1 + total / count) for word, count in frequency.items()}


def _quotes(response: str, sources: Sequence[_Source]) -> Iterable[Recovered]:
    for match in _QUOTE.finditer(response):
        words = [_fold(m.group()) for m in _WORD.finditer(match.group(1))]
        if len(words) < _WORDS_IN_QUOTE:
            continue
        for source in sources:
            at = _find_run(source.words, words)
            if at is not None:
                yield Recovered(
                    text=match.group(1),
                    response_span=Span(*match.span(1)),
                    kind="quote",
                    document=source.index,
                    document_id=source.document.id,
                    spans=_as_spans(source, at, at + len(words)),
                    similarity=1.0,
                )
                break


def _find_run(words: Sequence[str], run: Sequence[str]) -> int | None:
    first = run[0]
    for at in range(len(words) - len(run) + 1):
        if words[at] == first and list(words[at : at + len(run)]) == list(run):
            return at
    return None


def _sentences(
    response: str, sources: Sequence[_Source], weights: dict[str, float], min_similarity: float
) -> Iterable[Recovered]:
    unknown = max(weights.values(), default=1.0)
    for segment in TextSegmenter().segment(response):
        words = {_fold(m.group()) for m in _WORD.finditer(response, segment.start, segment.end)}
        if sum(map(_informative, words)) < _INFORMATIVE_WORDS:
            continue
        total = sum(weights.get(word, unknown) for word in words)
        ranked = [
            (_overlap(words, source.words[sentence.first : sentence.last], weights) / total, source, sentence)
            for source in sources
            for sentence in source.sentences
            if _agree(words, source.words[sentence.first : sentence.last])
        ]
        similarity, source, sentence = max(ranked, key=lambda entry: entry[0], default=(0.0, None, None))
        if source is None or sentence is None or similarity <= 0 or similarity < min_similarity:
            continue
        yield Recovered(
            text=response[segment.start : segment.end],
            response_span=Span(segment.start, segment.end),
            kind="sentence",
            document=source.index,
            document_id=source.document.id,
            spans=(sentence.span,),
            similarity=round(similarity, 4),
        )


def _informative(word: str) -> int:
    """How many informative words a word counts for; scripts without spaces write several in one."""
    if not word.isascii():
        return 1 + len(word) // 10
    return int(len(word) > 3 or _NUMBER.search(word) is not None)


def _agree(words: set[str], sentence: Sequence[str]) -> bool:
    """Whether a source could say the same: it has every number, and both negate or neither does."""
    if not {word for word in words if _NUMBER.search(word)} <= set(sentence):
        return False
    return any(map(_NEGATION.match, words)) == any(map(_NEGATION.match, sentence))


def _overlap(words: set[str], sentence: Sequence[str], weights: dict[str, float]) -> float:
    return sum(weights[word] for word in words.intersection(sentence))


def _as_spans(source: _Source, first: int, last: int) -> tuple[Span, ...]:
    """One span for each sentence that the words touch; a whole sentence with its punctuation."""
    spans: list[Span] = []
    firsts = [sentence.first for sentence in source.sentences]
    at = first
    while at < last:
        sentence = source.sentences[bisect_right(firsts, at) - 1]
        stop = min(last, sentence.last)
        whole = at == sentence.first and stop == sentence.last
        spans.append(sentence.span if whole else Span(source.offsets[at].start, source.offsets[stop - 1].end))
        at = stop
    return tuple(spans)
