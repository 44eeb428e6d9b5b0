"""Language models that write answers.

`HuggingFaceChat` is imported when it is first used, so that nothing else pays for torch.
"""

from typing import TYPE_CHECKING, Any

from lingua_core.llms.base import (
    LLM,
    Cancellation,
    ChatRequest,
    Chunk,
    Completion,
    FinishReason,
    Message,
    Role,
    Usage,
)
from lingua_core.llms.limits import ConcurrencyLimit
from lingua_core.llms.openai_chat import OpenAIChat
from lingua_core.llms.retrying import RetryPolicy
from lingua_core.llms.scripted import ScriptedLLM
from lingua_core.llms.scripts import Fault, RandomFaults, Reply, WrittenAnswer

if TYPE_CHECKING:
    from lingua_core.llms.huggingface import HuggingFaceChat

__all__ = [
    "LLM",
    "Cancellation",
    "ChatRequest",
    "Chunk",
    "Completion",
    "ConcurrencyLimit",
    "Fault",
    "FinishReason",
    "HuggingFaceChat",
    "Message",
    "OpenAIChat",
    "RandomFaults",
    "Reply",
    "RetryPolicy",
    "Role",
    "ScriptedLLM",
    "Usage",
    "WrittenAnswer",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401  # as modules do
    if name == "HuggingFaceChat":
        from lingua_core.llms.huggingface import HuggingFaceChat

        return HuggingFaceChat
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
