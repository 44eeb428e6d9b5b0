"""What the model is asked: templates, the order that caches need, prefill, languages, and several points."""

import json
from dataclasses import fields, replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingua_core import InputError
from lingua_core.llms.base import Message
from lingua_core.skeleton.parsing import SectionSplitter, parse_skeleton, section_marker
from lingua_core.skeleton.prompts import PRESETS, SKELETON_SCHEMA, SkeletonPrompts, get_prompts
from lingua_core.skeleton.types import Point, Skeleton

PLAN = Skeleton(
    points=(
        Point(index=1, text="Less noise"),
        Point(index=2, text="Cleaner air"),
        Point(index=3, text="Conclusion", depends_on=(1, 2)),
    )
)
QUESTION = "Why do cities buy electric buses?"
CONTEXT = "[1] A bus is quiet.\n[2] A bus is clean."
HISTORY = (Message("user", "Hello"), Message("assistant", "Hello. What is it?"))
names = pytest.mark.parametrize("name", PRESETS)


def spelled(messages: tuple[Message, ...]) -> str:
    return "".join(f"<{message.role}>{message.content}" for message in messages)


def common_prefix(a: str, b: str) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


# Order


@names
def test_requests_about_one_question_begin_with_system_history_context_and_question(name: str) -> None:
    prompts = get_prompts(name)
    shared: dict[str, Any] = {"context": CONTEXT, "history": HISTORY}
    plan = prompts.skeleton_request(QUESTION, **shared)
    points = [prompts.point_request(QUESTION, PLAN, [point], **shared) for point in PLAN.points]
    several = prompts.point_request(QUESTION, PLAN, PLAN.points[:2], **shared)
    direct = prompts.direct_request(QUESTION, **shared)
    begin = spelled(direct)
    assert begin.index("Hello") < begin.index(CONTEXT) < begin.index(QUESTION)
    for request in (plan, *points, several):
        assert spelled(request.messages).startswith(begin)
        assert request.prefix_key == plan.prefix_key
    other = prompts.skeleton_request("Why trams?", **shared)
    assert other.prefix_key != plan.prefix_key


@names
def test_requests_for_points_differ_only_behind_the_skeleton(name: str) -> None:
    prompts = get_prompts(name)
    requests = [
        spelled(prompts.point_request(QUESTION, PLAN, [p], context=CONTEXT).messages) for p in PLAN.points
    ]
    for request in requests:
        assert PLAN.to_text() in request
    for a, b in pairwise(requests):
        assert common_prefix(a, b) > a.index(PLAN.to_text()) + len(PLAN.to_text())


def test_a_skeleton_that_grows_is_a_prefix_of_itself_in_the_prompt() -> None:
    prompts = get_prompts()
    begun = Skeleton(points=PLAN.points[:1])
    early = spelled(prompts.point_request(QUESTION, begun, begun.points, is_partial=True).messages)
    later = spelled(prompts.point_request(QUESTION, PLAN, PLAN.points[1:2], is_partial=True).messages)
    assert "further points may follow" in early
    assert common_prefix(early, later) >= early.index(begun.to_text()) + len(begun.to_text())


# Points


@names
def test_a_point_is_told_what_it_is_and_what_not_to_cover(name: str) -> None:
    request = get_prompts(name).point_request(QUESTION, PLAN, [PLAN.points[1]], length="one haiku")
    task = request.messages[-1].content.partition(PLAN.to_text())[2]
    assert "point 2" in task
    assert "Cleaner air" in task
    assert "1, 3" in task or "the other points" in task
    assert "one haiku" in task
    assert request.points == (PLAN.points[1],)
    assert request.prefill == ""


def test_a_point_sees_the_texts_that_it_builds_on_behind_what_all_points_share() -> None:
    parents = {2: "The air gets cleaner.", 1: "It gets quiet {really}."}
    request = get_prompts().point_request(QUESTION, PLAN, [PLAN.points[2]], parents=parents)
    content = request.messages[-1].content
    order = [
        PLAN.to_text(),
        "1. Less noise\nIt gets quiet {really}.",
        "2. Cleaner air\nThe air gets cleaner.",
        "Write point 3",
    ]
    places = [content.index(part) for part in order]
    assert places == sorted(places)


def test_several_points_are_asked_for_with_the_markers_that_the_splitter_knows() -> None:
    request = get_prompts().point_request(QUESTION, PLAN, PLAN.points[:2], prefill=True)
    content = request.messages[-2].content
    assert f"{section_marker(1)}, {section_marker(2)}" in content
    assert request.prefill == section_marker(1)
    splitter = SectionSplitter(request.points)
    found = splitter.feed(f"\nQuiet.\n{section_marker(2)}\nClean.\n")
    assert [*found, *splitter.finish().deltas] == [(1, "Quiet."), (2, "Clean.")]


# Prefill, JSON, limits


@names
def test_replies_are_begun_for_models_that_allow_it_and_the_parser_knows(name: str) -> None:
    prompts = get_prompts(name)
    plan = prompts.skeleton_request(QUESTION, prefill=True)
    assert plan.messages[-1] == Message("assistant", plan.prefill) == Message("assistant", "1.")
    found = parse_skeleton(" Less noise\n2. Cleaner air", prefix=plan.prefill)
    assert isinstance(found, Skeleton)
    assert found.points == PLAN.points[:2]
    point = prompts.point_request(QUESTION, PLAN, PLAN.points[1:2], prefill=True)
    assert point.messages[-1] == Message("assistant", "2. Cleaner air:")
    assert point.prefill == "2. Cleaner air:"
    plain = prompts.skeleton_request(QUESTION, prefill=False)
    assert (plain.messages[-1].role, plain.prefill) == ("user", "")


def test_no_prefill_ends_in_white_space_which_some_servers_refuse() -> None:
    prompts = replace(get_prompts(), point_prefill="{point_index}. ")
    assert prompts.point_request(QUESTION, PLAN, PLAN.points[:1], prefill=True).prefill == "1."


def test_json_is_asked_for_in_words_and_as_a_schema() -> None:
    request = get_prompts().skeleton_request(QUESTION, prefill=True, json_schema=True)
    assert request.json_schema == SKELETON_SCHEMA
    assert request.prefill == ""
    content = request.messages[-1].content
    example = content[content.index("{") : content.rindex("}") + 1]
    assert json.loads(example) == {"points": [{"point": "...", "depends_on": []}]}
    assert get_prompts().skeleton_request(QUESTION).json_schema is None


def test_a_limit_and_dependencies_are_asked_for_only_when_wanted() -> None:
    plain = spelled(get_prompts().skeleton_request(QUESTION).messages)
    full = spelled(get_prompts().skeleton_request(QUESTION, max_points=4, with_dependencies=True).messages)
    assert "at most 4 points" in full
    assert "(depends on: 1, 2)" in full
    assert "at most" not in plain
    assert "depends on" not in plain


def test_examples_come_with_the_presets_that_have_them_and_behind_what_is_shared() -> None:
    plain, few_shot = (
        spelled(get_prompts(name).skeleton_request(QUESTION).messages) for name in ("chat", "chat-few-shot")
    )
    assert few_shot.startswith(plain)
    assert "1. Cooler summers" in few_shot[len(plain) :]


# What users bring


@pytest.mark.parametrize(
    "question",
    ["为什么城市购买电动公交车？", "Warum kaufen Städte Elektrobusse?", "لماذا تشتري المدن حافلات كهربائية؟"],
)
@names
def test_the_answers_language_is_that_of_the_question(name: str, question: str) -> None:
    prompts = get_prompts(name)
    plan = Skeleton(points=(Point(index=1, text="更少噪音"), Point(index=2, text="Fazit")))
    for request in (
        prompts.skeleton_request(question),
        prompts.point_request(question, plan, plan.points[:1]),
    ):
        content = request.messages[-1].content
        assert question in content
        assert "language of the question" in content
    assert "in the language of the question" in prompts.direct_request(question)[0].content


@given(
    question=st.text(min_size=1).filter(str.strip),
    context=st.text(),
    title=st.text(min_size=1, max_size=20),
    reply=st.text(),
)
def test_what_users_and_models_write_is_never_read_as_a_template(
    question: str, context: str, title: str, reply: str
) -> None:
    prompts = get_prompts()
    plan = Skeleton(points=(Point(index=1, text=title), Point(index=2, text="{skeleton}{0}{{")))
    content = (
        prompts.point_request(question, plan, plan.points[:1], context=context, parents={2: reply})
        .messages[-1]
        .content
    )
    for part in (question, title, "{skeleton}{0}{{", reply, context if context.strip() else ""):
        assert part in content
    assert question in prompts.skeleton_request(question, context=context).messages[-1].content
    assert reply in prompts.stitch_request(question, plan, [reply, reply])[-1].content


def test_a_system_message_in_the_history_joins_ours() -> None:
    messages = get_prompts().direct_request(QUESTION, history=(Message("system", "Be brief."), *HISTORY))
    assert [message.role for message in messages] == ["system", "user", "assistant", "user"]
    assert messages[0].content.endswith("\n\nBe brief.")
    assert replace(get_prompts(), system="").direct_request(QUESTION) == (
        Message("user", f"Question: {QUESTION}"),
    )


def test_the_stitch_request_shows_every_text_below_its_marker() -> None:
    content = get_prompts().stitch_request(QUESTION, PLAN, ["Quiet.", "Clean.", "Good."])[-1].content
    assert "=== 2 ===\nClean." in content
    assert '{"transitions": [{"point": 2, "text": "..."}]' in content


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: p.skeleton_request(" "), "question must say something, got ' '"),
        (
            lambda p: p.direct_request("Why?", history=HISTORY[:1]),
            "history must end with a turn of the assistant",
        ),
        (lambda p: p.point_request("Why?", PLAN, []), "points is empty"),
        (
            lambda p: p.point_request("Why?", PLAN, [Point(index=7, text="x")]),
            r"Points \[7\] are not in the skeleton",
        ),
        (lambda p: p.stitch_request("Why?", PLAN, ["a"]), "Got 1 texts for 3 points"),
    ],
)
def test_impossible_requests_are_refused(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(get_prompts())


# Templates


def test_every_template_can_be_replaced() -> None:
    for field in fields(SkeletonPrompts):
        assert isinstance(getattr(get_prompts(), field.name), str)
        replace(get_prompts(), **{field.name: getattr(get_prompts(), field.name) + " {{more}}"})
    own = replace(get_prompts(), point_task="Nr. {point_index}: {point} {{x}}")
    assert (
        own.point_request(QUESTION, PLAN, PLAN.points[:1])
        .messages[-1]
        .content.endswith("Nr. 1: Less noise {x}")
    )


@pytest.mark.parametrize(
    ("field", "template", "message"),
    [
        ("question", "Q: {query}", r"'question' has unknown places \['query'\]; it may have \['question'\]"),
        ("question", "Q:", r"'question' lacks \['question'\]"),
        ("point_task", "Write {point}.", r"'point_task' lacks \['point_index'\]"),
        ("plan", "Plan: {skeleton", "'plan' cannot be read"),
        ("plan", "Plan: {skeleton.points}", "is no plain name"),
        ("plan", "Plan: {skeleton!r}", "is no plain name"),
        ("plan", "Plan: {}", "is no plain name"),
        ("system", "Hi {name}", "unknown places"),
        ("length", 3, "'length' must be a string, got 3"),
    ],
)
def test_templates_that_cannot_be_filled_are_refused(field: str, template: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(get_prompts(), **{field: template})


def test_unknown_presets_are_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"no prompts named 'chatty'; there are chat, chat-few-shot"):
        get_prompts("chatty")
