"""Both adapters with their frameworks' OpenAI classes, against an OpenAI-compatible server on loopback."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

pytest.importorskip("langchain_core")
pytest.importorskip("llama_index.core")
from langchain_core.documents import Document
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from llama_index.core.schema import NodeWithScore, TextNode

from fault_server import FaultServer, Record
from langchain_lingua import SkeletonOfThoughtChain
from lingua_core.errors import AnswerError, LLMRequestError
from llamaindex_lingua import SkeletonSynthesizer
from skeleton_script import ANSWER, QUESTION, TITLES, cited, title_in

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])
DOCUMENTS = {
    "commute": "Commuting costs an hour a day. Nobody misses it.",
    "lonely": "Lonely people should meet their colleagues in person. Tea helps.",
}


def reply(body: Any) -> str:
    return cited("\n".join(str(message["content"]) for message in body["messages"]))


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer(reply=reply) as running:
        yield running


@pytest.fixture
async def clients() -> AsyncIterator[dict[str, Any]]:
    """HTTP clients that are closed before the event loop is; the frameworks' own never are."""
    httpx = pytest.importorskip("httpx", reason="needs httpx")
    async with httpx.AsyncClient() as asynchronous:
        with httpx.Client() as synchronous:
            yield {"async": asynchronous, "sync": synchronous}


def chain(server: FaultServer, clients: dict[str, Any], **options: Any) -> Any:
    openai = pytest.importorskip("langchain_openai", reason="needs langchain-openai")
    llm = openai.ChatOpenAI(
        model="any",
        base_url=server.base_url,
        api_key="key",
        max_retries=0,
        stream_usage=True,
        http_client=clients["sync"],
        http_async_client=clients["async"],
    )
    return SkeletonOfThoughtChain(llm=llm, **{"router": "always", **options})


def synthesizer(server: FaultServer, clients: dict[str, Any], **options: Any) -> Any:
    like = pytest.importorskip("llama_index.llms.openai_like", reason="needs llama-index-llms-openai-like")
    llm = like.OpenAILike(
        model="any",
        api_base=server.base_url,
        api_key="key",
        is_chat_model=True,
        max_retries=0,
        http_client=clients["sync"],
        async_http_client=clients["async"],
    )
    return SkeletonSynthesizer(llm, **{"router": "always", **options})


async def test_langchain_openai_answers_whole_and_streamed(
    server: FaultServer, clients: dict[str, Any]
) -> None:
    step = chain(server, clients)
    message = step.invoke(QUESTION)
    assert message.text == ANSWER
    assert (await step.ainvoke(QUESTION)).text == ANSWER
    assert "".join(str(chunk.text) for chunk in step.stream(QUESTION)) == ANSWER
    assert "".join([str(chunk.text) async for chunk in step.astream(QUESTION)]) == ANSWER
    assert not message.response_metadata["lingua"]["usage"]["estimated"]
    sent = sum(record.sent for record in server.records[:5])
    assert message.usage_metadata["output_tokens"] == sent
    assert {record.body["max_completion_tokens"] for record in server.records} == {512, 256}
    assert server.wait_for(lambda: server.active == 0)


async def test_langchain_openai_answers_over_documents(server: FaultServer, clients: dict[str, Any]) -> None:
    documents = [Document(text, id=name) for name, text in DOCUMENTS.items()]
    message = await chain(server, clients).ainvoke({"question": QUESTION, "documents": documents})
    assert message.text.count("[1]") == len(TITLES)
    assert [c["id"] for c in message.response_metadata["lingua"]["citations"]] == list(DOCUMENTS)


async def test_langchain_openai_is_sent_tool_calls_and_images_as_they_came(
    server: FaultServer, clients: dict[str, Any]
) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    call: Any = {"name": "survey", "args": {"of": "commuters"}, "id": "1", "type": "tool_call"}
    asked = HumanMessage([image, {"type": "text", "text": QUESTION}])
    turns = [HumanMessage("Who?"), AIMessage("", tool_calls=[call]), ToolMessage("Many.", tool_call_id="1")]
    step = chain(server, clients)
    assert step.invoke([*turns, AIMessage("Many people."), asked]).text == ANSWER
    for record in server.records:
        _, first, called, result, said, last = record.body["messages"]
        assert [m["role"] for m in (first, called, result, said)] == [
            "user",
            "assistant",
            "tool",
            "assistant",
        ]
        assert called["tool_calls"][0]["function"]["name"] == "survey"
        assert result["tool_call_id"] == "1"
        assert last["content"][0] == image
        assert QUESTION in last["content"][1]["text"]
    server.records.clear()
    assert (await step.ainvoke([asked, *turns[1:]])).text == ANSWER
    for record in server.records:
        _, first, called, result, last = record.body["messages"]
        assert (first["content"][0], result["role"]) == (image, "tool")
        assert QUESTION in last["content"]


def refused_once(record: Record) -> Any:
    return "rate_limit" if title_in(record.messages) == TITLES[1] and record.attempt == 1 else None


async def test_langchain_openais_refusals_are_retried_and_its_errors_are_told(
    server: FaultServer, clients: dict[str, Any]
) -> None:
    server.fault_for = refused_once
    message = chain(server, clients).invoke(QUESTION)
    assert message.text == ANSWER
    assert message.response_metadata["lingua"]["points"][1]["status"] == "retried"
    server.fault_for = lambda record: "unauthorized"
    with pytest.raises(AnswerError, match="401") as caught:
        await chain(server, clients).ainvoke(QUESTION)
    assert isinstance(caught.value.__cause__, LLMRequestError)
    server.fault_for = lambda record: "tool_call"
    with pytest.raises(AnswerError, match="look_up"):
        chain(server, clients, router="never", on_failure="raise").invoke(QUESTION)


async def test_langchain_openais_connections_end_with_the_stream_and_obey_the_limit(
    server: FaultServer, clients: dict[str, Any]
) -> None:
    server.piece_seconds = 0.01
    await chain(server, clients).ainvoke(QUESTION, {"max_concurrency": 2})
    assert server.peak == 2
    server.piece_seconds = 0.4  # so that points are being written when the stream is left
    chunks = chain(server, clients).astream(QUESTION)
    await anext(chunks)
    await chunks.aclose()
    assert server.wait_for(lambda: server.active == 0)
    assert server.disconnects > 0
    chunks = chain(server, clients).stream(QUESTION)
    next(chunks)
    chunks.close()
    assert server.wait_for(lambda: server.active == 0)


async def test_llama_index_openai_like_answers_whole_and_streamed(
    server: FaultServer, clients: dict[str, Any]
) -> None:
    one = synthesizer(server, clients)
    response = one.answer(QUESTION)
    assert response.response == ANSWER
    assert (await one.aanswer(QUESTION)).response == ANSWER
    flowing = synthesizer(server, clients, streaming=True)
    assert "".join(flowing.answer(QUESTION).response_gen) == ANSWER
    astream = await flowing.aanswer(QUESTION)
    assert "".join([text async for text in astream.async_response_gen()]) == ANSWER
    assert {record.body["max_tokens"] for record in server.records} == {512, 256}
    assert server.wait_for(lambda: server.active == 0)


async def test_llama_index_openai_like_answers_over_nodes_and_says_what_it_used(
    server: FaultServer, clients: dict[str, Any]
) -> None:
    nodes = [NodeWithScore(node=TextNode(id_=name, text=text)) for name, text in DOCUMENTS.items()]
    response = await synthesizer(server, clients).asynthesize(QUESTION, nodes)
    assert response.response.count("[1]") == len(TITLES)
    assert response.source_nodes[0].node.metadata["lingua_citations"]["cited"]
    usage = response.metadata["lingua"]["usage"]
    assert usage["calls"] == 5
    assert usage["completion_tokens"] > 0


async def test_llama_index_openai_likes_refusals_are_retried_and_its_errors_are_told(
    server: FaultServer, clients: dict[str, Any]
) -> None:
    server.fault_for = refused_once
    response = synthesizer(server, clients).answer(QUESTION)
    assert response.response == ANSWER
    assert response.metadata["lingua"]["points"][1]["status"] == "retried"
    server.fault_for = lambda record: "unauthorized"
    with pytest.raises(AnswerError, match="401") as caught:
        await synthesizer(server, clients).aanswer(QUESTION)
    assert isinstance(caught.value.__cause__, LLMRequestError)


async def test_llama_index_openai_likes_connections_end_with_the_task(
    server: FaultServer, clients: dict[str, Any]
) -> None:
    server.piece_seconds = 0.05
    task = asyncio.create_task(synthesizer(server, clients, max_concurrency=3).aanswer(QUESTION))
    await asyncio.to_thread(server.wait_for, lambda: len(server.records) >= 3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert server.wait_for(lambda: server.active == 0)
    assert server.peak <= 3
