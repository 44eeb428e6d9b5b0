"""`LinguaPostprocessor`: the core's compressor as LlamaIndex's node postprocessor."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from llama_index.core.instrumentation import (
    get_dispatcher,  # pyright: ignore[reportPrivateImportUsage]  # the documented place, a re-export
)
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import NodeWithScore, QueryBundle
from pydantic import ConfigDict, Field, PrivateAttr, SkipValidation, WithJsonSchema

from lingua_core import (
    DEFAULT_PROTECT,
    CompressionResult,
    Document,
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
from llamaindex_lingua.conversion import end_event, from_core, text_positions, to_core
from llamaindex_lingua.counting import SettingsCounter
from llamaindex_lingua.events import CompressionStartEvent

__all__ = ["LinguaPostprocessor"]

dispatcher = get_dispatcher(__name__)


class LinguaPostprocessor(CoreErrors, BaseNodePostprocessor):
    """Cuts retrieved nodes to what matters for the question, verbatim.

    Returns deep copies that keep id, relationships, metadata and the retriever's score, and adds
    under the metadata key `lingua` the `relevance`, the kept character `spans` of the original text,
    `origin_tokens` and `compressed_tokens`; prompts and embeddings do not see that key. Nodes of
    which nothing is kept are left out. Nodes without text pass through untouched, in their place.

    Every call dispatches a `CompressionStartEvent` and a `CompressionEndEvent` with the statistics.

    Options are fixed at construction; an instance may be used from many threads and tasks at once.

    Raises:
        lingua_core.InputError: On construction, if an option cannot be used; see the message.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    # The core checks its own options, with messages that say what to do; pydantic would coerce
    # ("0.5" to 0.5) or answer with one line for each member of a union. Each field is frozen by
    # itself, because query engines set `callback_manager` on their postprocessors; and defaults have
    # their names, for without type checkers take the fields for required.
    method: SkipValidation[Method] = Field(
        default="extract",
        frozen=True,
        description='"extract" (the embedded model) or "lexical" (BM25, no model) keep sentences; '
        '"llmlingua", "longllmlingua", "llmlingua2" and "selective-context" keep words or phrases, with '
        "a model of yours.",
    )
    model: Annotated[SkipValidation[ModelSource | None], WithJsonSchema({"type": ["string", "null"]})] = (
        Field(
            default=None,
            frozen=True,
            description="None, a folder with a model or its name on the Hugging Face hub, a "
            "lingua_core.scorers.Scorer, or a pair of a loaded model and its tokenizer.",
        )
    )
    adapter: Annotated[SkipValidation[str | Path | None], WithJsonSchema({"type": ["string", "null"]})] = (
        Field(
            default=None,
            frozen=True,
            description="The folder of a low-rank adapter for a causal language model.",
        )
    )
    options: Annotated[
        SkipValidation[PruningOptions | Mapping[str, Any] | None],
        WithJsonSchema({"type": ["object", "null"]}),
    ] = Field(
        default=None,
        frozen=True,
        description="Of the methods that keep words: a mapping of PruningOptions' names to values.",
    )
    device: SkipValidation[str] = Field(
        default="auto", frozen=True, description='"auto", "cpu", "cuda" or another of torch\'s.'
    )
    token_counter: Annotated[
        SkipValidation[str | Callable[[str], int] | TokenCounter | None],
        WithJsonSchema({"type": ["string", "null"]}),
    ] = Field(
        default=None,
        frozen=True,
        description="How the reading model counts: None for the embedded tokenizer, the name of a tiktoken "
        'encoding or Hugging Face tokenizer, a function from text to int, or "settings" for what '
        "Settings.tokenizer is at construction.",
    )
    protect: Annotated[
        SkipValidation[Collection[str | re.Pattern[str]]],
        WithJsonSchema({"type": "array", "items": {"type": "string"}}),
    ] = Field(
        default=DEFAULT_PROTECT, frozen=True, description="Kinds and patterns of what is never cut in half."
    )
    always_keep: Annotated[
        SkipValidation[Sequence[str | re.Pattern[str]]],
        WithJsonSchema({"type": "array", "items": {"type": "string"}}),
    ] = Field(
        default=(), frozen=True, description="Patterns; a segment with a match is kept whatever its score."
    )
    keep_headings: SkipValidation[bool] = Field(
        default=True, frozen=True, description="Keep what introduces a kept segment with it."
    )
    segmenter: Annotated[SkipValidation[Segmenter | None], WithJsonSchema({"type": "null"})] = Field(
        default=None, frozen=True, description="Cuts text into segments; None for the core's."
    )
    separator: str | None = Field(
        default=None,
        frozen=True,
        description="Joins the kept pieces of a node; None for a line break between sentences, and for words "
        "the white space that stands before each.",
    )
    document_separator: str = Field(
        default="\n\n",
        frozen=True,
        description="What will join the nodes in the prompt; its tokens count for the budget.",
    )
    threads: SkipValidation[int | None] = Field(
        default=None,
        frozen=True,
        description="How many windows of text are scored at once; None for all usable cores.",
    )
    target_tokens: SkipValidation[int | None] = Field(
        default=None, frozen=True, description="The most tokens that all compressed nodes have together."
    )
    rate: SkipValidation[float | None] = Field(
        default=None,
        frozen=True,
        description="The fraction of tokens to keep. At most one of target_tokens, rate and threshold.",
    )
    threshold: SkipValidation[float | None] = Field(
        default=None, frozen=True, description="Keep every segment that scores at least this."
    )
    instruction: SkipValidation[str] = Field(
        default="",
        frozen=True,
        description="What the reading model is told to do, for methods that read the whole prompt.",
    )
    order: SkipValidation[Order] = Field(
        default="original",
        frozen=True,
        description='"original", "relevance" for the most relevant node first, or "ends" for the most '
        "relevant ones at both ends.",
    )
    removal_note: Annotated[
        SkipValidation[bool | RemovalNoteOptions | Mapping[str, Any]],
        WithJsonSchema({"type": ["boolean", "object"]}),
    ] = Field(
        default=False,
        frozen=True,
        description="Whether prompts say what was removed: by the metadata key removal_note of the "
        "last node, or of each; its text counts towards the budget. True, RemovalNoteOptions, or the same as "
        "a mapping.",
    )
    removed_store: Annotated[SkipValidation[RemovedStore | None], WithJsonSchema({"type": "null"})] = Field(
        default=None,
        frozen=True,
        description="Where what was removed is kept, such as a lingua_core.removed.SQLiteStore; "
        "get_removed_tool gives it to an agent.",
    )
    title_key: str | None = Field(
        default="title",
        frozen=True,
        description="Metadata key whose value is the node's title, used for scoring; None for no titles.",
    )

    _core: PromptCompressor = PrivateAttr()

    def model_post_init(self, context: object, /) -> None:
        """Builds the core's compressor, and has it check every option."""
        self._core = PromptCompressor(
            self.method,
            model=self.model,
            adapter=self.adapter,
            options=self.options,
            device=self.device,
            token_counter=SettingsCounter() if self.token_counter == "settings" else self.token_counter,
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
    def class_name(cls) -> str:
        """The name that `to_dict` stores."""
        return "LinguaPostprocessor"

    def _postprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        positions, documents, query = self._begin(nodes, query_bundle)
        result = self._core.compress(documents, query, **self._fixed())
        return self._end(result, nodes, positions)

    @dispatcher.span
    async def _apostprocess_nodes(
        self, nodes: list[NodeWithScore], query_bundle: QueryBundle | None = None
    ) -> list[NodeWithScore]:
        positions, documents, query = self._begin(nodes, query_bundle)
        result = await self._core.acompress(documents, query, **self._fixed())
        return self._end(result, nodes, positions)

    def _begin(
        self, nodes: Sequence[NodeWithScore], query_bundle: QueryBundle | None
    ) -> tuple[list[int], list[Document], str | None]:
        positions = text_positions(nodes)
        query = query_bundle.query_str if query_bundle is not None else None
        node_ids = [nodes[i].node.node_id for i in positions]
        dispatcher.event(CompressionStartEvent(query=query, method=self.method, node_ids=node_ids))
        return positions, to_core(nodes, positions, self.title_key), query

    def _fixed(self) -> FixedOptions:
        return FixedOptions(
            target_tokens=self.target_tokens,
            rate=self.rate,
            threshold=self.threshold,
            instruction=self.instruction,
            order=self.order,
        )

    def _end(
        self, result: CompressionResult, nodes: Sequence[NodeWithScore], positions: Sequence[int]
    ) -> list[NodeWithScore]:
        dispatcher.event(end_event(result))
        return from_core(
            result,
            nodes,
            positions,
            noted=self.removal_note is not False,
            stored=self.removed_store is not None,
        )
