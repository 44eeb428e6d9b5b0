"""Time that costs none: an event loop whose clock jumps to the next timer whenever nothing is left to do.

Latencies, deadlines, backoffs and races of minutes run in milliseconds, and exactly: two runs of the same
program see the same times. What would hang for ever is found at once, for then nothing is scheduled.
"""

import asyncio
import selectors
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple

__all__ = ["NothingScheduledError", "SimulatedTimeLoop", "run_simulated"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class NothingScheduledError(RuntimeError):
    """All tasks wait and no timer is set: in real time this program would wait for ever."""


class _JumpingSelector(selectors.DefaultSelector):
    """Never waits: time that a loop would spend waiting is added to its clock."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready; if nothing is, the clock jumps by the timeout."""
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise NothingScheduledError(
                "Every task waits and no timer is set. Something was never finished, released or cancelled."
            )
        self.now += max(timeout, 0.0)
        return ready


class SimulatedTimeLoop(asyncio.SelectorEventLoop):
    """An event loop that starts at 0 seconds and jumps over waiting.

    Executors have no place in simulated time: what is handed to one runs at once, and takes none. Threads
    that the program starts by other means are not waited for.

    Args:
        with_work: What is handed to an executor takes as long as it really took, one piece after the other:
            for programs whose own work is to be part of their time. Two runs then differ.
    """

    def __init__(self, *, with_work: bool = False) -> None:
        self._with_work = with_work
        self._works_until = 0.0
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Simulated seconds since the loop was made."""
        return self._jumping.now

    def run_in_executor(  # type: ignore[override]  # the stub's form is a coroutine's, asyncio returns a future
        self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Run `func` now."""
        future: asyncio.Future[T] = self.create_future()
        began = time.perf_counter()
        try:
            result = func(*args)
        except Exception as error:
            self._settle(future, began, lambda error=error: future.set_exception(error))
        else:
            self._settle(future, began, lambda: future.set_result(result))
        return future

    def _settle(self, future: asyncio.Future[T], began: float, settle: Callable[[], None]) -> None:
        if not self._with_work:
            settle()
            return
        took = time.perf_counter() - began
        self._works_until = max(self._works_until, self.time()) + took
        self.call_at(self._works_until, lambda: None if future.done() else settle())


def run_simulated(main: Coroutine[Any, Any, T], *, with_work: bool = False) -> T:
    """What `main` returns, run in simulated time.

    Args:
        main: The program.
        with_work: See `SimulatedTimeLoop`.

    Raises:
        NothingScheduledError: If it would never end.
    """
    with asyncio.Runner(loop_factory=lambda: SimulatedTimeLoop(with_work=with_work)) as runner:
        return runner.run(main)
