"""What an answer will cost and how long it will take, by way of a skeleton and directly, before it is asked.

Pure arithmetic on token counts, prices and latencies: with the same figures, a simulation of the driver
comes to the same times. Lengths that are not given are those of the paper (arXiv 2307.15337).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from lingua_core.errors import InputError

__all__ = ["Cost", "Estimate", "Lengths", "Prices", "Speeds", "estimate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Of a provider, in any currency, for a million tokens each.

    Attributes:
        prompt: Tokens that are read.
        completion: Tokens that are written.
        cached: Tokens that are read from the provider's prefix cache; None if there is none.
        cache_from: The shortest prefix, in tokens, that the provider keeps.
    """

    prompt: float = 0.0
    completion: float = 0.0
    cached: float | None = None
    cache_from: int = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Speeds:
    """Of an endpoint.

    Attributes:
        first_token: Seconds until the first token of a call.
        per_token: Seconds between two tokens.
        per_prompt_token: Seconds that each token of a prompt adds to the first, if it is not cached.
    """

    first_token: float = 0.5
    per_token: float = 0.02
    per_prompt_token: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Lengths:
    """In tokens.

    Attributes:
        direct: A direct answer.
        title: A point of the skeleton, with its number.
        points: The text of each point, in their order.
        instructions: What the prompts of the skeleton, of a point and of a direct answer add to the question.
    """

    direct: int = 340
    title: int = 7
    points: tuple[int, ...] = (55, 70, 60, 115, 65, 60, 50)
    instructions: tuple[int, int, int] = (130, 110, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of one way to an answer.

    Attributes:
        prompt_tokens: Read, by all calls together.
        cached_tokens: Of these, from a cache.
        completion_tokens: Written.
        calls: How many.
        price: At the prices given.
        seconds: Until the end.
        first_text_seconds: Until text of the answer is shown.
    """

    prompt_tokens: int
    cached_tokens: int = 0
    completion_tokens: int
    calls: int
    price: float
    seconds: float
    first_text_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Both ways, side by side.

    Attributes:
        skeleton: By way of a skeleton.
        direct: In one piece.
    """

    skeleton: Cost
    direct: Cost

    @property
    def speedup(self) -> float:
        """How many times sooner the answer by way of a skeleton is there."""
        return self.direct.seconds / self.skeleton.seconds

    @property
    def price_ratio(self) -> float:
        """How many times dearer it is; infinite if a direct answer costs nothing, 1 if neither costs."""
        if self.direct.price == 0:
            return 1.0 if self.skeleton.price == 0 else math.inf
        return self.skeleton.price / self.direct.price


@dataclass(slots=True)
class _Bill:
    prices: Prices
    speeds: Speeds
    prompt: int = 0
    cached: int = 0
    completion: int = 0
    calls: int = 0
    waits: list[float] = field(default_factory=list[float])

    def call(self, prompt: int, completion: int, *, shared: int = 0) -> tuple[float, float]:
        """Add a call; returns its seconds until the first token and in all."""
        has_cache = self.prices.cached is not None and shared >= self.prices.cache_from
        cached = shared if has_cache else 0
        self.prompt, self.cached = self.prompt + prompt, self.cached + cached
        self.completion, self.calls = self.completion + completion, self.calls + 1
        first = self.speeds.first_token + (prompt - cached) * self.speeds.per_prompt_token
        return first, first + max(0, completion - 1) * self.speeds.per_token

    def to_cost(self, *, seconds: float, first_text: float) -> Cost:
        cheaper = self.prices.prompt if self.prices.cached is None else self.prices.cached
        price = (self.prompt - self.cached) * self.prices.prompt + self.cached * cheaper
        return Cost(
            prompt_tokens=self.prompt,
            cached_tokens=self.cached,
            completion_tokens=self.completion,
            calls=self.calls,
            price=(price + self.completion * self.prices.completion) / 1e6,
            seconds=seconds,
            first_text_seconds=first_text,
        )


def estimate(
    question_tokens: int,
    *,
    context_tokens: int = 0,
    point_context_tokens: int | None = None,
    lengths: Lengths | None = None,
    prices: Prices | None = None,
    speeds: Speeds | None = None,
    points_per_request: int = 1,
    max_concurrency: int = 8,
    router_seconds: float = 0.0,
) -> Estimate:
    """The cost of an answer and the time that it takes.

    Args:
        question_tokens: Of the question, and of what came before it.
        context_tokens: Of the documents that skeleton and direct answer are written from.
        point_context_tokens: Of those that a point is written from, if it has its own; they are then no
            common prefix that a cache could keep.
        lengths: Of what is written.
        prices: Of the provider.
        speeds: Of the endpoint.
        points_per_request: Points that one call writes.
        max_concurrency: Calls at once.
        router_seconds: What deciding takes, on the way of the skeleton.

    Raises:
        InputError: If a number is out of range.
    """
    lengths, prices, speeds = lengths or Lengths(), prices or Prices(), speeds or Speeds()
    _check(question_tokens, context_tokens, points_per_request, max_concurrency, lengths)
    for_skeleton, for_point, for_direct = lengths.instructions
    bill = _Bill(prices, speeds)
    first, seconds = bill.call(question_tokens + context_tokens + for_direct, lengths.direct)
    direct = bill.to_cost(seconds=seconds, first_text=first)

    bill = _Bill(prices, speeds)
    count = len(lengths.points)
    shared = context_tokens + question_tokens
    first, plan_seconds = bill.call(shared + for_skeleton, count * lengths.title)
    starts: list[float] = []
    durations: list[float] = []
    firsts: list[float] = []
    for group in _groups(lengths.points, points_per_request):
        known = group[-1][0] + 1
        closed = min(plan_seconds, first + known * lengths.title * speeds.per_token)
        own = context_tokens if point_context_tokens is None else point_context_tokens
        prompt = own + question_tokens + for_point + known * lengths.title
        written = sum(tokens for _, tokens in group)
        begins, lasts = bill.call(prompt, written, shared=shared if point_context_tokens is None else 0)
        starts.append(closed)
        firsts.append(begins)
        durations.append(lasts)
    ends, begun = _schedule(starts, durations, max_concurrency=max_concurrency, plan_seconds=plan_seconds)
    total = router_seconds + max(*ends, plan_seconds)
    first_text = router_seconds + max(plan_seconds, begun[0] + firsts[0])
    return Estimate(skeleton=bill.to_cost(seconds=total, first_text=first_text), direct=direct)


def _groups(points: Sequence[int], size: int) -> list[list[tuple[int, int]]]:
    numbered = list(enumerate(points))
    return [numbered[i : i + size] for i in range(0, len(numbered), size)]


def _schedule(
    ready: Sequence[float], lasts: Sequence[float], *, max_concurrency: int, plan_seconds: float
) -> tuple[list[float], list[float]]:
    """When calls end and begin that are ready at these times, beside the skeleton's, in this order."""
    free = [0.0] * (max_concurrency - 1) + [plan_seconds]
    ends: list[float] = []
    begun: list[float] = []
    for at, seconds in zip(ready, lasts, strict=True):
        slot = min(range(len(free)), key=free.__getitem__)
        begin = max(at, free[slot])
        free[slot] = begin + seconds
        begun.append(begin)
        ends.append(free[slot])
    return ends, begun


def _check(question: int, context: int, per_request: int, concurrency: int, lengths: Lengths) -> None:
    if question < 0 or context < 0:
        raise InputError(f"Token counts must be 0 or more, got {question!r} and {context!r}.")
    if per_request < 1 or concurrency < 1:
        raise InputError(
            "points_per_request and max_concurrency must be at least 1, "
            f"got {per_request!r} and {concurrency!r}."
        )
    if not lengths.points or min(lengths.points) < 1 or lengths.title < 1 or lengths.direct < 1:
        raise InputError(f"Lengths must be at least 1 token, of at least one point; got {lengths!r}.")
