"""Documents into pieces that a large model compresses well: it drops more and more of longer texts.

The paper cuts at sentence ends, into pieces of at most 512 tokens (section 3.1).
"""

from collections.abc import Iterator, Sequence

from lingua_core.documents import Span
from lingua_core.errors import InputError
from lingua_core.segmentation import TextSegmenter
from lingua_core.segmentation.pieces import divide
from lingua_core.tokens import TokenCounter

__all__ = ["text_pieces"]


def text_pieces(text: str, counter: TokenCounter, *, longest: int = 512) -> list[str]:
    """Verbatim pieces that together hold every character that is not white space, in text order.

    They end where sentences do, and are about equally long; a sentence that alone is too long is cut at
    clause ends, else between words, else anywhere.

    Args:
        text: A document.
        counter: What tokens are.
        longest: The most tokens of a piece.

    Raises:
        InputError: If `longest` is not positive.
    """
    if longest < 1:
        raise InputError(f"longest must be at least 1, got {longest!r}.")
    sentences = [
        piece
        for segment in TextSegmenter().segment(text)
        for piece in _short_enough(text, Span(segment.start, segment.end), counter, longest)
    ]
    counts = counter.count([text[s.start : s.end] for s in sentences])
    ideal = sum(counts) / max(1, -(-sum(counts) // longest))
    return [text[span.start : span.end] for span in _packed(text, sentences, counts, counter, longest, ideal)]


def _short_enough(text: str, span: Span, counter: TokenCounter, longest: int) -> Iterator[Span]:
    tokens = counter.count([text[span.start : span.end]])[0]
    length = span.end - span.start
    if tokens <= longest or length == 1:
        yield span
        return
    parts = divide(text, span, max(1, length * longest // tokens))
    if len(parts) == 1:  # one long word
        middle = span.start + length // 2
        parts = [Span(span.start, middle), Span(middle, span.end)]
    for part in parts:
        yield from _short_enough(text, part, counter, longest)


def _packed(
    text: str,
    sentences: Sequence[Span],
    counts: Sequence[int],
    counter: TokenCounter,
    longest: int,
    ideal: float,
) -> Iterator[Span]:
    open_: Span | None = None
    tokens = 0
    for sentence, count in zip(sentences, counts, strict=True):
        joined = Span(sentence.start if open_ is None else open_.start, sentence.end)
        is_full = tokens >= ideal or tokens + count > longest
        # Most counters count more for a whole than for its parts: line breaks.
        if open_ is not None and (is_full or counter.count([text[joined.start : joined.end]])[0] > longest):
            yield open_
            joined, tokens = sentence, 0
        open_, tokens = joined, tokens + count
    if open_ is not None:
        yield open_
