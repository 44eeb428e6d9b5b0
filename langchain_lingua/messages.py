"""Messages of LangChain to chat messages of the core, and back: only their texts go and come."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    MessageLikeRepresentation,
    convert_to_messages,
)
from langchain_core.prompt_values import PromptValue

from lingua_core import InputError
from lingua_core.carrying import copied

__all__ = ["as_messages", "core_roles", "from_core", "to_core"]

_ROLES = {"human": "user", "ai": "assistant"}


def as_messages(
    given: PromptValue | str | Sequence[MessageLikeRepresentation], *, what: str = "prompt"
) -> list[BaseMessage]:
    """The messages of whatever a chat model takes.

    Args:
        given: That.
        what: What it is, for error messages.

    Raises:
        InputError: If it is nothing that a chat model takes.
    """
    if isinstance(given, PromptValue):
        return given.to_messages()
    if isinstance(given, str):
        return [HumanMessage(given)]
    if isinstance(given, Mapping) or not isinstance(given, Sequence):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
        raise InputError(
            f"A prompt must be a PromptValue, a str or a sequence of messages, got {type(given).__name__}: "
            f"{given!r:.80}."
        )
    try:
        return convert_to_messages(given)
    except (ValueError, NotImplementedError) as error:
        raise InputError(f"The {what} holds something that is no message: {error}") from error


def core_roles(roles: Collection[str]) -> Collection[str]:
    """Roles as the core names them; `human` and `ai` are LangChain's names of `user` and `assistant`."""
    if isinstance(roles, str) or not isinstance(roles, Collection):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
        raise InputError(
            f'roles must be a collection of message types, got {roles!r:.80}. Pass ("human", "tool") or the '
            "like."
        )
    return tuple(_ROLES.get(role, role) for role in roles)


def to_core(messages: Sequence[BaseMessage]) -> list[dict[str, Any]]:
    """Role and texts of each message, in OpenAI's shape; any other block is named and left out."""
    return [{"role": _role(message), "content": _texts(message)} for message in messages]


def from_core(compressed: Sequence[Mapping[str, Any]], originals: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Fresh messages with the new texts; all else is as it was, and nothing mutable is shared.

    Artifacts are shared: they may be anything, of any size.
    """
    return [_fresh(old, new["content"]) for old, new in zip(originals, compressed, strict=True)]


def _role(message: BaseMessage) -> str:
    if isinstance(message, HumanMessage):
        return "user"
    if isinstance(message, AIMessage):
        return "assistant"
    return message.role if isinstance(message, ChatMessage) else message.type


def _texts(message: BaseMessage) -> str | list[dict[str, str]]:
    content = cast("str | list[str | dict[str, Any]]", message.content)
    return content if isinstance(content, str) else [_text_part(block) for block in content]


def _text_part(block: str | dict[str, Any]) -> dict[str, str]:
    if isinstance(block, str):
        return {"type": "text", "text": block}
    if block.get("type") == "text" and isinstance(block.get("text"), str):
        return {"type": "text", "text": block["text"]}
    return {"type": "other"}


def _fresh(message: BaseMessage, texts: str | Sequence[Mapping[str, str]]) -> BaseMessage:
    fields = copied({name: value for name, value in message if name != "artifact"})
    if isinstance(texts, str):
        fields["content"] = texts
    else:
        blocks = zip(cast("list[str | dict[str, Any]]", fields["content"]), texts, strict=True)
        fields["content"] = [_block(block, part) for block, part in blocks]
    return message.model_copy(update=fields)


def _block(block: str | dict[str, Any], part: Mapping[str, str]) -> str | dict[str, Any]:
    if part["type"] != "text":
        return block
    return part["text"] if isinstance(block, str) else {**block, "text": part["text"]}
