"""The language model in the package, and the methods that keep words with it: offline, without torch."""

import hashlib
import random
import re
from typing import Any

import numpy as np
import pytest

from lingua_core import Document, PromptCompressor, PruningOptions
from lingua_core.models.continuations import Continuation
from lingua_core.models.onnx_causal_lm import OnnxCausalLM
from lingua_core.weights import LANGUAGE_MODEL

METHODS = ("llmlingua", "longllmlingua", "selective-context")
DOCUMENTS = [
    "The lighthouse of Brill Point was first lit in 1871. Its lamp burned whale oil, which the keeper "
    "carried up every evening. The tower is forty metres high.",
    "Brill Point has a beach of grey shingle. Seals rest there in autumn, and walkers keep their distance. "
    "The car park closes at dusk.",
    "The keeper's log is kept in the town's museum, where visitors may turn its pages on Sundays. The museum "
    "has a shop.",
]
QUESTION = "When was the lighthouse first lit?"


def mean_surprisal(model: OnnxCausalLM, text: str) -> float:
    (row,) = model.tokenize([text])
    (values,) = model.surprisals([Continuation(np.zeros(0, np.int64), row.ids)])
    return float(np.nanmean(values))


def test_the_card_names_the_file_that_is_there() -> None:
    card = (LANGUAGE_MODEL.folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    digest = hashlib.sha256((LANGUAGE_MODEL.folder / "causal_lm.onnx").read_bytes()).hexdigest()
    assert digest in card


def test_the_order_of_words_tells_text_from_heaps_of_words() -> None:
    model = OnnxCausalLM(LANGUAGE_MODEL)
    text = " ".join(DOCUMENTS)
    words = text.split()
    random.Random(0).shuffle(words)
    assert mean_surprisal(model, text) + 1 < mean_surprisal(model, " ".join(words))


def test_a_passage_foretells_the_question_that_it_answers() -> None:
    model = OnnxCausalLM(LANGUAGE_MODEL)
    question = model.tokenize([QUESTION])[0].ids
    passages = [row.ids for row in model.tokenize(DOCUMENTS)]
    rows = model.surprisals([Continuation(passage, question) for passage in passages])
    assert np.argmin([row.mean() for row in rows]) == 0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("query", [QUESTION, None])
def test_methods_that_keep_words_need_no_model_of_ones_own(method: Any, query: str | None) -> None:
    documents = [Document(text, id=f"d{i}", metadata={"i": i}) for i, text in enumerate(DOCUMENTS)]
    result = PromptCompressor(method).compress(documents, query, rate=0.5)
    assert abs(result.rate - 0.5) <= 0.03
    for kept in result.documents:
        assert kept.source.metadata["i"] == int(str(kept.source.id)[1:])
        assert re.sub(r"\s", "", kept.text) == "".join(
            re.sub(r"\s", "", kept.source.text[span.start : span.end]) for span in kept.spans
        )
    again = PromptCompressor(method, threads=1).compress(documents, query, rate=0.5)
    assert again.text == result.text


def test_with_a_question_the_answer_is_kept_when_little_is() -> None:
    result = PromptCompressor("longllmlingua").compress(DOCUMENTS, QUESTION, rate=0.25)
    assert "1871" in result.text


def test_the_extractors_part_can_be_switched_off() -> None:
    helped = PromptCompressor("longllmlingua")
    paper = PromptCompressor("longllmlingua", options=PruningOptions(ranker="perplexity", signals={}))
    same = PromptCompressor("longllmlingua", options={"ranker": "extract", "signals": {"extract": 2.0}})
    texts = [c.compress(DOCUMENTS, QUESTION, rate=0.4).text for c in (helped, paper, same)]
    assert texts[0] == texts[2] != texts[1]
