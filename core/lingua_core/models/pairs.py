"""Question and passage as one token sequence, in windows, with the segment that owns each token.

The form is BERT's for pairs: `[CLS] question [SEP] known [SEP] title. passage [SEP]`, where the part
with what is known already is there in training only: in use, a second look through the model did not
pay. Training and inference share this module, so that the model meets in use what it has learnt from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from lingua_core.models.tokenization import special_id, token_ids, token_owners
from lingua_core.models.windows import Window, windows
from lingua_core.segmentation.segment import Segment

__all__ = ["LONGEST_SEQUENCE", "Pair", "PairWindow", "pair_windows"]

LONGEST_SEQUENCE = 256
"""Tokens that the model reads at once, all parts and special tokens counted."""

_OVERLAP = 32
_LONGEST_QUESTION = 64
_LONGEST_KNOWN = 64
_LONGEST_TITLE = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What the model reads together.

    Attributes:
        question: What is asked.
        known: Evidence found before; "" for none.
        title: The passage's title, or None.
        text: The passage.
        segments: Of the passage; sorted, disjoint, with only white space between them.
    """

    question: str
    title: str | None
    text: str
    segments: Sequence[Segment]
    known: str = ""


class PairWindow(NamedTuple):
    """One run of the model.

    Attributes:
        pair: Index of the pair.
        ids: Token ids of the whole sequence.
        question: How many leading positions are question and known evidence (token type 0).
        first: Position of the first token that this window answers for.
        owners: Segment of each token that this window answers for, ascending.
    """

    pair: int
    ids: list[int]
    question: int
    first: int
    owners: NDArray[np.int64]


def pair_windows(
    tokenizer: Tokenizer, pairs: Sequence[Pair], *, longest: int = LONGEST_SEQUENCE
) -> list[PairWindow]:
    """Windows over all pairs, those of a pair together and in order.

    Every token of a passage is answered for by exactly one window. A question longer than 64 tokens
    is read without its middle: both ends of a long question tend to say what is asked.
    """
    cls, sep = special_id(tokenizer, "[CLS]"), special_id(tokenizer, "[SEP]")
    heads = _heads(tokenizer, pairs, cls, sep)
    titles = token_ids(tokenizer, [f"{pair.title}. " if pair.title else "" for pair in pairs])
    texts = token_owners(tokenizer, [pair.text for pair in pairs], [pair.segments for pair in pairs])
    found: list[PairWindow] = []
    for i, (head, (ids, owners)) in enumerate(zip(heads, texts, strict=True)):
        front = [*head, *titles[i][:_LONGEST_TITLE]]
        size = longest - len(front) - 1
        for window in windows(len(ids), size=size, overlap=min(_OVERLAP, size // 2)):
            found.append(_window(i, len(head), front, ids, sep, window, owners))
    return found


def _window(
    pair: int,
    question: int,
    front: list[int],
    ids: list[int],
    sep: int,
    window: Window,
    owners: NDArray[np.int64],
) -> PairWindow:
    return PairWindow(
        pair,
        [*front, *ids[window.start : window.end], sep],
        question,
        len(front) + window.first - window.start,
        owners[window.first : window.last],
    )


def _heads(tokenizer: Tokenizer, pairs: Sequence[Pair], cls: int, sep: int) -> list[list[int]]:
    """The part before the passage. Many pairs share a question: each is tokenized once."""
    texts = list(dict.fromkeys(text for pair in pairs for text in (pair.question, pair.known)))
    ids = dict(zip(texts, token_ids(tokenizer, texts), strict=True))
    heads: list[list[int]] = []
    for pair in pairs:
        head = [cls, *_without_middle(ids[pair.question], _LONGEST_QUESTION), sep]
        if pair.known:
            head += [*ids[pair.known][:_LONGEST_KNOWN], sep]
        heads.append(head)
    return heads


def _without_middle(ids: list[int], longest: int) -> list[int]:
    return ids if len(ids) <= longest else ids[: longest // 2] + ids[-(longest // 2) :]
