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
    passing = candidates.selectable & (candidates.scores >= np.float32(np.clip(threshold, -3e38, 3e38)))
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
    children = np.bincount(candidates.parents[kept & (candidates.parents >= 0)], minlength=len(kept))
    for i in reversed(candidates.ranking):
        # Dropping a segment can orphan what introduced only it; that goes along.
        while tokens > 0 and i >= 0 and smaller[i] and not bound[i] and not children[i]:
            smaller[i] = False
            tokens -= int(candidates.costs[i])
            i = int(candidates.parents[i])
            if i >= 0:
                children[i] -= 1
                if candidates.selectable[i]:
                    break
        if tokens <= 0:
            break
    return _without_orphans(candidates, smaller, bound)


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
    children = np.bincount(candidates.parents[kept & (candidates.parents >= 0)], minlength=len(kept))
    free = [i for i in candidates.ranking if not bound[i] and not children[i]]
    inside = [i for i in free if kept[i]][-pool_size:]
    outside = [i for i in free if not kept[i]][:pool_size]
    pool = inside + outside
    fixed = kept.copy()
    fixed[inside] = False
    costs = [_cost_with_parents(candidates, fixed, i) for i in pool]
    base = int(candidates.costs[fixed].sum())
    chosen = _knapsack(candidates.scores[pool], costs, lower=lower - base, upper=upper - base)
    if chosen is None:
        return None
    candidates.keep(fixed, [pool[i] for i in chosen])
    return _without_orphans(candidates, fixed, bound)


def _cost_with_parents(candidates: Candidates, kept: NDArray[np.bool_], i: int) -> int:
    cost = 0
    while i >= 0 and not kept[i]:
        cost += int(candidates.costs[i])
        i = int(candidates.parents[i])
    return cost


def _without_orphans(
    candidates: Candidates, kept: NDArray[np.bool_], bound: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """The selection without headings that introduce nothing any more; from below, for chains."""
    children = np.bincount(candidates.parents[kept & (candidates.parents >= 0)], minlength=len(kept))
    for i in np.flatnonzero(kept & ~candidates.selectable & ~bound)[::-1].tolist():
        if not children[i]:
            kept[i] = False
            if candidates.parents[i] >= 0:
                children[candidates.parents[i]] -= 1
    return kept


def _knapsack(
    scores: NDArray[np.float32], costs: Sequence[int], *, lower: int, upper: int
) -> list[int] | None:
    """Indices of the best choice whose costs sum to `[lower, upper]`, or None."""
    if upper < 0 or not len(costs):
        return None
    lower = max(lower, 0)
    lowest = float(scores.min())
    best = np.full(upper + 1, -np.inf)
    best[0] = 0.0
    taken = np.zeros((len(costs), upper + 1), np.bool_)
    for row, cost in enumerate(costs):
        if cost > upper or cost == 0:
            continue
        value = (float(scores[row]) - lowest + 1e-6) * cost
        with_it = np.full(upper + 1, -np.inf)
        with_it[cost:] = best[: upper + 1 - cost] + value
        taken[row] = with_it > best
        best = np.where(taken[row], with_it, best)
    mean = best[lower:] / np.maximum(np.arange(lower, upper + 1), 1)
    if not np.isfinite(mean).any():
        return None
    tokens = lower + int(np.argmax(mean))
    chosen: list[int] = []
    for row in range(len(costs) - 1, -1, -1):
        if taken[row, tokens]:
            chosen.append(row)
            tokens -= costs[row]
    return chosen
