"""The answer in one piece: asked for, raced against a skeleton, or found in the place of one."""

import asyncio
from collections.abc import Callable

from lingua_core.llms.base import LLM, ChatRequest
from lingua_core.skeleton.driver.calls import Caller, Outcome, Reply
from lingua_core.skeleton.driver.merging import Merge
from lingua_core.skeleton.driver.texts import Filter, PartReply

__all__ = ["Direct"]

PART = 0


class Direct:
    """A direct answer; it stays hidden until `show`.

    Args:
        show: Gets every piece of it.
        make_filter: Makes what its text goes through.
    """

    def __init__(self, show: Callable[[int, str], None], make_filter: Callable[[], Filter]) -> None:
        self.merge = Merge(show)
        self.merge.add(PART)
        self._reply = PartReply(self.merge, PART, make_filter)
        self.outcome: Outcome | None = None
        self.task: asyncio.Task[None] | None = None

    @property
    def text(self) -> str:
        """All of it so far."""
        return self.merge[PART].text

    @property
    def is_usable(self) -> bool:
        """Whether it is complete, or still may become so."""
        return self.outcome is None or (self.outcome.end != "failed" and bool(self.text.strip()))

    def show(self) -> None:
        """Make it the answer."""
        self.merge.open()

    def take(self, text: str) -> None:
        """Add text that another call wrote."""
        self._reply.write(text)

    async def ask(self, caller: Caller, llm: LLM, request: Callable[[], ChatRequest]) -> None:
        """Make the call."""
        await self.go_on(caller, llm, request, self._reply)

    async def go_on(self, caller: Caller, llm: LLM, request: Callable[[], ChatRequest], reply: Reply) -> None:
        """Make a call whose reply goes on after what `reply` holds, and becomes part of this answer."""
        self.outcome = await caller.run(llm, request, reply)
        self.end(self.outcome)

    def end(self, outcome: Outcome | None) -> None:
        """Nothing is to come."""
        self.outcome = outcome
        self._reply.settle()
        if not self.merge[PART].is_done:
            self.merge.finish(PART)

    async def cancel(self) -> None:
        """Stop it."""
        if self.task is not None and not self.task.done():
            self.task.cancel()
            await asyncio.wait({self.task})
