"""Concurrency and cancellation in all four ways of calling, in real time; nothing is left behind."""

import asyncio
import contextvars
import gc
import threading
import time
from collections.abc import Iterator

import pytest

from lingua_core import SkeletonOfThought
from lingua_core.errors import AnswerError
from lingua_core.llms import ChatRequest, Chunk, ConcurrencyLimit, Fault, Reply, ScriptedLLM, WrittenAnswer
from lingua_core.skeleton import AnswerDone, PointDelta, SkeletonReady

QUESTION = "What should a town consider before it builds a bridge?"
POINTS = tuple(
    (f"Aspect {name}", f"{name} is a matter that takes some thought and time.") for name in "ABCDEFGH"
)
ANSWER = WrittenAnswer(points=POINTS)
WAYS = ["answer", "stream", "aanswer", "astream"]


def brisk(**options: object) -> ScriptedLLM:
    return ScriptedLLM(ANSWER, first_token_seconds=0.01, token_seconds=0.001, **options)  # type: ignore[arg-type]


def endless() -> ScriptedLLM:
    """A skeleton at once; then every point says a word and stalls."""
    stalled = Reply(text="One word", fault=Fault(error=None, after_tokens=1))
    return ScriptedLLM(lambda request: ANSWER(request) if request.tag == "skeleton" else stalled)


def ask(engine: SkeletonOfThought, way: str) -> str:
    if way == "answer":
        return engine.answer(QUESTION).text
    if way == "stream":
        return "".join(e.text for e in engine.stream(QUESTION) if isinstance(e, PointDelta))
    if way == "aanswer":
        return asyncio.run(engine.aanswer(QUESTION)).text

    async def read() -> str:
        return "".join([e.text async for e in engine.astream(QUESTION) if isinstance(e, PointDelta)])

    return asyncio.run(read())


def wait_until(is_so: object, seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if is_so():  # type: ignore[operator]
            return True
        time.sleep(0.005)
    return False


@pytest.fixture(autouse=True)
def _nothing_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    gc.collect()
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("limit", [1, 3])
def test_the_limit_binds_and_the_answer_is_the_same_in_every_way(way: str, limit: int) -> None:
    llm = brisk()
    text = ask(SkeletonOfThought(llm, router="always", max_concurrency=limit), way)
    assert text == "\n\n".join(f"{i}. **{title}**: {said}" for i, (title, said) in enumerate(POINTS, 1))
    assert llm.peak_concurrency == limit
    assert llm.open_calls == 0


def test_a_shared_limit_binds_across_threads_and_loops() -> None:
    llm, shared = brisk(), ConcurrencyLimit(3)
    engine = SkeletonOfThought(llm, router="always", limit=shared)
    texts: list[str] = []
    threads = [threading.Thread(target=lambda w=way: texts.append(ask(engine, w))) for way in WAYS * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(texts) == 8
    assert len(set(texts)) == 1
    assert llm.peak_concurrency == 3


def test_leaving_a_sync_stream_cancels_every_request() -> None:
    llm = endless()
    for event in SkeletonOfThought(llm, router="always").stream(QUESTION):
        if isinstance(event, PointDelta):
            assert wait_until(lambda: llm.open_calls == 8)
            break
    assert wait_until(lambda: llm.open_calls == 0)
    assert all(request.cancellation.is_cancelled for request in llm.requests[1:])


def test_closing_a_sync_stream_cancels_every_request() -> None:
    llm = endless()
    events = SkeletonOfThought(llm, router="always").stream(QUESTION)
    assert not isinstance(next(events), AnswerDone)
    events.close()
    assert llm.open_calls == 0


def test_a_stream_that_is_never_begun_asks_nothing() -> None:
    llm = endless()
    SkeletonOfThought(llm, router="always").stream(QUESTION).close()
    assert llm.requests == []


async def test_leaving_an_async_stream_cancels_every_request() -> None:
    llm = endless()
    before = asyncio.all_tasks()
    events = SkeletonOfThought(llm, router="always").astream(QUESTION)
    async for event in events:
        if isinstance(event, SkeletonReady):
            break
    await events.aclose()
    assert llm.open_calls == 0
    assert asyncio.all_tasks() == before


@pytest.mark.parametrize("way", ["aanswer", "astream"])
async def test_cancelling_the_task_cancels_every_request(way: str) -> None:
    llm = endless()
    engine = SkeletonOfThought(llm, router="always")

    async def read() -> None:
        if way == "aanswer":
            await engine.aanswer(QUESTION)
        else:
            async for _ in engine.astream(QUESTION):
                pass

    before = asyncio.all_tasks()
    task = asyncio.create_task(read())
    while llm.open_calls < 8:
        await asyncio.sleep(0.001)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert llm.open_calls == 0
    assert asyncio.all_tasks() == before
    assert all(request.cancellation.is_cancelled for request in llm.requests[1:])


async def test_sync_calls_work_where_an_event_loop_runs() -> None:
    assert SkeletonOfThought(brisk(), router="always").answer(QUESTION).is_complete
    assert any(
        isinstance(e, AnswerDone) for e in SkeletonOfThought(brisk(), router="always").stream(QUESTION)
    )


def test_context_variables_reach_the_model_in_every_way() -> None:
    who = contextvars.ContextVar("who", default="nobody")
    seen: set[str] = set()

    class Seeing(ScriptedLLM):
        def stream(self, request: ChatRequest) -> Iterator[Chunk]:
            seen.add(who.get())
            return super().stream(request)

        def astream(self, request: ChatRequest):  # type: ignore[no-untyped-def]  # noqa: ANN202
            seen.add(who.get())
            return super().astream(request)

    token = who.set("the caller")
    try:
        for way in WAYS:
            ask(SkeletonOfThought(Seeing(ANSWER), router="always"), way)
    finally:
        who.reset(token)
    assert seen == {"the caller"}


def test_a_deadline_ends_a_sync_answer_whose_model_waits() -> None:
    llm = endless()
    began = time.monotonic()
    answer = SkeletonOfThought(llm, router="always", deadline=0.3).answer(QUESTION)
    assert time.monotonic() - began < 5
    assert {e.status for e in answer.expansions} == {"truncated"}
    assert llm.open_calls == 0


def test_a_model_that_cannot_be_cancelled_is_left_behind_and_ends_by_itself() -> None:
    release = threading.Event()

    class Deaf(ScriptedLLM):
        def stream(self, request: ChatRequest) -> Iterator[Chunk]:
            if request.tag == "point 1":
                release.wait(30)
            yield from super().stream(request)

    began = time.monotonic()
    answer = SkeletonOfThought(Deaf(ANSWER), router="always", deadline=0.2).answer(QUESTION)
    assert time.monotonic() - began < 10
    assert [e.status for e in answer.expansions] == ["cancelled", *["complete"] * 7]
    release.set()
    assert wait_until(lambda: not any(t.name == "lingua point 1" for t in threading.enumerate()))


@pytest.mark.parametrize("way", WAYS)
def test_an_error_is_the_same_in_every_way(way: str) -> None:
    llm = ScriptedLLM(Reply(text="", fault=Fault(error=ValueError, message="odd")))
    with pytest.raises(AnswerError, match="odd") as caught:
        ask(SkeletonOfThought(llm, router="never"), way)
    assert caught.value.answer.usage.calls == 1


def test_answers_leave_no_trace_in_the_engine() -> None:
    engine = SkeletonOfThought(brisk(), router="always")
    first, second = engine.answer(QUESTION), engine.answer(QUESTION)
    assert first.text == second.text
    assert first.usage == second.usage
