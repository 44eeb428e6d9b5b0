"""Question and passage as token windows."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from lingua_core import ModelError, Segment
from lingua_core.models.pairs import LONGEST_SEQUENCE, Pair, PairWindow, pair_windows
from lingua_core.models.tokenization import load_tokenizer
from lingua_core.segmentation import TextSegmenter
from lingua_core.weights import EXTRACTOR

CLS, SEP = 101, 102


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return load_tokenizer(EXTRACTOR)


def pair(text: str, question: str = "why?", *, title: str | None = None, known: str = "") -> Pair:
    segments = TextSegmenter().segment(text)
    return Pair(question=question, known=known, title=title, text=text, segments=segments)


def ids(tokenizer: Tokenizer, text: str) -> list[int]:
    return tokenizer.encode(text, add_special_tokens=False).ids


def answered(windows: Sequence[PairWindow]) -> list[int]:
    """The ids that the windows answer for, in order."""
    return [token for w in windows for token in w.ids[w.first : w.first + len(w.owners)]]


def test_a_short_pair_is_one_window_in_the_form_of_bert(tokenizer: Tokenizer) -> None:
    (window,) = pair_windows(tokenizer, [pair("It rained. It was cold.", "Did it rain?")])
    question, first, second = (
        ids(tokenizer, text) for text in ("Did it rain?", "It rained.", "It was cold.")
    )
    assert window.ids == [CLS, *question, SEP, *first, *second, SEP]
    assert window.pair == 0
    assert window.question == window.first == len(question) + 2
    assert window.owners.tolist() == [0] * len(first) + [1] * len(second)


def test_what_is_known_stands_behind_the_question_and_the_title_before_the_passage(
    tokenizer: Tokenizer,
) -> None:
    given_pair = pair("It rained.", "Did it rain?", title="Weather", known="It was in Oslo.")
    (window,) = pair_windows(tokenizer, [given_pair])
    head = [CLS, *ids(tokenizer, "Did it rain?"), SEP, *ids(tokenizer, "It was in Oslo."), SEP]
    title = ids(tokenizer, "Weather. ")
    assert window.ids == [*head, *title, *ids(tokenizer, "It rained."), SEP]
    # The title is passage to the model, but nothing is answered for it.
    assert window.question == len(head)
    assert window.first == len(head) + len(title)


def test_every_token_of_a_long_passage_is_answered_for_once_and_in_order(tokenizer: Tokenizer) -> None:
    text = " ".join(f"Sentence number {i} tells of thing {i * 7}." for i in range(120))
    long, short = pair(text, title="A title"), pair("One. Two.")
    windows = pair_windows(tokenizer, [short, long, short])
    assert [w.pair for w in windows] == sorted(w.pair for w in windows)
    own = [w for w in windows if w.pair == 1]
    assert len(own) > 3
    assert answered(own) == ids(tokenizer, text)
    owners = np.concatenate([w.owners for w in own])
    assert (np.diff(owners) >= 0).all()
    assert set(owners) == set(range(len(long.segments)))
    assert all(len(w.ids) <= LONGEST_SEQUENCE for w in own)
    heads = {tuple(w.ids[: w.question]) for w in own}
    assert len(heads) == 1


@pytest.mark.parametrize("longest", [160, 200, 512])
def test_windows_keep_the_length_asked_for(tokenizer: Tokenizer, longest: int) -> None:
    everything = pair("word " * 900, "what " * 90, title="title " * 40, known="known " * 80)
    windows = pair_windows(tokenizer, [everything], longest=longest)
    assert max(len(w.ids) for w in windows) <= longest
    assert len(answered(windows)) == 900


def test_a_long_question_loses_its_middle_only(tokenizer: Tokenizer) -> None:
    words = [f"w{i}" for i in range(200)]
    token_ids = ids(tokenizer, " ".join(words))
    (window,) = pair_windows(tokenizer, [pair("Text.", " ".join(words))])
    assert window.ids[: window.question] == [CLS, *token_ids[:32], *token_ids[-32:], SEP]


@pytest.mark.parametrize(("length", "kept"), [(63, 63), (64, 64), (65, 64), (300, 64)])
def test_questions_up_to_64_tokens_are_read_whole(tokenizer: Tokenizer, length: int, kept: int) -> None:
    (window,) = pair_windows(tokenizer, [pair("Text.", "why " * length)])
    assert window.question == kept + 2


def test_long_titles_and_long_evidence_are_cut_behind(tokenizer: Tokenizer) -> None:
    title, known = "alpha beta gamma delta " * 10, "one two three four five six seven eight " * 20
    (window,) = pair_windows(tokenizer, [pair("Text.", "Why?", title=title, known=known)])
    question = ids(tokenizer, "Why?")
    expected = [CLS, *question, SEP, *ids(tokenizer, known)[:64], SEP, *ids(tokenizer, title)[:24]]
    assert window.ids == [*expected, *ids(tokenizer, "Text."), SEP]


@pytest.mark.parametrize("title", [None, ""])
def test_no_title_leaves_no_trace(tokenizer: Tokenizer, title: str | None) -> None:
    (window,) = pair_windows(tokenizer, [pair("Text.", title=title)])
    assert window.first == window.question


@pytest.mark.parametrize("text", ["", "  \n\t ", "\u200b"])
def test_a_passage_without_tokens_is_a_window_that_answers_for_nothing(
    tokenizer: Tokenizer, text: str
) -> None:
    (window,) = pair_windows(tokenizer, [pair(text, "why?", title="Title")])
    assert len(window.owners) == 0
    assert window.ids[0] == CLS
    assert window.ids[-1] == SEP


def test_no_pairs_are_no_windows_and_an_empty_question_is_one(tokenizer: Tokenizer) -> None:
    assert pair_windows(tokenizer, []) == []
    (window,) = pair_windows(tokenizer, [pair("Text.", "")])
    assert window.ids[:2] == [CLS, SEP]


def test_segments_without_tokens_own_nothing(tokenizer: Tokenizer) -> None:
    text = "One.\n\u200b\nTwo."
    segments = [Segment(0, 4), Segment(5, 6), Segment(7, 11)]
    (window,) = pair_windows(tokenizer, [Pair(question="q", title=None, text=text, segments=segments)])
    assert set(window.owners) == {0, 2}


def test_lone_surrogates_are_read_as_replacement_characters(tokenizer: Tokenizer) -> None:
    odd, plain = "caf\ud800 \udfff", "caf\ufffd \ufffd"
    windows = pair_windows(tokenizer, [pair(text, text, title=text, known=text) for text in (odd, plain)])
    assert windows[0].ids == windows[1].ids


def test_a_vocabulary_without_special_tokens_is_a_clear_error() -> None:
    tokenizer = Tokenizer(models.WordLevel({"word": 0, "[UNK]": 1}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    with pytest.raises(ModelError, match=r"no token '\[CLS\]'"):
        pair_windows(tokenizer, [pair("Text.")])


TEXTS = st.lists(
    st.sampled_from(
        [
            "The cat sat.", "Is it raining?", "这是第一句。", "- an item", "# Heading", "| a | b |",
            "word " * 70, "🙂 e\u0301.", "\u200b", "", "\n\n", "x" * 150, "\ud800",
        ]
    ),
    max_size=12,
).map("\n".join)  # fmt: skip


@settings(max_examples=60)
@given(
    texts=st.lists(TEXTS, max_size=4),
    question=st.one_of(TEXTS, st.text(max_size=40)),
    title=st.none() | st.text(max_size=80),
    known=st.one_of(st.just(""), TEXTS),
    longest=st.integers(160, 300),
)
def test_windows_of_anything_answer_for_every_token_once(
    texts: list[str], question: str, title: str | None, known: str, longest: int
) -> None:
    tokenizer = load_tokenizer(EXTRACTOR)
    pairs = [pair(text, question, title=title, known=known) for text in texts]
    windows = pair_windows(tokenizer, pairs, longest=longest)
    assert [w.pair for w in windows] == sorted(w.pair for w in windows)
    assert {w.pair for w in windows} == set(range(len(pairs)))
    for i, given_pair in enumerate(pairs):
        own = [w for w in windows if w.pair == i]
        (alone,) = {tuple(w.ids[: w.question]) for w in own}
        assert alone.count(SEP) == (2 if known else 1)
        pieces = [given_pair.text[s.start : s.end].replace("\ud800", "\ufffd") for s in given_pair.segments]
        expected = [ids(tokenizer, piece) for piece in pieces]
        assert answered(own) == [token for piece in expected for token in piece]
        counts = np.bincount(np.concatenate([w.owners for w in own]).astype(int), minlength=len(pieces))
        assert counts.tolist() == [len(piece) for piece in expected]
        for window in own:
            assert len(window.ids) <= longest
            assert window.ids[-1] == SEP
            assert window.question <= window.first <= window.first + len(window.owners) < len(window.ids)
