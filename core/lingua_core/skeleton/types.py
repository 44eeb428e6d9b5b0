"""The values of Skeleton-of-Thought: points, skeletons, expansions, answers, events.

Points are numbered from 1 in the order of the answer; the number is their identity, whatever the model wrote
before them.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

from lingua_core.documents import Span
from lingua_core.llms.base import Usage

__all__ = [
    "Accounting",
    "AnswerDone",
    "Call",
    "Citation",
    "Event",
    "Expansion",
    "ExpansionStatus",
    "NoSkeleton",
    "Point",
    "PointDelta",
    "Route",
    "RouteChosen",
    "RouteDecision",
    "Skeleton",
    "SkeletonAnswer",
    "SkeletonReady",
    "Timings",
]

Route = Literal["skeleton", "direct"]
ExpansionStatus = Literal["complete", "truncated", "retried", "fallback", "failed", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One point of a skeleton.

    Attributes:
        index: Its number, from 1.
        text: What it is about, in a few words, without number, bullet or emphasis.
        depends_on: Numbers of the points whose text it needs; always of other points, free of cycles.
    """

    index: int
    text: str
    depends_on: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Skeleton:
    """The plan of an answer.

    Attributes:
        points: In the order of the answer.
        notes: What was repaired: duplicates dropped, unknown dependencies, cycles cut.
        raw: What the model wrote.
    """

    points: tuple[Point, ...]
    notes: tuple[str, ...] = ()
    raw: str = field(default="", repr=False)

    def to_text(self) -> str:
        """One numbered line a point."""
        return "\n".join(f"{point.index}. {point.text}" for point in self.points)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoSkeleton:
    """Why a text is no skeleton.

    Attributes:
        code: Stable, for programs: "empty", "no_points", "one_point", "is_answer", "refused".
        reason: For people.
        raw: What the model wrote.
    """

    code: Literal["empty", "no_points", "one_point", "is_answer", "refused"]
    reason: str
    raw: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteDecision:
    """Whether a question is answered by way of a skeleton.

    Attributes:
        use_skeleton: The decision.
        probability: That a skeleton helps, for routers that estimate it.
        reason: For people.
    """

    use_skeleton: bool
    probability: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, for the timeline. Seconds count from the beginning of the answer.

    Attributes:
        tag: What it was for: "router", "skeleton", "point 3", "points 4-6", "direct", "stitch", "fallback".
        started: When it was sent.
        first_token: When the first text arrived; None if none did.
        ended: When it was over.
        usage: Its tokens.
        attempt: 1 for the first try.
        error: What went wrong, or empty.
    """

    tag: str
    started: float
    first_token: float | None
    ended: float
    usage: Usage
    attempt: int = 1
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """A document that a text was written from.

    Attributes:
        number: Its place in the input, from 1: what stands in brackets in the text.
        id: The caller's identifier.
        title: Its title.
        spans: What of its text was read: sorted, disjoint character spans.
        score: Its relevance, from the compressor.
    """

    number: int
    id: str | None
    title: str | None
    spans: tuple[Span, ...]
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounting:
    """What an answer over documents read, beside what a direct one would have.

    All numbers are of one counter, so that they can be compared; `usage` has what the model itself counted.

    Attributes:
        prompt_tokens: Of all calls, whose repeated attempts count once; without the router's.
        context_tokens: Of these, of contexts.
        completion_tokens: Of the skeleton and of the answer's text.
        direct_prompt_tokens: Of one direct call with the documents as they are.
        direct_compressed_prompt_tokens: Of one direct call with the documents cut to the same budget.
    """

    prompt_tokens: int
    context_tokens: int
    completion_tokens: int
    direct_prompt_tokens: int
    direct_compressed_prompt_tokens: int

    @property
    def ratio(self) -> float:
        """Prompt tokens against those of one direct call with the documents as they are."""
        return self.prompt_tokens / max(1, self.direct_prompt_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expansion:
    """A point, written.

    Attributes:
        point: The point.
        text: Its text, without the number; empty if it failed with nothing written.
        status: "complete"; "truncated" at the token limit or deadline; "retried": complete after a failure;
            "fallback": written by the fallback call; "failed"; "cancelled".
        usage: Of all its calls.
        error: What went wrong in the end, or empty.
        citations: The documents that it was written from; empty without documents.
        cited: Numbers of those that it cites, in the order of its text.
        note: Why it was not written from what bears on it, or empty.
    """

    point: Point
    text: str
    status: ExpansionStatus
    usage: Usage = field(default_factory=Usage)
    error: str = ""
    citations: tuple[Citation, ...] = ()
    cited: tuple[int, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """Seconds from the beginning.

    Attributes:
        first_token: Until the first text of the answer.
        skeleton: Until the skeleton was complete; None without one.
        total: Until the end.
        calls: Every request.
    """

    first_token: float | None
    skeleton: float | None
    total: float
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SkeletonAnswer:
    """An answer, and how it came about.

    Attributes:
        text: The answer.
        route: How it was written in the end.
        decision: What the router said.
        skeleton: The plan; None for a direct answer that had none.
        expansions: The points' texts, in the order of the answer.
        usage: Tokens of all calls, cancelled ones included.
        timings: When what happened.
        notes: Every fallback and repair, in plain words.
        is_complete: Whether nothing is missing: no point failed, no limit or deadline cut the text.
        citations: All documents that it was written from; empty without documents.
        accounting: What it read beside what a direct answer would have; None without documents.
        metadata: For what adapters and later stages add.
    """

    text: str
    route: Route
    decision: RouteDecision
    skeleton: Skeleton | None = None
    expansions: tuple[Expansion, ...] = ()
    usage: Usage = field(default_factory=Usage)
    timings: Timings
    notes: tuple[str, ...] = ()
    is_complete: bool = True
    citations: tuple[Citation, ...] = ()
    accounting: Accounting | None = None
    metadata: Mapping[str, object] = field(default_factory=dict[str, object], hash=False)

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON, if `metadata` is."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteChosen:
    """The router has decided, or a fallback has changed the route: `decision` says why."""

    route: Route
    decision: RouteDecision


@dataclass(frozen=True, slots=True, kw_only=True)
class SkeletonReady:
    """The skeleton is complete."""

    skeleton: Skeleton


@dataclass(frozen=True, slots=True, kw_only=True)
class PointDelta:
    """New text of the answer; all deltas of a stream, joined, are `SkeletonAnswer.text`.

    Attributes:
        index: The point's number; 0 for a direct answer, and for what stands between points.
        text: What is new.
    """

    index: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerDone:
    """The end, with everything."""

    answer: SkeletonAnswer


Event = RouteChosen | SkeletonReady | PointDelta | AnswerDone
