"""What instrumentation hears of an answer by way of a skeleton: plain JSON data."""

from typing import Any

from llama_index.core.instrumentation.events.base import (
    BaseEvent,  # pyright: ignore[reportPrivateImportUsage]  # the documented place, a re-export
)

__all__ = [
    "PointDeltaEvent",
    "PointEndEvent",
    "SkeletonEndEvent",
    "SkeletonReadyEvent",
    "SkeletonRouteEvent",
    "SkeletonStartEvent",
]


class SkeletonStartEvent(BaseEvent):
    """An answer begins.

    Attributes:
        query: The question.
        node_ids: Ids of the nodes that it is written from, in order.
    """

    query: str
    node_ids: list[str]

    @classmethod
    def class_name(cls) -> str:
        """The name of the event."""
        return "SkeletonStartEvent"


class SkeletonRouteEvent(BaseEvent):
    """It is decided whether there is a skeleton, or decided anew after a fallback.

    Attributes:
        route: "skeleton" or "direct".
        reason: For people.
    """

    route: str
    reason: str

    @classmethod
    def class_name(cls) -> str:
        """The name of the event."""
        return "SkeletonRouteEvent"


class SkeletonReadyEvent(BaseEvent):
    """The skeleton is complete.

    Attributes:
        points: `index`, `text` and `depends_on` of each point.
    """

    points: list[dict[str, Any]]

    @classmethod
    def class_name(cls) -> str:
        """The name of the event."""
        return "SkeletonReadyEvent"


class PointDeltaEvent(BaseEvent):
    """New text of the answer, in its order.

    Attributes:
        index: The point's number; 0 for a direct answer, and for what stands between points.
        text: What is new.
    """

    index: int
    text: str

    @classmethod
    def class_name(cls) -> str:
        """The name of the event."""
        return "PointDeltaEvent"


class PointEndEvent(BaseEvent):
    """A point as it stands in the answer; dispatched for all of them at the answer's end, in order.

    Attributes:
        index: The point's number.
        point: What it is about.
        status: "complete", "truncated", "retried", "fallback", "failed" or "cancelled".
        error: What went wrong, or empty.
        node_ids: Ids of the nodes that it was written from.
        cited_node_ids: Ids of those that its text cites.
    """

    index: int
    point: str
    status: str
    error: str
    node_ids: list[str]
    cited_node_ids: list[str]

    @classmethod
    def class_name(cls) -> str:
        """The name of the event."""
        return "PointEndEvent"


class SkeletonEndEvent(BaseEvent):
    """An answer is done. If it fails there is none; the span then holds the error.

    Attributes:
        summary: What the response's metadata hold under `lingua`.
    """

    summary: dict[str, Any]

    @classmethod
    def class_name(cls) -> str:
        """The name of the event."""
        return "SkeletonEndEvent"
