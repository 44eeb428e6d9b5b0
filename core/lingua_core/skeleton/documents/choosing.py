"""One context for all points, or one for each: what costs less."""

from dataclasses import dataclass

from lingua_core.skeleton.documents.options import SMALLEST, ContextOptions
from lingua_core.skeleton.economy import Prices

__all__ = ["ContextChoice", "choose_mode"]

_DIFFERENT = 0.55
"""The share of different text in what the points of an answer are given, on development data: questions over
20 documents, 5 to 9 points (docs/experiments/rag-skeleton.md)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextChoice:
    """How the contexts of an answer are made.

    Attributes:
        mode: "per-point" or "shared".
        reason: For people.
        per_point: What the contexts cost, in tokens at the full price, if each point gets its own.
        shared: The same if all calls read one.
        shared_tokens: Tokens of that one.
    """

    mode: str
    reason: str
    per_point: float
    shared: float
    shared_tokens: int


def choose_mode(options: ContextOptions, *, total: int, whole: int) -> ContextChoice:
    """The mode that was asked for, or the cheaper one.

    A shared context has to hold what the points' own would hold together: that is less than their sum, for
    some evidence is good for several points. If a cache keeps it, all calls but the first pay the price of
    cached tokens for it. Without a cache every call pays for all of it, so it is only as large as the
    budget allows.

    Args:
        options: With the prices.
        total: Tokens of all contexts of an answer if each point gets its own.
        whole: Tokens of all documents.
    """
    calls = options.expected_points + 1
    size = min(whole, int(total * _DIFFERENT))
    cached = _cached_share(options.prices, size)
    cost = size * (1 + (calls - 1) * cached) if cached is not None else float(size * calls)

    def choice(mode: str, reason: str) -> ContextChoice:
        tokens = size if cached is not None else min(whole, max(SMALLEST, total // calls))
        return ContextChoice(mode=mode, reason=reason, per_point=total, shared=cost, shared_tokens=tokens)

    if options.mode != "auto":
        return choice(options.mode, "asked for")
    prices = options.prices
    if prices is None or prices.cached is None:
        why = "no price for cached tokens was given, so every call would pay for all of a shared context"
        return choice("per-point", why)
    if cached is None:
        why = f"a shared context of {size:,} tokens is below the {prices.cache_from:,} that are cached"
        return choice("per-point", why)
    about = f"{size:,} tokens read once and {calls - 1} times from the cache cost as much as {cost:,.0f}"
    return choice("shared" if cost < total else "per-point", f"{about}, contexts for each point {total:,}")


def _cached_share(prices: Prices | None, size: int) -> float | None:
    """The price of a cached token against that of another; None if so many tokens are not cached."""
    if prices is None or prices.cached is None or size < prices.cache_from:
        return None
    return prices.cached / prices.prompt if prices.prompt > 0 else 1.0
