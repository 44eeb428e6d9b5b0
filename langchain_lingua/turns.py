"""Turns of a conversation, which the core reads as text, and the model is sent as they came."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage

from lingua_core.llms import ChatRequest, Message

__all__ = ["Attachment", "Turn", "as_sent", "attachments_of"]

Attachment: TypeAlias = Mapping[str, Any]
"""A block of a message that is no text: an image, a file, a sound."""

_TEXT_ALONE = ("router", "stitch")
"""Tags of the calls that decide about words or reword them, and so need nothing but text."""


@dataclass(frozen=True, slots=True)
class Turn(Message):
    """An earlier turn: to the core its role and text, to the model all that it holds.

    Attributes:
        native: The message as it came, with its tool calls, images, id and name.
    """

    native: BaseMessage = field(compare=False)  # it cannot be hashed


def attachments_of(message: BaseMessage) -> list[Attachment]:
    """What a message holds beside text, in order."""
    content = cast("str | list[str | dict[str, Any]]", message.content)
    if isinstance(content, str):
        return []
    return [block for block in content if not isinstance(block, str) and block.get("type") != "text"]


def as_sent(request: ChatRequest, attachments: Sequence[Attachment] = ()) -> list[BaseMessage]:
    """The messages of a request, for a model of LangChain.

    Args:
        request: What is asked; its earlier turns are sent as they came.
        attachments: What the question holds beside text; sent with it in every call that answers it.
    """
    question = next((m for m in request.messages if m.role == "user" and not isinstance(m, Turn)), None)
    return [
        _with(message, () if request.tag in _TEXT_ALONE else attachments)
        if message is question
        else _as_message(message)
        for message in request.messages
    ]


def _as_message(message: Message) -> BaseMessage:
    if isinstance(message, Turn):
        return message.native
    if message.role == "system":
        return SystemMessage(message.content)
    return AIMessage(message.content) if message.role == "assistant" else HumanMessage(message.content)


def _with(question: Message, attachments: Sequence[Attachment]) -> HumanMessage:
    if not attachments:
        return HumanMessage(question.content)
    # The text last: requests of one answer differ at its end, and a cache serves what stands before.
    return HumanMessage([*map(dict, attachments), {"type": "text", "text": question.content}])
