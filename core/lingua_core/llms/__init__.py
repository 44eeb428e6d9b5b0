"""Language models that write answers."""

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

__all__ = [
    "LLM",
    "Cancellation",
    "ChatRequest",
    "Chunk",
    "Completion",
    "ConcurrencyLimit",
    "Fault",
    "FinishReason",
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
