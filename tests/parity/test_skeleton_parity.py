"""The same documents, question and options give the same answer through core, LangChain and LlamaIndex."""

import copy
from typing import Any

import pytest

pytest.importorskip("langchain_core")
pytest.importorskip("llama_index.core")
from langchain_core.documents import Document as LangChainDocument
from llama_index.core.schema import NodeWithScore, TextNode

from langchain_lingua import SkeletonOfThoughtChain
from lingua_core import Document, PromptCompressor
from lingua_core.skeleton import ContextOptions, SkeletonOfThought
from lingua_core.skeleton.summary import answer_summary
from llamaindex_lingua import SkeletonQueryEngine, SkeletonSynthesizer
from scripted_chat_model import ScriptedChatModel
from scripted_llama import ChatLlama, CompletionLlama
from skeleton_script import QUESTION, core_model, prompt_of

TEXTS = {
    "commute": "Commuting costs an hour a day. Nobody misses the traffic. Buses are full at eight.",
    "quiet": "Quiet rooms help with work that needs thought. Open-plan offices are loud. Coffee is free.",
    "lonely": "Lonely people should meet their colleagues in person. Tea helps a little.",
    "bakery": "The bakery opens at six. Bread is baked on site. Rolls are sold out by nine.",
}
COMMON: list[dict[str, Any]] = [
    {},
    {"contexts": "per-point"},
    {"contexts": "shared", "max_concurrency": 2},
    {"max_points": 3, "style": "headings"},
    {"dependencies": "infer", "points_per_request": 2},
    {"router": "never"},
    {"router": "auto", "early_launch": False},
    {"contexts": ContextOptions(mode="per-point", context_tokens=400), "prompts": "completion"},
]


def told(summary: dict[str, Any], text: str) -> dict[str, Any]:
    """What must be the same: all but times, and tokens, which every model counts in its own way."""
    found = copy.deepcopy(summary)
    for own in ("timings", "usage", "accounting"):
        del found[own]
    return {**found, "text": text}


def prompts_of(model: Any) -> list[str]:
    return sorted(call["prompt"] for call in model.calls)


@pytest.mark.parametrize("with_documents", [True, False], ids=["documents", "alone"])
@pytest.mark.parametrize("options", COMMON, ids=str)
async def test_core_and_adapters_agree(options: dict[str, Any], with_documents: bool) -> None:
    options = {"router": "always", **options, "compressor": PromptCompressor("lexical")}
    core = core_model()
    answer = SkeletonOfThought(core, **options).answer(
        QUESTION,
        documents=[Document(text, id=name, title=name.title()) for name, text in TEXTS.items()]
        if with_documents
        else None,
    )
    expected = told(answer_summary(answer), answer.text)
    assert answer.text

    chat_model = ScriptedChatModel()
    chain = SkeletonOfThoughtChain(llm=chat_model, **options)
    documents = [
        LangChainDocument(text, id=name, metadata={"title": name.title()}) for name, text in TEXTS.items()
    ]
    given = {"question": QUESTION, "documents": documents} if with_documents else QUESTION
    for message in (chain.invoke(given), await chain.ainvoke(given)):
        assert told(message.response_metadata["lingua"], str(message.text)) == expected

    nodes = [
        NodeWithScore(node=TextNode(id_=name, text=text, metadata={"title": name.title()}))
        for name, text in TEXTS.items()
    ]
    for llm in (ChatLlama(), CompletionLlama()):
        synthesizer = SkeletonSynthesizer(llm, **options)
        if with_documents:
            responses = [
                synthesizer.synthesize(QUESTION, nodes),
                await synthesizer.asynthesize(QUESTION, nodes),
            ]
        else:
            engine = SkeletonQueryEngine(response_synthesizer=synthesizer)
            responses = [engine.query(QUESTION), await engine.aquery(QUESTION)]
        for response in responses:
            found = told(response.metadata["lingua"], response.response)  # type: ignore[index, union-attr, arg-type]
            if not with_documents:
                assert found["notes"][0] == "There were no nodes: answered without."
                del found["notes"][0]
            assert found == expected

    # Chat models are asked the very same.
    asked = sorted(prompt_of(request) for request in core.requests)
    assert prompts_of(chat_model) == sorted(asked * 2)
