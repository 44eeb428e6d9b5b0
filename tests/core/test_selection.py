"""Pure selection: fill, thin out, adjust."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingua_core.selection import Candidates, best_in_window, fill, select_above, thin_out


def candidates(
    scores: list[float], costs: list[int], parents: list[int] | None = None, required: tuple[int, ...] = ()
) -> Candidates:
    n = len(scores)
    must = np.zeros(n, np.bool_)
    must[list(required)] = True
    return Candidates(
        scores=np.array(scores, np.float32),
        costs=np.array(costs, np.int64),
        parents=np.array(parents if parents is not None else [-1] * n, np.int64),
        selectable=np.ones(n, np.bool_),
        required=must,
    )


def kept(mask: np.ndarray) -> list[int]:
    return np.flatnonzero(mask).tolist()


def test_fill_takes_the_best_that_fit_and_passes_over_the_rest() -> None:
    c = candidates([3, 2, 1], [5, 9, 4])
    assert kept(fill(c, c.start(), 10)) == [0, 2]


def test_fill_pays_for_the_parent_once() -> None:
    c = candidates([0, 3, 2], [4, 3, 3], parents=[-1, 0, 0])
    assert kept(fill(c, c.start(), 10)) == [0, 1, 2]
    assert kept(fill(c, c.start(), 6)) == [0]


def test_equal_scores_keep_the_order_of_the_text() -> None:
    c = candidates([1, 1, 1, 1], [1, 1, 1, 1])
    assert kept(fill(c, c.start(), 2)) == [0, 1]


def test_fill_does_not_change_its_input() -> None:
    c = candidates([1, 2], [1, 1])
    start = c.start()
    fill(c, start, 2)
    assert not start.any()


def test_threshold_is_inclusive_and_brings_parents() -> None:
    c = candidates([0, 0.5, 0.4], [1, 1, 1], parents=[-1, 0, 0])
    assert kept(select_above(c, 0.5)) == [0, 1]


def test_thin_out_drops_the_lowest_but_never_what_is_required() -> None:
    c = candidates([3, 1, 2], [5, 5, 5], required=(1,))
    assert kept(thin_out(c, np.ones(3, np.bool_), 5)) == [0, 1]
    assert kept(thin_out(c, np.ones(3, np.bool_), 100)) == [1]


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 30), st.integers(-1, 8)), min_size=1, max_size=9),
    st.integers(0, 100),
    st.integers(0, 10),
    st.sets(st.integers(0, 8)),
)
def test_the_best_in_a_window_is_found_if_there_is_one(
    items: list[tuple[int, int, int]], lower: int, width: int, headings: set[int]
) -> None:
    parents = [min(parent, i - 1) for i, (_, _, parent) in enumerate(items)]
    c = candidates([float(s) for s, _, _ in items], [cost for _, cost, _ in items], parents=parents)
    c = replace(c, selectable=np.array([i not in headings for i in range(len(items))]))
    found = best_in_window(c, bound=c.start(), lower=lower, upper=lower + width)
    subsets = [
        subset
        for r in range(len(items) + 1)
        for subset in itertools.combinations(range(len(items)), r)
        if lower <= sum(items[i][1] for i in subset) <= lower + width
        and all(parents[i] in (-1, *subset) for i in subset)
        and all(any(parents[j] == i for j in subset) for i in subset if i in headings)
    ]
    assert (found is None) == (not subsets)
    if found is not None:
        assert tuple(kept(found)) in subsets
        assert mean_score(items, kept(found), headings) == pytest.approx(
            max(mean_score(items, s, headings) for s in subsets), abs=1e-3
        )


def mean_score(items: list[tuple[int, int, int]], subset: Sequence[int], headings: set[int]) -> float:
    """Per token, as the knapsack counts it: above the lowest score, or zero."""
    lowest = min(0, *(score for score, _, _ in items))
    tokens = sum(items[i][1] for i in subset)
    return sum((items[i][0] - lowest) * items[i][1] for i in subset if i not in headings) / max(tokens, 1)


def test_infinite_scores_are_no_trouble() -> None:
    c = candidates([float("-inf"), float("inf"), 0.0], [4, 4, 4])
    found = best_in_window(c, bound=c.start(), lower=4, upper=4)
    assert found is not None
    assert kept(found) == [1]


def test_what_must_be_kept_is_part_of_the_best_in_a_window() -> None:
    c = candidates([1, 5, 3], [4, 4, 4], required=(0,))
    found = best_in_window(c, bound=c.start(), lower=8, upper=8)
    assert found is not None
    assert kept(found) == [0, 1]


@pytest.mark.parametrize("allowance", [0, -5])
def test_nothing_is_kept_without_allowance(allowance: int) -> None:
    c = candidates([1, 2], [1, 1])
    assert kept(fill(c, c.start(), allowance)) == []
