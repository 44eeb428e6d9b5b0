"""Routers of rules and of a prompt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingua_core import InputError
from lingua_core.llms import Fault, Reply, ScriptedLLM
from lingua_core.skeleton.routing import (
    AlwaysRouter,
    LLMRouter,
    NeverRouter,
    Router,
    RuleRouter,
    choose_router,
)


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("Write a Python function that sorts a list.", "code"),
        ("Fix this:\n```\nx = 1\n```", "code"),
        ("Schreibe eine Funktion, die Primzahlen findet.", "code"),
        ("Translate this sentence into French.", "translation"),
        ("Traduce esta frase.", "translation"),
        ("Write a short poem about rain.", "poem"),
        ("Schreib ein Gedicht über Regen.", "poem"),
        ("写一首关于雨的诗", "poem"),
        ("What is 12 * 7?", "calculation"),
        ("Prove that the square root of two is irrational.", "calculation"),
        ("How many bridges are there in Varno?", "number"),
        ("When was the bridge opened?", "number"),
        ("Wann wurde die Brücke eröffnet?", "number"),
        ("Is the bridge open today?", "yes or no"),
        ("Ist die Brücke offen?", "yes or no"),
        ("In one sentence, what is a bridge?", "short"),
        ("   ", "no question"),
    ],
)
def test_what_is_written_in_one_piece_goes_directly(question: str, reason: str) -> None:
    decision = RuleRouter().route(question)
    assert not decision.use_skeleton
    assert reason in decision.reason


@pytest.mark.parametrize(
    "question",
    [
        "What should a town consider before it builds a bridge?",
        "What are the best ways to learn a language?",
        "Compare trains and planes for travel within Europe.",
        "Wie kann ich besser schlafen?",
        "¿Cuáles son las ventajas del transporte público?",
        "如何提高英语水平？",
    ],
)
def test_what_has_several_sides_gets_a_skeleton(question: str) -> None:
    assert RuleRouter().route(question).use_skeleton


def test_short_answers_do_not_pay() -> None:
    decision = RuleRouter(max_tokens=100).route("What are the best ways to learn a language?")
    assert (decision.use_skeleton, "100 tokens" in decision.reason) == (False, True)
    assert RuleRouter(max_tokens=1000).route("What are the best ways to learn a language?").use_skeleton
    with pytest.raises(InputError, match="at least 1"):
        RuleRouter(max_tokens=0)


@given(st.text(max_size=300))
def test_every_question_has_a_decision_with_a_reason(question: str) -> None:
    assert RuleRouter().route(question).reason


@pytest.mark.parametrize(
    ("reply", "use_skeleton"),
    [
        ("A", True),
        ("B", False),
        ("C.", False),
        ("**A**", True),
        ("(a)", True),
        ("Answer: A", True),
        ("The best option is B because the steps follow.", False),
        ("<think>It could be B or C.</think>\nA", True),
        ("A bridge is a structure.", False),
        ("I'd say: C", False),
        ("", False),
        ("none of these", False),
    ],
)
def test_a_models_reply_is_read(reply: str, use_skeleton: bool) -> None:
    assert LLMRouter.read(reply).use_skeleton is use_skeleton


@given(st.text(max_size=60))
def test_every_reply_has_a_decision(reply: str) -> None:
    assert LLMRouter.read(reply).reason


def test_a_model_is_asked_shortly_and_whatever_the_question_holds() -> None:
    llm = ScriptedLLM("A")
    assert LLMRouter(llm).route("What about {question} and {this}?").use_skeleton
    LLMRouter(llm).route("word " * 100_000)
    short, long = llm.requests
    assert "What about {question} and {this}?" in short.messages[0].content
    assert len(long.messages[0].content) < 10_000
    assert short.max_tokens is not None


def test_a_router_alone_survives_its_model() -> None:
    decision = LLMRouter(ScriptedLLM(Reply(text="", fault=Fault(message="no route to host")))).route("Why?")
    assert not decision.use_skeleton
    assert "no route to host" in decision.reason


def test_routers_are_chosen_by_name() -> None:
    llm = ScriptedLLM("A")
    own = AlwaysRouter()
    assert isinstance(choose_router("auto", llm), Router)
    assert isinstance(choose_router("llm", llm), LLMRouter)
    assert isinstance(choose_router("never", llm), NeverRouter)
    assert choose_router(own, llm) is own
    for wrong in ("sometimes", None, AlwaysRouter, 1):
        with pytest.raises(InputError, match="router must be one of"):
            choose_router(wrong, llm)  # type: ignore[arg-type]
