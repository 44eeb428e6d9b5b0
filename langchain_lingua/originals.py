"""Where the originals of shortened tool results are kept, and how they are found again."""

from collections.abc import MutableMapping
from typing import Any, Literal, TypeAlias, cast

from langchain.tools import ToolRuntime
from langchain_core.messages import ToolMessage
from langgraph.store.base import BaseStore

from langchain_lingua.conversion import METADATA_KEY
from langchain_lingua.tool_results import content_id, messages_of
from lingua_core import InputError

__all__ = ["NAMESPACE", "Content", "Originals", "OriginalsStore"]

NAMESPACE = ("lingua", "originals")
"""Where a LangGraph store keeps them."""

Content: TypeAlias = str | list[str | dict[Any, Any]]
OriginalsStore: TypeAlias = BaseStore | MutableMapping[str, Any] | Literal["agent"] | None


class Originals:
    """Keeps contents by their ids.

    Args:
        store: None to keep each original in its message, as the artifact, or in the `response_metadata` if
            the tool has set an artifact of its own; "agent" for the store that the agent was made with;
            another LangGraph store; or a mutable mapping, such as a dict.

    Raises:
        InputError: If it is none of these.
    """

    def __init__(self, store: OriginalsStore = None) -> None:
        if not (store is None or store == "agent" or isinstance(store, (BaseStore, MutableMapping))):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise InputError(
                f'store must be None, "agent", a LangGraph store or a mutable mapping, got {store!r:.80}.'
            )
        self._store = store

    def keep(
        self, message: ToolMessage, original: ToolMessage, runtime: "ToolRuntime[Any, Any]"
    ) -> ToolMessage:
        """Keep the original of a shortened message; returns the message that the agent goes on with."""
        name = _id_of(message)
        store = self._resolved(runtime)
        if store is None:
            return _carrying(message, original)
        if isinstance(store, BaseStore):
            store.put(NAMESPACE, name, {"content": original.content}, index=False)
        else:
            store[name] = original.content
        return message

    async def akeep(
        self, message: ToolMessage, original: ToolMessage, runtime: "ToolRuntime[Any, Any]"
    ) -> ToolMessage:
        """`keep` for asynchronous stores."""
        store = self._resolved(runtime)
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
        if store is not None and name in store:
            return store[name]
        return _in_messages(name, runtime)

    async def afind(self, name: str, runtime: "ToolRuntime[Any, Any]") -> Content | None:
        """`find` for asynchronous stores."""
        store = self._resolved(runtime)
        if not isinstance(store, BaseStore):
            return self.find(name, runtime)
        item = await store.aget(NAMESPACE, name)
        return item.value["content"] if item is not None else _in_messages(name, runtime)

    def _resolved(self, runtime: "ToolRuntime[Any, Any]") -> BaseStore | MutableMapping[str, Any] | None:
        if self._store != "agent":
            return cast("BaseStore | MutableMapping[str, Any] | None", self._store)
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
