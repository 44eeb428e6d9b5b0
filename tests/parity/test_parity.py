"""One retrieval, every way through: the kept spans are the same.

Core (sync, async, batched), LangChain and LlamaIndex (sync, async, concurrently), for both methods, for
both kinds of budget, with and without a question.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from lingua_core import Document, PromptCompressor

PASSAGES: list[dict[str, str]] = json.loads(Path(__file__).with_name("passages.json").read_text("utf-8"))
QUESTIONS = (
    "When did the Tacoma Narrows Bridge collapse?",
    "How do honeybees tell each other where flowers are?",
    "Which process makes flat glass, and who developed it?",
)

Kept = dict[str, list[list[int]]]
"""Spans by document id, in the order in which the documents came back."""


@pytest.fixture(params=["extract", "lexical"])
def method(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=[{"target_tokens": 150}, {"rate": 0.3}, {"rate": 0.4, "order": "relevance"}], ids=str)
def budget(request: pytest.FixtureRequest) -> dict[str, Any]:
    return request.param


@pytest.fixture(params=[*QUESTIONS, None], ids=["date", "how", "two questions", "no question"])
def query(request: pytest.FixtureRequest) -> str | None:
    return request.param


def core_documents() -> list[Document]:
    return [Document(p["text"], id=p["id"], title=p["title"]) for p in PASSAGES]


def of_core(result: Any) -> Kept:
    return {d.id: [list(span) for span in d.spans] for d in result.documents}


@pytest.fixture
def expected(method: str, budget: dict[str, Any], query: str | None) -> Kept:
    kept = of_core(PromptCompressor(method).compress(core_documents(), query, **budget))
    assert kept
    return kept


def test_passages_have_the_promised_size() -> None:
    assert all(80 <= len(passage["text"].split()) <= 150 for passage in PASSAGES)


async def test_core_async(method: str, budget: dict[str, Any], query: str | None, expected: Kept) -> None:
    compressor = PromptCompressor(method)
    results = await asyncio.gather(
        *[compressor.acompress(core_documents(), asked, **budget) for asked in (*QUESTIONS, query)]
    )
    assert of_core(results[-1]) == expected


def test_core_batched(method: str, budget: dict[str, Any], query: str | None, expected: Kept) -> None:
    compressor = PromptCompressor(method)
    asked = [query, *QUESTIONS, None, query]
    batch = [core_documents() for _ in asked]
    results = compressor.compress_batch(batch, asked, **budget)
    one_by_one = [compressor.compress(core_documents(), question, **budget) for question in asked]
    assert of_core(results[0]) == of_core(results[-1]) == expected
    assert [of_core(result) for result in results] == [of_core(result) for result in one_by_one]
    assert [result.text for result in results] == [result.text for result in one_by_one]


async def test_langchain(method: str, budget: dict[str, Any], query: str | None, expected: Kept) -> None:
    pytest.importorskip("langchain_core", reason="needs the extra: lingua-rag[langchain]")
    from langchain_core.documents import Document as LangChainDocument

    from langchain_lingua import LinguaCompressor

    compressor = LinguaCompressor(method=method, **budget)
    documents = [LangChainDocument(p["text"], id=p["id"], metadata={"title": p["title"]}) for p in PASSAGES]

    def spans(kept: Any) -> Kept:
        return {document.id: document.metadata["lingua"]["spans"] for document in kept}

    # LangChain has no "no query": retrievers hand over a str, and a blank one means the same.
    asked = query or ""
    assert list(spans(compressor.compress_documents(documents, asked)).items()) == list(expected.items())
    together = await asyncio.gather(
        *[compressor.acompress_documents(documents, other) for other in (asked, *QUESTIONS)]
    )
    assert spans(together[0]) == expected
    for other, kept in zip(QUESTIONS, together[1:], strict=True):
        assert kept == compressor.compress_documents(documents, other)


async def test_llamaindex(method: str, budget: dict[str, Any], query: str | None, expected: Kept) -> None:
    pytest.importorskip("llama_index.core", reason="needs the extra: lingua-rag[llamaindex]")
    from llama_index.core.schema import NodeWithScore, TextNode

    from llamaindex_lingua import LinguaPostprocessor

    postprocessor = LinguaPostprocessor(method=method, **budget)
    nodes = [
        NodeWithScore(node=TextNode(text=p["text"], id_=p["id"], metadata={"title": p["title"]}))
        for p in PASSAGES
    ]

    def spans(kept: Any) -> Kept:
        return {scored.node_id: scored.metadata["lingua"]["spans"] for scored in kept}

    kept = postprocessor.postprocess_nodes(nodes, query_str=query)
    assert list(spans(kept).items()) == list(expected.items())
    together = await asyncio.gather(
        *[postprocessor.apostprocess_nodes(nodes, query_str=other) for other in (query, *QUESTIONS)]
    )
    assert spans(together[0]) == expected
    for other, kept in zip(QUESTIONS, together[1:], strict=True):
        assert kept == postprocessor.postprocess_nodes(nodes, query_str=other)


def test_one_document_by_itself_is_the_same_everywhere(method: str) -> None:
    pytest.importorskip("langchain_core", reason="needs the extra: lingua-rag[langchain]")
    pytest.importorskip("llama_index.core", reason="needs the extra: lingua-rag[llamaindex]")
    from langchain_core.documents import Document as LangChainDocument
    from llama_index.core.schema import NodeWithScore, TextNode

    from langchain_lingua import LinguaCompressor
    from llamaindex_lingua import LinguaPostprocessor

    core = PromptCompressor(method)
    compressor = LinguaCompressor(method=method, rate=0.4)
    postprocessor = LinguaPostprocessor(method=method, rate=0.4)
    question = QUESTIONS[0]
    for passage in PASSAGES:
        text, metadata = passage["text"], {"title": passage["title"]}
        result = core.compress([Document(text, title=passage["title"])], question, rate=0.4)
        (document,) = compressor.compress_documents([LangChainDocument(text, metadata=metadata)], question)
        (node,) = postprocessor.postprocess_nodes(
            [NodeWithScore(node=TextNode(text=text, metadata=metadata))], query_str=question
        )
        assert document.page_content == node.text == result.text
        assert node.metadata["lingua"]["relevance"] == document.metadata["relevance_score"]
        assert node.metadata["lingua"] == document.metadata["lingua"]
