"""From kept words to labels of tokens, in the sequences that the model reads."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lingua_core.models.hugging_face import TokenizedText
from lingua_core.models.token_words import chunk_starts, words_of_tokens
from lingua_core.training.token_classifier.alignment import Alignment

__all__ = ["UNLABELLED", "LabelledRow", "labelled_rows"]

UNLABELLED = -100
"""What torch's cross entropy passes over."""


class LabelledRow(NamedTuple):
    """A sequence of tokens.

    Attributes:
        ids: Without special ones. Shape (tokens,).
        labels: 1 for tokens to keep, 0 for others, `UNLABELLED` for those of no word. Shape (tokens,).
    """

    ids: NDArray[np.int64]
    labels: NDArray[np.int64]


def labelled_rows(text: str, alignment: Alignment, tokens: TokenizedText, *, room: int) -> list[LabelledRow]:
    """The text's tokens with their labels, cut as `TokenClassifierScorer` cuts them.

    A word's tokens have one label, since words are what the scorer keeps or drops: punctuation goes with the
    word that it stands beside. A word is kept if at least half of its letters are.

    Args:
        text: What was compressed.
        alignment: Which of its words were kept.
        tokens: Of the text.
        room: The most tokens of a row.
    """
    words = words_of_tokens(text, tokens)
    kept = np.concatenate([_kept_words(len(text), alignment, words.starts, words.ends), [UNLABELLED]])
    labels = kept[words.owners]
    cuts = chunk_starts(text, words, room)
    rows = zip(np.split(tokens.ids, cuts), np.split(labels, cuts), strict=True)
    return [LabelledRow(ids, own) for ids, own in rows if len(ids)]


def _kept_words(
    length: int, alignment: Alignment, starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.int64]:
    """1 or 0 for each word of the model. Shape (words,)."""
    inside = np.zeros(length + 1, np.int64)
    inside[1:] = np.cumsum(_marked(length, alignment.starts[alignment.kept], alignment.ends[alignment.kept]))
    return (2 * (inside[ends] - inside[starts]) >= ends - starts).astype(np.int64)


def _marked(length: int, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """1 for each character inside of a span. Shape (length,)."""
    steps = np.zeros(length + 1, np.int64)
    np.add.at(steps, starts, 1)
    np.add.at(steps, ends, -1)
    return np.cumsum(steps)[:length]
