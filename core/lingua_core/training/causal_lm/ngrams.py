"""Interpolated Kneser-Ney smoothing: the n-gram model that a neural one is measured against.

Chen and Goodman (1999), section 3.1, equation 18, with one discount for each order.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lingua_core.errors import InputError

__all__ = ["NGramModel"]

Keys = NDArray[np.uint64]
Tokens = NDArray[np.int64]
_BITS = 63


@dataclass(frozen=True, slots=True)
class _Order:
    """What was counted of the n-grams of one length.

    Attributes:
        keys: N-grams as numbers, ascending.
        counts: Of each; below the highest order, in how many contexts one token longer it was seen.
        contexts: The n-grams without their last token, ascending.
        totals: Of the counts behind each context.
        kinds: How many different tokens were seen behind each context.
        discount: Taken off every count.
    """

    keys: Keys
    counts: NDArray[np.int64]
    contexts: Keys
    totals: NDArray[np.int64]
    kinds: NDArray[np.int64]
    discount: float


class NGramModel:
    """Token surprisals by an n-gram model.

    Args:
        tokens: To count, as one sequence.
        vocabulary: Tokens are below this.
        order: Length of the longest n-grams.

    Raises:
        InputError: If an n-gram does not fit 63 bits, or there are fewer tokens than one has.
    """

    def __init__(self, tokens: Tokens, *, vocabulary: int, order: int = 4) -> None:
        self._bits = max(1, int(vocabulary - 1).bit_length())
        if order < 1 or order * self._bits > _BITS:
            raise InputError(
                f"order must be 1 to {_BITS // self._bits} for {vocabulary} tokens, got {order}."
            )
        if len(tokens) < order:
            raise InputError(f"N-grams of {order} tokens need as many to count, got {len(tokens)}.")
        self._vocabulary = vocabulary
        self._order = order
        keys, counts = np.unique(self._keys(np.asarray(tokens), order), return_counts=True)
        orders = [self._counted(keys, counts)]
        for length in range(order - 1, 0, -1):
            # The first token dropped: every different n-gram is one context in which the rest was seen.
            mask = np.uint64((1 << (length * self._bits)) - 1)
            keys, counts = np.unique(keys & mask, return_counts=True)
            orders.append(self._counted(keys, counts))
        self._orders = orders[::-1]

    def surprisals(self, tokens: Sequence[int]) -> NDArray[np.float64]:
        """Surprisal, in nats, of each token after those before it; the first after none. Shape (tokens,)."""
        ids = np.asarray(tokens, np.int64)
        found = np.full(len(ids), 1.0 / self._vocabulary)
        for length, order in enumerate(self._orders, start=1):
            if len(ids) < length:
                break
            keys = self._keys(ids, length)
            count = _at(order.keys, order.counts, keys)
            contexts = keys >> np.uint64(self._bits)
            total = _at(order.contexts, order.totals, contexts)
            kinds = _at(order.contexts, order.kinds, contexts)
            seen = total > 0
            lower = found[length - 1 :]
            with np.errstate(divide="ignore", invalid="ignore"):
                own = np.maximum(count - order.discount, 0) / total + order.discount * kinds / total * lower
            found[length - 1 :] = np.where(seen, own, lower)
        return -np.log(found)

    def _keys(self, tokens: Tokens, length: int) -> Keys:
        """The n-grams of a sequence as numbers, the first token in the highest bits."""
        ids = tokens.astype(np.uint64)
        found = np.zeros(len(ids) - length + 1, np.uint64)
        for place in range(length):
            found = (found << np.uint64(self._bits)) | ids[place : len(ids) - length + 1 + place]
        return found

    def _counted(self, keys: Keys, counts: NDArray[np.int64]) -> _Order:
        contexts, first = np.unique(keys >> np.uint64(self._bits), return_index=True)
        once, twice = int((counts == 1).sum()), int((counts == 2).sum())
        return _Order(
            keys=keys,
            counts=counts,
            contexts=contexts,
            totals=np.add.reduceat(counts, first),
            kinds=np.diff(np.append(first, len(keys))),
            discount=once / (once + 2 * twice) if once else 0.5,
        )


def _at(keys: Keys, values: NDArray[np.int64], wanted: Keys) -> NDArray[np.int64]:
    """The value of each wanted key; 0 where there is none."""
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, values[places], 0)
