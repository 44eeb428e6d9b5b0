"""What `LinguaCompressor` returns, refuses, and leaves alone."""

import asyncio
import copy
import inspect
import re
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

pytest.importorskip("langchain_core", reason="needs the extra: lingua-rag[langchain]")

from langchain_core.documents import BaseDocumentCompressor, Document
from pydantic import ValidationError

from langchain_lingua import LinguaCompressor
from lingua_core import BudgetError, InputError, PromptCompressor, ProtectedOverBudgetError
from lingua_core.scorers import FixedScorer


def test_the_sentence_that_answers_is_kept(documents: list[Document], question: str) -> None:
    kept = LinguaCompressor(target_tokens=40).compress_documents(documents, question)
    assert "lit for the first time on 3 March 1874" in kept[0].page_content


def test_page_content_is_made_of_the_reported_spans(documents: list[Document], question: str) -> None:
    scorer = FixedScorer(
        lambda query, text: float(any(word in text for word in ("granite", "café", "ferry")))
    )
    compressor = LinguaCompressor(model=scorer, threshold=1.0, separator=" … ")
    kept = compressor.compress_documents(documents, question)
    sources = {document.id: document.page_content for document in documents}
    assert [len(document.metadata["lingua"]["spans"]) for document in kept] == [2, 1]
    for document in kept:
        pieces = [sources[document.id][start:end] for start, end in document.metadata["lingua"]["spans"]]
        assert document.page_content == " … ".join(pieces)


def test_ids_and_metadata_survive_beside_the_additions(documents: list[Document], question: str) -> None:
    kept = LinguaCompressor(rate=0.9).compress_documents(documents, question)
    assert [document.id for document in kept] == ["light", "ferry", None]
    for before, after in zip(documents, kept, strict=True):
        assert set(after.metadata) == {*before.metadata, "relevance_score", "lingua"}
        assert {name: after.metadata[name] for name in before.metadata} == before.metadata
        assert isinstance(after.metadata["relevance_score"], float)
        assert set(after.metadata["lingua"]) == {"relevance", "spans", "origin_tokens", "compressed_tokens"}
        assert after.metadata["lingua"]["compressed_tokens"] <= after.metadata["lingua"]["origin_tokens"]
        assert type(after) is type(before)
        assert after.type == before.type


def test_inputs_stay_as_they_were_and_are_not_shared(documents: list[Document], question: str) -> None:
    before = copy.deepcopy(documents)
    kept = LinguaCompressor(rate=0.9).compress_documents(documents, question)
    kept[0].metadata["tags"].append("changed")
    kept[0].page_content = "changed"
    assert documents == before


def test_documents_of_which_nothing_is_kept_are_left_out(documents: list[Document], question: str) -> None:
    kept = LinguaCompressor(target_tokens=25).compress_documents(documents, question)
    assert [document.id for document in kept] == ["light"]


def test_the_budget_holds_for_the_joined_text_by_the_given_counter(
    documents: list[Document], question: str
) -> None:
    def words(text: str) -> int:
        return len(text.split())

    compressor = LinguaCompressor(target_tokens=45, token_counter=words, document_separator="\n## next ##\n")
    kept = compressor.compress_documents(documents, question)
    assert 30 <= words("\n## next ##\n".join(document.page_content for document in kept)) <= 45


def test_order_relevance_puts_the_best_document_first(documents: list[Document], question: str) -> None:
    backwards = documents[::-1]
    kept = LinguaCompressor(rate=0.9, order="relevance").compress_documents(backwards, question)
    scores = [document.metadata["relevance_score"] for document in kept]
    assert scores == sorted(scores, reverse=True)
    assert kept[0].id == "light"


async def test_async_gives_the_same(documents: list[Document], question: str) -> None:
    compressor = LinguaCompressor(target_tokens=40)
    expected = compressor.compress_documents(documents, question)
    assert await compressor.acompress_documents(documents, question) == expected
    several = await asyncio.gather(*[compressor.acompress_documents(documents, question) for _ in range(5)])
    assert all(kept == expected for kept in several)


async def test_no_documents_give_no_documents(question: str) -> None:
    assert LinguaCompressor().compress_documents([], question) == []
    assert await LinguaCompressor().acompress_documents([], question) == []


@pytest.mark.parametrize("blank", ["", "  \n"])
def test_a_blank_query_compresses_without_a_question(documents: list[Document], blank: str) -> None:
    kept = LinguaCompressor(target_tokens=60).compress_documents(documents, blank)
    assert kept
    assert sum(document.metadata["lingua"]["compressed_tokens"] for document in kept) <= 60


def test_an_empty_document_is_left_out(question: str) -> None:
    kept = LinguaCompressor(rate=1.0).compress_documents(
        [Document(""), Document("Lamps are lit at dusk.")], question
    )
    assert [document.page_content for document in kept] == ["Lamps are lit at dusk."]


def test_kept_empty_documents_stand_in_their_places(documents: list[Document], question: str) -> None:
    given = [documents[1], Document("", id="blank"), documents[0], documents[2]]
    kept = LinguaCompressor(target_tokens=25, keep_empty=True).compress_documents(given, question)
    assert [document.id for document in kept] == ["ferry", "blank", "light", None]
    assert [bool(document.page_content) for document in kept] == [False, False, True, False]
    assert kept[0].metadata["source"] == "timetable"
    assert kept[0].metadata["lingua"]["spans"] == []
    assert kept[0].metadata["lingua"]["compressed_tokens"] == 0
    assert isinstance(kept[0].metadata["relevance_score"], float)


@pytest.mark.parametrize("order", ["relevance", "ends"])
def test_kept_empty_documents_stand_behind_reordered_ones(
    documents: list[Document], question: str, order: str
) -> None:
    given = [Document("", id="blank"), *documents]
    plain = LinguaCompressor(target_tokens=60, order=order).compress_documents(given, question)
    kept = LinguaCompressor(target_tokens=60, order=order, keep_empty=True).compress_documents(
        given, question
    )
    assert kept[: len(plain)] == plain
    assert kept[len(plain)].id == "blank"
    assert len(kept) == len(given)


def test_compressing_twice_replaces_the_spans(documents: list[Document], question: str) -> None:
    once = LinguaCompressor(rate=0.7).compress_documents(documents, question)
    twice = LinguaCompressor(rate=0.5).compress_documents(once, question)
    texts = {document.id: document.page_content for document in once}
    for document in twice:
        pieces = [texts[document.id][start:end] for start, end in document.metadata["lingua"]["spans"]]
        assert document.page_content == "\n".join(pieces)


class RecordingScorer(FixedScorer):
    def __init__(self) -> None:
        super().__init__()
        self.titles: list[str | None] = []

    def score(self, tasks: Sequence) -> list:  # type: ignore[type-arg]
        self.titles = [passage.title for task in tasks for passage in task.passages]
        return super().score(tasks)


@pytest.mark.parametrize(
    ("title_key", "titles"),
    [("title", ["Kessel Point", None, None]), ("source", [None, "timetable", None]), (None, [None] * 3)],
)
def test_titles_come_from_the_metadata_key(
    documents: list[Document], title_key: str | None, titles: list[str | None]
) -> None:
    scorer = RecordingScorer()
    LinguaCompressor(model=scorer, title_key=title_key).compress_documents(documents, "lamp")
    assert scorer.titles == titles


def test_a_model_may_be_any_scorer(documents: list[Document], question: str) -> None:
    scorer = FixedScorer(lambda query, text: float("granite" in text))
    kept = LinguaCompressor(model=scorer, threshold=1.0).compress_documents(documents, question)
    assert [document.page_content for document in kept] == [
        "The lighthouse at Kessel Point was built of grey granite."
    ]


def test_always_keep_reaches_the_core(documents: list[Document], question: str) -> None:
    compressor = LinguaCompressor(target_tokens=40, always_keep=[re.compile("rye bread")])
    kept = compressor.compress_documents(documents, question)
    assert any("rye bread" in document.page_content for document in kept)


def test_an_impossible_budget_is_the_cores_error(documents: list[Document], question: str) -> None:
    compressor = LinguaCompressor(target_tokens=3, always_keep=["granite", "Bicycles", "oven", "photographs"])
    with pytest.raises(ProtectedOverBudgetError, match="always_keep"):
        compressor.compress_documents(documents, question)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"rate": 3}, BudgetError, r"must be in \(0, 1\], got 3"),
        ({"rate": "0.5"}, BudgetError, "finite number, got '0.5'"),
        ({"target_tokens": 10.0}, BudgetError, "whole number of tokens, got 10.0"),
        ({"rate": 0.5, "target_tokens": 9}, BudgetError, "at most one of"),
        ({"method": "magic"}, InputError, "Unknown method 'magic'"),
        ({"order": "random"}, InputError, "order must be"),
        ({"instruction": 5}, InputError, "instruction must be a str"),
        ({"keep_empty": "perhaps"}, ValidationError, "keep_empty"),
        ({"model": 5}, InputError, "model must be None, a folder"),
        ({"device": "tpu"}, InputError, "device must be"),
        ({"token_counter": 5}, InputError, "token_counter must be"),
        ({"protect": ["nubers"]}, InputError, "Unknown kind in protect: 'nubers'"),
        ({"always_keep": ["("]}, InputError, "no valid regular expression"),
        ({"threads": 0}, InputError, "threads must be"),
        ({"rates": 0.5}, ValidationError, "rates"),
        ({"separator": 5}, ValidationError, "separator"),
    ],
)
def test_options_are_checked_at_construction(
    options: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        LinguaCompressor(**options)
    assert isinstance(caught.value, ValueError)
    if error is not ValidationError:
        assert not isinstance(caught.value, ValidationError)
        assert "validation error" not in str(caught.value)


def test_options_cannot_be_changed_but_copied() -> None:
    compressor = LinguaCompressor(rate=0.5)
    with pytest.raises(ValidationError, match="frozen"):
        compressor.rate = 0.2  # type: ignore[misc]
    copied = compressor.model_copy(update={"rate": 0.2, "method": "lexical"})
    assert (copied.rate, copied.method, compressor.rate) == (0.2, "lexical", 0.5)
    with pytest.raises(BudgetError):
        compressor.model_copy(update={"rate": 2})


def test_a_copy_compresses_by_its_own_options(documents: list[Document], question: str) -> None:
    copied = LinguaCompressor(target_tokens=40).model_copy(update={"method": "lexical"})
    expected = LinguaCompressor(target_tokens=40, method="lexical").compress_documents(documents, question)
    assert copied.compress_documents(documents, question) == expected


def test_every_option_of_the_core_is_an_option_here() -> None:
    options = {
        name
        for function in (PromptCompressor.__init__, PromptCompressor.compress)
        for name in inspect.signature(function).parameters
    } - {"self", "documents", "query"}
    assert set(LinguaCompressor.model_fields) == options | {"title_key", "llm", "keep_empty"}


def test_it_is_a_document_compressor() -> None:
    assert issubclass(LinguaCompressor, BaseDocumentCompressor)


def test_without_langchain_core_the_error_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['langchain_core'] = None\n"
        "try:\n    import langchain_lingua\n"
        "except ImportError as error:\n    print(type(error).__name__, error)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parent
    )
    assert run.stdout.startswith("MissingDependencyError")
    assert 'pip install "lingua-rag[langchain]"' in run.stdout


def test_a_rerankers_score_and_an_earlier_entry_are_kept(question: str) -> None:
    lock = threading.Lock()
    metadata = {"relevance_score": 0.99, "lingua": {"spans": [[5, 9]]}, "lock": lock}
    (kept,) = LinguaCompressor(rate=1.0).compress_documents(
        [Document("Granite was used.", metadata=metadata)], question
    )
    assert kept.metadata["relevance_score"] == 0.99
    assert kept.metadata["lingua"]["previous"] == {"spans": [[5, 9]]}
    assert kept.metadata["lock"] is lock


def test_what_went_wrong_with_a_document_is_in_its_metadata() -> None:
    text = "Intro.\n\n```python\n" + "x = 1\n" * 60 + "```\n\nShort."
    (kept,) = LinguaCompressor(target_tokens=40).compress_documents([Document(text)], "What is short?")
    assert "larger than the budget" in kept.metadata["lingua"]["notes"][0]


def test_something_else_than_documents_is_a_clear_error(question: str) -> None:
    with pytest.raises(InputError, match="got str"):
        LinguaCompressor().compress_documents(["a text"], question)  # type: ignore[list-item]
