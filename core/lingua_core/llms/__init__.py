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

__all__ = [
    "LLM",
    "Cancellation",
    "ChatRequest",
    "Chunk",
    "Completion",
    "FinishReason",
    "Message",
    "Role",
    "Usage",
]
