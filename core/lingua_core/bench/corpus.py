"""Text to measure with."""

from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path

from lingua_core.bench.json_lines import records_of
from lingua_core.errors import InputError
from lingua_core.segmentation import TextSegmenter
from lingua_core.tokens import TokenCounter

__all__ = ["documents_of", "load_texts"]

_DEMO = Path(__file__).parent.parent / "demo" / "documents.jsonl"


def load_texts(path: Path | None) -> list[str]:
    """The texts of a JSONL file (field `text`; may be gzipped), or of the shipped demo documents.

    Raises:
        InputError: If the file cannot be read, or has no text.
    """
    source = path or _DEMO
    try:
        texts = [str(record["text"]) for record in records_of(source)]
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{str(source)!r} must be JSON lines with a field 'text' each; got {error!r}."
        ) from error
    if not any(text.strip() for text in texts):
        raise InputError(f"{str(source)!r} holds no text.")
    return texts


def documents_of(texts: Sequence[str], *, count: int, tokens: int, counter: TokenCounter) -> list[str]:
    """`count` documents of about `tokens` tokens each, made of whole sentences of the texts.

    Sentences follow each other as in the texts; when the texts are used up, they begin again.
    """
    sentences = _sentences(texts, counter)
    documents: list[str] = []
    for _ in range(count):
        parts: list[str] = []
        size = 0
        while size < tokens:
            sentence, cost = next(sentences)
            parts.append(sentence)
            size += cost
        documents.append(" ".join(parts))
    return documents


def _sentences(texts: Sequence[str], counter: TokenCounter) -> Iterator[tuple[str, int]]:
    segmenter = TextSegmenter()
    pieces = [text[s.start : s.end] for text in texts for s in segmenter.segment(text)]
    return cycle(zip(pieces, counter.count(pieces), strict=True))
