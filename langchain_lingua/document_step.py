"""Compression as a step of an LCEL chain: documents and a question in, documents out."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from langchain_core.callbacks import AsyncCallbackManagerForChainRun, CallbackManagerForChainRun
from langchain_core.documents import Document
from langchain_core.runnables import Runnable, RunnableConfig, RunnableSerializable, patch_config
from pydantic import ConfigDict, Field, SerializeAsAny

from langchain_lingua.compressor import LinguaCompressor
from langchain_lingua.step_inputs import QUERY_KEYS, checked_compressor, value_under
from lingua_core import InputError

__all__ = ["CompressDocuments", "compress_documents"]

_DOCUMENTS_KEYS = ("documents", "context")


class CompressDocuments(RunnableSerializable[Mapping[str, Any] | str, list[Document]]):
    """What `compress_documents` returns.

    Attributes:
        compressor: Compresses, and holds all options.
        retriever: Finds the documents; None if they come with the input.
        documents_key: Where a mapping holds the documents; None for "documents" or "context".
        query_key: Where a mapping holds the question; None for "query", "question" or "input".
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", frozen=True)

    name: str | None = "compress_documents"
    compressor: LinguaCompressor = Field(default_factory=LinguaCompressor)
    retriever: SerializeAsAny[Runnable[str, list[Document]]] | None = None
    documents_key: str | None = None
    query_key: str | None = None

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Says that `langchain_core.load.dumps` may store it."""
        return True

    def invoke(
        self,
        input: Mapping[str, Any] | str,
        config: RunnableConfig | None = None,
        **kwargs: Any,  # noqa: ANN401  # LangChain's signature
    ) -> list[Document]:
        """The documents that the question leaves.

        Raises:
            lingua_core.InputError: If the input has no documents, or no question.
        """
        return self._call_with_config(self._compress, input, config)

    async def ainvoke(
        self,
        input: Mapping[str, Any] | str,
        config: RunnableConfig | None = None,
        **kwargs: Any,  # noqa: ANN401  # LangChain's signature
    ) -> list[Document]:
        """`invoke` without blocking the event loop; the same documents."""
        return await self._acall_with_config(self._acompress, input, config)

    def _compress(
        self, given: Mapping[str, Any] | str, run_manager: CallbackManagerForChainRun, config: RunnableConfig
    ) -> list[Document]:
        query = self._query(given)
        if self.retriever is not None:
            documents = self.retriever.invoke(query, patch_config(config, callbacks=run_manager.get_child()))
        else:
            documents = self._documents(given)
        return self.compressor.compress_documents(documents, query, run_manager.get_child())

    async def _acompress(
        self,
        given: Mapping[str, Any] | str,
        run_manager: AsyncCallbackManagerForChainRun,
        config: RunnableConfig,
    ) -> list[Document]:
        query = self._query(given)
        if self.retriever is not None:
            child = patch_config(config, callbacks=run_manager.get_child())
            documents = await self.retriever.ainvoke(query, child)
        else:
            documents = self._documents(given)
        return await self.compressor.acompress_documents(documents, query, run_manager.get_child())

    def _query(self, given: Mapping[str, Any] | str) -> str:
        if isinstance(given, str) and self.retriever is not None:
            return given
        query = value_under(given, self.query_key, QUERY_KEYS, what="the question")
        if not isinstance(query, str):
            raise InputError(f"The question must be a str, got {type(query).__name__}: {query!r:.80}.")
        return query

    def _documents(self, given: Mapping[str, Any] | str) -> Sequence[Document]:
        documents = value_under(given, self.documents_key, _DOCUMENTS_KEYS, what="the documents")
        if isinstance(documents, (str, Mapping)) or not isinstance(documents, Sequence):
            raise InputError(
                f"The documents must be a sequence of langchain_core.documents.Document, got "
                f"{type(cast(object, documents)).__name__}: {documents!r:.80}."
            )
        return cast(Sequence[Document], documents)


def compress_documents(
    compressor: LinguaCompressor | None = None,
    *,
    retriever: Runnable[str, list[Document]] | None = None,
    documents_key: str | None = None,
    query_key: str | None = None,
) -> CompressDocuments:
    """A step of a chain from `{"documents": ..., "query": ...}` to the compressed documents.

    With a retriever, a step from the question, as a str or in a mapping, to compressed documents: what a
    `ContextualCompressionRetriever` is, and what `create_retrieval_chain` takes for a retriever.

    A run of it is named "compress_documents" and has the compression's run as a child.

    Args:
        compressor: Compresses, and holds all options; None for the defaults.
        retriever: Finds the documents; None if they come with the input.
        documents_key: Where the input holds the documents; None for "documents" or "context".
        query_key: Where the input holds the question; None for "query", "question" or "input".
    """
    return CompressDocuments(
        compressor=checked_compressor(compressor),
        retriever=retriever,
        documents_key=documents_key,
        query_key=query_key,
    )
