"""Schedules against each other on a simulated endpoint, in simulated time.

Every arm is run, not computed: the driver makes its calls to a scripted model whose clock jumps. Only the
critical path, which no schedule can beat, is arithmetic.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from statistics import mean

from lingua_core.bench.measuring import Figure
from lingua_core.bench.skeleton.lengths import Latencies, Lengths
from lingua_core.llms import ChatRequest, Message, Reply, ScriptedLLM, WrittenAnswer
from lingua_core.llms.simulation import run_simulated
from lingua_core.skeleton import SkeletonOfThought

__all__ = ["measure_simulated"]

_QUESTION = "What should be considered?"
_MOST = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    lengths: Lengths
    written: WrittenAnswer
    latencies: Latencies
    concurrency: int

    def llm(self) -> ScriptedLLM:
        return ScriptedLLM(
            self.written,
            first_token_seconds=self.latencies.first,
            token_seconds=self.latencies.each,
            max_concurrency=self.concurrency,
        )


def measure_simulated(
    *, questions: int = 200, seed: int = 0, latencies: Latencies | None = None, concurrency: int = 16
) -> Iterator[Figure]:
    """Yield figures: means over simulated questions.

    Args:
        questions: How many answers of the paper's lengths.
        seed: Of the lengths.
        latencies: Of the endpoint.
        concurrency: Calls that it takes at once.
    """
    latencies = latencies or Latencies()
    cases = _cases(questions, seed, latencies, concurrency)
    ours = _seconds(cases, _ours)
    where = f"{1000 * latencies.first:.0f} ms to the first token, {1000 * latencies.each:.0f} ms each"
    for name, run, note in (
        ("direct answering", _direct, "300-380 tokens in one call"),
        ("the paper's schedule", _waiting, "all points start when the skeleton is complete"),
        ("launch inside an engine", _tip_by_tip, "a point starts with its line, as SGLang's tips do"),
    ):
        yield _against(f"{name}, {where}", _seconds(cases, run), ours, note)
    critical = [case.lengths.critical_seconds(case.latencies) for case in cases]
    yield Figure(
        name=f"Skeleton-of-Thought, {where}",
        value=mean(ours),
        unit="s",
        reference_name="the critical path",
        reference=mean(critical),
        note="no schedule can be faster",
    )
    for limit in (2, 4):
        limited = _cases(questions, seed, latencies, limit)
        name = f"direct answering, {limit} calls at once, {where}"
        yield _against(name, _seconds(limited, _direct), _seconds(limited, _ours), "")
    tail = _cases(questions, seed, latencies, concurrency, heavy_tail=True)
    name = f"direct answering, one point as long as it, {where}"
    yield _against(name, _seconds(tail, _direct), _seconds(tail, _ours), "the heavy tail")


def _against(name: str, theirs: list[float], ours: list[float], note: str) -> Figure:
    """Their mean seconds, and ours: the ratio is the speed-up."""
    return Figure(
        name=name,
        value=mean(theirs),
        unit="s",
        reference_name="Skeleton-of-Thought",
        reference=mean(ours),
        note=note,
    )


def _cases(
    questions: int, seed: int, latencies: Latencies, concurrency: int, *, heavy_tail: bool = False
) -> list[_Case]:
    chance = random.Random(seed)
    cases: list[_Case] = []
    for _ in range(questions):
        lengths = Lengths.of_paper(chance, heavy_tail=heavy_tail)
        cases.append(
            _Case(
                lengths=lengths,
                written=lengths.written(chance),
                latencies=latencies,
                concurrency=concurrency,
            )
        )
    return cases


def _seconds(cases: list[_Case], run: "Callable[[_Case], Awaitable[None]]") -> list[float]:
    async def timed(case: _Case) -> float:
        await run(case)
        return asyncio.get_running_loop().time()

    return [run_simulated(timed(case)) for case in cases]


async def _ours(case: _Case) -> None:
    engine = SkeletonOfThought(
        case.llm(), router="always", max_concurrency=case.concurrency, max_tokens_per_point=None
    )
    await engine.aanswer(_QUESTION)


async def _waiting(case: _Case) -> None:
    engine = SkeletonOfThought(
        case.llm(),
        router="always",
        max_concurrency=case.concurrency,
        max_tokens_per_point=None,
        early_launch=False,
    )
    await engine.aanswer(_QUESTION)


async def _direct(case: _Case) -> None:
    await SkeletonOfThought(case.llm(), router="never").aanswer(_QUESTION)


async def _tip_by_tip(case: _Case) -> None:
    """Each line of the skeleton is a call that goes on in the engine's own cache, without a new wait."""
    latencies = case.latencies

    def reply(request: ChatRequest) -> Reply:
        kind, _, index = request.tag.partition(" ")
        title, text = case.written.points[int(index)]
        if kind == "point":
            return Reply(text=text)
        line = f"{int(index) + 1}. {title}"
        return Reply(text=line, first_token_seconds=None if index == "0" else latencies.each)

    llm = ScriptedLLM(
        reply,
        first_token_seconds=latencies.first,
        token_seconds=latencies.each,
        max_concurrency=case.concurrency,
    )

    def ask(tag: str) -> Awaitable[object]:
        return llm.acomplete(ChatRequest(messages=(Message("user", _QUESTION),), tag=tag))

    async with asyncio.TaskGroup() as tasks:
        for i in range(len(case.lengths.points)):
            await ask(f"title {i}")
            tasks.create_task(_done(ask(f"point {i}")))


async def _done(work: Awaitable[object]) -> None:
    await work
