"""What a Skeleton-of-Thought chain is given: a question, the conversation before, and documents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from langchain_core.documents import Document
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.prompt_values import PromptValue

from langchain_lingua.messages import as_messages
from langchain_lingua.turns import Attachment, Turn, attachments_of
from lingua_core.errors import InputError
from lingua_core.llms import Role

__all__ = ["Asked", "asked"]

_QUESTION_KEYS = ("question", "input", "query", "messages", "prompt")
_DOCUMENTS_KEYS = ("documents", "context")
_HISTORY_KEYS = ("chat_history", "history")
_TOOL_RESULTS = (ToolMessage, FunctionMessage)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question.

    Attributes:
        question: The text of the last turn, the user's.
        attachments: What else that turn holds.
        history: The turns before; and that turn with what tools found for it, if these end the conversation.
        documents: What to answer from; None if nothing was said of documents.
        context: What to answer from, as one text.
    """

    question: str
    attachments: tuple[Attachment, ...] = ()
    history: tuple[Turn, ...] = ()
    documents: tuple[Document, ...] | None = None
    context: str = ""


def asked(given: object) -> Asked:
    """The question in whatever a chain is given.

    Takes what a chat model takes, or a mapping with that under "question", "input", "query", "messages" or
    "prompt"; with a sequence of documents, or a text, under "documents" or "context"; and earlier messages
    under "chat_history" or "history".

    Raises:
        InputError: If there is no question, or something that is no message or no document.
    """
    if not isinstance(given, Mapping):
        return _conversation(_turns(given))
    values = cast("Mapping[str, Any]", given)
    prompt = _under(values, _QUESTION_KEYS)
    if prompt is None:
        raise InputError(
            f"The input must hold the question under {' or '.join(map(repr, _QUESTION_KEYS))}, got the keys "
            f"{', '.join(map(repr, values)) or 'of an empty mapping'}."
        )
    earlier = _under(values, _HISTORY_KEYS)
    turns = [*(_turns(earlier) if earlier is not None else ()), *_turns(prompt)]
    documents, context = _sources(_under(values, _DOCUMENTS_KEYS))
    return replace(_conversation(turns), documents=documents, context=context)


def _under(values: Mapping[str, Any], keys: Sequence[str]) -> Any:  # noqa: ANN401  # a chain's values
    return next((values[key] for key in keys if values.get(key) is not None), None)


def _sources(given: object) -> tuple[tuple[Document, ...] | None, str]:
    if given is None or isinstance(given, str):
        return None, given or ""
    if isinstance(given, Mapping) or not isinstance(given, Sequence):
        raise InputError(
            f"documents must be a sequence of langchain_core.documents.Document, or a text, got "
            f"{type(cast(object, given)).__name__}: {given!r:.80}."
        )
    return tuple(cast("Sequence[Document]", given)), ""


def _turns(given: object) -> list[BaseMessage]:
    if isinstance(given, BaseMessage):
        return [given]
    is_sequence = isinstance(given, Sequence) and not isinstance(given, Mapping)
    if not is_sequence and not isinstance(given, PromptValue):
        raise InputError(
            f"The question must be a str, a PromptValue, messages, or a mapping that holds one of these, got "
            f"{type(cast(object, given)).__name__}: {given!r:.80}."
        )
    return as_messages(cast("Sequence[Any] | PromptValue", given), what="conversation")


def _conversation(turns: Sequence[BaseMessage]) -> Asked:
    history = [Turn(_role(turn), str(turn.text), turn) for turn in turns]
    end = len(turns)
    if turns and isinstance(turns[-1], _TOOL_RESULTS):
        # The question is what the human said before an agent called its tools.
        end = max((i for i, turn in enumerate(history, start=1) if turn.role == "user"), default=0)
    start = end
    # Several human messages in a row are one turn: prompts often hold the context in one of its own.
    while start and history[start - 1].role == "user":
        start -= 1
    question = "\n\n".join(turn.content for turn in history[start:end] if turn.content.strip())
    if not question:
        raise InputError(
            "The conversation must end with a human message that says something, or with what tools found "
            "for one; got "
            + (f"{turns[-1].type!r} last: {turns[-1].text!r:.60}." if turns else "no message at all.")
        )
    if end < len(turns):
        return Asked(question=question, history=tuple(history))
    attachments = [block for turn in turns[start:end] for block in attachments_of(turn)]
    return Asked(question=question, attachments=tuple(attachments), history=tuple(history[:start]))


def _role(turn: BaseMessage) -> Role:
    role = turn.role if isinstance(turn, ChatMessage) else ""
    if isinstance(turn, HumanMessage) or role == "user":
        return "user"
    if isinstance(turn, SystemMessage) or role in ("system", "developer"):
        return "system"
    if isinstance(turn, (AIMessage, *_TOOL_RESULTS)) or role == "assistant":
        return "assistant"
    raise InputError(
        f"The conversation holds a message of type {turn.type!r}; human, ai, tool and system messages can be "
        "answered."
    )
