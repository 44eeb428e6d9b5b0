"""When things happen: early launch, the critical path, deadlines, retries. All in simulated time."""

import asyncio
import random
from itertools import pairwise
from statistics import mean

import pytest

from lingua_core import SkeletonOfThought
from lingua_core.errors import AnswerError, LLMConnectionError, LLMRateLimitError, LLMServerError
from lingua_core.llms import ConcurrencyLimit, Fault, Reply, RetryPolicy, ScriptedLLM, WrittenAnswer
from lingua_core.llms.simulation import run_simulated
from lingua_core.skeleton import PointDelta, SkeletonAnswer
from lingua_core.skeleton.types import Call
from written_answers import EACH, FIRST, Lengths

QUESTION = "What should a town consider before it builds a bridge?"
POINTS = tuple((f"Aspect {name}", f"About {name} there is much to say. " * 3) for name in "ABCDE")
ANSWER = WrittenAnswer(points=POINTS, direct="It should consider many things. " * 9)


def ask(llm: ScriptedLLM, **options: object) -> SkeletonAnswer:
    return run_simulated(SkeletonOfThought(llm, router="always", **options).aanswer(QUESTION))  # type: ignore[arg-type]


def calls(answer: SkeletonAnswer) -> dict[str, list[Call]]:
    found: dict[str, list[Call]] = {}
    for call in sorted(answer.timings.calls, key=lambda call: call.started):
        found.setdefault(call.tag, []).append(call)
    return found


def test_work_in_threads_takes_simulated_time_only_where_that_is_asked_for() -> None:
    async def worked() -> float:
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(asyncio.to_thread(sum, range(20_000)) for _ in range(3)))
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 // 0)
        return loop.time()

    assert run_simulated(worked()) == 0
    assert 0 < run_simulated(worked(), with_work=True) < 60


# The schedule


def test_a_point_is_launched_when_its_line_closes() -> None:
    answer = ask(ScriptedLLM(ANSWER, first_token_seconds=1.0, token_seconds=0.1))
    timed = calls(answer)
    skeleton = timed["skeleton"][0]
    assert timed["point 1"][0].started == pytest.approx(1.3)  # with the fourth token, "2."
    assert timed["point 1"][0].started < skeleton.ended - 0.5
    assert timed["point 5"][0].started == pytest.approx(skeleton.ended)
    assert answer.timings.skeleton == pytest.approx(skeleton.ended)


def test_without_early_launch_all_points_know_the_whole_skeleton() -> None:
    llm = ScriptedLLM(ANSWER, first_token_seconds=1.0, token_seconds=0.1)
    answer = ask(llm, early_launch=False)
    skeleton = calls(answer)["skeleton"][0]
    points = [request for request in llm.requests if request.tag.startswith("point")]
    assert all("5. Aspect E" in request.messages[-1].content for request in points)
    assert {calls(answer)[r.tag][0].started for r in points} == {skeleton.ended}
    early = ScriptedLLM(ANSWER, first_token_seconds=1.0, token_seconds=0.1)
    assert ask(early).timings.total < answer.timings.total


def test_the_end_comes_with_the_critical_path_and_well_before_the_papers_schedule() -> None:
    rng = random.Random(7)
    over_critical: list[float] = []
    ours: list[float] = []
    paper: list[float] = []
    direct: list[float] = []
    for _ in range(60):
        lengths = Lengths.of_paper(rng)
        llm = ScriptedLLM(lengths.written(rng), first_token_seconds=FIRST, token_seconds=EACH)
        answer = ask(llm, max_concurrency=16)
        assert answer.is_complete
        over_critical.append(answer.timings.total / lengths.critical_seconds)
        ours.append(answer.timings.total)
        paper.append(lengths.paper_seconds)
        direct.append(FIRST + EACH * 339)
    assert max(over_critical) <= 1.001
    assert mean(paper) / mean(ours) >= 1.1
    assert mean(direct) / mean(ours) >= 1.8


@pytest.mark.parametrize("limit", [1, 2, 3, 16])
def test_the_limit_of_calls_at_once_binds_and_no_slot_idles(limit: int) -> None:
    llm = ScriptedLLM(ANSWER, first_token_seconds=1.0, token_seconds=0.1)
    answer = ask(llm, max_concurrency=limit)
    assert llm.peak_concurrency == min(limit, 5)
    if limit == 1:
        assert answer.timings.total == pytest.approx(sum(c.ended - c.started for c in answer.timings.calls))


def test_a_limit_can_be_shared_by_answers() -> None:
    llm = ScriptedLLM(ANSWER, first_token_seconds=1.0, token_seconds=0.1)
    shared = ConcurrencyLimit(3)
    engines = [SkeletonOfThought(llm, router="always", limit=shared) for _ in range(2)]

    async def main() -> list[SkeletonAnswer]:
        return await asyncio.gather(*(engine.aanswer(QUESTION) for engine in engines * 3))

    answers = run_simulated(main())
    assert llm.peak_concurrency == 3
    assert len({answer.text for answer in answers}) == 1
    assert shared.in_use == 0


def test_points_run_ahead_of_a_slow_consumer() -> None:
    llm = ScriptedLLM(ANSWER, first_token_seconds=1.0, token_seconds=0.1)

    async def main() -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        async for event in SkeletonOfThought(llm, router="always").astream(QUESTION):
            if isinstance(event, PointDelta):
                await asyncio.sleep(1.0)
            else:
                last = event
        return last.answer.timings.total, loop.time()  # type: ignore[union-attr]

    written, read = run_simulated(main())
    assert written < 7
    assert read > 30


# Dependencies


def test_a_graph_runs_without_barriers_between_its_levels() -> None:
    # 3 needs 1 alone, which is quick; 2 takes long. With levels, 3 would wait for 2.
    skeleton = "1. Quick start\n2. Slow part\n3. Next (needs 1)\n4. Ending (needs 2, 3)"
    llm = ScriptedLLM(
        {
            "skeleton": skeleton,
            "point 1": "Quick text.",
            "point 2": "slow " * 200,
            "point 3": "Next text.",
            "point 4": "Ending text.",
        },
        first_token_seconds=1.0,
        token_seconds=0.1,
    )
    answer = ask(llm, dependencies="model")
    timed = calls(answer)
    assert [p.depends_on for p in answer.skeleton.points] == [(), (), (1,), (2, 3)]  # type: ignore[union-attr]
    assert timed["point 3"][0].started == pytest.approx(timed["point 1"][0].ended)
    assert timed["point 4"][0].started == pytest.approx(timed["point 2"][0].ended)
    prompts = {request.tag: request.messages[-1].content for request in llm.requests}
    assert "Quick text." in prompts["point 3"]
    assert "Next text." in prompts["point 4"]
    assert "Quick text." not in prompts["point 4"]


def test_an_inferred_conclusion_waits_for_the_others_and_gets_their_text() -> None:
    points = (*POINTS[:3], ("Conclusion", "So build it."))
    llm = ScriptedLLM(WrittenAnswer(points=points), first_token_seconds=1.0, token_seconds=0.1)
    answer = ask(llm, dependencies="infer")
    timed = calls(answer)
    assert timed["point 4"][0].started == pytest.approx(max(timed[f"point {i}"][0].ended for i in (1, 2, 3)))
    assert timed["point 1"][0].started < timed["skeleton"][0].ended
    assert "About B there is much" in llm.requests[-1].messages[-1].content


def test_what_only_looks_like_a_conclusion_in_the_middle_does_not_wait() -> None:
    points = (POINTS[0], ("Summary of costs", "They are high."), *POINTS[1:3])
    llm = ScriptedLLM(WrittenAnswer(points=points), first_token_seconds=1.0, token_seconds=0.1)
    answer = ask(llm, dependencies="infer")
    timed = calls(answer)
    assert all(not point.depends_on for point in answer.skeleton.points)  # type: ignore[union-attr]
    assert timed["point 2"][0].started < timed["skeleton"][0].ended


def test_a_child_of_a_failed_point_is_written_without_it_and_that_is_noted() -> None:
    replies = {
        "skeleton": "1. First\n2. Second (needs 1)",
        "point 1": Reply(text="never", fault=Fault(error=ValueError)),
        "point 2": "Second text.",
    }
    answer = ask(ScriptedLLM(replies), dependencies="model", on_failure="mark")
    assert [e.status for e in answer.expansions] == ["failed", "complete"]
    assert any("without point 1" in note for note in answer.notes)


# Deadlines


def test_at_the_deadline_the_answer_is_what_there_is() -> None:
    llm = ScriptedLLM(ANSWER, first_token_seconds=1.0, token_seconds=0.1)
    answer = ask(llm, deadline=3.0)
    assert answer.timings.total == pytest.approx(3.0)
    statuses = [e.status for e in answer.expansions]
    assert statuses[0] == "truncated"
    assert "cancelled" in statuses
    assert answer.text.startswith("1. **Aspect A**: About A")
    assert all(e.text in answer.text for e in answer.expansions)
    assert not answer.is_complete
    assert any("deadline of 3.0 seconds" in note for note in answer.notes)
    assert llm.open_calls == 0


def test_a_deadline_before_any_text_is_an_error_that_carries_the_accounts() -> None:
    llm = ScriptedLLM(ANSWER, first_token_seconds=1.0, token_seconds=0.1)
    with pytest.raises(AnswerError) as caught:
        ask(llm, deadline=0.5)
    partial = caught.value.answer
    assert (partial.text, partial.usage.calls, partial.usage.estimated) == ("", 1, True)


def test_a_skeleton_that_is_cut_counts_as_far_as_it_is_complete() -> None:
    slow = ScriptedLLM(
        lambda request: Reply(text=ANSWER(request), token_seconds=0.5 if request.tag == "skeleton" else 0.01),
        first_token_seconds=0.1,
    )
    answer = ask(slow, deadline=4.0)
    assert [e.status for e in answer.expansions] == ["complete", "complete"]
    assert any("cut short after 2 points" in note for note in answer.notes)


def test_a_points_deadline_cuts_the_point_and_keeps_its_text() -> None:
    llm = ScriptedLLM(
        lambda r: Reply(text=ANSWER(r), token_seconds=9.0 if r.tag == "point 2" else 0.01),
        first_token_seconds=0.1,
    )
    answer = ask(llm, point_deadline=20.0)
    assert [e.status for e in answer.expansions] == ["complete", "truncated", *["complete"] * 3]
    assert answer.expansions[1].text == "About B there"
    assert answer.timings.total < 22


def test_a_direct_answer_that_meets_its_deadline_is_returned() -> None:
    llm = ScriptedLLM("word " * 100, first_token_seconds=1.0, token_seconds=0.1)
    answer = run_simulated(SkeletonOfThought(llm, router="never", deadline=2.05).aanswer(QUESTION))
    assert answer.text == " ".join(["word"] * 11)
    assert not answer.is_complete


# Retries

STEADY = RetryPolicy(max_attempts=4, base_seconds=0.5, max_seconds=8.0)


def test_a_rate_limits_wish_is_honoured() -> None:
    fault = Fault(error=LLMRateLimitError, retry_after=7.0)
    replies = {
        "skeleton": "1. A part\n2. B part",
        "point 1": [Reply(text="", fault=fault), "Text A."],
        "": "B.",
    }
    answer = ask(ScriptedLLM(replies), retry=STEADY)
    first, second = calls(answer)["point 1"]
    assert 7.0 <= second.started - first.ended <= 7.5
    assert (first.attempt, second.attempt, answer.expansions[0].status) == (1, 2, "retried")
    assert answer.is_complete


def test_waits_grow_and_attempts_are_bounded() -> None:
    fault = Reply(text="", fault=Fault(error=LLMServerError))
    answer = ask(
        ScriptedLLM({"skeleton": "1. A part\n2. B part", "point 1": fault, "": "Text."}),
        retry=STEADY,
        on_failure="mark",
        seed=3,
    )
    attempts = calls(answer)["point 1"]
    assert len(attempts) == 4
    waits = [b.started - a.ended for a, b in pairwise(attempts)]
    assert all(0 <= wait <= bound for wait, bound in zip(waits, (0.5, 1.0, 2.0), strict=True))
    assert answer.text == "1. **A part**: [This point could not be written.]\n\n2. **B part**: Text."


def test_a_slot_is_free_while_a_call_waits_for_its_next_attempt() -> None:
    fault = Reply(text="", fault=Fault(error=LLMRateLimitError, retry_after=30.0))
    llm = ScriptedLLM(
        {"skeleton": "1. A part\n2. B part", "point 1": [fault, "Text A."], "": "Text B."},
        first_token_seconds=1.0,
    )
    timed = calls(ask(llm, max_concurrency=1))
    assert timed["point 2"][0].started < 5 < timed["point 1"][1].started


def test_a_point_that_breaks_off_unseen_is_begun_anew() -> None:
    broken = Reply(text="Half a thought that", fault=Fault(after_tokens=3))
    llm = ScriptedLLM(
        {"skeleton": "1. A part\n2. B part", "point 1": "slow " * 90, "point 2": [broken, "Another text."]},
        first_token_seconds=1.0,
        token_seconds=0.5,
    )
    answer = ask(llm)
    assert answer.expansions[1].text == "Another text."
    assert answer.expansions[1].status == "retried"


@pytest.mark.parametrize("prefill", [False, True])
def test_a_point_that_breaks_off_in_sight_is_continued(prefill: bool) -> None:
    text = "One two three four five six seven eight."
    broken = Reply(text=text, fault=Fault(after_tokens=4))
    llm = ScriptedLLM(
        {"skeleton": "1. A part\n2. B part", "point 1": [broken, broken, text], "": "Text B."},
        first_token_seconds=1.0,
        token_seconds=0.5,
        supports_prefill=prefill,
    )
    answer = ask(llm, retry=STEADY)
    assert answer.text == f"1. **A part**: {text}\n\n2. **B part**: Text B."
    assert answer.expansions[0].status == "retried"
    second = [request for request in llm.requests if request.tag == "point 1"][1]
    assert second.prefill == prefill
    assert second.messages[-1].role == ("assistant" if prefill else "user")
    said = second.messages[-1 if prefill else -2].content
    assert said.endswith("One two three four")


def test_a_direct_answer_that_breaks_off_is_continued() -> None:
    text = "One two three four five six seven eight nine."
    llm = ScriptedLLM({"": [Reply(text=text, fault=Fault(after_tokens=5)), text]})
    answer = run_simulated(SkeletonOfThought(llm, router="never").aanswer(QUESTION))
    assert (answer.text, answer.is_complete) == (text, True)


def test_a_skeleton_that_breaks_off_goes_on_and_no_point_is_written_twice() -> None:
    plan = ANSWER.points
    text = "\n".join(f"{i}. {title}" for i, (title, _) in enumerate(plan, 1))
    broken = Reply(text=text, fault=Fault(after_tokens=8))

    def reply(request: object, asked: list[int] = []) -> str | Reply:  # noqa: B006  # counts calls
        if request.tag != "skeleton":  # type: ignore[attr-defined]
            return ANSWER(request)  # type: ignore[arg-type]
        asked.append(1)
        return broken if len(asked) == 1 else text

    llm = ScriptedLLM(reply, token_seconds=0.1)  # type: ignore[arg-type]
    answer = ask(llm)
    assert [p.text for p in answer.skeleton.points] == [title for title, _ in plan]  # type: ignore[union-attr]
    assert len([r for r in llm.requests if r.tag == "point 1"]) == 1
    assert answer.is_complete


def test_a_stalled_stream_counts_as_failed_after_the_idle_time() -> None:
    stalled = Reply(text="It begins and", fault=Fault(error=None, after_tokens=2))
    llm = ScriptedLLM({"skeleton": "1. A part\n2. B part", "point 1": [stalled, "Text A."], "": "Text B."})
    answer = ask(llm, idle_seconds=10.0)
    first, second = calls(answer)["point 1"]
    assert first.ended == pytest.approx(10.0)
    assert "sent nothing for 10.0 seconds" in first.error
    assert second.attempt == 2
    assert answer.is_complete


@pytest.mark.parametrize("error", [ValueError, KeyError, TimeoutError])
def test_errors_that_no_model_should_raise_are_wrapped_and_not_repeated(error: type[Exception]) -> None:
    llm = ScriptedLLM(Reply(text="", fault=Fault(error=error, message="odd")))
    with pytest.raises(AnswerError, match=error.__name__) as caught:
        run_simulated(SkeletonOfThought(llm, router="never").aanswer(QUESTION))
    assert len(llm.requests) == 1
    assert isinstance(caught.value.__cause__.__cause__, error)  # type: ignore[union-attr]


def test_a_model_that_never_ends_is_stopped() -> None:
    class Endless(ScriptedLLM):
        async def astream(self, request):  # type: ignore[no-untyped-def,override]  # noqa: ANN001, ANN202
            async for chunk in super().astream(request):
                if request.tag != "point 1":
                    yield chunk
            while request.tag == "point 1":
                await asyncio.sleep(0.01)
                yield type(chunk)(text=" more and more")

    answer = ask(Endless(ANSWER), max_tokens_per_point=50)
    assert answer.expansions[0].status == "truncated"
    assert [e.status for e in answer.expansions[1:]] == ["complete"] * 4
    assert len(answer.expansions[0].text) < 4000


def test_connection_errors_are_named_in_the_end() -> None:
    llm = ScriptedLLM(Reply(text="", fault=Fault(error=LLMConnectionError, message="no route")))
    with pytest.raises(AnswerError, match="no route"):
        ask(llm)
