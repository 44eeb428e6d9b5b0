"""Perplexities, conditional ones and ranks are those of llmlingua 0.2.2, on models built here."""

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lingua_core.compat.llmlingua import PromptCompressor
from lingua_core.models.hugging_face import HuggingFaceModel
from lingua_core.models.token_classifier import TokenClassifier

REASON = "needs the extra: lingua-rag[transformers]"
pytest.importorskip("torch", reason=REASON)
MAKERS = pytest.importorskip("tiny_models", reason=REASON).MAKERS  # writes with safetensors

GOLDEN: dict[str, Any] = json.loads(
    (Path(__file__).parent / "llmlingua_golden" / "golden.json").read_text(encoding="utf-8")
)
DOCUMENTS: list[str] = GOLDEN["texts"]["documents"]
QUESTION: str = GOLDEN["texts"]["question"]
CAUSAL = ["tiny_llama", "tiny_gpt2"]
TOLERANCE = 1e-4


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def make(name: str) -> Path:
        if name not in made:
            made[name] = MAKERS[name](tmp_path_factory.mktemp("tiny"))
        return made[name]

    return make


@pytest.fixture
def subject(request: pytest.FixtureRequest, folder: Callable[[str], Path]) -> PromptCompressor:
    return PromptCompressor(str(folder(request.param)), device_map="cpu")


@pytest.mark.parametrize("name", [*CAUSAL, "tiny_mbert", "tiny_xlmr"])
def test_the_models_are_those_that_were_recorded(folder: Callable[[str], Path], name: str) -> None:
    for file, digest in GOLDEN["models"][name].items():
        assert sha256((folder(name) / file).read_bytes()).hexdigest() == digest, file


@pytest.mark.parametrize(("subject", "name"), [(n, n) for n in CAUSAL], indirect=["subject"])
def test_losses_of_tokens_and_texts_are_llmlinguas(subject: PromptCompressor, name: str) -> None:
    for case in GOLDEN[name]["ppl"]:
        text = DOCUMENTS[case["document"]]
        np.testing.assert_allclose(subject.get_ppl(text, "token"), case["losses"], atol=TOLERANCE)
        assert subject.get_ppl(text) == pytest.approx(case["mean"], abs=TOLERANCE)


@pytest.mark.parametrize(("subject", "name"), [(n, n) for n in CAUSAL], indirect=["subject"])
def test_conditional_losses_are_llmlinguas(subject: PromptCompressor, name: str) -> None:
    for case in GOLDEN[name]["conditions"]:
        arguments = (DOCUMENTS[case["document"]], QUESTION, case["condition"])
        assert subject.get_condition_ppl(*arguments) == pytest.approx(case["mean"], abs=TOLERANCE)
        if "losses" in case:
            np.testing.assert_allclose(
                subject.get_condition_ppl(*arguments, "token"), case["losses"], atol=TOLERANCE
            )


@pytest.mark.parametrize(("subject", "name"), [(n, n) for n in CAUSAL], indirect=["subject"])
def test_documents_are_ranked_as_by_llmlingua(subject: PromptCompressor, name: str) -> None:
    for case in GOLDEN[name]["ranks"]:
        found = subject.get_rank_results(
            DOCUMENTS, QUESTION, case["rank_method"], case["condition_in_question"]
        )
        assert [i for i, _ in found] == case["order"]
        np.testing.assert_allclose([score for _, score in found], case["scores"], atol=TOLERANCE)


@pytest.mark.parametrize("name", ["tiny_mbert", "tiny_xlmr"])
def test_probabilities_of_tokens_are_llmlinguas_where_it_frames_texts_rightly(
    folder: Callable[[str], Path], name: str
) -> None:
    model = HuggingFaceModel(folder(name), kind="token-classifier")
    classifier = TokenClassifier(model)
    vocabulary = model.load().tokenizer.get_vocab()
    frame = classifier.frame()
    compared = 0
    for case in GOLDEN[name]["words"]:
        if "tokens" not in case or not isinstance(case["text"], int):
            continue
        ids = [vocabulary[token] for token in case["tokens"]]
        (tokens,) = classifier.tokenize([DOCUMENTS[case["text"]]])
        assert ids[1:-1] == tokens.ids.tolist()
        (found,) = classifier.probabilities([tokens.ids])
        expected = np.array(case["token_probabilities"][1:-1])
        compared += 1
        if name == "tiny_mbert":
            assert [ids[0], ids[-1]] == [*frame.before, *frame.after]
            np.testing.assert_allclose(found, expected, atol=TOLERANCE)
        else:
            # llmlingua frames texts for XLM-R with mBERT's special tokens, all of them unknown to it; the
            # model has learnt from <s> and </s>, and is given them here.
            assert ids[0] == ids[-1] == vocabulary["<unk>"]
            assert [*frame.before, *frame.after] == [vocabulary["<s>"], vocabulary["</s>"]]
            assert np.abs(found - expected).max() > 0.01
    assert compared == 2
