"""What the driver itself costs: answers from a model that takes no time."""

import asyncio
import random
import statistics
from collections.abc import Iterator

from lingua_core.bench.measuring import Figure, in_turns
from lingua_core.bench.skeleton.lengths import Lengths
from lingua_core.llms import ChatRequest, Message, ScriptedLLM
from lingua_core.skeleton import SkeletonOfThought

__all__ = ["measure_overhead"]

_QUESTION = "What should be considered?"


def measure_overhead(*, repeats: int = 3, answers: int = 30) -> Iterator[Figure]:
    """Points that the driver handles in a second, beside the same calls without it."""
    chance = random.Random(0)
    written = [Lengths.of_paper(chance).written(chance) for _ in range(answers)]
    models = [ScriptedLLM(answer) for answer in written]
    points = sum(len(answer.points) for answer in written)

    def with_driver() -> None:
        async def main() -> None:
            for llm in models:
                await SkeletonOfThought(llm, router="always").aanswer(_QUESTION)

        asyncio.run(main())

    def in_threads() -> None:
        for llm in models:
            SkeletonOfThought(llm, router="always").answer(_QUESTION)

    def bare() -> None:
        async def main() -> None:
            for llm, answer in zip(models, written, strict=True):
                tags = ["skeleton", *(f"point {i + 1}" for i in range(len(answer.points)))]
                await asyncio.gather(
                    *(
                        llm.acomplete(ChatRequest(messages=(Message("user", _QUESTION),), tag=tag))
                        for tag in tags
                    )
                )

        asyncio.run(main())

    seconds = in_turns({"loop": with_driver, "threads": in_threads, "bare": bare}, repeats=repeats)
    for way, name in (("loop", "in an event loop"), ("threads", "from synchronous code")):
        yield Figure(
            name=f"the driver with a model that takes no time, {name}",
            value=points / statistics.median(seconds[way]),
            unit="points/s",
            reference_name="the same calls gathered without it",
            reference=points / statistics.median(seconds["bare"]),
        )
