"""One answer for LlamaIndex: its sources, its text and events as they come, its metadata afterwards."""

from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import aclosing, closing
from typing import Any

from llama_index.core.instrumentation import (
    get_dispatcher,  # pyright: ignore[reportPrivateImportUsage]  # the documented place, a re-export
)
from llama_index.core.schema import NodeWithScore

from lingua_core.skeleton import (
    AnswerDone,
    Event,
    PointDelta,
    RouteChosen,
    SkeletonOfThought,
    SkeletonReady,
)
from lingua_core.skeleton.summary import answer_summary, skeleton_summary
from llamaindex_lingua.skeleton_events import (
    PointDeltaEvent,
    PointEndEvent,
    SkeletonEndEvent,
    SkeletonReadyEvent,
    SkeletonRouteEvent,
    SkeletonStartEvent,
)
from llamaindex_lingua.skeleton_nodes import SourceNodes

__all__ = ["METADATA_KEY", "Writing"]

METADATA_KEY = "lingua"
"""Where a response's metadata say how it came about."""

dispatcher = get_dispatcher(__name__)


class Writing:
    """One answer; a start event is dispatched at once, the others as the text is read.

    Args:
        query: The question.
        nodes: What to answer from.
        additional: Further source nodes, which are not read.
        title_key: Metadata key whose value is a node's title.

    Attributes:
        source_nodes: Of the response; those that were read get metadata at the answer's end.
        metadata: Of the response; complete at the answer's end.
    """

    def __init__(
        self,
        query: str,
        nodes: Sequence[NodeWithScore],
        additional: Sequence[NodeWithScore],
        title_key: str | None,
    ) -> None:
        self._query = query
        self._sources = SourceNodes(nodes, title_key)
        self._notes: list[str] = []
        if not self._sources.documents:
            what = f"None of the {len(nodes)} nodes holds text" if nodes else "There were no nodes"
            self._notes.append(f"{what}: answered without.")
        self.source_nodes = [*self._sources.nodes, *additional]
        self.metadata: dict[str, Any] = {
            scored.node.node_id: scored.node.metadata for scored in self.source_nodes
        }
        ids = [document.id or "" for document in self._sources.documents]
        dispatcher.event(SkeletonStartEvent(query=query, node_ids=ids))

    def run(self, engine: SkeletonOfThought) -> Generator[str]:
        """The text, as it is written."""
        with closing(engine.stream(self._query, documents=self._sources.documents or None)) as events:
            for event in events:
                if text := self._note(event):
                    yield text

    async def arun(self, engine: SkeletonOfThought) -> AsyncGenerator[str]:
        """`run` on the event loop."""
        async with aclosing(engine.astream(self._query, documents=self._sources.documents or None)) as events:
            async for event in events:
                if text := self._note(event):
                    yield text

    def _note(self, event: Event) -> str:
        if isinstance(event, PointDelta):
            dispatcher.event(PointDeltaEvent(index=event.index, text=event.text))
            return event.text
        if isinstance(event, RouteChosen):
            dispatcher.event(SkeletonRouteEvent(route=event.route, reason=event.decision.reason))
        elif isinstance(event, SkeletonReady):
            dispatcher.event(SkeletonReadyEvent(points=skeleton_summary(event.skeleton) or []))
        else:
            self._end(event)
        return ""

    def _end(self, done: AnswerDone) -> None:
        answer = done.answer
        for expansion in answer.expansions:
            dispatcher.event(
                PointEndEvent(
                    index=expansion.point.index,
                    point=expansion.point.text,
                    status=expansion.status,
                    error=expansion.error,
                    node_ids=self._sources.ids([citation.number for citation in expansion.citations]),
                    cited_node_ids=self._sources.ids(expansion.cited),
                )
            )
        self._sources.credit(answer)
        summary = answer_summary(answer, notes=self._notes)
        self.metadata[METADATA_KEY] = summary
        dispatcher.event(SkeletonEndEvent(summary=summary))
