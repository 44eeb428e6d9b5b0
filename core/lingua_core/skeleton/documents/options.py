"""How documents become contexts."""

from dataclasses import dataclass
from typing import Literal, get_args

from lingua_core.errors import InputError
from lingua_core.skeleton.economy import Prices

__all__ = ["ContextMode", "ContextOptions"]

ContextMode = Literal["auto", "per-point", "shared"]
SMALLEST = 32
"""Tokens of a context that can hold anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextOptions:
    """How documents become the contexts of one answer's calls.

    Attributes:
        mode: "per-point": each call gets what bears on its points. "shared": all get one text, which
            providers' prefix caches like. "auto": what costs less at `prices`.
        context_tokens: Of all contexts of an answer together; None for as many as make the whole answer read
            no more than one direct call with the uncompressed documents, as the compressor counts.
        skeleton_share: The fraction of them that the skeleton is planned on.
        expected_points: Among how many points the rest is shared out while the skeleton is still being
            written; further points share what is left.
        question_share: The fraction of a point's context that goes to what bears on the question as a whole,
            so that evidence which no point asks for by name is seen as well.
        prices: For "auto".

    Raises:
        InputError: If a value is out of range.
    """

    mode: ContextMode = "auto"
    context_tokens: int | None = None
    skeleton_share: float = 0.2
    expected_points: int = 7
    question_share: float = 0.25
    prices: Prices | None = None

    def __post_init__(self) -> None:
        if self.mode not in get_args(ContextMode):
            raise InputError(
                f"mode must be one of {', '.join(map(repr, get_args(ContextMode)))}, got {self.mode!r}."
            )
        for name in ("skeleton_share", "question_share"):
            value: float = getattr(self, name)
            if isinstance(value, bool | str) or not 0 <= value < 1:
                raise InputError(f"{name} must be a fraction from 0 to below 1, got {value!r}.")
        if isinstance(self.expected_points, bool) or self.expected_points < 1:
            raise InputError(f"expected_points must be at least 1, got {self.expected_points!r}.")
        least = self.least_tokens
        tokens = self.context_tokens
        if tokens is not None and (isinstance(tokens, bool | str) or tokens < least):
            raise InputError(
                f"context_tokens={tokens!r} is for the skeleton and {self.expected_points} points, which "
                f"need at least {SMALLEST} tokens each: {least}. Raise it, or expect fewer points."
            )

    @property
    def least_tokens(self) -> int:
        """The fewest tokens that hold contexts for the skeleton and the expected points."""
        return SMALLEST * (self.expected_points + 1)
