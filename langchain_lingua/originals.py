"""Where the originals of shortened tool results are kept, and how they are found again."""

from collections.abc import MutableMapping
from typing import Any, Literal, TypeAlias, cast

from langchain.tools import ToolRuntime
from langchain_core.messages import ToolMessage
from langchain_core.runnables.config import run_in_executor
from langgraph.store.base import BaseStore

from langchain_lingua.conversion import METADATA_KEY
from langchain_lingua.tool_results import content_digest, content_id, messages_of
from lingua_core import InputError
from lingua_core.errors import UnknownIdError
from lingua_core.removed import OriginalDocument, RemovedStore

__all__ = ["NAMESPACE", "Content", "Originals", "OriginalsStore"]

NAMESPACE = ("lingua", "originals")
"""Where a LangGraph store keeps them."""

Content: TypeAlias = str | list[str | dict[Any, Any]]
OriginalsStore: TypeAlias = BaseStore | RemovedStore | MutableMapping[str, Any] | Literal["agent"] | None
Resolved: TypeAlias = BaseStore | RemovedStore | MutableMapping[str, Any] | None


class Originals:
    """Keeps contents by their ids.

    Args:
        store: None to keep each original in its message, as the artifact, or in the `response_metadata` if
            the tool has set an artifact of its own; "agent" for the store that the agent was made with;
            another LangGraph store; a `lingua_core.removed` store, which keeps texts, while contents of
            several blocks stay in their messages; or a mutable mapping, such as a dict.

    Raises:
        InputError: If it is none of these.
    """

    def __init__(self, store: OriginalsStore = None) -> None:
        known = isinstance(store, (BaseStore, RemovedStore, MutableMapping))  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
        if not (store is None or store == "agent" or known):
            raise InputError(
                'store must be None, "agent", a LangGraph store or one of lingua_core.removed, or a mutable '
                f"mapping, got {store!r:.80}."
            )
        self._store = store

    def keep(
        self, message: ToolMessage, original: ToolMessage, runtime: "ToolRuntime[Any, Any]"
    ) -> ToolMessage:
        """Keep the original of a shortened message; returns the message that the agent goes on with."""
        name = _id_of(message)
        store = self._resolved(runtime)
        if store is None or (isinstance(store, RemovedStore) and not isinstance(original.content, str)):
            return _carrying(message, original)
        if isinstance(store, RemovedStore):
            store.put([], [OriginalDocument(key=content_digest(original.content), text=str(original.text))])
        elif isinstance(store, BaseStore):
            store.put(NAMESPACE, name, {"content": original.content}, index=False)
        else:
            store[name] = original.content
        return message

    async def akeep(
        self, message: ToolMessage, original: ToolMessage, runtime: "ToolRuntime[Any, Any]"
    ) -> ToolMessage:
        """`keep` for asynchronous stores."""
        store = self._resolved(runtime)
        if isinstance(store, RemovedStore):
            return await run_in_executor(None, self.keep, message, original, runtime)
        if not isinstance(store, BaseStore):
            return self.keep(message, original, runtime)
        await store.aput(NAMESPACE, _id_of(message), {"content": original.content}, index=False)
        return message

    def find(self, name: str, runtime: "ToolRuntime[Any, Any]") -> Content | None:
        """The original of that id, from the store or the agent's messages; None if there is none."""
        store = self._resolved(runtime)
        if isinstance(store, BaseStore):
            item = store.get(NAMESPACE, name)
            return item.value["content"] if item is not None else _in_messages(name, runtime)
        if isinstance(store, RemovedStore):
            return _in_store(name, store) or _in_messages(name, runtime)
        if store is not None and name in store:
            return store[name]
        return _in_messages(name, runtime)

    async def afind(self, name: str, runtime: "ToolRuntime[Any, Any]") -> Content | None:
        """`find` for asynchronous stores."""
        store = self._resolved(runtime)
        if isinstance(store, RemovedStore):
            return await run_in_executor(None, self.find, name, runtime)
        if not isinstance(store, BaseStore):
            return self.find(name, runtime)
        item = await store.aget(NAMESPACE, name)
        return item.value["content"] if item is not None else _in_messages(name, runtime)

    def _resolved(self, runtime: "ToolRuntime[Any, Any]") -> Resolved:
        if self._store != "agent":
            return cast(Resolved, self._store)
        if runtime.store is None:
            raise InputError('store="agent" needs an agent with a store: create_agent(..., store=...).')
        return runtime.store


def _id_of(message: ToolMessage) -> str:
    return message.response_metadata[METADATA_KEY]["id"]


def _carrying(message: ToolMessage, original: ToolMessage) -> ToolMessage:
    if message.artifact is None:
        return message.model_copy(update={"artifact": original.content})
    entry = {**message.response_metadata[METADATA_KEY], "original": original.content}
    return message.model_copy(
        update={"response_metadata": {**message.response_metadata, METADATA_KEY: entry}}
    )


def _in_store(name: str, store: RemovedStore) -> str | None:
    try:
        return store.document(name).text
    except UnknownIdError:
        return None


def _in_messages(name: str, runtime: "ToolRuntime[Any, Any]") -> Content | None:
    for message in messages_of(runtime.state):
        if not isinstance(message, ToolMessage):
            continue
        entry = message.response_metadata.get(METADATA_KEY, {})
        if entry.get("id") == name:
            return entry.get("original", message.artifact)
        # An edit of what the model is sent leaves the original in the state.
        if content_id(message.content) == name:
            return message.content
    return None
