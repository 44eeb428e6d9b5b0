"""Tool results made shorter, each by itself and always in the same way.

A provider's prompt cache serves the longest prefix that it has seen. So what becomes of a tool result depends
only on what never changes again: the result, its call, and the question that stood before it. The same result
has the same text in every later request, whatever is appended.
"""

import hashlib
import json
from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from threading import Lock
from typing import Any, Literal, NamedTuple, TypeAlias, TypedDict, cast, get_args

from langchain_core.callbacks import adispatch_custom_event, dispatch_custom_event
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolCall, ToolMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda
from langchain_core.runnables.config import run_in_executor

from langchain_lingua.compressor import EVENT_NAME, LinguaCompressor
from langchain_lingua.conversion import METADATA_KEY
from langchain_lingua.messages import from_core, to_core
from langchain_lingua.step_inputs import checked_compressor
from lingua_core import InputError, ProtectedOverBudgetError
from lingua_core.structured import MessagesResult, compress_messages

__all__ = [
    "NOTE",
    "RUN_NAME",
    "Asked",
    "QuerySource",
    "ToolResultCompressor",
    "asked_before",
    "content_digest",
    "content_id",
    "messages_of",
]

RUN_NAME = "CompressToolResult"
NOTE = "[Shortened from {origin_tokens} to {compressed_tokens} tokens.]"
"""What tells the model that it reads an excerpt."""

QuerySource: TypeAlias = Literal["both", "question", "arguments"]

_REMEMBERED = 512


class Asked(NamedTuple):
    """What a tool was called for.

    Attributes:
        question: Text of the last human message before the call.
        call: The tool call, or None if it is not there any more.
    """

    question: str
    call: ToolCall | None


class _Work(TypedDict):
    message: ToolMessage
    query: str | None


@dataclass(frozen=True, slots=True)
class _Shortened:
    """What takes the place of a content; None if it stays."""

    content: "str | list[str | dict[Any, Any]] | None"
    entry: dict[str, Any]


def content_id(content: object) -> str:
    """A short name of a tool result, made from all of its content."""
    return content_digest(content)[:12]


def asked_before(messages: Sequence[BaseMessage], tool_call_id: str) -> Asked:
    """What the call with this id was made for, given the messages before its result."""
    question = next((str(m.text) for m in reversed(messages) if isinstance(m, HumanMessage)), "")
    calls = [call for m in reversed(messages) if isinstance(m, AIMessage) for call in m.tool_calls]
    return Asked(question, next((call for call in calls if call["id"] == tool_call_id), None))


def messages_of(state: object) -> Sequence[BaseMessage]:
    """The messages in an agent's state, which may be a mapping, a list or an object."""
    found: object = getattr(state, "messages", ())
    if isinstance(state, Mapping):
        found = cast(Mapping[str, object], state).get("messages", ())
    elif isinstance(state, list):
        found = cast(object, state)
    return cast(Sequence[BaseMessage], found)


class ToolResultCompressor:
    """Compresses tool messages one by one; what was done once is remembered, and would be the same again.

    May be used from many threads and tasks at once.

    Args:
        compressor: Compresses, each result within its budget; None for the defaults.
        query: What decides: the "question" of the last human message before the call, the call's
            "arguments", or "both".
        min_tokens: Results of fewer tokens stay as they are.
        exclude_tools: Names of tools whose results stay as they are.
        note: What is written above a shortened result; may name `{id}`, `{origin_tokens}` and
            `{compressed_tokens}`. Empty for nothing.

    Raises:
        InputError: If an option cannot be used.
    """

    def __init__(
        self,
        compressor: LinguaCompressor | None = None,
        *,
        query: QuerySource = "both",
        min_tokens: int = 200,
        exclude_tools: Collection[str] = (),
        note: str = NOTE,
    ) -> None:
        self._compressor = checked_compressor(compressor)
        if query not in get_args(QuerySource):
            known = ", ".join(map(repr, get_args(QuerySource)))
            raise InputError(f"query must be one of {known}, got {query!r:.80}.")
        if isinstance(exclude_tools, str) or not isinstance(exclude_tools, Collection):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise InputError(f"exclude_tools must be a collection of names, got {exclude_tools!r:.80}.")
        self._query: QuerySource = query
        self._min_tokens = min_tokens
        self._excluded = frozenset(exclude_tools)
        self._note = note
        self._memory: OrderedDict[tuple[str, str | None], _Shortened] = OrderedDict()
        self._lock = Lock()
        _written_note(note, id="0" * 12, origin_tokens=1, compressed_tokens=1)
        # Without messages no model runs, but the options are checked.
        compress_messages([], self._compressor.core, min_tokens=min_tokens)

    def compress(self, message: ToolMessage, asked: Asked) -> ToolMessage:
        """The message, or a fresh one with a shorter content and an entry in its `response_metadata`.

        Messages of errors, of excluded tools, and those that were shortened before are returned as they are.
        One whose protected parts are larger than the budget keeps its content, and the entry says so.
        """
        if not self._is_wanted(message, asked):
            return message
        work = self._work(message, asked)
        found = self._remembered(work)
        if found is None:
            found = self._remember(work, self._runnable().invoke(work))
        return _replaced(message, found)

    async def acompress(self, message: ToolMessage, asked: Asked) -> ToolMessage:
        """`compress` without blocking the event loop; the same message."""
        if not self._is_wanted(message, asked):
            return message
        work = self._work(message, asked)
        found = self._remembered(work)
        if found is None:
            found = self._remember(work, await self._runnable().ainvoke(work))
        return _replaced(message, found)

    def _is_wanted(self, message: ToolMessage, asked: Asked) -> bool:
        name = message.name or (asked.call["name"] if asked.call is not None else None)
        metadata = message.response_metadata
        cleared = metadata.get("context_editing", {}).get(
            "cleared"
        )  # what LangChain's ClearToolUsesEdit sets
        return not (
            name in self._excluded or message.status == "error" or METADATA_KEY in metadata or cleared
        )

    def _work(self, message: ToolMessage, asked: Asked) -> _Work:
        arguments = " ".join(_words(asked.call["args"])) if asked.call is not None else ""
        texts = {"question": [asked.question], "arguments": [arguments], "both": [asked.question, arguments]}
        query = "\n".join([text for text in texts[self._query] if text.strip()])
        return _Work(message=message, query=query or None)

    def _remembered(self, work: _Work) -> _Shortened | None:
        with self._lock:
            return self._memory.get(_key(work))

    def _remember(self, work: _Work, found: _Shortened) -> _Shortened:
        with self._lock:
            self._memory[_key(work)] = found
            while len(self._memory) > _REMEMBERED:
                self._memory.popitem(last=False)
        return found

    def _runnable(self) -> RunnableLambda[_Work, _Shortened]:
        return RunnableLambda(self._traced, self._atraced, name=RUN_NAME)

    def _traced(self, work: _Work, config: RunnableConfig) -> _Shortened:
        found, statistics = self._shortened(work)
        dispatch_custom_event(EVENT_NAME, statistics, config=config)
        return found

    async def _atraced(self, work: _Work, config: RunnableConfig) -> _Shortened:
        found, statistics = await run_in_executor(config, self._shortened, work)
        await adispatch_custom_event(EVENT_NAME, statistics, config=config)
        return found

    def _shortened(self, work: _Work) -> tuple[_Shortened, dict[str, Any]]:
        message = work["message"]
        try:
            result = self._result(work)
        except ProtectedOverBudgetError as error:
            # An agent can go on with a long result, but not without any.
            entry = {"notes": [str(error)]}
            return _Shortened(None, entry), entry
        entry: dict[str, Any] = {
            "id": content_id(message.content),
            "origin_tokens": result.origin_tokens,
            "compressed_tokens": result.compressed_tokens,
        }
        note = _written_note(self._note, **entry)
        spent = sum(self._compressor.core.token_counter.count([note]))
        if result.compressed_tokens + spent >= result.origin_tokens:
            return _Shortened(None, {}), result.statistics()
        (fresh,) = from_core(result.messages, [message])
        if result.notes:
            entry["notes"] = [each.message for each in result.notes]
        return _Shortened(_with_note(fresh, note), entry), result.statistics()

    def _result(self, work: _Work) -> MessagesResult:
        return compress_messages(
            to_core([work["message"]]),
            self._compressor.core,
            query=work["query"],
            rate=self._compressor.rate,
            target_tokens=self._compressor.target_tokens,
            threshold=self._compressor.threshold,
            roles=("tool",),
            min_tokens=self._min_tokens,
            keep_last=0,
        )


def content_digest(content: object) -> str:
    """Hexadecimal, made from all of a content."""
    written = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(written.encode()).hexdigest()


def _key(work: _Work) -> tuple[str, str | None]:
    return content_digest(work["message"].content), work["query"]


def _words(arguments: object) -> list[str]:
    """All texts and numbers in a call's arguments."""
    if isinstance(arguments, Mapping):
        return [word for value in cast(Mapping[str, object], arguments).values() for word in _words(value)]
    if isinstance(arguments, (list, tuple)):
        return [word for value in cast(Sequence[object], arguments) for word in _words(value)]
    return [str(arguments)] if isinstance(arguments, (str, int, float)) and arguments is not True else []


def _written_note(note: str, **values: object) -> str:
    try:
        return note.format(**values)
    except (AttributeError, IndexError, KeyError, ValueError) as error:
        raise InputError(
            f"note must be a str with no other fields than {{id}}, {{origin_tokens}} and "
            f"{{compressed_tokens}}, got {note!r:.200}."
        ) from error


def _with_note(message: BaseMessage, note: str) -> "str | list[str | dict[Any, Any]]":
    content = message.content
    if not note:
        return content
    if isinstance(content, str):
        return f"{note}\n{content}"
    return [{"type": "text", "text": note}, *content]


def _replaced(message: ToolMessage, found: _Shortened) -> ToolMessage:
    if not found.entry:
        return message
    metadata = {**message.response_metadata, METADATA_KEY: dict(found.entry)}
    content = message.content if found.content is None else deepcopy(found.content)
    return message.model_copy(update={"content": content, "response_metadata": metadata})
