"""`SkeletonOfThoughtChain`: the core's engine as a step of LangChain, with any chat model."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing, closing
from typing import Any, Literal, Self, cast

from langchain_core.callbacks import (
    AsyncCallbackManagerForChainRun,
    CallbackManagerForChainRun,
    adispatch_custom_event,
    dispatch_custom_event,
)
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.runnables import RunnableConfig, patch_config
from langchain_core.runnables.config import get_config_list

from langchain_lingua.conversion import to_core
from langchain_lingua.skeleton_inputs import Asked, asked
from langchain_lingua.skeleton_messages import event_data
from langchain_lingua.skeleton_options import SkeletonInput, SkeletonOptions
from langchain_lingua.skeleton_run import ChainRun, RunManager, call_configs
from lingua_core.llms import ConcurrencyLimit

__all__ = ["SkeletonOfThoughtChain"]


class SkeletonOfThoughtChain(SkeletonOptions):
    """Answers with a chat model by way of a skeleton whose points are written side by side.

    Takes what a chat model takes, or a mapping with that under "question", "input", "query", "messages" or
    "prompt", with documents (or a text) under "documents" or "context", and earlier messages under
    "chat_history" or "history". Earlier turns go to the model as they came, tool calls and images included;
    images and files of the question go with every call that answers it. A conversation that ends with what
    tools found is answered for its last human message.

    Returns an `AIMessage` whose `usage_metadata` is the sum of all calls, and whose
    `response_metadata["lingua"]` says how the answer came about: skeleton, route and reason, points,
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
        seed: Of all calls, for models with a field `seed`; and of the waits between attempts.
        stop: Ends points and direct answers.
        points_per_request: Points that one call writes.
        dependencies: "none", "infer" (a conclusion waits for the others) or "model".
        early_launch: Whether points are launched before the skeleton is complete.
        on_failure: What becomes of points that fail for good: "fallback", "mark" or "raise".
        failure_mark: What "mark" writes.
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
        input: SkeletonInput,
        config: RunnableConfig | None = None,
        **kwargs: Any,  # noqa: ANN401  # LangChain's signature
    ) -> AIMessage:
        """The answer, at its end; may be called where an event loop runs.

        Raises:
            lingua_core.InputError: If the input has no question, or something that is no message.
            lingua_core.AnswerError: If there is no answer; it carries what there is.
        """
        return self._call_with_config(self._invoke, input, config)

    async def ainvoke(
        self,
        input: SkeletonInput,
        config: RunnableConfig | None = None,
        **kwargs: Any,  # noqa: ANN401  # LangChain's signature
    ) -> AIMessage:
        """`invoke` in the caller's event loop."""
        return await self._acall_with_config(self._ainvoke, input, config)

    def stream(
        self,
        input: SkeletonInput,
        config: RunnableConfig | None = None,
        **kwargs: Any,  # noqa: ANN401  # LangChain's signature
    ) -> Iterator[AIMessageChunk]:
        """The answer as it is written; the chunks, added up, are the message that `invoke` returns."""
        found: Any = self._transform_stream_with_config(iter([input]), self._stream, config)
        yield from found

    async def astream(
        self,
        input: SkeletonInput,
        config: RunnableConfig | None = None,
        **kwargs: Any,  # noqa: ANN401  # LangChain's signature
    ) -> AsyncIterator[AIMessageChunk]:
        """`stream` in the caller's event loop."""

        async def inputs() -> AsyncIterator[SkeletonInput]:
            yield input

        found: Any = self._atransform_stream_with_config(inputs(), self._astream, config)
        async with aclosing(found) as chunks:
            async for chunk in chunks:
                yield chunk

    def batch(
        self,
        inputs: list[SkeletonInput],
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
        inputs: list[SkeletonInput],
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
        inputs: Sequence[SkeletonInput],
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
        inputs: Sequence[SkeletonInput],
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
        self, given: SkeletonInput, run_manager: CallbackManagerForChainRun, config: RunnableConfig
    ) -> AIMessage:
        run = ChainRun(self._notes, run_id=str(run_manager.run_id))
        child = patch_config(config, callbacks=run_manager.get_child())
        with closing(self._events(asked(given), run, config, run_manager)) as events:
            for event in events:
                if data := event_data(event):
                    dispatch_custom_event(*data, config=child)
                run.note(event)
        return run.message()

    async def _ainvoke(
        self, given: SkeletonInput, run_manager: AsyncCallbackManagerForChainRun, config: RunnableConfig
    ) -> AIMessage:
        run = ChainRun(self._notes, run_id=str(run_manager.run_id))
        child = patch_config(config, callbacks=run_manager.get_child())
        async with aclosing(self._aevents(asked(given), run, config, run_manager)) as events:
            async for event in events:
                if data := event_data(event):
                    await adispatch_custom_event(*data, config=child)
                run.note(event)
        return run.message()

    def _stream(
        self, inputs: Iterator[SkeletonInput], run_manager: CallbackManagerForChainRun, config: RunnableConfig
    ) -> Iterator[AIMessageChunk]:
        (given,) = inputs
        run = ChainRun(self._notes, run_id=str(run_manager.run_id))
        with closing(self._events(asked(given), run, config, run_manager)) as events:
            for event in events:
                if data := event_data(event):
                    dispatch_custom_event(*data, config=config)
                if chunk := run.note(event):
                    yield chunk

    async def _astream(
        self,
        inputs: AsyncIterator[SkeletonInput],
        run_manager: AsyncCallbackManagerForChainRun,
        config: RunnableConfig,
    ) -> AsyncIterator[AIMessageChunk]:
        (given,) = [one async for one in inputs]
        run = ChainRun(self._notes, run_id=str(run_manager.run_id))
        async with aclosing(self._aevents(asked(given), run, config, run_manager)) as events:
            async for event in events:
                if data := event_data(event):
                    await adispatch_custom_event(*data, config=config)
                if chunk := run.note(event):
                    yield chunk

    def _events(
        self,
        question: Asked,
        run: ChainRun,
        config: RunnableConfig,
        run_manager: RunManager,
    ) -> Any:  # noqa: ANN401  # a generator of events, to be closed
        engine = self._engine(config, call_configs(config, run_manager), question.attachments)
        return engine.stream(
            question.question,
            history=question.history,
            context=question.context,
            documents=self._documents(question, run),
        )

    def _aevents(
        self,
        question: Asked,
        run: ChainRun,
        config: RunnableConfig,
        run_manager: RunManager,
    ) -> Any:  # noqa: ANN401  # a generator of events, to be closed
        engine = self._engine(config, call_configs(config, run_manager), question.attachments)
        return engine.astream(
            question.question,
            history=question.history,
            context=question.context,
            documents=self._documents(question, run),
        )

    def _documents(self, question: Asked, run: ChainRun) -> Any:  # noqa: ANN401  # documents of the core
        given = question.documents if question.documents is not None else self.documents
        if given is None or (question.context and question.documents is None):
            return None
        documents = to_core(given, self.title_key)
        if not any(document.text.strip() for document in documents):
            run.add_note(f"None of the {len(documents)} documents holds text: answered without.")
            return None
        return documents

    def _sharing(self, config: Any, count: int) -> Self:  # noqa: ANN401  # of one run or of several
        """This chain, with one limit for all the calls of a batch if its config sets any."""
        configs = get_config_list(config, count) if count else []
        limits = [limit for one in configs if (limit := one.get("max_concurrency")) and limit > 0]
        if not limits:
            return self
        shared = self.model_copy()  # nothing is loaded or asked for a copy
        shared._limit = ConcurrencyLimit(min(limits))
        return shared
