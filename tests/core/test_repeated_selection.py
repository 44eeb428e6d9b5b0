"""Selecting from the same documents for several queries and budgets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lingua_core import Document, PromptCompressor
from lingua_core.errors import ScorerError
from lingua_core.rendering import render
from lingua_core.scorers import FixedScorer, ScoringTask
from lingua_core.scorers.base import PassageScores

TEXTS = (
    "Bridges carry roads. They are dear. A ferry needs no bridge at all, but it needs a river.",
    "A tunnel is dark. It is dearer than a bridge, and it leaks. Rivers flow above it.",
    "",
    "Bread is baked at night. Bakers sleep by day.",
)
QUERIES = ("What does a bridge carry?", "Why is a tunnel dear?", "When do bakers sleep?")


@pytest.mark.parametrize("method", ["extract", "lexical"])
def test_what_is_selected_is_what_compress_keeps(method: str) -> None:
    compressor = PromptCompressor(method)  # type: ignore[arg-type]
    everything = range(len(TEXTS))
    for tokens in (12, 25, 60):
        repeated = compressor.repeated_selection(TEXTS, largest=tokens)
        together = repeated.score([(query, everything) for query in QUERIES])
        for query, scores in zip(QUERIES, together, strict=True):
            alone = repeated.score([(query, everything)])[0]
            assert np.array_equal(alone.keep, scores.keep)
            found = repeated.select(scores.keep, target_tokens=tokens, headings=[""] * len(TEXTS))
            expected = compressor.compress(TEXTS, query, target_tokens=tokens)
            kept = {document.index: document.spans for document in expected.documents}
            assert {i: spans for i, spans in enumerate(found.spans) if spans} == kept
            assert found.tokens == expected.compressed_tokens


def test_documents_that_were_not_asked_for_have_no_scores() -> None:
    repeated = PromptCompressor("lexical").repeated_selection(TEXTS, largest=100)
    first, second = repeated.score([("bridge", [1, 2]), ("bread", [])])
    assert np.isnan(first.keep[repeated.owners != 1]).all()
    assert not np.isnan(first.keep[repeated.owners == 1]).any()
    assert np.isnan(second.keep).all()
    assert np.isnan(first.relevance[[0, 2, 3]]).all()


@settings(max_examples=60, deadline=None)
@given(
    scores=st.lists(st.floats(0, 1, width=32), min_size=40, max_size=40),
    tokens=st.integers(1, 80),
    headings=st.lists(
        st.sampled_from(["", "[1]\n", "A long title of many words\n", "tied: "]), min_size=4, max_size=4
    ),
    splits=st.booleans(),
)
def test_headings_and_text_together_hold_the_budget(
    scores: list[float], tokens: int, headings: list[str], splits: bool
) -> None:
    counter = None if splits else (lambda text: -(-len(text) // 4))
    compressor = PromptCompressor(model=FixedScorer(), token_counter=counter, protect=())
    repeated = compressor.repeated_selection(TEXTS, largest=tokens)
    keep = np.resize(np.array(scores, np.float32), len(repeated.owners))
    try:
        found = repeated.select(keep, target_tokens=tokens, headings=headings)
    except ValueError:  # not even the smallest piece fits
        return
    parts = [
        headings[i] + render(text, found.spans[i], "\n") for i, text in enumerate(TEXTS) if found.spans[i]
    ]
    assert compressor.token_counter.count(["\n\n".join(parts)])[0] <= tokens


def test_a_scorer_that_breaks_its_protocol_is_an_error() -> None:
    class Short(FixedScorer):
        def score(self, tasks: object) -> list[list[PassageScores]]:
            assert isinstance(tasks, list)
            assert all(isinstance(task, ScoringTask) for task in tasks)  # pyright: ignore[reportUnknownVariableType]
            return [[] for _ in tasks]  # pyright: ignore[reportUnknownVariableType]

    repeated = PromptCompressor(model=Short()).repeated_selection([Document("A b.")], largest=10)
    with pytest.raises(ScorerError, match="one PassageScores for each passage"):
        repeated.score([("q", [0])])
