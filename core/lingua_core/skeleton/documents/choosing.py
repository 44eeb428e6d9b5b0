"""One context for all points, or one for each: what costs less."""

from dataclasses import dataclass

from lingua_core.skeleton.documents.options import ContextOptions
from lingua_core.skeleton.economy import Prices

__all__ = ["ContextChoice", "choose_mode"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextChoice:
    """How the contexts of an answer are made.

    Attributes:
        mode: "per-point" or "shared".
        reason: For people.
        per_point: What the contexts cost, in `Prices.prompt` tokens, if each point gets its own.
        shared: The same if all read one.
    """

    mode: str
    reason: str
    per_point: float
    shared: float


def choose_mode(options: ContextOptions, *, total: int, shared: int) -> ContextChoice:
    """The mode that was asked for, or the cheaper one.

    Args:
        options: With the prices.
        total: Tokens of all contexts of an answer if each point gets its own.
        shared: Tokens of one context that holds what all points need.
    """
    calls = options.expected_points + 1
    prices = options.prices
    cost = _shared_cost(prices, shared, calls)
    if options.mode != "auto":
        return ContextChoice(mode=options.mode, reason="asked for", per_point=total, shared=cost)
    if prices is None or prices.cached is None:
        why = "no price for cached tokens was given, so every call would pay for all of a shared context"
        return ContextChoice(mode="per-point", reason=why, per_point=total, shared=cost)
    if shared < prices.cache_from:
        why = f"a shared context of {shared:,} tokens is below the {prices.cache_from:,} that are cached"
        return ContextChoice(mode="per-point", reason=why, per_point=total, shared=cost)
    about = f"{shared:,} tokens read once and {calls - 1} times from the cache cost as much as {cost:,.0f}"
    mode = "shared" if cost < total else "per-point"
    return ContextChoice(
        mode=mode, reason=f"{about}, contexts for each point {total:,}", per_point=total, shared=cost
    )


def _shared_cost(prices: Prices | None, shared: int, calls: int) -> float:
    """In tokens at the full price: the first call pays it, the others what cached tokens cost."""
    if prices is None or prices.cached is None or shared < prices.cache_from or prices.prompt <= 0:
        return float(shared * calls)
    return shared * (1 + (calls - 1) * prices.cached / prices.prompt)
