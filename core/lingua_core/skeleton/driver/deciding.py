"""Asking the router, whatever it needs: nothing, a thread, or a call of the driver's."""

import asyncio
from dataclasses import dataclass, field

from lingua_core.skeleton.driver.calls import Caller
from lingua_core.skeleton.driver.texts import Collected
from lingua_core.skeleton.routing import AlwaysRouter, LLMRouter, NeverRouter, Router
from lingua_core.skeleton.types import RouteDecision

__all__ = ["Deciding"]

_INSTANT = (AlwaysRouter, NeverRouter)


@dataclass(slots=True, kw_only=True)
class Deciding:
    """The decision on one question.

    Attributes:
        router: Who decides.
        question: On what.
        has_documents: Whether it is answered from documents.
        note: What went wrong, in plain words, or empty.
    """

    router: Router
    question: str
    has_documents: bool
    note: str = field(init=False, default="")

    @property
    def asks_a_model(self) -> bool:
        """Whether deciding takes a call, beside which other things can be begun."""
        return isinstance(self.router, LLMRouter)

    async def decide(self, caller: Caller) -> RouteDecision:
        """The router's decision; for a direct answer if it fails."""
        if isinstance(self.router, LLMRouter):
            return await self._ask(self.router, caller)
        try:
            if isinstance(self.router, _INSTANT):
                return self.router.route(self.question, has_documents=self.has_documents)
            return await asyncio.to_thread(self.router.route, self.question, has_documents=self.has_documents)
        except Exception as error:  # a router of the user's; an answer must not fail for it
            self.note = f"The router failed, so the answer is direct: {type(error).__name__}: {error}"
            return RouteDecision(use_skeleton=False, reason=f"the router failed: {error}")

    async def _ask(self, router: LLMRouter, caller: Caller) -> RouteDecision:
        reply = Collected()
        outcome = await caller.run(router.llm, lambda: router.request(self.question), reply)
        if outcome.end == "failed":
            self.note = f"The router could not be asked, so the answer is direct: {outcome.reason}"
            return router.failed(outcome.reason)
        return router.read(reply.text)
