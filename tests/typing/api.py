"""Never run: pins the public types, checked by pyright."""

from typing import Any, assert_type

from langchain_core.documents import Document as LangChainDocument
from langchain_core.messages import BaseMessage
from langchain_core.retrievers import BaseRetriever
from langchain_core.tools import BaseTool

from langchain_lingua import (
    CompressToolResultsEdit,
    LinguaCompressor,
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
    Span,
    TokenCounter,
)
from lingua_core.removed import InMemoryStore, RemovedStore, removed_tool
from lingua_core.scorers import PassageScores, Scorer, ScoringTask


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
