"""What is never cut in half."""

import re

import pytest

from lingua_core import Document, InputError, PromptCompressor, Span
from lingua_core.protection import Protection, merge_spans
from lingua_core.scorers import FixedScorer
from lingua_core.segmentation import TextSegmenter
from lingua_core.segmentation.lines import Line, lines_of


@pytest.mark.parametrize(
    ("kind", "text", "piece"),
    [
        ("numbers", "costs $1,234.50 today", "$1,234.50"),
        ("numbers", "grew by 3.5 % then", "3.5 %"),
        ("numbers", "about 12 km away", "12 km"),
        ("numbers", "on 2024-01-05 at noon", "2024-01-05"),
        ("numbers", "sold 3.5 million units", "3.5 million"),
        ("numbers", "from 1914–1918 only", "1914–1918"),
        ("negations", "it did not work", "not work"),
        ("negations", "we don't know it", "don't know"),
        ("negations", "without warning it", "without warning"),
        ("negations", "es ist nicht wahr", "nicht wahr"),
        ("code", "call `a. b` now", "`a. b`"),
        ("code", "x\n```\na. b\n```\ny", "```\na. b\n```"),
        ("urls", "see https://a.example/x?y=1.2 there", "https://a.example/x?y=1.2"),
        ("urls", "mail a.b@c.example now", "a.b@c.example"),
        ("quotes", 'he said "No. Never." and', '"No. Never."'),
        ("quotes", "he said “No. Never.” and", "“No. Never.”"),
        ("quotes", "他说「好。走吧。」然后", "「好。走吧。」"),
    ],
)
def test_built_in_kinds_find_whole_pieces(kind: str, text: str, piece: str) -> None:
    found = [text[a:b] for a, b in Protection([kind]).spans(text)]
    assert piece in found


def test_a_sentence_boundary_inside_a_protected_piece_is_ignored() -> None:
    text = 'He wrote "Stop. Go home. Now." to them. Then he left.'
    segments = TextSegmenter().segment(text)
    kept = Protection(["quotes"]).keep_whole(text, segments)
    assert [text[s.start : s.end] for s in kept] == [
        'He wrote "Stop. Go home. Now." to them.',
        "Then he left.",
    ]


def test_user_patterns_are_kept_whole_across_sentences() -> None:
    text = "Start. BEGIN one. two. END Rest. Last."
    compressor = PromptCompressor(
        model=FixedScorer(lambda _, piece: float("two" in piece)), protect=[re.compile("BEGIN.*?END")]
    )
    assert compressor.compress([text], "q", target_tokens=8).text == "BEGIN one. two. END Rest."


@pytest.mark.parametrize("target", range(3, 40))
def test_protected_pieces_survive_tiny_budgets_whole_or_not_at_all(target: int) -> None:
    text = (
        "The long report, which did not mention https://example.org/a/b?c=1 or `x = f(1. + 2.)`, "
        "says that “prices rose. A lot.” by 3.5 million dollars in 2023, however little that may be"
    )
    pieces = [
        "not mention",
        "https://example.org/a/b?c=1",
        "`x = f(1. + 2.)`",
        "“prices rose. A lot.”",
        "3.5 million",
    ]
    result = PromptCompressor(model=FixedScorer()).compress([text], "q", target_tokens=target)
    spans = result.documents[0].spans
    for piece in pieces:
        start = text.index(piece)
        whole = Span(start, start + len(piece))
        overlapping = [s for s in spans if s.start < whole.end and s.end > whole.start]
        assert all(s.start <= whole.start and whole.end <= s.end for s in overlapping), (piece, result.text)


def test_always_keep_wins_over_scores() -> None:
    compressor = PromptCompressor(model=FixedScorer(), always_keep=[r"\bWARNING\b"])
    text = "First. Second. Third. WARNING: hot. Fifth."
    assert compressor.compress([text], "q", target_tokens=6).text == "First.\nWARNING: hot."


def test_always_keep_larger_than_the_budget_is_an_error_that_says_so() -> None:
    compressor = PromptCompressor(model=FixedScorer(), always_keep=["keep"])
    with pytest.raises(InputError, match=r"always_keep matches is \d+ tokens .* budget allows 3"):
        compressor.compress(["Please keep this rather long sentence. Not this."], "q", target_tokens=3)


def test_a_protected_piece_larger_than_the_budget_is_an_error_if_nothing_else_fits() -> None:
    code = "```\n" + "x = 1\n" * 50 + "```"
    with pytest.raises(InputError, match="Nothing fits the budget of 20 tokens"):
        PromptCompressor(model=FixedScorer()).compress([code], "q", target_tokens=20)


def test_a_protected_piece_larger_than_the_budget_is_noted_if_something_else_fits() -> None:
    code = "```\n" + "x = 1\n" * 50 + "```"
    result = PromptCompressor(model=FixedScorer()).compress([code, "Short text."], "q", target_tokens=20)
    assert result.text == "Short text."
    assert "protected_over_budget" in [note.code for note in result.notes]
    assert result.notes[0].document == 0


@pytest.mark.parametrize(
    ("protect", "message"),
    [
        ("numbers", "single str"),
        (["nubmers"], "Unknown kind in protect: 'nubmers'"),
        (["(unclosed"], "no valid regular expression"),
        ([r"\d*"], "matches empty text"),
        ([3], "must hold str and re.Pattern"),
    ],
)
def test_bad_patterns_are_clear_errors(protect: object, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        PromptCompressor(model=FixedScorer(), protect=protect)  # type: ignore[arg-type]


def test_looking_for_protected_pieces_reads_only_the_range_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []

    def watched(text: str) -> list[Line]:
        read.append(len(text))
        return lines_of(text)

    monkeypatch.setattr("lingua_core.protection.lines_of", watched)
    text = "Before.\n```\nx = 1\n```\n" + "word " * 10_000
    assert [text[a:b] for a, b in Protection(["code"]).spans(text, 8, 50)] == ["```\nx = 1\n```"]
    assert read == [42]


def test_merge_spans_unites_overlaps_only() -> None:
    assert merge_spans([Span(5, 7), Span(0, 3), Span(2, 4), Span(4, 5)]) == [
        Span(0, 4),
        Span(4, 5),
        Span(5, 7),
    ]


def test_headings_come_with_what_is_below_and_not_alone() -> None:
    text = "# Prices\n\nTea costs three pounds.\n\n# Rules\n\nNobody may enter."
    wants_rules = FixedScorer(lambda _, piece: 2.0 if "Prices" in piece else float("enter" in piece))
    result = PromptCompressor(model=wants_rules).compress([Document(text)], "q", target_tokens=6)
    assert result.text == "# Rules\n\nNobody may enter."
    plain = PromptCompressor(model=wants_rules, keep_headings=False)
    assert plain.compress([Document(text)], "q", target_tokens=6).text == "# Prices\nNobody may enter."


def test_a_table_row_comes_with_the_header_row() -> None:
    text = "| city | people |\n|---|---|\n| Aba | 5 |\n| Bari | 7 |\n| Cork | 9 |"
    wants_bari = FixedScorer(lambda _, piece: float("Bari" in piece))
    result = PromptCompressor(model=wants_bari).compress([text], "q", threshold=0.5)
    assert result.text == "| city | people |\n|---|---|\n| Bari | 7 |"
