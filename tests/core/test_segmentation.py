"""Segments: exact, complete, and where a reader would put them."""

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingua_core.documents import Span
from lingua_core.segmentation import TextSegmenter, divide


def segments_of(text: str) -> list[str]:
    return [text[s.start : s.end] for s in TextSegmenter().segment(text)]


def check_covers(text: str) -> None:
    segments = TextSegmenter().segment(text)
    previous = 0
    for i, segment in enumerate(segments):
        assert previous <= segment.start < segment.end <= len(text)
        assert not text[previous : segment.start].strip(), "text between segments is lost"
        piece = text[segment.start : segment.end]
        assert piece == piece.strip()
        assert -1 <= segment.parent < i
        previous = segment.end
    assert not text[previous:].strip()


def test_segments_cover_generated_text(generated: dict[str, st.SearchStrategy[str]]) -> None:
    given(generated["texts"])(check_covers)()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Dr. Smith paid 3.14 dollars, e.g. for tea. See Fig. 3 and No. 5. J. K. Rowling left.",
            [
                "Dr. Smith paid 3.14 dollars, e.g. for tea.",
                "See Fig. 3 and No. 5.",
                "J. K. Rowling left.",
            ],
        ),
        ("这是第一句。这是第二句！", ["这是第一句。", "这是第二句！"]),
        ("日本語です。次の文。", ["日本語です。", "次の文。"]),
        ("هذه جملة أولى. هل هذه جملة ثانية؟", ["هذه جملة أولى.", "هل هذه جملة ثانية؟"]),
        ("यह पहला वाक्य है। यह दूसरा है।", ["यह पहला वाक्य है।", "यह दूसरा है।"]),
        ("Он сказал, т.е. повторил. Конец.", ["Он сказал, т.е. повторил.", "Конец."]),
        ("- one\n- two. More.\n  wrapped", ["- one", "- two. More.\n  wrapped"]),
        ("1. Install it\n2. Run it", ["1. Install it", "2. Run it"]),
        ("| a | b |\n|---|---|\n| 1.5 | 2 |", ["| a | b |\n|---|---|", "| 1.5 | 2 |"]),
        ("```py\nx = 1.\ny. z\n```\nAfter. It.", ["```py\nx = 1.\ny. z\n```", "After.", "It."]),
        ("# Top. One\nText here.", ["# Top. One", "Text here."]),
        ("Overview\n========\nText here.", ["Overview\n========", "Text here."]),
        ("Key: value\nOther: thing", ["Key: value", "Other: thing"]),
        ("", []),
        (" \n\t ", []),
    ],
)
def test_segments_where_a_reader_would_cut(text: str, expected: list[str]) -> None:
    assert segments_of(text) == expected


def test_hard_wrapped_lines_are_joined() -> None:
    text = (
        "This paragraph was wrapped by an editor at about seventy columns, so\n"
        "that a sentence goes on in the next line. The second sentence also\n"
        "does."
    )
    assert len(segments_of(text)) == 2


def test_headings_lists_and_tables_introduce_what_follows() -> None:
    text = "# Costs\n\nThe parts are:\n\n- a cable\n\n| part | price |\n|---|---|\n| cable | 3 |\n\nDone."
    segments = TextSegmenter().segment(text)
    found = {
        text[s.start : s.end]: (s.kind, text[segments[s.parent].start : segments[s.parent].end])
        for s in segments
    }
    assert found["- a cable"] == ("list_item", "The parts are:")
    assert found["| cable | 3 |"] == ("table_row", "| part | price |\n|---|---|")
    assert found["Done."] == ("sentence", "# Costs")


def test_an_unclosed_fence_does_not_swallow_the_document() -> None:
    assert (
        segments_of("end of code\n```\nProse follows. It has two sentences.")[-1] == "It has two sentences."
    )


@pytest.mark.parametrize("unit", ["word ", "字", "a;b,c ", "x y\u00a0"])
def test_a_giant_sentence_is_divided_between_words(unit: str) -> None:
    text = (unit * 4000).strip()
    segments = TextSegmenter(max_characters=500).segment(text)
    check_covers(text)
    assert all(s.end - s.start <= 500 for s in segments)
    for segment in segments[:-1]:
        assert not (
            text[segment.end - 1].isascii()
            and text[segment.end].isalnum()
            and text[segment.end - 1].isalnum()
        )


def test_a_word_is_never_cut() -> None:
    assert segments_of("x" * 5000) == ["x" * 5000]


@given(st.text(alphabet="ab, ;.字\n", max_size=300), st.integers(1, 60), st.data())
def test_divide_cuts_neither_words_nor_protected_spans(text: str, limit: int, data: st.DataObject) -> None:
    stripped = text.strip()
    if not stripped:
        return
    start = data.draw(st.integers(0, len(stripped)))
    protected = [Span(start, data.draw(st.integers(start, len(stripped))))]
    pieces = divide(stripped, Span(0, len(stripped)), limit, protected)
    previous = 0
    for piece in pieces:
        assert not stripped[previous : piece.start].strip()
        assert piece.start < piece.end
        previous = piece.end
    assert previous == len(stripped)
    for left, right in itertools.pairwise(pieces):
        assert not (protected[0].start < left.end < protected[0].end)
        assert not (protected[0].start < right.start < protected[0].end)
        if left.end == right.start:
            assert not (stripped[left.end - 1] in "ab" and stripped[right.start] in "ab")


@pytest.mark.parametrize(
    "text",
    [
        "a" + " " * 1_000_000 + "b.",
        "a.a" * 300_000,
        "```x\n" * 200_000,
        "“" * 500_000,
        "\n" * 1_000_000 + "x",
        "- " * 400_000,
        "| a" * 300_000,
        "=" * 500_000 + "x",
        "a@" * 400_000,
        "n't " * 250_000,
    ],
    ids=lambda text: repr(text[:6]),
)
def test_hostile_text_takes_linear_time(text: str) -> None:
    """A bound that only quadratic behaviour can miss: minutes, not a speed claim."""
    from lingua_core.protection import Protection

    started = time.process_time()
    segments = TextSegmenter().segment(text)
    Protection().keep_whole(text, segments)
    assert time.process_time() - started < 30
