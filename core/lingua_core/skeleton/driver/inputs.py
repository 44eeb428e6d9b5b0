"""What users hand over, checked before anything is asked."""

from collections.abc import Callable, Sequence
from typing import Any

from lingua_core.errors import InputError
from lingua_core.llms.base import LLM, Message
from lingua_core.skeleton.driver.accounting import CountTokens, estimate_tokens
from lingua_core.tokens import TokenCounter, resolve_token_counter

__all__ = ["Question", "as_conversation", "checked_llm", "checked_stop", "counting"]

Question = str | Sequence[Message]
"""What is asked: a text, or a conversation that ends with the user's turn."""
_NEEDED = ("name", "supports_prefill", "supports_json_schema", "complete", "acomplete", "stream", "astream")


def checked_llm(llm: object) -> LLM:
    """The model, if it is one.

    Raises:
        InputError: If it lacks something of the protocol; the message says what.
    """
    if isinstance(llm, type):
        raise InputError(f"llm must be a model, not its class: pass {llm.__name__}(...).")
    needed = (
        "name",
        "supports_prefill",
        "supports_json_schema",
        "complete",
        "acomplete",
        "stream",
        "astream",
    )
    missing = [name for name in needed if not hasattr(llm, name)]
    if missing or not isinstance(llm, LLM):
        raise InputError(
            f"llm must be a lingua_core.llms.LLM (OpenAIChat, HuggingFaceChat, ScriptedLLM, or an object of "
            f"your own with {', '.join(_NEEDED)}); got {llm!r:.80}, which has no {', '.join(missing)}."
        )
    return llm


def checked_stop(stop: Any) -> tuple[str, ...]:  # noqa: ANN401  # it is the check
    """The stop texts.

    Raises:
        InputError: If it is one text, or holds something else than texts that are not empty.
    """
    stops = () if isinstance(stop, str) else tuple(stop)
    if isinstance(stop, str) or not all(isinstance(text, str) and text for text in stops):
        raise InputError(f"stop must be a sequence of texts that are not empty, got {stop!r}.")
    return stops


def counting(spec: str | Callable[[str], int] | TokenCounter | None) -> CountTokens:
    """What counts tokens: a user's choice, or an estimate by length."""
    if spec is None:
        return estimate_tokens
    counter = resolve_token_counter(spec)
    return lambda text: counter.count([text])[0]


def as_conversation(question: Question, history: Sequence[Message]) -> tuple[str, tuple[Message, ...]]:
    """The last question, and what came before it.

    Raises:
        InputError: If there is no question, or two histories.
    """
    if isinstance(question, str):
        return question, tuple(history)
    turns: Any = tuple(question)
    if not turns or not all(isinstance(turn, Message) for turn in turns) or turns[-1].role != "user":
        raise InputError(
            "question must be a text, or a sequence of lingua_core.llms.Message that ends with the user's; "
            f"got {question!r:.80}."
        )
    if history:
        raise InputError("Pass the conversation as question or as history, not as both.")
    return turns[-1].content, turns[:-1]
