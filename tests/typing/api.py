"""Never run: pins the public types, checked by pyright."""

from collections.abc import AsyncGenerator, Generator
from typing import Any, assert_type

from langchain.agents.middleware import AgentMiddleware
from langchain.agents.middleware.context_editing import ContextEdit
from langchain_core.documents import Document as LangChainDocument
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from llama_index.core.base.response.schema import RESPONSE_TYPE
from llama_index.core.indices.base import BaseIndex
from llama_index.core.llms import LLM as LlamaLLM
from llama_index.core.query_engine import BaseQueryEngine
from llama_index.core.response_synthesizers import BaseSynthesizer
from llama_index.core.schema import NodeWithScore
from llama_index.core.tools import QueryEngineTool

from langchain_lingua import (
    CompressToolResultsEdit,
    LinguaCompressor,
    SkeletonOfThoughtChain,
    compress_documents,
    compress_prompt,
)
from langchain_lingua.agents import CompressToolResultsMiddleware, get_original_tool
from lingua_core import (
    Budget,
    CompressedDocument,
    CompressionResult,
    Document,
    Note,
    PromptCompressor,
    Recovered,
    RemovalNoteOptions,
    RemovedPart,
    ScoredSegment,
    Segment,
    SkeletonOfThought,
    Span,
    TokenCounter,
)
from lingua_core.llms import LLM, ConcurrencyLimit, Message, RetryPolicy, ScriptedLLM, Usage, WrittenAnswer
from lingua_core.removed import InMemoryStore, RemovedStore, removed_tool
from lingua_core.scorers import PassageScores, Scorer, ScoringTask
from lingua_core.skeleton import (
    Accounting,
    Citation,
    ContextOptions,
    Event,
    Expansion,
    FixedContext,
    PointDelta,
    RouteDecision,
    Skeleton,
    SkeletonAnswer,
)
from lingua_core.skeleton.prompts import get_prompts
from lingua_core.skeleton.routing import EmbeddedRouter, LLMRouter, LoadAwareRouter, Router, RuleRouter
from llamaindex_lingua import (
    LinguaPostprocessor,
    PointDeltaEvent,
    SkeletonEndEvent,
    SkeletonQueryEngine,
    SkeletonSynthesizer,
)


def compression(documents: list[str | Document]) -> None:
    compressor = PromptCompressor("extract", token_counter=len, protect=["numbers"])
    result = compressor.compress(documents, "q", target_tokens=100)
    assert_type(result, CompressionResult)
    assert_type(result.text, str)
    assert_type(result.documents, tuple[CompressedDocument, ...])
    assert_type(result.dropped, tuple[CompressedDocument, ...])
    assert_type(result.rate, float)
    assert_type(result.ratio, float)
    assert_type(result.budget, Budget)
    assert_type(result.notes, tuple[Note, ...])
    assert_type(result.recover("answer"), list[Recovered])
    assert_type(result.to_html(), str)
    assert_type(result.to_dict(), dict[str, Any])
    document = result.documents[0]
    assert_type(document.spans, tuple[Span, ...])
    assert_type(document.segments, tuple[ScoredSegment, ...])
    assert_type(document.id, str | None)
    assert_type(document.score, float)
    assert_type(document.source, Document)
    assert_type(compressor.compress_batch([documents], ["q"], rate=0.5), list[CompressionResult])
    compressor.compress(["a"], threshold=0.5)
    PromptCompressor("nope")  # pyright: ignore[reportArgumentType]  # only the documented methods


async def asynchronous(compressor: PromptCompressor) -> None:
    assert_type(await compressor.acompress(["a"], "q", rate=0.5), CompressionResult)


class OwnCounter:
    """Satisfies the protocol without inheriting."""

    name = "own"

    def count(self, texts: "list[str] | tuple[str, ...] | Any") -> list[int]:
        return [len(text) for text in texts]


class OwnScorer:
    """Satisfies the protocol without inheriting."""

    name = "own"
    requires_query = False
    default_threshold = 0.5

    def score(self, tasks: Any) -> list[list[PassageScores]]:
        return []


class OwnSegmenter:
    """Satisfies the protocol without inheriting."""

    def segment(self, text: str) -> list[Segment]:
        return [Segment(0, len(text))]


def injection(task: ScoringTask) -> None:
    counter: TokenCounter = OwnCounter()
    scorer: Scorer = OwnScorer()
    PromptCompressor(model=scorer, token_counter=counter, segmenter=OwnSegmenter())
    store: RemovedStore = InMemoryStore()
    noted = PromptCompressor(removal_note=RemovalNoteOptions(per="document"), removed_store=store)
    assert_type(noted.compress(["text"]).removed, tuple[RemovedPart, ...])
    assert_type(removed_tool(store)("r1"), str)
    assert_type(task.query, str | None)


def langchain(retriever: BaseRetriever, documents: list[LangChainDocument]) -> None:
    compressor = LinguaCompressor(target_tokens=100, keep_empty=True, token_counter=len)
    assert_type(compressor.compress_documents(documents, "q"), list[LangChainDocument])
    assert_type(compressor.core, PromptCompressor)
    step = compress_documents(compressor, retriever=retriever, query_key="asked")
    assert_type(step.invoke("q"), list[LangChainDocument])
    assert_type(step.batch([{"asked": "q"}]), list[list[LangChainDocument]])
    assert_type(compress_prompt(compressor, keep_last=0).invoke("prompt"), list[BaseMessage])
    assert_type(get_original_tool({}), BaseTool)
    CompressToolResultsMiddleware(compressor, query="arguments", store="agent")
    CompressToolResultsEdit(compressor=compressor, trigger=1000)


class OwnRouter:
    """Satisfies the protocol without inheriting."""

    def route(self, question: str, *, has_documents: bool = False) -> RouteDecision:
        return RouteDecision(use_skeleton=has_documents, probability=None, reason="documents")


def skeleton(documents: list[str | Document]) -> None:
    llm: LLM = ScriptedLLM(WrittenAnswer(points=(("a", "b"),)))
    routers: list[Router] = [OwnRouter(), EmbeddedRouter(), LLMRouter(llm), RuleRouter()]
    sot = SkeletonOfThought(
        llm,
        router=routers[0],
        contexts=ContextOptions(mode="per-point", context_tokens=800),
        limit=ConcurrencyLimit(4),
        retry=RetryPolicy(max_attempts=2),
    )
    answer = sot.answer("q", documents=documents, history=[Message("assistant", "Hello.")])
    assert_type(answer, SkeletonAnswer)
    assert_type(answer.skeleton, Skeleton | None)
    assert_type(answer.expansions, tuple[Expansion, ...])
    assert_type(answer.citations, tuple[Citation, ...])
    assert_type(answer.accounting, Accounting | None)
    assert_type(answer.usage, Usage)
    assert_type(sot.stream("q", context=FixedContext("text")), Generator[Event])
    assert_type(sot.astream([Message("user", "q")]), AsyncGenerator[Event])
    for event in sot.stream("q"):
        if isinstance(event, PointDelta):
            assert_type(event.index, int)
    SkeletonOfThought(llm, router="sometimes")  # pyright: ignore[reportArgumentType]  # only the documented names
    SkeletonOfThought(llm, router=LoadAwareRouter(EmbeddedRouter(), load=lambda: 0.5, limit=0.9))


async def skeleton_of_langchain(model: BaseChatModel, documents: list[LangChainDocument]) -> None:
    chain = SkeletonOfThoughtChain(
        llm=model, documents=documents, compressor=LinguaCompressor(), router="llm"
    )
    assert_type(chain.invoke("q"), AIMessage)
    assert_type(await chain.ainvoke({"question": "q", "documents": documents}), AIMessage)
    assert_type(chain.batch(["q", [("human", "q")]]), list[AIMessage])
    for chunk in chain.stream("q"):
        assert_type(chunk, AIMessageChunk)
    async for chunk in chain.astream("q"):
        assert_type(chunk, AIMessageChunk)
    bound: Runnable[Any, Any] = model.bind(user="me").with_retry().with_fallbacks([model])
    SkeletonOfThoughtChain(llm=bound, contexts=ContextOptions(), prompts=get_prompts("chat"))
    assert_type(chain.model_copy(update={"max_points": 3}), SkeletonOfThoughtChain)
    assert_type((chain | StrOutputParser()).invoke("q"), str)
    SkeletonOfThoughtChain(llm=model, style="songs")  # pyright: ignore[reportArgumentType]  # only the documented styles


def agents_of_langchain() -> None:
    edit: ContextEdit = CompressToolResultsEdit(keep=1)
    middleware: AgentMiddleware[Any, Any, Any] = CompressToolResultsMiddleware(store={})
    assert_type(middleware.tools[0], BaseTool)
    del edit


async def llamaindex(index: BaseIndex[Any], llm: LlamaLLM, nodes: list[NodeWithScore]) -> None:
    postprocessor = LinguaPostprocessor(target_tokens=100, token_counter="settings")
    assert_type(postprocessor.core, PromptCompressor)
    assert_type(postprocessor.postprocess_nodes(nodes, query_str="q"), list[NodeWithScore])
    synthesizer = SkeletonSynthesizer(
        llm, router=OwnRouter(), compressor=postprocessor.core, contexts="shared", streaming=True
    )
    general: BaseSynthesizer = synthesizer
    assert_type(general.synthesize("q", nodes), RESPONSE_TYPE)
    assert_type(synthesizer.answer("q"), RESPONSE_TYPE)
    assert_type(await synthesizer.aanswer("q"), RESPONSE_TYPE)
    engine: BaseQueryEngine = SkeletonQueryEngine(
        index.as_retriever(), response_synthesizer=synthesizer, node_postprocessors=[postprocessor]
    )
    assert_type(await engine.aquery("q"), RESPONSE_TYPE)
    assert_type(QueryEngineTool.from_defaults(engine), QueryEngineTool)
    SkeletonSynthesizer("gpt")  # pyright: ignore[reportArgumentType]  # no names


def events_of_llamaindex(delta: PointDeltaEvent, end: SkeletonEndEvent) -> None:
    assert_type(delta.text, str)
    assert_type(end.summary, dict[str, Any])
