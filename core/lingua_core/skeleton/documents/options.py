"""How documents become contexts."""

from dataclasses import dataclass
from typing import Literal, get_args

from lingua_core.errors import InputError
from lingua_core.skeleton.economy import Prices

__all__ = ["SMALLEST", "ContextMode", "ContextOptions"]

ContextMode = Literal["auto", "per-point", "shared"]
SMALLEST = 32
"""Tokens of a context that can hold anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextOptions:
    """How documents become the contexts of one answer's calls.

    Defaults were chosen on development data: see docs/experiments/rag-skeleton.md.

    Attributes:
        mode: "per-point": each call gets what bears on its points. "shared": all get one text, which
            providers' prefix caches like. "auto": what costs less at `prices`.
        context_tokens: Of all contexts of an answer together, numbers and titles included; None for as many
            as make the whole answer, if it has as many points as expected, read no more than one direct call
            with the uncompressed documents, as the compressor counts. With fewer points, what their prompts
            save goes to the contexts of those that wait for the whole plan; with more, each beyond those
            expected adds its prompt with half a share. A number that is given is exceeded only by points
            beyond those expected (by at most 32 tokens each), and by those that have to be written from
            what the skeleton was planned on (by its size each). A shared context that a cache keeps counts
            once.
        skeleton_share: The fraction of them that the skeleton is planned on.
        expected_points: Among how many points the rest is shared out while the skeleton is still being
            written. Points that wait for it, above all those that name nothing of the documents
            ("Background"), share what the others leave.
        reread: How many documents are read again with each point; 0 for none, which takes no time at all
            and finds what points name by its words only.
        prices: For "auto".

    Raises:
        InputError: If a value is out of range.
    """

    mode: ContextMode = "auto"
    context_tokens: int | None = None
    skeleton_share: float = 0.1
    expected_points: int = 8
    reread: int = 4
    prices: Prices | None = None

    def __post_init__(self) -> None:
        if self.mode not in get_args(ContextMode):
            raise InputError(
                f"mode must be one of {', '.join(map(repr, get_args(ContextMode)))}, got {self.mode!r}."
            )
        share = self.skeleton_share
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < 1:  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise InputError(f"skeleton_share must be a fraction from 0 to below 1, got {share!r}.")
        _check_count("expected_points", self.expected_points, least=1)
        _check_count("reread", self.reread, least=0)
        if self.context_tokens is None:
            return
        _check_count("context_tokens", self.context_tokens, least=1)
        needed = SMALLEST * self.expected_points
        left = self.context_tokens - self.skeleton_tokens(self.context_tokens)
        if left < needed:
            raise InputError(
                f"context_tokens={self.context_tokens} leaves {left} for {self.expected_points} points, "
                f"which need at least {SMALLEST} each: {needed}. Raise it, expect fewer points, or lower "
                f"skeleton_share, which is {share:g}."
            )

    def skeleton_tokens(self, context_tokens: int) -> int:
        """Of so many tokens, those for planning the skeleton."""
        return max(SMALLEST, int(context_tokens * self.skeleton_share))

    @property
    def least_tokens(self) -> int:
        """The smallest `context_tokens` that can be used."""
        needed = SMALLEST * self.expected_points
        return max(needed + SMALLEST, -int(-needed // (1 - self.skeleton_share)))


def _check_count(name: str, value: object, *, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise InputError(f"{name} must be a whole number from {least} on, got {value!r}.")
