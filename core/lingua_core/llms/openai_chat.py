"""Any model behind an OpenAI-compatible endpoint: OpenAI, vLLM, SGLang, llama.cpp, Ollama and the like."""

# The openai package's overloads are for literal arguments; both of its major versions are served.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from lingua_core.errors import InputError, LLMTimeoutError
from lingua_core.llms.background_loop import BackgroundLoop, iterate_here
from lingua_core.llms.base import ChatRequest, Chunk, Completion
from lingua_core.llms.call_limits import CallLimits, InterruptedCall, LateCall
from lingua_core.llms.openai_clients import OwnClients, Response, Transport, given_route, own_route
from lingua_core.llms.openai_errors import Endpoint, as_llm_error
from lingua_core.llms.openai_replies import EventDecoder, ReplyReader
from lingua_core.llms.openai_requests import MaxTokensField, PrefillStyle, RequestWriter
from lingua_core.llms.openai_settings import (
    check_clients,
    check_settings,
    endpoint_url,
    key_for,
    load_openai,
)

if TYPE_CHECKING:
    import openai

__all__ = ["OpenAIChat"]

_USAGE_SECONDS = 2.0
_LEFTOVERS_SECONDS = 0.1
_logger = logging.getLogger(__name__)


class OpenAIChat:
    """A model behind a chat-completions endpoint.

    A call makes one attempt; the package's own retries are off, for repeating is the driver's. Replies are
    streamed in any case, so that a call that fails or is cut short keeps what had arrived, and a call that
    is no longer wanted ends the connection, wherever it waits; a server that does not stream is understood
    too. Threads and event loops may share one object: every loop gets a client of its own, closed with it,
    and synchronous calls run on a loop in a thread of their own.

    Args:
        model: The model's name at the endpoint.
        base_url: The endpoint, with "/v1" for most servers; OPENAI_BASE_URL, or OpenAI's, if None.
        api_key: OPENAI_API_KEY if None; a server on this machine needs none.
        client: An `openai.OpenAI` to use in threads instead (other authentication, proxies, Azure). It is
            not closed. Serves asynchronous calls as well if it is the only one.
        async_client: An `openai.AsyncOpenAI` for asynchronous calls, on one event loop. It is not closed.
        timeout: The longest silence of the server in seconds, its time to the first token included; None
            for no limit. `ChatRequest.timeout` bounds the whole call, however much arrives.
        temperature: For requests without one; None for the server's own.
        prefill_style: Whether and how replies can be begun: "none"; "plain" for servers that continue a
            last message of the assistant by themselves; "vllm" for those that are told to by
            `continue_final_message` (vLLM, SGLang).
        supports_json_schema: Whether the server holds replies to a schema.
        max_tokens_field: What the server calls the limit. "auto" is "max_completion_tokens" at OpenAI and
            Azure, "max_tokens" elsewhere, and the other one if that is refused.
        include_usage: Whether to ask for the usage; given up where a server refuses to be asked.
        send_prefix_key: Whether requests' `prefix_key` goes along as `prompt_cache_key`.
        extra_body: Fields for every request, for what a server alone understands.
        default_headers: Headers for every request.

    Raises:
        MissingDependencyError: If the package `openai` is not installed.
        InputError: If an argument cannot be used, or there is no key.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        client: "openai.OpenAI | None" = None,
        async_client: "openai.AsyncOpenAI | None" = None,
        timeout: float | None = 60.0,
        temperature: float | None = None,
        prefill_style: PrefillStyle = "none",
        supports_json_schema: bool = True,
        max_tokens_field: MaxTokensField = "auto",
        include_usage: bool = True,
        send_prefix_key: bool = False,
        extra_body: Mapping[str, Any] | None = None,
        default_headers: Mapping[str, str] | None = None,
    ) -> None:
        openai = load_openai(model)
        check_settings(model, timeout=timeout, prefill_style=prefill_style, max_tokens_field=max_tokens_field)
        self._model = model
        self._timeout = timeout
        self._prefill_style: PrefillStyle = prefill_style
        self._supports_json_schema = supports_json_schema
        self._background = BackgroundLoop()
        if client is None and async_client is None:
            url = endpoint_url(base_url)
            self._route = own_route(openai, url, key=key_for(url, api_key), headers=default_headers)
        elif base_url is None and api_key is None and default_headers is None:
            check_clients(openai, client, async_client)
            self._route = given_route(client, async_client)
        else:
            raise InputError(
                "base_url, api_key and default_headers belong to the client: give them to it, or leave "
                "client and async_client out."
            )
        host = urlsplit(self._route.url).netloc.rpartition("@")[2]
        self._endpoint = Endpoint(model=model, host=host, secrets=self._route.secrets)
        is_openai = f".{host}".endswith((".openai.com", ".openai.azure.com"))
        self._writer = RequestWriter(
            model=model,
            temperature=temperature,
            max_tokens_field=max_tokens_field,
            likely_max_tokens_field="max_completion_tokens" if is_openai else "max_tokens",
            include_usage=include_usage,
            prefill_style=prefill_style,
            send_prefix_key=send_prefix_key,
            extra_body=dict(extra_body or {}),
        )

    @property
    def name(self) -> str:
        """The model's name."""
        return self._model

    @property
    def supports_prefill(self) -> bool:
        """Whether `prefill_style` says how."""
        return self._prefill_style != "none"

    @property
    def supports_json_schema(self) -> bool:
        """As given."""
        return self._supports_json_schema

    def __repr__(self) -> str:
        return f"OpenAIChat({self._model!r}, host={self._endpoint.host!r})"

    def complete(self, request: ChatRequest) -> Completion:
        """The reply, at its end; if cancelled, what had arrived.

        Raises:
            LLMError: If there is no reply, or half of one.
            InputError: If the request asks for what this model does not do, or only `async_client` was
                given.
        """
        return _completion(list(self.stream(request)))

    async def acomplete(self, request: ChatRequest) -> Completion:
        """`complete` without blocking the event loop."""
        chunks: list[Chunk] = []
        await self._answer(request, self._route.loops, chunks.append)
        return _completion(chunks)

    def stream(self, request: ChatRequest) -> Generator[Chunk]:
        """The reply as it is written; if cancelled, the last chunk says so.

        Raises:
            LLMError: If there is no reply, or half of one.
            InputError: As in `complete`.
        """
        transport = self._route.threads
        if transport is None:
            raise InputError("Only async_client was given. Synchronous calls need client (openai.OpenAI).")
        yield from self._background.iterate(partial(self._answer, request, transport))

    def astream(self, request: ChatRequest) -> AsyncGenerator[Chunk]:
        """`stream` without blocking the event loop."""
        return iterate_here(partial(self._answer, request, self._route.loops))

    def close(self) -> None:
        """End what synchronous calls keep open; the next one opens it again.

        Nobody needs to call it: it is done when the object or the program ends.
        """
        self._background.close()

    async def aclose(self) -> None:
        """End what the running event loop keeps open; the loop's own end does the same."""
        if isinstance(self._route.loops, OwnClients):
            await self._route.loops.aclose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _answer(self, request: ChatRequest, transport: Transport, put: Callable[[Chunk], None]) -> None:
        reader = ReplyReader(self._endpoint)
        limits = CallLimits(silence=self._timeout, total=request.timeout, cancellation=request.cancellation)
        try:
            async with AsyncExitStack() as stack:
                stack.callback(limits.watch())
                response = await self._open(request, transport, limits, stack)
                await _read(response, reader, limits, put)
                await _read_leftovers(response)
            last = reader.end()
        except InterruptedCall:
            last = reader.end() if reader.is_complete else Chunk(finish_reason="cancelled")
        except LateCall as late:
            if not reader.is_complete:
                raise LLMTimeoutError(self._endpoint.says(str(late)), partial=reader.text) from None
            last = reader.end()
        except Exception as error:
            failure = as_llm_error(self._endpoint, error, partial=reader.text)
            if failure is None or failure is error:
                raise
            if not reader.is_complete:
                # Its words may hold what the failure's do not: the key.
                raise failure from (error if self._endpoint.is_harmless(str(error)) else None)
            _logger.debug("After the end of the reply: %s", failure)
            last = reader.end()
        put(last)

    async def _open(
        self, request: ChatRequest, transport: Transport, limits: CallLimits, stack: AsyncExitStack
    ) -> Response:
        """Send the request, again without what the server refuses to read."""
        import openai

        while True:
            fields = self._writer.fields(request)
            post = transport.post(fields, timeout=limits.seconds)
            try:
                return await limits.wait(lambda post=post: stack.enter_async_context(post))
            except (openai.BadRequestError, openai.UnprocessableEntityError) as error:
                message = f"{error.message} {error.body}"
                if not self._writer.learn(fields, parameter=error.param, message=message):
                    raise


async def _read(
    response: Response, reader: ReplyReader, limits: CallLimits, put: Callable[[Chunk], None]
) -> None:
    """Read a reply to its end, streamed or not, whatever was asked for."""

    async def piece() -> bytes | None:
        return await anext(response.data, None)

    def pass_on(text: str) -> None:
        if text:
            put(Chunk(text=text))

    if any(kind in response.content_type for kind in ("json", "html")):
        pieces: list[bytes] = []
        while (data := await limits.wait(piece)) is not None:
            pieces.append(data)
        pass_on(reader.whole(b"".join(pieces)))
        return
    decoder = EventDecoder()
    while not reader.is_done and (data := await limits.wait(piece)) is not None:
        for event in decoder.feed(data):
            pass_on(reader.event(event))
        if reader.is_complete:
            limits.shorten_silence(_USAGE_SECONDS)
    if not reader.is_done and (event := decoder.end()) is not None:
        pass_on(reader.event(event))


async def _read_leftovers(response: Response) -> None:
    """Read what comes behind the end, so that the connection serves again."""
    # The reply is whole: whatever goes wrong here costs a new connection and no more.
    with contextlib.suppress(Exception):
        async with asyncio.timeout(_LEFTOVERS_SECONDS):
            async for _ in response.data:
                pass


def _completion(chunks: list[Chunk]) -> Completion:
    last = chunks[-1]
    text = "".join([chunk.text for chunk in chunks])
    return Completion(
        text=text,
        usage=last.usage,
        finish_reason=last.finish_reason or "stop",
        logprobs=last.logprobs,
        model=last.model,
    )
