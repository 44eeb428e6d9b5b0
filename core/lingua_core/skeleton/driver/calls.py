"""Every call of one answer: within the limit, in time, repeated where that helps, and accounted for."""

import asyncio
import math
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, cast

from lingua_core.errors import LLMConnectionError, LLMContentFilterError, LLMError, LLMTimeoutError
from lingua_core.llms.base import LLM, Cancellation, ChatRequest, Chunk, FinishReason, Usage
from lingua_core.llms.limits import ConcurrencyLimit
from lingua_core.llms.retrying import RetryPolicy
from lingua_core.skeleton.driver.accounting import CountTokens, usage_of
from lingua_core.skeleton.driver.continuing import Seam, continuing
from lingua_core.skeleton.driver.transport import Transport
from lingua_core.skeleton.types import Call

__all__ = ["Caller", "Outcome", "Reply"]

End = Literal["complete", "limit", "filtered", "late", "failed"]

RUNAWAY_TOKENS = 65_536
"""Where a reply is cut that has no limit of its own."""
_RUNAWAY_SLACK = 256
_IDLE_MARGIN = 0.05
"""Timers are not set again for every token: a call may time out by this share of its time too early."""


class Reply(Protocol):
    """Where the text of a call goes."""

    @property
    def text(self) -> str:
        """All that was written since the beginning, or the last restart."""
        ...

    @property
    def may_restart(self) -> bool:
        """Whether nobody has seen or used the text yet, so that another may take its place."""
        ...

    @property
    def is_enough(self) -> bool:
        """Whether nothing more is needed: the call then ends as if it were complete."""
        ...

    def write(self, text: str) -> None:
        """Add what is new."""
        ...

    def restart(self) -> None:
        """Forget the text: it is written anew."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a call ended, with all its attempts.

    Attributes:
        end: "complete"; "limit": at the most tokens; "filtered" by a content filter, after some text;
            "late": at its deadline; "failed".
        error: Of the last attempt, if that failed or was late.
        attempts: How many there were.
        usage: Of all.
    """

    end: End
    error: LLMError | None = None
    attempts: int = 1
    usage: Usage = field(default_factory=Usage)

    @property
    def reason(self) -> str:
        """In plain words, why it is not complete."""
        match self.end:
            case "complete":
                return ""
            case "limit":
                return "the limit of tokens was reached"
            case "filtered":
                return "a content filter ended it"
            case "late":
                return "its time was up"
            case "failed":
                return str(self.error)


_ENDS: dict[FinishReason | None, End] = {
    None: "complete",  # a model that does not say
    "stop": "complete",
    "length": "limit",
    "content_filter": "filtered",
}


@dataclass(slots=True, kw_only=True)
class Caller:
    """Makes the calls of one answer.

    Attributes:
        transport: How the model is called.
        limits: All are held during an attempt, none between two.
        retry: Whether and when failed attempts are repeated.
        idle_seconds: How long nothing may come before an attempt counts as timed out.
        ends_at: The loop's time at which the answer is due; None if it has time.
        rng: For the waits between attempts.
        count: Counts tokens where the model does not say.
        started: The loop's time when the answer was begun.
        calls: What was called.
    """

    transport: Transport
    limits: tuple[ConcurrencyLimit, ...]
    retry: RetryPolicy
    idle_seconds: float | None
    ends_at: float | None
    rng: random.Random
    count: CountTokens
    started: float
    calls: list[Call] = field(default_factory=list[Call])

    @property
    def usage(self) -> Usage:
        """Of all calls so far."""
        return sum((call.usage for call in self.calls), Usage())

    def now(self) -> float:
        """Seconds since the answer was begun."""
        return asyncio.get_running_loop().time() - self.started

    async def run(
        self,
        llm: LLM,
        request: Callable[[], ChatRequest],
        reply: Reply,
        *,
        seconds: float | None = None,
    ) -> Outcome:
        """Make the call, again if it fails and that may help, and write what comes to `reply`.

        After a failure the reply is begun anew if nobody has seen its text; else it is continued, so that
        nothing is shown twice or taken back.

        Args:
            llm: Who is asked.
            request: Makes what is asked, once the call's turn has come.
            reply: Where the text goes. What it holds already is continued.
            seconds: What the call may take from its first attempt on, waits between attempts included.
        """
        usages: list[Usage] = []
        due: float | None = None
        asked: ChatRequest | None = None
        for attempt in range(1, self.retry.max_attempts + 1):
            async with self._slots():
                asked = asked or request()
                now, seam = self._next_request(llm, asked, reply)
                if due is None and seconds is not None:
                    due = asyncio.get_running_loop().time() + seconds
                one = _Attempt(self, llm, now, reply, seam, number=attempt, due=due)
                try:
                    return await one.run(usages)
                except LLMError as caught:
                    error = caught
            wait = self.retry.delay(attempt, error, rng=self.rng, remaining=self.remaining(due))
            if wait is None:
                return Outcome(end="failed", error=error, attempts=attempt, usage=sum(usages, Usage()))
            await asyncio.sleep(wait)
        raise AssertionError("A retry policy allowed more attempts than its own maximum.")

    def _next_request(self, llm: LLM, request: ChatRequest, reply: Reply) -> tuple[ChatRequest, Seam | None]:
        if reply.text and reply.may_restart:
            reply.restart()
        if not reply.text.strip():
            return request, None
        prefill = llm.supports_prefill
        further = continuing(request, reply.text, prefill=prefill, spent=self.count(reply.text))
        return further, Seam(reply.text, is_exact=prefill)

    @asynccontextmanager
    async def _slots(self) -> AsyncGenerator[None]:
        # Always taken in the same order, so that answers that share a limit cannot block one another.
        async with self.limits[0].slot():
            if len(self.limits) == 1:
                yield
            else:
                async with self.limits[1].slot():
                    yield

    def remaining(self, due: float | None) -> float | None:
        """Seconds until `due` or the answer's end, whichever is earlier; None if neither is set."""
        ends = [at for at in (due, self.ends_at) if at is not None]
        return min(ends) - asyncio.get_running_loop().time() if ends else None


@dataclass(slots=True)
class _Attempt:
    caller: Caller
    llm: LLM
    request: ChatRequest
    reply: Reply
    seam: Seam | None
    number: int = field(kw_only=True)
    due: float | None = field(kw_only=True)
    text: str = field(init=False, default="")
    told: Usage | None = field(init=False, default=None)
    finish: FinishReason | None = field(init=False, default=None)
    started: float = field(init=False)
    first: float | None = field(init=False, default=None)

    async def run(self, usages: list[Usage]) -> Outcome:
        """Make one attempt; on an `LLMError`, what it cost is in `usages` all the same."""
        self.started = self.caller.now()
        remaining = self.caller.remaining(self.due)
        self.request = replace(self.request, timeout=remaining, cancellation=Cancellation())
        error: BaseException | None = None
        end: End = "failed"
        try:
            end = await self._read()
        except BaseException as caught:
            error = caught
            self.request.cancellation.cancel()
            raise
        finally:
            if self.seam is not None and (rest := self.seam.finish()):
                self.reply.write(rest)
            usages.append(self._record(end, error))
        late = LLMTimeoutError(f"{self.request.tag} was not done in time.") if end == "late" else None
        return Outcome(end=end, error=late, attempts=self.number, usage=sum(usages, Usage()))

    async def _read(self) -> End:
        loop = asyncio.get_running_loop()
        timeout = asyncio.timeout_at(self._patience(loop))
        since = loop.time()
        try:
            async with timeout:
                async with _closing(self._open()) as chunks:
                    async for chunk in chunks:
                        self._take(chunk)
                        if self._has_run_away():
                            self.request.cancellation.cancel()
                            return "limit"
                        if self.reply.is_enough:
                            self.request.cancellation.cancel()
                            return "complete"
                        if loop.time() - since > (self.caller.idle_seconds or math.inf) * _IDLE_MARGIN:
                            timeout.reschedule(self._patience(loop))
                            since = loop.time()
        except (LLMError, asyncio.CancelledError):
            raise
        except Exception as error:
            if not timeout.expired():
                message = f"{self.llm.name} raised {type(error).__name__}: {error}"
                raise LLMError(message, partial=self.text) from error
            if self.due is not None and loop.time() >= self.due:
                self.request.cancellation.cancel()
                return "late"
            message = f"{self.llm.name} sent nothing for {self.caller.idle_seconds} seconds."
            raise LLMTimeoutError(message, partial=self.text) from error
        return self._end()

    def _end(self) -> End:
        if self.finish == "cancelled":
            raise LLMConnectionError(f"{self.llm.name} ended its reply by itself.", partial=self.text)
        if self.finish == "content_filter" and not self.text.strip():
            raise LLMContentFilterError(f"{self.llm.name} withheld its reply: a content filter.")
        return _ENDS[self.finish]

    def _open(self) -> AsyncIterator[Chunk]:
        return self.caller.transport(self.llm, self.request)

    def _patience(self, loop: asyncio.AbstractEventLoop) -> float | None:
        idle = self.caller.idle_seconds
        ends = [at for at in (self.due, loop.time() + idle if idle is not None else None) if at is not None]
        return min(ends) if ends else None

    def _take(self, chunk: Any) -> None:  # noqa: ANN401  # users' models may yield anything
        if not isinstance(chunk, Chunk):
            raise LLMError(
                f"{self.llm.name} streamed {type(chunk).__name__} ({chunk!r:.60}); expected "
                "lingua_core.llms.Chunk.",
                partial=self.text,
            )
        self.told = chunk.usage or self.told
        self.finish = chunk.finish_reason or self.finish
        if not chunk.text:
            return
        if self.first is None:
            self.first = self.caller.now()
        self.text += chunk.text
        new = self.seam.feed(chunk.text) if self.seam is not None else chunk.text
        if new:
            self.reply.write(new)

    def _has_run_away(self) -> bool:
        """Whether a model goes on far beyond what it was allowed."""
        limit = self.request.max_tokens
        most = RUNAWAY_TOKENS if limit is None else 2 * limit + _RUNAWAY_SLACK
        # A token of many characters is a long word or white space; texts are not made of those.
        return len(self.text) > 8 * most

    def _record(self, end: End, error: BaseException | None) -> Usage:
        is_cut = error is not None or end == "late"
        told = None if is_cut and self.told is None else self.told
        usage = usage_of(self.request, self.text, told=told, error=error, count=self.caller.count)
        problem = "cancelled" if isinstance(error, asyncio.CancelledError) else str(error or "")
        self.caller.calls.append(
            Call(
                tag=self.request.tag,
                started=self.started,
                first_token=self.first,
                ended=self.caller.now(),
                usage=usage,
                attempt=self.number,
                error=problem or ("cut at its deadline" if end == "late" else ""),
            )
        )
        return usage


def _closing(chunks: AsyncIterator[Chunk]) -> AbstractAsyncContextManager[AsyncIterator[Chunk]]:
    """Closes the iterator at the end of the block, if it can be closed."""

    @asynccontextmanager
    async def closing() -> AsyncGenerator[AsyncIterator[Chunk]]:
        try:
            yield chunks
        finally:
            if (close := cast(Any, getattr(chunks, "aclose", None))) is not None:
                await close()

    return closing()
