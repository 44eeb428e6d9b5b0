"""When a failed call is worth another attempt, and how long to wait before it."""

import math
import random
from dataclasses import dataclass
from typing import Any

from lingua_core.errors import InputError, LLMError

__all__ = ["RetryPolicy"]

_DOUBLINGS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Waits at random, up to a bound that doubles with every failure ("full jitter"), or as long as asked.

    The policy only computes: it neither sleeps nor keeps anything between calls, and what is random in it
    comes from the caller.

    Attributes:
        max_attempts: Calls in all, the first one included; 1 for no retries.
        base_seconds: The bound of the first wait.
        max_seconds: What the bound grows to.
        max_retry_after: The longest wait that a server may ask for; one that asks for more is given up on.

    Raises:
        InputError: If a value cannot be used.
    """

    max_attempts: int = 4
    base_seconds: float = 0.5
    max_seconds: float = 20.0
    max_retry_after: float = 60.0

    def __post_init__(self) -> None:
        attempts: Any = self.max_attempts
        if not isinstance(attempts, int) or isinstance(attempts, bool) or attempts < 1:
            raise InputError(f"max_attempts must be a whole number from 1 on, got {attempts!r}.")
        for name in ("base_seconds", "max_seconds", "max_retry_after"):
            value: Any = getattr(self, name)
            is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not is_number or not math.isfinite(value) or value < 0:
                raise InputError(f"{name} must be a finite number of seconds from 0 on, got {value!r}.")
        if self.max_seconds < self.base_seconds:
            raise InputError(
                f"max_seconds must be at least base_seconds ({self.base_seconds!r}), "
                f"got {self.max_seconds!r}."
            )

    def delay(
        self, attempt: int, error: LLMError, *, rng: random.Random, remaining: float | None = None
    ) -> float | None:
        """Seconds to wait before the next attempt, or None to give up.

        A wait that the server asked for is never cut short; up to `base_seconds` come on top, so that the
        many who were sent away together do not come back together.

        Args:
            attempt: Failures so far, this one included.
            error: The last of them.
            rng: Where chance comes from.
            remaining: Seconds until the result is of no use any more; None if there is no such moment.

        Returns:
            A number from 0 on and below `remaining`. None if the attempts are used up, the error is not of
            those that pass, the server asks for more than `max_retry_after`, or the wait would use up what
            remains.

        Raises:
            InputError: If `attempt` is below 1.
        """
        if attempt < 1:
            raise InputError(f"attempt counts the failures so far, from 1 on, got {attempt!r}.")
        if attempt >= self.max_attempts or not error.is_transient:
            return None
        asked = error.retry_after
        if asked is None or not asked >= 0:  # a NaN is no wish either
            bound = min(self.max_seconds, self.base_seconds * 2.0 ** min(attempt - 1, _DOUBLINGS))
            wait = rng.uniform(0, bound)
        elif asked > self.max_retry_after:
            return None
        else:
            wait = asked + rng.uniform(0, self.base_seconds)
        return None if remaining is not None and wait >= remaining else wait
