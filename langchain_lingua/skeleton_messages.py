"""Answers and events of the core as LangChain's messages, chunks, run names and custom events."""

import re
from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import InputTokenDetails, UsageMetadata

from lingua_core.llms import Usage
from lingua_core.skeleton import Event, PointDelta, RouteChosen, SkeletonAnswer, SkeletonReady
from lingua_core.skeleton.summary import answer_summary, skeleton_summary

__all__ = ["METADATA_KEY", "answer_message", "call_labels", "delta_chunk", "event_data", "last_chunk"]

METADATA_KEY = "lingua"
"""Where an answer's `response_metadata` says how it came about."""
_RUN_NAMES = {
    "router": "route_question",
    "skeleton": "plan_skeleton",
    "point": "expand_point",
    "points": "expand_points",
    "direct": "direct_answer",
    "fallback": "write_missing_points",
    "stitch": "stitch_answer",
}
_TAG = re.compile(r"(?P<kind>\w+)(?: (?P<first>\d+)(?:-(?P<last>\d+))?)?")


def answer_message(answer: SkeletonAnswer, id: str, notes: Sequence[str]) -> AIMessage:
    """The answer with its usage, and its account in the response metadata."""
    return AIMessage(
        content=answer.text,
        id=id,
        usage_metadata=_usage(answer.usage),
        response_metadata={METADATA_KEY: answer_summary(answer, notes=notes)},
    )


def delta_chunk(delta: PointDelta, id: str) -> AIMessageChunk:
    """New text of the answer."""
    return AIMessageChunk(content=delta.text, id=id)


def last_chunk(answer: SkeletonAnswer, id: str, notes: Sequence[str]) -> AIMessageChunk:
    """What `answer_message` has beside the text."""
    return AIMessageChunk(
        content="",
        id=id,
        usage_metadata=_usage(answer.usage),
        response_metadata={METADATA_KEY: answer_summary(answer, notes=notes)},
        chunk_position="last",
    )


def event_data(event: Event) -> tuple[str, dict[str, Any]] | None:
    """Name and data of the custom event that an event of the core is; None for text, which is streamed."""
    if isinstance(event, RouteChosen):
        decision = event.decision
        return "lingua_route", {
            "route": event.route,
            "reason": decision.reason,
            "probability": decision.probability,
        }
    if isinstance(event, SkeletonReady):
        return "lingua_skeleton", {"points": skeleton_summary(event.skeleton)}
    return None


def call_labels(tag: str) -> tuple[str, dict[str, Any]]:
    """Name and metadata of the run of a call, from the request's tag ("skeleton", "points 4-6")."""
    found = _TAG.match(tag)
    kind = found["kind"] if found else tag
    metadata: dict[str, Any] = {"lingua_call": tag}
    if found and found["first"]:
        first = int(found["first"])
        if found["last"]:
            metadata["lingua_points"] = list(range(first, int(found["last"]) + 1))
        else:
            metadata["lingua_point"] = first
    return _RUN_NAMES.get(kind, kind or "lingua_call"), metadata


def _usage(usage: Usage) -> UsageMetadata:
    found = UsageMetadata(
        input_tokens=usage.prompt_tokens,
        output_tokens=usage.completion_tokens,
        total_tokens=usage.total_tokens,
    )
    if usage.cached_tokens:
        found["input_token_details"] = InputTokenDetails(cache_read=usage.cached_tokens)
    return found
