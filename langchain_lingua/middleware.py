"""`CompressToolResultsMiddleware`: an agent's long tool results are shortened when they arrive."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, TypeAlias, cast

from langchain.agents.middleware import AgentMiddleware, AgentState
from langchain.agents.middleware.types import ToolCallRequest
from langchain.tools import ToolRuntime
from langchain_core.messages import ToolMessage
from langgraph.types import Command

from langchain_lingua.compressor import LinguaCompressor
from langchain_lingua.conversion import METADATA_KEY
from langchain_lingua.original_tool import TOOL_NAME, get_original_tool
from langchain_lingua.originals import Originals, OriginalsStore
from langchain_lingua.tool_results import (
    NOTE,
    Asked,
    QuerySource,
    ToolResultCompressor,
    asked_before,
    messages_of,
)

__all__ = ["NOTE_WITH_ID", "CompressToolResultsMiddleware"]

NOTE_WITH_ID = NOTE.removesuffix("]") + f' {TOOL_NAME}("{{id}}") returns all of it.]'

Result: TypeAlias = ToolMessage | Command[Any]


class CompressToolResultsMiddleware(AgentMiddleware[AgentState[Any], Any, Any]):
    """Shortens long tool results, once, when they arrive.

    The agent's state holds the shortened message from then on, so that the prompt's prefix never changes and
    providers' caches stay valid. The original stays retrievable: by you, and by the model through a tool.
    Results of errors, short ones, and those that would not get shorter stay as they are; so does one whose
    protected parts are larger than the budget, and its `response_metadata["lingua"]` says so.

    A shortened message has `id`, `origin_tokens` and `compressed_tokens` under `response_metadata["lingua"]`;
    by default its `artifact` is the original content.

    Args:
        compressor: Compresses, each result within its budget; None for the defaults.
        query: What decides: the "question" of the last human message before the call, the call's
            "arguments", or "both".
        min_tokens: Results of fewer tokens stay as they are.
        exclude_tools: Names of tools whose results stay as they are.
        store: Where originals go: None for the message itself, as its artifact, or in its
            `response_metadata` if the tool has set one; "agent" for the store that the agent was made with;
            another LangGraph store; a `lingua_core.removed` store, for texts; or a mutable mapping from id to
            content.
        note: What is written above a shortened result; may name `{id}`, `{origin_tokens}` and
            `{compressed_tokens}`. Empty for nothing.
        offer_original: Whether the agent gets the tool "get_original".

    Raises:
        lingua_core.InputError: If an option cannot be used.
    """

    def __init__(
        self,
        compressor: LinguaCompressor | None = None,
        *,
        query: QuerySource = "both",
        min_tokens: int = 200,
        exclude_tools: Collection[str] = (),
        store: OriginalsStore = None,
        note: str | None = None,
        offer_original: bool = True,
    ) -> None:
        super().__init__()
        self._results = ToolResultCompressor(
            compressor,
            query=query,
            min_tokens=min_tokens,
            exclude_tools=exclude_tools,
            note=note if note is not None else (NOTE_WITH_ID if offer_original else NOTE),
        )
        self._originals = Originals(store)
        self.tools = [get_original_tool(store)] if offer_original else []

    def wrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Result]
    ) -> Result:
        """Run the tool, and shorten what it returns."""
        result = handler(request)
        asked = _asked(request)
        new: dict[int, ToolMessage] = {}
        for message in _results_in(result, request):
            short = self._results.compress(message, asked)
            kept = self._originals.keep(short, message, _runtime(request)) if _is_short(short) else short
            new[id(message)] = kept
        return _replaced(result, new)

    async def awrap_tool_call(
        self, request: ToolCallRequest, handler: Callable[[ToolCallRequest], Awaitable[Result]]
    ) -> Result:
        """`wrap_tool_call` without blocking the event loop; the same result."""
        result = await handler(request)
        asked = _asked(request)
        new: dict[int, ToolMessage] = {}
        for message in _results_in(result, request):
            short = await self._results.acompress(message, asked)
            kept = (
                await self._originals.akeep(short, message, _runtime(request)) if _is_short(short) else short
            )
            new[id(message)] = kept
        return _replaced(result, new)


def _results_in(result: object, request: ToolCallRequest) -> list[ToolMessage]:
    """The messages that this call has brought, if they may be shortened."""
    if request.tool_call["name"] == TOOL_NAME:
        return []
    fresh = [message for message in _tool_messages(result) if METADATA_KEY not in message.response_metadata]
    return [message for message in fresh if message.tool_call_id == request.tool_call["id"]]


def _runtime(request: ToolCallRequest) -> ToolRuntime[Any, Any]:
    return cast("ToolRuntime[Any, Any]", request.runtime)  # pyright: ignore[reportUnknownMemberType]  # LangGraph leaves its state's type open


def _asked(request: ToolCallRequest) -> Asked:
    question = asked_before(messages_of(request.state), "").question
    return Asked(question, request.tool_call)


def _is_short(message: ToolMessage) -> bool:
    return "id" in message.response_metadata.get(METADATA_KEY, {})


def _tool_messages(result: object) -> list[ToolMessage]:
    """The tool messages in whatever a tool node takes for a result."""
    if isinstance(result, ToolMessage):
        return [result]
    if isinstance(result, list):
        return [message for item in cast(list[object], result) for message in _tool_messages(item)]
    update = _update_of(result)
    return _tool_messages(list(update["messages"])) if update is not None else []


def _replaced(result: Any, new: Mapping[int, ToolMessage]) -> Any:  # noqa: ANN401  # as it came in
    if isinstance(result, ToolMessage):
        return new.get(id(result), result)
    if isinstance(result, list):
        return [_replaced(item, new) for item in cast(list[object], result)]
    update = _update_of(result)
    if update is None:
        return result
    return replace(result, update={**update, "messages": [_replaced(m, new) for m in update["messages"]]})


def _update_of(result: object) -> "dict[str, Any] | None":
    """A command's update of the messages, if it has one."""
    update: object = cast("Command[Any]", result).update if isinstance(result, Command) else None
    if not isinstance(update, dict):
        return None
    found = cast("dict[str, Any]", update)
    return found if isinstance(found.get("messages"), (list, tuple)) else None
