"""Ending a call's waits: by the clock, and by cancellation from any thread."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TypeVar

from lingua_core.llms.base import Cancellation

__all__ = ["CallLimits", "InterruptedCall", "LateCall"]

_Result = TypeVar("_Result")


class InterruptedCall(Exception):
    """The call was cancelled."""


class LateCall(Exception):
    """A limit of time was passed."""


class CallLimits:
    """Bounds every wait of a call, and ends it at once when the call is cancelled, from whatever thread."""

    def __init__(self, *, silence: float | None, total: float | None, cancellation: Cancellation) -> None:
        self._loop = asyncio.get_running_loop()
        self._silence = silence
        self._total = total
        self._end = None if total is None else self._loop.time() + total
        self._cancellation = cancellation
        self._scope: asyncio.Timeout | None = None

    @property
    def seconds(self) -> float | None:
        """The longest that the next wait can be."""
        left = None if self._end is None else max(0.001, self._end - self._loop.time())
        return min((limit for limit in (left, self._silence) if limit is not None), default=None)

    def shorten_silence(self, seconds: float) -> None:
        """Wait no longer than this for each of the things that still come."""
        self._silence = seconds if self._silence is None else min(seconds, self._silence)

    def watch(self) -> Callable[[], None]:
        """Have cancellation end the wait; returns what undoes it."""

        def interrupt() -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed, and the call with it
                self._loop.call_soon_threadsafe(self._expire)

        return self._cancellation.on_cancel(interrupt)

    async def wait(self, begin: Callable[[], Awaitable[_Result]]) -> _Result:
        """The result of what `begin` returns.

        Raises:
            InterruptedCall: If the call is cancelled.
            LateCall: If it takes too long.
        """
        if self._cancellation.is_cancelled:
            raise InterruptedCall
        scope = asyncio.timeout(self.seconds)
        try:
            async with scope as self._scope:
                return await begin()
        except TimeoutError as error:
            if self._cancellation.is_cancelled:
                raise InterruptedCall from error
            if not scope.expired():
                raise
            is_total = self._end is not None and (self._silence is None or self._loop.time() >= self._end)
            limit = f"{self._total} s in all" if is_total else f"{self._silence} s of silence"
            raise LateCall(f"The call took longer than {limit}.") from error
        finally:
            self._scope = None

    def _expire(self) -> None:
        if self._scope is not None and not self._scope.expired():
            self._scope.reschedule(self._loop.time())
