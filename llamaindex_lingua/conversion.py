"""Nodes of LlamaIndex to documents of the core, and back."""

from collections.abc import Sequence
from typing import Any

from llama_index.core.schema import BaseNode, MetadataMode, Node, NodeWithScore, TextNode

from lingua_core import CompressedDocument, CompressionResult, Document, InputError
from lingua_core.carrying import NOTE_KEY, bookkeeping, copied, notes_by_document, removed_ids
from llamaindex_lingua.events import CompressionEndEvent

__all__ = ["METADATA_KEY", "end_event", "from_core", "text_positions", "to_core"]

METADATA_KEY = "lingua"
"""Where a compressed node's metadata says what was kept; excluded from prompts and embeddings."""


def text_positions(nodes: Sequence[NodeWithScore]) -> list[int]:
    """Positions of the text nodes that have text; others (images, empty nodes, own types) stay as they are.

    Raises:
        InputError: If something is no node with a score.
    """
    for i, scored in enumerate(nodes):
        if not isinstance(scored, NodeWithScore):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise InputError(
                f"nodes[{i}] must be a llama_index.core.schema.NodeWithScore, got {type(scored).__name__}: "
                f"{scored!r:.80}. A node without a score is NodeWithScore(node=node)."
            )
    return [i for i, scored in enumerate(nodes) if _is_text(scored.node)]


def to_core(
    nodes: Sequence[NodeWithScore], positions: Sequence[int], title_key: str | None
) -> list[Document]:
    """Documents for the core; the metadata value under `title_key` is the title, if it is a str."""
    return [_document(nodes[i], title_key) for i in positions]


def from_core(
    result: CompressionResult,
    nodes: Sequence[NodeWithScore],
    positions: Sequence[int],
    *,
    noted: bool = False,
    stored: bool = False,
) -> list[NodeWithScore]:
    """Deep copies of what was kept, in the result's order, with nodes without text in their places.

    Args:
        result: The compression.
        nodes: What was given.
        positions: Of the nodes that were compressed.
        noted: Whether nodes say in their metadata what was removed, for the prompt.
        stored: Whether each names the ids of what was removed from it.
    """
    notes = notes_by_document(result) if noted else {}
    ids = removed_ids(result) if stored else None
    kept_at = sorted(positions[kept.index] for kept in result.documents)
    placed = dict(zip(kept_at, result.documents, strict=True))
    compressed = set(positions)
    return [
        _compressed(
            nodes[positions[placed[i].index]],
            placed[i],
            bookkeeping(result, placed[i])
            | ({} if ids is None else {"removed": ids.get(placed[i].index, [])}),
            notes.get(placed[i].index, ""),
        )
        if i in placed
        else scored
        for i, scored in enumerate(nodes)
        if i in placed or i not in compressed
    ]


def end_event(result: CompressionResult) -> CompressionEndEvent:
    """The statistics of a result."""
    return CompressionEndEvent(**result.statistics())


def _is_text(node: BaseNode) -> bool:
    return isinstance(node, (Node, TextNode)) and bool(_text(node).strip())


def _text(node: BaseNode) -> str:
    return node.get_content(MetadataMode.NONE)


def _document(scored: NodeWithScore, title_key: str | None) -> Document:
    title: object = scored.node.metadata.get(title_key) if title_key is not None else None
    return Document(
        _text(scored.node),
        id=scored.node.node_id,
        title=title if isinstance(title, str) else None,
        score=scored.score,
    )


def _compressed(
    original: NodeWithScore, kept: CompressedDocument, entry: dict[str, Any], note: str
) -> NodeWithScore:
    source = original.node
    node = source.model_copy(
        update={
            "metadata": copied(source.metadata),
            "relationships": copied(source.relationships),
            "excluded_llm_metadata_keys": list(source.excluded_llm_metadata_keys),
            "excluded_embed_metadata_keys": list(source.excluded_embed_metadata_keys),
        }
    )
    fresh = original.model_copy(update={"node": node})
    node.set_content(kept.text)
    # An earlier compression's entry is not ours to overwrite.
    if METADATA_KEY in node.metadata:
        entry["previous"] = node.metadata[METADATA_KEY]
    node.metadata[METADATA_KEY] = entry
    if note:
        # Prompts show it, as they do all metadata; embeddings do not.
        node.metadata[NOTE_KEY] = note
        if NOTE_KEY not in node.excluded_embed_metadata_keys:
            node.excluded_embed_metadata_keys.append(NOTE_KEY)
    for excluded in (node.excluded_llm_metadata_keys, node.excluded_embed_metadata_keys):
        if METADATA_KEY not in excluded:
            excluded.append(METADATA_KEY)
    return fresh
