"""One answer, from the question to the end: the only place where routing, planning and writing meet."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, cast

from lingua_core.errors import AnswerError
from lingua_core.llms.base import LLM
from lingua_core.skeleton.driver.asking import Asking
from lingua_core.skeleton.driver.calls import Caller
from lingua_core.skeleton.driver.closing import Closing
from lingua_core.skeleton.driver.deciding import Deciding
from lingua_core.skeleton.driver.direct import Direct
from lingua_core.skeleton.driver.merging import Merge
from lingua_core.skeleton.driver.options import DriverOptions
from lingua_core.skeleton.driver.planning import PlanReply
from lingua_core.skeleton.driver.writing import PointFailed, PointWriter
from lingua_core.skeleton.parsing import infer_dependencies
from lingua_core.skeleton.types import (
    AnswerDone,
    Event,
    Expansion,
    NoSkeleton,
    PointDelta,
    Route,
    RouteChosen,
    RouteDecision,
    Skeleton,
    SkeletonAnswer,
    SkeletonReady,
    Timings,
)

__all__ = ["Answering"]

_UNDECIDED = RouteDecision(use_skeleton=False, reason="it was not decided")


class _NoAnswerError(Exception):
    """There is no answer; ends a run from within."""


@dataclass(slots=True, kw_only=True)
class Answering:
    """The state of one answer. `run` is called once.

    Attributes:
        llm: Who writes.
        caller: Makes the calls.
        asking: Words them.
        deciding: Whether there is to be a skeleton.
        options: How.
        emit: Gets the events.
        credit: Adds to the answer what only its context knows.
    """

    llm: LLM
    caller: Caller
    asking: Asking
    deciding: Deciding
    options: DriverOptions
    emit: Callable[[Event], None]
    credit: Callable[[SkeletonAnswer], SkeletonAnswer] = lambda answer: answer
    _merge: Merge = field(init=False)
    _writer: PointWriter = field(init=False)
    _plan: PlanReply = field(init=False)
    _plan_task: "asyncio.Task[Skeleton | NoSkeleton] | None" = None
    _tasks: asyncio.TaskGroup = field(init=False)
    _route: Route = "direct"
    _decision: RouteDecision = _UNDECIDED
    _skeleton: Skeleton | None = None
    _skeleton_seconds: float | None = None
    _direct: Direct | None = None
    _hedge: Direct | None = None
    _notes: dict[str, None] = field(default_factory=dict[str, None])
    _first_seconds: float | None = None

    async def run(self) -> SkeletonAnswer:
        """Write the answer.

        Raises:
            AnswerError: If there is none, or a point failed and that was to be an error. It carries what
                there is.
        """
        timeout = asyncio.timeout_at(self.caller.ends_at)
        failure: BaseException | None = None
        try:
            async with timeout, asyncio.TaskGroup() as self._tasks:
                self._merge = Merge(self._show)
                self._writer = self._make_writer()
                self._plan = self._make_plan()
                await self._write()
        except TimeoutError as error:
            if not timeout.expired():
                raise
            self._note(f"The deadline of {self.options.deadline} seconds cut the answer.")
            failure = error
        except BaseExceptionGroup as group:
            failure = _first(group)
            if not isinstance(failure, PointFailed | _NoAnswerError):
                raise failure from None
        if failure is not None:
            self._save()
        return self._close(failure)

    # The way

    async def _write(self) -> None:
        options = self.options
        takes_long = self.deciding.asks_a_model
        if takes_long and options.hedge:
            self._hedge = self._ask_directly()
        if takes_long and options.route_alongside:
            self._plan_task = self._start_plan()
        self._decision = await self.deciding.decide(self.caller)
        if note := self.deciding.note:
            self._note(note)
        if not self._decision.use_skeleton:
            await self._stop(self._plan_task)
            await self._answer_directly(self._decision)
            return
        self._choose("skeleton", self._decision)
        self._writer.allow()
        self._plan_task = self._plan_task or self._start_plan()
        if options.hedge and self._hedge is None:
            self._hedge = self._ask_directly()
        result = await self._planned()
        if isinstance(result, Skeleton):
            await self._write_points(result)
        elif self._direct is None:
            await self._fall_back(result)
        else:
            await self._finish_found_answer(result)

    async def _planned(self) -> Skeleton | NoSkeleton:
        """What becomes of the skeleton; none if a hedged direct answer was done first."""
        assert self._plan_task is not None
        while self._hedge is not None and self._hedge.task is not None and not self._plan_task.done():
            await asyncio.wait({self._plan_task, self._hedge.task}, return_when=asyncio.FIRST_COMPLETED)
            if self._plan_task.done():
                break
            if self._hedge.is_usable:
                await self._stop(self._plan_task)
                return NoSkeleton(code="empty", reason="The direct answer was complete before the skeleton.")
            self._drop_hedge("The direct answer that was written at the same time failed")
        await asyncio.wait({self._plan_task})
        if self._plan_task.cancelled():
            return NoSkeleton(code="is_answer", reason="In the place of a skeleton came an answer.")
        return self._plan_task.result()

    async def _write_points(self, skeleton: Skeleton) -> None:
        if self._hedge is not None:
            await self._hedge.cancel()
            self._hedge = None
        self._ready(skeleton)
        await self._writer.finish()
        closing = Closing(self._merge, skeleton, self._note)
        closing.treat_repeats(self.options.repeats)
        if self.options.stitch:
            await closing.stitch(self.llm, self.caller, self.asking)
        self._writer.release()

    def _ready(self, skeleton: Skeleton) -> None:
        self._skeleton = skeleton
        self._skeleton_seconds = self.caller.now()
        for note in skeleton.notes:
            self._note(note)
        self.emit(SkeletonReady(skeleton=skeleton))
        self._writer.plan_is_complete()
        self._merge.open()

    async def _fall_back(self, found: NoSkeleton) -> None:
        """The skeleton is none, and nothing of the answer is there yet but perhaps a hedged one."""
        await self._writer.cancel()
        reason = f"no skeleton: {found.reason}"
        self._note(f"Answered directly for want of a skeleton: {found.reason}")
        await self._answer_directly(RouteDecision(use_skeleton=False, reason=reason))

    async def _answer_directly(self, decision: RouteDecision) -> None:
        self._choose("direct", decision)
        hedge, self._hedge = self._hedge, None
        if hedge is not None and not hedge.is_usable and not hedge.text:
            hedge = None
        self._direct = direct = hedge or self._ask_directly()
        direct.show()
        if direct.task is not None:
            await asyncio.wait({direct.task})
            direct.task.result()
        self._judge(direct)

    def _judge(self, direct: Direct) -> None:
        outcome = direct.outcome
        if outcome is None or outcome.end == "complete":
            if not direct.text.strip():
                raise _NoAnswerError("the model said nothing")
            return
        if not direct.text.strip():
            raise _NoAnswerError(outcome.reason) from outcome.error
        self._note(f"The answer ends early: {outcome.reason.rstrip('.')}.")
        if outcome.end == "failed" and self.options.on_failure == "raise":
            raise _NoAnswerError(outcome.reason) from outcome.error

    # An answer in the place of a skeleton

    def _found_answer(self, text: str) -> Callable[[str], None] | None:
        """The skeleton's call writes an answer: it becomes the direct one, unless that is being written."""
        assert self._plan_task is not None
        if not self._can_take_over():
            self._plan_task.cancel()
            return None
        decision = RouteDecision(use_skeleton=False, reason="in the place of a skeleton came an answer")
        self._note("The call for a skeleton wrote the answer itself, which was taken.")
        self._choose("direct", decision)
        self._direct = Direct(self._show, self.asking.direct_cleaner)
        self._direct.show()
        self._direct.take(self.asking.skeleton_opening + text)
        self._spawn(self._writer.cancel())
        return self._direct.take

    def _can_take_over(self) -> bool:
        if self._hedge is not None and not self._hedge.is_usable:
            self._hedge = None
        return self._hedge is None and self._decision.use_skeleton and not self.asking.skeleton_is_json

    async def _finish_found_answer(self, found: NoSkeleton) -> None:
        """The call for the skeleton has ended in the middle of the answer, or at its end."""
        assert self._direct is not None
        self._judge(self._direct)

    # Tasks

    def _start_plan(self) -> "asyncio.Task[Skeleton | NoSkeleton]":
        return self._tasks.create_task(self._make_skeleton())

    async def _make_skeleton(self) -> Skeleton | NoSkeleton:
        await self.asking.prepare_skeleton()
        outcome = await self.caller.run(self.llm, self.asking.skeleton, self._plan)
        if self._plan.is_answer:
            assert self._direct is not None
            if outcome.end == "limit":
                await self._direct.go_on(self.caller, self.llm, self.asking.longer_skeleton, self._plan)
            else:
                self._direct.end(outcome)
            return NoSkeleton(code="is_answer", reason="In the place of a skeleton came an answer.")
        result = self._plan.conclude(outcome)
        if isinstance(result, NoSkeleton) and result.code == "is_answer":
            return await self._take_whole(result)
        return result

    async def _take_whole(self, found: NoSkeleton) -> NoSkeleton:
        """Only the end showed that the text is an answer."""
        if self._can_take_over():
            self._plan.take_for_answer()
            assert self._direct is not None
            self._direct.end(None)
        return found

    def _ask_directly(self) -> Direct:
        direct = Direct(self._show, self.asking.direct_cleaner)
        direct.task = self._spawn(self._run_directly(direct))
        return direct

    async def _run_directly(self, direct: Direct) -> None:
        await self.asking.prepare_direct()
        await direct.ask(self.caller, self.llm, self.asking.direct)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        return self._tasks.create_task(work)

    async def _stop(self, task: "asyncio.Task[Any] | None") -> None:
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait({task})
        await self._writer.cancel()

    def _drop_hedge(self, why: str) -> None:
        if self._hedge is not None and self._hedge.outcome is not None:
            self._note(f"{why}: {self._hedge.outcome.reason or 'nothing was written'}.")
        self._hedge = None

    # What is shown and told

    def _show(self, index: int, text: str) -> None:
        if self._first_seconds is None:
            self._first_seconds = self.caller.now()
        self.emit(PointDelta(index=index, text=text))

    def _choose(self, route: Route, decision: RouteDecision) -> None:
        self._route = route
        self.emit(RouteChosen(route=route, decision=decision))

    def _note(self, note: str) -> None:
        self._notes[note] = None

    def _make_writer(self) -> PointWriter:
        return PointWriter(
            self.llm,
            caller=self.caller,
            asking=self.asking,
            merge=self._merge,
            options=self.options,
            spawn=self._spawn,
            note=self._note,
        )

    def _make_plan(self) -> PlanReply:
        return PlanReply(
            make_parser=self.asking.parser,
            infer=infer_dependencies,
            dependencies=self.options.dependencies,
            on_point=self._writer.add,
            on_answer=self._found_answer,
        )

    # The end

    def _save(self) -> None:
        """What was produced when the answer was cut becomes the answer."""
        self._writer.stop()
        if self._direct is not None:
            self._direct.end(self._direct.outcome)
            return
        if self._route == "skeleton" and self._skeleton is None:
            result = self._plan.conclude(None)
            if isinstance(result, Skeleton):
                self._ready(result)
        if self._skeleton is not None:
            self._writer.release()
        elif self._hedge is not None and self._hedge.text:
            self._choose(
                "direct", RouteDecision(use_skeleton=False, reason="the skeleton was not done in time")
            )
            self._direct = self._hedge
            self._direct.show()
            self._direct.end(None)

    def _close(self, failure: BaseException | None) -> SkeletonAnswer:
        expansions: tuple[Expansion, ...] = ()
        if self._skeleton is not None:
            expansions = self._writer.expansions(self.caller.calls)
        if self._direct is not None:
            text = self._direct.merge.text
            outcome = self._direct.outcome
            is_complete = failure is None and (outcome is None or outcome.end == "complete")
        else:
            text = self._merge.text
            has_all = failure is None and not self._plan.was_cut
            is_complete = has_all and all(
                expansion.status in ("complete", "retried", "fallback") for expansion in expansions
            )
        has_text = any(e.text for e in expansions) if self._direct is None else bool(text.strip())
        answer = SkeletonAnswer(
            text=text,
            route=self._route,
            decision=self._decision,
            skeleton=self._skeleton,
            expansions=expansions,
            usage=self.caller.usage,
            timings=Timings(
                first_token=self._first_seconds,
                skeleton=self._skeleton_seconds,
                total=self.caller.now(),
                calls=tuple(self.caller.calls),
            ),
            notes=tuple(self._notes),
            is_complete=is_complete,
        )
        answer = self.credit(answer)
        if has_text and not isinstance(failure, PointFailed | _NoAnswerError):
            self.emit(AnswerDone(answer=answer))
            return answer
        why = str(failure or "") or (expansions and expansions[0].error) or "nothing was written in time"
        cause = failure.error if isinstance(failure, PointFailed) else failure and failure.__cause__
        raise AnswerError(f"The question has no answer, or a part of one: {why}", answer=answer) from cause


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that ended the run: those of other tasks follow from it."""
    error = group.exceptions[0]
    return (
        _first(cast(BaseExceptionGroup[BaseException], error))
        if isinstance(error, BaseExceptionGroup)
        else error
    )
