"""Which segments to keep: pure functions from scores and an allowance.

Greedy by score, as in the sentence stage of LongLLMLingua (arXiv 2310.06839, section 4.1) and in
extractive compressors generally; what does not fit is passed over, so that the allowance is used.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["Candidates", "adjust_to_window", "fill", "select_above", "thin_out"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """The segments of one request, all documents in one row.

    Attributes:
        scores: Keep scores, higher is better. Shape (segments,).
        costs: Tokens of each segment. Shape (segments,).
        parents: Index of the segment that has to be kept along with each, or -1. Shape (segments,).
        selectable: False for a segment that is kept only along with another (a heading). Shape
            (segments,).
        required: Segments that must be kept whatever their score. Shape (segments,).
    """

    scores: NDArray[np.float32]
    costs: NDArray[np.int64]
    parents: NDArray[np.int64]
    selectable: NDArray[np.bool_]
    required: NDArray[np.bool_]
    ranking: list[int] = field(init=False)

    def __post_init__(self) -> None:
        # Stable: equal scores keep the order of the text.
        order = np.argsort(-self.scores, kind="stable")
        object.__setattr__(self, "ranking", order[self.selectable[order]].tolist())

    def alone(self) -> "Candidates":
        """The same segments, none of which needs another."""
        return replace(self, parents=np.full_like(self.parents, -1))

    def start(self) -> NDArray[np.bool_]:
        """Only what must be kept."""
        kept = np.zeros(len(self.scores), np.bool_)
        self.keep(kept, np.flatnonzero(self.required).tolist())
        return kept

    def keep(self, kept: NDArray[np.bool_], indices: Iterable[int]) -> None:
        """Mark segments, and what introduces them, as kept."""
        for i in indices:
            while i >= 0:
                kept[i] = True
                i = int(self.parents[i])


def fill(
    candidates: Candidates,
    kept: NDArray[np.bool_],
    allowance: int,
    *,
    banned: NDArray[np.bool_] | None = None,
) -> NDArray[np.bool_]:
    """Keep the best-scored segments that fit into `allowance` further tokens.

    Args:
        candidates: The segments.
        kept: What is kept already; not changed.
        allowance: Tokens that may be added.
        banned: Segments that must not be added.

    Returns:
        The larger selection. Shape (segments,).
    """
    chosen: list[bool] = kept.tolist()
    costs: list[int] = candidates.costs.tolist()
    parents: list[int] = candidates.parents.tolist()
    barred: list[bool] = banned.tolist() if banned is not None else [False] * len(chosen)
    for i in candidates.ranking:
        if chosen[i] or barred[i]:
            continue
        needed = [i]
        parent = parents[i]
        while parent >= 0 and not chosen[parent]:
            needed.append(parent)
            parent = parents[parent]
        cost = sum([costs[n] for n in needed])
        if cost <= allowance and not any([barred[n] for n in needed]):
            allowance -= cost
            for n in needed:
                chosen[n] = True
    return np.array(chosen, np.bool_)


def select_above(candidates: Candidates, threshold: float) -> NDArray[np.bool_]:
    """Keep every segment that scores at least `threshold`, and what introduces it."""
    kept = candidates.start()
    passing = candidates.selectable & (candidates.scores >= np.float32(threshold))
    candidates.keep(kept, np.flatnonzero(passing).tolist())
    return kept


def thin_out(candidates: Candidates, kept: NDArray[np.bool_], tokens: int) -> NDArray[np.bool_]:
    """Drop the lowest-scored segments until at least `tokens` tokens are gone.

    What must be kept stays; a segment that introduces another goes when nothing kept needs it.

    Returns:
        The smaller selection; the same one if nothing can be dropped. Shape (segments,).
    """
    smaller = kept.copy()
    bound = candidates.start()
    for i in reversed(candidates.ranking):
        if tokens <= 0:
            break
        if not smaller[i] or bound[i] or _introduces(candidates, smaller, i):
            continue
        tokens -= _drop(candidates, smaller, bound, i)
    return smaller


def _drop(candidates: Candidates, kept: NDArray[np.bool_], bound: NDArray[np.bool_], i: int) -> int:
    """Drop a segment, and what introduced only it; returns the tokens that are gone."""
    kept[i] = False
    tokens = int(candidates.costs[i])
    parent = int(candidates.parents[i])
    orphaned = parent >= 0 and kept[parent] and not candidates.selectable[parent] and not bound[parent]
    if orphaned and not _introduces(candidates, kept, parent):
        tokens += _drop(candidates, kept, bound, parent)
    return tokens


def _introduces(candidates: Candidates, kept: NDArray[np.bool_], i: int) -> bool:
    return bool((kept & (candidates.parents == i)).any())


def adjust_to_window(
    candidates: Candidates,
    kept: NDArray[np.bool_],
    *,
    bound: NDArray[np.bool_],
    lower: int,
    upper: int,
    pool_size: int = 40,
) -> NDArray[np.bool_] | None:
    """Exchange segments near the border of a selection so that its tokens lie in a window.

    Greedy selection can end a whole segment short of a rate. This solves the 0/1 knapsack over the
    segments around the border exactly: of all choices whose tokens lie in `[lower, upper]`, the one
    with the highest mean score per token.

    Args:
        candidates: The segments.
        kept: The greedy selection; not changed.
        bound: What must stay. Shape (segments,).
        lower: Least number of tokens.
        upper: Greatest number of tokens.
        pool_size: How many segments on either side of the border may change.

    Returns:
        A selection within the window, or None if there is none in the pool.
    """
    free = [i for i in candidates.ranking if candidates.parents[i] < 0 and not bound[i]]
    inside = [i for i in free if kept[i] and not _introduces(candidates, kept, i)][-pool_size:]
    outside = [i for i in free if not kept[i]][:pool_size]
    pool = inside + outside
    fixed = kept.copy()
    fixed[inside] = False
    base = int(candidates.costs[fixed].sum())
    chosen = _knapsack(candidates, pool, lower=lower - base, upper=upper - base)
    if chosen is None:
        return None
    fixed[chosen] = True
    return fixed


def _knapsack(candidates: Candidates, pool: Sequence[int], *, lower: int, upper: int) -> list[int] | None:
    if upper < 0 or not pool:
        return None
    lower = max(lower, 0)
    lowest = float(candidates.scores[pool].min())
    best = np.full(upper + 1, -np.inf)
    best[0] = 0.0
    taken = np.zeros((len(pool), upper + 1), np.bool_)
    for row, i in enumerate(pool):
        cost = int(candidates.costs[i])
        if cost > upper or cost == 0:
            continue
        value = (float(candidates.scores[i]) - lowest + 1e-6) * cost
        with_it = np.full(upper + 1, -np.inf)
        with_it[cost:] = best[: upper + 1 - cost] + value
        taken[row] = with_it > best
        best = np.where(taken[row], with_it, best)
    mean = best[lower:] / np.maximum(np.arange(lower, upper + 1), 1)
    if not np.isfinite(mean).any():
        return None
    tokens = lower + int(np.argmax(mean))
    chosen: list[int] = []
    for row in range(len(pool) - 1, -1, -1):
        if taken[row, tokens]:
            chosen.append(pool[row])
            tokens -= int(candidates.costs[pool[row]])
    return chosen
