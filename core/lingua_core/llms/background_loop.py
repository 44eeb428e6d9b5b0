"""What a coroutine produces, for those who iterate: on the same event loop, or without one.

The work runs in a task of its own, not in nested asynchronous generators, which no event loop can close in
order when it ends before they do.
"""

import asyncio
import concurrent.futures
import queue
import threading
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from typing import Any, Generic, NamedTuple, TypeVar

__all__ = ["BackgroundLoop", "iterate_here"]

_Item = TypeVar("_Item")
_PATIENCE = 10.0


class _Box(NamedTuple, Generic[_Item]):
    """Tells an item from the None that ends a queue."""

    item: _Item


class _Running(NamedTuple):
    thread: threading.Thread
    loop: asyncio.AbstractEventLoop
    stop: asyncio.Event


async def iterate_here(
    produce: Callable[[Callable[[_Item], None]], Coroutine[Any, Any, None]],
) -> AsyncGenerator[_Item]:
    """What a coroutine hands to the function that it is given, as it comes.

    The coroutine is not held up by a slow reader. Closing the generator cancels it, and waits for its end.
    """
    arrived: asyncio.Queue[_Box[_Item] | None] = asyncio.Queue()
    task = asyncio.create_task(produce(lambda item: arrived.put_nowait(_Box(item))))
    task.add_done_callback(lambda _: arrived.put_nowait(None))
    try:
        while (box := await arrived.get()) is not None:
            yield box.item
        await task
    finally:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # an error that comes after the reader has left is nobody's


class BackgroundLoop:
    """Runs coroutines in a thread of its own, for callers without an event loop, or inside of one.

    The thread starts with the first use and ends with `close`, with the object, or with the program; what
    is running then is cancelled.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: _Running | None = None
        self._end: Callable[[], object] | None = None

    def iterate(
        self, produce: Callable[[Callable[[_Item], None]], Coroutine[Any, Any, None]]
    ) -> Generator[_Item]:
        """`iterate_here` for callers without an event loop.

        Raises:
            RuntimeError: If `close` was called in between.
        """
        arrived: queue.SimpleQueue[_Box[_Item] | None] = queue.SimpleQueue()
        work = produce(lambda item: arrived.put(_Box(item)))
        future = asyncio.run_coroutine_threadsafe(work, self._start())
        future.add_done_callback(lambda _: arrived.put(None))
        try:
            while (box := arrived.get()) is not None:
                yield box.item
            future.result()
        except concurrent.futures.CancelledError as error:
            raise RuntimeError("The model was closed while a call was running.") from error
        finally:
            future.cancel()

    def close(self) -> None:
        """End the thread; it starts again when it is needed."""
        with self._lock:
            end, self._end, self._running = self._end, None, None
        if end is not None:
            end()

    def _start(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            # After a fork the thread is not there any more.
            if self._running is None or not self._running.thread.is_alive():
                self._running = _start()
                self._end = weakref.finalize(self, _stop, self._running)
            return self._running.loop


def _start() -> _Running:
    ready: queue.SimpleQueue[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = queue.SimpleQueue()
    thread = threading.Thread(target=_serve, args=(ready,), name="lingua-llm", daemon=True)
    thread.start()
    return _Running(thread, *ready.get())


def _serve(ready: "queue.SimpleQueue[tuple[asyncio.AbstractEventLoop, asyncio.Event]]") -> None:
    loop = asyncio.new_event_loop()

    async def main() -> None:
        stop = asyncio.Event()
        ready.put((loop, stop))
        await stop.wait()
        work = asyncio.all_tasks() - {asyncio.current_task()}
        for task in work:
            task.cancel()
        await asyncio.gather(*work, return_exceptions=True)
        await loop.shutdown_asyncgens()

    # Not asyncio.run: it starts a thread to end its executor, which Python 3.12 refuses to ending programs.
    loop.run_until_complete(main())
    loop.close()


def _stop(running: _Running) -> None:
    if not running.thread.is_alive():
        return
    running.loop.call_soon_threadsafe(running.stop.set)
    if running.thread is not threading.current_thread():  # garbage is collected on any thread
        running.thread.join(_PATIENCE)
