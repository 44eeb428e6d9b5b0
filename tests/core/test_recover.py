"""From an answer back to its sources."""

import pytest

from lingua_core import CompressionResult, Document, InputError, PromptCompressor
from lingua_core.scorers import FixedScorer

DOCUMENTS = [
    Document(
        "The dam was finished in 1936. It is 221 metres high. Tourists came from all over the country.",
        id="dam",
    ),
    Document("Lake Mead lies behind it. The lake holds 35 cubic kilometres of water.", id="lake"),
    Document("长城是中国的建筑。它很长。", id="wall"),
]


@pytest.fixture(scope="module")
def result() -> CompressionResult:
    return PromptCompressor(model=FixedScorer(lambda _, text: -float("Tourists" in text))).compress(
        DOCUMENTS, "q", threshold=0
    )


def located(result: CompressionResult, response: str) -> list[tuple[str, str | None, list[str]]]:
    sources = {d.id: d.source.text for d in result.documents}
    return [
        (r.kind, r.document_id, [sources[r.document_id][a:b] for a, b in r.spans])
        for r in result.recover(response)
    ]


def test_a_repeated_sentence_is_found(result: CompressionResult) -> None:
    assert located(result, "Well. The lake holds 35 cubic kilometres of water.") == [
        ("sentence", "lake", ["The lake holds 35 cubic kilometres of water."])
    ]


def test_a_rephrased_sentence_is_found_by_its_words(result: CompressionResult) -> None:
    (found,) = result.recover("In 1936 the dam was finally finished.")
    assert found.document_id == "dam"
    assert 0.5 <= found.similarity < 1
    assert found.response_span == (0, 37)


def test_a_quote_is_found_word_for_word_with_its_exact_span(result: CompressionResult) -> None:
    found = located(result, "The report says “is 221 Metres high”, which is a lot.")
    assert ("quote", "dam", ["is 221 metres high"]) in found


def test_a_quote_over_two_sentences_gives_two_spans(result: CompressionResult) -> None:
    found = located(result, 'It reads "finished in 1936. It is 221".')
    assert ("quote", "dam", ["finished in 1936", "It is 221"]) in found


def test_chinese_answers_are_mapped(result: CompressionResult) -> None:
    assert ("sentence", "wall", ["长城是中国的建筑。"]) in located(result, "长城是中国的著名建筑。")


def test_what_was_dropped_or_invented_has_no_origin(result: CompressionResult) -> None:
    assert result.recover("Tourists came from everywhere, all over the country.") == []
    assert result.recover("Penguins cannot fly but swim well.") == []
    assert result.recover("") == []


def test_response_spans_point_into_the_response(result: CompressionResult) -> None:
    response = 'First: The dam was finished in 1936. Then "221 metres high" was noted.'
    for found in result.recover(response):
        assert response[found.response_span.start : found.response_span.end] == found.text


def test_bad_arguments_are_clear_errors(result: CompressionResult) -> None:
    with pytest.raises(InputError, match="response must be a str"):
        result.recover(None)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="min_similarity must be in"):
        result.recover("x", min_similarity=2)


@pytest.mark.parametrize(
    ("source", "answer"),
    [
        ("The ticket price is not refundable.", "The ticket price is refundable."),
        ("The ticket price is refundable.", "The ticket price isn't refundable."),
        ("The harbour was dredged in 1988.", "The harbour was dredged in 1987."),
        ("The tower was built in 1889.", "Yes, it is."),
        ("The tower was built in 1889.", "The."),
    ],
)
def test_what_contradicts_or_says_nothing_is_not_cited(source: str, answer: str) -> None:
    result = PromptCompressor(model=FixedScorer()).compress([source], "q", rate=1.0)
    assert [r for r in result.recover(answer) if r.kind == "sentence"] == []


@pytest.mark.parametrize(
    "text", ["पैंथर्स की डिफ़ेन्स ने अच्छा खेला।", "القُدْس مدينة قديمة جدا.", "ประเทศไทยมีเมืองหลวง"]
)
def test_words_with_combining_marks_are_found_whole(text: str) -> None:
    result = PromptCompressor(model=FixedScorer()).compress([text], "q", rate=1.0)
    assert [r.similarity for r in result.recover(text)] == [1.0]
