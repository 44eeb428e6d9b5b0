"""Collecting a model's replies: engine, files and account, in simulated time and on real disks."""

import asyncio
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingua_core import InputError
from lingua_core.errors import (
    LLMConnectionError,
    LLMContentFilterError,
    LLMRateLimitError,
    LLMResponseError,
    LLMServerError,
    LLMTimeoutError,
)
from lingua_core.llms import (
    Cancellation,
    ChatRequest,
    Completion,
    Message,
    RandomFaults,
    ScriptedLLM,
    Usage,
)
from lingua_core.llms.logprobs import TokenAlternative, TokenLogprob
from lingua_core.llms.retrying import RetryPolicy
from lingua_core.llms.simulation import run_simulated
from lingua_core.training.collecting import (
    CollectedResponse,
    CollectingOptions,
    Outcome,
    Prices,
    Progress,
    Prompt,
    Spending,
    Tokens,
    acollect,
    collect,
    collected_responses,
    estimate,
    failures_path,
    read_prompts,
    response_record,
)
from lingua_core.training.collecting.journal import Journal, line_of, lines_of
from lingua_core.training.collecting.spending import most_tokens

DEFAULTS = ChatRequest(messages=(), max_tokens=20)
PRICES = Prices(prompt=1.0, completion=10.0)


def prompt(text: str, *, id: str | None = None, **options: Any) -> Prompt:
    messages = (Message("user", text),)
    return Prompt(id=id or text, request=ChatRequest(messages=messages, **({"max_tokens": 20} | options)))


def prompts(count: int) -> list[Prompt]:
    return [prompt(f"question {i:03}") for i in range(count)]


def records(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_bytes().splitlines()]


def ids(out: Path) -> list[str]:
    return [record["id"] for record in records(out)]


def failures(out: Path) -> list[dict[str, Any]]:
    path = failures_path(out)
    return records(path) if path.exists() else []


class Echo:
    """Answers with the question, after some time; notes who asked, and how many at once."""

    name = "echo"
    supports_prefill = supports_json_schema = False

    def __init__(
        self, *, seconds: Callable[[str], float] = lambda _: 1.0, usage: Usage | None = None
    ) -> None:
        self.asked: list[str] = []
        self.peak = self.running = 0
        self.seconds = seconds
        self.usage = usage or Usage(prompt_tokens=10, completion_tokens=5, calls=1)
        self.fails: Callable[[str], Exception | None] = lambda _: None
        self.model = "echo-1"

    async def acomplete(self, request: ChatRequest) -> Completion:
        question = request.messages[-1].content
        self.asked.append(question)
        self.running += 1
        self.peak = max(self.peak, self.running)
        try:
            await asyncio.sleep(self.seconds(question))
            if (error := self.fails(question)) is not None:
                raise error
            return Completion(text=f"answer to {question}", usage=self.usage, model=self.model)
        finally:
            self.running -= 1

    def complete(self, request: ChatRequest) -> Completion:
        raise NotImplementedError

    def stream(self, request: ChatRequest) -> Iterator[Any]:
        raise NotImplementedError

    def astream(self, request: ChatRequest) -> Any:
        raise NotImplementedError


def run(asked: Sequence[Prompt], out: Path, llm: Any, **options: Any) -> Outcome:
    own = {name: options.pop(name) for name in ("settings", "record", "report", "stop") if name in options}
    return run_simulated(acollect(asked, out, llm, CollectingOptions(**options), **own))


# What is kept


def test_every_reply_is_kept_in_the_order_of_the_prompts_whatever_the_concurrency(tmp_path: Path) -> None:
    contents: set[bytes] = set()
    for concurrency in (1, 3, 50):
        out = tmp_path / f"{concurrency}.jsonl"
        llm = Echo(seconds=lambda question: 9.0 - int(question[-1]))
        outcome = run(prompts(20), out, llm, concurrency=concurrency)
        assert outcome.ending == "complete"
        assert outcome.is_complete
        assert llm.peak == min(concurrency, 19)  # the first goes alone
        contents.add(out.read_bytes())
    assert len(contents) == 1
    assert ids(out) == [one.id for one in prompts(20)]
    assert not failures_path(out).exists()


def test_a_record_holds_what_alignment_reads(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    run([prompt("Why?", id="a")], out, Echo())
    assert records(out) == [
        {
            "id": "a",
            "messages": [{"role": "user", "content": "Why?"}],
            "response": "answer to Why?",
            "finish_reason": "stop",
            "model": "echo-1",
            "usage": {"prompt_tokens": 10, "completion_tokens": 5, "cached_tokens": 0},
            "logprobs": None,
        }
    ]
    (read,) = collected_responses(out)
    assert read.to_json() == records(out)[0]


tokens = st.text(max_size=4).flatmap(
    lambda text: st.sampled_from([None, text.encode(errors="replace"), b"\xf0\x9f", b"\xff"]).map(
        lambda raw: (text, raw)
    )
)
logprobs = st.floats(min_value=-9999, max_value=0)


@given(st.lists(st.tuples(tokens, logprobs, st.lists(st.tuples(tokens, logprobs), max_size=3)), max_size=5))
def test_records_keep_logprobs_and_the_bytes_of_what_is_no_text(given: list[Any]) -> None:
    made = tuple(
        TokenLogprob(text, logprob, raw, tuple(TokenAlternative(t, p, r) for (t, r), p in top))
        for (text, raw), logprob, top in given
    )
    record = CollectedResponse(
        id="a", messages=(Message("user", "q"),), response="r", finish_reason="stop", logprobs=made
    )
    read = CollectedResponse.from_json(json.loads(line_of(record.to_json())))
    assert read.logprobs is not None

    def bytes_of(one: TokenLogprob | TokenAlternative) -> bytes:
        return one.token.encode(errors="replace") if one.raw is None else one.raw

    def seen(tokens: tuple[TokenLogprob, ...]) -> list[Any]:
        return [(bytes_of(t), t.logprob, [(bytes_of(o), o.logprob) for o in t.top]) for t in tokens]

    assert seen(read.logprobs) == [(one, logprob, top) for one, logprob, top in seen(made)]


def test_other_records_can_be_made_of_replies_and_replies_refused(tmp_path: Path) -> None:
    def half(asked: Prompt, completion: Completion) -> dict[str, Any]:
        if asked.id.endswith("1"):
            raise LLMResponseError("not shorter", partial=completion.text)
        return {"id": asked.id, "pair": [asked.request.messages[-1].content, completion.text[:6]]}

    out = tmp_path / "pairs.jsonl"
    outcome = run(prompts(3), out, Echo(), record=half)
    assert [record["pair"][1] for record in records(out)] == ["answer", "answer"]
    assert (outcome.ending, outcome.is_complete, outcome.progress.failed) == ("complete", False, 1)
    assert failures(out)[0]["message"] == "not shorter"
    assert failures(out)[0]["partial"] == "answer to question 001"


def test_the_blocking_twin_does_the_same(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    assert collect(prompts(5), out, Echo(seconds=lambda _: 0.0)).is_complete
    assert len(records(out)) == 5


# Asked once


def test_what_asks_the_same_is_asked_once(tmp_path: Path) -> None:
    llm = Echo()
    out = tmp_path / "out.jsonl"
    outcome = run(
        [prompt("a"), prompt("a"), prompt("a", id="other"), prompt("a", id="b", max_tokens=9)], out, llm
    )
    assert llm.asked == ["a", "a"]
    assert ids(out) == ["a", "b"]
    assert outcome.progress.total == 2


def test_one_id_for_two_prompts_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    llm = Echo()
    with pytest.raises(InputError, match="'x' stands for two prompts"):
        run([prompt("a", id="x"), prompt("b", id="x")], tmp_path / "out.jsonl", llm)
    assert llm.asked == []
    assert list(tmp_path.iterdir()) == []


# Going on


def test_a_second_run_asks_only_what_is_missing(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    run(prompts(4), out, Echo())
    llm = Echo()
    outcome = run(prompts(7), out, llm)
    assert llm.asked == ["question 004", "question 005", "question 006"]
    assert (outcome.answered_now, outcome.progress.answered) == (3, 7)
    assert ids(out) == [one.id for one in prompts(7)]
    assert outcome.progress.spent == Tokens(70, 35)


def test_a_run_with_nothing_left_to_ask_changes_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    run(prompts(4), out, Echo())
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert run(prompts(4), out, Echo()).is_complete
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("torn", [b'{"id": "question 003", "resp', b'{"id": "x"}', b"\0\0\0\0", b"\xff"])
def test_a_torn_last_line_is_cut_off_and_its_prompt_asked_again(tmp_path: Path, torn: bytes) -> None:
    out = tmp_path / "out.jsonl"
    run(prompts(3), out, Echo())
    with out.open("ab") as file:
        file.write(torn)
    with (tmp_path / "out.jsonl.run").open("ab") as file:
        file.write(b'{"asked": "ques')
    llm = Echo()
    run(prompts(5), out, llm)
    assert llm.asked == ["question 003", "question 004"]
    assert ids(out) == [one.id for one in prompts(5)]


def test_damage_in_the_middle_is_named_and_nothing_is_sent(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    run(prompts(2), out, Echo())
    first, second = out.read_bytes().splitlines(keepends=True)
    out.write_bytes(first + b"oops\n" + second)
    llm = Echo()
    with pytest.raises(InputError, match=f"damaged at byte {len(first)}: b'oops"):
        run(prompts(4), out, llm)
    assert llm.asked == []


def test_other_settings_are_refused_by_name(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    run(prompts(1), out, Echo(), settings={"temperature": 0.5})
    other = Echo()
    other.name = "parrot"
    with pytest.raises(
        InputError, match=r"model 'echo' there, 'parrot' here; temperature 0\.5 there, 1\.0 here"
    ):
        run(prompts(2), out, other, settings={"temperature": 1.0})
    assert len(records(out)) == 1


def test_an_id_that_now_stands_for_another_prompt_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    run([prompt("a", id="1")], out, Echo())
    with pytest.raises(InputError, match="'1' stands for another prompt"):
        run([prompt("b", id="1")], out, Echo())


def test_a_file_that_is_no_collection_is_not_touched(tmp_path: Path) -> None:
    out = tmp_path / "mine.jsonl"
    out.write_text('{"id": "precious"}\n')
    with pytest.raises(InputError, match="was not made by a collection"):
        run(prompts(1), out, Echo())
    assert out.read_text() == '{"id": "precious"}\n'
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such lock on Windows")
def test_two_runs_cannot_write_one_file(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"

    async def both() -> None:
        first = asyncio.create_task(acollect(prompts(3), out, Echo()))
        await asyncio.sleep(0.5)
        with pytest.raises(InputError, match=r"Another (run|program)"):
            await acollect(prompts(3), out, Echo())
        assert (await first).is_complete

    run_simulated(both())
    assert len(records(out)) == 3


# Failures


def test_what_passes_is_repeated_and_what_the_server_asks_for_is_waited(tmp_path: Path) -> None:
    llm = Echo()
    seen: list[float] = []

    def fails(_: str) -> Exception | None:
        seen.append(asyncio.get_running_loop().time())
        return LLMRateLimitError("429", retry_after=90.0) if len(seen) == 2 else None

    llm.fails = fails
    assert run(prompts(2), tmp_path / "out.jsonl", llm, concurrency=1).is_complete
    assert 90 <= seen[2] - seen[1] <= 93
    assert llm.asked == ["question 000", "question 001", "question 001"]


def test_a_rate_limit_holds_everybody_back(tmp_path: Path) -> None:
    llm = Echo()
    began: list[float] = []

    def seconds(_: str) -> float:
        began.append(asyncio.get_running_loop().time())
        return 1.0

    llm.seconds = seconds
    llm.fails = lambda _: LLMRateLimitError("429", retry_after=50.0) if len(llm.asked) == 4 else None
    run(prompts(8), tmp_path / "out.jsonl", llm, concurrency=3)
    assert not [time for time in began if 3 < time < 50]


def test_failed_prompts_are_told_apart_and_asked_again_by_the_next_run(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    llm = Echo()
    llm.fails = lambda question: (
        LLMContentFilterError("withheld", partial="ans") if question.endswith("2") else None
    )
    outcome = run(prompts(5), out, llm)
    assert (outcome.ending, outcome.progress.answered, outcome.progress.failed) == ("complete", 4, 1)
    assert failures(out) == [
        {
            "id": "question 002",
            "error": "LLMContentFilterError",
            "message": "withheld",
            "attempts": 1,
            "partial": "ans",
        }
    ]
    again = Echo()
    assert run(prompts(5), out, again).is_complete
    assert again.asked == ["question 002"]
    assert ids(out) == [one.id for one in prompts(5)]
    assert not failures_path(out).exists()


def test_an_empty_reply_is_a_failure_that_says_so(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"

    class Mute(Echo):
        async def acomplete(self, request: ChatRequest) -> Completion:
            said = await super().acomplete(request)
            empty = request.messages[-1].content.endswith("1")
            return Completion(text=" \n", usage=self.usage, finish_reason="length") if empty else said

    outcome = run(prompts(3), out, Mute())
    assert ids(out) == ["question 000", "question 002"]
    assert "empty (finish reason 'length'). Raise the limit" in failures(out)[0]["message"]
    assert outcome.progress.spent == Tokens(30, 15)  # it was paid for


def test_an_endpoint_that_dies_half_way_ends_the_run_and_nothing_is_lost(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    llm = Echo()
    llm.fails = lambda _: LLMConnectionError("refused") if len(llm.asked) > 10 else None
    outcome = run(prompts(100), out, llm, concurrency=4, give_up_after=6)
    assert outcome.ending == "failures"
    assert "6 prompts have failed in a row, the last: refused" in outcome.reason
    assert len(records(out)) == outcome.progress.answered
    assert 6 <= outcome.progress.answered <= 10
    assert len(llm.asked) < 80  # far from every prompt as often as possible
    assert {failure["id"] for failure in failures(out)}.isdisjoint(ids(out))
    again = Echo()
    assert run(prompts(100), out, again).is_complete
    assert len(again.asked) == 100 - outcome.progress.answered
    assert ids(out) == [one.id for one in prompts(100)]


def test_an_endpoint_that_never_answers_ends_the_run_after_one_prompt(tmp_path: Path) -> None:
    llm = Echo()
    llm.fails = lambda _: LLMTimeoutError("late")
    outcome = run(prompts(50), tmp_path / "out.jsonl", llm, retry=RetryPolicy(max_attempts=3))
    assert (outcome.ending, llm.asked) == ("failures", ["question 000"] * 3)
    assert "not answered even once: late" in outcome.reason


def test_faults_at_random_lose_and_repeat_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    faults = RandomFaults(
        0.4, seed=3, kinds=[f for f in RandomFaults.KINDS if f.error is not LLMTimeoutError]
    )
    llm = ScriptedLLM("an answer of some words", faults=faults)
    for _ in range(30):
        outcome = run(prompts(60), out, llm, concurrency=7, retry=RetryPolicy(max_attempts=2))
        assert len(records(out)) == outcome.progress.answered
        assert {failure["id"] for failure in failures(out)} <= {one.id for one in prompts(60)} - set(ids(out))
        if outcome.is_complete:
            break
    assert ids(out) == [one.id for one in prompts(60)]


def test_a_mistake_in_a_callers_function_is_raised_and_earlier_records_stay(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"

    def careless(asked: Prompt, completion: Completion) -> dict[str, Any]:
        if asked.id.endswith("3"):
            raise ZeroDivisionError
        return response_record(asked, completion)

    with pytest.raises(ZeroDivisionError):
        run(prompts(6), out, Echo(), record=careless, concurrency=1)
    assert ids(out) == ["question 000", "question 001", "question 002"]


# Log-probabilities


def test_required_logprobs_end_the_run_after_one_reply_without(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    llm = Echo()
    outcome = run(prompts(9), out, llm, require_logprobs=True)
    assert (outcome.ending, llm.asked) == ("logprobs", ["question 000"])
    assert records(out) == []


# Interrupts


def test_a_stop_lets_calls_under_way_finish_and_keeps_them(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    stop = Cancellation()
    llm = Echo()

    def report(progress: Progress) -> None:
        if progress.answered == 4:
            stop.cancel()

    outcome = run(prompts(50), out, llm, concurrency=5, stop=stop, report=report)
    assert outcome.ending == "interrupted"
    assert len(records(out)) == outcome.progress.answered == len(llm.asked)
    assert 4 <= len(llm.asked) <= 11


def test_a_stop_ends_the_wait_for_another_attempt(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    llm = Echo()
    llm.fails = lambda _: LLMRateLimitError("429", retry_after=250.0) if len(llm.asked) > 1 else None

    async def program() -> tuple[Outcome, float]:
        stop = Cancellation()
        asyncio.get_running_loop().call_later(5, stop.cancel)
        outcome = await acollect(prompts(3), out, llm, stop=stop)
        return outcome, asyncio.get_running_loop().time()

    outcome, took = run_simulated(program())
    assert (outcome.ending, outcome.progress.answered) == ("interrupted", 1)
    assert outcome.progress.failed == 0
    assert took < 10


def test_a_cancelled_run_keeps_what_had_come(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"

    async def program() -> None:
        task = asyncio.create_task(acollect(prompts(50), out, Echo(), CollectingOptions(concurrency=2)))
        await asyncio.sleep(5.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run_simulated(program())
    assert len(records(out)) == 9
    assert run(prompts(50), out, Echo()).is_complete


# Costs


def test_an_estimate_counts_prompts_and_limits() -> None:
    class Words:
        name = "words"

        def count(self, texts: Sequence[str]) -> list[int]:
            return [len(text.split()) for text in texts]

    found = estimate([prompt("one two three"), prompt("four", max_tokens=7)], Words(), mean_completion=2.5)
    assert (found.prompts, found.prompt_tokens, found.most, found.likely) == (
        2,
        12,
        Tokens(12, 27),
        Tokens(12, 5),
    )
    assert estimate([prompt("a", max_tokens=None)], Words()).most.completion is None


@given(
    cap=st.floats(min_value=0, max_value=0.01),
    concurrency=st.integers(1, 12),
    lengths=st.lists(st.integers(0, 20), min_size=1, max_size=25),
    fault=st.sampled_from([None, LLMTimeoutError, LLMServerError, LLMContentFilterError]),
)
def test_no_run_goes_beyond_the_cap_even_with_calls_in_flight(
    tmp_path_factory: pytest.TempPathFactory,
    cap: float,
    concurrency: int,
    lengths: list[int],
    fault: type[Exception] | None,
) -> None:
    out = tmp_path_factory.mktemp("cap") / "out.jsonl"
    asked = [prompt(f"question {i}") for i in range(len(lengths))]
    billed = 0.0

    class Billing(Echo):
        async def acomplete(self, request: ChatRequest) -> Completion:
            nonlocal billed
            number = int(request.messages[-1].content.split()[1])
            if fault is not None and number % 3 == 1 and len(self.asked) % 2:
                if fault is not LLMServerError:  # it has run to the limit before it failed
                    billed += PRICES.cost(Tokens(most_tokens(asked[number]).prompt, 20))
                self.asked.append("")
                await asyncio.sleep(1)
                raise fault("failed")
            self.usage = Usage(prompt_tokens=12, completion_tokens=max(1, lengths[number]), calls=1)
            billed += PRICES.cost(Tokens(12, max(1, lengths[number])))
            said = await super().acomplete(request)
            return Completion(
                text=said.text, usage=Usage(prompt_tokens=12, completion_tokens=max(1, lengths[number]))
            )

    llm = Billing()
    for _ in range(3):
        outcome = run(asked, out, llm, concurrency=concurrency, prices=PRICES, max_cost=cap)
        assert billed <= cap + 1e-12
        assert (outcome.progress.cost or 0) <= cap + 1e-12
        if not outcome.is_complete:
            assert outcome.ending in ("cost", "failures", "complete")


def test_the_cap_holds_over_runs_and_counts_calls_whose_end_nobody_saw(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    most = PRICES.cost(most_tokens(prompts(1)[0]))

    async def killed() -> None:
        task = asyncio.create_task(acollect(prompts(9), out, Echo(), CollectingOptions(concurrency=3)))
        await asyncio.sleep(1.5)  # one is answered, three are under way
        task.cancel()
        await asyncio.wait([task])

    run_simulated(killed())
    llm = Echo()
    outcome = run(prompts(9), out, llm, prices=PRICES, max_cost=3 * most)
    assert (outcome.ending, llm.asked) == ("cost", [])
    assert outcome.progress.cost == pytest.approx(3 * most + PRICES.cost(Tokens(10, 5)))
    assert run(prompts(9), out, llm, prices=PRICES, max_cost=20 * most).is_complete


def test_a_reply_that_says_nothing_of_its_tokens_counts_at_its_most(tmp_path: Path) -> None:
    llm = Echo(usage=Usage())
    outcome = run(prompts(1), tmp_path / "out.jsonl", llm, prices=PRICES)
    assert outcome.progress.spent == most_tokens(prompts(1)[0])


def test_prompts_that_cost_more_than_foreseen_raise_what_is_foreseen() -> None:
    account = Spending(PRICES, cap=1.0)
    most = account.most(prompt("a"))
    assert account.reserve(most)
    account.settle(most, Tokens(most.prompt + 40, 20))
    assert account.most(prompt("a")).prompt == most.prompt + 40


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_cost": 1.0}, "needs the prices"),
        ({"max_cost": -1.0, "prices": PRICES}, "from 0 on"),
        ({"max_cost": float("nan"), "prices": PRICES}, "from 0 on"),
        ({"concurrency": 0}, "concurrency must be at least 1"),
        ({"give_up_after": 0}, "give_up_after must be at least 1"),
    ],
)
def test_options_that_cannot_be_used_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        CollectingOptions(**options)


def test_a_cap_needs_a_limit_of_tokens(tmp_path: Path) -> None:
    llm = Echo()
    with pytest.raises(InputError, match="limit of tokens"):
        run([prompt("a", max_tokens=None)], tmp_path / "o.jsonl", llm, prices=PRICES, max_cost=1.0)
    assert llm.asked == []


# Files


@given(
    st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3)), st.binary(max_size=9)
)
def test_a_journal_gives_back_what_was_appended(
    tmp_path_factory: pytest.TempPathFactory, values: list[dict[str, str]], torn: bytes
) -> None:
    path = tmp_path_factory.mktemp("journal") / "j"
    journal = Journal(path)
    offsets = [journal.append(value) for value in values]
    journal.close()
    with path.open("ab") as file:
        file.write(torn.replace(b"\n", b""))
    journal = Journal(path)
    journal.append({"last": "one"})
    journal.close()
    found = list(lines_of(path))
    assert [offset for offset, _ in found][:-1] == offsets
    assert [json.loads(line) for _, line in found] == [*values, {"last": "one"}]


FULL = """
    import asyncio, json, resource, sys
    from pathlib import Path
    from lingua_core.llms import ChatRequest, Completion, Message
    from lingua_core.training.collecting import Prompt, collect

    class LLM:
        name = "m"
        async def acomplete(self, request):
            await asyncio.sleep(0.001)
            return Completion(text="word " * 100)

    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
    request = lambda i: ChatRequest(messages=(Message("user", f"q{i}"),))
    prompts = [Prompt(id=str(i), request=request(i)) for i in range(50)]
    outcome = collect(prompts, Path(sys.argv[1]), LLM())
    print(json.dumps([outcome.ending, outcome.reason, outcome.progress.answered]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits on the sizes of files")
def test_a_disk_without_room_ends_the_run_and_tears_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FULL), str(out)], capture_output=True, check=True, timeout=60
    )
    ending, reason, answered = json.loads(done.stdout)
    assert ending == "disk"
    assert "out.jsonl" in reason
    assert "File too large" in reason
    assert 0 < answered < 50
    assert out.read_bytes().endswith(b"\n")
    assert len(records(out)) == answered
    assert out.stat().st_size <= 5000

    class Same(Echo):
        name = "m"

    asked = [Prompt(id=str(i), request=ChatRequest(messages=(Message("user", f"q{i}"),))) for i in range(50)]
    llm = Same()
    assert run(asked, out, llm).is_complete
    assert len(llm.asked) == 50 - answered
    assert ids(out) == [one.id for one in asked]


def test_no_room_for_the_copy_in_order_keeps_the_records(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    (tmp_path / "out.jsonl.unfinished").mkdir()
    outcome = run(prompts(6), out, Echo(seconds=lambda question: 9.0 - int(question[-1])))
    assert outcome.ending == "disk"
    assert "not in the order" in outcome.reason
    assert sorted(ids(out)) == [one.id for one in prompts(6)]
    (tmp_path / "out.jsonl.unfinished").rmdir()
    assert run(prompts(6), out, Echo()).ending == "complete"
    assert ids(out) == [one.id for one in prompts(6)]


# Prompts


def lines(path: Path, *values: Any) -> Path:
    path.write_text(
        "".join((v if isinstance(v, str) else json.dumps(v)) + "\n" for v in values), encoding="utf-8"
    )
    return path


def test_prompts_are_read_from_texts_and_conversations(tmp_path: Path) -> None:
    path = lines(
        tmp_path / "p.jsonl",
        {"prompt": "Who?"},
        "",
        {"id": 7, "messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "Why?"}]},
        {"id": "c", "prompt": "日本 🙂 \u2028 \ud800", "system": "own", "max_tokens": 3, "else": 1},
    )
    found = read_prompts(path, defaults=DEFAULTS, system="Be brief.")
    assert found.malformed == []
    first, second, third = found.prompts
    assert first.request.messages == (Message("system", "Be brief."), Message("user", "Who?"))
    assert (second.id, second.request.messages[0].content, second.request.max_tokens) == ("7", "S", 20)
    assert third.request.messages == (Message("system", "own"), Message("user", "日本 🙂 \u2028 \ufffd"))
    assert third.request.max_tokens == 3


def test_ids_of_prompts_without_one_depend_on_nothing_but_their_content(tmp_path: Path) -> None:
    path = lines(tmp_path / "p.jsonl", {"prompt": "Who?"}, {"prompt": "Why?"})
    turned = lines(tmp_path / "q.jsonl", {"prompt": "Why?", "note": 1}, {"prompt": "Who?"})
    first = [one.id for one in read_prompts(path, defaults=DEFAULTS).prompts]
    assert [one.id for one in read_prompts(turned, defaults=DEFAULTS).prompts] == first[::-1]
    assert first == ["b0a6ba51f1cb036b", "6a3ccf870ad4cd4e"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"{", "not valid JSON"),
        (b'"text"', "expected an object"),
        (b'{"promt": "a"}', "expected one of 'prompt' and 'messages', got 'promt'"),
        (b"{}", "got no field"),
        (b'{"prompt": "a", "messages": []}', "expected one of"),
        (b'{"prompt": 3}', "'prompt' must be a text, got 3"),
        (b'{"prompt": " "}', "'prompt' is empty"),
        (b'{"messages": []}', "list of messages"),
        (b'{"messages": ["a"]}', "a message must be an object"),
        (b'{"messages": [{"role": "tool", "content": "a"}]}', "'role' must be one of"),
        (b'{"messages": [{"role": ["user"], "content": "a"}]}', "'role' must be one of"),
        (b'{"messages": [{"role": "user", "content": null}]}', "'content' must be a text"),
        (b'{"messages": [{"role": "assistant", "content": "a"}]}', "the last message must be the user's"),
        (b'{"prompt": "a", "max_tokens": 0}', "'max_tokens' must be"),
        (b'{"prompt": "a", "max_tokens": true}', "'max_tokens' must be"),
        (b'{"prompt": "a", "id": [1]}', "'id' must be"),
        (b'{"prompt": "a", "system": 1}', "'system' must be a text"),
        (b'{"prompt": "\xff"}', "not UTF-8 (byte 0xff at 12)"),
        (b"[" * 100_000, "not valid JSON"),
    ],
)
def test_a_malformed_line_is_named_and_the_others_are_read(tmp_path: Path, line: bytes, words: str) -> None:
    path = tmp_path / "p.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"prompt": "a"}\r\n' + line + b'\n{"prompt": "b"}')
    found = read_prompts(path, defaults=DEFAULTS)
    assert [one.request.messages[0].content for one in found.prompts] == ["a", "b"]
    (message,) = found.malformed
    assert message.startswith("line 2: ")
    assert words in message


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_prompts(tmp_path / "none.jsonl", defaults=DEFAULTS)
    (tmp_path / "bad.jsonl.gz").write_bytes(b"no gzip")
    with pytest.raises(InputError, match="cannot be read"):
        read_prompts(tmp_path / "bad.jsonl.gz", defaults=DEFAULTS)
    (tmp_path / "empty.jsonl").write_bytes(b"\n\n")
    with pytest.raises(InputError, match="holds no prompts"):
        read_prompts(tmp_path / "empty.jsonl", defaults=DEFAULTS)


def test_collecting_needs_no_torch() -> None:
    program = "import sys, lingua_core.training.collecting; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], env=os.environ, check=False).returncode == 0
