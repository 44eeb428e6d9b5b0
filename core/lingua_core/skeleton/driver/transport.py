"""One attempt at a call, as a stream of chunks: on the event loop, or in a thread of its own."""

import asyncio
import contextvars
import logging
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

from lingua_core.llms.base import LLM, ChatRequest, Chunk

__all__ = ["Transport", "on_the_loop", "threaded"]

Transport = Callable[[LLM, ChatRequest], AsyncIterator[Chunk]]

_logger = logging.getLogger(__name__)
_GRACE_SECONDS = 1.0


def on_the_loop(llm: LLM, request: ChatRequest) -> AsyncIterator[Chunk]:
    """The chunks of `llm.astream`."""
    return llm.astream(request)


async def threaded(llm: LLM, request: ChatRequest) -> AsyncIterator[Chunk]:
    """The chunks of `llm.stream`, read in a thread with the context variables of the caller.

    The stream is opened, read and closed in that thread. When this iterator is closed early, the request is
    cancelled; a model that does not notice within a second is left behind in its thread, which is a daemon
    and ends with the next chunk or the process.
    """
    reader = _Reader(llm, request)
    try:
        while not isinstance(item := await reader.next(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        await reader.close()


class _End:
    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class _Reader:
    def __init__(self, llm: LLM, request: ChatRequest) -> None:
        self._llm, self._request = llm, request
        self._loop = asyncio.get_running_loop()
        self._arrived: deque[Chunk | _End] = deque()
        self._has_arrived, self._has_ended = asyncio.Event(), asyncio.Event()
        self._thread = threading.Thread(
            target=contextvars.copy_context().run,
            args=(self._read,),
            name=f"lingua {request.tag}",
            daemon=True,
        )
        self._thread.start()

    async def next(self) -> "Chunk | _End":
        while not self._arrived:
            self._has_arrived.clear()
            await self._has_arrived.wait()
        return self._arrived.popleft()

    async def close(self) -> None:
        if not self._has_ended.is_set():
            self._request.cancellation.cancel()
            try:
                async with asyncio.timeout(_GRACE_SECONDS):
                    await self._has_ended.wait()
            except TimeoutError:
                _logger.warning("%s does not stop when cancelled: %s", self._llm.name, self._request.tag)
                return
        self._thread.join()

    def _read(self) -> None:
        error: BaseException | None = None
        try:
            chunks: Any = self._llm.stream(self._request)
            try:
                for chunk in chunks:
                    if self._request.cancellation.is_cancelled:
                        break
                    self._post(chunk)
            finally:
                if close := getattr(chunks, "close", None):
                    close()
        except BaseException as caught:  # it is raised where the chunks are read
            error = caught
        self._post(_End(error))

    def _post(self, item: "Chunk | _End") -> None:
        self._arrived.append(item)
        try:
            self._loop.call_soon_threadsafe(self._notice, isinstance(item, _End))
        except RuntimeError:  # the answer was given up and its loop is closed: nobody reads any more
            self._request.cancellation.cancel()

    def _notice(self, has_ended: bool) -> None:
        self._has_arrived.set()
        if has_ended:
            self._has_ended.set()
