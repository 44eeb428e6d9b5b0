"""Estimates agree with what a simulation of the driver takes."""

import random

import pytest

from lingua_core import InputError, SkeletonOfThought
from lingua_core.llms import ScriptedLLM
from lingua_core.llms.scripts import tokens_of
from lingua_core.llms.simulation import run_simulated
from lingua_core.skeleton.economy import Lengths, Prices, Speeds, estimate
from written_answers import EACH, FIRST
from written_answers import Lengths as Written

PRICES = Prices(prompt=1.0, completion=4.0, cached=0.1)


@pytest.mark.parametrize("limit", [2, 4, 16])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_estimated_time_is_the_simulated_one(seed: int, limit: int) -> None:
    rng = random.Random(seed)
    written = Written.of_paper(rng)
    written.titles[:] = [7] * len(written.titles)
    llm = ScriptedLLM(written.written(rng), first_token_seconds=FIRST, token_seconds=EACH)
    engine = SkeletonOfThought(llm, router="always", max_concurrency=limit)
    answer = run_simulated(engine.aanswer("What about it?"))
    expected = engine.estimate(
        "What about it?",
        lengths=Lengths(title=7, points=tuple(written.points)),
        speeds=Speeds(first_token=FIRST, per_token=EACH),
    )
    assert expected.skeleton.seconds == pytest.approx(answer.timings.total, rel=0.02)
    assert expected.skeleton.first_text_seconds == pytest.approx(answer.timings.first_token, rel=0.05)
    assert expected.skeleton.calls == answer.usage.calls
    assert expected.skeleton.completion_tokens == answer.usage.completion_tokens


def test_the_estimated_prompt_tokens_are_those_of_the_prompts() -> None:
    rng = random.Random(5)
    written = Written.of_paper(rng)
    llm = ScriptedLLM(written.written(rng))
    engine = SkeletonOfThought(llm, router="always", token_counter=lambda text: len(tokens_of(text)))
    answer = run_simulated(engine.aanswer("What about it?", context="fact " * 200))
    title = sum(written.titles) // len(written.titles)
    expected = engine.estimate(
        "What about it?", context="fact " * 200, lengths=Lengths(title=title, points=tuple(written.points))
    )
    assert expected.skeleton.prompt_tokens == pytest.approx(answer.usage.prompt_tokens, rel=0.1)


def test_a_long_context_is_paid_for_once_with_a_cache_and_many_times_without() -> None:
    with_cache = estimate(20, context_tokens=4000, prices=PRICES)
    without = estimate(20, context_tokens=4000, prices=Prices(prompt=1.0, completion=4.0))
    assert without.price_ratio > 3 * with_cache.price_ratio
    assert with_cache.skeleton.cached_tokens == 7 * 4020
    assert estimate(20, context_tokens=500, prices=PRICES).skeleton.cached_tokens == 0  # too short to be kept


def test_several_points_a_request_save_prompt_tokens_and_take_longer() -> None:
    one, three = (estimate(20, context_tokens=2000, points_per_request=n, prices=PRICES) for n in (1, 3))
    assert three.skeleton.prompt_tokens < 0.6 * one.skeleton.prompt_tokens
    assert three.skeleton.seconds > one.skeleton.seconds
    assert one.speedup > 1.4


@pytest.mark.parametrize(
    "options", [{"context_tokens": -1}, {"points_per_request": 0}, {"lengths": Lengths(points=())}]
)
def test_numbers_out_of_range_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(InputError):
        estimate(10, **options)  # type: ignore[arg-type]
