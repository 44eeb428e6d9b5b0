"""BM25 over segments."""

import numpy as np
import pytest

from lingua_core import Document, PromptCompressor
from lingua_core.scorers.lexical import LexicalScorer, terms


def test_the_sentence_with_the_words_is_kept() -> None:
    text = "Cats sleep. The treaty was signed in Utrecht. Dogs bark at night. Birds fly south."
    assert PromptCompressor("lexical").compress(
        [text], "Where was the treaty signed?", target_tokens=8
    ).text == ("The treaty was signed in Utrecht.")


def test_scores_lie_between_zero_and_one_whatever_the_query_length() -> None:
    texts = ["alpha beta gamma delta", "alpha alpha alpha alpha alpha alpha", "nothing here"]
    for query in ("alpha", "alpha beta gamma", "alpha absent missing words"):
        result = PromptCompressor("lexical").compress(texts, query, rate=1.0)
        scores = [d.score for d in result.documents]
        assert all(0 <= score <= 1 for score in scores)
        assert scores[2] == 0


def test_titles_count_for_every_sentence_of_the_passage() -> None:
    documents = [
        Document("The capital is large. It has a port.", title="Denmark"),
        Document("The capital is large. It has a port.", title="Peru"),
    ]
    result = PromptCompressor("lexical").compress(documents, "capital of Peru", target_tokens=6)
    assert [d.title for d in result.documents] == ["Peru"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Cats' prices", ["the", "cat", "price"]),
        ("glass bus is", ["glass", "bus", "is"]),
        ("中文分词", ["中文", "文分", "分词"]),
        ("字", ["字"]),
        ("ÉCOLE straße", ["école", "strasse"]),
        ("3.14 a_b", ["3", "14", "a", "b"]),
        ("classes boxes churches", ["class", "box", "church"]),
        ("पैंथर्स की", ["पैंथर्स", "की"]),
        ("القُدْس", ["القدس"]),
        ("cafe\u0301", ["café"]),
        ("C++", ["c", "++"]),
        ("", []),
    ],
)
def test_terms(text: str, expected: list[str]) -> None:
    assert terms(text) == expected


def test_chinese_is_matched_without_spaces() -> None:
    text = "北京是中国的首都。猫在睡觉。今天下雨了。"
    assert (
        PromptCompressor("lexical").compress([text], "中国的首都是哪里？", target_tokens=10).text
        == "北京是中国的首都。"
    )


def test_without_a_query_frequent_topics_win() -> None:
    text = (
        "Copper is a metal. Copper conducts electricity. We had lunch yesterday afternoon. "
        "Copper wires carry electricity into homes. Thanks to everyone."
    )
    (document,) = PromptCompressor("lexical").compress([text], rate=1.0).documents
    scores = {text[s.start : s.end]: s.score for s in document.segments}
    chatter = [score for sentence, score in scores.items() if "opper" not in sentence]
    assert max(chatter) < min(score for sentence, score in scores.items() if "opper" in sentence)


def test_a_query_without_words_scores_zero() -> None:
    result = PromptCompressor("lexical").compress(["One text. Two."], "?!", rate=0.9)
    assert all(s.score == 0 for d in (*result.documents, *result.dropped) for s in d.segments)


def test_same_scores_in_any_batch() -> None:
    scorer = LexicalScorer()
    first = PromptCompressor(model=scorer).compress_batch(
        [["a b. c d."], ["a x. y z."]], ["a", "z"], rate=1.0
    )
    alone = PromptCompressor(model=scorer).compress(["a b. c d."], "a", rate=1.0)
    np.testing.assert_array_equal(
        [s.score for s in first[0].documents[0].segments], [s.score for s in alone.documents[0].segments]
    )
