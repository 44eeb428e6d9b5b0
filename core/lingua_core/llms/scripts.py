"""What a `ScriptedLLM` says, and what goes wrong with it."""

import random
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lingua_core.errors import (
    InputError,
    LLMConnectionError,
    LLMError,
    LLMRateLimitError,
    LLMServerError,
    LLMTimeoutError,
)
from lingua_core.llms.base import ChatRequest, FinishReason

__all__ = ["Fault", "RandomFaults", "Replies", "Reply", "WrittenAnswer"]

_TOKEN = re.compile(r"\s*\S{1,8}|\s+$")
_POINTS = re.compile(r"points? (\d+)(?:-(\d+))?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong with a call.

    Attributes:
        error: The class of what is raised; None for a call that stalls: nothing comes any more.
        after_tokens: How much of the reply arrives before.
        message: Of the error.
        retry_after: Seconds after which the server asks to be called again.
    """

    error: type[Exception] | None = LLMConnectionError
    after_tokens: int = 0
    message: str = "a scripted fault"
    retry_after: float | None = None

    def make(self, partial: str) -> Exception | None:
        """The error, with the text that had arrived if it is one that carries it."""
        if self.error is not None and issubclass(self.error, LLMError):
            return self.error(self.message, partial=partial, retry_after=self.retry_after)
        return self.error(self.message) if self.error is not None else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One scripted reply.

    Attributes:
        text: What is said in all. Where the request holds the beginning of it already (as a prefill, or as
            an earlier turn to be continued), only the rest is said.
        finish_reason: Why it ends, unless `ChatRequest.max_tokens` ends it before.
        fault: What goes wrong.
        first_token_seconds: Until the first token; None for the model's.
        token_seconds: Between tokens; None for the model's.
    """

    text: str
    finish_reason: FinishReason = "stop"
    fault: Fault | None = None
    first_token_seconds: float | None = None
    token_seconds: float | None = None

    def rest(self, request: ChatRequest) -> str:
        """What of the text is still to be said."""
        assistant = [message.content for message in request.messages if message.role == "assistant"]
        if not assistant:
            return self.text
        begun = assistant[-1]
        if request.prefill:
            # The prefill may hold an opening of which the reply knows nothing.
            said = next((n for n in range(len(self.text), 0, -1) if begun.endswith(self.text[:n])), 0)
            return self.text[said:]
        return self.text[len(begun) :] if begun and self.text.startswith(begun) else self.text


Replies = (
    Callable[[ChatRequest], "str | Reply"] | Mapping[str, "str | Reply | Sequence[str | Reply]"] | str | Reply
)


def tokens_of(text: str) -> list[str]:
    """The pieces that a scripted model says one by one: words, long ones in parts, with the space before."""
    return _TOKEN.findall(text)


class RandomFaults:
    """Has calls fail at random, in the ways that servers do. For one seed and order of calls, the same ones.

    Args:
        rate: The share of calls that fail.
        seed: Of the choice.
        kinds: What may happen; without it, rate limits, server errors, broken connections and timeouts, at
            once or after some tokens.
    """

    KINDS: tuple[Fault, ...] = (
        Fault(error=LLMRateLimitError, message="429", retry_after=0.5),
        Fault(error=LLMRateLimitError, message="429"),
        Fault(error=LLMServerError, message="500"),
        Fault(error=LLMConnectionError, message="refused"),
        Fault(error=LLMConnectionError, message="the connection broke", after_tokens=3),
        Fault(error=LLMConnectionError, message="the connection broke", after_tokens=20),
        Fault(error=LLMTimeoutError, message="timed out", after_tokens=8),
    )

    def __init__(self, rate: float, *, seed: int = 0, kinds: Sequence[Fault] = KINDS) -> None:
        if not 0 <= rate <= 1:
            raise InputError(f"The rate of faults is a share from 0 to 1, got {rate!r}.")
        self._rate, self._kinds = rate, tuple(kinds)
        self._random, self._lock = random.Random(seed), threading.Lock()

    def __call__(self, request: ChatRequest) -> Fault | None:
        """The fault of this call, or None."""
        with self._lock:
            return self._random.choice(self._kinds) if self._random.random() < self._rate else None


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenAnswer:
    """An answer that somebody has written, for a `ScriptedLLM` to replay.

    It answers by the tags of requests: "skeleton" with the points as a numbered list, "point 3" and
    "points 4-6" with their texts, everything else with the whole.

    Attributes:
        points: What each point is about, and its text.
        direct: The answer in one piece; without it, the points' texts as paragraphs.
    """

    points: tuple[tuple[str, str], ...]
    direct: str = ""

    def __call__(self, request: ChatRequest) -> str:
        """The reply to a request."""
        if request.tag == "skeleton":
            return "\n".join(f"{i}. {title}" for i, (title, _) in enumerate(self.points, 1))
        found = _POINTS.match(request.tag)
        if found is None:
            return self.direct or "\n\n".join(text for _, text in self.points)
        first, last = int(found[1]), int(found[2] or found[1])
        wanted = list(enumerate(self.points, 1))[first - 1 : last]
        if len(wanted) == 1:
            return wanted[0][1][1]
        return "\n\n".join(f"{i}. {title}\n{text}" for i, (title, text) in wanted)
