"""A thousand questions under random faults: nothing is lost, nothing hangs, every end is accounted for."""

import asyncio
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from fault_server import FaultServer
from lingua_core import SkeletonOfThought
from lingua_core.errors import (
    AnswerError,
    LLMConnectionError,
    LLMContentFilterError,
    LLMRateLimitError,
    LLMResponseError,
    LLMServerError,
)
from lingua_core.llms import (
    ChatRequest,
    ConcurrencyLimit,
    Fault,
    OpenAIChat,
    RandomFaults,
    RetryPolicy,
    ScriptedLLM,
)
from lingua_core.llms.simulation import run_simulated
from lingua_core.skeleton import AnswerDone, PointDelta, SkeletonAnswer

TITLES = [f"Aspect {name}" for name in "ABCDEF"]
POINTS = [
    (title, f"{title} is a matter of thought, and of time, and it ends as {title}.") for title in TITLES
]
SKELETON = "\n".join(f"{i}. {title}" for i, (title, _) in enumerate(POINTS, 1))
DIRECT = "It should consider many things, one after the other, and in the end decide."
KINDS = (
    *RandomFaults.KINDS,
    Fault(error=None, after_tokens=4),
    Fault(error=LLMResponseError, message="no choices"),
    Fault(error=LLMContentFilterError, message="withheld", after_tokens=6),
    Fault(error=ValueError, message="a bug"),
    Fault(error=LLMServerError, message="500", after_tokens=2),
)
HASTY = RetryPolicy(max_attempts=3, base_seconds=0.2, max_seconds=2.0)


def reply(request: ChatRequest) -> str:
    if request.tag == "skeleton":
        return SKELETON
    text = "\n".join(message.content for message in request.messages if message.role == "user")
    if asked := re.findall(r"=== (\d+) ===", text):
        return "\n\n".join(f"=== {i} ===\n{POINTS[int(i) - 1][1]}" for i in dict.fromkeys(asked))
    number = re.search(r"Write point (\d+)", text)
    return POINTS[int(number[1]) - 1][1] if number else DIRECT


def check(answer: SkeletonAnswer, *, shown: str) -> None:
    """What holds for every end, good or bad."""
    assert answer.text == shown
    assert answer.usage.calls == len(answer.timings.calls) > 0
    for expansion in answer.expansions:
        if expansion.status in ("complete", "retried", "fallback"):
            assert expansion.text == POINTS[expansion.point.index - 1][1]
        assert expansion.text in answer.text
        assert expansion.status != "failed" or expansion.error
    if answer.is_complete and answer.route == "skeleton":
        assert [expansion.text for expansion in answer.expansions] == [text for _, text in POINTS]
    if answer.is_complete and answer.route == "direct":
        assert answer.text == DIRECT


@pytest.mark.parametrize(
    ("questions", "rate", "prefill"),
    [(1000, 0.05, False), (200, 0.05, True), (200, 0.4, False), (200, 0.4, True)],
)
def test_questions_under_random_faults_all_come_to_an_end(questions: int, rate: float, prefill: bool) -> None:
    llm = ScriptedLLM(
        reply,
        first_token_seconds=0.3,
        token_seconds=0.02,
        faults=RandomFaults(rate, seed=11, kinds=KINDS),
        supports_prefill=prefill,
    )
    limit = ConcurrencyLimit(64)
    choices = ("fallback", "mark", "raise")
    engines = [
        SkeletonOfThought(
            llm,
            router="always",
            limit=limit,
            retry=HASTY,
            on_failure=choice,
            failure_mark="(missing)",
            idle_seconds=5.0,
            deadline=600.0,
        )
        for choice in choices
    ]
    kinds: Counter[str] = Counter()

    async def one(i: int) -> None:
        shown: list[str] = []
        ended = None
        try:
            async for event in engines[i % 3].astream(f"What should town number {i} consider?"):
                if isinstance(event, PointDelta):
                    shown.append(event.text)
                elif isinstance(event, AnswerDone):
                    ended = event.answer
        except AnswerError as error:
            ended = error.answer
            kinds["error"] += 1
        assert ended is not None
        check(ended, shown="".join(shown))
        kinds["complete" if ended.is_complete else "partial"] += 1

    async def main() -> None:
        await asyncio.gather(*(one(i) for i in range(questions)))
        assert len(asyncio.all_tasks()) == 1

    run_simulated(main())
    assert llm.open_calls == 0
    assert llm.peak_concurrency == 64
    assert limit.in_use == 0
    assert kinds["complete"] + kinds["partial"] == questions
    if rate == 0.05:
        assert kinds["complete"] > 0.8 * questions, kinds


@pytest.mark.parametrize(
    "error",
    [
        LLMRateLimitError,
        LLMServerError,
        LLMConnectionError,
        LLMResponseError,
        LLMContentFilterError,
        KeyError,
    ],
)
def test_a_storm_of_one_kind_ends_in_a_typed_error_with_the_accounts(error: type[Exception]) -> None:
    llm = ScriptedLLM(reply, faults=RandomFaults(1.0, kinds=(Fault(error=error, message="storm"),)))
    with pytest.raises(AnswerError, match="storm") as caught:
        run_simulated(SkeletonOfThought(llm, router="always", retry=HASTY).aanswer("Why?"))
    check(caught.value.answer, shown="")


# Over HTTP

openai = pytest.importorskip("openai", reason="needs the extra 'openai'")


def over_http(body: Mapping[str, Any]) -> str:
    text = "\n".join(str(message["content"]) for message in body["messages"])
    said = next((m["content"] for m in body["messages"][::-1] if m["role"] == "assistant"), "")
    asked = re.findall(r"=== (\d+) ===", text)
    number = re.search(r"Write point (\d+)", text)
    if asked and not number:
        whole = "\n\n".join(f"=== {i} ===\n{POINTS[int(i) - 1][1]}" for i in dict.fromkeys(asked))
    elif number:
        whole = POINTS[int(number[1]) - 1][1]
    else:
        whole = SKELETON if "skeleton" in text.lower() else DIRECT
    return whole[len(said) :] if said and whole.startswith(said) else whole


@pytest.fixture
def faulty() -> Iterator[FaultServer]:
    with FaultServer(reply=over_http, fault_rate=0.05, seed=5) as running:
        yield running


@pytest.mark.allow_hosts(["127.0.0.1"])
@pytest.mark.parametrize("way", ["sync", "async"])
def test_questions_over_http_under_random_faults_all_come_to_an_end(faulty: FaultServer, way: str) -> None:
    policy = RetryPolicy(max_attempts=4, base_seconds=0.01, max_seconds=0.05)
    ends: list[SkeletonAnswer] = []

    def engine(model: OpenAIChat) -> SkeletonOfThought:
        return SkeletonOfThought(model, router="always", retry=policy, deadline=60.0, max_concurrency=4)

    def one(model: OpenAIChat, i: int) -> None:
        shown: list[str] = []
        ended = None
        try:
            for event in engine(model).stream(f"What should town number {i} consider?"):
                if isinstance(event, PointDelta):
                    shown.append(event.text)
                elif isinstance(event, AnswerDone):
                    ended = event.answer
        except AnswerError as error:
            ended = error.answer
        assert ended is not None
        check(ended, shown="".join(shown))
        ends.append(ended)

    async def aone(model: OpenAIChat, i: int, limit: asyncio.Semaphore) -> None:
        async with limit:
            try:
                answer = await engine(model).aanswer(f"What should town number {i} consider?")
            except AnswerError as error:
                answer = error.answer
        ends.append(answer)
        check(answer, shown=answer.text)

    async def all_at_once() -> None:
        limit = asyncio.Semaphore(8)
        model = OpenAIChat("m", base_url=faulty.base_url)
        try:
            await asyncio.gather(*(aone(model, i, limit) for i in range(60)))
        finally:
            await model.aclose()

    began = time.monotonic()
    if way == "async":
        asyncio.run(all_at_once())
    else:
        with OpenAIChat("m", base_url=faulty.base_url) as model, ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda i: one(model, i), range(60)))
    assert time.monotonic() - began < 120
    assert len(ends) == 60
    assert sum(answer.is_complete for answer in ends) >= 50
    assert any(record.fault for record in faulty.records)
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("lingua")]


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_leaving_a_stream_closes_the_connections() -> None:
    with FaultServer(reply=over_http, piece_seconds=0.05) as server:
        with OpenAIChat("m", base_url=server.base_url) as model:
            for event in SkeletonOfThought(model, router="always").stream("What should a town consider?"):
                if isinstance(event, PointDelta):
                    break
            assert server.wait_for(lambda: server.active == 0)
        assert any(record.disconnected for record in server.records)


@pytest.mark.allow_hosts(["127.0.0.1"])
def test_a_server_that_dies_leaves_what_was_written() -> None:
    with FaultServer(reply=over_http, piece_seconds=0.02) as server:
        policy = RetryPolicy(max_attempts=2, base_seconds=0.01, max_seconds=0.02)
        with OpenAIChat("m", base_url=server.base_url) as model:
            shown: list[str] = []
            events = SkeletonOfThought(model, router="always", retry=policy).stream(
                "What should a town consider?"
            )
            answer = None
            for event in events:
                if isinstance(event, PointDelta):
                    if not shown:
                        server.die()
                    shown.append(event.text)
                elif isinstance(event, AnswerDone):
                    answer = event.answer
    assert answer is not None
    check(answer, shown="".join(shown))
    assert not answer.is_complete
