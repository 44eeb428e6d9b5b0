"""The embedded router: what it decides, and what it promises whatever it decides."""

import copy
import hashlib
import json
import pickle
import re
import shutil
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lingua_core import InputError, ModelError
from lingua_core.models.answer_forms import FORMS, POINTS
from lingua_core.models.onnx_router import LONGEST, lower_digest, question_tokens
from lingua_core.skeleton.routing import EmbeddedRouter, Router
from lingua_core.skeleton.types import RouteDecision
from lingua_core.training.router.examples import SHIPPED, read_questions
from lingua_core.weights import ROUTER

GOLDEN = {
    "What are the advantages and disadvantages of living on a houseboat?": 0.9992,
    "Wie kann ich Wasser im Haushalt sparen?": 0.5389,
    "Why is bread so expensive now?": 0.8173,
    "Vorteile und Nachteile eines Elektroautos": 0.6668,
    "Hello, how are you doing?": 0.1254,
    "What is the capital of Mongolia?": 0.0132,
}

POINTS_EXPECTED = [
    "What are the advantages and disadvantages of living on a houseboat?",
    "Tips for keeping a teenager interested in maths",
    "How can a town library attract more readers?",
    "Why do so many restaurants close in their first year? Name several reasons.",
    "Compare tea and coffee by taste, price and health.",
    "¿Cuáles son las ventajas de aprender música?",
]
DIRECT_EXPECTED = {
    "What is the capital of Mongolia?": "fact",
    "Write a poem about a snail in the rain.": "creative",
    "Write a Python function that merges two sorted lists.": "code",
    "Translate into French: The bus leaves at nine.": "rewriting",
    "Solve 4x - 7 = 21.": "maths",
    "Give me a recipe for lemon tart.": "steps",
    "List five rivers in France.": "names",
    "Hello, how are you doing?": "chat",
    "Write a letter to my bank asking for a new card.": "text",
    "How does a vacuum flask keep soup hot?": "explanation",
}


def test_these_questions_are_none_of_those_that_it_was_trained_on() -> None:
    known = {example.question for example in read_questions(SHIPPED)}
    assert not known & {*GOLDEN, *POINTS_EXPECTED, *DIRECT_EXPECTED}


@pytest.fixture(scope="module")
def router() -> EmbeddedRouter:
    return EmbeddedRouter()


# What it decides


@pytest.mark.parametrize("question", GOLDEN)
def test_probabilities_are_those_of_the_shipped_weights(router: EmbeddedRouter, question: str) -> None:
    assert router.route(question).probability == pytest.approx(GOLDEN[question], abs=0.04)


@pytest.mark.parametrize("question", POINTS_EXPECTED)
def test_a_question_for_parallel_points_gets_a_skeleton(router: EmbeddedRouter, question: str) -> None:
    decision = router.route(question)
    assert decision.use_skeleton, decision
    assert FORMS[POINTS] in decision.reason


@pytest.mark.parametrize("question", DIRECT_EXPECTED)
def test_other_questions_are_answered_directly_and_the_reason_says_what_is_expected(
    router: EmbeddedRouter, question: str
) -> None:
    decision = router.route(question)
    assert not decision.use_skeleton, decision
    assert decision.reason.startswith(f"the answer looks like {FORMS[DIRECT_EXPECTED[question]]};")


def test_letter_case_and_a_missing_question_mark_change_no_clear_decision(router: EmbeddedRouter) -> None:
    for style in (str.lower, str.upper):
        assert router.route(style("What are the pros and cons of nuclear power?")).use_skeleton
        assert not router.route(style("What is the capital of Mongolia?")).use_skeleton
    assert router.route("pros and cons of nuclear power").use_skeleton


def test_an_instruction_behind_a_long_pasted_text_counts(router: EmbeddedRouter) -> None:
    pasted = "The committee met in the old town hall. Nobody took notes, and it rained. " * 120
    assert not router.route(f"{pasted}\n\nTranslate the text above into Spanish.").use_skeleton
    assert not router.route(f"Translate the following text into Spanish.\n\n{pasted}").use_skeleton


def test_documents_change_nothing(router: EmbeddedRouter) -> None:
    for question in (*POINTS_EXPECTED, *DIRECT_EXPECTED):
        assert router.route(question, has_documents=True) == router.route(question)


# What it promises


def check(decision: RouteDecision, threshold: float) -> None:
    assert decision.probability is not None
    assert 0 <= decision.probability <= 1
    assert decision.use_skeleton == (decision.probability >= threshold)
    assert decision.reason
    assert "\n" not in decision.reason


def test_it_is_a_router(router: EmbeddedRouter) -> None:
    assert isinstance(router, Router)


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=400))
def test_any_text_has_a_decision(router: EmbeddedRouter, question: str) -> None:
    decision = router.route(question)
    check(decision, router.threshold)
    assert decision == router.route(question)


@pytest.mark.parametrize(
    "question",
    [
        "?",
        "\x00\x01\x02\xff" * 50,
        "\ud800 broken surrogate \udfff",
        "%PDF-1.7\n" + "".join(map(chr, range(128, 2000))),
        "a" * 100_000,
        "\u200b\u200d\ufeff",
        "🦊" * 300,
        "SELECT " * 5_000,
    ],
)
def test_rubbish_has_a_decision(router: EmbeddedRouter, question: str) -> None:
    check(router.route(question), router.threshold)


@pytest.mark.parametrize("question", ["", "  \n\t "])
def test_nothing_needs_no_skeleton(question: str) -> None:
    decision = EmbeddedRouter(0.0).route(question)
    assert (decision.use_skeleton, decision.probability) == (False, 0.0)
    assert "empty" in decision.reason


def test_what_is_no_text_is_an_error(router: EmbeddedRouter) -> None:
    with pytest.raises(InputError, match="must be text, got list"):
        router.route(["What?"])  # type: ignore[arg-type]


@pytest.mark.parametrize("threshold", [-0.1, 1.01, float("nan"), float("inf"), "0.5", True])
def test_a_threshold_out_of_range_is_an_error_before_anything_is_loaded(threshold: float) -> None:
    with pytest.raises(InputError, match="threshold must be a probability"):
        EmbeddedRouter(threshold, model="nowhere")


def test_the_threshold_decides() -> None:
    for threshold in (0, 0.2, 0.5, 0.9, 1):
        strict = EmbeddedRouter(threshold)
        assert strict.threshold == threshold
        for question in (*POINTS_EXPECTED[:3], *list(DIRECT_EXPECTED)[:3]):
            check(strict.route(question), threshold)
    doubtful = EmbeddedRouter(1.0).route(POINTS_EXPECTED[0])
    assert not doubtful.use_skeleton
    assert "less than the 100% asked for" in doubtful.reason


def test_only_a_bounded_part_of_a_long_question_is_read() -> None:
    long = "words and more words " * 50_000
    assert len(question_tokens(long)) == LONGEST
    assert question_tokens(f"Begin. {long} End.")[1] != question_tokens(long)[1]
    short = "What should I see in Lisbon?"
    assert len(question_tokens(short)) < 12


def test_a_long_question_takes_about_as_long_as_a_page(router: EmbeddedRouter) -> None:
    def seconds(question: str) -> float:
        router.route(question)
        taken: list[float] = []
        for _ in range(5):
            start = time.perf_counter()
            router.route(question)
            taken.append(time.perf_counter() - start)
        return statistics.median(taken)

    page = "The gate is open and the dog is asleep in the sun. " * 60
    assert seconds(page * 300) < 10 * seconds(page) + 0.05


def test_threads_share_a_router() -> None:
    fresh = EmbeddedRouter()
    questions = [*POINTS_EXPECTED, *DIRECT_EXPECTED] * 4
    with ThreadPoolExecutor(8) as pool:
        side_by_side = list(pool.map(fresh.route, questions))
    alone = EmbeddedRouter()
    assert side_by_side == [alone.route(question) for question in questions]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda router: pickle.loads(pickle.dumps(router))])
def test_a_copy_decides_alike(
    router: EmbeddedRouter, copied: Callable[[EmbeddedRouter], EmbeddedRouter]
) -> None:
    router.route("Why?")
    assert copied(router).route(POINTS_EXPECTED[0]) == router.route(POINTS_EXPECTED[0])


# The files


def test_the_shipped_files_are_those_in_the_model_card() -> None:
    card = (ROUTER.folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    stated = re.search(r"`router\.onnx` sha256 \| `([0-9a-f]{64})`", card)
    assert stated is not None
    assert hashlib.sha256((ROUTER.folder / "router.onnx").read_bytes()).hexdigest() == stated.group(1)
    assert lower_digest() in card


def test_the_shipped_model_stays_small() -> None:
    assert (ROUTER.folder / "router.onnx").stat().st_size < 6_000_000


def test_a_model_on_top_of_another_encoder_is_refused(tmp_path: Path) -> None:
    shutil.copytree(ROUTER.folder, tmp_path / "router")
    file = tmp_path / "router" / "router.json"
    values = json.loads(file.read_text()) | {"lower": "0" * 64}
    file.write_text(json.dumps(values))
    with pytest.raises(ModelError, match="another sentence encoder"):
        EmbeddedRouter(model=tmp_path / "router").route("Why?")


@pytest.mark.parametrize("settings_file", ["", "{", "[]", '{"scale": 1}', '{"lower": "", "scales": 2}'])
def test_damaged_settings_are_one_error(tmp_path: Path, settings_file: str) -> None:
    shutil.copytree(ROUTER.folder, tmp_path / "router")
    (tmp_path / "router" / "router.json").write_text(settings_file)
    with pytest.raises(ModelError, match=r"router\.json"):
        EmbeddedRouter(model=tmp_path / "router").route("Why?")


def test_a_missing_model_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="No model at"):
        EmbeddedRouter(model=tmp_path).route("Why?")
