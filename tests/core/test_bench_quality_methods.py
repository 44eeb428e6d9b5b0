"""The methods that are compared, and the frameworks' parts among them."""

import importlib

import numpy as np
import pytest

from lingua_core import Document, MissingDependencyError
from lingua_core.bench.quality.frameworks import (
    LangChainFilter,
    LlamaIndexOptimizer,
    beginning,
    loosest,
)
from lingua_core.bench.quality.methods import METHODS, make_method
from lingua_core.bench.quality.questions import Question
from lingua_core.models.sentence_encoder import SentenceEncoder
from lingua_core.tokens import resolve_token_counter

COUNTER = resolve_token_counter(None)
FRAMEWORKS = ("llamaindex-optimizer", "langchain-filter")
QUESTION = Question(
    id="q",
    text="What colour is the fox?",
    documents=(
        Document("Rain fell all day in the town. The fox is red. Nobody came to see it on that day."),
        Document("Stones are hard and heavy things. Trees grow slowly where the ground is dry."),
        Document("  "),
    ),
    answers=("red",),
)


@pytest.mark.parametrize("name", [name for name in METHODS if name not in FRAMEWORKS])
def test_every_method_of_ours_keeps_what_fits(name: str) -> None:
    kept = make_method(name).kept(QUESTION, 12)
    assert 0 < kept.tokens <= 12
    assert kept.tokens == COUNTER.count([kept.text])[0]
    assert kept.spans
    if name not in ("random", "llmlingua", "selective-context"):  # which do not read the question
        assert "red" in kept.text


def test_sentences_are_embedded_by_themselves_and_once() -> None:
    encoder = SentenceEncoder()
    alone = encoder.embed(["The fox is red."])
    together = encoder.embed(["Stones.", "The fox is red.", "The fox is red."])
    assert np.array_equal(alone[0], together[1])
    assert np.array_equal(together[1], together[2])
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    assert encoder.embed(["word " * 5000]).shape == alone.shape


def test_the_loosest_setting_that_fits_is_found() -> None:
    texts = ["one two three four", "one two three", "one two", "one"]
    assert [loosest(texts.__getitem__, 4, n, COUNTER) for n in (9, 3, 2, 1)] == [texts[0], *texts[1:]]
    assert loosest(lambda _: "one two three", 1, 2, COUNTER) == "one two"
    assert loosest(texts.__getitem__, 0, 5, COUNTER) == ""


def test_a_text_that_is_too_long_is_cut_behind_a_word() -> None:
    assert beginning("one two three", 3, COUNTER) == "one two three"
    assert beginning("one two three", 2, COUNTER) == "one two"
    assert beginning("unbelievability", 1, COUNTER) == ""


@pytest.mark.parametrize("target", [5, 12, 30, 1000])
def test_the_llamaindex_optimizer_is_brought_to_a_budget(target: int) -> None:
    pytest.importorskip("llama_index.core")
    text = LlamaIndexOptimizer(COUNTER).kept_text(QUESTION, target)
    assert COUNTER.count([text])[0] <= target
    assert "The fox is red" in text
    if target == 12:
        assert "Stones" not in text
    if target == 1000:
        assert "Trees" in text


@pytest.mark.parametrize("target", [5, 25, 1000])
def test_the_langchain_filter_is_brought_to_a_budget(target: int) -> None:
    pytest.importorskip("langchain_classic")
    pytest.importorskip("langchain_community")
    text = LangChainFilter(COUNTER).kept_text(QUESTION, target)
    assert COUNTER.count([text])[0] <= target
    assert text.startswith("Rain fell all day")
    assert ("Trees" in text) is (target == 1000)


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_a_framework_that_is_not_installed_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(module: str) -> None:
        raise ImportError(module)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(MissingDependencyError, match=r"pip install (llama|lang)"):
        make_method(name)
