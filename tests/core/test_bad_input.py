"""Bad and odd input: a defined result, or one clear error before any work."""

import re
from typing import Any

import numpy as np
import pytest

from lingua_core import (
    BudgetError,
    CompressionResult,
    Document,
    InputError,
    LinguaError,
    MissingQueryError,
    PromptCompressor,
    ScorerError,
    Segment,
    TokenCounterError,
)
from lingua_core.scorers import FixedScorer, PassageScores, ScoringTask

METHODS = ["extract", "lexical"]
ODD_TEXTS = {
    "nul": "a\x00b. Second sentence here.",
    "lone surrogate": "caf\ud800 one. Two \udfff three.",
    "control": "\x01\x02\x1b[31m red. \x7f Text.",
    "emoji": "👩‍👩‍👧‍👦 family. 🇩🇪 flag! 🙂",
    "combining": "e\u0301\u0301\u0301 x\u0308. Second.",
    "zero width": "\u200b\ufeff\u2060. \u202e right to left override. End.",
    "only punctuation": "... !!! ???",
    "private use": "\ue000\uf8ff. \U0010ffff.",
}


@pytest.fixture(scope="module", params=METHODS)
def compressor(request: pytest.FixtureRequest) -> PromptCompressor:
    return PromptCompressor(request.param)


def check(result: CompressionResult, texts: list[str]) -> None:
    assert sorted(d.index for d in (*result.documents, *result.dropped)) == list(range(len(texts)))
    for d in result.documents:
        assert d.text == d.separator.join(texts[d.index][a:b] for a, b in d.spans)


def test_no_documents_give_an_empty_result_that_says_so(compressor: PromptCompressor) -> None:
    result = compressor.compress([], "why?", target_tokens=10)
    assert (result.text, result.documents, result.origin_tokens, result.rate, result.ratio) == (
        "",
        (),
        0,
        1.0,
        1.0,
    )
    assert [note.code for note in result.notes] == ["no_documents"]


@pytest.mark.parametrize("budget", [{"target_tokens": 5}, {"rate": 0.5}, {"threshold": 0.1}, {}])
def test_empty_and_blank_documents_are_listed_as_dropped(compressor: PromptCompressor, budget: Any) -> None:
    texts = ["", "  \n\t ", "Tea is a drink."]
    result = compressor.compress(texts, "What is tea?", **budget)
    check(result, texts)
    assert {0, 1} <= {d.index for d in result.dropped}
    only_blank = compressor.compress(["", " "], "q", **budget)
    assert (only_blank.text, len(only_blank.dropped)) == ("", 2)


@pytest.mark.parametrize("query", ["", "   ", "\n"])
def test_a_blank_query_is_noted_and_treated_as_none(compressor: PromptCompressor, query: str) -> None:
    texts = ["Tea is a drink. It is hot. Cups hold it."]
    result = compressor.compress(texts, query)
    assert [note.code for note in result.notes] == ["blank_query"]
    assert result.text == compressor.compress(texts, None).text


@pytest.mark.parametrize("query", [None, "", " "])
def test_a_missing_query_is_an_error_where_the_scorer_needs_one(query: str | None) -> None:
    strict = PromptCompressor(model=FixedScorer(requires_query=True))
    with pytest.raises(MissingQueryError, match="needs a query"):
        strict.compress(["Text."], query)


@pytest.mark.parametrize("name", ODD_TEXTS)
def test_odd_characters_go_through(compressor: PromptCompressor, name: str) -> None:
    texts = [ODD_TEXTS[name], "Plain text. With two sentences."]
    for query in (texts[0], None):
        check(compressor.compress(texts, query, target_tokens=6), texts)
        check(compressor.compress(texts, query, rate=0.6), texts)
    titled = compressor.compress([Document(texts[0], title=texts[0])], texts[0], rate=0.5)
    titled.to_dict()


def test_one_megabyte_in_one_line(compressor: PromptCompressor) -> None:
    words = ("lorem ipsum dolor sit amet " * 40_000).strip()
    result = compressor.compress([words], "dolor", target_tokens=1000)
    assert 750 <= result.compressed_tokens <= 1000
    unbroken = "x" * 1_000_000
    with pytest.raises(LinguaError, match="Nothing fits the budget"):
        compressor.compress([unbroken], "x", target_tokens=1000)


def test_what_the_embedded_vocabulary_lacks_still_costs_tokens(compressor: PromptCompressor) -> None:
    count = compressor.token_counter.count
    assert count(["x" * 3000]) == [1000]
    assert count(["ก" * 90]) == [90]
    assert count(["🙂" * 10])[0] >= 10
    assert count(["plain words here"]) == [3]


def test_one_giant_sentence_is_divided_and_noted(compressor: PromptCompressor) -> None:
    text = "the cat that saw the dog that " * 30 + "slept"
    result = compressor.compress([text], "dog", target_tokens=20)
    assert 0 < result.compressed_tokens <= 20
    assert "divided_segment" in [note.code for note in result.notes]


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ({"target_tokens": 0}, "target_tokens must be at least 1, got 0"),
        ({"target_tokens": -5}, "at least 1, got -5"),
        ({"target_tokens": 2.5}, "whole number of tokens, got 2.5"),
        ({"target_tokens": True}, "at least 1, got True"),
        ({"target_tokens": "9"}, "whole number of tokens, got '9'"),
        ({"rate": 0}, "in (0, 1], got 0"),
        ({"rate": -0.1}, "in (0, 1], got -0.1"),
        ({"rate": 4}, "To keep one part in 4 pass rate=0.25"),
        ({"rate": float("nan")}, "finite number"),
        ({"rate": "half"}, "must be a number, got str"),
        ({"threshold": float("inf")}, "finite number"),
        ({"threshold": "high"}, "must be a number"),
        ({"target_tokens": 5, "rate": 0.5}, "target_tokens=5 and rate=0.5"),
        ({"threshold": 0.1, "rate": 0.5}, "at most one"),
    ],
)
def test_bad_budgets_are_clear_errors(compressor: PromptCompressor, budget: Any, message: str) -> None:
    with pytest.raises(BudgetError, match=re.escape(message)):
        compressor.compress(["Text."], "q", **budget)


def test_extreme_numbers_are_fine(compressor: PromptCompressor) -> None:
    assert compressor.compress(["One. Two."], "q", target_tokens=10**400).text == "One. Two."
    assert compressor.compress(["One. Two."], "q", threshold=1e300).text == ""
    assert compressor.compress(["One. Two."], "q", threshold=-1e300).text == "One. Two."


def test_wide_white_space_never_empties_a_result() -> None:
    for counter in (None, len, lambda text: len(text.split())):
        subject = PromptCompressor(model=FixedScorer(), token_counter=counter)
        assert (
            subject.compress(["\n" * 500 + "Hello world."], "q", target_tokens=100).text.strip()
            == "Hello world."
        )
        assert subject.compress(["Hello." + " " * 1000 + "World."], "q", target_tokens=6).text.startswith(
            "Hello."
        )


def test_a_budget_above_the_input_keeps_everything(compressor: PromptCompressor) -> None:
    texts = ["  One. Two.  ", "Three."]
    result = compressor.compress(texts, "q", target_tokens=10_000)
    assert [d.text for d in result.documents] == texts


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ("a single text", "single str"),
        (Document("x"), "single Document"),
        (b"bytes", "single bytes"),
        (None, "got NoneType"),
        ([b"bytes"], "documents[0] must be a str"),
        (["ok", 3], "documents[1] must be a str"),
        ({"a": "b"}, "got a dict"),
        ({"a", "b"}, "got a set"),
    ],
)
def test_bad_documents_are_clear_errors(compressor: PromptCompressor, documents: Any, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        compressor.compress(documents, "q")


@pytest.mark.parametrize(
    "fields",
    [{"text": None}, {"text": "x", "id": 3}, {"text": "x", "title": []}, {"text": "x", "metadata": 1}],
)
def test_bad_document_fields_are_clear_errors(fields: Any) -> None:
    with pytest.raises(InputError, match=r"Document\.(text|id|title|metadata) must be"):
        Document(**fields)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"query": 3}, "query must be a str or None"),
        ({"order": "best"}, "order must be"),
        ({"instruction": 3}, "instruction must be a str"),
    ],
)
def test_bad_arguments_are_clear_errors(compressor: PromptCompressor, arguments: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        compressor.compress(["Text."], **arguments)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "nope"}, "Unknown method 'nope'. Available: 'extract', 'lexical'"),
        ({"method": "lexical", "model": "somewhere"}, "uses no model"),
        ({"model": "/nonexistent/folder"}, "is no folder with a model here"),
        ({"model": 3}, "must be None, a folder, or a lingua_core.scorers.Scorer"),
        ({"device": "tpu"}, "device must be"),
        ({"device": "cuda"}, "onnxruntime-gpu"),
        ({"threads": 0}, "threads must be at least 1"),
        ({"threads": "4"}, "threads must be at least 1"),
        ({"protect": None}, "protect must be a collection"),
        ({"always_keep": None}, "always_keep must be a sequence"),
        ({"always_keep": [re.compile(b"x")]}, "pattern of bytes"),
        ({"segmenter": 3}, "segmenter must have a method"),
        ({"model": "x" * 5000}, "is no folder with a model here"),
        ({"always_keep": "x"}, "single str"),
        ({"separator": 5}, "separator must be a str"),
        ({"document_separator": None}, "document_separator must be a str"),
        ({"keep_headings": "no"}, "keep_headings must be True or False"),
        ({"token_counter": 3}, "token_counter must be"),
        ({"token_counter": "/nonexistent/tokenizer.json"}, "no tiktoken encoding"),
    ],
)
def test_bad_options_are_clear_errors(options: Any, message: str) -> None:
    def use() -> None:
        PromptCompressor(**options).compress(["Text."], "q")

    with pytest.raises(InputError, match=re.escape(message)):
        use()


def test_batch_shapes_are_checked(compressor: PromptCompressor) -> None:
    with pytest.raises(InputError, match="2 prompts but 1 queries"):
        compressor.compress_batch([["a"], ["b"]], ["q"])
    with pytest.raises(InputError, match="sequence of document sequences"):
        compressor.compress_batch("text", ["q"])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="single str"):
        compressor.compress_batch(["text"], ["q"])
    with pytest.raises(InputError, match="NoneType"):
        compressor.compress_batch(None)  # type: ignore[arg-type]
    assert compressor.compress_batch([]) == []


@pytest.mark.parametrize("returned", [None, 2.5, "3", [1, 2], -1])
def test_a_counter_that_does_not_count_is_a_clear_error(returned: Any) -> None:
    with pytest.raises(TokenCounterError, match="returned"):
        PromptCompressor(model=FixedScorer(), token_counter=lambda text: returned).compress(["Text."], "q")


class Broken:
    name = "broken"
    requires_query = False
    default_threshold = None

    def __init__(self, found: Any) -> None:
        self.found = found

    def score(self, tasks: list[ScoringTask]) -> Any:
        return self.found


def scores(keep: list[float], starts: list[int]) -> PassageScores:
    return PassageScores(
        relevance=0.0, starts=np.array(starts), ends=np.array(starts) + 1, keep=np.array(keep, np.float32)
    )


@pytest.mark.parametrize(
    "found",
    [
        [],
        [[]],
        [[None]],
        [[PassageScores(relevance=0.0, starts=[0], ends=[1], keep=[1.0])]],  # type: ignore[arg-type]
        [[PassageScores(relevance=None, starts=np.array([0]), ends=np.array([1]), keep=np.array([1.0]))]],  # type: ignore[arg-type]
        [[scores([float("nan")], [0])]],
        [[scores([1, 2], [0])]],
        [[scores([1, 2], [5, 0])]],
    ],
)
def test_a_scorer_that_breaks_its_protocol_is_a_clear_error(found: Any) -> None:
    with pytest.raises(ScorerError):
        PromptCompressor(model=Broken(found)).compress(["Text. More."], "q")


class Cuts:
    def __init__(self, *spans: tuple[int, int]) -> None:
        self.spans = spans

    def segment(self, text: str) -> list[Segment]:
        return [Segment(*span) for span in self.spans]


@pytest.mark.parametrize(
    "spans", [[(0, 3), (2, 5)], [(0, 9)], [(3, 5), (0, 2)], [(0, 0)], [(0, 2)], [(3, 5)], []]
)
def test_a_segmenter_that_loses_or_repeats_text_is_a_clear_error(spans: Any) -> None:
    with pytest.raises(InputError, match="segmenter"):
        PromptCompressor(model=FixedScorer(), segmenter=Cuts(*spans)).compress(["ab cd"], "q")


def test_a_segmenter_of_the_users_own_is_used() -> None:
    result = PromptCompressor(model=FixedScorer(), segmenter=Cuts((0, 2), (3, 5))).compress(
        ["ab cd"], "q", rate=0.5
    )
    assert result.text == "ab"


def test_an_unused_instruction_is_noted(compressor: PromptCompressor) -> None:
    result = compressor.compress(["This is one text. And a longer one."], "text", instruction="Be brief.")
    assert [note.code for note in result.notes] == ["unused_instruction"]
