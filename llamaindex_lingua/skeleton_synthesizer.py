"""`SkeletonSynthesizer`: the core's Skeleton-of-Thought as LlamaIndex's response synthesizer."""

import contextvars
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import aclosing, contextmanager
from typing import Any

from llama_index.core import Settings
from llama_index.core.base.response.schema import (
    RESPONSE_TYPE,
    AsyncStreamingResponse,
    Response,
    StreamingResponse,
)
from llama_index.core.callbacks import CallbackManager, CBEventType, EventPayload
from llama_index.core.instrumentation import (
    get_dispatcher,  # pyright: ignore[reportPrivateImportUsage]  # the documented place, a re-export
)
from llama_index.core.instrumentation.events.synthesis import SynthesizeEndEvent, SynthesizeStartEvent
from llama_index.core.llms import LLM
from llama_index.core.prompts.mixin import PromptDictType
from llama_index.core.response_synthesizers import BaseSynthesizer
from llama_index.core.schema import NodeWithScore, QueryType
from llama_index.core.types import RESPONSE_TEXT_TYPE

from lingua_core import InputError, PromptCompressor, TokenCounter
from lingua_core.llms import ConcurrencyLimit, RetryPolicy
from lingua_core.skeleton import (
    ContextMode,
    ContextOptions,
    PointDelta,
    SkeletonOfThought,
)
from lingua_core.skeleton.driver.options import Dependencies, OnFailure, Repeats
from lingua_core.skeleton.prompts import PresetName, SkeletonPrompts, get_prompts
from lingua_core.skeleton.rendering import AnswerStyle
from lingua_core.skeleton.routing import Router, RouterName
from llamaindex_lingua.contexts import ain_context, in_context
from llamaindex_lingua.counting import SettingsCounter
from llamaindex_lingua.llm import LlamaIndexLLM, checked_llm
from llamaindex_lingua.skeleton_prompts import as_prompts, updated
from llamaindex_lingua.skeleton_writing import Writing

__all__ = ["SkeletonSynthesizer"]

dispatcher = get_dispatcher(__name__)


class SkeletonSynthesizer(BaseSynthesizer):
    """Writes long answers over nodes by way of a skeleton whose points are written side by side.

    Each point is written from what bears on it. A response's metadata hold, under `lingua`, how it came
    about: skeleton, route and reason, points, citations, usage, timings, notes; its `source_nodes` are copies
    whose metadata hold, under `lingua_citations`, what was read of the node, by which points, and which cite
    it. Both are complete when a streamed response is.

    The LLM is called through its public methods: its rate limiter, retries, callbacks and events are as ever,
    and its spans lie within the synthesizer's, also in streams that are read later. `SkeletonStartEvent`,
    `SkeletonRouteEvent`, `SkeletonReadyEvent`, `PointDeltaEvent`, `PointEndEvent` and `SkeletonEndEvent` tell
    of the answer. Prompts can be read and replaced with `get_prompts` and `update_prompts`.

    Without nodes it says "Empty Response", as all synthesizers do; `answer` answers from the LLM alone, and
    `SkeletonQueryEngine` uses that. Between answers nothing is kept.

    Args:
        llm: A chat or completion LLM; None for `Settings.llm`.
        streaming: Whether responses are streamed, in the order of the answer.
        router: Decides whether there is to be a skeleton: "auto", without a call; "llm"; "always"; "never";
            or a `lingua_core` router.
        compressor: Cuts nodes for each call, such as the `core` of a `LinguaPostprocessor`; None for the
            embedded extractor.
        contexts: How nodes become contexts: "auto", "per-point", "shared", or
            `lingua_core.skeleton.ContextOptions`.
        title_key: Metadata key whose value is a node's title; None for no titles.
        prompts: The name of a preset, or templates of one's own.
        style: How points open in the answer.
        max_concurrency: Calls of one answer at once.
        limit: A further limit that several synthesizers share.
        max_points: Of a skeleton.
        max_tokens: Of a direct answer, for LLMs with a field `max_tokens`; None for the LLM's own limit.
        max_tokens_per_point: The same of each point.
        skeleton_max_tokens: The same of a skeleton.
        temperature: Of all calls; None for the LLM's own.
        seed: Of all calls, for LLMs with a field `seed`; and of the waits between attempts.
        stop: Ends points and direct answers.
        points_per_request: Points that one call writes.
        dependencies: "none", "infer" (a conclusion waits for the others) or "model".
        early_launch: Whether points are launched before the skeleton is complete.
        on_failure: What becomes of points that fail for good: "fallback", "mark" or "raise".
        failure_mark: What "mark" writes.
        retry: When failed calls are repeated, beside what the LLM itself does; None for the core's policy.
        idle_seconds: How long a call may send nothing.
        point_deadline: Seconds for each call that writes points.
        deadline: Seconds for an answer; then it is returned as it is.
        hedge: Whether a direct answer is begun with the skeleton.
        route_alongside: Whether the skeleton is begun while the router's call ("llm") runs.
        stitch: Whether a last call writes transitions and removes repeats.
        repeats: Whether repeated sentences are kept, noted or removed.
        token_counter: Counts where the LLM does not say what it used; None for an estimate by length,
            "settings" for `Settings.tokenizer`.
        callback_manager: For legacy callbacks; None for that of `Settings`.
        empty_response: What is said without nodes.

    Raises:
        lingua_core.InputError: If an option cannot be used; see the message.
    """

    def __init__(
        self,
        llm: LLM | None = None,
        *,
        streaming: bool = False,
        router: RouterName | Router = "auto",
        compressor: PromptCompressor | None = None,
        contexts: ContextOptions | ContextMode = "auto",
        title_key: str | None = "title",
        prompts: PresetName | SkeletonPrompts = "chat",
        style: AnswerStyle = "numbered",
        max_concurrency: int = 8,
        limit: ConcurrencyLimit | None = None,
        max_points: int = 12,
        max_tokens: int | None = None,
        max_tokens_per_point: int | None = 256,
        skeleton_max_tokens: int = 512,
        temperature: float | None = None,
        seed: int | None = None,
        stop: Sequence[str] = (),
        points_per_request: int = 1,
        dependencies: Dependencies = "none",
        early_launch: bool = True,
        on_failure: OnFailure = "fallback",
        failure_mark: str = "[This point could not be written.]",
        retry: RetryPolicy | None = None,
        idle_seconds: float | None = 120.0,
        point_deadline: float | None = None,
        deadline: float | None = None,
        hedge: bool = False,
        route_alongside: bool = False,
        stitch: bool = False,
        repeats: Repeats = "note",
        token_counter: str | Callable[[str], int] | TokenCounter | None = None,
        callback_manager: CallbackManager | None = None,
        empty_response: str | None = None,
    ) -> None:
        checked = checked_llm(llm if llm is not None else Settings.llm)
        super().__init__(llm=checked, callback_manager=callback_manager, streaming=streaming)
        # LlamaIndex's own attribute for it is younger than 0.14.0.
        self._without_nodes = "Empty Response" if empty_response is None else empty_response
        if compressor is not None and not isinstance(compressor, PromptCompressor):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise InputError(
                f"compressor must be a lingua_core.PromptCompressor, got {type(compressor).__name__}: "
                f"{compressor!r:.80}. A LinguaPostprocessor goes into node_postprocessors, its `core` here."
            )
        self._prompts = prompts if isinstance(prompts, SkeletonPrompts) else get_prompts(prompts)
        self._title_key = title_key
        bridge = LlamaIndexLLM(checked)
        if temperature is not None and not bridge.declares("temperature"):
            raise InputError(
                f"temperature={temperature!r} cannot be passed on: {bridge.name} declares no field of that "
                "name. Set it on the LLM itself."
            )

        def engine(prompts: SkeletonPrompts) -> SkeletonOfThought:
            return SkeletonOfThought(
                bridge,
                router=router,
                prompts=prompts,
                style=style,
                max_concurrency=max_concurrency,
                limit=limit,
                max_points=max_points,
                max_tokens=max_tokens,
                max_tokens_per_point=max_tokens_per_point,
                skeleton_max_tokens=skeleton_max_tokens,
                temperature=temperature,
                seed=seed,
                stop=stop,
                points_per_request=points_per_request,
                dependencies=dependencies,
                early_launch=early_launch,
                on_failure=on_failure,
                failure_mark=failure_mark,
                retry=retry,
                idle_seconds=idle_seconds,
                point_deadline=point_deadline,
                deadline=deadline,
                hedge=hedge,
                route_alongside=route_alongside,
                stitch=stitch,
                repeats=repeats,
                compressor=compressor,
                contexts=contexts,
                token_counter=_counter(token_counter),
            )

        self._make_engine = engine
        self._engine = engine(self._prompts)

    # Prompts

    def _get_prompts(self) -> PromptDictType:
        return as_prompts(self._prompts)

    def _update_prompts(self, prompts_dict: PromptDictType) -> None:
        self._prompts = updated(self._prompts, prompts_dict)
        self._engine = self._make_engine(self._prompts)

    # Answers over nodes

    def synthesize(
        self,
        query: QueryType,
        nodes: list[NodeWithScore],
        additional_source_nodes: Sequence[NodeWithScore] | None = None,
        **response_kwargs: Any,  # noqa: ANN401  # LlamaIndex's signature
    ) -> RESPONSE_TYPE:
        """The response to a query over nodes; may be called where an event loop runs.

        Args:
            query: The question.
            nodes: What to answer from; not changed.
            additional_source_nodes: Further nodes for the response's `source_nodes`.
            response_kwargs: Without influence.

        Raises:
            lingua_core.AnswerError: If there is no answer; it carries what there is.
        """
        if not nodes:
            return _told(query, self._empty())
        return self._respond(query, nodes, additional_source_nodes or ())

    async def asynthesize(
        self,
        query: QueryType,
        nodes: list[NodeWithScore],
        additional_source_nodes: Sequence[NodeWithScore] | None = None,
        **response_kwargs: Any,  # noqa: ANN401  # LlamaIndex's signature
    ) -> RESPONSE_TYPE:
        """`synthesize` in the caller's event loop."""
        if not nodes:
            return _told(query, self._aempty())
        return await self._arespond(query, nodes, additional_source_nodes or ())

    @dispatcher.span
    def answer(self, query: QueryType) -> RESPONSE_TYPE:
        """The response from the LLM alone."""
        return self._respond(query)

    @dispatcher.span
    async def aanswer(self, query: QueryType) -> RESPONSE_TYPE:
        """`answer` in the caller's event loop."""
        return await self._arespond(query)

    def get_response(
        self,
        query_str: str,
        text_chunks: Sequence[str],
        **response_kwargs: Any,  # noqa: ANN401  # LlamaIndex's signature
    ) -> RESPONSE_TEXT_TYPE:
        """The text alone, over texts alone: without ids, titles and metadata."""
        given = [text for text in text_chunks if text.strip()] or None
        deltas = (
            event.text
            for event in self._engine.stream(query_str, documents=given)
            if isinstance(event, PointDelta)
        )
        if self._streaming:
            return in_context(deltas, contextvars.copy_context())
        return "".join(deltas)

    async def aget_response(
        self,
        query_str: str,
        text_chunks: Sequence[str],
        **response_kwargs: Any,  # noqa: ANN401  # LlamaIndex's signature
    ) -> RESPONSE_TEXT_TYPE:
        """`get_response` in the caller's event loop."""
        given = [text for text in text_chunks if text.strip()] or None
        events = self._engine.astream(query_str, documents=given)

        async def deltas() -> AsyncGenerator[str]:
            async with aclosing(events):
                async for event in events:
                    if isinstance(event, PointDelta):
                        yield event.text

        if self._streaming:
            return ain_context(deltas(), contextvars.copy_context())
        return "".join([text async for text in deltas()])

    # One response

    def _respond(
        self,
        query: QueryType,
        nodes: Sequence[NodeWithScore] = (),
        additional: Sequence[NodeWithScore] = (),
    ) -> RESPONSE_TYPE:
        with self._responding(query, nodes, additional) as one:
            texts = one.work.run(self._engine)
            if self._streaming:
                stream = in_context(texts, contextvars.copy_context())
                one.response = StreamingResponse(stream, one.work.source_nodes, one.work.metadata)
            else:
                one.response = Response("".join(texts), one.work.source_nodes, one.work.metadata)
        return one.response

    async def _arespond(
        self,
        query: QueryType,
        nodes: Sequence[NodeWithScore] = (),
        additional: Sequence[NodeWithScore] = (),
    ) -> RESPONSE_TYPE:
        with self._responding(query, nodes, additional) as one:
            texts = one.work.arun(self._engine)
            if self._streaming:
                stream = ain_context(texts, contextvars.copy_context())
                one.response = AsyncStreamingResponse(stream, one.work.source_nodes, one.work.metadata)
            else:
                text = "".join([text async for text in texts])
                one.response = Response(text, one.work.source_nodes, one.work.metadata)
        return one.response

    @contextmanager
    def _responding(
        self, query: QueryType, nodes: Sequence[NodeWithScore], additional: Sequence[NodeWithScore]
    ) -> Generator["_Responding"]:
        """What is told of a response, before and after: to instrumentation, and to legacy callbacks."""
        dispatcher.event(SynthesizeStartEvent(query=query))
        asked = query if isinstance(query, str) else query.query_str
        one = _Responding(Writing(asked, nodes, additional, self._title_key))
        payload: dict[str, Any] = {EventPayload.QUERY_STR: asked}
        with self._callback_manager.event(CBEventType.SYNTHESIZE, payload=payload) as event:
            yield one
            event.on_end(payload={EventPayload.RESPONSE: one.response})
        dispatcher.event(SynthesizeEndEvent(query=query, response=one.response))

    def _empty(self) -> RESPONSE_TYPE:
        if self._streaming:
            return StreamingResponse(response_gen=(text for text in [self._without_nodes]))
        return Response(self._without_nodes)

    def _aempty(self) -> RESPONSE_TYPE:
        async def texts() -> AsyncGenerator[str]:
            yield self._without_nodes

        if self._streaming:
            return AsyncStreamingResponse(response_gen=texts())
        return Response(self._without_nodes)


class _Responding:
    """A response that is being made."""

    response: RESPONSE_TYPE

    def __init__(self, work: Writing) -> None:
        self.work = work


def _told(query: QueryType, response: RESPONSE_TYPE) -> RESPONSE_TYPE:
    dispatcher.event(SynthesizeStartEvent(query=query))
    dispatcher.event(SynthesizeEndEvent(query=query, response=response))
    return response


def _counter(
    spec: str | Callable[[str], int] | TokenCounter | None,
) -> str | Callable[[str], int] | TokenCounter | None:
    return SettingsCounter() if spec == "settings" else spec
