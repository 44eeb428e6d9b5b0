"""Retrieval from the vector stores that people have, with all-MiniLM-L6-v2, and compression behind it.

The embedded sentence encoder is that model, so nothing is downloaded. The stores are in the dependency group
"stores".
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from lingua_core.models.sentence_encoder import SentenceEncoder

PASSAGES: list[dict[str, str]] = json.loads(
    (Path(__file__).parent.parent / "parity" / "passages.json").read_text("utf-8")
)
QUESTION = "When did the Tacoma Narrows Bridge collapse?"
BUDGET = 60
FOUND = 4


def embedded(texts: Sequence[str]) -> list[list[float]]:
    return SentenceEncoder().embed(texts).tolist()


def check(kept: Sequence[tuple[str | None, str, dict[str, Any]]], tokens: int, found: int) -> None:
    """What holds for any store: (id, text, metadata) of each kept document, tokens, documents found."""
    ids = {passage["id"]: passage for passage in PASSAGES}
    assert found == FOUND
    assert 1 <= len(kept) <= found
    assert tokens <= BUDGET
    first, text, _ = kept[0]
    assert ids[str(first)]["title"] == "Suspension bridges"
    assert "1940" in text
    for name, text, metadata in kept:
        source = ids[str(name)]
        assert metadata["title"] == source["title"]
        assert text == "\n".join(source["text"][a:b] for a, b in metadata["lingua"]["spans"])


def faiss_of_langchain(embeddings: Any, documents: list[Any]) -> Any:
    pytest.importorskip("faiss", reason="needs faiss-cpu")
    stores = pytest.importorskip("langchain_community.vectorstores", reason="needs langchain-community")
    return stores.FAISS.from_documents(documents, embeddings, ids=[document.id for document in documents])


def chroma_of_langchain(embeddings: Any, documents: list[Any]) -> Any:
    chroma = pytest.importorskip("langchain_chroma", reason="needs langchain-chroma")
    return chroma.Chroma.from_documents(documents, embeddings, collection_name="passages")


@pytest.mark.parametrize("store", [faiss_of_langchain, chroma_of_langchain], ids=["faiss", "chroma"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the stores' own, and langchain-community's end
async def test_langchain(store: Any) -> None:
    pytest.importorskip("langchain_core", reason="needs the extra: lingua-rag[langchain]")
    from langchain_core.documents import Document
    from langchain_core.embeddings import Embeddings

    from langchain_lingua import LinguaCompressor, compress_documents

    class MiniLM(Embeddings):
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return embedded(texts)

        def embed_query(self, text: str) -> list[float]:
            return embedded([text])[0]

    documents = [Document(p["text"], id=p["id"], metadata={"title": p["title"]}) for p in PASSAGES]
    retriever = store(MiniLM(), documents).as_retriever(search_kwargs={"k": FOUND})
    compressor = LinguaCompressor(target_tokens=BUDGET, order="relevance")
    chain = compress_documents(compressor, retriever=retriever)
    kept = chain.invoke(QUESTION)
    assert await chain.ainvoke(QUESTION) == kept
    text = "\n\n".join(document.page_content for document in kept)
    check(
        [(document.id, document.page_content, document.metadata) for document in kept],
        compressor.core.token_counter.count([text])[0],
        len(retriever.invoke(QUESTION)),
    )


async def test_llamaindex_with_faiss() -> None:
    faiss = pytest.importorskip("faiss", reason="needs faiss-cpu")
    stores = pytest.importorskip(
        "llama_index.vector_stores.faiss", reason="needs llama-index-vector-stores-faiss"
    )
    from llama_index.core import StorageContext, VectorStoreIndex
    from llama_index.core.embeddings import BaseEmbedding
    from llama_index.core.llms import MockLLM
    from llama_index.core.schema import TextNode

    from lingua_core import PromptCompressor
    from llamaindex_lingua import LinguaPostprocessor

    class MiniLM(BaseEmbedding):
        def _get_text_embedding(self, text: str) -> list[float]:
            return embedded([text])[0]

        def _get_query_embedding(self, query: str) -> list[float]:
            return embedded([query])[0]

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return embedded([query])[0]

    # The title is the metadata, and is embedded with the text, as LlamaIndex does by default.
    nodes = [TextNode(text=p["text"], id_=p["id"], metadata={"title": p["title"]}) for p in PASSAGES]
    context = StorageContext.from_defaults(vector_store=stores.FaissVectorStore(faiss.IndexFlatIP(384)))
    index = VectorStoreIndex(nodes, storage_context=context, embed_model=MiniLM())
    postprocessor = LinguaPostprocessor(target_tokens=BUDGET, order="relevance")
    engine = index.as_query_engine(llm=MockLLM(), similarity_top_k=FOUND, node_postprocessors=[postprocessor])
    response = engine.query(QUESTION)
    again = await engine.aquery(QUESTION)
    assert again.source_nodes == response.source_nodes
    retrieved = index.as_retriever(similarity_top_k=FOUND).retrieve(QUESTION)
    scores = {scored.node_id: scored.score for scored in retrieved}
    assert all(scored.score == scores[scored.node_id] for scored in response.source_nodes)
    text = "\n\n".join(scored.text for scored in response.source_nodes)
    check(
        [(scored.node_id, scored.text, scored.metadata) for scored in response.source_nodes],
        PromptCompressor().token_counter.count([text])[0],
        len(retrieved),
    )
    assert "1940" in str(response)
