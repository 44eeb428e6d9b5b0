"""What was removed, as passages: nothing is lost, nothing is there twice, and ids stay the same."""

from collections.abc import Mapping
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lingua_core import CompressedDocument, CompressionResult, Document, PromptCompressor, Span
from lingua_core.removed import OriginalDocument, removed_parts, removed_spans
from lingua_core.scorers import FixedScorer
from method_models import METHODS, options_of

LEXICAL = PromptCompressor("lexical")

HANDBOOK = (
    "# Installing\n\nInstall it with pip. It needs Python 3.11. Windows users need the build tools.\n\n"
    "# Prices\n\nThe basic plan costs 10 dollars a month. Students pay half the price.\n"
)
ODD = [
    "🙂🙃 An emoji begins it. 👩‍👩‍👧‍👦 A family goes on. The end is plain.",
    "这是第一句。“他说：你好。”然后走了！长城是中国的建筑。它很长。",
    "هل هذه جملة ثانية؟ نعم، هذه جملة قصيرة. זה משפט בעברית. וזה עוד אחד.",
    "A lone \ud800 surrogate stands here. Another \udfff one there. e\u0301 is combined.",
    "  \n\n White space at both ends.   \n\n\n\n\n                    And a wide gap.  \n ",
    HANDBOOK,
]


def every(result: CompressionResult) -> list[CompressedDocument]:
    return sorted((*result.documents, *result.dropped), key=lambda document: document.index)


def put_together(document: CompressedDocument, spans: list[Span]) -> str:
    return "".join(document.source.text[start:end] for start, end in sorted([*document.spans, *spans]))


def check(result: CompressionResult) -> None:
    parts = result.removed
    for document in every(result):
        gaps = list(removed_spans(document))
        assert put_together(document, gaps) == document.source.text
        own = [part for part in parts if part.document == document.index]
        spans = [span for part in own for span in part.spans]
        assert spans == sorted(spans)
        assert all(a.end <= b.start for a, b in pairwise(spans))
        inside = {i for span in spans for i in range(*span)}
        missing = "".join(document.source.text[i] for gap in gaps for i in range(*gap) if i not in inside)
        assert not missing.strip()
        assert not inside & {i for span in document.spans for i in range(*span)}
        for part in own:
            assert part.text == document.source.text[slice(*part.span)]
            assert part.text.strip()
            assert part.document_id == document.id


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rate", [0.3, 0.7])
def test_kept_spans_and_removed_ones_are_the_original_for_every_method(
    method: str, rate: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    compressor = PromptCompressor(**options_of(method, tmp_path_factory.mktemp))
    documents = [Document(text, id=str(i)) for i, text in enumerate(ODD)]
    result = compressor.compress(documents, "What do students pay?", rate=rate)
    assert result.removed
    check(result)


@settings(max_examples=60)
@given(data=st.data(), rate=st.floats(0.05, 1.0))
def test_kept_spans_and_removed_ones_are_the_original_for_any_text(
    generated: Mapping[str, st.SearchStrategy[str]], data: st.DataObject, rate: float
) -> None:
    texts = data.draw(st.lists(generated["texts"], min_size=1, max_size=4))
    check(LEXICAL.compress(texts, "tea", rate=rate))


def test_nothing_is_removed_where_everything_is_kept() -> None:
    assert LEXICAL.compress(ODD, "tea", rate=1.0).removed == ()
    assert LEXICAL.compress([], "tea", rate=0.5).removed == ()


def test_a_part_names_its_section() -> None:
    only_students = PromptCompressor(model=FixedScorer(lambda _, text: float("Students" in text)))
    result = only_students.compress([Document(HANDBOOK, id="book", title="Handbook")], "q", threshold=0.5)
    named = [(part.heading, part.heading_removed, part.text.strip()) for part in result.removed]
    assert named[0] == (
        "Installing",
        True,
        "# Installing\n\nInstall it with pip. It needs Python 3.11. Windows users need the build tools.",
    )
    assert named[1] == ("Prices", False, "The basic plan costs 10 dollars a month.")
    assert {part.title for part in result.removed} == {"Handbook"}


def test_tokens_of_parts_are_what_the_documents_lost() -> None:
    result = LEXICAL.compress([HANDBOOK, ODD[0]], "Students", rate=0.4)
    assert sum(part.tokens for part in result.removed) == result.origin_tokens - result.compressed_tokens


def test_a_long_dropped_document_is_several_parts() -> None:
    text = "This sentence is about nothing that anybody would ask for. " * 100
    result = PromptCompressor(model=FixedScorer(lambda _, __: 0.0)).compress([text], "q", threshold=0.5)
    lengths = [len(part.text) for part in result.removed]
    assert len(lengths) >= 4
    assert max(lengths) <= 1700
    assert "".join(part.text for part in result.removed) == text


def test_ids_depend_on_the_document_and_what_was_removed_alone() -> None:
    first = LEXICAL.compress([HANDBOOK], "Students", rate=0.4)
    again = LEXICAL.compress(["Something else. And more.", HANDBOOK], "Students", rate=0.4)
    assert first.removed == PromptCompressor("lexical").compress([HANDBOOK], "Students", rate=0.4).removed
    ids = {part.digest: part.text for part in first.removed}
    other = LEXICAL.compress([Document(HANDBOOK, id="named")], "Students", rate=0.4)
    assert {part.text for part in other.removed} == set(ids.values())
    assert not {part.digest for part in other.removed} & set(ids)
    for part in again.removed:
        assert ids.get(part.digest, part.text) == part.text


def test_ids_are_short_beginnings_of_digests() -> None:
    for part in LEXICAL.compress(ODD, "Students", rate=0.3).removed:
        assert len(part.id) == 10
        assert part.id[0] == "r"
        assert part.id[1:].isdigit()
        assert part.digest.startswith(part.id)


def test_ids_grow_where_short_ones_would_be_the_same() -> None:
    texts = [f"Number {i} is here. It is about {i} things." for i in range(400)]
    result = LEXICAL.compress(texts, "Number", rate=0.5)
    ids = [part.id for part in result.removed]
    assert len(set(ids)) == len({part.digest for part in result.removed})


def test_equal_documents_have_equal_keys() -> None:
    document = Document("A \ud800 b", id="x", title="t", metadata={"page": 1})
    assert OriginalDocument.of(document) == OriginalDocument.of(Document("A \ud800 b", id="x", title="t"))
    assert OriginalDocument.of(document).key != OriginalDocument.of(Document("A \ud800 b", id="y")).key


def test_parts_do_not_depend_on_the_order_of_the_documents() -> None:
    result = LEXICAL.compress(ODD, "Students", rate=0.4)
    assert removed_parts(reversed(every(result))) == result.removed
