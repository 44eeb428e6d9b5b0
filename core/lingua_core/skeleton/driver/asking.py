"""How the calls of one answer are worded, and what reads their replies."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lingua_core.llms.base import LLM, ChatRequest, Message
from lingua_core.skeleton.driver.contexts import ContextProvider, FixedContext, PlanAwareContexts
from lingua_core.skeleton.driver.options import DriverOptions
from lingua_core.skeleton.driver.texts import Filter, Splitter
from lingua_core.skeleton.driver.thinking import ThoughtFilter
from lingua_core.skeleton.parsing import EchoStripper, SectionSplitter, SkeletonParser
from lingua_core.skeleton.prompts import SkeletonPrompts
from lingua_core.skeleton.rendering import point_opening
from lingua_core.skeleton.types import Point, Skeleton

__all__ = ["Asking"]

_STITCH_TOKENS = 512


@dataclass(slots=True, kw_only=True)
class Asking:
    """One question, in all the forms in which it is asked.

    Attributes:
        question: What is to be answered.
        history: The conversation before.
        context: What it is answered from.
        prompts: The templates.
        llm: Whom is asked: it decides whether replies are begun for it, or held to a schema.
        options: Limits and sampling.
        asked: All requests that were worded so far.
    """

    question: str
    history: tuple[Message, ...]
    context: ContextProvider
    prompts: SkeletonPrompts
    llm: LLM
    options: DriverOptions
    asked: list[ChatRequest] = field(default_factory=list[ChatRequest])
    _skeleton_context: str = field(init=False, default="")
    _direct_context: str = field(init=False, default="")
    _prefix: str = field(init=False, default="")

    def check(self) -> None:
        """Word what can be worded, so that mistakes show before anything is asked."""
        self.prompts.direct_request(self.question, history=self.history)

    # What the skeleton is asked with, and read by

    @property
    def skeleton_is_json(self) -> bool:
        """Whether the skeleton is asked for as JSON: dependencies are sure only in a schema."""
        return self.options.dependencies == "model" and self.llm.supports_json_schema

    @property
    def skeleton_opening(self) -> str:
        """How the reply was begun for the model; the reply goes on after it."""
        return self._prefix

    async def prepare_skeleton(self) -> None:
        """Get what the skeleton is planned from."""
        self._skeleton_context = await self._get(lambda: self.context.for_skeleton(self.question))

    def skeleton(self) -> ChatRequest:
        """The request for a skeleton."""
        asked = self.prompts.skeleton_request(
            self.question,
            context=self._skeleton_context,
            history=self.history,
            prefill=self.llm.supports_prefill,
            with_dependencies=self.options.dependencies == "model",
            max_points=self.options.max_points,
            json_schema=self.skeleton_is_json,
        )
        self._prefix = asked.prefill
        return self._request(
            asked.messages,
            tag="skeleton",
            max_tokens=self.options.skeleton_max_tokens,
            prefill=bool(asked.prefill),
            json_schema=asked.json_schema,
            prefix_key=asked.prefix_key,
        )

    def longer_skeleton(self) -> ChatRequest:
        """The same with the limit of a direct answer, for a reply that is one."""
        return replace(self.skeleton(), max_tokens=self.options.max_tokens, stop=self.options.stop)

    def parser(self) -> SkeletonParser:
        """What reads a skeleton."""
        begun = self.prompts.skeleton_prefill if self.llm.supports_prefill else ""
        return SkeletonParser(
            max_points=self.options.max_points, prefix="" if self.skeleton_is_json else begun
        )

    # Points

    def opening(self, point: Point) -> str:
        """What stands before a point's text in the answer."""
        return point_opening(point, self.options.style)

    def cleaner(self, point: Point) -> Filter:
        """What takes a repeated heading out of a point's text."""
        return EchoStripper(point)

    def splitter(self, points: Sequence[Point]) -> Splitter:
        """What tells the points of one reply apart."""
        return SectionSplitter(points)

    def waits_for_plan(self, points: Sequence[Point]) -> bool:
        """Whether what these points are written from is known only when the plan is."""
        return isinstance(self.context, PlanAwareContexts) and self.context.waits_for_plan(points)

    def plan_is_complete(self, waiting: Sequence[Point], *, points: int) -> None:
        """Tell what makes contexts how many points there are, and which have waited for that."""
        if isinstance(self.context, PlanAwareContexts):
            self.context.plan_is_complete(waiting, points=points)

    async def context_for(self, points: Sequence[Point]) -> str:
        """What these points are written from."""
        return await self._get(lambda: self.context.for_points(self.question, points))

    def points(
        self,
        points: Sequence[Point],
        *,
        plan: Sequence[Point],
        is_whole: bool,
        parents: Mapping[int, str],
        context: str,
        tag: str,
    ) -> ChatRequest:
        """The request for some points.

        Args:
            points: What is to be written.
            plan: All points known so far.
            is_whole: Whether there will be no others.
            parents: Texts that they build on.
            context: What they are written from.
            tag: Of the request.
        """
        asked = self.prompts.point_request(
            self.question,
            Skeleton(points=tuple(plan)),
            points,
            context=context,
            parents=parents,
            history=self.history,
            prefill=self.llm.supports_prefill,
            is_partial=not is_whole,
        )
        each = self.options.max_tokens_per_point
        return self._request(
            asked.messages,
            tag=tag,
            max_tokens=None if each is None else each * len(points),
            stop=self.options.stop,
            prefill=bool(asked.prefill),
            prefix_key=asked.prefix_key,
        )

    # The rest

    async def prepare_direct(self) -> None:
        """Get what a direct answer is written from."""
        self._direct_context = await self._get(lambda: self.context.for_direct(self.question))

    def direct(self) -> ChatRequest:
        """The request for an answer in one piece."""
        messages = self.prompts.direct_request(
            self.question, context=self._direct_context, history=self.history
        )
        return self._request(
            messages, tag="direct", max_tokens=self.options.max_tokens, stop=self.options.stop
        )

    def direct_cleaner(self) -> Filter:
        """What takes thinking out of an answer in one piece."""
        return ThoughtFilter()

    def stitch(self, skeleton: Skeleton, texts: Sequence[str]) -> ChatRequest:
        """The request for transitions and repeats."""
        messages = self.prompts.stitch_request(self.question, skeleton, texts)
        return self._request(messages, tag="stitch", max_tokens=_STITCH_TOKENS)

    async def _get(self, get: Callable[[], str]) -> str:
        # Compressing documents takes time, which the event loop must not wait for.
        return get() if isinstance(self.context, FixedContext) else await asyncio.to_thread(get)

    def _request(
        self,
        messages: tuple[Message, ...],
        *,
        tag: str,
        max_tokens: int | None,
        stop: tuple[str, ...] = (),
        prefill: bool = False,
        json_schema: Mapping[str, Any] | None = None,
        prefix_key: str | None = None,
    ) -> ChatRequest:
        request = ChatRequest(
            messages=messages,
            max_tokens=max_tokens,
            stop=stop,
            temperature=self.options.temperature,
            seed=self.options.seed,
            prefill=prefill,
            json_schema=json_schema,
            tag=tag,
            prefix_key=prefix_key,
        )
        self.asked.append(request)
        return request
