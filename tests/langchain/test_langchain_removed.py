"""What was removed, in LangChain: in metadata for document prompts, and by a tool."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.documents import Document
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.prompts import PromptTemplate, format_document

from langchain_lingua import LinguaCompressor, get_removed_tool
from lingua_core import InputError
from lingua_core.removed import InMemoryStore, SQLiteStore

MANUAL = (
    "# Installing\n\nInstall it with pip. It needs Python 3.11. Windows users need the build tools.\n\n"
    "# Prices\n\nThe basic plan costs 10 dollars a month. Students pay half the price of it."
)
DOCUMENTS = [
    Document(MANUAL, id="manual", metadata={"page": 1}),
    Document("Students of physics met in Oslo. They spoke about light. Coffee was served.", id="oslo"),
    Document(
        "Tea is grown in Assam. It is shipped in chests to London.", id="tea", metadata={"title": "Tea"}
    ),
]
NOTE = {"max_tokens": 100, "max_share": 1.0}


class Scripted(GenericFakeChatModel):
    """Says what the script says."""

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        return self


def compressor(**options: object) -> LinguaCompressor:
    return LinguaCompressor(**{"method": "lexical", "rate": 0.5, **options})


def test_the_last_document_says_what_was_removed_and_texts_stay_verbatim() -> None:
    plain = compressor().compress_documents(DOCUMENTS, "What do students pay?")
    assert all("removal_note" not in document.metadata for document in plain)
    noted = compressor(removal_note=NOTE).compress_documents(DOCUMENTS, "What do students pay?")
    assert [d.metadata["removal_note"][:9] for d in noted] == [""] * (len(noted) - 1) + ["[Removed "]
    for document in noted:
        source = next(original for original in DOCUMENTS if original.id == document.id)
        spans = document.metadata["lingua"]["spans"]
        assert document.page_content == "\n".join(source.page_content[a:b] for a, b in spans)


def test_a_document_prompt_can_show_the_notes() -> None:
    longer = [Document(document.page_content * 5, id=document.id) for document in DOCUMENTS]
    noted = compressor(removal_note={**NOTE, "per": "document"}).compress_documents(longer, "students pay")
    prompt = PromptTemplate.from_template("{page_content}\n{removal_note}")
    assert any("[Removed " in format_document(document, prompt) for document in noted)


def test_async_says_the_same() -> None:
    step = compressor(removal_note=NOTE)
    noted = asyncio.run(step.acompress_documents(DOCUMENTS, "What do students pay?"))
    assert noted == step.compress_documents(DOCUMENTS, "What do students pay?")


def test_ids_in_the_metadata_are_those_of_the_store() -> None:
    store = InMemoryStore()
    found = compressor(removed_store=store).compress_documents(DOCUMENTS, "What do students pay?")
    ids = {document.id: document.metadata["lingua"]["removed"] for document in found}
    assert ids["manual"]
    for name, own in ids.items():
        assert {store.get(id).document_id for id in own} <= {name}


def test_the_tool_returns_passages_and_lists_them() -> None:
    store = InMemoryStore()
    compressor(removed_store=store).compress_documents(DOCUMENTS, "What do students pay?")
    part = store.parts()[0]
    tool = get_removed_tool(store)
    assert tool.name == "get_removed"
    assert part.text.strip() in tool.invoke({"id": part.id})
    assert part.text.strip() in asyncio.run(tool.ainvoke({"id": part.id}))
    assert part.id in tool.invoke({"query": part.text})
    assert "There is no removed passage" in tool.invoke({"id": "r1"})
    assert set(tool.args) == {"id", "query", "offset"}


def test_options_are_checked_by_the_core() -> None:
    with pytest.raises(InputError, match="removal_note must be"):
        compressor(removal_note="yes")
    with pytest.raises(InputError, match="removed_store must be"):
        compressor(removed_store={})


def test_originals_of_tool_results_may_live_in_a_store_of_the_core(tmp_path: object) -> None:
    pytest.importorskip("langchain.agents", reason="needs the extra: lingua-rag[langchain-agents]")
    from langchain.agents import create_agent
    from langchain_core.messages import AIMessage, ToolMessage
    from langchain_core.tools import tool

    from langchain_lingua.agents import CompressToolResultsMiddleware

    handbook = MANUAL * 4

    @tool
    def read_handbook() -> str:
        """Reads the handbook."""
        return handbook

    def call(name: str, **args: str) -> AIMessage:
        return AIMessage("", tool_calls=[{"name": name, "args": args, "id": f"call-{name}"}])

    store = SQLiteStore(f"{tmp_path}/removed.db")
    shorten = CompressToolResultsMiddleware(
        LinguaCompressor(method="lexical", target_tokens=40), min_tokens=20, store=store
    )
    for run in ("invoke", "ainvoke"):
        model = Scripted(messages=iter([call("read_handbook"), AIMessage("done")]))
        agent = create_agent(model, [read_handbook], middleware=[shorten])
        question = {"messages": [("human", "What do students pay?")]}
        state = agent.invoke(question) if run == "invoke" else asyncio.run(agent.ainvoke(question))
        short = next(message for message in state["messages"] if isinstance(message, ToolMessage))
        assert short.artifact is None
        id = short.response_metadata["lingua"]["id"]
        assert store.document(id).text == handbook
        again = Scripted(messages=iter([call("get_original", id=id), AIMessage("done")]))
        agent = create_agent(again, [read_handbook], middleware=[shorten])
        state = agent.invoke(question) if run == "invoke" else asyncio.run(agent.ainvoke(question))
        (whole,) = [message for message in state["messages"] if isinstance(message, ToolMessage)]
        assert whole.content == handbook
