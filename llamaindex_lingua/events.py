"""What instrumentation hears of a compression: plain JSON data, without any text of a node."""

from typing import Any

from llama_index.core.instrumentation.events.base import (
    BaseEvent,  # pyright: ignore[reportPrivateImportUsage]  # the documented place, a re-export
)

__all__ = ["CompressionEndEvent", "CompressionStartEvent"]


class CompressionStartEvent(BaseEvent):
    """A compression begins.

    Attributes:
        query: The question, or None.
        method: The compression method.
        node_ids: Ids of the nodes that will be compressed, in order.
    """

    query: str | None
    method: str
    node_ids: list[str]

    @classmethod
    def class_name(cls) -> str:
        """The name of the event."""
        return "CompressionStartEvent"


class CompressionEndEvent(BaseEvent):
    """A compression is done. If it fails there is none; the span then holds the error.

    Attributes:
        method: The compression method.
        budget: What bounded the result: `kind`, `value`, and whether it is the `default`.
        token_counter: Name of the counter behind every number of tokens.
        origin_tokens: Tokens of all nodes that were compressed.
        compressed_tokens: Tokens of what was kept, joined by the document separator.
        rate: Kept fraction of the tokens.
        kept: `index` (among the compressed nodes) and `id` of each node of which something was kept.
        dropped: `index` and `id` of each node of which nothing was kept.
        notes: What did not go the plain way: `code`, `message`, `document` (an index, or None).
    """

    method: str
    budget: dict[str, Any]
    token_counter: str
    origin_tokens: int
    compressed_tokens: int
    rate: float
    kept: list[dict[str, Any]]
    dropped: list[dict[str, Any]]
    notes: list[dict[str, Any]]

    @classmethod
    def class_name(cls) -> str:
        """The name of the event."""
        return "CompressionEndEvent"
