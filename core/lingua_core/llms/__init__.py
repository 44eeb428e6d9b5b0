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
from lingua_core.llms.openai_chat import OpenAIChat
from lingua_core.llms.retrying import RetryPolicy

__all__ = [
    "LLM",
    "Cancellation",
    "ChatRequest",
    "Chunk",
    "Completion",
    "FinishReason",
    "Message",
    "OpenAIChat",
    "RetryPolicy",
    "Role",
    "Usage",
]
