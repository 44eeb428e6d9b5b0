"""`SkeletonOfThoughtChain`: the core's engine as a step of LangChain, with any chat model."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, cast

from langchain_core.callbacks import (
    AsyncCallbackManagerForChainRun,
    CallbackManagerForChainRun,
    adispatch_custom_event,
    dispatch_custom_event,
)
from langchain_core.documents import Document
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.runnables import Runnable, RunnableConfig, RunnableSerializable, patch_config
from langchain_core.runnables.config import get_config_list, merge_configs
from pydantic import ConfigDict, PrivateAttr, SkipValidation, ValidationError, WithJsonSchema

from langchain_lingua.chat_model import ChatModelLLM, checked_model, retrying_of
from langchain_lingua.compressor import LinguaCompressor
from langchain_lingua.conversion import to_core
from langchain_lingua.skeleton_inputs import Asked, asked
from langchain_lingua.skeleton_messages import (
    answer_message,
    call_labels,
    delta_chunk,
    event_data,
    last_chunk,
)
from lingua_core import InputError, PromptCompressor, TokenCounter
from lingua_core.carrying import wrapped_error
from lingua_core.llms import ChatRequest, ConcurrencyLimit, RetryPolicy
from lingua_core.skeleton import (
    AnswerDone,
    ContextMode,
    ContextOptions,
    Event,
    PointDelta,
    SkeletonAnswer,
    SkeletonOfThought,
)
from lingua_core.skeleton.driver.options import Dependencies, OnFailure, Repeats
from lingua_core.skeleton.prompts import PresetName, SkeletonPrompts
from lingua_core.skeleton.rendering import AnswerStyle
from lingua_core.skeleton.routing import Router, RouterName

__all__ = ["SkeletonOfThoughtChain"]

Input = LanguageModelInput | Mapping[str, Any]
_Object = WithJsonSchema({"type": "null"})


class SkeletonOfThoughtChain(RunnableSerializable[Input, AIMessage]):
    """Answers with a chat model by way of a skeleton whose points are written side by side.

    Takes what a chat model takes, or a mapping with that under "question", "input", "query", "messages" or
    "prompt", with documents (or a text) under "documents" or "context", and earlier messages under
    "chat_history" or "history". Returns an `AIMessage` whose `usage_metadata` is the sum of all calls, and
    whose `response_metadata["lingua"]` says how the answer came about: skeleton, route and reason, points,
    citations, timings, notes, `is_complete`. Streams the text in the order of the answer.

    In traces it is one run, with a child for each call of the model: "plan_skeleton", "expand_point",
    "direct_answer", "route_question", "write_missing_points", "stitch_answer", whose metadata hold
    `lingua_call` and `lingua_points`; and with the custom events "lingua_route" and "lingua_skeleton".
    `max_concurrency` of a config holds for all calls of an answer, and of a batch, in every mode. No call
    outlives a stream that is closed or a task that is cancelled.

    The model's `bind`, `with_config`, `with_fallbacks` and rate limiter stay in force. Retrying is the
    chain's (`max_attempts`), for LangChain's does not cover streams: of a model with `with_retry` it takes
    the types of exceptions and the number of attempts.

    Attributes:
        llm: The chat model, or what `bind` and the like made of one.
        router: Decides whether there is to be a skeleton: "auto", without a call; "llm"; "always"; "never";
            or a `lingua_core` router.
        documents: Documents to answer from, for inputs that hold none.
        compressor: Cuts documents for each call: a `LinguaCompressor`, or a `lingua_core.PromptCompressor`;
            None for the embedded extractor. A `LinguaCompressor`'s `target_tokens` stands for
            `context_tokens`; `rate`, `threshold` and `order` have no influence.
        contexts: How documents become contexts: "auto", "per-point", "shared", or
            `lingua_core.skeleton.ContextOptions`.
        context_tokens: Of all contexts of an answer together; None for as many as one direct call with the
            uncompressed documents would read in all.
        title_key: Metadata key whose value is the document's title; None for no titles.
        prompts: The name of a preset, or `lingua_core` templates of one's own.
        style: How points open in the answer: "numbered", or another of the core's.
        max_concurrency: Calls of one answer at once; a config's `max_concurrency` can only lower it.
        max_points: Of a skeleton.
        max_tokens: Of a direct answer, for models with a field `max_tokens`; None for the model's own limit.
        max_tokens_per_point: The same of each point.
        skeleton_max_tokens: The same of a skeleton.
        temperature: Of all calls; None for the model's own.
        stop: Ends points and direct answers.
        points_per_request: Points that one call writes.
        dependencies: "none", "infer" (a conclusion waits for the others) or "model".
        early_launch: Whether points are launched before the skeleton is complete.
        on_failure: What becomes of points that fail for good: "fallback", "mark" or "raise".
        max_attempts: Of each call, if errors are of those that pass; None for the model's `with_retry`, or 4.
        idle_seconds: How long a call may send nothing.
        point_deadline: Seconds for each call that writes points.
        deadline: Seconds for an answer; then it is returned as it is.
        hedge: Whether a direct answer is begun with the skeleton.
        route_alongside: Whether the skeleton is begun while the router's call runs.
        stitch: Whether a last call writes transitions and removes repeats.
        repeats: Whether repeated sentences are kept, noted or removed.
        token_counter: Counts where the model does not say what it used; None for an estimate by length.

    Raises:
        lingua_core.InputError: On construction, if an option cannot be used; see the message.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", frozen=True)

    # The core checks its own options, with messages that say what to do.
    llm: Annotated[SkipValidation[Runnable[LanguageModelInput, Any]], _Object]
    router: Annotated[SkipValidation[RouterName | Router], WithJsonSchema({"type": "string"})] = "auto"
    documents: SkipValidation[Sequence[Document] | None] = None
    compressor: Annotated[SkipValidation[LinguaCompressor | PromptCompressor | None], _Object] = None
    contexts: Annotated[SkipValidation[ContextMode | ContextOptions], WithJsonSchema({"type": "string"})] = (
        "auto"
    )
    context_tokens: SkipValidation[int | None] = None
    title_key: str | None = "title"
    prompts: Annotated[SkipValidation[PresetName | SkeletonPrompts], WithJsonSchema({"type": "string"})] = (
        "chat"
    )
    style: SkipValidation[AnswerStyle] = "numbered"
    max_concurrency: SkipValidation[int] = 8
    max_points: SkipValidation[int] = 12
    max_tokens: SkipValidation[int | None] = None
    max_tokens_per_point: SkipValidation[int | None] = 256
    skeleton_max_tokens: SkipValidation[int] = 512
    temperature: SkipValidation[float | None] = None
    stop: SkipValidation[Sequence[str]] = ()
    points_per_request: SkipValidation[int] = 1
    dependencies: SkipValidation[Dependencies] = "none"
    early_launch: SkipValidation[bool] = True
    on_failure: SkipValidation[OnFailure] = "fallback"
    max_attempts: SkipValidation[int | None] = None
    idle_seconds: SkipValidation[float | None] = 120.0
    point_deadline: SkipValidation[float | None] = None
    deadline: SkipValidation[float | None] = None
    hedge: SkipValidation[bool] = False
    route_alongside: SkipValidation[bool] = False
    stitch: SkipValidation[bool] = False
    repeats: SkipValidation[Repeats] = "note"
    token_counter: Annotated[
        SkipValidation[str | Callable[[str], int] | TokenCounter | None],
        WithJsonSchema({"type": ["string", "null"]}),
    ] = None

    _compressor: PromptCompressor | None = PrivateAttr(None)
    _context_options: ContextOptions = PrivateAttr()
    _notes: tuple[str, ...] = PrivateAttr(())
    _limit: ConcurrencyLimit | None = PrivateAttr(None)

    if not TYPE_CHECKING:  # type checkers read the constructor's signature off the fields

        def __init__(self, **options: object) -> None:
            try:
                super().__init__(**options)
            except ValidationError as error:
                failure = wrapped_error(error.errors()) or error
            else:
                return
            raise failure

    def model_post_init(self, context: object, /) -> None:
        """Has the core check every option; nothing is asked yet."""
        checked_model(self.llm)
        self._check_documents()
        self._compressor = self._make_compressor()
        self._context_options, self._notes = self._make_context_options()
        engine = self._engine({}, lambda request: {})
        if self.temperature is not None and not cast(ChatModelLLM, engine.llm).declares("temperature"):
            raise InputError(
                f"temperature={self.temperature!r} cannot be passed on: {engine.llm.name} declares no field "
                "of that name. Set it on the model itself."
            )

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Says that `langchain_core.load.dumps` may store it, if the model may be, too.

        Reviving takes `loads(text, allowed_objects=[SkeletonOfThoughtChain, ...],
        valid_namespaces=["langchain_lingua", ...])`. Options that hold objects (a router, templates, a
        core compressor) cannot be stored.
        """
        return True

    def invoke(
        self,
        input: Input,
        config: RunnableConfig | None = None,
        **kwargs: Any,  # noqa: ANN401  # LangChain's signature
    ) -> AIMessage:
        """The answer, at its end; may be called where an event loop runs.

        Raises:
            lingua_core.InputError: If the input has no question, or something that is no text.
            lingua_core.AnswerError: If there is no answer; it carries what there is.
        """
        return self._call_with_config(self._invoke, input, config)

    async def ainvoke(
        self,
        input: Input,
        config: RunnableConfig | None = None,
        **kwargs: Any,  # noqa: ANN401  # LangChain's signature
    ) -> AIMessage:
        """`invoke` in the caller's event loop."""
        return await self._acall_with_config(self._ainvoke, input, config)

    def stream(
        self,
        input: Input,
        config: RunnableConfig | None = None,
        **kwargs: Any,  # noqa: ANN401  # LangChain's signature
    ) -> Iterator[AIMessageChunk]:
        """The answer as it is written; the chunks, added up, are the message that `invoke` returns."""
        found: Any = self._transform_stream_with_config(iter([input]), self._stream, config)
        yield from found

    async def astream(
        self,
        input: Input,
        config: RunnableConfig | None = None,
        **kwargs: Any,  # noqa: ANN401  # LangChain's signature
    ) -> AsyncIterator[AIMessageChunk]:
        """`stream` in the caller's event loop."""

        async def inputs() -> AsyncIterator[Input]:
            yield input

        found: Any = self._atransform_stream_with_config(inputs(), self._astream, config)
        async with aclosing(found) as chunks:
            async for chunk in chunks:
                yield chunk

    def batch(
        self,
        inputs: list[Input],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,  # noqa: ANN401  # LangChain's signature
    ) -> list[AIMessage]:
        """Several answers; a config's `max_concurrency` holds for the calls of all of them together."""
        return super(SkeletonOfThoughtChain, self._sharing(config, len(inputs))).batch(
            inputs, config, return_exceptions=return_exceptions
        )

    async def abatch(
        self,
        inputs: list[Input],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,  # noqa: ANN401  # LangChain's signature
    ) -> list[AIMessage]:
        """`batch` in the caller's event loop."""
        return await super(SkeletonOfThoughtChain, self._sharing(config, len(inputs))).abatch(
            inputs, config, return_exceptions=return_exceptions
        )

    def batch_as_completed(  # pyright: ignore[reportIncompatibleMethodOverride]  # LangChain's has overloads
        self,
        inputs: Sequence[Input],
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,  # noqa: ANN401  # LangChain's signature
    ) -> Iterator[tuple[int, AIMessage | Exception]]:
        """`batch`, with each answer as it is ready."""
        found: Any = super(SkeletonOfThoughtChain, self._sharing(config, len(inputs))).batch_as_completed(
            inputs,
            config,
            return_exceptions=cast(Literal[False], return_exceptions),
        )
        yield from found

    async def abatch_as_completed(  # pyright: ignore[reportIncompatibleMethodOverride]  # LangChain's has overloads
        self,
        inputs: Sequence[Input],
        config: RunnableConfig | Sequence[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,  # noqa: ANN401  # LangChain's signature
    ) -> AsyncIterator[tuple[int, AIMessage | Exception]]:
        """`abatch`, with each answer as it is ready."""
        found: Any = super(SkeletonOfThoughtChain, self._sharing(config, len(inputs))).abatch_as_completed(
            inputs,
            config,
            return_exceptions=cast(Literal[False], return_exceptions),
        )
        async for item in found:
            yield item

    # One answer

    def _invoke(
        self, given: Input, run_manager: CallbackManagerForChainRun, config: RunnableConfig
    ) -> AIMessage:
        run = _Run(self._notes, run_id=str(run_manager.run_id))
        child = patch_config(config, callbacks=run_manager.get_child())
        with closing(self._events(asked(given), run, config, run_manager)) as events:
            for event in events:
                if data := event_data(event):
                    dispatch_custom_event(*data, config=child)
                run.note(event)
        return run.message()

    async def _ainvoke(
        self, given: Input, run_manager: AsyncCallbackManagerForChainRun, config: RunnableConfig
    ) -> AIMessage:
        run = _Run(self._notes, run_id=str(run_manager.run_id))
        child = patch_config(config, callbacks=run_manager.get_child())
        async with aclosing(self._aevents(asked(given), run, config, run_manager)) as events:
            async for event in events:
                if data := event_data(event):
                    await adispatch_custom_event(*data, config=child)
                run.note(event)
        return run.message()

    def _stream(
        self, inputs: Iterator[Input], run_manager: CallbackManagerForChainRun, config: RunnableConfig
    ) -> Iterator[AIMessageChunk]:
        (given,) = inputs
        run = _Run(self._notes, run_id=str(run_manager.run_id))
        with closing(self._events(asked(given), run, config, run_manager)) as events:
            for event in events:
                if data := event_data(event):
                    dispatch_custom_event(*data, config=config)
                if chunk := run.note(event):
                    yield chunk

    async def _astream(
        self,
        inputs: AsyncIterator[Input],
        run_manager: AsyncCallbackManagerForChainRun,
        config: RunnableConfig,
    ) -> AsyncIterator[AIMessageChunk]:
        (given,) = [one async for one in inputs]
        run = _Run(self._notes, run_id=str(run_manager.run_id))
        async with aclosing(self._aevents(asked(given), run, config, run_manager)) as events:
            async for event in events:
                if data := event_data(event):
                    await adispatch_custom_event(*data, config=config)
                if chunk := run.note(event):
                    yield chunk

    def _events(
        self,
        question: Asked,
        run: "_Run",
        config: RunnableConfig,
        run_manager: CallbackManagerForChainRun | AsyncCallbackManagerForChainRun,
    ) -> Any:  # noqa: ANN401  # a generator of events, to be closed
        engine = self._engine(config, _configure(config, run_manager))
        return engine.stream(
            question.question,
            history=question.history,
            context=question.context,
            documents=self._documents(question, run),
        )

    def _aevents(
        self,
        question: Asked,
        run: "_Run",
        config: RunnableConfig,
        run_manager: CallbackManagerForChainRun | AsyncCallbackManagerForChainRun,
    ) -> Any:  # noqa: ANN401  # a generator of events, to be closed
        engine = self._engine(config, _configure(config, run_manager))
        return engine.astream(
            question.question,
            history=question.history,
            context=question.context,
            documents=self._documents(question, run),
        )

    def _documents(self, question: Asked, run: "_Run") -> Any:  # noqa: ANN401  # documents of the core
        given = question.documents if question.documents is not None else self.documents
        if given is None or (question.context and question.documents is None):
            return None
        documents = to_core(given, self.title_key)
        if not any(document.text.strip() for document in documents):
            run.add_note(f"None of the {len(documents)} documents holds text: answered without.")
            return None
        return documents

    # The engine

    def _engine(
        self, config: RunnableConfig, configure: Callable[[ChatRequest], RunnableConfig]
    ) -> SkeletonOfThought:
        wished = config.get("max_concurrency")
        # A limit below 1 means none to LangChain's executors; the chain's own holds.
        most = min(self.max_concurrency, wished) if wished and wished > 0 else self.max_concurrency
        return SkeletonOfThought(
            ChatModelLLM(self.llm, configure),
            router=self.router,
            prompts=self.prompts,
            style=self.style,
            max_concurrency=most,
            limit=self._limit,
            max_points=self.max_points,
            max_tokens=self.max_tokens,
            max_tokens_per_point=self.max_tokens_per_point,
            skeleton_max_tokens=self.skeleton_max_tokens,
            temperature=self.temperature,
            stop=self.stop,
            points_per_request=self.points_per_request,
            dependencies=self.dependencies,
            early_launch=self.early_launch,
            on_failure=self.on_failure,
            retry=self._retry(),
            idle_seconds=self.idle_seconds,
            point_deadline=self.point_deadline,
            deadline=self.deadline,
            hedge=self.hedge,
            route_alongside=self.route_alongside,
            stitch=self.stitch,
            repeats=self.repeats,
            compressor=self._compressor,
            contexts=self._context_options,
            token_counter=self.token_counter,
        )

    def _retry(self) -> RetryPolicy:
        if self.max_attempts is not None:
            return RetryPolicy(max_attempts=self.max_attempts)
        retrying = retrying_of(self.llm)
        if retrying is None:
            return RetryPolicy()
        if not retrying.wait_exponential_jitter:
            return RetryPolicy(max_attempts=retrying.max_attempt_number, base_seconds=0, max_seconds=0)
        waits = retrying.exponential_jitter_params or {}
        base = waits.get("initial", RetryPolicy().base_seconds)
        return RetryPolicy(
            max_attempts=retrying.max_attempt_number,
            base_seconds=base,
            max_seconds=max(base, waits.get("max", RetryPolicy().max_seconds)),
        )

    def _check_documents(self) -> None:
        if self.documents is None:
            return
        if isinstance(self.documents, str) or not isinstance(self.documents, Sequence):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise InputError(
                f"documents must be a sequence of langchain_core.documents.Document, got "
                f"{self.documents!r:.80}."
            )
        to_core(self.documents, self.title_key)

    def _make_compressor(self) -> PromptCompressor | None:
        given: Any = self.compressor
        if isinstance(given, LinguaCompressor):
            return given.core
        if given is None or isinstance(given, PromptCompressor):
            return given
        raise InputError(
            f"compressor must be a LinguaCompressor or a lingua_core.PromptCompressor, got "
            f"{type(given).__name__}: {given!r:.80}."
        )

    def _make_context_options(self) -> tuple[ContextOptions, tuple[str, ...]]:
        if isinstance(self.contexts, ContextOptions):
            if self.context_tokens is not None:
                raise InputError("Give context_tokens, or contexts=ContextOptions(context_tokens=...).")
            return self.contexts, ()
        tokens, notes = self.context_tokens, ()
        options = ContextOptions(mode=self.contexts)
        if tokens is None and isinstance(self.compressor, LinguaCompressor):
            tokens = self.compressor.target_tokens
            least = options.least_tokens
            if tokens is not None and tokens < least:
                notes = (f"The compressor's target_tokens={tokens} is too little: {least} were used.",)
                tokens = least
        return ContextOptions(mode=self.contexts, context_tokens=tokens), notes

    def _sharing(self, config: Any, count: int) -> Self:  # noqa: ANN401  # of one run or of several
        """This chain, with one limit for all the calls of a batch if its config sets any."""
        configs = get_config_list(config, count) if count else []
        limits = [limit for one in configs if (limit := one.get("max_concurrency")) and limit > 0]
        if not limits:
            return self
        shared = self.model_copy()
        shared._limit = ConcurrencyLimit(min(limits))
        return shared


class _Run:
    """What one run has to report, as messages."""

    def __init__(self, notes: Sequence[str], *, run_id: str) -> None:
        self._notes = list(notes)
        # The form of LangChain's own ids; all chunks of a message share one.
        self._id = f"lc_run--{run_id}"
        self._answer: SkeletonAnswer | None = None

    def add_note(self, note: str) -> None:
        self._notes.append(note)

    def note(self, event: Event) -> AIMessageChunk | None:
        """The chunk that an event is, if it is one."""
        if isinstance(event, PointDelta):
            return delta_chunk(event, self._id)
        if isinstance(event, AnswerDone):
            self._answer = event.answer
            return last_chunk(event.answer, self._id, self._notes)
        return None

    def message(self) -> AIMessage:
        assert self._answer is not None, "the engine ended without an answer or an error"
        return answer_message(self._answer, self._id, self._notes)


def _configure(
    config: RunnableConfig, run_manager: CallbackManagerForChainRun | AsyncCallbackManagerForChainRun
) -> Callable[[ChatRequest], RunnableConfig]:
    """Makes the configs of an answer's calls: children of its run, each with a name of its own."""

    def configure(request: ChatRequest) -> RunnableConfig:
        run_name, metadata = call_labels(request.tag)
        child = patch_config(config, callbacks=run_manager.get_child(), run_name=run_name)
        return merge_configs(child, {"metadata": metadata})

    return configure
