"""What a teacher says of each token that it wrote: how likely it was, and what else was likely.

The form is that of OpenAI's chat completions with `logprobs`, which other servers keep to: a token is given
with its bytes, because a token may end inside a character.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from lingua_core.errors import InputError
from lingua_core.unicode import encodable

__all__ = ["ENDS", "Candidate", "Shares", "TeacherPosition", "teacher_positions"]

ENDS = (
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|im_end|>",
    "<|eot_id|>",
    "<|end|>",
    "<|return|>",
    "<end_of_turn>",
    "<eos>",
    "</s>",
    "<\uff5cend\u2581of\u2581sentence\uff5c>",
)
"""How common chat models spell the token that ends an answer."""

_MARK = re.compile(r"<\|[^<>|\s]+\|>|<\uff5c[^<>\s]+\uff5c>|</?s>|<(bos|eos|pad|unk|(start|end)_of_turn)>")
_MOST_TOGETHER = 1.01
"""Probabilities may add up to this: servers compute them in half precision, or round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A token that could come next.

    Attributes:
        data: Its bytes.
        logprob: Natural logarithm of its probability.
        token: As the server spells it, or ""; tells tokens of the same bytes apart.
    """

    data: bytes
    logprob: float
    token: str = ""

    @property
    def is_mark(self) -> bool:
        """Whether it is spelled as only tokens that stand for no text are: an end, a speaker's turn."""
        return bool(_MARK.fullmatch(self.token or self.data.decode(errors="replace")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """A teacher's distribution over its next token; everything sums to 1.

    Attributes:
        observed: Probability of the token that came.
        others: The other listed tokens, with their probabilities.
        rest: Probability of all tokens that are not listed.
    """

    observed: float
    others: tuple[tuple[Candidate, float], ...]
    rest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TeacherPosition:
    """A token that the teacher wrote, and the likeliest ones in its place.

    Attributes:
        observed: The token that came.
        top: The likeliest tokens; the one that came may be among them.
    """

    observed: Candidate
    top: tuple[Candidate, ...] = ()

    def shares(self) -> Shares:
        """The listed tokens' probabilities, and what remains for the others.

        Probabilities that add up to a little more than 1 are scaled.

        Raises:
            InputError: If they add up to more than rounding explains.
        """
        others = list(self.top)
        for place, candidate in enumerate(others):
            names = {self.observed.token, candidate.token} - {""}
            if candidate.data == self.observed.data and len(names) < 2:
                del others[place]
                break
        observed = math.exp(self.observed.logprob)
        found = [math.exp(candidate.logprob) for candidate in others]
        total = math.fsum([observed, *found])
        if total > _MOST_TOGETHER:
            raise InputError(
                f"The probabilities of {self.observed.token or self.observed.data!r} and of the "
                f"{len(others)} other tokens in its place add up to {total:.4f}; expected at most 1. Are the "
                "log-probabilities natural logarithms, of one temperature?"
            )
        scale = 1 / total if total > 1 else 1.0
        return Shares(
            observed=observed * scale,
            others=tuple(zip(others, [share * scale for share in found], strict=True)),
            rest=max(0.0, 1 - total),
        )


def teacher_positions(content: Sequence[Mapping[str, Any]]) -> list[TeacherPosition]:
    """Read `choices[0].logprobs.content` of a chat completion.

    Args:
        content: An entry for each token: `token`, `logprob`, `bytes` (a list of numbers, or None: then they
            are the token's own) and `top_logprobs`, a list of the same.

    Raises:
        InputError: If an entry is none; says which and why.
    """
    if not isinstance(content, Sequence) or isinstance(content, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # any JSON
        raise InputError(f"Expected a list of tokens with their log-probabilities, got {content!r:.200}.")
    found: list[TeacherPosition] = []
    for place, entry in enumerate(content):
        try:
            top: Any = entry.get("top_logprobs") or ()
            found.append(
                TeacherPosition(observed=_candidate(entry), top=tuple(_candidate(other) for other in top))
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"Token {place} of the log-probabilities cannot be read ({error}): expected 'token', "
                f"'logprob', 'bytes' and 'top_logprobs', got {entry!r:.200}."
            ) from error
    return found


def _candidate(entry: Mapping[str, Any]) -> Candidate:
    token, logprob = entry["token"], float(entry["logprob"])
    if not isinstance(token, str):
        raise TypeError(f"'token' is {token!r}")
    # A little above 0 is what half precision makes of a certainty.
    if math.isnan(logprob) or logprob > math.log(_MOST_TOGETHER):
        raise ValueError(f"'logprob' is {logprob}")
    given = cast("Sequence[int] | None", entry.get("bytes"))
    data = bytes(given) if given is not None else encodable(token).encode()
    return Candidate(data=data, logprob=logprob, token=token)
