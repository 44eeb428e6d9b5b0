"""Words of a text and the tokens that they are made of, and where a long text may be cut between them."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lingua_core.models.hugging_face import TokenizedText

__all__ = ["TokenWords", "chunk_starts", "words_of_tokens"]

# Letters of scripts that are written without spaces, without their combining marks, which stay with the
# letter before: Thai, Lao, Tibetan, Burmese, Khmer, Chinese, Japanese.
_UNSPACED = (
    "\u0e01-\u0e30\u0e32\u0e33\u0e40-\u0e46\u0e81-\u0eb0\u0eb2\u0eb3\u0ebd-\u0ec6\u0edc-\u0edf\u0f40-\u0f6c"
    "\u1000-\u102a\u103f\u1050-\u1055\u1780-\u17b3\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u303b"
    "\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\uff66-\uff9d\U00020000-\U0003ffff"
)
_OPENING = "(\\[{«‹“‘„‚「『（［｛《〈【〔〖"
_ANY_UNSPACED = re.compile(f"[{_UNSPACED}]")
# Where a word may begin inside a run of characters that are not white space.
_BEFORE_UNSPACED = re.compile(rf"[{_OPENING}]*[{_UNSPACED}]")
_BEHIND_UNSPACED = re.compile(rf"[{_UNSPACED}][^\w\s{_OPENING}]*+(?=\S)")
_RUN = re.compile(r"\S+")
_SENTENCE_END = re.compile(r"(?:[.!?…。！？｡।॥؟۔።։][\"'”’»)\]」』）]*|\n)\s*")


class TokenWords(NamedTuple):
    """The words of a text, and which of them each token belongs to.

    Attributes:
        starts: Character offsets. Shape (words,).
        ends: Character offsets behind the words. Shape (words,).
        owners: Word of each token, ascending; the number of words for tokens behind the last one. White
            space that is a token of its own belongs to the word that follows. Shape (tokens,).
    """

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    owners: NDArray[np.int64]


def words_of_tokens(text: str, tokens: TokenizedText) -> TokenWords:
    """Runs of characters without white space; in scripts that are written without spaces, each token."""
    runs = np.array([match.span() for match in _RUN.finditer(text)], np.int64).reshape(-1, 2)
    starts, ends = runs[:, 0], runs[:, 1]
    if not text.isascii() and _ANY_UNSPACED.search(text):
        inner = np.setdiff1d(np.fromiter(_inner_starts(text), np.int64), starts)
        inner = inner[~_is_inside_token(tokens, inner)]
        starts = np.union1d(starts, inner)
        ends = np.union1d(ends, inner)
    return TokenWords(starts, ends, np.searchsorted(ends, tokens.starts, side="right"))


def _inner_starts(text: str) -> Iterator[int]:
    yield from (match.start() for match in _BEFORE_UNSPACED.finditer(text))
    yield from (match.end() for match in _BEHIND_UNSPACED.finditer(text))


def _is_inside_token(tokens: TokenizedText, positions: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether a token begins before and ends behind each character offset."""
    before = np.searchsorted(tokens.starts, positions, side="left")
    return np.concatenate([[0], tokens.ends])[before] > positions


def chunk_starts(text: str, words: TokenWords, room: int) -> list[int]:
    """Token indices at which the chunks after the first begin; each chunk has at most `room` tokens.

    There are as few chunks as will do, nearly equally long: a small rest would have little context.
    """
    length = len(words.owners)
    if length <= room:
        return []
    is_border = words.owners[1:] != words.owners[:-1]
    borders = np.flatnonzero(is_border) + 1
    sentences = np.array([match.end() for match in _SENTENCE_END.finditer(text)], np.int64)
    begins_sentence = np.append(np.isin(words.starts, sentences), False)
    ends = borders[begins_sentence[words.owners[borders]]]
    cuts: list[int] = []
    at = 0
    while length - at > room:
        at = _next_cut(at, length, room, (ends, borders))
        cuts.append(at)
    return cuts


def _next_cut(at: int, length: int, room: int, choices: Sequence[NDArray[np.int64]]) -> int:
    """The best place to cut: of the first kind of places that has one within reach."""
    rest = length - at
    chunks = -(-rest // room)
    ideal = at + rest // chunks
    for places in choices:
        # Within these bounds no chunk more is needed; then, a chunk at least half full.
        for earliest in (length - (chunks - 1) * room, at + room // 2):
            near = places[(places >= max(earliest, at + 1)) & (places <= at + room)]
            if len(near):
                return int(near[np.argmin(np.abs(near - ideal))])
    return at + room
