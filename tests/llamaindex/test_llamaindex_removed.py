"""What was removed, in LlamaIndex: in metadata that prompts show, and by a tool."""

import asyncio

import pytest
from llama_index.core.schema import MetadataMode, NodeWithScore, QueryBundle, TextNode

from lingua_core import InputError
from lingua_core.removed import InMemoryStore
from llamaindex_lingua import LinguaPostprocessor, get_removed_tool

MANUAL = (
    "# Installing\n\nInstall it with pip. It needs Python 3.11. Windows users need the build tools.\n\n"
    "# Prices\n\nThe basic plan costs 10 dollars a month. Students pay half the price of it."
)
TEXTS = [MANUAL, "Students of physics met in Oslo. They spoke about light. Coffee was served."]
QUERY = QueryBundle("What do students pay?")
NOTE = {"max_tokens": 100, "max_share": 1.0}


def nodes(times: int = 1) -> list[NodeWithScore]:
    texts = [text * times for text in TEXTS]
    return [NodeWithScore(node=TextNode(text=text, id_=str(i)), score=0.5) for i, text in enumerate(texts)]


def postprocessor(**options: object) -> LinguaPostprocessor:
    return LinguaPostprocessor(**{"method": "lexical", "rate": 0.5, **options})


def test_prompts_show_the_note_of_the_last_node_and_embeddings_do_not() -> None:
    found = postprocessor(removal_note=NOTE).postprocess_nodes(nodes(), QUERY)
    shown = [node.node.get_content(MetadataMode.LLM) for node in found]
    assert ["[Removed " in text for text in shown] == [False] * (len(found) - 1) + [True]
    for node in found:
        assert "[Removed " not in node.node.get_content(MetadataMode.EMBED)
        source, spans = TEXTS[int(node.node.node_id)], node.node.metadata["lingua"]["spans"]
        assert node.node.get_content(MetadataMode.NONE) == "\n".join(source[a:b] for a, b in spans)


def test_without_being_asked_for_there_is_no_note() -> None:
    for node in postprocessor().postprocess_nodes(nodes(), QUERY):
        assert "removal_note" not in node.node.metadata
        assert "removed" not in node.node.metadata["lingua"]


def test_async_says_the_same() -> None:
    step = postprocessor(removal_note={**NOTE, "per": "document"})
    found = asyncio.run(step.apostprocess_nodes(nodes(5), QUERY))
    expected = step.postprocess_nodes(nodes(5), QUERY)
    assert [n.node.metadata for n in found] == [n.node.metadata for n in expected]
    assert any(n.node.metadata.get("removal_note") for n in found)


def test_the_tool_returns_what_the_postprocessor_has_stored() -> None:
    store = InMemoryStore()
    found = postprocessor(removed_store=store).postprocess_nodes(nodes(), QUERY)
    ids = [id for node in found for id in node.node.metadata["lingua"]["removed"]]
    assert ids
    tool = get_removed_tool(store)
    assert tool.metadata.name == "get_removed"
    part = store.get(ids[0])
    assert part.text.strip() in str(tool.call(id=part.id))
    assert part.text.strip() in str(asyncio.run(tool.acall(id=part.id)))
    assert "There is no removed passage" in str(tool.call(id="r1"))


def test_options_are_checked_by_the_core() -> None:
    with pytest.raises(InputError, match="removal_note must be"):
        postprocessor(removal_note="yes")
    with pytest.raises(InputError, match="removed_store must be"):
        postprocessor(removed_store={})
