"""`LinguaCompressor`: the core's compressor as LangChain's document compressor."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self, TypedDict

from langchain_core.callbacks import Callbacks, adispatch_custom_event, dispatch_custom_event
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.language_models import BaseLanguageModel
from langchain_core.load.serializable import Serializable
from langchain_core.runnables import RunnableConfig, RunnableLambda
from pydantic import ConfigDict, PrivateAttr, SkipValidation, WithJsonSchema

from langchain_lingua.conversion import from_core, in_place, to_core
from langchain_lingua.counting import counter_of
from lingua_core import (
    DEFAULT_PROTECT,
    CompressionResult,
    InputError,
    Method,
    ModelSource,
    Order,
    PromptCompressor,
    PruningOptions,
    RemovalNoteOptions,
    Segmenter,
    TokenCounter,
)
from lingua_core.carrying import CoreErrors, FixedOptions
from lingua_core.removed.store import RemovedStore

__all__ = ["EVENT_NAME", "RUN_NAME", "LinguaCompressor"]

RUN_NAME = "LinguaCompressor"
EVENT_NAME = "lingua_compression"


class _Retrieved(TypedDict):
    documents: list[Document]
    query: str


class LinguaCompressor(CoreErrors, BaseDocumentCompressor, Serializable):
    """Cuts retrieved documents to what matters for the question, verbatim.

    Returns fresh documents with the same `id` and a deep copy of the metadata, to which it adds, under
    `lingua`, the `relevance`, the kept character `spans` of the original `page_content`,
    `origin_tokens`, `compressed_tokens`, and `notes` if something did not go the plain way; and
    `relevance_score`, unless a reranker has set that. An earlier compression's entry is kept as
    `previous`. Documents of which nothing is kept are left out, unless
    `keep_empty`.

    Every call is a run named "LinguaCompressor" in traces, with a custom event "lingua_compression"
    that holds the statistics and names the kept and dropped documents.

    Options are fixed at construction; an instance may be used from many threads and tasks at once.

    Attributes:
        method: "extract" (the embedded model) or "lexical" (BM25, no model) keep sentences; "llmlingua",
            "longllmlingua", "llmlingua2" and "selective-context" keep words or phrases, with your model.
        model: None, a folder with a model or its name on the Hugging Face hub, a
            `lingua_core.scorers.Scorer`, or a pair of a loaded model and its tokenizer.
        adapter: The folder of a low-rank adapter for a causal language model; None for none.
        options: Of the last four methods: a mapping of `lingua_core.PruningOptions`' names to values.
        device: "auto", "cpu", "cuda" or another of torch's.
        token_counter: How the reading model counts: None for the embedded tokenizer, the name of a
            tiktoken encoding or Hugging Face tokenizer, or a function from text to int.
        llm: The chat model that will read the documents; counts by its `get_num_tokens`. Give this or
            `token_counter`. Of a model without a tokenizer of its own, for which LangChain would download
            GPT-2's, the embedded tokenizer counts, with a warning.
        protect: Kinds and patterns of what is never cut in half.
        always_keep: Patterns; a segment with a match is kept whatever its score.
        keep_headings: Keep what introduces a kept segment with it.
        segmenter: Cuts text into segments; None for the core's.
        separator: Joins the kept pieces of a document; None for a line break between sentences, and for
            words the white space that stands before each.
        document_separator: What will join the documents in the prompt; its tokens count for the budget.
        threads: How many windows of text are scored at once; None for all usable cores.
        target_tokens: The most tokens that all returned documents have together.
        rate: The fraction of tokens to keep. At most one of `target_tokens`, `rate`, `threshold`.
        threshold: Keep every segment that scores at least this.
        instruction: What the reading model is told to do, for methods that read the whole prompt.
        order: "original", "relevance" for the most relevant document first, or "ends" for the most relevant
            ones at both ends.
        removal_note: Whether to say, for the reading model, what was removed: in the metadata of every
            returned document under `removal_note`, for a document prompt to show; empty where there is
            nothing to say. Counts towards the budget. True, `lingua_core.RemovalNoteOptions`, or the same as
            a mapping.
        removed_store: Where what was removed is kept, such as a `lingua_core.removed.SQLiteStore`; the ids
            are then in the metadata's `lingua` entry under `removed`. `get_removed_tool` gives it to an
            agent.
        title_key: Metadata key whose value is the document's title, used for scoring; None for no titles.
        keep_empty: Return documents of which nothing is kept too, with an empty `page_content`: in their
            places, or behind the others if these are reordered.

    Raises:
        lingua_core.InputError: On construction, if an option cannot be used; see the message.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", frozen=True)

    # The core checks its own options, with messages that say what to do; pydantic would coerce
    # ("0.5" to 0.5) or answer with one line for each member of a union.
    method: SkipValidation[Method] = "extract"
    model: Annotated[SkipValidation[ModelSource | None], WithJsonSchema({"type": ["string", "null"]})] = None
    adapter: Annotated[SkipValidation[str | Path | None], WithJsonSchema({"type": ["string", "null"]})] = None
    options: Annotated[
        SkipValidation[PruningOptions | Mapping[str, Any] | None],
        WithJsonSchema({"type": ["object", "null"]}),
    ] = None
    device: SkipValidation[str] = "auto"
    token_counter: Annotated[
        SkipValidation[str | Callable[[str], int] | TokenCounter | None],
        WithJsonSchema({"type": ["string", "null"]}),
    ] = None
    llm: Annotated[SkipValidation[BaseLanguageModel[Any] | None], WithJsonSchema({"type": "null"})] = None
    protect: Annotated[
        SkipValidation[Collection[str | re.Pattern[str]]],
        WithJsonSchema({"type": "array", "items": {"type": "string"}}),
    ] = DEFAULT_PROTECT
    always_keep: Annotated[
        SkipValidation[Sequence[str | re.Pattern[str]]],
        WithJsonSchema({"type": "array", "items": {"type": "string"}}),
    ] = ()
    keep_headings: SkipValidation[bool] = True
    segmenter: Annotated[SkipValidation[Segmenter | None], WithJsonSchema({"type": "null"})] = None
    separator: str | None = None
    document_separator: str = "\n\n"
    threads: SkipValidation[int | None] = None
    target_tokens: SkipValidation[int | None] = None
    rate: SkipValidation[float | None] = None
    threshold: SkipValidation[float | None] = None
    instruction: SkipValidation[str] = ""
    order: SkipValidation[Order] = "original"
    removal_note: Annotated[
        SkipValidation[bool | RemovalNoteOptions | Mapping[str, Any]],
        WithJsonSchema({"type": ["boolean", "object"]}),
    ] = False
    removed_store: Annotated[SkipValidation[RemovedStore | None], WithJsonSchema({"type": "null"})] = None
    title_key: str | None = "title"
    keep_empty: bool = False

    _core: PromptCompressor = PrivateAttr()

    def model_post_init(self, context: object, /) -> None:
        """Builds the core's compressor, and has it check every option."""
        self._core = PromptCompressor(
            self.method,
            model=self.model,
            adapter=self.adapter,
            options=self.options,
            device=self.device,
            token_counter=self._counter(),
            protect=self.protect,
            always_keep=self.always_keep,
            keep_headings=self.keep_headings,
            segmenter=self.segmenter,
            separator=self.separator,
            document_separator=self.document_separator,
            threads=self.threads,
            removal_note=self.removal_note,
            removed_store=self.removed_store,
        )
        # Without documents no model runs, but the budget and the order are checked.
        self._core.compress([], "?", **self._fixed())

    @property
    def core(self) -> PromptCompressor:
        """The core's compressor that does the work; knows nothing of the budget."""
        return self._core

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy built anew, so that updated options are checked and take effect.

        Args:
            update: Options to change.
            deep: Without influence: options are not changed after construction, and may be shared.
        """
        return type(self)(**{**dict(self), **(update or {})})

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Says that `langchain_core.load.dumps` may store the configuration.

        Reviving takes `loads(text, allowed_objects=[LinguaCompressor],
        valid_namespaces=["langchain_lingua"])`. Options that hold objects (a scorer, a function, a
        compiled pattern) cannot be stored.
        """
        return True

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        """Compress the documents of one prompt.

        Args:
            documents: What was retrieved; not changed.
            query: The question; a blank one keeps what is most informative by itself.
            callbacks: Callbacks of the run that this one belongs to.

        Raises:
            lingua_core.ProtectedOverBudgetError: If what may not be cut is larger than the budget.
        """
        retrieved = _Retrieved(documents=list(documents), query=query)
        return self._runnable().invoke(retrieved, {"callbacks": callbacks})

    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        """`compress_documents` without blocking the event loop; the same result."""
        retrieved = _Retrieved(documents=list(documents), query=query)
        return await self._runnable().ainvoke(retrieved, {"callbacks": callbacks})

    def _counter(self) -> str | Callable[[str], int] | TokenCounter | None:
        if self.llm is None:
            return self.token_counter
        if self.token_counter is not None:
            raise InputError(
                f"Give llm or token_counter, not both: got llm={type(self.llm).__name__} and "
                f"token_counter={self.token_counter!r:.80}."
            )
        return counter_of(self.llm)

    def _runnable(self) -> RunnableLambda[_Retrieved, list[Document]]:
        # A document compressor is no Runnable: only through one does its work show up in traces.
        return RunnableLambda(self._compress, self._acompress, name=RUN_NAME)

    def _compress(self, retrieved: _Retrieved, config: RunnableConfig) -> list[Document]:
        documents = to_core(retrieved["documents"], self.title_key)
        result = self._core.compress(documents, retrieved["query"], **self._fixed())
        dispatch_custom_event(EVENT_NAME, result.statistics(), config=config)
        return self._from_core(result, retrieved["documents"])

    async def _acompress(self, retrieved: _Retrieved, config: RunnableConfig) -> list[Document]:
        documents = to_core(retrieved["documents"], self.title_key)
        result = await self._core.acompress(documents, retrieved["query"], **self._fixed())
        await adispatch_custom_event(EVENT_NAME, result.statistics(), config=config)
        return self._from_core(result, retrieved["documents"])

    def _fixed(self) -> FixedOptions:
        return FixedOptions(
            target_tokens=self.target_tokens,
            rate=self.rate,
            threshold=self.threshold,
            instruction=self.instruction,
            order=self.order,
        )

    def _from_core(self, result: CompressionResult, originals: Sequence[Document]) -> list[Document]:
        verdicts = in_place(result, self.order) if self.keep_empty else result.documents
        return from_core(
            result,
            verdicts,
            originals,
            noted=self.removal_note is not False,
            stored=self.removed_store is not None,
        )
