"""What the LangChain examples need beside Lingua, and you have already: a retriever and a chat model."""

from typing import Any

from handbook import MODEL, PAGES, scripted
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.vectorstores import InMemoryVectorStore, VectorStoreRetriever

from lingua_core.models.sentence_encoder import SentenceEncoder


class MiniLM(Embeddings):
    """all-MiniLM-L6-v2, which comes with Lingua."""

    def __init__(self) -> None:
        self._encoder = SentenceEncoder()

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        return self._encoder.embed(texts).tolist()

    def embed_query(self, text: str) -> list[float]:
        return self.embed_documents([text])[0]


class Script(BaseChatModel):
    """Quotes its prompt, or reads a page first if it is given a tool for that."""

    @property
    def _llm_type(self) -> str:
        return "a script"

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self.bind(tools=[tool.name for tool in tools])

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        if "read_page" in kwargs.get("tools", ()) and messages[-1].type != "tool":
            call = {"name": "read_page", "args": {"page": "extra-hours"}, "id": "call-1"}
            return _result(AIMessage("", tool_calls=[call]))
        text = "\n".join(str(message.text) for message in messages if message.type != "system")
        return _result(AIMessage(scripted(text if "Question: " in text else f"Question: {text}")))


def _result(message: AIMessage) -> ChatResult:
    return ChatResult(generations=[ChatGeneration(message=message)])


def make_model() -> BaseChatModel:
    """OpenAI's model with a key, a script without."""
    if MODEL is None:
        return Script()
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(model=MODEL)


def make_retriever(k: int = 5) -> VectorStoreRetriever:
    """Finds pages of the handbook."""
    store = InMemoryVectorStore(MiniLM())
    store.add_documents([Document(p["text"], id=p["id"], metadata={"title": p["title"]}) for p in PAGES])
    return store.as_retriever(search_kwargs={"k": k})
