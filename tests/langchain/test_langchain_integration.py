"""`LinguaCompressor` inside LangChain's own machinery: retrievers, pipelines, chains, traces, storage."""

import json
import re
from collections.abc import Iterator
from inspect import signature
from typing import Any
from uuid import UUID

import pytest

pytest.importorskip("langchain_core", reason="needs the extra: lingua-rag[langchain]")

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.load import dumpd, dumps, loads
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableLambda, RunnablePassthrough
from langchain_core.vectorstores import InMemoryVectorStore

from langchain_lingua import LinguaCompressor


class Recorder(BaseCallbackHandler):
    """Keeps the runs and custom events that it is told of."""

    def __init__(self) -> None:
        self.runs: dict[UUID, tuple[str, UUID | None]] = {}
        self.events: list[tuple[str, Any, UUID]] = []
        self.errors: list[BaseException] = []

    def on_chain_start(
        self, serialized: Any, inputs: Any, *, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        self.runs[run_id] = (kwargs["name"], parent_run_id)

    def on_retriever_start(
        self, serialized: Any, query: str, *, run_id: UUID, parent_run_id: UUID | None = None, **kwargs: Any
    ) -> None:
        self.runs[run_id] = ("retriever", parent_run_id)

    def on_chain_error(self, error: BaseException, **kwargs: Any) -> None:
        self.errors.append(error)

    def on_custom_event(self, name: str, data: Any, *, run_id: UUID, **kwargs: Any) -> None:
        self.events.append((name, data, run_id))

    def named(self, name: str) -> list[tuple[UUID, UUID | None]]:
        return [(run, parent) for run, (found, parent) in self.runs.items() if found == name]


@pytest.fixture
def compressor() -> LinguaCompressor:
    return LinguaCompressor(target_tokens=40)


@pytest.fixture
def store(documents: list[Document]) -> InMemoryVectorStore:
    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=16))
    store.add_documents(documents)
    return store


@pytest.fixture
def retriever(store: InMemoryVectorStore, compressor: LinguaCompressor) -> BaseRetriever:
    retrievers = pytest.importorskip("langchain_classic.retrievers", reason="needs langchain-classic")
    return retrievers.ContextualCompressionRetriever(
        base_compressor=compressor, base_retriever=store.as_retriever(search_kwargs={"k": 3})
    )


async def test_inside_a_contextual_compression_retriever(
    retriever: BaseRetriever, store: InMemoryVectorStore, compressor: LinguaCompressor, question: str
) -> None:
    found = store.as_retriever(search_kwargs={"k": 3}).invoke(question)
    expected = compressor.compress_documents(found, question)
    assert any("3 March 1874" in document.page_content for document in expected)
    assert retriever.invoke(question) == expected
    assert await retriever.ainvoke(question) == expected


def test_the_retriever_has_the_compression_as_a_child_run(retriever: BaseRetriever, question: str) -> None:
    recorder = Recorder()
    retriever.invoke(question, {"callbacks": [recorder]})
    ((run, parent),) = recorder.named("LinguaCompressor")
    assert parent is not None
    assert recorder.runs[parent][0] == "retriever"
    assert [(name, at) for name, _, at in recorder.events] == [("lingua_compression", run)]


def test_inside_a_document_compressor_pipeline(documents: list[Document], question: str) -> None:
    module = pytest.importorskip(
        "langchain_classic.retrievers.document_compressors", reason="langchain-classic"
    )
    pipeline = module.DocumentCompressorPipeline(
        transformers=[LinguaCompressor(rate=0.7), LinguaCompressor(target_tokens=30)]
    )
    recorder = Recorder()
    kept = pipeline.compress_documents(documents, question, callbacks=[recorder])
    assert "3 March 1874" in kept[0].page_content
    assert sum(document.metadata["lingua"]["compressed_tokens"] for document in kept) <= 30
    assert len(recorder.named("LinguaCompressor")) == 2


class Reader(GenericFakeChatModel):
    """Answers with the year that it finds in the prompt."""

    messages: Iterator[AIMessage] = iter(())

    def _generate(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
        years = re.findall(r"\d{4}", messages[0].content)
        self.messages = iter([AIMessage(f"In {years[0]}.")])
        return super()._generate(messages, *args, **kwargs)


def chain_over(retriever: BaseRetriever) -> Runnable[str, str]:
    def joined(documents: list[Document]) -> str:
        return "\n\n".join(document.page_content for document in documents)

    prompt = ChatPromptTemplate.from_template("{context}\n\nQuestion: {question}")
    return (
        {"context": retriever | RunnableLambda(joined), "question": RunnablePassthrough()}
        | prompt
        | Reader()
        | StrOutputParser()
    )


async def test_inside_an_lcel_chain(retriever: BaseRetriever, question: str) -> None:
    chain = chain_over(retriever)
    recorder = Recorder()
    assert chain.invoke(question, {"callbacks": [recorder]}) == "In 1874."
    assert await chain.ainvoke(question) == "In 1874."
    assert chain.batch([question, question]) == ["In 1874."] * 2
    assert "".join(chain.stream(question)) == "In 1874."
    assert len(recorder.named("LinguaCompressor")) == 1


async def test_astream_events_holds_the_run_and_its_event(retriever: BaseRetriever, question: str) -> None:
    events = [event async for event in chain_over(retriever).astream_events(question, version="v2")]
    seen = [(event["event"], event["name"]) for event in events]
    start, custom, end = (
        seen.index(pair)
        for pair in (
            ("on_chain_start", "LinguaCompressor"),
            ("on_custom_event", "lingua_compression"),
            ("on_chain_end", "LinguaCompressor"),
        )
    )
    assert start < custom < end


async def test_used_inside_a_runnable_it_joins_that_trace(
    compressor: LinguaCompressor, documents: list[Document], question: str
) -> None:
    def work(query: str) -> list[Document]:
        return compressor.compress_documents(documents, query)

    async def awork(query: str) -> list[Document]:
        return await compressor.acompress_documents(documents, query)

    step = RunnableLambda(work, awork, name="step")
    for recorder in (first := Recorder(), second := Recorder()):
        if recorder is first:
            step.invoke(question, {"callbacks": [first]})
        else:
            await step.ainvoke(question, {"callbacks": [second]})
        ((_, parent),) = recorder.named("LinguaCompressor")
        assert parent == recorder.named("step")[0][0]


async def test_the_custom_event_holds_the_statistics(
    compressor: LinguaCompressor, documents: list[Document], question: str
) -> None:
    recorder = Recorder()
    kept = compressor.compress_documents(documents, question, callbacks=[recorder])
    await compressor.acompress_documents(documents, question, callbacks=[recorder])
    (name, data, run), (other_name, other_data, _) = recorder.events
    assert name == other_name == "lingua_compression"
    assert data == other_data
    assert recorder.runs[run] == ("LinguaCompressor", None)
    assert json.loads(json.dumps(data)) == data
    assert data["method"] == "extract"
    assert data["budget"] == {"kind": "target_tokens", "value": 40, "is_default": False}
    assert "embedded" in data["token_counter"]
    assert data["compressed_tokens"] <= 40 < data["origin_tokens"]
    assert data["rate"] == data["compressed_tokens"] / data["origin_tokens"]
    assert [entry["id"] for entry in data["kept"]] == [document.id for document in kept]
    assert sorted(entry["index"] for entry in data["kept"] + data["dropped"]) == [0, 1, 2]
    assert data["notes"] == []
    assert "lighthouse" not in json.dumps(data)


def test_the_event_notes_a_blank_query(compressor: LinguaCompressor, documents: list[Document]) -> None:
    recorder = Recorder()
    compressor.compress_documents(documents, " ", callbacks=[recorder])
    assert [note["code"] for note in recorder.events[0][1]["notes"]] == ["blank_query"]


def test_a_failure_is_seen_by_the_trace(documents: list[Document], question: str) -> None:
    recorder = Recorder()
    compressor = LinguaCompressor(target_tokens=3, always_keep=["granite", "Bicycles", "oven", "photographs"])
    with pytest.raises(ValueError, match="always_keep") as caught:
        compressor.compress_documents(documents, question, callbacks=[recorder])
    assert recorder.errors == [caught.value]


@pytest.mark.filterwarnings("ignore:The function `loads` is in beta")
@pytest.mark.parametrize(
    "options",
    [
        {},
        {
            "method": "lexical",
            "rate": 0.4,
            "protect": ["numbers"],
            "always_keep": ["WARNING"],
            "keep_headings": False,
            "separator": " ",
            "order": "relevance",
            "title_key": None,
        },
    ],
)
def test_a_configuration_survives_dumps_and_loads(
    documents: list[Document], question: str, options: dict[str, Any]
) -> None:
    compressor = LinguaCompressor(**options)
    assert LinguaCompressor.is_lc_serializable()
    # langchain-core before 1.2.5 has no allow list.
    allowed = (
        {"allowed_objects": [LinguaCompressor]} if "allowed_objects" in signature(loads).parameters else {}
    )
    revived = loads(dumps(compressor), valid_namespaces=["langchain_lingua"], **allowed)
    assert isinstance(revived, LinguaCompressor)
    assert dumpd(revived) == dumpd(compressor)
    assert revived.compress_documents(documents, question) == compressor.compress_documents(
        documents, question
    )
