"""Answers side by side in rows of one length: what a step reads, and what it is to foretell of that.

Answers differ in length by a factor of a hundred; padded, most of a batch would be nothing. In a packed row
positions begin anew with each excerpt, which is how transformers knows that excerpts do not see each other.
"""

# torch is partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lingua_core.models.continuations import Continuation, Ids, pieces_of
from lingua_core.training.alignment.examples import Example
from lingua_core.training.alignment.sparse_targets import SparseTargets

__all__ = ["Excerpt", "PackedBatch", "PackedRows", "excerpts_of"]

_OPEN_ROWS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """What the model reads at once of an example: all of it, or a window.

    Attributes:
        target: Name of the target model.
        ids: Tokens, with the beginning that stands before every text.
        first: Index of the first token that is to be foretold; at least 1.
        teaching: Distributions of the target, their positions counted from the first token; None for none.
    """

    target: str
    ids: Ids
    first: int
    teaching: SparseTargets | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedBatch:
    """Rows of excerpts.

    Attributes:
        ids: Tokens; shape (rows, tokens).
        positions: Of each token in its excerpt; shape (rows, tokens).
        valued: Indices, in the flattened batch, of the tokens to be foretold, ascending. Shape (valued,).
        teaching: Distributions of the targets; their positions count the flattened batch.
    """

    ids: Tensor
    positions: Tensor
    valued: Tensor
    teaching: SparseTargets


def excerpts_of(
    example: Example,
    *,
    start: Ids,
    window: int,
    learn_prompts: bool = False,
    teaching: SparseTargets | None = None,
) -> list[Excerpt]:
    """What the model reads of an example; each token of the answer is foretold once.

    An answer that is longer than the window is read in windows that overlap by half, each behind as much of
    the prompt as fits into half of one.

    Args:
        example: The answer.
        start: What stands before every text.
        window: Tokens that the model reads at once.
        learn_prompts: Whether the prompt is foretold too.
        teaching: Distributions of the target; positions count the tokens of the example, the beginning that
            stands before every text included.
    """
    nothing = np.zeros(0, np.int64)
    whole = np.concatenate([example.prefix, example.ids])
    prefix, ids = (nothing, whole) if learn_prompts else (example.prefix, example.ids)
    found: list[Excerpt] = []
    for piece in pieces_of(0, Continuation(prefix, ids), start, window, keep_prefix=False):
        row = np.concatenate([np.array(piece.prefix, np.int64), piece.ids])
        first = max(1, len(piece.prefix) + piece.skip)
        if first >= len(row):
            continue
        own = None
        if teaching is not None:
            # Where the excerpt's token `first` is in the example; row j of the logits foretells token j + 1.
            place = len(start) + len(prefix) + piece.at + (first - len(piece.prefix) - piece.skip)
            own = teaching.between(place - 1, place - 1 + len(row) - first).shifted(first - 1)
        found.append(Excerpt(target=example.target, ids=row, first=first, teaching=own if own else None))
    return found


class PackedRows:
    """All rows of a training, in an order that depends on the seed alone, so that any step can be made anew.

    Args:
        excerpts: All.
        weights: How often each target's excerpts come in a pass.
        passes: Over all excerpts.
        window: Tokens of a row.
        seed: Of the order.
        packed: Whether excerpts share rows; for models that would let them see each other they must not.

    Attributes:
        window: Tokens of a row.
        ends_of_passes: How many rows there are until the end of each pass.
    """

    def __init__(
        self,
        excerpts: Sequence[Excerpt],
        weights: Mapping[str, float],
        *,
        passes: int,
        window: int,
        seed: int,
        packed: bool = True,
    ) -> None:
        self.window = window
        self._excerpts = excerpts
        self._rows: list[list[int]] = []
        self.ends_of_passes: list[int] = []
        for turn in range(passes):
            rng = np.random.default_rng([seed, turn])
            order = _drawn(excerpts, weights, rng)
            lengths = [len(excerpts[i].ids) for i in order]
            rows = _packed(lengths, window) if packed else [[k] for k in range(len(order))]
            self._rows += [[order[k] for k in rows[r]] for r in rng.permutation(len(rows)).tolist()]
            self.ends_of_passes.append(len(self._rows))

    def __len__(self) -> int:
        return len(self._rows)

    def valued_tokens(self, first: int, end: int) -> int:
        """Tokens that rows `first` to `end` foretell."""
        chosen = [self._excerpts[i] for row in self._rows[first:end] for i in row]
        return sum(len(excerpt.ids) - excerpt.first for excerpt in chosen)

    def batch(self, first: int, end: int) -> PackedBatch:
        """Rows `first` to `end`."""
        rows = [[self._excerpts[i] for i in row] for row in self._rows[first:end]]
        width = max(sum(len(excerpt.ids) for excerpt in row) for row in rows)
        ids = np.zeros((len(rows), width), np.int64)
        positions = np.zeros((len(rows), width), np.int64)
        valued: list[NDArray[np.int64]] = []
        teaching: list[SparseTargets] = []
        for r, row in enumerate(rows):
            at = 0
            for excerpt in row:
                size = len(excerpt.ids)
                ids[r, at : at + size] = excerpt.ids
                positions[r, at : at + size] = np.arange(size)
                valued.append(np.arange(excerpt.first, size) + r * width + at)
                if excerpt.teaching is not None:
                    teaching.append(excerpt.teaching.shifted(r * width + at))
                at += size
        return PackedBatch(
            ids=torch.from_numpy(ids),
            positions=torch.from_numpy(positions),
            valued=torch.from_numpy(np.concatenate(valued)),
            teaching=SparseTargets.concatenate(teaching),
        )


def _drawn(excerpts: Sequence[Excerpt], weights: Mapping[str, float], rng: np.random.Generator) -> list[int]:
    """Indices of one pass, shuffled: each target's as often as its weight says."""
    chosen: list[int] = []
    for target in sorted({excerpt.target for excerpt in excerpts}):
        own = [i for i, excerpt in enumerate(excerpts) if excerpt.target == target]
        whole, part = divmod(weights[target] * len(own), len(own))
        chosen += own * int(whole)
        chosen += rng.permutation(own)[: round(part)].tolist()
    return rng.permutation(np.array(chosen, np.int64)).tolist()


def _packed(lengths: Sequence[int], window: int) -> list[list[int]]:
    """Which excerpts share a row: each goes into the fullest of the last rows that has room for it."""
    rows: list[list[int]] = []
    room: list[int] = []
    for k, length in enumerate(lengths):
        open_rows = range(max(0, len(rows) - _OPEN_ROWS), len(rows))
        fitting = [r for r in open_rows if room[r] >= length]
        if fitting:
            best = min(fitting, key=lambda r: (room[r], r))
            rows[best].append(k)
            room[best] -= length
        else:
            rows.append([k])
            room.append(window - length)
    return rows
