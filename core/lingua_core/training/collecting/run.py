"""Asking a model many prompts, several at once, and losing nothing on the way."""

import asyncio
import random
from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

from lingua_core.errors import (
    LLMConnectionError,
    LLMError,
    LLMRateLimitError,
    LLMRequestError,
    LLMResponseError,
    LLMServerError,
)
from lingua_core.llms.base import LLM, Cancellation, Completion
from lingua_core.training.collecting.options import CollectingOptions, Ending, Outcome, Progress
from lingua_core.training.collecting.prompts import Prompt, distinct
from lingua_core.training.collecting.record import response_record
from lingua_core.training.collecting.spending import Spending, Tokens
from lingua_core.training.collecting.store import Failure, Settings, Store, read_earlier

__all__ = ["acollect", "collect"]

RecordMaker = Callable[[Prompt, Completion], Mapping[str, Any]]

_UNBILLED = (LLMRateLimitError, LLMServerError, LLMRequestError, LLMConnectionError)
"""A call that ends like this before any text has arrived costs nothing; any other may cost its most."""


def collect(
    prompts: Iterable[Prompt],
    out: Path,
    llm: LLM,
    options: CollectingOptions | None = None,
    *,
    settings: Settings | None = None,
    record: RecordMaker = response_record,
    report: Callable[[Progress], None] | None = None,
    stop: Cancellation | None = None,
) -> Outcome:
    """`acollect` for callers without an event loop."""
    return asyncio.run(
        acollect(prompts, out, llm, options, settings=settings, record=record, report=report, stop=stop)
    )


async def acollect(
    prompts: Iterable[Prompt],
    out: Path,
    llm: LLM,
    options: CollectingOptions | None = None,
    *,
    settings: Settings | None = None,
    record: RecordMaker = response_record,
    report: Callable[[Progress], None] | None = None,
    stop: Cancellation | None = None,
) -> Outcome:
    """Ask a model every prompt that has no record yet, and append a record of each reply to a file.

    A record is in the file as soon as its reply is there. Whatever ends the run (the cap on costs, an
    endpoint that died, a full disk, an interrupt, the end of the process), the next run asks what is missing,
    and prompts that failed, again. Until a first reply has come, one prompt is asked at a time.

    Args:
        prompts: What to ask. Prompts that ask the same are asked once.
        out: The file of records, JSON lines. Others are beside it; see the module `store`.
        llm: What answers.
        options: How to go about it.
        settings: What all records must have been made with, for runs that go on; the model's name is added.
        record: Makes a record of a reply: JSON values, with the prompt's `id`. Raises an `LLMError` for
            replies that are of no use: the prompt has then failed.
        report: Called with the progress after every reply and failure.
        stop: Fires to end the run when the calls under way are through.

    Raises:
        InputError: If prompts contradict each other, or the file was made with other settings.
        OSError: If the file cannot be opened.
    """
    options = options or CollectingOptions()
    settings = {"model": llm.name, **(settings or {})}
    todo = distinct(prompts)
    earlier = read_earlier(out, settings)
    earlier.check(out, todo)
    spending = Spending(options.prices, cap=options.max_cost, spent=earlier.spent)
    store = Store(out, earlier, settings)
    run = _Run(todo, llm, options, store, spending, record, report)
    with run.ended_by(stop or Cancellation()):
        try:
            await run.go()
        finally:
            run.close()
    return run.outcome()


class _Run:
    """One run: who is asked next, and what becomes of each reply."""

    def __init__(
        self,
        prompts: Sequence[Prompt],
        llm: LLM,
        options: CollectingOptions,
        store: Store,
        spending: Spending,
        record: RecordMaker,
        report: Callable[[Progress], None] | None,
    ) -> None:
        self._prompts = prompts
        self._llm = llm
        self._options = options
        self._store = store
        self._spending = spending
        self._record = record
        self._report = report
        self._waiting = deque(prompt for prompt in prompts if prompt.id not in store.records)
        self._running: dict[asyncio.Task[None], Prompt] = {}
        self._before = len(prompts) - len(self._waiting)
        self._answered = self._failed = self._failed_in_a_row = self._with_logprobs = 0
        self._ending: Ending = "complete"
        self._reason = ""
        self._ended = asyncio.Event()
        self._hold_until = 0.0
        self._random = random.Random()

    @contextmanager
    def ended_by(self, stop: Cancellation) -> Generator[None]:
        """Have `stop` end the run, from whatever thread it is cancelled."""
        loop = asyncio.get_running_loop()

        def end() -> None:
            with suppress(RuntimeError):  # the loop is closed, and the run with it
                loop.call_soon_threadsafe(self._end, "interrupted", "Interrupted.")

        withdraw = stop.on_cancel(end)
        try:
            yield
        finally:
            withdraw()

    async def go(self) -> None:
        """Ask until nothing is left, or the run is ended."""
        ended = asyncio.create_task(self._ended.wait())
        try:
            while self._start_what_may() or self._running:
                await asyncio.wait({*self._running, ended}, return_when=asyncio.FIRST_COMPLETED)
                if self._ending == "disk":
                    break  # replies that still come could not be kept
                if self._ended.is_set() and self._running:
                    await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
                for task in [task for task in self._running if task.done()]:
                    del self._running[task]
                    task.result()
        finally:
            ended.cancel()
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)
        if self._ending == "interrupted" and not self._waiting:
            self._ending, self._reason = "complete", ""

    def close(self) -> None:
        """Let go of the files; in order, if every prompt was tried."""
        tried_all = self._ending == "complete" and not self._waiting and not self._running
        try:
            self._store.close([prompt.id for prompt in self._prompts] if tried_all else None)
        except OSError as error:
            self._end("disk", f"{_words(error)} The records are kept, but not in the order of the prompts.")

    def outcome(self) -> Outcome:
        """How it ended."""
        return Outcome(
            ending=self._ending,
            reason=self._reason,
            progress=self._progress(),
            answered_now=self._answered,
            with_logprobs=self._with_logprobs,
        )

    def _progress(self) -> Progress:
        return Progress(
            total=len(self._prompts),
            answered=self._before + self._answered,
            failed=self._failed,
            running=len(self._running),
            spent=self._spending.spent,
            cost=self._spending.cost,
        )

    def _end(self, ending: Ending, reason: str) -> None:
        if self._ending in ("complete", "interrupted"):  # what went wrong says more than that it was stopped
            self._ending, self._reason = ending, reason
        self._ended.set()

    def _start_what_may(self) -> bool:
        """Start calls as far as the limits of concurrency and cost allow; whether any was."""
        width = self._options.concurrency if self._answered else 1
        started = False
        while self._waiting and len(self._running) < width and not self._ended.is_set():
            most = self._spending.most(self._waiting[0])
            if not self._spending.reserve(most):
                if not self._running:
                    self._end("cost", self._cap_reached(most))
                break
            prompt = self._waiting.popleft()
            self._running[asyncio.create_task(self._ask(prompt, most))] = prompt
            started = True
        return started

    def _cap_reached(self, most: Tokens) -> str:
        prices = self._options.prices
        next_cost = prices.cost(most) if prices is not None else 0.0
        return (
            f"The next reply may cost {next_cost:.4f}, which would go beyond the cap: "
            f"{self._spending.cost or 0.0:.4f} of {self._options.max_cost or 0.0:.4f} are spent."
        )

    async def _ask(self, prompt: Prompt, most: Tokens) -> None:
        """Get the record of a prompt, or the reason why there is none."""
        try:
            for attempt in count(1):
                if not await self._may_go_on(self._hold_until - self._now()):
                    break
                error, spent = await self._attempt(prompt, most)
                self._spending.settle(most, spent)
                if error is None:
                    return
                self._store.ended(prompt, spent)
                wait = self._options.retry.delay(attempt, error, rng=self._random)
                if wait is None:
                    self._give_up(prompt, error, attempt)
                    return
                if isinstance(error, LLMRateLimitError):
                    self._hold_until = max(self._hold_until, self._now() + wait)
                if not await self._may_go_on(wait) or not self._spending.reserve(most):
                    self._waiting.appendleft(prompt)
                    return
            self._spending.settle(most, Tokens())
            self._waiting.appendleft(prompt)
        except OSError as error:
            self._end("disk", _words(error))
        finally:
            if self._report is not None:
                self._report(self._progress())

    async def _attempt(self, prompt: Prompt, most: Tokens) -> tuple[LLMError | None, Tokens]:
        """One call: what went wrong, if something did, and what it has cost."""
        self._store.asked(prompt, most)
        try:
            completion = await self._llm.acomplete(prompt.request)
        except LLMError as error:
            is_free = isinstance(error, _UNBILLED) and not error.partial
            return error, Tokens() if is_free else Tokens(most.prompt, most.completion or 0)
        spent = Spending.of_reply(completion.usage, most)
        try:
            record = self._record(prompt, completion)
            if self._options.require_logprobs and completion.logprobs is None:
                if not self._with_logprobs:
                    self._end("logprobs", "The endpoint gives no log-probabilities, and they are required.")
                raise LLMResponseError("The reply came without log-probabilities.", partial=completion.text)
        except LLMError as error:
            return error, spent
        self._store.answered(prompt, record, spent)
        self._answered += 1
        self._failed_in_a_row = 0
        self._with_logprobs += completion.logprobs is not None
        return None, spent

    def _give_up(self, prompt: Prompt, error: LLMError, attempts: int) -> None:
        self._store.failed(Failure(prompt.id, type(error).__name__, str(error), attempts, error.partial))
        self._failed += 1
        self._failed_in_a_row += 1
        if self._failed_in_a_row >= self._options.give_up_after:
            self._end("failures", f"{self._failed_in_a_row} prompts have failed in a row, the last: {error}")
        elif not self._answered and error.is_transient:
            self._end("failures", f"The endpoint has not answered even once: {error}")

    async def _may_go_on(self, seconds: float) -> bool:
        """Wait; False at once if the run is ended."""
        if seconds > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._ended.wait()
        return not self._ended.is_set()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _words(error: OSError) -> str:
    return f"{error.filename or 'The disk'}: {error.strerror or error}."
