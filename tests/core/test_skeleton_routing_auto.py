"""What "auto" stands for, routers that look at the load, and `lingua route`."""

import json
from typing import Any

import pytest

from cli_runner import lingua
from lingua_core import InputError, SkeletonOfThought
from lingua_core.llms import ScriptedLLM, WrittenAnswer
from lingua_core.skeleton import RouteDecision
from lingua_core.skeleton.routing import (
    AlwaysRouter,
    EmbeddedRouter,
    LoadAwareRouter,
    RuleRouter,
    auto_router,
)

POINTS = "What are the advantages and disadvantages of nuclear energy?"


def test_auto_goes_by_the_rules_first_and_by_the_embedded_router_then() -> None:
    router = auto_router()
    assert router.route(POINTS) == EmbeddedRouter().route(POINTS)
    assert router.route("How old is the Eiffel tower?") == RuleRouter().route("How old is the Eiffel tower?")
    assert router.route(POINTS).probability is not None
    assert not auto_router(max_tokens=50).route(POINTS).use_skeleton
    assert not auto_router(threshold=1.0).route("Give me some tips for moving house.").use_skeleton


def test_an_engine_routes_by_auto_unless_it_is_told_otherwise() -> None:
    written = WrittenAnswer(points=(("One", "Text."), ("Two", "Text.")), direct="Directly.")
    engine = SkeletonOfThought(ScriptedLLM(written))
    assert engine.answer(POINTS).route == "skeleton"
    answer = engine.answer("How old is the Eiffel tower?")
    assert (answer.route, answer.text) == ("direct", "Directly.")
    assert "number" in answer.decision.reason


@pytest.mark.parametrize(
    ("load", "skeleton"), [(0.0, True), (4.0, True), (4.5, False), (float("nan"), False)]
)
def test_there_are_no_skeletons_while_the_endpoint_is_busy(load: float, skeleton: bool) -> None:
    found = LoadAwareRouter(AlwaysRouter(), load=lambda: load, limit=4).route(POINTS)
    assert found.use_skeleton is skeleton
    assert skeleton or "busy" in found.reason


def test_a_load_that_cannot_be_told_counts_as_busy() -> None:
    def fails() -> float:
        raise OSError("no metrics")

    found = LoadAwareRouter(AlwaysRouter(), load=fails, limit=1).route(POINTS)
    assert not found.use_skeleton
    assert "no metrics" in found.reason


def test_the_load_is_asked_for_every_question_and_documents_are_passed_on() -> None:
    asked: list[Any] = []

    class Inner:
        def route(self, question: str, *, has_documents: bool = False) -> RouteDecision:
            asked.append((question, has_documents))
            return RouteDecision(use_skeleton=True)

    loads = iter([0.0, 9.0, 0.0])
    router = LoadAwareRouter(Inner(), load=lambda: next(loads), limit=1)
    assert [router.route("q", has_documents=True).use_skeleton for _ in range(3)] == [True, False, True]
    assert asked == [("q", True)] * 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"router": "auto", "load": lambda: 0, "limit": 1}, "object with a method route"),
        ({"router": AlwaysRouter(), "load": 3, "limit": 1}, "load must be a function"),
        ({"router": AlwaysRouter(), "load": lambda: 0, "limit": "high"}, "limit must be a finite number"),
    ],
)
def test_what_cannot_be_used_is_a_clear_error(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        LoadAwareRouter(arguments.pop("router"), **arguments)


def test_the_command_line_says_the_route_its_probability_and_why() -> None:
    result = lingua("route", POINTS)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("skeleton ")
    assert "points that stand for themselves" in result.stdout
    found = json.loads(lingua("route", "--json", "How old is the Eiffel tower?").stdout)
    assert found == {
        "route": "direct",
        "probability": None,
        "reason": "it asks for a number, a name, a date or a place",
    }
    assert lingua("route", "-", stdin=POINTS).stdout == result.stdout
    wrong = lingua("route", "--threshold", "2", POINTS)
    assert wrong.exit_code == 2
    assert "threshold" in wrong.stderr
