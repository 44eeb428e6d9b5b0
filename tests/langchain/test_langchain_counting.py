"""A budget in the tokens of the chat model that will read the documents."""

from typing import Any

import pytest

pytest.importorskip("langchain_core", reason="needs the extra: lingua-rag[langchain]")

from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel, FakeListLLM
from pydantic import Field, PrivateAttr

from langchain_contract import RunRecorder
from langchain_lingua import LinguaCompressor
from lingua_core import InputError, TokenCounterError


class WordModel(FakeListChatModel):
    """Its tokens are words."""

    responses: list[str] = Field(default_factory=lambda: ["."])
    _asked: int = PrivateAttr(default=0)

    def get_num_tokens(self, text: str) -> int:
        self._asked += 1
        return len(text.split())


def words(documents: list[Document]) -> int:
    return len("\n\n".join(document.page_content for document in documents).split())


def test_the_budget_is_in_tokens_of_the_chat_model(documents: list[Document], question: str) -> None:
    model = WordModel()
    kept = LinguaCompressor(llm=model, target_tokens=30).compress_documents(documents, question)
    assert 20 <= words(kept) <= 30
    assert model._asked
    assert kept[0].metadata["lingua"]["origin_tokens"] == len(documents[0].page_content.split())


@pytest.mark.parametrize("model", [FakeListChatModel, FakeListLLM])
def test_a_tokenizer_that_was_given_to_the_model_counts(
    model: type, documents: list[Document], question: str
) -> None:
    given = model(responses=["."], custom_get_token_ids=lambda text: [1] * len(text.split()))
    kept = LinguaCompressor(llm=given, target_tokens=30).compress_documents(documents, question)
    assert 20 <= words(kept) <= 30


def test_a_model_whose_token_ids_are_its_own_counts(documents: list[Document], question: str) -> None:
    class ByIds(FakeListChatModel):
        def get_token_ids(self, text: str) -> list[int]:
            return [len(word) for word in text.split()]

    kept = LinguaCompressor(llm=ByIds(responses=["."]), target_tokens=30).compress_documents(
        documents, question
    )
    assert 20 <= words(kept) <= 30


def test_of_a_model_without_a_tokenizer_the_embedded_one_counts_and_says_so(
    documents: list[Document], question: str
) -> None:
    with pytest.warns(UserWarning, match="FakeListChatModel has no tokenizer of its own.*token_counter="):
        compressor = LinguaCompressor(llm=FakeListChatModel(responses=["."]), target_tokens=30)
    recorder = RunRecorder()
    kept = compressor.compress_documents(documents, question, callbacks=[recorder])
    plain = LinguaCompressor(target_tokens=30).compress_documents(documents, question)
    assert kept == plain
    ((_, data, _),) = recorder.events
    assert data["token_counter"] == (
        "all-MiniLM-L6-v2 (embedded); FakeListChatModel has no tokenizer of its own"
    )


def test_a_model_that_fails_to_count_is_a_clear_error(documents: list[Document], question: str) -> None:
    class Broken(FakeListChatModel):
        def get_num_tokens(self, text: str) -> int:
            raise ConnectionError("no network")

    compressor = LinguaCompressor(llm=Broken(responses=["."]), target_tokens=30)
    with pytest.raises(TokenCounterError, match=r"Broken.get_num_tokens failed.*no network.*token_counter="):
        compressor.compress_documents(documents, question)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"llm": "gpt-4o"}, "llm must be a chat model or an LLM of LangChain, got str: 'gpt-4o'"),
        ({"llm": WordModel().bind(stop=["x"])}, "Pass the model itself, before bind"),
        ({"llm": WordModel(), "token_counter": len}, "Give llm or token_counter, not both"),
    ],
)
def test_what_is_no_model_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        LinguaCompressor(**options)


def test_a_copy_counts_by_the_new_model(documents: list[Document], question: str) -> None:
    copied = LinguaCompressor(target_tokens=30).model_copy(update={"llm": WordModel()})
    assert 20 <= words(copied.compress_documents(documents, question)) <= 30
