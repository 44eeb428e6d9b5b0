"""The contracts of LangChain's kinds of things, kept by every method."""

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("langchain_core", reason="needs the extra: lingua-rag[langchain]")

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable

from langchain_contract import DocumentCompressorContract, StepContract
from langchain_lingua import (
    CompressDocuments,
    CompressPrompt,
    LinguaCompressor,
    compress_documents,
    compress_prompt,
)
from method_models import METHODS, options_of


@pytest.fixture(params=METHODS)
def make(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., LinguaCompressor]:
    """Makes compressors of each method."""
    fixed = options_of(request.param, tmp_path_factory.mktemp)
    return lambda **options: LinguaCompressor(**fixed, **options)


@pytest.fixture
def allowed() -> list[type]:
    return [LinguaCompressor, CompressDocuments, CompressPrompt]


class TestLinguaCompressor(DocumentCompressorContract):
    run_name = "LinguaCompressor"
    event_name = "lingua_compression"


class Shelf(BaseRetriever):
    """Finds always the same."""

    documents: list[Document]

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        return self.documents


class TestCompressDocuments(StepContract):
    run_name = "compress_documents"
    event_name = "lingua_compression"

    @pytest.fixture
    def step(self, make: Callable[..., LinguaCompressor]) -> Runnable[Any, Any]:
        return compress_documents(make(rate=0.6))

    @pytest.fixture
    def inputs(self, documents: list[Document], question: str) -> list[Any]:
        return [
            {"documents": documents, "query": question},
            {"context": documents[:2], "input": "What do bicycles cost?", "chat_history": []},
        ]

    @pytest.fixture
    def empty(self, question: str) -> Any:
        return {"documents": [], "question": question}

    @pytest.fixture
    def bad(self, documents: list[Document]) -> Any:
        return {"documents": documents, "topic": "lamp"}


class TestCompressDocumentsOfARetriever(StepContract):
    run_name = "compress_documents"
    event_name = "lingua_compression"

    @pytest.fixture
    def step(self, documents: list[Document]) -> Runnable[Any, Any]:
        return compress_documents(LinguaCompressor(rate=0.6), retriever=Shelf(documents=documents))

    @pytest.fixture
    def inputs(self, question: str) -> list[Any]:
        return [question, {"input": question, "chat_history": []}]

    @pytest.fixture
    def bad(self) -> Any:
        return {"documents": []}

    async def test_nothing_gives_nothing(self) -> None:  # type: ignore[override]
        step = compress_documents(retriever=Shelf(documents=[]))
        assert step.invoke("") == await step.ainvoke("") == []

    @pytest.fixture
    def allowed(self) -> list[type]:
        pytest.skip("a retriever of the tests' own cannot be stored")


def conversation(notes: str, question: str) -> list[BaseMessage]:
    return [
        SystemMessage("You are a guide."),
        HumanMessage("Look it up."),
        AIMessage("", tool_calls=[{"name": "search", "args": {"q": "lamp"}, "id": "1"}]),
        ToolMessage(notes, tool_call_id="1", name="search"),
        HumanMessage(question),
    ]


class TestCompressPrompt(StepContract):
    run_name = "compress_prompt"
    event_name = "lingua_compression"

    @pytest.fixture
    def step(self, make: Callable[..., LinguaCompressor]) -> Runnable[Any, Any]:
        return compress_prompt(make(rate=0.6), min_tokens=20)

    @pytest.fixture
    def inputs(self, documents: list[Document], question: str) -> list[Any]:
        notes = " ".join(document.page_content for document in documents)
        template = ChatPromptTemplate.from_messages(
            [("system", "Answer."), ("human", "{notes}"), ("human", "{question}")]
        )
        return [
            conversation(notes, question),
            template.invoke({"notes": notes, "question": question}),
            {"messages": conversation(notes, question), "query": question},
            "A short prompt.",
        ]

    @pytest.fixture
    def empty(self) -> Any:
        return []

    @pytest.fixture
    def bad(self) -> Any:
        return {"text": "no prompt"}
