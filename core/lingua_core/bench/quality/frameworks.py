"""The frameworks' own parts for the same task, with the same embeddings, brought to a budget.

Neither knows a budget, so each is given the loosest setting of its own with which the result fits: what
it would keep at that size. Both see the documents' texts without titles, as an index without metadata
gives them. If not even what is best fits, its beginning is kept, as a prompt cut at its limit has it.
The frameworks are loaded by name, for the core depends on neither.
"""

import importlib
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from lingua_core.bench.quality.questions import Question
from lingua_core.errors import MissingDependencyError
from lingua_core.models.sentence_encoder import SentenceEncoder
from lingua_core.tokens import TokenCounter

__all__ = ["LangChainFilter", "LlamaIndexOptimizer", "beginning", "loosest"]

_SEPARATOR = "\n\n"


class LlamaIndexOptimizer:
    """LlamaIndex's `SentenceEmbeddingOptimizer`.

    Its `threshold_cutoff` is lowered as far as the budget allows, the same for all nodes, so that good
    nodes keep more; a percentile would keep as many sentences of a distractor as of the gold passage. Nodes
    without a sentence above it, for which it raises an error, are dropped. The neighbours that it adds
    to each sentence are switched off: they would cost tokens, twice where two neighbours are kept.

    Raises:
        MissingDependencyError: If llama-index-core is not installed.
    """

    def __init__(self, counter: TokenCounter, encoder: SentenceEncoder | None = None) -> None:
        what = "The method 'llamaindex-optimizer'"
        self._optimizer = _imported(
            "llama_index.core.postprocessor", "llama-index-core", what
        ).SentenceEmbeddingOptimizer
        self._schema = _imported("llama_index.core.schema", "llama-index-core", what)
        self._counter = counter
        self._encoder = encoder or SentenceEncoder()

    def kept_text(self, question: Question, target: int) -> str:
        """What it keeps of the question's documents in at most `target` tokens."""
        embeddings = _LlamaIndexEmbeddings(self._encoder)
        self._kept(question, embeddings, cutoff=-2.0)  # above every sentence: all similarities are seen
        cutoffs = _between(embeddings.similarities)
        return loosest(
            lambda i: self._kept(question, embeddings, cutoff=cutoffs[i]), len(cutoffs), target, self._counter
        )

    def _kept(self, question: Question, embeddings: "_LlamaIndexEmbeddings", *, cutoff: float) -> str:
        optimizer = self._optimizer(
            embed_model=embeddings, threshold_cutoff=cutoff, context_before=0, context_after=0
        )
        texts = [
            self._of_node(optimizer, document.text, question.text)
            for document in question.documents
            if document.text.strip()
        ]
        return _SEPARATOR.join(text for text in texts if text)

    def _of_node(self, optimizer: Any, text: str, query: str) -> str:  # noqa: ANN401  # loaded by name
        node = self._schema.NodeWithScore(node=self._schema.TextNode(text=text))
        try:
            return optimizer.postprocess_nodes([node], query_str=query)[0].node.get_content()
        except ValueError as error:
            if "zero sentences" in str(error):
                return ""
            raise


class _LlamaIndexEmbeddings:
    """What the optimizer uses of LlamaIndex's embedding models; remembers the similarities it gave."""

    def __init__(self, encoder: SentenceEncoder) -> None:
        self._encoder = encoder
        self.similarities: set[float] = set()

    def get_agg_embedding_from_queries(self, queries: Sequence[str]) -> list[float]:
        return self._encoder.embed(queries).mean(axis=0).tolist()

    def _get_text_embeddings(self, texts: Sequence[str]) -> list[list[float]]:  # pyright: ignore[reportUnusedFunction]  # what the optimizer calls
        return self._encoder.embed(texts).tolist()

    def similarity(self, one: Any, other: Any) -> float:  # noqa: ANN401  # arrays or lists
        found = float(np.dot(one, other))
        self.similarities.add(found)
        return found


class LangChainFilter:
    """LangChain's `EmbeddingsFilter`, which keeps or drops whole documents.

    Its `k` is raised as far as the budget allows.

    Raises:
        MissingDependencyError: If langchain-classic, or langchain-community which it needs, is not
            installed.
    """

    def __init__(self, counter: TokenCounter, encoder: SentenceEncoder | None = None) -> None:
        what = "The method 'langchain-filter'"
        _imported(
            "langchain_community.document_transformers.embeddings_redundant_filter",
            "langchain-community",
            what,
        )
        self._filter = _imported(
            "langchain_classic.retrievers.document_compressors", "langchain-classic", what
        ).EmbeddingsFilter
        self._document = _imported("langchain_core.documents", "langchain-core", what).Document
        base = _imported("langchain_core.embeddings", "langchain-core", what).Embeddings
        encoder = encoder or SentenceEncoder()
        self._embeddings = _langchain_embeddings(base, encoder)
        self._counter = counter

    def kept_text(self, question: Question, target: int) -> str:
        """What it keeps of the question's documents in at most `target` tokens."""
        documents = [
            self._document(page_content=document.text)
            for document in question.documents
            if document.text.strip()
        ]

        def kept(i: int) -> str:
            chosen = self._filter(embeddings=self._embeddings, k=len(documents) - i)
            found = chosen.compress_documents(documents, question.text)
            return _SEPARATOR.join(document.page_content for document in found)

        return loosest(kept, len(documents), target, self._counter)


def _langchain_embeddings(base: Any, encoder: SentenceEncoder) -> Any:  # noqa: ANN401  # loaded by name
    def embed_documents(_: object, texts: list[str]) -> list[list[float]]:
        return encoder.embed(texts).tolist()

    def embed_query(_: object, text: str) -> list[float]:
        return encoder.embed([text])[0].tolist()

    methods = {"embed_documents": embed_documents, "embed_query": embed_query}
    return type("EncoderEmbeddings", (base,), methods)()


def loosest(kept: Callable[[int], str], settings: int, target: int, counter: TokenCounter) -> str:
    """The first text that fits of those that settings from the loosest to the strictest give.

    Found by bisection, since a stricter setting keeps less. If none fits, the beginning of the last.

    Args:
        kept: From the number of a setting to what it keeps.
        settings: How many there are.
        target: The most tokens.
        counter: Counts them.
    """
    if settings < 1:
        return ""
    low, high = 0, settings - 1
    while low < high:
        middle = (low + high) // 2
        if counter.count([kept(middle)])[0] <= target:
            high = middle
        else:
            low = middle + 1
    return beginning(kept(low), target, counter)


def beginning(text: str, target: int, counter: TokenCounter) -> str:
    """As many words from the beginning of a text as fit into `target` tokens."""
    if counter.count([text])[0] <= target:
        return text
    words = text.split(" ")
    low, high = 0, len(words) - 1
    while low < high:
        middle = (low + high + 1) // 2
        if counter.count([" ".join(words[:middle])])[0] <= target:
            low = middle
        else:
            high = middle - 1
    return " ".join(words[:low])


def _between(similarities: set[float]) -> list[float]:
    """Cutoffs from below the lowest to right below the highest similarity, one between each two."""
    ranked = sorted(similarities)
    return [-2.0, *((a + b) / 2 for a, b in pairwise(ranked))]


def _imported(module: str, package: str, what: str) -> Any:  # noqa: ANN401  # loaded by name
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            f"{what} needs the package {package!r}, which is not installed. "
            f"Install it with: pip install {package}"
        ) from error
