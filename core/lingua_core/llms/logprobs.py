"""What a model tells of the tokens that it wrote, and of those that it might have written."""

from dataclasses import dataclass

__all__ = ["UNLIKELY", "TokenAlternative", "TokenLogprob"]

UNLIKELY = -9999.0
"""In place of the logarithm of nothing, which JSON cannot hold; endpoints use the same number."""


@dataclass(frozen=True, slots=True)
class TokenAlternative:
    """A token that might have been written.

    Attributes:
        token: As text; what is not whole characters may be shown as U+FFFD.
        logprob: The natural logarithm of its probability.
        raw: Its bytes, where the endpoint gives them; several tokens may share the bytes of one character.
    """

    token: str
    logprob: float
    raw: bytes | None = None


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token that was written.

    Attributes:
        token: As text; see `TokenAlternative`.
        logprob: The natural logarithm of its probability.
        raw: Its bytes, where the endpoint gives them.
        top: The likeliest tokens in its place, the likeliest first; itself may be among them.
    """

    token: str
    logprob: float
    raw: bytes | None = None
    top: tuple[TokenAlternative, ...] = ()
