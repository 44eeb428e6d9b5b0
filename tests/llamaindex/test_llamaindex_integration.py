"""`LinguaPostprocessor` inside a query engine, and what instrumentation hears of it."""

import asyncio
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("llama_index.core", reason="needs the extra: lingua-rag[llamaindex]")

from llama_index.core import VectorStoreIndex
from llama_index.core.base.embeddings.base import BaseEmbedding
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events import BaseEvent
from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler
from llama_index.core.llms import CompletionResponse, CustomLLM, LLMMetadata
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers import get_response_synthesizer
from llama_index.core.schema import ImageNode, NodeWithScore
from pydantic import PrivateAttr

from llamaindex_lingua import CompressionEndEvent, CompressionStartEvent, LinguaPostprocessor


class HashEmbedding(BaseEmbedding):
    """A deterministic embedding without a model."""

    def _get_text_embedding(self, text: str) -> list[float]:
        return [byte / 255 for byte in hashlib.sha256(text.encode()).digest()[:16]]

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


class RecordingLLM(CustomLLM):
    """Answers always the same and keeps the prompts."""

    _prompts: list[str] = PrivateAttr(default_factory=list)

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata()

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        self._prompts.append(prompt)
        return CompletionResponse(text="340 megawatts")

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> Any:
        raise NotImplementedError


class Recorder(BaseEventHandler):
    _events: list[BaseEvent] = PrivateAttr(default_factory=list)

    @classmethod
    def class_name(cls) -> str:
        return "Recorder"

    def handle(self, event: BaseEvent, **kwargs: Any) -> None:
        if isinstance(event, (CompressionStartEvent, CompressionEndEvent)):
            self._events.append(event)


@pytest.fixture
def events() -> Iterator[list[BaseEvent]]:
    recorder = Recorder()
    root = get_dispatcher()
    before = list(root.event_handlers)
    root.add_event_handler(recorder)
    yield recorder._events
    root.event_handlers = before


@pytest.fixture
def spans() -> Iterator[SimpleSpanHandler]:
    handler = SimpleSpanHandler()
    root = get_dispatcher()
    before = list(root.span_handlers)
    root.add_span_handler(handler)
    yield handler
    root.span_handlers = before


@pytest.fixture
def llm() -> RecordingLLM:
    return RecordingLLM()


def engine_with(nodes: list[NodeWithScore], llm: RecordingLLM, *postprocessors: Any) -> RetrieverQueryEngine:
    index = VectorStoreIndex([scored.node for scored in nodes], embed_model=HashEmbedding())
    return RetrieverQueryEngine(
        index.as_retriever(similarity_top_k=3),
        response_synthesizer=get_response_synthesizer(llm=llm),
        node_postprocessors=list(postprocessors),
    )


def test_inside_a_query_engine_the_prompt_is_shorter_and_holds_the_answer(
    nodes: list[NodeWithScore], llm: RecordingLLM, question: str
) -> None:
    engine_with(nodes, llm).query(question)
    response = engine_with(nodes, llm, LinguaPostprocessor(target_tokens=40)).query(question)
    plain, compressed = llm._prompts
    assert str(response) == "340 megawatts"
    assert len(compressed) < len(plain)
    assert "The turbines reached 340 megawatts in 1962." in compressed
    assert {scored.node_id for scored in response.source_nodes} <= {"dam", "choir", "orchard"}


def test_bookkeeping_does_not_enter_the_prompt(
    nodes: list[NodeWithScore], llm: RecordingLLM, question: str
) -> None:
    response = engine_with(nodes, llm, LinguaPostprocessor(rate=0.5)).query(question)
    assert all("lingua" in scored.metadata for scored in response.source_nodes)
    (prompt,) = llm._prompts
    assert "title: Dam" in prompt
    for word in ("lingua", "spans", "relevance", "origin_tokens"):
        assert word not in prompt


async def test_async_query_reads_the_same_prompt(
    nodes: list[NodeWithScore], llm: RecordingLLM, question: str
) -> None:
    engine = engine_with(nodes, llm, LinguaPostprocessor(target_tokens=40))
    response = engine.query(question)
    again = await engine.aquery(question)
    assert llm._prompts[0] == llm._prompts[1]
    assert again.source_nodes == response.source_nodes


def test_retrieval_scores_are_kept(nodes: list[NodeWithScore], llm: RecordingLLM, question: str) -> None:
    found = engine_with(nodes, llm).query(question).source_nodes
    kept = engine_with(nodes, llm, LinguaPostprocessor(rate=0.9)).query(question).source_nodes
    assert [(scored.node_id, scored.score) for scored in kept] == [
        (scored.node_id, scored.score) for scored in found
    ]


async def test_both_events_hold_the_statistics(
    nodes: list[NodeWithScore], events: list[BaseEvent], question: str
) -> None:
    postprocessor = LinguaPostprocessor(target_tokens=40)
    image = NodeWithScore(node=ImageNode(id_="image"))
    kept = postprocessor.postprocess_nodes([image, *nodes], query_str=question)
    await postprocessor.apostprocess_nodes([image, *nodes], query_str=question)
    start, end, other_start, other_end = events
    assert isinstance(start, CompressionStartEvent)
    assert isinstance(end, CompressionEndEvent)
    assert (start.query, start.method) == (question, "extract")
    assert start.node_ids == ["dam", "choir", "orchard"]
    assert end.budget == {"kind": "target_tokens", "value": 40, "is_default": False}
    assert end.compressed_tokens <= 40 < end.origin_tokens
    assert end.rate == end.compressed_tokens / end.origin_tokens
    assert [entry["id"] for entry in end.kept] == [scored.node_id for scored in kept[1:]]
    assert sorted(entry["index"] for entry in end.kept + end.dropped) == [0, 1, 2]
    assert end.notes == []
    assert "turbines reached" not in end.model_dump_json()
    own = {"timestamp", "id_", "span_id"}
    assert other_start.model_dump(exclude=own) == start.model_dump(exclude=own)
    assert other_end.model_dump(exclude=own) == end.model_dump(exclude=own)
    assert start.model_dump()["class_name"] == "CompressionStartEvent"
    assert json.loads(end.model_dump_json())["method"] == "extract"


def test_an_instruction_goes_to_the_method_which_may_have_no_use_for_it(
    nodes: list[NodeWithScore], events: list[BaseEvent], question: str
) -> None:
    LinguaPostprocessor(instruction="Answer briefly.").postprocess_nodes(nodes, query_str=question)
    assert [note["code"] for note in events[-1].notes] == ["unused_instruction"]


async def test_events_belong_to_the_span_of_their_call(
    nodes: list[NodeWithScore], events: list[BaseEvent], spans: SimpleSpanHandler, question: str
) -> None:
    postprocessor = LinguaPostprocessor(target_tokens=40)
    postprocessor.postprocess_nodes(nodes, query_str=question)
    assert {event.span_id for event in events} == {spans.completed_spans[0].id_}
    assert "LinguaPostprocessor._postprocess_nodes" in spans.completed_spans[0].id_
    events.clear()
    await asyncio.gather(*[postprocessor.apostprocess_nodes(nodes, query_str=question) for _ in range(4)])
    ids = {span.id_ for span in spans.completed_spans[1:]}
    assert len(ids) == 4
    assert all("LinguaPostprocessor._apostprocess_nodes" in name for name in ids)
    for name in ids:
        mine = [type(event) for event in events if event.span_id == name]
        assert mine == [CompressionStartEvent, CompressionEndEvent]


def test_the_span_of_a_query_holds_the_span_of_the_compression(
    nodes: list[NodeWithScore], llm: RecordingLLM, spans: SimpleSpanHandler, question: str
) -> None:
    engine_with(nodes, llm, LinguaPostprocessor(rate=0.5)).query(question)
    (span,) = [span for span in spans.completed_spans if "LinguaPostprocessor" in span.id_]
    assert span.parent_id is not None
    assert span.parent_id.startswith("RetrieverQueryEngine")


def test_a_failed_compression_has_no_end_event(
    nodes: list[NodeWithScore], events: list[BaseEvent], spans: SimpleSpanHandler, question: str
) -> None:
    postprocessor = LinguaPostprocessor(
        target_tokens=3, always_keep=["Concrete", "audition", "Bees", "Cider"]
    )
    with pytest.raises(ValueError, match="always_keep"):
        postprocessor.postprocess_nodes(nodes, query_str=question)
    assert [type(event) for event in events] == [CompressionStartEvent]
    assert len(spans.dropped_spans) == 1
