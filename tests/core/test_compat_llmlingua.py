"""llmlingua's interface: what its users call keeps working."""

import inspect
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from language_models import TEXT, language_model
from lingua_core import InputError
from lingua_core.compat.llmlingua import PromptCompressor
from lingua_core.pruning.recovery import recover_subsequences

torch = pytest.importorskip("torch")

SENTENCES = [f"{s}." for s in TEXT.rstrip(".").split(". ")]
CONTEXTS = [" ".join(SENTENCES[i : i + 3]) for i in range(0, 12, 3)]
QUESTION = "Who had built two bridges before?"
KEYS = {"compressed_prompt", "origin_tokens", "compressed_tokens", "ratio", "rate", "saving"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    target = tmp_path_factory.mktemp("causal-lm")
    for part in language_model():
        part.save_pretrained(target)
    return str(target)


@pytest.fixture
def subject(folder: str) -> PromptCompressor:
    return PromptCompressor(folder, device_map="cpu")


def test_nothing_is_loaded_or_fetched_before_it_is_needed() -> None:
    PromptCompressor()
    PromptCompressor("no/such-model", use_llmlingua2=True)


@pytest.mark.parametrize("rate", [0.3, 0.5, 0.8])
def test_the_result_has_llmlinguas_keys_and_the_rate_is_met(subject: PromptCompressor, rate: float) -> None:
    found = subject.compress_prompt(CONTEXTS, instruction="Answer.", question=QUESTION, rate=rate)
    assert set(found) == KEYS
    assert found["compressed_prompt"].startswith("Answer.\n\n")
    assert found["compressed_prompt"].endswith("\n\n" + QUESTION)
    assert abs(found["compressed_tokens"] / found["origin_tokens"] - rate) <= 0.04
    assert found["ratio"] == f"{found['origin_tokens'] / found['compressed_tokens']:.1f}x"
    assert found["rate"] == f"{100 * found['compressed_tokens'] / found['origin_tokens']:.1f}%"
    assert found["saving"].startswith(", Saving $")
    assert found == subject(CONTEXTS, instruction="Answer.", question=QUESTION, rate=rate)


def test_longllmlinguas_usual_settings_work(subject: PromptCompressor) -> None:
    found = subject.compress_prompt(
        CONTEXTS, question=QUESTION, target_token=60, rank_method="longllmlingua",
        condition_in_question="after_condition", reorder_context="sort", condition_compare=True,
        dynamic_context_compression_ratio=0.3, context_budget="*1.5", use_sentence_level_filter=True,
        concate_question=False, force_context_ids=[1],
    )  # fmt: skip
    assert 0 < found["compressed_tokens"] <= 60
    assert QUESTION not in found["compressed_prompt"]


def test_only_some_stages_or_none(subject: PromptCompressor) -> None:
    whole = subject.compress_prompt(
        CONTEXTS, target_token=60, use_token_level_filter=False, use_context_level_filter=False
    )
    sentences = [s for part in whole["compressed_prompt"].split("\n\n") for s in part.split("\n")]
    assert all(any(sentence in context for context in CONTEXTS) for sentence in sentences)


def test_text_with_angle_brackets_survives(subject: PromptCompressor) -> None:
    prompt = "<llmlingua, compress=False>Keep a < b and <s>.</llmlingua><llmlingua, rate=0.5>" + TEXT
    found = subject.structured_compress_prompt([prompt + "</llmlingua>"], question=QUESTION)
    assert found["compressed_prompt"].startswith("Keep a < b and <s>.")
    assert found["compressed_tokens"] < 0.75 * found["origin_tokens"]


def test_json_keeps_its_values(subject: PromptCompressor) -> None:
    data = {"id": 7, "place": "Paris, France,, 1,000", "text": TEXT}
    config = {
        "id": {"rate": 1, "compress": False, "value_type": "int", "pair_remove": False},
        "place": {"rate": 1, "compress": False, "value_type": "str", "pair_remove": False},
        "text": {"rate": 0.4, "compress": True, "value_type": "str", "pair_remove": False},
    }
    found = subject.compress_json(data, config)
    assert '"place": "Paris, France,, 1,000"' in found["compressed_prompt"]
    assert '"id": 7' in found["compressed_prompt"]
    assert found["compressed_tokens"] < 0.6 * found["origin_tokens"]
    with pytest.raises(InputError, match="yaml"):
        subject.compress_json(data, "config.yaml")  # type: ignore[arg-type]


def test_perplexities_and_ranks(subject: PromptCompressor) -> None:
    values = subject.get_ppl(CONTEXTS[0], "token")
    assert isinstance(values, np.ndarray)
    assert subject.get_ppl(CONTEXTS[0]) == pytest.approx(float(values.mean()))
    after = subject.get_condition_ppl(CONTEXTS[0], QUESTION, "after")
    before = subject.get_condition_ppl(CONTEXTS[0], QUESTION, "before")
    assert len({subject.get_ppl(CONTEXTS[0]), after, before}) == 3
    for method in ("llmlingua", "longllmlingua", "bm25", "gzip", "sentbert", "bge_reranker"):
        ranks = subject.get_rank_results(CONTEXTS, QUESTION, method, "after")
        assert sorted(i for i, _ in ranks) == [0, 1, 2, 3]
    assert subject.get_rank_results(CONTEXTS, QUESTION, "bm25", "none")[0][0] == 0
    assert subject.get_token_length("a b") == subject.get_token_length("a b", False) + 1
    assert subject.get_token_length("harbour", use_oai_tokenizer=True) >= 1


def test_what_makes_no_difference_is_said(
    subject: PromptCompressor, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        subject.compress_prompt(CONTEXTS, keep_split=True, high_priority_bonus=5)
    assert "Without effect here: keep_split, high_priority_bonus" in caplog.text


def test_without_a_gpu_the_default_device_says_so(folder: str, caplog: pytest.LogCaptureFixture) -> None:
    if torch.cuda.is_available():
        pytest.skip("needs a machine without a GPU")
    PromptCompressor(folder).compress_prompt(CONTEXTS)
    assert "torch finds no GPU: running on the CPU" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"context_budget": "__import__('os')"}, "must be like '\\+100' or '\\*1.5'"),
        ({"rank_method": "openai"}, "no longer called"),
        ({"rank_method": "magic"}, "is unknown"),
        ({"rank_method": "longllmlingua"}, "needs a question"),
        ({"condition_in_question": "during"}, "condition_in_question must be"),
        ({"reorder_context": "shuffle"}, "reorder_context must be one of"),
        ({"rate": 0}, r"must be in \(0, 1\]"),
        ({"context_segs": [["a"]]}, "structured_compress_prompt"),
        ({"context": [3]}, "a str or a list"),
    ],
)
def test_bad_input_is_a_clear_error(
    subject: PromptCompressor, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        subject.compress_prompt(**{"context": CONTEXTS, **arguments})


def test_bad_configurations_are_clear_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="model_config holds"):
        PromptCompressor("x", model_config={"revision": "main"})
    with pytest.raises(InputError, match="torch_dtype must be"):
        PromptCompressor("x", model_config={"torch_dtype": "int4"})
    with pytest.raises(InputError, match="has no perplexity"):
        PromptCompressor("x", use_llmlingua2=True).get_ppl("a")


def test_the_parameters_are_llmlinguas() -> None:
    names = list(inspect.signature(PromptCompressor.compress_prompt).parameters)
    assert names[:6] == ["self", "context", "instruction", "question", "rate", "target_token"]
    assert len(names) == 41


# Recovery


@pytest.mark.parametrize(
    ("compressed", "response", "expected"),
    [
        ("harbour opened 1887 Ada", "It was opened 1887 .", "It was opened in 1887 ."),
        ("built bridges before", "She built bridges before", "She built two bridges before"),
        ("harbour opened", "nothing of it", "nothing of it"),
        ("harbour 1887", "harbour  then 1887", "harbour  then 1887"),
        ("", "", ""),
        ("harbour harbour", "harbour harbour", "harbour harbour"),
    ],
)
def test_quotes_of_the_compressed_prompt_get_their_words_back(
    compressed: str, response: str, expected: str
) -> None:
    original = "The harbour of Varno was opened in 1887 by Ada Marsh, who had built two bridges before"
    assert recover_subsequences(original, compressed, response) == expected
    assert PromptCompressor("x").recover(original, compressed, response) == expected
