"""How many calls may run at once: a limit that threads and event loops can share."""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager

from lingua_core.errors import InputError

__all__ = ["ConcurrencyLimit"]


class ConcurrencyLimit:
    """At most `limit` calls at once, first come, first served.

    One object may be shared by many answers, in any number of threads and event loops: an API key's limit
    holds for a whole process.

    Args:
        limit: Calls at once, at least 1.

    Raises:
        InputError: If `limit` is less than 1.
    """

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise InputError(f"A concurrency limit must be at least 1, got {limit!r}.")
        self.limit = limit
        self._free = limit
        self._lock = threading.Lock()
        # Each wakes one waiter, and says whether that waiter still wanted to be woken.
        self._waiting: deque[Callable[[], bool]] = deque()

    @property
    def in_use(self) -> int:
        """Calls that run now."""
        return self.limit - self._free

    @asynccontextmanager
    async def slot(self) -> AsyncGenerator[None]:
        """Wait for a free slot without blocking the event loop, and hold it."""
        await self._acquire()
        try:
            yield
        finally:
            self._release()

    @contextmanager
    def blocking_slot(self) -> Generator[None]:
        """Wait for a free slot in this thread, and hold it."""
        woken = threading.Event()

        def wake() -> bool:
            woken.set()
            return True

        if not self._take_or_wait(wake):
            try:
                woken.wait()
            except BaseException:  # an interrupt: leave the queue, or pass on what was granted meanwhile
                if not self._withdraw(wake):
                    self._release()
                raise
        try:
            yield
        finally:
            self._release()

    def _withdraw(self, wake: Callable[[], bool]) -> bool:
        with self._lock:
            if wake in self._waiting:
                self._waiting.remove(wake)
                return True
            return False

    def _take_or_wait(self, wake: Callable[[], bool]) -> bool:
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            self._waiting.append(wake)
            return False

    async def _acquire(self) -> None:
        loop = asyncio.get_running_loop()
        granted: asyncio.Future[None] = loop.create_future()

        def grant() -> None:
            if granted.done():
                self._release()
            else:
                granted.set_result(None)

        def wake() -> bool:
            try:
                loop.call_soon_threadsafe(grant)
            except RuntimeError:  # its loop was closed
                return False
            return True

        if self._take_or_wait(wake):
            return
        try:
            await granted
        except asyncio.CancelledError:
            # Else `grant` runs later, finds that nobody waits any more, and passes the slot on.
            if not self._withdraw(wake) and granted.done() and not granted.cancelled():
                self._release()
            raise

    def _release(self) -> None:
        """Hand the slot to the first waiter that still wants it."""
        while True:
            with self._lock:
                if not self._waiting:
                    self._free += 1
                    return
                wake = self._waiting.popleft()
            if wake():
                return
