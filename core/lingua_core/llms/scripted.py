"""A language model without a model: it says what was written for it, at a real one's speed, or fails."""

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, cast

from lingua_core.errors import InputError, LLMRateLimitError
from lingua_core.llms.base import ChatRequest, Chunk, Completion, FinishReason, Usage
from lingua_core.llms.limits import ConcurrencyLimit
from lingua_core.llms.scripts import Fault, Replies, Reply, tokens_of

__all__ = ["ScriptedLLM"]

_FOREVER = 10.0**9


@dataclass(frozen=True, slots=True)
class _Wait:
    seconds: float


class ScriptedLLM:
    """An `LLM` that replays what it is given.

    Replies are streamed token by token (a word, or eight letters of one) with a model's latencies. They are
    waited for really, or, in a loop of `run_simulated`, in simulated time.

    Args:
        replies: What is said: a function from the request; a mapping from `ChatRequest.tag` ("" for all
            others) to a reply, or to one for each call in turn, of which the last is repeated; or one reply.
        name: For results and traces.
        supports_prefill: Whether replies may be begun for it.
        supports_json_schema: Whether it takes a schema; what is said stays what is written.
        first_token_seconds: Until the first token of a call.
        token_seconds: Between two tokens.
        speed: Divides all seconds.
        max_concurrency: Calls that the simulated server takes at once.
        over_limit: Whether it lets further calls wait, or refuses them (429).
        faults: Says for each request what goes wrong, e.g. `RandomFaults`; a reply's own fault goes first.
        reports_usage: Whether calls that end well say their tokens.

    Attributes:
        requests: All requests so far.
        peak_concurrency: The most calls that ever ran at once.
    """

    def __init__(
        self,
        replies: Replies,
        *,
        name: str = "scripted",
        supports_prefill: bool = False,
        supports_json_schema: bool = False,
        first_token_seconds: float = 0.0,
        token_seconds: float = 0.0,
        speed: float = 1.0,
        max_concurrency: int | None = None,
        over_limit: Literal["wait", "refuse"] = "wait",
        faults: Callable[[ChatRequest], Fault | None] | None = None,
        reports_usage: bool = True,
    ) -> None:
        if not speed > 0:
            raise InputError(f"speed must be greater than 0, got {speed!r}.")
        self.name = name
        self.supports_prefill = supports_prefill
        self.supports_json_schema = supports_json_schema
        self.requests: list[ChatRequest] = []
        self.peak_concurrency = 0
        self._replies = replies
        self._first, self._each, self._speed = first_token_seconds, token_seconds, speed
        self._limit = ConcurrencyLimit(max_concurrency) if max_concurrency is not None else None
        self._refuses = over_limit == "refuse"
        self._faults = faults
        self._reports_usage = reports_usage
        self._lock = threading.Lock()
        self._open = 0
        self._asked: Counter[str] = Counter()

    @property
    def open_calls(self) -> int:
        """Calls that run now."""
        return self._open

    def complete(self, request: ChatRequest) -> Completion:
        """The reply, at its end."""
        return _joined(list(self.stream(request)))

    async def acomplete(self, request: ChatRequest) -> Completion:
        """The reply, at its end."""
        return _joined([chunk async for chunk in self.astream(request)])

    def stream(self, request: ChatRequest) -> Iterator[Chunk]:
        """The reply, token by token; waits in this thread, and ends early when the request is cancelled."""
        steps = self._steps(request)
        cancelled = threading.Event()
        withdraw = request.cancellation.on_cancel(cancelled.set)
        try:
            with self._limit.blocking_slot() if self._limit else contextlib.nullcontext(), self._counted():
                for step in steps:
                    if isinstance(step, Chunk):
                        yield step
                    elif step.seconds > 0:
                        cancelled.wait(step.seconds)
                    if cancelled.is_set():
                        yield Chunk(finish_reason="cancelled")
                        return
        finally:
            withdraw()

    async def astream(self, request: ChatRequest) -> AsyncIterator[Chunk]:
        """The reply, token by token; ends early when the request is cancelled."""
        steps = self._steps(request)
        async with self._limit.slot() if self._limit else contextlib.nullcontext():
            with self._counted():
                for step in steps:
                    if isinstance(step, Chunk):
                        yield step
                    elif step.seconds > 0:
                        await asyncio.sleep(step.seconds)
                    if request.cancellation.is_cancelled:
                        yield Chunk(finish_reason="cancelled")
                        return

    @contextlib.contextmanager
    def _counted(self) -> Generator[None]:
        with self._lock:
            self._open += 1
            self.peak_concurrency = max(self.peak_concurrency, self._open)
        try:
            yield
        finally:
            with self._lock:
                self._open -= 1

    def _steps(self, request: ChatRequest) -> Iterator[Chunk | _Wait]:
        with self._lock:
            self.requests.append(request)
            turn = self._asked[request.tag]
            self._asked[request.tag] += 1
        if self._limit and self._refuses and self._limit.in_use >= self._limit.limit:
            raise LLMRateLimitError(f"{self.name} takes {self._limit.limit} calls at once.")
        reply = self._reply(request, turn)
        fault = reply.fault or (self._faults(request) if self._faults else None)
        return self._said(request, reply, fault)

    def _reply(self, request: ChatRequest, turn: int) -> Reply:
        replies = self._replies
        if isinstance(replies, (str, Reply)):
            given = replies
        elif isinstance(replies, Mapping):
            by_tag = cast(Mapping[str, str | Reply | Sequence[str | Reply]], replies)
            if (found := by_tag.get(request.tag, by_tag.get(""))) is None:
                raise InputError(
                    f"ScriptedLLM has no reply for the tag {request.tag!r}, only for {sorted(by_tag)}; "
                    'the key "" stands for all others.'
                )
            given = found if isinstance(found, (str, Reply)) else found[min(turn, len(found) - 1)]
        else:
            given = replies(request)
        return given if isinstance(given, Reply) else Reply(text=given)

    def _said(self, request: ChatRequest, reply: Reply, fault: Fault | None) -> Iterator[Chunk | _Wait]:
        text, finish = _limited(reply.rest(request), request, reply.finish_reason)
        tokens = tokens_of(text)
        first = self._first if reply.first_token_seconds is None else reply.first_token_seconds
        each = self._each if reply.token_seconds is None else reply.token_seconds
        for i, token in enumerate([*tokens, None]):
            if fault is not None and i == min(fault.after_tokens, len(tokens)):
                yield _Wait(first / self._speed if i == 0 else 0.0)
                if (error := fault.make("".join(tokens[:i]))) is not None:
                    raise error
                yield _Wait(_FOREVER)
            if token is None:
                break
            yield _Wait((first if i == 0 else each) / self._speed)
            yield Chunk(text=token)
        usage = Usage(
            prompt_tokens=sum(len(tokens_of(message.content)) for message in request.messages),
            completion_tokens=len(tokens),
            calls=1,
        )
        yield Chunk(usage=usage if self._reports_usage else None, finish_reason=finish)


def _limited(text: str, request: ChatRequest, finish: FinishReason) -> tuple[str, FinishReason]:
    ends = [at for stop in request.stop if stop and (at := text.find(stop)) >= 0]
    if ends:
        text, finish = text[: min(ends)], "stop"
    tokens = tokens_of(text)
    if request.max_tokens is not None and len(tokens) > request.max_tokens:
        return "".join(tokens[: request.max_tokens]), "length"
    return text, finish


def _joined(chunks: Sequence[Chunk]) -> Completion:
    last = chunks[-1] if chunks else Chunk()
    return Completion(
        text="".join(chunk.text for chunk in chunks),
        usage=last.usage,
        finish_reason=last.finish_reason or "stop",
    )
