"""When a failed call is repeated, and after how long."""

import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingua_core import InputError
from lingua_core.errors import (
    LLMConnectionError,
    LLMContentFilterError,
    LLMError,
    LLMRateLimitError,
    LLMRequestError,
    LLMResponseError,
    LLMServerError,
    LLMTimeoutError,
)
from lingua_core.llms import RetryPolicy

TRANSIENT = [LLMConnectionError, LLMTimeoutError, LLMRateLimitError, LLMServerError]
LASTING = [LLMError, LLMRequestError, LLMResponseError, LLMContentFilterError]
seconds = st.floats(0, 1000)
policies = st.builds(
    lambda attempts, base, more, after: RetryPolicy(
        max_attempts=attempts, base_seconds=base, max_seconds=base + more, max_retry_after=after
    ),
    st.integers(1, 200),
    st.floats(0, 10),
    st.floats(0, 100),
    seconds,
)
seeds = st.integers(0, 2**32)


@given(policies, st.integers(1, 300), st.sampled_from(TRANSIENT), seeds)
def test_waits_stay_below_a_bound_that_doubles(
    policy: RetryPolicy, attempt: int, kind: type[LLMError], seed: int
) -> None:
    wait = policy.delay(attempt, kind("no"), rng=random.Random(seed))
    if attempt >= policy.max_attempts:
        assert wait is None
    else:
        assert wait is not None
        assert 0 <= wait <= min(policy.max_seconds, policy.base_seconds * 2.0 ** min(attempt - 1, 900))


@given(policies, st.integers(1, 300), seconds, seeds)
def test_what_the_server_asks_for_is_waited_or_given_up_on(
    policy: RetryPolicy, attempt: int, asked: float, seed: int
) -> None:
    error = LLMRateLimitError("slow down", retry_after=asked)
    wait = policy.delay(attempt, error, rng=random.Random(seed))
    if attempt < policy.max_attempts and asked <= policy.max_retry_after:
        assert wait is not None
        assert asked <= wait <= asked + policy.base_seconds
    else:
        assert wait is None


@given(policies, st.integers(1, 10), st.none() | seconds, seconds, seeds)
def test_no_wait_reaches_beyond_what_remains(
    policy: RetryPolicy, attempt: int, asked: float | None, remaining: float, seed: int
) -> None:
    error = LLMServerError("down", retry_after=asked)
    unlimited = policy.delay(attempt, error, rng=random.Random(seed))
    wait = policy.delay(attempt, error, rng=random.Random(seed), remaining=remaining)
    assert wait == (None if unlimited is None or unlimited >= remaining else unlimited)


@pytest.mark.parametrize("kind", LASTING)
def test_what_will_not_pass_is_not_repeated(kind: type[LLMError]) -> None:
    assert RetryPolicy().delay(1, kind("no", retry_after=0.1), rng=random.Random(0)) is None


@pytest.mark.parametrize("asked", [math.nan, -1.0])
def test_a_senseless_wish_is_as_good_as_none(asked: float) -> None:
    error = LLMServerError("down", retry_after=asked)
    plain = LLMServerError("down")
    rngs = random.Random(5), random.Random(5)
    assert RetryPolicy().delay(1, error, rng=rngs[0]) == RetryPolicy().delay(1, plain, rng=rngs[1])


def test_waits_grow_on_average_and_differ_between_callers() -> None:
    policy = RetryPolicy(max_attempts=6, base_seconds=1, max_seconds=8)
    rng = random.Random(1)
    means = []
    for attempt in range(1, 6):
        waits = [policy.delay(attempt, LLMServerError("down"), rng=rng) or 0 for _ in range(2000)]
        assert len(set(waits)) > 1900
        means.append(sum(waits) / len(waits))
    assert means == pytest.approx([0.5, 1, 2, 4, 4], rel=0.1)


def test_one_attempt_means_no_retries() -> None:
    assert RetryPolicy(max_attempts=1).delay(1, LLMServerError("down"), rng=random.Random(0)) is None


@pytest.mark.parametrize(
    "given_values",
    [
        {"max_attempts": 0},
        {"max_attempts": 2.5},
        {"max_attempts": True},
        {"base_seconds": -1},
        {"base_seconds": "1"},
        {"max_seconds": math.inf},
        {"max_seconds": 0.1},
        {"max_retry_after": math.nan},
    ],
)
def test_values_that_make_no_sense_are_refused(given_values: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(given_values))):
        RetryPolicy(**given_values)


def test_attempts_are_counted_from_one() -> None:
    with pytest.raises(InputError, match="from 1"):
        RetryPolicy().delay(0, LLMServerError("down"), rng=random.Random(0))
