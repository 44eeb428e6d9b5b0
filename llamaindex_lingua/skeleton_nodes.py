"""Nodes as what an answer is written from, and what they say afterwards of who read and cited them."""

from collections.abc import Sequence
from typing import Any

from llama_index.core.schema import NodeWithScore

from lingua_core.carrying import copied
from lingua_core.documents import Document
from lingua_core.skeleton import SkeletonAnswer
from llamaindex_lingua.conversion import text_positions, to_core

__all__ = ["CITATIONS_KEY", "SourceNodes"]

CITATIONS_KEY = "lingua_citations"
"""Where a source node's metadata says which points used it; excluded from prompts and embeddings."""


class SourceNodes:
    """The source nodes of one answer: copies, for they get metadata of their own.

    Args:
        nodes: What was retrieved; not changed. Nodes without text are no documents, but stay sources.
        title_key: Metadata key whose value is a node's title; None for no titles.
    """

    def __init__(self, nodes: Sequence[NodeWithScore], title_key: str | None) -> None:
        self._positions = text_positions(nodes)
        self.documents: list[Document] = to_core(nodes, self._positions, title_key)
        self.nodes = [_copy(scored) for scored in nodes]

    def ids(self, numbers: Sequence[int]) -> list[str]:
        """Ids of the nodes that these numbers in brackets stand for."""
        return [self.nodes[self._positions[number - 1]].node.node_id for number in numbers]

    def credit(self, answer: SkeletonAnswer) -> None:
        """Write into each node's metadata what was read of it, by which points, and which cite it."""
        for number, position in enumerate(self._positions, start=1):
            entry = _entry(answer, number)
            if entry is not None:
                _attach(self.nodes[position], entry)


def _entry(answer: SkeletonAnswer, number: int) -> dict[str, Any] | None:
    read = next((citation for citation in answer.citations if citation.number == number), None)
    if read is None:
        return None
    points = [
        {
            "point": expansion.point.index,
            "spans": [[start, end] for start, end in citation.spans],
            "score": float(citation.score),
            "cited": number in expansion.cited,
        }
        for expansion in answer.expansions
        for citation in expansion.citations
        if citation.number == number
    ]
    return {
        "number": number,
        "spans": [[start, end] for start, end in read.spans],
        "points": points,
        "cited": any(point["cited"] for point in points) or (not points and f"[{number}]" in answer.text),
    }


def _copy(scored: NodeWithScore) -> NodeWithScore:
    node = scored.node
    fresh = node.model_copy(
        update={
            "metadata": copied(node.metadata),
            "relationships": copied(node.relationships),
            "excluded_llm_metadata_keys": list(node.excluded_llm_metadata_keys),
            "excluded_embed_metadata_keys": list(node.excluded_embed_metadata_keys),
        }
    )
    return scored.model_copy(update={"node": fresh})


def _attach(scored: NodeWithScore, entry: dict[str, Any]) -> None:
    node = scored.node
    node.metadata[CITATIONS_KEY] = entry
    for excluded in (node.excluded_llm_metadata_keys, node.excluded_embed_metadata_keys):
        if CITATIONS_KEY not in excluded:
            excluded.append(CITATIONS_KEY)
