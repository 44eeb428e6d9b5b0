"""Which segments to keep: pure functions from scores and an allowance.

Greedy by score, as in the sentence stage of LongLLMLingua (arXiv 2310.06839, section 4.1) and in
extractive compressors generally; what does not fit is passed over, so that the allowance is used.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["Candidates", "best_in_window", "fill", "select_above", "thin_out"]

_LARGEST_TABLE = 2_000_000


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
        owners: The document of each segment; needed for `openings` only. Shape (segments,).
        openings: Tokens that come with the first segment that is kept of each document: its heading's. None
            for none. Shape (documents,).
    """

    scores: NDArray[np.float32]
    costs: NDArray[np.int64]
    parents: NDArray[np.int64]
    selectable: NDArray[np.bool_]
    required: NDArray[np.bool_]
    owners: NDArray[np.int64] | None = None
    openings: NDArray[np.int64] | None = None
    ranking: list[int] = field(init=False)

    def __post_init__(self) -> None:
        # Stable: equal scores keep the order of the text.
        order = np.argsort(-self.scores, kind="stable")
        object.__setattr__(self, "ranking", order[self.selectable[order]].tolist())

    def alone(self) -> "Candidates":
        """The same segments, none of which needs another."""
        return replace(self, parents=np.full_like(self.parents, -1))

    def without(self, barred: NDArray[np.bool_]) -> "Candidates":
        """The same segments, some of which may not be kept, not even where they must."""
        return replace(self, selectable=self.selectable & ~barred, required=self.required & ~barred)

    def closed(self, kept: NDArray[np.bool_]) -> tuple[list[int], list[int]]:
        """The document of each segment, and what opening each costs that is not open; empty without."""
        if self.owners is None or self.openings is None:
            return [], []
        left = self.openings.copy()
        left[self.owners[kept]] = 0
        return self.owners.tolist(), left.tolist()

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
    owners, openings = candidates.closed(kept)
    for i in candidates.ranking:
        if chosen[i] or barred[i]:
            continue
        needed = [i]
        parent = parents[i]
        while parent >= 0 and not chosen[parent]:
            needed.append(parent)
            parent = parents[parent]
        cost = sum([costs[n] for n in needed])
        if openings:
            cost += openings[owners[i]]
        if cost <= allowance and not any([barred[n] for n in needed]):
            allowance -= cost
            for n in needed:
                chosen[n] = True
            if openings:
                openings[owners[i]] = 0
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


def best_in_window(
    candidates: Candidates, *, bound: NDArray[np.bool_], lower: int, upper: int
) -> NDArray[np.bool_] | None:
    """The selection with the highest mean score per token, of all whose tokens lie in a window.

    Greedy selection can end a whole segment short of a rate. This solves the 0/1 knapsack with
    precedence exactly: segments form a forest, a segment needs its parent, and a heading something
    below it.

    Args:
        candidates: The segments.
        bound: What must be part of it. Shape (segments,).
        lower: Least number of tokens.
        upper: Greatest number of tokens.

    Returns:
        The selection, or None if there is none, or the problem is too large to be solved (then greedy
        selection is near enough). Shape (segments,).
    """
    n, lower = len(candidates.scores), max(lower, 0)
    if upper < lower or n * upper > _LARGEST_TABLE:
        return None
    table = _Table(candidates, bound, upper)
    mean = table.best[0, lower:] / np.maximum(np.arange(lower, upper + 1), 1)
    if not np.isfinite(mean).any():
        return None
    kept = np.zeros(n, np.bool_)
    kept[list(table.path(lower + int(np.argmax(mean))))] = True
    return kept


class _Table:
    """The knapsack's values: row i is about the i-th segment in preorder and all behind it.

    `best[i, w]` is the greatest value that costs exactly w tokens, `taken[i, w]` the same with
    segment i part of it.
    """

    def __init__(self, candidates: Candidates, bound: NDArray[np.bool_], upper: int) -> None:
        self._order, self._after = _preorder(candidates.parents)
        n = len(self._order)
        finite = np.clip(candidates.scores.astype(np.float64), -1e30, 1e30)
        spread = finite - finite.min(initial=0.0)
        values = np.where(candidates.selectable, (spread + 1e-6) * candidates.costs, 0.0)[self._order]
        self._costs: list[int] = candidates.costs[self._order].tolist()
        self._must: list[bool] = bound[self._order].tolist()
        self._alone: list[bool] = (candidates.selectable | bound)[self._order].tolist()
        self.best = np.full((n + 1, upper + 1), -np.inf)
        self.taken = np.full((n, upper + 1), -np.inf)
        self.best[n, 0] = 0.0
        for i in range(n - 1, -1, -1):
            cost = self._costs[i]
            if cost <= upper:
                below = self.best[i + 1] if self._alone[i] else self._with_a_child(i)
                self.taken[i, cost:] = below[: upper + 1 - cost] + values[i]
            skipped = -np.inf if self._must[i] else self.best[self._after[i]]
            self.best[i] = np.maximum(self.taken[i], skipped)

    def path(self, tokens: int) -> Iterator[int]:
        """The segments, by their own index, that make up the best value at `tokens`."""
        i, forced = 0, False
        while i < len(self._order):
            if not forced and not self._must[i] and self.best[i, tokens] == self.best[self._after[i], tokens]:
                i = self._after[i]
                continue
            yield self._order[i]
            tokens -= self._costs[i]
            forced = not self._alone[i]
            i = self._first_child(i, tokens) if forced else i + 1

    def _with_a_child(self, i: int) -> NDArray[np.float64]:
        """Values from behind segment i on, with at least one segment right below it."""
        rows = [self.taken[child] for child in self._children(i)]
        return np.max(rows, axis=0) if rows else np.full(self.best.shape[1], -np.inf)

    def _first_child(self, i: int, tokens: int) -> int:
        return max(self._children(i), key=lambda child: float(self.taken[child, tokens]))

    def _children(self, i: int) -> Iterator[int]:
        """Segments right below, as far as those before them may be left out."""
        child = i + 1
        while child < self._after[i]:
            yield child
            if self._must[child]:
                return
            child = self._after[child]


def _preorder(parents: NDArray[np.int64]) -> tuple[list[int], list[int]]:
    """Segments with every subtree in one run, and where the run of each ends."""
    children: dict[int, list[int]] = {}
    for i, parent in enumerate(parents.tolist()):
        children.setdefault(parent, []).append(i)
    order: list[int] = []
    after: dict[int, int] = {}
    stack = [(i, False) for i in reversed(children.get(-1, []))]
    while stack:
        i, is_done = stack.pop()
        if is_done:
            after[i] = len(order)
            continue
        order.append(i)
        stack.append((i, True))
        stack.extend((child, False) for child in reversed(children.get(i, [])))
    return order, [after[i] for i in order]


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
