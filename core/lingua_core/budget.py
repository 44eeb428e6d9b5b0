"""How much may be kept."""

from dataclasses import dataclass
from operator import index as as_index
from typing import Literal

from lingua_core.errors import BudgetError

__all__ = ["RATE_ENFORCED_FROM", "RATE_TOLERANCE", "Budget", "choose_budget"]

RATE_TOLERANCE = 0.02
"""How far the achieved rate may be from the one asked for, where the segments allow it."""

RATE_ENFORCED_FROM = 50
"""Inputs of fewer tokens are not bent to a rate: which sentences are kept matters more there."""

_LARGEST = 2**53  # tokens; beyond that, floats stop being exact

LONG_SENTENCE = 100
"""Tokens of a sentence that may be divided to meet a rate."""

BudgetKind = Literal["target_tokens", "rate", "threshold"]


@dataclass(frozen=True, slots=True)
class Budget:
    """One of the three ways to say how much to keep.

    Attributes:
        kind: "target_tokens" (at most `value` tokens in the whole result), "rate" (`value` is the
            kept fraction of the tokens) or "threshold" (keep what scores at least `value`).
        value: The number for that kind.
        is_default: True if the caller gave no budget and the method's default applies.
    """

    kind: BudgetKind
    value: float
    is_default: bool = False

    def allowance(self, origin_tokens: int) -> int | None:
        """Tokens that may be kept of `origin_tokens`; `None` where a threshold decides."""
        if self.kind == "threshold":
            return None
        if self.kind == "rate":
            return min(origin_tokens, max(1, round(self.value * origin_tokens)))
        return int(self.value)

    def segment_limit(self, origin_tokens: int) -> int | None:
        """Tokens above which a segment has to be divided to be of any use; `None` for no limit.

        A rate divides only what is longer than sentences are: the best one is kept anyway.
        """
        allowance = self.allowance(origin_tokens)
        if allowance is None or self.kind == "target_tokens":
            return allowance
        return max(allowance, LONG_SENTENCE)

    def __str__(self) -> str:
        return f"{self.kind}={self.value:g}"


def choose_budget(
    *,
    target_tokens: int | None = None,
    rate: float | None = None,
    threshold: float | None = None,
    default_threshold: float | None = None,
) -> Budget:
    """Validate the caller's budget; with none, the default threshold, or half where there is none.

    Raises:
        BudgetError: If more than one is given, or one is out of range.
    """
    given = {
        name: value
        for name, value in (("target_tokens", target_tokens), ("rate", rate), ("threshold", threshold))
        if value is not None
    }
    if len(given) > 1:
        raise BudgetError(
            f"Give at most one of target_tokens, rate and threshold; got {_listed(given)}. "
            "target_tokens bounds the result, rate is a kept fraction, threshold adapts to the question."
        )
    if target_tokens is not None:
        return Budget("target_tokens", _checked_target(target_tokens))
    if rate is not None:
        return Budget("rate", _checked_rate(rate))
    if threshold is not None:
        return Budget("threshold", _checked_number("threshold", threshold))
    if default_threshold is not None:
        return Budget("threshold", default_threshold, is_default=True)
    return Budget("rate", 0.5, is_default=True)


def _listed(given: dict[str, float]) -> str:
    return " and ".join(f"{name}={value!r}" for name, value in given.items())


def _checked_target(target_tokens: int) -> int:
    try:
        tokens = as_index(target_tokens)
    except TypeError as error:
        raise BudgetError(
            f"target_tokens must be a whole number of tokens, got {target_tokens!r}. "
            "For a fraction of the input use rate."
        ) from error
    if isinstance(target_tokens, bool) or tokens < 1:
        raise BudgetError(f"target_tokens must be at least 1, got {target_tokens!r}.")
    return min(tokens, _LARGEST)


def _checked_rate(rate: float) -> float:
    value = _checked_number("rate", rate)
    if not 0 < value <= 1:
        hint = f" To keep one part in {value:g} pass rate={1 / value:.3g}." if value > 1 else ""
        raise BudgetError(f"rate is the kept fraction and must be in (0, 1], got {rate!r}.{hint}")
    return value


def _checked_number(name: str, value: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise BudgetError(f"{name} must be a number, got {type(value).__name__}: {value!r:.80}.") from error
    if isinstance(value, (bool, str)) or number != number or number in (float("inf"), float("-inf")):
        raise BudgetError(f"{name} must be a finite number, got {value!r}.")
    return number
