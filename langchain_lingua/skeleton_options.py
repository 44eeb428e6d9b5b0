"""The options of a Skeleton-of-Thought chain, and the core's engine that they make."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Self, cast

from langchain_core.documents import Document
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableSerializable
from pydantic import ConfigDict, PrivateAttr, SkipValidation, WithJsonSchema

from langchain_lingua.chat_model import ChatModelLLM, checked_model, retrying_of
from langchain_lingua.compressor import LinguaCompressor
from langchain_lingua.conversion import to_core
from langchain_lingua.turns import Attachment
from lingua_core import InputError, PromptCompressor, TokenCounter
from lingua_core.carrying import CoreErrors
from lingua_core.llms import ChatRequest, ConcurrencyLimit, RetryPolicy
from lingua_core.skeleton import ContextMode, ContextOptions, SkeletonOfThought
from lingua_core.skeleton.driver.options import Dependencies, OnFailure, Repeats
from lingua_core.skeleton.prompts import PresetName, SkeletonPrompts
from lingua_core.skeleton.rendering import AnswerStyle
from lingua_core.skeleton.routing import Router, RouterName

__all__ = ["SkeletonInput", "SkeletonOptions"]

SkeletonInput = LanguageModelInput | Mapping[str, Any]
_Object = WithJsonSchema({"type": "null"})


class SkeletonOptions(CoreErrors, RunnableSerializable[SkeletonInput, AIMessage]):
    """What `SkeletonOfThoughtChain` can be told, checked; that class says what each option means."""

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
    seed: SkipValidation[int | None] = None
    stop: SkipValidation[Sequence[str]] = ()
    points_per_request: SkipValidation[int] = 1
    dependencies: SkipValidation[Dependencies] = "none"
    early_launch: SkipValidation[bool] = True
    on_failure: SkipValidation[OnFailure] = "fallback"
    failure_mark: SkipValidation[str] = "[This point could not be written.]"
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

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy built anew, so that updated options are checked and take effect.

        Args:
            update: Options to change.
            deep: Without influence: options are not changed after construction, and may be shared.
        """
        return type(self)(**{**dict(self), **(update or {})})

    def _engine(
        self,
        config: RunnableConfig,
        configure: Callable[[ChatRequest], RunnableConfig],
        attachments: Sequence[Attachment] = (),
    ) -> SkeletonOfThought:
        wished = config.get("max_concurrency")
        # A limit below 1 means none to LangChain's executors; the chain's own holds.
        most = min(self.max_concurrency, wished) if wished and wished > 0 else self.max_concurrency
        return SkeletonOfThought(
            ChatModelLLM(self.llm, configure, attachments),
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
            seed=self.seed,
            stop=self.stop,
            points_per_request=self.points_per_request,
            dependencies=self.dependencies,
            early_launch=self.early_launch,
            on_failure=self.on_failure,
            failure_mark=self.failure_mark,
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
