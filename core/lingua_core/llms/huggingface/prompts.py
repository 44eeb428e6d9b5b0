"""Conversations as the tokens that a model expects."""

# transformers is partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import inspect
import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from lingua_core.errors import InputError, LLMRequestError
from lingua_core.llms.base import Message
from lingua_core.models.hugging_face import HuggingFaceModel
from lingua_core.unicode import encodable

__all__ = ["ChatPrompts", "Prompt"]

_CONTEXT = 8
"""Tokens at a prompt's end whose text decides how the first word of a continuation is spelled."""


class Prompt(NamedTuple):
    """What a model reads.

    Attributes:
        ids: Its tokens.
        context: The last of them, if the reply goes on in the middle of a text; else none.
    """

    ids: list[int]
    context: list[int]


class ChatPrompts:
    """Writes prompts with a tokenizer's chat template, or, where it has none, as plain text.

    Plain text is for models that were trained to go on with a text. A conversation of one user message,
    with a system message before it or not, is these contents, with an empty line between them; a longer one
    has "User: " and "Assistant: " before its turns and ends in "Assistant:". A reply that is begun for the
    model comes last, and nothing follows it.

    A template that refuses system messages, or leaves them out, gets them at the beginning of the first
    user message. Control tokens that are spelled out in a message's content stay text (for templates: with
    transformers from 5.12 on).

    Args:
        model: Whose tokenizer is used.
    """

    def __init__(self, model: HuggingFaceModel) -> None:
        self._model = model
        self._tokenizer: Any = model.load().tokenizer
        # Fast tokenizers refuse to be used by two threads while one of them changes their settings.
        self._lock = threading.Lock()

    def write(self, messages: Sequence[Message], *, prefill: bool, options: Mapping[str, Any]) -> Prompt:
        """The prompt of a conversation.

        Args:
            messages: With `prefill`, the last one is the beginning of the reply.
            prefill: Whether the reply is begun.
            options: Variables for the chat template, such as `enable_thinking`.

        Raises:
            InputError: If there is no message, or none that could be the beginning of the reply.
            LLMRequestError: If the template refuses the conversation.
        """
        if not messages:
            raise InputError("messages is empty. Expected at least one message to reply to.")
        if prefill and messages[-1].role != "assistant":
            raise InputError(
                f"With prefill the last message must be the assistant's, got one of {messages[-1].role!r}."
            )
        turns = [Message(message.role, encodable(message.content)) for message in messages]
        with self._lock:
            if self._tokenizer.chat_template:
                ids = self._from_template(turns, prefill, options)
            else:
                ids = self._from_text(_as_text(turns, prefill))
        if not ids:
            raise LLMRequestError("The prompt has no tokens. Expected a message that is not empty.")
        continues = prefill or not self._tokenizer.chat_template
        return Prompt(ids, ids[-_CONTEXT:] if continues else [])

    @cached_property
    def _takes_system(self) -> bool:
        """Whether the template writes system messages down."""
        probe = [Message("system", "sys-probe"), Message("user", "user-probe")]
        try:
            text = self._tokenizer.apply_chat_template(_dicts(probe), tokenize=False)
        except Exception:  # a template may raise anything; it is asked again without
            return False
        return "sys-probe" in text

    @cached_property
    def _safe(self) -> dict[str, bool]:
        known = inspect.signature(self._tokenizer.apply_chat_template).parameters
        return {"sanitize_control_tokens": True} if "sanitize_control_tokens" in known else {}

    def _from_template(self, turns: list[Message], prefill: bool, options: Mapping[str, Any]) -> list[int]:
        if any(turn.role == "system" for turn in turns) and not self._takes_system:
            turns = _without_system(turns)
        try:
            ids = self._tokenizer.apply_chat_template(
                _dicts(turns),
                add_generation_prompt=not prefill,
                continue_final_message=prefill,
                tokenize=True,
                return_dict=False,
                **self._safe,
                **options,
            )
        except Exception as error:  # a template may raise anything
            roles = ", ".join(turn.role for turn in turns)
            raise LLMRequestError(
                f"The chat template of {self._model.name!r} refuses a conversation of {roles}: {error}"
            ) from error
        return [int(token) for token in ids]

    def _from_text(self, text: str) -> list[int]:
        found = self._tokenizer(
            text, add_special_tokens=False, split_special_tokens=True, truncation=False, verbose=False
        )
        ids = [*self._model.added_tokens[0], *found["input_ids"]]
        begin = self._tokenizer.bos_token_id
        return ids or ([] if begin is None else [int(begin)])


def _dicts(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in messages]


def _without_system(turns: Sequence[Message]) -> list[Message]:
    """System messages at the beginning of the first user message."""
    system = [turn.content for turn in turns if turn.role == "system"]
    others = [turn for turn in turns if turn.role != "system"]
    at = next((i for i, turn in enumerate(others) if turn.role == "user"), None)
    if at is None:
        return [Message("user", "\n\n".join(system)), *others]
    others[at] = Message("user", "\n\n".join([*system, others[at].content]))
    return others


def _as_text(turns: Sequence[Message], prefill: bool) -> str:
    """The plain form of a conversation."""
    begun = turns[-1].content if prefill else ""
    said = turns[:-1] if prefill else turns
    is_dialogue = sum(turn.role != "system" for turn in said) > 1
    if not is_dialogue:
        return "\n\n".join([*(turn.content for turn in said), *([begun] if prefill else [])])
    names = {"system": "", "user": "User: ", "assistant": "Assistant: "}
    blocks = [names[turn.role] + turn.content for turn in said]
    return "\n\n".join([*blocks, f"Assistant: {begun}" if prefill else "Assistant:"])
