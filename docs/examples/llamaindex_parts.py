"""What the LlamaIndex examples need beside Lingua, and you have already: an index and an LLM."""

import os
from typing import Any

from handbook import MODEL, PAGES, scripted
from llama_index.core import VectorStoreIndex
from llama_index.core.embeddings import BaseEmbedding
from llama_index.core.llms import LLM, CompletionResponse, CompletionResponseGen, CustomLLM, LLMMetadata
from llama_index.core.schema import TextNode
from pydantic import PrivateAttr

from lingua_core.models.sentence_encoder import SentenceEncoder


class MiniLM(BaseEmbedding):
    """all-MiniLM-L6-v2, which comes with Lingua."""

    _encoder: SentenceEncoder = PrivateAttr(default_factory=SentenceEncoder)

    def _get_text_embedding(self, text: str) -> list[float]:
        return self._encoder.embed([text])[0].tolist()

    def _get_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)

    async def _aget_query_embedding(self, query: str) -> list[float]:
        return self._get_text_embedding(query)


class Script(CustomLLM):
    """Quotes its prompt."""

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(model_name="a script", context_window=100_000)

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        return CompletionResponse(text=scripted(prompt))

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        text = scripted(prompt)
        yield CompletionResponse(text=text, delta=text)


def make_llm() -> LLM:
    """OpenAI's model with a key, a script without."""
    if MODEL is None:
        return Script()
    from llama_index.llms.openai_like import OpenAILike

    address = os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1")
    return OpenAILike(model=MODEL, api_base=address, api_key=os.environ["OPENAI_API_KEY"], is_chat_model=True)


def make_index() -> VectorStoreIndex:
    """The pages of the handbook."""
    nodes = [
        TextNode(
            text=page["text"],
            id_=page["id"],
            metadata={"title": page["title"]},
            excluded_embed_metadata_keys=["title"],
        )
        for page in PAGES
    ]
    return VectorStoreIndex(nodes, embed_model=MiniLM())
