"""Texts to be valued, in pieces that a causal model can read at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Continuation", "Piece", "pieces_of"]

Ids = NDArray[np.int64]


class Continuation(NamedTuple):
    """Tokens to be valued, and the tokens that they follow.

    Attributes:
        prefix: What the model reads before, behind its own beginning-of-text token. Shape (prefix,).
        ids: What is valued. Shape (tokens,).
    """

    prefix: Ids
    ids: Ids


@dataclass(slots=True)
class Piece:
    """A window: a prefix, context that is not valued, and tokens that are.

    Attributes:
        owner: Index of the continuation.
        prefix: Read first; often shared by many.
        ids: Read behind it.
        skip: How many of `ids` are context only.
        at: Index in the continuation of the first valued token.
        is_whole_prefix: Whether nothing of the continuation's prefix was cut off.
    """

    owner: int
    prefix: tuple[int, ...]
    ids: Ids
    skip: int
    at: int
    is_whole_prefix: bool

    def length(self, shared: tuple[int, ...]) -> int:
        """Tokens to be read behind a shared prefix."""
        return len(self.ids) + (0 if shared else len(self.prefix))


def pieces_of(
    owner: int, continuation: Continuation, start: Ids, window: int, keep_prefix: bool
) -> Iterator[Piece]:
    """A continuation in pieces that the model can read; each token is valued in one of them."""
    ids = np.asarray(continuation.ids, np.int64)
    longest = max(0, (window - 1 if keep_prefix else window // 2) - len(start))
    own = continuation.prefix[len(continuation.prefix) - min(longest, len(continuation.prefix)) :]
    prefix = tuple(np.concatenate([start, own]).astype(np.int64).tolist())
    whole = len(own) == len(continuation.prefix)
    room = window - len(prefix)
    if len(ids) <= room:
        if len(ids):
            yield Piece(owner, prefix, ids, 0, 0, whole)
        return
    context = room // 2
    end = room
    yield Piece(owner, prefix, ids[:end], 0, 0, whole)
    while end < len(ids):
        first, end = end, min(len(ids), end + room - context)
        yield Piece(owner, prefix, ids[end - room : end], first - (end - room), first, whole)
