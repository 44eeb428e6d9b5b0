"""An answer's account as plain data, for frameworks that hand metadata on: the same in every adapter."""

from collections.abc import Sequence
from typing import Any

from lingua_core.skeleton.types import Citation, Expansion, Skeleton, SkeletonAnswer, Timings

__all__ = ["answer_summary", "skeleton_summary"]


def answer_summary(answer: SkeletonAnswer, *, notes: Sequence[str] = ()) -> dict[str, Any]:
    """Everything but the text, as JSON data: route, skeleton, points, citations, usage, timings, notes.

    Args:
        answer: The answer.
        notes: What its caller did otherwise than asked; stands before the answer's own.
    """
    account = answer.accounting
    return {
        "route": answer.route,
        "reason": answer.decision.reason,
        "skeleton": skeleton_summary(answer.skeleton),
        "points": [_point(expansion) for expansion in answer.expansions],
        "is_complete": answer.is_complete,
        "notes": [*notes, *answer.notes],
        "citations": [_citation(citation) for citation in answer.citations],
        "usage": {
            "prompt_tokens": answer.usage.prompt_tokens,
            "completion_tokens": answer.usage.completion_tokens,
            "cached_tokens": answer.usage.cached_tokens,
            "calls": answer.usage.calls,
            "estimated": answer.usage.estimated,
        },
        "accounting": None
        if account is None
        else {
            "prompt_tokens": account.prompt_tokens,
            "context_tokens": account.context_tokens,
            "completion_tokens": account.completion_tokens,
            "direct_prompt_tokens": account.direct_prompt_tokens,
            "direct_compressed_prompt_tokens": account.direct_compressed_prompt_tokens,
        },
        "timings": _timings(answer.timings),
    }


def skeleton_summary(skeleton: Skeleton | None) -> list[dict[str, Any]] | None:
    """The points, each with `index`, `text` and `depends_on`; None if there is no skeleton."""
    if skeleton is None:
        return None
    return [
        {"index": point.index, "text": point.text, "depends_on": list(point.depends_on)}
        for point in skeleton.points
    ]


def _point(expansion: Expansion) -> dict[str, Any]:
    return {
        "index": expansion.point.index,
        "status": expansion.status,
        "error": expansion.error,
        "citations": [citation.number for citation in expansion.citations],
        "cited": list(expansion.cited),
    }


def _citation(citation: Citation) -> dict[str, Any]:
    return {
        "number": citation.number,
        "id": citation.id,
        "title": citation.title,
        "spans": [[start, end] for start, end in citation.spans],
        "score": float(citation.score),
    }


def _timings(timings: Timings) -> dict[str, Any]:
    return {
        "first_token": timings.first_token,
        "skeleton": timings.skeleton,
        "total": timings.total,
        "calls": [
            {
                "tag": call.tag,
                "started": call.started,
                "first_token": call.first_token,
                "ended": call.ended,
                "attempt": call.attempt,
                "error": call.error,
            }
            for call in timings.calls
        ],
    }
