"""`SkeletonQueryEngine`: long answers from an LLM alone, or over what a retriever finds."""

from collections.abc import Sequence

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.base.response.schema import RESPONSE_TYPE
from llama_index.core.callbacks import CallbackManager
from llama_index.core.llms import LLM
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.prompts.mixin import PromptMixinType
from llama_index.core.schema import NodeWithScore, QueryBundle

from lingua_core import InputError
from llamaindex_lingua.skeleton_synthesizer import SkeletonSynthesizer

__all__ = ["SkeletonQueryEngine"]


class SkeletonQueryEngine(BaseQueryEngine):
    """Answers queries by way of a skeleton, over nodes or without.

    Without a retriever, and where it finds nothing, the LLM answers alone; the response's metadata then say
    so in the notes. Prompts are those of the synthesizer: `response_synthesizer:skeleton_prompt` and so on.

    Args:
        retriever: Finds nodes; None to answer from the LLM alone.
        llm: For a synthesizer with the defaults; None for `Settings.llm`.
        response_synthesizer: Writes the answers, and holds all options; instead of `llm`.
        node_postprocessors: What nodes go through before they are answered from.
        streaming: Whether responses are streamed, for a synthesizer with the defaults.
        callback_manager: For legacy callbacks.

    Raises:
        lingua_core.InputError: If both a synthesizer and its options are given.
    """

    def __init__(
        self,
        retriever: BaseRetriever | None = None,
        *,
        llm: LLM | None = None,
        response_synthesizer: SkeletonSynthesizer | None = None,
        node_postprocessors: Sequence[BaseNodePostprocessor] = (),
        streaming: bool = False,
        callback_manager: CallbackManager | None = None,
    ) -> None:
        if response_synthesizer is not None and (llm is not None or streaming):
            raise InputError(
                "Give response_synthesizer, or llm and streaming for one with the defaults, not both."
            )
        if retriever is not None and not isinstance(retriever, BaseRetriever):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise InputError(
                f"retriever must be a LlamaIndex retriever, got {type(retriever).__name__}: "
                f"{retriever!r:.80}. An index makes one: index.as_retriever()."
            )
        super().__init__(callback_manager=callback_manager)
        self._retriever = retriever
        self._synthesizer = response_synthesizer or SkeletonSynthesizer(
            llm, streaming=streaming, callback_manager=callback_manager
        )
        self._node_postprocessors = list(node_postprocessors)
        for postprocessor in self._node_postprocessors:
            postprocessor.callback_manager = self.callback_manager

    def _get_prompt_modules(self) -> PromptMixinType:
        return {"response_synthesizer": self._synthesizer}

    def retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        """The nodes that a query is answered from; none without a retriever."""
        nodes = self._retriever.retrieve(query_bundle) if self._retriever is not None else []
        for postprocessor in self._node_postprocessors:
            nodes = postprocessor.postprocess_nodes(nodes, query_bundle=query_bundle)
        return nodes

    async def aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        """`retrieve` in the caller's event loop."""
        nodes = await self._retriever.aretrieve(query_bundle) if self._retriever is not None else []
        for postprocessor in self._node_postprocessors:
            nodes = await postprocessor.apostprocess_nodes(nodes, query_bundle=query_bundle)
        return nodes

    def synthesize(
        self,
        query_bundle: QueryBundle,
        nodes: list[NodeWithScore],
        additional_source_nodes: Sequence[NodeWithScore] | None = None,
    ) -> RESPONSE_TYPE:
        """The response over these nodes, or from the LLM alone if there are none."""
        if not nodes:
            return self._synthesizer.answer(query_bundle)
        return self._synthesizer.synthesize(query_bundle, nodes, additional_source_nodes)

    async def asynthesize(
        self,
        query_bundle: QueryBundle,
        nodes: list[NodeWithScore],
        additional_source_nodes: Sequence[NodeWithScore] | None = None,
    ) -> RESPONSE_TYPE:
        """`synthesize` in the caller's event loop."""
        if not nodes:
            return await self._synthesizer.aanswer(query_bundle)
        return await self._synthesizer.asynthesize(query_bundle, nodes, additional_source_nodes)

    def _query(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        return self.synthesize(query_bundle, self.retrieve(query_bundle))

    async def _aquery(self, query_bundle: QueryBundle) -> RESPONSE_TYPE:
        return await self.asynthesize(query_bundle, await self.aretrieve(query_bundle))
