"""Compressing prompts that have a structure: tagged text, JSON data, chat messages.

Each function takes a `PromptCompressor` and changes only the texts that it is told to; whatever is
around them comes out as it went in.
"""

from lingua_core.structured.json_rules import Rule
from lingua_core.structured.json_values import JSONPart, JSONResult, compress_json
from lingua_core.structured.messages import MessagePart, MessagesResult, compress_messages
from lingua_core.structured.prompt import PromptResult, compress_prompt
from lingua_core.structured.tagged import (
    TaggedPart,
    TaggedResult,
    TaggedSection,
    compress_tagged,
    parse_tagged,
)

__all__ = [
    "JSONPart",
    "JSONResult",
    "MessagePart",
    "MessagesResult",
    "PromptResult",
    "Rule",
    "TaggedPart",
    "TaggedResult",
    "TaggedSection",
    "compress_json",
    "compress_messages",
    "compress_prompt",
    "compress_tagged",
    "parse_tagged",
]
