"""What LlamaIndex expects of a node postprocessor, as a class to inherit tests from."""

import asyncio
import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events import BaseEvent
from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import ImageNode, MetadataMode, NodeWithScore, QueryBundle
from pydantic import PrivateAttr


class EventRecorder(BaseEventHandler):
    """Keeps the events that it is told of."""

    _events: list[BaseEvent] = PrivateAttr(default_factory=list)

    @classmethod
    def class_name(cls) -> str:
        return "EventRecorder"

    def handle(self, event: BaseEvent, **kwargs: Any) -> None:
        self._events.append(event)


class PostprocessorContract:
    """A subclass has the fixtures `make` (options to a postprocessor), `nodes` and `question`."""

    events: list[str]

    @pytest.fixture
    def postprocessor(self, make: Callable[..., BaseNodePostprocessor]) -> BaseNodePostprocessor:
        return make(rate=0.6)

    @pytest.fixture
    def instrumentation(self) -> Iterator[tuple[list[BaseEvent], SimpleSpanHandler]]:
        """The events and spans of a test."""
        recorder, spans, root = EventRecorder(), SimpleSpanHandler(), get_dispatcher()
        before = list(root.event_handlers), list(root.span_handlers)
        root.add_event_handler(recorder)
        root.add_span_handler(spans)
        yield recorder._events, spans
        root.event_handlers, root.span_handlers = before

    async def test_sync_async_and_concurrent_calls_agree(
        self, postprocessor: BaseNodePostprocessor, nodes: list[NodeWithScore], question: str
    ) -> None:
        expected = postprocessor.postprocess_nodes(nodes, query_str=question)
        assert expected
        assert await postprocessor.apostprocess_nodes(nodes, query_str=question) == expected
        calls = [postprocessor.apostprocess_nodes(nodes, query_str=question) for _ in range(3)]
        assert await asyncio.gather(*calls) == [expected] * 3

    async def test_no_nodes_give_no_nodes(self, postprocessor: BaseNodePostprocessor, question: str) -> None:
        assert postprocessor.postprocess_nodes([], query_str=question) == []
        assert await postprocessor.apostprocess_nodes([], query_str=question) == []

    async def test_a_str_and_a_bundle_ask_the_same(
        self, postprocessor: BaseNodePostprocessor, nodes: list[NodeWithScore], question: str
    ) -> None:
        expected = postprocessor.postprocess_nodes(nodes, query_str=question)
        bundle = QueryBundle(question, custom_embedding_strs=["something else"])
        assert postprocessor.postprocess_nodes(nodes, bundle) == expected
        assert await postprocessor.apostprocess_nodes(nodes, bundle) == expected

    async def test_without_a_query_it_compresses_what_is_there(
        self, postprocessor: BaseNodePostprocessor, nodes: list[NodeWithScore]
    ) -> None:
        expected = postprocessor.postprocess_nodes(nodes)
        assert expected
        assert await postprocessor.apostprocess_nodes(nodes) == expected
        assert postprocessor.postprocess_nodes(nodes, QueryBundle(" ")) == expected

    async def test_nothing_is_mutated_or_shared(
        self, postprocessor: BaseNodePostprocessor, nodes: list[NodeWithScore], question: str
    ) -> None:
        before = copy.deepcopy(nodes)
        kept = [
            *postprocessor.postprocess_nodes(nodes, query_str=question),
            *await postprocessor.apostprocess_nodes(nodes, query_str=question),
        ]
        for scored in kept:
            scored.score = None
            scored.node.metadata.clear()
            scored.node.relationships.clear()
            scored.node.set_content("")
        assert nodes == before

    def test_ids_scores_relationships_and_order_survive(
        self, postprocessor: BaseNodePostprocessor, nodes: list[NodeWithScore], question: str
    ) -> None:
        kept = postprocessor.postprocess_nodes(nodes, query_str=question)
        given = {scored.node_id: scored for scored in nodes}
        ids = [scored.node_id for scored in kept]
        assert ids == [name for name in given if name in ids]
        for scored in kept:
            source = given[scored.node_id]
            assert (scored.score, type(scored.node)) == (source.score, type(source.node))
            assert scored.node.relationships == source.node.relationships
            assert scored.metadata.items() >= source.metadata.items()
            text = source.node.get_content(MetadataMode.NONE)
            spans = scored.metadata["lingua"]["spans"]
            assert all(text[a:b] in scored.node.get_content(MetadataMode.NONE) for a, b in spans)

    def test_nodes_that_are_no_text_pass_through(
        self, postprocessor: BaseNodePostprocessor, nodes: list[NodeWithScore], question: str
    ) -> None:
        image = NodeWithScore(node=ImageNode(id_="image", image="aGk="), score=0.3)
        kept = postprocessor.postprocess_nodes([image, *nodes, image], query_str=question)
        assert kept[0] is kept[-1] is image
        assert kept[1:-1] == postprocessor.postprocess_nodes(nodes, query_str=question)

    def test_it_is_revived_from_plain_data(
        self, postprocessor: BaseNodePostprocessor, nodes: list[NodeWithScore], question: str
    ) -> None:
        for again in (
            type(postprocessor).from_dict(postprocessor.to_dict()),
            type(postprocessor).from_json(postprocessor.to_json()),
        ):
            assert json.loads(again.to_json()) == json.loads(postprocessor.to_json())
            assert again.postprocess_nodes(nodes, query_str=question) == postprocessor.postprocess_nodes(
                nodes, query_str=question
            )

    async def test_every_call_is_a_span_with_its_events(
        self,
        postprocessor: BaseNodePostprocessor,
        nodes: list[NodeWithScore],
        question: str,
        instrumentation: tuple[list[BaseEvent], SimpleSpanHandler],
    ) -> None:
        events, spans = instrumentation
        postprocessor.postprocess_nodes(nodes, query_str=question)
        await postprocessor.apostprocess_nodes(nodes, query_str=question)
        names = [event.class_name() for event in events]
        assert names == self.events * 2
        assert len(spans.completed_spans) >= 2
        assert not spans.dropped_spans
        assert {event.span_id for event in events} <= {span.id_ for span in spans.completed_spans}
