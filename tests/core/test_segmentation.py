"""Segments: exact, complete, and where a reader would put them."""

import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingua_core import PromptCompressor
from lingua_core.documents import Span
from lingua_core.scorers import FixedScorer
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
        ("It calls self._unknown. See a.Txt or b!Then.", ["It calls self._unknown.", "See a.Txt or b!Then."]),
        ("name,age\nann,3\nbob,4", ["name,age", "ann,3", "bob,4"]),
        (
            "10:00:01 INFO started worker 3\n10:00:02 ERROR failed to open file /tmp/x: no such file here\n"
            "10:00:03 INFO retrying in 5 s",
            [
                "10:00:01 INFO started worker 3",
                "10:00:02 ERROR failed to open file /tmp/x: no such file here",
                "10:00:03 INFO retrying in 5 s",
            ],
        ),
        ("---\ntitle: A. B\n---\nText. More.", ["---\ntitle: A. B\n---", "Text.", "More."]),
        ("§ 3. Goods are movables. Art. 5. Persons.", ["§ 3. Goods are movables.", "Art. 5. Persons."]),
        (
            "A paragraph of two lines whose first\nends inside of a sentence. Next.",
            ["A paragraph of two lines whose first\nends inside of a sentence.", "Next."],
        ),
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


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (
            "See.\n\n```python\n# Load it\nimport os\n\ndef f(x):\n    return x\n",
            "```python\n# Load it\nimport os\n\ndef f(x):\n    return x",
        ),
        ("    return 2\n```\n\nProse follows. It has two.", "return 2\n```"),
        ("x=1\n```\n\nProse. More.\n\n```python\ny = 2\n```\nEnd.", "x=1\n```"),
        ("x=1\n```\n\nProse. More.\n\n```python\ny = 2\n```\nEnd.", "```python\ny = 2\n```"),
        (
            "def f(x):\n    # comment. Here\n    return x + 1\n\nThat is it.",
            "def f(x):\n    # comment. Here\n    return x + 1",
        ),
        ('{\n  "a": 1,\n  "b": "Text. More."\n}', '{\n  "a": 1,\n  "b": "Text. More."\n}'),
    ],
)
def test_code_stays_whole_in_chunks_that_begin_or_end_inside_it(text: str, code: str) -> None:
    found = [text[s.start : s.end] for s in TextSegmenter().segment(text) if s.kind == "code"]
    assert code in found
    assert not any("Prose" in piece for piece in found)


def test_nested_items_are_introduced_by_the_item_around_them() -> None:
    text = "Parts:\n\n- cable\n  - red\n  - blue\n    - dark\n- plug"
    segments = TextSegmenter().segment(text)
    assert [text[s.start : s.end] for s in segments] == [
        "Parts:",
        "- cable",
        "- red",
        "- blue",
        "- dark",
        "- plug",
    ]
    assert [s.parent for s in segments] == [-1, 0, 1, 1, 3, 0]


def test_comments_are_no_headings_and_headings_follow_their_level() -> None:
    licence = "# GNU licence\n# version 3\n# of the licence\n\nText that follows here, in a sentence."
    assert "heading" not in {s.kind for s in TextSegmenter().segment(licence)}
    segments = TextSegmenter().segment("# A\n\n# B\n\n## C\n\nText.")
    assert [s.parent for s in segments] == [-1, -1, 1, 2]


def test_an_unclosed_fence_does_not_swallow_the_document() -> None:
    assert (
        segments_of("end of code\n```\nProse follows. It has two sentences.")[-1] == "It has two sentences."
    )


@pytest.mark.parametrize(
    "unit", ["word ", "字", "a;b,c ", "x y\u00a0", "대한민국의 ", "abcdefghijk\t", "abcdefghijk\n"]
)
def test_a_giant_sentence_is_divided_between_words(unit: str) -> None:
    text = (unit * 4000).strip()
    result = PromptCompressor(model=FixedScorer()).compress([text], "q", rate=1.0)
    segments = result.documents[0].segments
    assert len(segments) > 3
    assert all(s.end - s.start <= 1200 for s in segments)
    for segment in segments[:-1]:
        left, right = text[segment.end - 1], text[segment.end]
        assert not (left.isalnum() and right.isalnum()) or left == right == "字"


def test_numbers_and_negations_survive_the_division_of_giant_sentences() -> None:
    for shift in range(0, 90, 7):
        text = "x" * shift + " we do not go to the store because it was 5 million dollars and we never" * 30
        (document,) = PromptCompressor(model=FixedScorer()).compress([text], "q", rate=1.0).documents
        pieces = [text[s.start : s.end] for s in document.segments]
        assert len(pieces) > 1
        assert not any(piece.endswith((" 5", " not")) or piece.startswith("million") for piece in pieces)


@pytest.mark.parametrize("size", [5_000, 30_000])
def test_a_giant_word_or_number_is_not_cut(size: int) -> None:
    assert segments_of("x" * size) == ["x" * size]
    assert any("1" * size in piece for piece in segments_of(f"The key is {'1' * size} ok."))


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
