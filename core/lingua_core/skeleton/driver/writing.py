"""Writing the points: each is begun as soon as it is known and what it needs is written."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from lingua_core.errors import LLMError
from lingua_core.llms.base import LLM, ChatRequest, Usage
from lingua_core.skeleton.driver.asking import Asking
from lingua_core.skeleton.driver.calls import Caller, Outcome
from lingua_core.skeleton.driver.merging import Merge
from lingua_core.skeleton.driver.options import DriverOptions
from lingua_core.skeleton.driver.states import PointState, share
from lingua_core.skeleton.driver.texts import PartReply, SectionsReply
from lingua_core.skeleton.types import Call, Expansion, Point

__all__ = ["PointFailed", "PointWriter"]

Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
FALLBACK = "fallback"


class PointFailed(Exception):  # ends a run from within; callers see an AnswerError
    """A point failed where failing was to be an error."""

    def __init__(self, state: PointState, error: LLMError | None) -> None:
        super().__init__(f"Point {state.point.index} ({state.point.text!r}) failed: {state.error}")
        self.error = error


class PointWriter:
    """Writes the points of one answer into its parts.

    Args:
        llm: Who writes.
        caller: Makes the calls.
        asking: Words them.
        merge: Gets the texts: part `i` is point `i`.
        options: How.
        spawn: Starts a task that the answer does not outlive.
        note: Records in plain words what was out of the ordinary.
    """

    def __init__(
        self,
        llm: LLM,
        *,
        caller: Caller,
        asking: Asking,
        merge: Merge,
        options: DriverOptions,
        spawn: Spawn,
        note: Callable[[str], None],
    ) -> None:
        self._llm, self._caller, self._asking = llm, caller, asking
        self._merge, self._options = merge, options
        self._spawn, self._note = spawn, note
        self._states: dict[int, PointState] = {}
        self._ended: defaultdict[int, asyncio.Event] = defaultdict(asyncio.Event)
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: list[PointState] = []
        self._tags: dict[str, tuple[int, ...]] = {}
        self._is_allowed, self._is_planned = asyncio.Event(), asyncio.Event()
        self._is_stopped = False
        self._early = 0
        self._late: list[Point] = []

    @property
    def states(self) -> Sequence[PointState]:
        """Of all points so far, in the order of the answer."""
        return list(self._states.values())

    def allow(self) -> None:
        """Let points be written; before, they are only collected."""
        self._is_allowed.set()

    def add(self, point: Point) -> None:
        """One more point, after all others. It is launched when it can be."""
        state = PointState(point, ended=self._ended[point.index])
        is_held = self._is_held_back(state)
        self._merge.add(point.index, self._asking.opening(point), is_held=is_held)
        self._states[point.index] = state
        if self._options.points_per_request == 1 or point.depends_on:
            self._launch([state])
            return
        self._waiting.append(state)
        if len(self._waiting) == self._options.points_per_request:
            self._launch_waiting()

    def stop(self) -> None:
        """Launch nothing any more: what is there is all."""
        self._is_stopped = True

    def plan_is_complete(self) -> None:
        """There are no more points."""
        self._launch_waiting()
        self._asking.plan_is_complete(self._late, points=len(self._states))
        self._is_planned.set()
        for index, ended in self._ended.items():
            if index not in self._states:
                ended.set()

    async def finish(self) -> None:
        """Wait until every point is written, or has failed as it was chosen to."""
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._write_missing()
        for state in self._states.values():
            if state.is_missing:
                self._give_up(state)

    def release(self) -> None:
        """Show all that is there: nothing is to come."""
        for index in self._states:
            if not self._merge[index].is_done:
                self._merge.finish(index)

    async def cancel(self) -> None:
        """Stop all calls."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def expansions(self, calls: Sequence[Call]) -> tuple[Expansion, ...]:
        """The points as they stand, with their share of the calls' tokens."""
        usages = self._usages(calls)
        return tuple(
            state.to_expansion(self._merge[index].text if not state.is_missing else "", usages[index])
            for index, state in self._states.items()
        )

    def _usages(self, calls: Sequence[Call]) -> Mapping[int, Usage]:
        usages: defaultdict[int, Usage] = defaultdict(Usage)
        for call in calls:
            indices = self._tags.get(call.tag, ())
            for index, usage in zip(indices, share(call.usage, among=len(indices) or 1), strict=False):
                usages[index] += usage
        return usages

    def _launch_waiting(self) -> None:
        if self._waiting:
            group, self._waiting = self._waiting, []
            self._launch(group)

    def _launch(self, states: Sequence[PointState]) -> None:
        if not self._is_stopped:
            is_early = self._is_early(states)
            if is_early:
                self._early += 1
            else:
                self._late += [state.point for state in states]
            self._tasks.add(self._spawn(self._write(states, is_early=is_early)))

    def _is_early(self, states: Sequence[PointState]) -> bool:
        """Whether these are written while the skeleton is: if that saves time, and they need no others.

        A slot is the skeleton's own; who finds the others taken waits for it anyway, and may as well know
        the whole skeleton. The rule knows no clock: what a point is asked does not depend on the weather.
        """
        if not self._options.early_launch or any(state.point.depends_on for state in states):
            return False
        has_slot = self._early < self._options.max_concurrency - 1
        return has_slot and not self._asking.waits_for_plan([state.point for state in states])

    async def _write(self, states: Sequence[PointState], *, is_early: bool) -> None:
        await self._is_allowed.wait()
        if not is_early:
            await self._is_planned.wait()
        for state in states:
            for parent in state.point.depends_on:
                await self._ended[parent].wait()
        numbers = f"{states[0].point.index}"
        if len(states) > 1:
            numbers = f"s {numbers}-{states[-1].point.index}"
        else:
            numbers = f" {numbers}"
        outcome = await self._call(states, f"point{numbers}", is_early=is_early)
        for state in states:
            if not state.is_missing:
                self._finish_part(state)
            elif self._options.on_failure == "raise":
                raise PointFailed(state, outcome.error)
            else:
                # What there is of it may be written anew: it must not be shown when its turn comes.
                self._merge[state.point.index].is_held = True

    async def _call(self, states: Sequence[PointState], tag: str, *, is_early: bool = False) -> Outcome:
        points = [state.point for state in states]
        self._tags[tag] = tuple(point.index for point in points)
        context = await self._asking.context_for(points)
        reply: PartReply | SectionsReply
        if len(points) == 1:
            reply = PartReply(self._merge, points[0].index, lambda: self._asking.cleaner(points[0]))
        else:
            reply = SectionsReply(self._merge, self._tags[tag], lambda: self._asking.splitter(points))

        def request() -> ChatRequest:
            known = [state.point for state in self._states.values()]
            plan = [point for point in known if point.index <= points[-1].index] if is_early else known
            parents = self._parents(points)
            return self._asking.points(
                points,
                plan=plan,
                is_whole=not is_early,
                parents=parents,
                context=context,
                tag=tag,
            )

        is_good = False
        try:
            outcome = await self._caller.run(self._llm, request, reply, seconds=self._options.point_deadline)
            is_good = outcome.end in ("complete", "limit")
        finally:
            reply.settle(is_good=is_good)
        last = reply.last if isinstance(reply, SectionsReply) else points[0].index
        for state in states:
            part = self._merge[state.point.index]
            text = part.text.strip()
            state.conclude(outcome, text, is_shown=part.is_shown, is_last=state.point.index == last)
        return outcome

    def _parents(self, points: Sequence[Point]) -> Mapping[int, str]:
        own = {point.index for point in points}
        parents: dict[int, str] = {}
        for point in points:
            for index in point.depends_on:
                state = self._states.get(index)
                text = self._merge[index].text if state is not None and not state.is_missing else ""
                if text:
                    parents[index] = text
                elif index not in own:
                    self._note(f"Point {point.index} was written without point {index}, which it builds on.")
        return parents

    async def _write_missing(self) -> None:
        """One call for all points that failed."""
        missing = [state for state in self._states.values() if state.is_missing]
        if not missing or self._options.on_failure != "fallback":
            return
        numbers = ", ".join(str(state.point.index) for state in missing)
        self._note(f"Points written in one further call, after theirs had failed: {numbers}.")
        drafts = [self._merge[state.point.index].text for state in missing]
        errors = [state.error for state in missing]
        for state in missing:
            self._merge.restart(state.point.index)
            self._merge[state.point.index].is_held = self._is_held_back(state)
        await self._call(missing, FALLBACK)
        for state, draft, error in zip(missing, drafts, errors, strict=True):
            if state.status in ("complete", "retried"):
                state.status = "fallback"
            if not state.is_missing:
                self._finish_part(state)
                continue
            state.error = f"{error.rstrip('.')}; then, in the fallback call: {state.error}"
            if draft and not self._merge[state.point.index].text:
                self._merge.write(state.point.index, draft)

    def _give_up(self, state: PointState) -> None:
        """What a point that failed for good leaves in the answer: its beginning, or a mark, or nothing."""
        part = self._merge[state.point.index]
        if part.text.strip():
            state.status = "truncated"
        elif self._options.on_failure == "mark":
            self._merge.write(state.point.index, self._options.failure_mark)
        self._note(f"Point {state.point.index} ({state.point.text!r}) failed: {state.error}")
        self._finish_part(state)

    def _finish_part(self, state: PointState) -> None:
        if state.status == "truncated" and state.error:
            self._note(f"Point {state.point.index} ends early: {state.error.rstrip('.')}.")
        if not self._is_held_back(state):
            self._merge.finish(state.point.index)

    def _is_held_back(self, state: PointState) -> bool:
        """The first point waits for nothing: what comes before a repeat stays, and it needs no transition."""
        return self._options.holds_back and state.point.index > 1
