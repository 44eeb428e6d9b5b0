"""Spans of an answer nest, also in streams that are read later, and events tell how it came about."""

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("llama_index.core")
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events.base import BaseEvent
from llama_index.core.instrumentation.span import SimpleSpan
from llama_index.core.instrumentation.span_handlers import SimpleSpanHandler
from llama_index.core.schema import NodeWithScore, TextNode
from pydantic import Field

from llamaindex_lingua import (
    PointDeltaEvent,
    PointEndEvent,
    SkeletonEndEvent,
    SkeletonQueryEngine,
    SkeletonReadyEvent,
    SkeletonRouteEvent,
    SkeletonStartEvent,
    SkeletonSynthesizer,
)
from scripted_llama import ChatLlama, CompletionLlama
from skeleton_script import ANSWER, QUESTION, TITLES

NODES = [NodeWithScore(node=TextNode(id_="commute", text="Commuting costs an hour a day."), score=0.5)]


class Events(BaseEventHandler):
    """Keeps all events."""

    seen: list[BaseEvent] = Field(default_factory=list)

    def handle(self, event: BaseEvent, **kwargs: Any) -> None:
        self.seen.append(event)

    def of(self, kind: type[BaseEvent]) -> list[Any]:
        return [event for event in self.seen if isinstance(event, kind)]


class Spans(SimpleSpanHandler):
    """Keeps the parents of all spans."""

    parents: dict[str, str | None] = Field(default_factory=dict)

    def new_span(self, id_: str, bound_args: Any, instance: Any = None, **kwargs: Any) -> SimpleSpan | None:
        self.parents[id_] = kwargs.get("parent_span_id") or kwargs.get("parent_id")
        return super().new_span(id_, bound_args, instance, **kwargs)

    def named(self, name: str) -> list[str]:
        return [span for span in self.parents if span.startswith(f"{name}-")]

    def above(self, span: str) -> list[str]:
        names: list[str] = []
        parent = self.parents[span]
        while parent is not None:
            names.append(parent.split("-")[0])
            parent = self.parents.get(parent)
        return names


@contextlib.contextmanager
def watched() -> Iterator[tuple[Events, Spans]]:
    dispatcher = get_dispatcher()
    before = dispatcher.event_handlers, dispatcher.span_handlers
    events, spans = Events(), Spans()
    dispatcher.event_handlers = [*before[0], events]
    dispatcher.span_handlers = [*before[1], spans]
    try:
        yield events, spans
    finally:
        dispatcher.event_handlers, dispatcher.span_handlers = before


async def text_of(engine: SkeletonQueryEngine, mode: str) -> str:
    if mode == "query":
        return engine.query(QUESTION).response  # type: ignore[union-attr, return-value]
    if mode == "aquery":
        return (await engine.aquery(QUESTION)).response  # type: ignore[union-attr, return-value]
    if mode == "stream":
        return "".join(engine.query(QUESTION).response_gen)  # type: ignore[union-attr]
    response: Any = await engine.aquery(QUESTION)
    return "".join([text async for text in response.async_response_gen()])


@pytest.mark.parametrize("mode", ["query", "aquery", "stream", "astream"])
@pytest.mark.parametrize("kind", [ChatLlama, CompletionLlama])
async def test_spans_of_all_calls_lie_within_the_synthesizers(mode: str, kind: type[CompletionLlama]) -> None:
    one = SkeletonSynthesizer(kind(), router="always", streaming="stream" in mode)
    with watched() as (_, spans):
        assert await text_of(SkeletonQueryEngine(response_synthesizer=one), mode) == ANSWER
    prefix = "a" if mode.startswith("a") else ""
    is_sync = kind is CompletionLlama or not prefix
    method = ("" if is_sync else "a") + ("stream_chat" if kind is ChatLlama else "stream_complete")
    calls = spans.named(f"{kind.__name__}.{method}")
    assert len(calls) == 1 + len(TITLES)
    expected = [f"SkeletonSynthesizer.{prefix}answer", f"SkeletonQueryEngine._{prefix}query"]
    for call in calls:
        assert [name for name in spans.above(call) if name in expected] == expected
        assert spans.above(call)[-1] == f"SkeletonQueryEngine.{prefix}query"


@pytest.mark.parametrize("mode", ["query", "aquery", "stream", "astream"])
async def test_events_tell_how_the_answer_came_about(mode: str) -> None:
    one = SkeletonSynthesizer(ChatLlama(), router="always", streaming="stream" in mode)
    with watched() as (events, spans):
        response: Any = (
            await one.asynthesize(QUESTION, NODES)
            if mode.startswith("a")
            else one.synthesize(QUESTION, NODES)
        )
        if mode == "stream":
            text = "".join(response.response_gen)
        elif mode == "astream":
            text = "".join([text async for text in response.async_response_gen()])
        else:
            text = response.response
    (start,) = events.of(SkeletonStartEvent)
    assert (start.query, start.node_ids) == (QUESTION, ["commute"])
    (route,) = events.of(SkeletonRouteEvent)
    assert route.route == "skeleton"
    (ready,) = events.of(SkeletonReadyEvent)
    assert [point["text"] for point in ready.points] == list(TITLES)
    assert "".join(event.text for event in events.of(PointDeltaEvent)) == text
    ends = events.of(PointEndEvent)
    assert [(end.index, end.point, end.status) for end in ends] == [
        (i, title, "complete") for i, title in enumerate(TITLES, start=1)
    ]
    assert all(end.cited_node_ids == ["commute"] for end in ends)
    (end,) = events.of(SkeletonEndEvent)
    assert end.summary == response.metadata["lingua"]
    own = [event for event in events.seen if type(event).__module__.startswith("llamaindex_lingua")]
    assert {type(event).class_name() for event in own} >= {"SkeletonStartEvent", "SkeletonEndEvent"}
    assert all(event.span_id in spans.parents for event in own)
    assert len([event for event in events.seen if event.class_name() == "LLMChatStartEvent"]) == 5
