"""Clients of the `openai` package, and what event loops and threads need of them.

A client's connections belong to the event loop that opened them, so every loop gets a client of its own,
which is closed with the loop. A synchronous client that a user brings runs in threads.
"""

# The package's two clients and two major versions share no types.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import asyncio
import contextlib
import socket
import threading
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Any, NamedTuple, Protocol

from lingua_core.errors import InputError

__all__ = ["OwnClients", "Response", "Route", "Transport", "given_route", "own_route"]


class Response(NamedTuple):
    """The beginning of a reply, and an iterator over the rest."""

    content_type: str
    data: AsyncIterator[bytes]


class Transport(Protocol):
    """Something that posts chat completions."""

    def post(
        self, fields: Mapping[str, Any], *, timeout: float | None
    ) -> AbstractAsyncContextManager[Response]:
        """Send a request; leaving the context ends it, and the connection if the reply was not read.

        Raises:
            Exception: What the package and the HTTP client below raise.
        """
        ...


class Route(NamedTuple):
    """How to reach an endpoint.

    Attributes:
        url: Where it is.
        secrets: Keys.
        threads: For synchronous calls; None if there is no way.
        loops: For asynchronous calls.
    """

    url: str
    secrets: tuple[str, ...]
    threads: Transport | None
    loops: Transport


def own_route(openai: Any, url: str, *, key: str, headers: Mapping[str, str] | None) -> Route:  # noqa: ANN401
    """By clients that are made when they are needed."""
    clients = OwnClients(
        lambda: openai.AsyncOpenAI(api_key=key, base_url=url, max_retries=0, default_headers=headers)
    )
    return Route(url, (key,), clients, clients)


def given_route(client: Any, async_client: Any) -> Route:  # noqa: ANN401
    """By a user's clients, of which one may be None."""
    threads = None if client is None else GivenSyncClient(client)
    loops: Transport | None = threads if async_client is None else GivenAsyncClient(async_client)
    given = [one for one in (client, async_client) if one is not None]
    if loops is None or not given:
        raise InputError("Expected a client, or an async_client, got neither.")
    # A key may also be a function, which the package calls.
    secrets = tuple({one.api_key for one in given if isinstance(one.api_key, str) and one.api_key})
    return Route(str(given[0].base_url), secrets, threads, loops)


class OwnClients:
    """One client per running event loop.

    Args:
        make: Makes an `AsyncOpenAI`.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._clients: dict[asyncio.AbstractEventLoop, tuple[Any, AsyncGenerator[None]]] = {}

    @asynccontextmanager
    async def post(self, fields: Mapping[str, Any], *, timeout: float | None) -> AsyncGenerator[Response]:
        """See `Transport`."""
        client = await self._current()
        async with _posted(client, fields, timeout) as response:
            yield response

    async def aclose(self) -> None:
        """Close the client of the running loop, if it has one; the next call makes another."""
        with self._lock:
            _, guard = self._clients.get(asyncio.get_running_loop(), (None, None))
        if guard is not None:
            await guard.aclose()

    async def _current(self) -> Any:  # noqa: ANN401
        loop = asyncio.get_running_loop()
        with self._lock:
            found = self._clients.get(loop)
            for other in [other for other in self._clients if other.is_closed()]:
                del self._clients[other]
        if found is not None:
            return found[0]
        client = self._make()
        guard = _closed_with_loop(client, self._forgetting(loop))
        await anext(guard)  # does not give way to other tasks, so that no loop gets two clients
        with self._lock:
            self._clients[loop] = client, guard
        return client

    def _forgetting(self, loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
        clients, lock = self._clients, self._lock

        def forget() -> None:
            with lock:
                clients.pop(loop, None)

        return forget


async def _closed_with_loop(client: Any, forget: Callable[[], None]) -> AsyncGenerator[None]:  # noqa: ANN401
    """Closes a client when its loop ends: `asyncio.run` then closes all asynchronous generators."""
    try:
        yield
    finally:
        forget()
        await client.close()


@asynccontextmanager
async def _posted(
    client: Any,  # noqa: ANN401
    fields: Mapping[str, Any],
    timeout: float | None,
) -> AsyncGenerator[Response]:
    completions = client.chat.completions.with_streaming_response
    async with (
        completions.create(**fields, timeout=timeout) as response,
        aclosing(response.iter_bytes()) as data,
    ):
        yield Response(response.headers.get("content-type", ""), data)


class GivenAsyncClient:
    """A user's asynchronous client, on the event loop that it is first used on."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401
        self._client = client.with_options(max_retries=0)
        self._loop: weakref.ref[asyncio.AbstractEventLoop] | None = None

    @asynccontextmanager
    async def post(self, fields: Mapping[str, Any], *, timeout: float | None) -> AsyncGenerator[Response]:
        """See `Transport`.

        Raises:
            InputError: If the client was used on another loop, which its connections belong to.
        """
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = weakref.ref(loop)
        if self._loop() is not loop:
            raise InputError(
                "async_client was used on another event loop before, and its connections belong to that. "
                "Leave async_client out to have a client made for every loop, or give client (openai.OpenAI)."
            )
        async with _posted(self._client, fields, timeout) as response:
            yield response


class GivenSyncClient:
    """A user's synchronous client, which works in a thread of its own for each request."""

    def __init__(self, client: Any) -> None:  # noqa: ANN401
        self._client = client.with_options(max_retries=0)

    @asynccontextmanager
    async def post(self, fields: Mapping[str, Any], *, timeout: float | None) -> AsyncGenerator[Response]:
        """See `Transport`.

        Left while the server has not begun to answer, the thread ends the request as soon as it does, or
        after `timeout`.
        """
        exchange = _Exchange(self._client, fields, timeout)
        threading.Thread(target=exchange.run, name="lingua-openai", daemon=True).start()
        try:
            content_type = await exchange.next()
            async with aclosing(exchange.data()) as data:
                yield Response(content_type, data)
        finally:
            exchange.leave()


class _Exchange:
    """One request in a thread: the content type, the data, then None or what was raised."""

    def __init__(self, client: Any, fields: Mapping[str, Any], timeout: float | None) -> None:  # noqa: ANN401
        self._client = client
        self._fields = fields
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._arrived: asyncio.Queue[Any] = asyncio.Queue()
        self._lock = threading.Lock()
        self._response: Any = None
        self._is_left = False

    def run(self) -> None:
        completions = self._client.chat.completions.with_streaming_response
        try:
            with completions.create(**self._fields, timeout=self._timeout) as response:
                with self._lock:
                    self._response = response
                if not self._is_left:
                    self._put(response.headers.get("content-type", ""))
                    for data in response.iter_bytes():
                        self._put(data)
                        if self._is_left:
                            return
            self._put(None)
        except Exception as error:  # raised again where the result is awaited
            self._put(error)
        finally:
            with self._lock:
                self._response = None

    async def next(self) -> Any:  # noqa: ANN401
        item = await self._arrived.get()
        if isinstance(item, Exception):
            raise item
        return item

    async def data(self) -> AsyncGenerator[bytes]:
        while (item := await self.next()) is not None:
            yield item

    def leave(self) -> None:
        """End the request: closing a socket does not wake a thread that reads from it, shutting it does."""
        self._is_left = True
        with self._lock:
            if self._response is None:
                return
            stream = self._response.http_response.extensions.get("network_stream")
            raw = stream.get_extra_info("socket") if stream is not None else None
            if isinstance(raw, socket.socket):
                with contextlib.suppress(OSError):  # it is closed already
                    socket.socket.shutdown(raw, socket.SHUT_RDWR)

    def _put(self, item: Any) -> None:  # noqa: ANN401
        with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody waits
            self._loop.call_soon_threadsafe(self._arrived.put_nowait, item)
