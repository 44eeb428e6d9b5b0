"""What answers are made of: routes, fallbacks, hedging, failures, usage, coherence."""

import json
from collections.abc import Sequence

import pytest

from lingua_core import InputError, SkeletonOfThought
from lingua_core.errors import AnswerError, LLMContentFilterError, LLMServerError
from lingua_core.llms import ChatRequest, Fault, Message, Reply, ScriptedLLM, Usage, WrittenAnswer
from lingua_core.llms.simulation import run_simulated
from lingua_core.skeleton import (
    AnswerDone,
    Event,
    Point,
    PointDelta,
    RouteChosen,
    RouteDecision,
    SkeletonAnswer,
    SkeletonReady,
)
from lingua_core.skeleton.routing import LLMRouter

QUESTION = "What should a town consider before it builds a bridge?"
POINTS = tuple((f"Aspect {name}", f"{name} is a matter of {word} above all.") for name, word in zip(
    "ABCD", ("money", "time", "ground", "trust"), strict=True))  # fmt: skip
ANSWER = WrittenAnswer(points=POINTS, direct="It should consider many things, one by one.")
TEXT = "\n\n".join(f"{i}. **{title}**: {text}" for i, (title, text) in enumerate(POINTS, 1))
LONG = " ".join(
    f"The town that builds bridge number {i} has to think of {what}, and of the people who pay for it."
    for i, what in enumerate(("money", "mud", "traffic", "the view", "ice"), 1)
)


def events_of(llm: ScriptedLLM, question: str = QUESTION, **options: object) -> list[Event]:
    options.setdefault("router", "always")

    async def main() -> list[Event]:
        engine = SkeletonOfThought(llm, **options)  # type: ignore[arg-type]
        return [event async for event in engine.astream(question)]

    events = run_simulated(main())
    assert isinstance(events[-1], AnswerDone)
    assert text_of(events) == events[-1].answer.text
    assert llm.open_calls == 0
    return events


def text_of(events: Sequence[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, PointDelta))


def answer_of(llm: ScriptedLLM, **options: object) -> SkeletonAnswer:
    last = events_of(llm, **options)[-1]
    assert isinstance(last, AnswerDone)
    return last.answer


def slow(replies: object, **options: object) -> ScriptedLLM:
    return ScriptedLLM(replies, first_token_seconds=0.5, token_seconds=0.05, **options)  # type: ignore[arg-type]


def tags(answer: SkeletonAnswer) -> list[str]:
    return [call.tag for call in answer.timings.calls]


# The good way


def test_events_come_in_the_order_of_the_answer() -> None:
    events = events_of(slow(ANSWER))
    kinds = [type(event) for event in events if not isinstance(event, PointDelta)]
    assert kinds == [RouteChosen, SkeletonReady, AnswerDone]
    first = next(i for i, event in enumerate(events) if isinstance(event, PointDelta))
    assert isinstance(events[first - 1], SkeletonReady)
    indices = [event.index for event in events if isinstance(event, PointDelta)]
    assert indices == sorted(indices)
    assert set(indices) == {1, 2, 3, 4}
    assert text_of(events) == TEXT


@pytest.mark.parametrize(
    ("style", "opening"),
    [("numbered", "1. **Aspect A**: A is"), ("headings", "## Aspect A\n\nA is"), ("plain", "A is")],
)
def test_points_open_in_the_style_chosen(style: str, opening: str) -> None:
    assert answer_of(ScriptedLLM(ANSWER), style=style).text.startswith(opening)


@pytest.mark.parametrize("prefill", [False, True])
@pytest.mark.parametrize("size", [1, 2, 3, 9])
def test_grouped_points_give_the_same_answer(size: int, prefill: bool) -> None:
    answer = answer_of(slow(ANSWER, supports_prefill=prefill), points_per_request=size)
    assert answer.text == TEXT
    assert answer.is_complete
    assert len(tags(answer)) == 1 + -(-4 // size)
    assert sum((e.usage for e in answer.expansions), Usage()).completion_tokens == sum(
        call.usage.completion_tokens for call in answer.timings.calls if call.tag != "skeleton"
    )


def test_usage_is_the_sum_of_all_calls() -> None:
    answer = answer_of(slow(ANSWER))
    assert answer.usage == sum((call.usage for call in answer.timings.calls), Usage())
    assert (answer.usage.calls, answer.usage.estimated) == (5, False)


def test_a_silent_model_is_estimated_with_the_counter_given() -> None:
    answer = answer_of(slow(ANSWER, reports_usage=False), token_counter=lambda text: len(text.split()))
    assert answer.usage.estimated
    points = [call for call in answer.timings.calls if call.tag == "point 1"]
    assert points[0].usage.completion_tokens == len(POINTS[0][1].split())


def test_a_conversation_and_a_context_reach_every_call_with_the_same_beginning() -> None:
    llm = ScriptedLLM(ANSWER)
    turns = [Message("user", "Hello."), Message("assistant", "Hello!"), Message("user", QUESTION)]
    engine = SkeletonOfThought(llm, router="always")
    assert engine.answer(turns, context="Bridges cost much.").text == TEXT
    users = [request.messages[-1].content for request in llm.requests]
    shared = users[0].index(QUESTION) + len(QUESTION)
    assert all(content[:shared] == users[0][:shared] for content in users)
    assert all("Bridges cost much." in content for content in users)
    assert all(request.messages[-3].content == "Hello." for request in llm.requests)
    assert len({request.prefix_key for request in llm.requests}) == 1


def test_each_call_may_have_a_context_of_its_own() -> None:
    class Own:
        def for_skeleton(self, question: str) -> str:
            return "the overview"

        def for_points(self, question: str, points: Sequence[Point]) -> str:
            return f"facts on {', '.join(point.text for point in points)}"

        def for_direct(self, question: str) -> str:
            return "everything"

    llm = ScriptedLLM(ANSWER)
    SkeletonOfThought(llm, router="always").answer(QUESTION, context=Own())
    prompts = {request.tag: request.messages[-1].content for request in llm.requests}
    assert "the overview" in prompts["skeleton"]
    assert "facts on Aspect C" in prompts["point 3"]
    assert "the overview" not in prompts["point 3"]


# Routes


def test_a_direct_answer_is_one_call() -> None:
    events = events_of(slow(ANSWER), router="never")
    answer = events[-1].answer  # type: ignore[union-attr]
    assert (answer.route, answer.text, tags(answer)) == ("direct", ANSWER.direct, ["direct"])
    assert {event.index for event in events if isinstance(event, PointDelta)} == {0}


def test_the_routers_call_is_the_drivers() -> None:
    llm = slow(lambda r: "B" if r.tag == "router" else ANSWER(r))
    answer = answer_of(llm, router="llm")
    assert (answer.route, tags(answer)) == ("direct", ["router", "direct"])
    assert "build on one another" in answer.decision.reason


def test_a_router_that_cannot_be_asked_means_a_direct_answer_and_a_note() -> None:
    small = ScriptedLLM(Reply(text="", fault=Fault(error=LLMContentFilterError, message="withheld")))
    answer = answer_of(slow(ANSWER), router=LLMRouter(small))
    assert answer.route == "direct"
    assert "could not be asked" in answer.decision.reason
    assert any("withheld" in note for note in answer.notes)


def test_a_users_router_that_fails_does_not_fail_the_answer() -> None:
    class Broken:
        def route(self, question: str, *, has_documents: bool = False) -> RouteDecision:
            raise KeyError("weights")

    answer = answer_of(slow(ANSWER), router=Broken())
    assert answer.route == "direct"
    assert any("KeyError" in note for note in answer.notes)


@pytest.mark.parametrize(("letter", "route"), [("A", "skeleton"), ("C", "direct")])
def test_the_skeleton_may_be_begun_beside_the_routers_call(letter: str, route: str) -> None:
    llm = slow(lambda r: Reply(text=letter, first_token_seconds=0.9) if r.tag == "router" else ANSWER(r))
    answer = answer_of(llm, router="llm", route_alongside=True)
    assert answer.route == route
    started = {call.tag: call.started for call in answer.timings.calls}
    assert started["skeleton"] == started["router"] == 0
    assert all(at >= 0.9 for tag, at in started.items() if tag not in ("skeleton", "router"))
    assert (answer.usage.estimated, "point 1" in started) == (letter == "C", letter == "A")


def test_few_tokens_are_answered_directly_by_the_automatic_router() -> None:
    engine = SkeletonOfThought(ScriptedLLM(ANSWER))
    assert engine.answer(QUESTION).route == "skeleton"
    assert engine.answer(QUESTION, max_tokens=50).route == "direct"


# Fallbacks


@pytest.mark.parametrize(
    "reply", ["", "1. Only this", "I am sorry, but I cannot help with that.", "It depends."]
)
def test_without_a_skeleton_the_answer_is_direct_and_says_why(reply: str) -> None:
    events = events_of(slow({"skeleton": reply, "": "The whole answer."}))
    answer = events[-1].answer  # type: ignore[union-attr]
    assert (answer.route, answer.text, answer.skeleton) == ("direct", "The whole answer.", None)
    assert [event.route for event in events if isinstance(event, RouteChosen)] == ["skeleton", "direct"]
    assert answer.decision.use_skeleton
    assert any("want of a skeleton" in note for note in answer.notes)
    assert answer.is_complete


@pytest.mark.parametrize("prefill", [False, True])
def test_an_answer_in_the_place_of_a_skeleton_is_taken_and_nothing_is_generated_twice(prefill: bool) -> None:
    llm = slow({"skeleton": LONG, "": "never asked"}, supports_prefill=prefill)
    events = events_of(llm)
    answer = events[-1].answer  # type: ignore[union-attr]
    assert tags(answer) == ["skeleton"]
    assert answer.text == (f"1.{LONG}" if prefill else LONG).strip()
    deltas = [event for event in events if isinstance(event, PointDelta)]
    assert len(deltas) > 10  # it streams on


def test_an_answer_in_the_place_of_a_skeleton_is_continued_beyond_the_skeletons_limit() -> None:
    llm = slow({"skeleton": LONG, "": "never asked"})
    answer = answer_of(llm, skeleton_max_tokens=60)
    assert answer.text == LONG.strip()
    assert tags(answer) == ["skeleton", "skeleton"]
    assert answer.is_complete


def test_points_that_were_launched_before_the_answer_was_recognised_are_cancelled() -> None:
    skeleton = "1. Money\n2. " + LONG
    answer = answer_of(slow({"skeleton": skeleton, "": "word " * 500}))
    assert answer.text.startswith("1. Money\n2. The town")
    cancelled = [call for call in answer.timings.calls if call.tag.startswith("point")]
    assert all(call.error == "cancelled" and call.usage.estimated for call in cancelled)
    assert (answer.route, answer.expansions) == ("direct", ())


def test_a_skeleton_call_that_fails_falls_back_to_a_direct_answer() -> None:
    refused = Reply(text="", fault=Fault(error=LLMContentFilterError))
    answer = answer_of(slow({"skeleton": refused, "": "The whole answer."}))
    assert (answer.route, answer.text) == ("direct", "The whole answer.")


def test_a_model_that_goes_on_after_the_last_point_is_stopped() -> None:
    plan = "".join(f"{i}. Aspect number {i}\n" for i in range(1, 60))
    answer = answer_of(slow({"skeleton": plan, "": "Text."}), max_points=4)
    assert len(answer.expansions) == 4
    assert answer.timings.skeleton is not None
    assert answer.timings.skeleton < 3


# Hedging


def test_a_hedged_direct_answer_is_cancelled_once_the_skeleton_stands() -> None:
    answer = answer_of(slow(lambda r: LONG if r.tag == "direct" else ANSWER(r)), hedge=True)
    assert (answer.route, answer.text) == ("skeleton", TEXT)
    direct = next(call for call in answer.timings.calls if call.tag == "direct")
    assert (direct.error, direct.usage.estimated) == ("cancelled", True)
    assert direct.ended == pytest.approx(answer.timings.skeleton)


def test_a_hedged_direct_answer_saves_the_time_of_a_fallback() -> None:
    replies = {"skeleton": "It depends on a lot of things.", "": LONG}
    hedged, plain = answer_of(slow(replies), hedge=True), answer_of(slow(replies))
    assert hedged.text == plain.text == LONG.strip()
    assert hedged.timings.total < plain.timings.total - 0.5
    assert tags(hedged).count("direct") == 1


def test_a_direct_answer_that_is_done_first_wins() -> None:
    answer = answer_of(slow(lambda r: "Quite short." if r.tag == "direct" else ANSWER(r)), hedge=True)
    assert (answer.route, answer.text) == ("direct", "Quite short.")


def test_a_hedge_that_fails_leaves_the_skeleton_alone() -> None:
    failed = Reply(text="", fault=Fault(error=LLMContentFilterError, message="withheld"))
    answer = answer_of(slow(lambda r: failed if r.tag == "direct" else ANSWER(r)), hedge=True)
    assert (answer.route, answer.text, answer.is_complete) == ("skeleton", TEXT, True)
    assert any("withheld" in note for note in answer.notes)


# Failures


def failing(*which: str, **others: str) -> ScriptedLLM:
    def reply(request: ChatRequest) -> str | Reply:
        if request.tag in which:
            return Reply(
                text="x", fault=Fault(error=LLMContentFilterError, message=f"{request.tag} withheld")
            )
        return others.get(request.tag) or ANSWER(request)

    return slow(reply)


def test_points_that_fail_are_written_together_in_one_further_call() -> None:
    llm = failing("point 2", "point 4", fallback="=== 2 ===\nSecond.\n\n=== 4 ===\nFourth.")
    answer = answer_of(llm)
    assert [e.status for e in answer.expansions] == ["complete", "fallback", "complete", "fallback"]
    assert [e.text for e in answer.expansions][1::2] == ["Second.", "Fourth."]
    assert tags(answer).count("fallback") == 1
    assert answer.is_complete
    assert answer.text.index("Second.") < answer.text.index("C is") < answer.text.index("Fourth.")


def test_a_fallback_that_fails_too_leaves_the_other_points() -> None:
    answer = answer_of(failing("point 2", "fallback"))
    assert [e.status for e in answer.expansions] == ["complete", "failed", "complete", "complete"]
    assert "Aspect B" not in answer.text
    assert any("Point 2 ('Aspect B') failed" in note for note in answer.notes)
    assert not answer.is_complete


def test_a_failed_point_can_be_marked() -> None:
    answer = answer_of(failing("point 2"), on_failure="mark", failure_mark="(missing)")
    assert "2. **Aspect B**: (missing)" in answer.text
    assert (answer.expansions[1].status, answer.expansions[1].text) == ("failed", "")
    assert "point 2 withheld" in answer.expansions[1].error


def test_a_failed_point_can_be_an_error_that_carries_what_there_is() -> None:
    llm = failing("point 4")
    with pytest.raises(AnswerError, match="point 4 withheld") as caught:
        answer_of(llm, on_failure="raise")
    assert caught.value.answer.text.startswith("1. **Aspect A**: A is")
    assert isinstance(caught.value.__cause__, LLMContentFilterError)
    assert llm.open_calls == 0


def test_when_every_point_fails_there_is_no_answer() -> None:
    with pytest.raises(AnswerError, match="withheld") as caught:
        answer_of(failing("point 1", "point 2", "point 3", "point 4", "fallback"), on_failure="mark")
    assert [e.status for e in caught.value.answer.expansions] == ["failed"] * 4
    assert caught.value.answer.skeleton is not None


def test_an_empty_point_counts_as_failed() -> None:
    answer = answer_of(
        slow(lambda r: "" if r.tag == "point 2" else "Rescued." if r.tag == "fallback" else ANSWER(r))
    )
    assert (answer.expansions[1].status, answer.expansions[1].text) == ("fallback", "Rescued.")


def test_a_point_at_its_limit_is_truncated_and_noted() -> None:
    answer = answer_of(slow(ANSWER), max_tokens_per_point=3)
    assert [e.status for e in answer.expansions] == ["truncated"] * 4
    assert any("limit of tokens" in note for note in answer.notes)
    assert not answer.is_complete


def test_an_empty_direct_answer_is_an_error() -> None:
    with pytest.raises(AnswerError, match="said nothing"):
        answer_of(slow(""), router="never")


def test_a_direct_answer_that_breaks_off_is_returned_or_raised_as_chosen() -> None:
    broken = Reply(text="It begins well and then", fault=Fault(error=LLMContentFilterError, after_tokens=3))
    answer = answer_of(slow(broken), router="never")
    assert (answer.text, answer.is_complete) == ("It begins well", False)
    assert any("ends early" in note for note in answer.notes)
    with pytest.raises(AnswerError) as caught:
        answer_of(slow(broken), router="never", on_failure="raise")
    assert caught.value.answer.text == "It begins well"


def test_a_server_that_is_down_is_an_answer_error_with_every_call() -> None:
    with pytest.raises(AnswerError, match="down") as caught:
        answer_of(slow(Reply(text="", fault=Fault(error=LLMServerError, message="down"))))
    assert len(caught.value.answer.timings.calls) == 8  # four tries for a skeleton, four for an answer


# Coherence

AGAIN = "Every town must ask first who is going to pay for the bridge and for how long."


def repeating() -> WrittenAnswer:
    return WrittenAnswer(
        points=(("Money", AGAIN), ("Time", f"It takes years. {AGAIN}"), ("Ground", "Look below."))
    )


def test_repeats_across_points_are_noted_or_removed_or_left() -> None:
    noted = answer_of(slow(repeating()))
    assert any("Point 2 repeats point 1" in note for note in noted.notes)
    assert noted.text.count(AGAIN) == 2
    removed = answer_of(slow(repeating()), repeats="remove")
    assert removed.text.count(AGAIN) == 1
    assert removed.expansions[1].text == "It takes years."
    assert any("was taken out" in note for note in removed.notes)
    assert answer_of(slow(repeating()), repeats="keep").notes == ()


def test_the_stitch_pass_writes_transitions_and_takes_out_repeats() -> None:
    plan = json.dumps({"transitions": {"3": "All that stands on something."}, "remove": {"2": [AGAIN]}})
    answer = answer_of(slow(lambda r: plan if r.tag == "stitch" else repeating()(r)), stitch=True)
    assert answer.expansions[1].text == "It takes years."
    assert answer.expansions[2].text == "All that stands on something. Look below."
    assert tags(answer)[-1] == "stitch"


def test_a_stitch_pass_that_fails_changes_nothing() -> None:
    failed = Reply(text="", fault=Fault(error=LLMContentFilterError, message="withheld"))
    answer = answer_of(slow(lambda r: failed if r.tag == "stitch" else ANSWER(r)), stitch=True)
    assert answer.text == TEXT
    assert any("stitch pass failed" in note for note in answer.notes)


# Bad input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"router": "sometimes"}, "'auto', 'llm', 'always', 'never'"),
        ({"max_concurrency": 0}, "max_concurrency must be"),
        ({"max_points": 1}, "at least 2"),
        ({"deadline": -1}, "deadline must be"),
        ({"on_failure": "ignore"}, "'fallback', 'mark', 'raise'"),
        ({"dependencies": "yes"}, "'none', 'infer', 'model'"),
        ({"stop": "\n"}, "stop must be a sequence"),
        ({"prompts": "poetic"}, "poetic"),
        ({"style": "bold"}, "style must be one of"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_at_once(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        SkeletonOfThought(ScriptedLLM(ANSWER), **options)  # type: ignore[arg-type]


def test_what_is_no_model_is_refused_with_what_it_lacks() -> None:
    class Half:
        name = "half"
        supports_prefill = False

        def complete(self, request: ChatRequest) -> None: ...

    with pytest.raises(InputError, match="has no supports_json_schema, acomplete, stream, astream"):
        SkeletonOfThought(Half())  # type: ignore[arg-type]
    with pytest.raises(InputError, match="pass ScriptedLLM"):
        SkeletonOfThought(ScriptedLLM)  # type: ignore[arg-type]


@pytest.mark.parametrize("question", ["  ", [], [Message("assistant", "Hello")], ["text"]])
def test_what_is_no_question_is_refused_before_anything_is_asked(question: object) -> None:
    llm = ScriptedLLM(ANSWER)
    with pytest.raises(InputError):
        SkeletonOfThought(llm).stream(question)  # type: ignore[arg-type]
    assert llm.requests == []
