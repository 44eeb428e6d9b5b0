"""Pure selection: fill, thin out, adjust."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingua_core.selection import Candidates, adjust_to_window, fill, select_above, thin_out


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
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 30)), min_size=1, max_size=10),
    st.integers(0, 100),
    st.integers(0, 10),
)
def test_adjusting_finds_the_best_choice_in_the_window_if_there_is_one(
    items: list[tuple[int, int]], lower: int, width: int
) -> None:
    c = candidates([float(s) for s, _ in items], [cost for _, cost in items])
    found = adjust_to_window(c, fill(c, c.start(), lower), bound=c.start(), lower=lower, upper=lower + width)
    subsets = [
        subset
        for r in range(len(items) + 1)
        for subset in itertools.combinations(range(len(items)), r)
        if lower <= sum(items[i][1] for i in subset) <= lower + width
    ]
    assert (found is None) == (not subsets)
    if found is not None:
        assert lower <= int(c.costs[found].sum()) <= lower + width


@pytest.mark.parametrize("allowance", [0, -5])
def test_nothing_is_kept_without_allowance(allowance: int) -> None:
    c = candidates([1, 2], [1, 1])
    assert kept(fill(c, c.start(), allowance)) == []
