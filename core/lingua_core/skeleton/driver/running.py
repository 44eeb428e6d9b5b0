"""Running an answer: in the caller's event loop, or in a private one beside the caller's thread."""

import asyncio
import contextvars
import queue
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from typing import Any

from lingua_core.skeleton.types import Event, SkeletonAnswer

__all__ = ["Emit", "Run", "astream_events", "run_blocking", "stream_events"]

Emit = Callable[[Event], None]
Run = Callable[[Emit], Coroutine[Any, Any, SkeletonAnswer]]


async def astream_events(run: Run) -> AsyncGenerator[Event]:
    """The events of a run. Closing the generator, or cancelling who reads it, ends the run first."""
    events: asyncio.Queue[Event | None] = asyncio.Queue()
    task = asyncio.create_task(run(events.put_nowait))
    task.add_done_callback(lambda _: events.put_nowait(None))
    try:
        while (event := await events.get()) is not None:
            yield event
        await task
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})


def stream_events(run: Run) -> Generator[Event]:
    """The events of a run in a private event loop. Closing the generator ends the run, and its threads."""
    background = _Background(run)
    try:
        while not isinstance(item := background.items.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        background.stop()


def run_blocking(run: Run) -> SkeletonAnswer:
    """The answer of a run in a private event loop."""
    background = _Background(run)
    try:
        while not isinstance(item := background.items.get(), _End):
            pass
        if item.error is not None:
            raise item.error
        assert item.answer is not None
        return item.answer
    finally:
        background.stop()


class _End:
    def __init__(self, answer: SkeletonAnswer | None, error: BaseException | None) -> None:
        self.answer, self.error = answer, error


class _Background:
    """An event loop in a thread, which works where the caller's thread already runs one.

    The thread sees the caller's context variables. It is a daemon: a program that ends while a stream is
    open does not wait for it.
    """

    def __init__(self, run: Run) -> None:
        self.items: queue.SimpleQueue[Event | _End] = queue.SimpleQueue()
        self._run = run
        self._is_stopped = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(
            target=contextvars.copy_context().run, args=(self._main,), name="lingua answer", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Cancel what still runs, and wait until it has ended."""
        with self._lock:
            self._is_stopped = True
            if self._loop is not None and self._task is not None:
                self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join()

    def _main(self) -> None:
        answer: SkeletonAnswer | None = None
        error: BaseException | None = None
        try:
            answer = asyncio.run(self._guarded())
        except BaseException as caught:  # it is raised in the caller's thread
            error = caught
        self.items.put(_End(answer, error))

    async def _guarded(self) -> SkeletonAnswer:
        with self._lock:
            self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
            if self._is_stopped and self._task is not None:
                self._task.cancel()
        try:
            return await self._run(self.items.put)
        finally:
            with self._lock:
                self._loop = self._task = None
