"""The scripted model, simulated time, and the limit on calls at once."""

import asyncio
import threading
import time

import pytest

from lingua_core import InputError
from lingua_core.errors import LLMConnectionError, LLMRateLimitError
from lingua_core.llms import (
    LLM,
    Cancellation,
    ChatRequest,
    ConcurrencyLimit,
    Fault,
    Message,
    RandomFaults,
    Reply,
    ScriptedLLM,
    WrittenAnswer,
)
from lingua_core.llms.simulation import NothingScheduledError, run_simulated


def request(tag: str = "", *turns: Message, **options: object) -> ChatRequest:
    return ChatRequest(messages=turns or (Message("user", "Why?"),), tag=tag, **options)  # type: ignore[arg-type]


async def read(llm: LLM, asked: ChatRequest) -> str:
    return "".join([chunk.text async for chunk in llm.astream(asked)])


# Simulated time


def test_simulated_time_jumps_over_waiting_and_is_exact() -> None:
    async def main() -> list[float]:
        loop = asyncio.get_running_loop()
        times: list[float] = []

        async def nap(seconds: float) -> None:
            await asyncio.sleep(seconds)
            times.append(loop.time())

        await asyncio.gather(nap(3600), nap(0.25), nap(60))
        return times

    began = time.perf_counter()
    assert run_simulated(main()) == pytest.approx([0.25, 60, 3600])
    assert time.perf_counter() - began < 5


def test_what_would_hang_for_ever_is_an_error_in_simulated_time() -> None:
    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(NothingScheduledError, match="never finished"):
        run_simulated(main())


def test_executors_run_at_once_in_simulated_time_and_pass_errors_on() -> None:
    async def main() -> int:
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 // 0)
        return await asyncio.to_thread(len, "abc")

    assert run_simulated(main()) == 3


# What is said


def test_scripted_replies_are_chosen_by_tag_and_turn() -> None:
    llm = ScriptedLLM({"skeleton": "1. A", "": ["first", "then"]})
    assert isinstance(llm, LLM)
    said = [llm.complete(request(tag)).text for tag in ("skeleton", "x", "x", "x", "y")]
    assert said == ["1. A", "first", "then", "then", "first"]
    assert [r.tag for r in llm.requests] == ["skeleton", "x", "x", "x", "y"]


def test_an_unknown_tag_without_a_default_says_which_tags_there_are() -> None:
    with pytest.raises(InputError, match=r"'point 1'.*\['skeleton'\]"):
        ScriptedLLM({"skeleton": "1. A"}).complete(request("point 1"))


def test_the_four_ways_of_calling_say_the_same() -> None:
    llm = ScriptedLLM(lambda r: f"to {r.messages[-1].content}: three little words ")
    text = "to Why?: three little words "
    assert llm.complete(request()).text == text
    assert "".join(chunk.text for chunk in llm.stream(request())) == text
    assert run_simulated(read(llm, request())) == text
    completion = run_simulated(llm.acomplete(request()))
    assert completion.text == text
    assert completion.usage is not None
    assert completion.usage.completion_tokens == 6  # the space at the end is one


@pytest.mark.parametrize(
    ("options", "text", "reason"),
    [
        ({"max_tokens": 2}, "one two", "length"),
        ({"max_tokens": 3}, "one two three", "stop"),
        ({"stop": (" t", "ee")}, "one", "stop"),
    ],
)
def test_limits_and_stops_end_a_reply(options: dict[str, object], text: str, reason: str) -> None:
    completion = ScriptedLLM("one two three").complete(request(**options))
    assert (completion.text, completion.finish_reason) == (text, reason)


def test_a_begun_reply_is_continued() -> None:
    llm = ScriptedLLM("one two three", supports_prefill=True)
    user = Message("user", "Count.")
    begun = Message("assistant", "1. Numbers: one two")
    assert llm.complete(request("", user, begun, prefill=True)).text == " three"
    assert llm.complete(request("", user, Message("assistant", "1. Numbers: "), prefill=True)).text == (
        "one two three"
    )
    assert llm.complete(request("", user, Message("assistant", "one t"), Message("user", "Go on."))).text == (
        "wo three"
    )


def test_a_written_answer_is_replayed_by_tags() -> None:
    answer = WrittenAnswer(points=(("Where", "In Varno."), ("Who", "Ada."), ("When", "In 1887.")))
    llm = ScriptedLLM(answer)
    assert llm.complete(request("skeleton")).text == "1. Where\n2. Who\n3. When"
    assert llm.complete(request("point 2")).text == "Ada."
    assert llm.complete(request("points 2-3")).text == "2. Who\nAda.\n\n3. When\nIn 1887."
    assert llm.complete(request("direct")).text == "In Varno.\n\nAda.\n\nIn 1887."


# When it is said


def test_latencies_are_those_asked_for() -> None:
    llm = ScriptedLLM("one two three", first_token_seconds=1.0, token_seconds=0.5, speed=2.0)

    async def main() -> list[float]:
        return [asyncio.get_running_loop().time() async for _ in llm.astream(request())]

    assert run_simulated(main()) == pytest.approx([0.5, 0.75, 1.0, 1.0])


@pytest.mark.parametrize("over_limit", ["wait", "refuse"])
def test_a_servers_limit_binds(over_limit: str) -> None:
    llm = ScriptedLLM("a b", token_seconds=1.0, max_concurrency=2, over_limit=over_limit)  # type: ignore[arg-type]

    async def main() -> tuple[list[str | BaseException], float]:
        results = await asyncio.gather(*(read(llm, request()) for _ in range(5)), return_exceptions=True)
        return results, asyncio.get_running_loop().time()

    results, seconds = run_simulated(main())
    assert llm.peak_concurrency == 2
    if over_limit == "wait":
        assert results == ["a b"] * 5
        assert seconds == pytest.approx(3.0)
    else:
        assert [type(r) for r in results] == [str, str, *[LLMRateLimitError] * 3]


# What goes wrong


def test_a_fault_comes_after_its_tokens_and_carries_them() -> None:
    fault = Fault(error=LLMConnectionError, after_tokens=2, retry_after=3.0)
    llm = ScriptedLLM({"": [Reply(text="one two three", fault=fault), "fine"]})
    with pytest.raises(LLMConnectionError) as caught:
        llm.complete(request())
    assert (caught.value.partial, caught.value.retry_after) == ("one two", 3.0)
    assert llm.complete(request()).text == "fine"
    assert llm.open_calls == 0


def test_random_faults_come_at_their_rate_and_repeat_for_a_seed() -> None:
    def faults() -> list[object]:
        at_random = RandomFaults(0.25, seed=4)
        return [at_random(request()) for _ in range(2000)]

    assert faults() == faults()
    assert sum(fault is not None for fault in faults()) == pytest.approx(500, abs=60)
    with pytest.raises(InputError, match="from 0 to 1, got 2"):
        RandomFaults(2)


@pytest.mark.parametrize("reply", ["one two", Reply(text="one", fault=Fault(error=None, after_tokens=1))])
def test_cancelling_ends_a_sync_stream_that_waits_at_once(reply: str | Reply) -> None:
    llm = ScriptedLLM(reply, token_seconds=3600)
    cancellation = Cancellation()
    chunks = llm.stream(request(cancellation=cancellation))
    assert next(chunks).text == "one"
    threading.Timer(0.05, cancellation.cancel).start()
    assert [chunk.finish_reason for chunk in chunks] == ["cancelled"]
    assert llm.open_calls == 0


# The limit


def test_the_limit_is_shared_by_threads_and_event_loops() -> None:
    limit = ConcurrencyLimit(3)
    lock = threading.Lock()
    running = peak = done = 0

    def enter() -> None:
        nonlocal running, peak
        with lock:
            running += 1
            peak = max(peak, running)

    def leave() -> None:
        nonlocal running, done
        with lock:
            running -= 1
            done += 1

    def blocking() -> None:
        for _ in range(20):
            with limit.blocking_slot():
                enter()
                time.sleep(0.0005)
                leave()

    async def on_a_loop() -> None:
        async def one() -> None:
            async with limit.slot():
                enter()
                await asyncio.sleep(0.0005)
                leave()

        await asyncio.gather(*(one() for _ in range(40)))

    threads = [threading.Thread(target=blocking) for _ in range(4)]
    threads += [threading.Thread(target=lambda: asyncio.run(on_a_loop())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert (done, peak, limit.in_use) == (160, 3, 0)


def test_slots_are_given_in_the_order_of_asking_and_cancelled_waiters_are_passed_over() -> None:
    async def main() -> list[int]:
        limit = ConcurrencyLimit(1)
        order: list[int] = []

        async def one(i: int) -> None:
            async with limit.slot():
                order.append(i)
                await asyncio.sleep(1)

        tasks = [asyncio.create_task(one(i)) for i in range(5)]
        await asyncio.sleep(0.5)
        tasks[1].cancel()
        await asyncio.sleep(0.5)  # slot 2 is being granted at this very moment
        tasks[2].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert limit.in_use == 0
        return order

    assert run_simulated(main()) in ([0, 3, 4], [0, 2, 3, 4])


def test_a_slot_that_is_granted_to_a_task_cancelled_in_the_same_moment_is_not_lost() -> None:
    async def main() -> None:
        limit = ConcurrencyLimit(1)

        async def wait() -> None:
            async with limit.slot():
                pass

        async with limit.slot():
            waiting = asyncio.create_task(wait())
            await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await asyncio.sleep(0)
        assert limit.in_use == 0

    run_simulated(main())


def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(InputError, match="at least 1, got 0"):
        ConcurrencyLimit(0)
