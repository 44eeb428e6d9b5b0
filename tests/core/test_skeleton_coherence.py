"""From points' texts to one answer: echoes, sections, stitching, repeats, and the answer's form."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingua_core import InputError
from lingua_core.skeleton.parsing import (
    EchoStripper,
    Removal,
    SectionSplitter,
    StitchPlan,
    apply_stitch,
    parse_stitch,
    section_marker,
    strip_echo,
)
from lingua_core.skeleton.rendering import POINT_SEPARATOR, point_opening, render_answer
from lingua_core.skeleton.similarity import find_repeats, remove_repeats
from lingua_core.skeleton.types import Point

POINT = Point(index=3, text="Lower running cost")
POINTS = (Point(index=2, text="Less noise"), Point(index=3, text="Air"), Point(index=5, text="成本"))


def cut(text: str, marks: Iterable[int]) -> list[str]:
    places = sorted({mark % (len(text) + 1) for mark in marks})
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


marks = st.lists(st.integers(0, 10**6), max_size=20)


# Echoes

ECHOES = {
    "3. Lower running cost: Power is cheap.": "Power is cheap.",
    "3. Lower running cost. Power is cheap.": "Power is cheap.",
    "**3. Lower running cost**\n\nPower is cheap.": "Power is cheap.",
    "3. **Lower running cost:** Power is cheap.": "Power is cheap.",
    "**Lower running cost** Power is cheap.": "Power is cheap.",
    "### Lower running cost\nPower is cheap.": "Power is cheap.",
    "Lower running cost - Power is cheap.": "Power is cheap.",
    "Lower Running Cost: power is cheap.": "power is cheap.",
    "Point 3: Lower running cost\nPower is cheap.": "Power is cheap.",
    "3. Lower running cost: 3. Lower running cost: Power is cheap.": "Power is cheap.",
    "3. Power is cheap.": "Power is cheap.",
    "<think>\nWell.\n</think>\n\nLower running cost: Power is cheap.": "Power is cheap.",
    " \n Power is cheap. \n": "Power is cheap.",
    "Lower running cost": "",
    "<think>never closed": "",
    "": "",
}
KEPT = (
    "Power is cheap.",
    "Lower running costs are what counts.",
    "Lower running cost is what counts.",
    "Lower prices count.",
    "3.5 percent less is paid.",
    "3 of 4 cities pay less.",
    "4. Lower running cost: no, that is another point.",
    "**Note**: power is cheap.",
    "1. First\n2. Second",
    "[1] says so.",
    "<b>Power</b> is cheap.",
    "3",
)


@pytest.mark.parametrize("text", ECHOES)
def test_headings_that_the_model_writes_again_are_removed(text: str) -> None:
    assert strip_echo(text, POINT) == ECHOES[text]


@pytest.mark.parametrize("text", KEPT)
def test_text_that_only_looks_like_a_heading_stays(text: str) -> None:
    assert strip_echo(text, POINT) == text


def test_titles_in_other_scripts_and_with_explanations_are_known_too() -> None:
    assert strip_echo("3. 更低的成本：电很便宜。", Point(index=3, text="更低的成本")) == "电很便宜。"
    assert strip_echo("更低的成本是重要的。", Point(index=3, text="更低的成本")) == "更低的成本是重要的。"
    assert strip_echo("**Why now?** Because.", Point(index=3, text="Why now?")) == "Because."
    assert strip_echo("**Cost**: Cheap.", Point(index=3, text="Cost: why it falls")) == "Cheap."
    assert strip_echo("1. Charge it\n2. Drive", Point(index=1, text="Steps")) == "1. Charge it\n2. Drive"


def test_a_reply_without_an_echo_is_passed_on_at_once() -> None:
    stripper = EchoStripper(POINT)
    assert stripper.feed("Power") == "Power"
    assert stripper.feed(" is ") == " is"
    assert stripper.feed("cheap.\n") == " cheap."
    assert stripper.finish() == ""


pieces_of_echoes = [
    "3. ",
    "**",
    "Lower running cost",
    "Lower ",
    ":",
    ".",
    " - ",
    "\n",
    "### ",
    "<think>",
    "</think>",
    "Point ",
    "3",
    "[1]",
    " ",
    "x",
]


@given(
    text=st.lists(st.sampled_from(pieces_of_echoes) | st.text(max_size=5), max_size=12).map("".join),
    marks=marks,
)
def test_echoes_are_removed_alike_however_the_reply_is_cut(text: str, marks: list[int]) -> None:
    stripper = EchoStripper(POINT)
    found = "".join(map(stripper.feed, cut(text, marks))) + stripper.finish()
    assert found == strip_echo(text, POINT)
    assert found == found.strip()
    assert found in text


# Sections


def split(pieces: Iterable[str]) -> tuple[dict[int, str], tuple[int, ...]]:
    splitter = SectionSplitter(POINTS)
    deltas = [delta for piece in pieces for delta in splitter.feed(piece)]
    end = splitter.finish()
    found: dict[int, str] = {}
    for index, text in (*deltas, *end.deltas):
        found[index] = found.get(index, "") + text
    return found, end.missing


@pytest.mark.parametrize(
    ("reply", "expected", "missing"),
    [
        (
            "=== 2 ===\nQuiet.\n\n=== 3 ===\nClean\nair.\n=== 5 ===\n便宜。",
            {2: "Quiet.", 3: "Clean\nair.", 5: "便宜。"},
            (),
        ),
        ("\nQuiet.\n===3===\nClean.\n**=== 5 ===**\nCheap.", {2: "Quiet.", 3: "Clean.", 5: "Cheap."}, ()),
        ("=== 2. Less noise ===\nQuiet.\n=== 3\nClean.", {2: "Quiet.", 3: "Clean."}, (5,)),
        (
            "### 2. Less noise\nQuiet.\n**3. Air**\nClean.\n5. 成本\nCheap.",
            {2: "Quiet.", 3: "Clean.", 5: "Cheap."},
            (),
        ),
        (
            "Only one text, 3 lines\n3 of them\n=== 9 ===\nno more",
            {2: "Only one text, 3 lines\n3 of them\n=== 9 ===\nno more"},
            (3, 5),
        ),
        ("=== 5 ===\nCheap.\n=== 2 ===\nQuiet.", {5: "Cheap.", 2: "Quiet."}, (3,)),
        ("=== 3 ===\n\n", {}, (2, 3, 5)),
        ("", {}, (2, 3, 5)),
    ],
)
def test_a_reply_with_several_points_is_told_apart(
    reply: str, expected: dict[int, str], missing: tuple[int, ...]
) -> None:
    assert split([reply]) == (expected, missing)


reply_pieces = [
    "=== 2 ===",
    "=== 3 ===\n",
    "===5",
    "== 7 ==",
    "\n",
    "3. Air",
    "Less noise",
    " ",
    "=",
    "# ",
    "Text.",
    "2",
    "\r\n",
]


@given(
    reply=st.lists(st.sampled_from(reply_pieces) | st.text(max_size=5), max_size=15).map("".join), marks=marks
)
def test_sections_are_the_same_however_the_reply_is_cut(reply: str, marks: list[int]) -> None:
    found, missing = split(cut(reply, marks))
    assert (found, missing) == split([reply])
    assert {*found, *missing} == {2, 3, 5}
    assert all(text == text.strip() and text for text in found.values())


def test_text_of_a_section_is_passed_on_before_its_line_ends() -> None:
    splitter = SectionSplitter(POINTS)
    assert splitter.feed(f"{section_marker(2)}\nQuiet buses") == [(2, "Quiet buses")]
    assert splitter.feed(" help.") == [(2, " help.")]


def test_a_splitter_needs_points() -> None:
    with pytest.raises(InputError, match="points is empty"):
        SectionSplitter([])


# Stitching


@pytest.mark.parametrize(
    "reply",
    [
        '{"transitions": [{"point": 2, "text": "Besides,"}], '
        '"remove": [{"point": 3, "sentence": "It saves money."}]}',
        'Sure:\n```json\n{"transitions": {"2": "Besides,"}, "remove": {"3": ["It saves money."]}}\n```',
        "Transition 2: Besides,\n- remove 3: It saves money.",
    ],
)
def test_a_stitch_reply_is_read_and_carried_out(reply: str) -> None:
    plan = parse_stitch(reply, points=3)
    assert plan == StitchPlan(
        transitions={2: "Besides,"}, removals=(Removal(index=3, sentence="It saves money."),)
    )
    texts = ("Quiet.", "air gets clean.", "Power is cheap. It saves money. So it pays.")
    assert apply_stitch(texts, plan) == ("Quiet.", "Besides, air gets clean.", "Power is cheap. So it pays.")


def test_a_stitch_pass_removes_only_what_stands_there_and_never_everything() -> None:
    plan = StitchPlan(removals=(Removal(index=1, sentence="Quiet."), Removal(index=2, sentence="Not there.")))
    assert apply_stitch(("Quiet.", "Clean."), plan) == ("Quiet.", "Clean.")


def test_a_stitch_reply_that_makes_no_sense_changes_nothing_and_is_noted() -> None:
    assert parse_stitch("I like it.", points=2).notes == (
        "The stitch reply could not be read: 'I like it.'.",
    )
    assert "names point 7 of 2" in parse_stitch('{"transitions": {"7": "So"}}', points=2).notes[0]
    assert parse_stitch('{"transitions": [], "remove": []}', points=2) == StitchPlan()


@given(
    reply=st.text() | st.from_regex(r'\{"(transitions|remove)": [\[{"a-z:0-9\]}, ]{0,40}', fullmatch=True),
    points=st.integers(1, 5),
)
def test_any_stitch_reply_gives_a_plan_that_can_be_carried_out(reply: str, points: int) -> None:
    texts = [f"Text {i}." for i in range(points)]
    assert len(apply_stitch(texts, parse_stitch(reply, points=points))) == points


# Repeats

FIRST = "Electric buses make much less noise than diesel buses do. Passengers like them."
LATER = (
    "Charging takes hours at night. "
    "Electric buses make much less noise than diesel buses. It pays in the end."
)


def test_a_sentence_said_twice_is_found_where_it_is_said_again() -> None:
    (repeat,) = find_repeats([FIRST, "Nothing of the sort is said in this one here.", LATER])
    assert (repeat.text, repeat.earlier_text) == (2, 0)
    assert (
        LATER[repeat.span.start : repeat.span.end] == "Electric buses make much less noise than diesel buses."
    )
    assert FIRST[repeat.earlier_span.start : repeat.earlier_span.end].startswith("Electric buses make")
    assert 0.6 <= repeat.similarity <= 1


def test_repeats_are_found_in_scripts_without_spaces() -> None:
    texts = ["电动公交车比柴油公交车安静得多。乘客很喜欢。", "晚上充电。电动公交车比柴油公交车要安静得多。"]
    (repeat,) = find_repeats(texts)
    assert texts[1][repeat.span.start : repeat.span.end] == "电动公交车比柴油公交车要安静得多。"
    assert remove_repeats(texts, [repeat]) == (texts[0], "晚上充电。")


def test_sentences_that_share_a_subject_or_are_short_are_no_repeats() -> None:
    assert (
        find_repeats(
            [
                FIRST,
                "Electric buses need less repair than diesel buses with old engines do.",
                "Passengers like them.",
            ]
        )
        == ()
    )
    assert find_repeats([FIRST + " " + FIRST]) == (), "within one point, a writer may repeat"


def test_repeats_are_removed_with_their_space_but_no_text_is_emptied() -> None:
    texts = [FIRST, LATER, "Electric buses make much less noise than diesel buses."]
    assert remove_repeats(texts, find_repeats(texts)) == (
        FIRST,
        "Charging takes hours at night. It pays in the end.",
        texts[2],
    )


def test_an_impossible_threshold_is_refused() -> None:
    with pytest.raises(InputError, match="threshold must be in"):
        find_repeats(["a"], threshold=0)


@given(st.lists(st.text(max_size=60) | st.sampled_from([FIRST, LATER]), max_size=5))
def test_repeats_lie_within_their_texts(texts: list[str]) -> None:
    for repeat in find_repeats(texts):
        assert repeat.earlier_text < repeat.text
        assert texts[repeat.text][repeat.span.start : repeat.span.end].strip()
    for before, after in zip(texts, remove_repeats(texts, find_repeats(texts)), strict=True):
        assert len(after) <= len(before)


# The answer's form


def test_points_open_as_their_style_says() -> None:
    assert point_opening(POINT, "numbered") == "3. **Lower running cost**: "
    assert point_opening(Point(index=1, text="Why?"), "numbered") == "1. **Why?** "
    assert point_opening(Point(index=1, text="成本"), "numbered") == "1. **成本**："
    assert point_opening(POINT, "headings") == "## Lower running cost\n\n"
    assert point_opening(POINT, "plain") == ""


@pytest.mark.parametrize("style", ["numbered", "headings", "plain"])
def test_an_answer_is_its_openings_and_texts_and_the_separators(style: str) -> None:
    texts = ("Quiet.", "Clean.", "便宜。")
    streamed = POINT_SEPARATOR.join(point_opening(p, style) + t for p, t in zip(POINTS, texts, strict=True))  # type: ignore[arg-type]
    assert render_answer(zip(POINTS, texts, strict=True), style) == streamed  # type: ignore[arg-type]
    assert "Air" not in render_answer([(POINTS[0], "Quiet."), (POINTS[1], " ")], "headings")
