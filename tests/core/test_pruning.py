"""The methods that look inside sentences: stages, iterative compression, and the whole way."""

import json
import random
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from language_models import TEXT, language_model
from lingua_core import BudgetError, Document, InputError, PromptCompressor, ScorerError
from lingua_core.models.causal_lm import CausalLM
from lingua_core.models.continuations import Continuation
from lingua_core.models.hugging_face import TokenizedText
from lingua_core.pruning import plan
from lingua_core.pruning.iterative import IterativePruner
from lingua_core.pruning.options import PruningOptions, as_options
from lingua_core.scorers import CombinedScorer, FixedScorer, Passage, PassageScores, ScoringTask
from lingua_core.scorers.base import pool
from lingua_core.scorers.causal import RESTRICTION, PerplexityRanker, SurprisalScorer
from lingua_core.scorers.choice import choose_scorer
from lingua_core.segmentation import Segment
from lingua_core.segmentation.words import PhraseSegmenter, WordSegmenter

pytest.importorskip("torch")

SENTENCES = [f"{s}." for s in TEXT.rstrip(".").split(". ")]
DOCUMENTS = [" ".join(SENTENCES[i : i + 3]) for i in range(0, 12, 3)]
QUESTION = "Who had built two bridges before?"
METHODS = ["llmlingua", "longllmlingua", "selective-context"]
_CACHE: dict[str, CausalLM] = {}


def model(kind: str = "llama") -> CausalLM:
    if kind not in _CACHE:
        _CACHE[kind] = CausalLM(language_model(kind))
    return _CACHE[kind]


def compressor(method: str = "llmlingua", **options: Any) -> PromptCompressor:
    fixed = {name: options.pop(name) for name in ("separator", "protect", "always_keep") if name in options}
    return PromptCompressor(method, model=model(), options=options or None, **fixed)  # type: ignore[arg-type]


def words(query: str | None, *texts: str) -> ScoringTask:
    cut = WordSegmenter().segment
    return ScoringTask(query=query, passages=[Passage(text=t, title=None, segments=cut(t)) for t in texts])


class Whole:
    """Cuts nothing."""

    def segment(self, text: str) -> list[Segment]:
        return [Segment(0, len(text))] if text else []


# Words and phrases


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The bridge  of\nVarno.", ["The", "bridge", "of", "Varno."]),
        ("東京は大きい。", ["東", "京", "は", "大", "き", "い。"]),
        ("a（b）ok", ["a（b）ok"]),
        ("", []),
        (" \n ", []),
        ("ไทย abc", ["ไ", "ท", "ย", "abc"]),
        ("空\u3000白", ["空", "白"]),
        ("éa̐b 🤷🏽‍♀️!", ["éa̐b", "🤷🏽‍♀️!"]),
    ],
)
def test_words_are_runs_without_white_space(text: str, expected: list[str]) -> None:
    assert [text[s.start : s.end] for s in WordSegmenter().segment(text)] == expected


def test_phrases_are_content_words_with_what_leads_to_them() -> None:
    text = "The bridge of Varno was opened in 1887. He said nothing,\nbut smiled"
    assert [text[s.start : s.end] for s in PhraseSegmenter().segment(text)] == [
        "The bridge", "of Varno", "was opened", "in 1887.", "He said nothing,", "but smiled",
    ]  # fmt: skip


@given(st.text(max_size=80))
def test_words_and_phrases_hold_every_character_that_is_not_white_space(text: str) -> None:
    for segmenter in (WordSegmenter(), PhraseSegmenter()):
        at = 0
        for segment in segmenter.segment(text):
            assert not text[at : segment.start].strip()
            assert segment.end > segment.start >= at
            at = segment.end
        assert not text[at:].strip()


def test_a_word_inside_a_token_gets_the_tokens_score() -> None:
    scores = PassageScores(
        relevance=0.0,
        starts=np.array([0, 2, 5]),
        ends=np.array([2, 3, 6]),
        keep=np.array([0.9, 0.4, 0.1], np.float32),
    )
    segments = [Segment(0, 1), Segment(1, 2), Segment(2, 3), Segment(4, 5), Segment(5, 6)]
    np.testing.assert_allclose(pool(scores, segments), [0.9, 0.9, 0.4, 0.1, 0.1])


# Scorers


def test_selective_context_scores_are_surprisals() -> None:
    subject = SurprisalScorer(model())
    task = words(None, *DOCUMENTS)
    (found,) = subject.score([task])
    rows = model().tokenize(DOCUMENTS)
    values = model().surprisals([Continuation(np.zeros(0, np.int64), row.ids) for row in rows])
    for scores, row, expected in zip(found, rows, values, strict=True):
        np.testing.assert_array_equal(scores.starts, row.starts)
        np.testing.assert_allclose(scores.keep, expected, rtol=1e-5)
        assert scores.relevance == pytest.approx(float(expected.mean()))


def test_the_first_token_of_a_text_without_a_beginning_gets_the_mean() -> None:
    (found,) = SurprisalScorer(model("gpt2")).score([words(None, DOCUMENTS[0])])
    assert found[0].keep[0] == pytest.approx(float(found[0].keep[1:].mean()), rel=1e-5)


def test_tokens_outside_of_the_segments_are_not_read() -> None:
    text = DOCUMENTS[0]
    half = [s for s in WordSegmenter().segment(text) if s.start > len(text) // 2]
    task = ScoringTask(query=None, passages=[Passage(text=text, title=None, segments=half)])
    (found,) = SurprisalScorer(model()).score([task])
    assert found[0].starts.min() >= half[0].start - 1


def joined(one: str, other: str) -> np.ndarray:
    """Tokens of a text behind another."""
    return model().tokenize([one + other])[0].ids[len(model().tokenize([one])[0].ids) :]


@pytest.mark.parametrize("condition", ["none", "before", "after"])
def test_perplexity_ranks_by_what_the_papers_say(condition: Any) -> None:
    subject = PerplexityRanker(model(), condition=condition)
    (found,) = subject.score([words(QUESTION, *DOCUMENTS)])
    asked = model().tokenize([QUESTION + RESTRICTION])[0].ids
    nothing = np.zeros(0, np.int64)
    for text, scores in zip(DOCUMENTS, found, strict=True):
        own = model().tokenize([text])[0].ids
        order = {
            "none": Continuation(nothing, own),
            "before": Continuation(
                asked, model().tokenize([QUESTION + RESTRICTION + text])[0].ids[len(asked) :]
            ),
            "after": Continuation(own, model().tokenize([text + QUESTION + RESTRICTION])[0].ids[len(own) :]),
        }[condition]
        mean = float(model().surprisals([order])[0].mean())
        assert scores.relevance == pytest.approx(mean if condition == "none" else -mean, abs=1e-4)
        assert set(scores.keep.tolist()) == {np.float32(scores.relevance)}


def test_of_a_passage_longer_than_the_window_the_best_part_counts() -> None:
    subject = CausalLM(language_model("llama"), window=48)
    task = words(QUESTION, TEXT, DOCUMENTS[0])
    (found,) = PerplexityRanker(subject).score([task])
    assert all(np.isfinite(scores.relevance) for scores in found)


# Iterative compression


@pytest.mark.parametrize("contrast", [False, True])
@pytest.mark.parametrize("kind", ["llama", "gpt2", "gemma2"])
@pytest.mark.parametrize("stretch", [7, 40, 1000])
def test_with_and_without_a_cache_the_same_is_kept(kind: str, contrast: bool, stretch: int) -> None:
    task = words(QUESTION, *DOCUMENTS)
    rows = [
        IterativePruner(model(kind), stretch=stretch, contrast=contrast, cached=cached).prune(
            task, [0.3, 0.5, 0.7, 0.1]
        )
        for cached in (True, False)
    ]
    for one, other in zip(*rows, strict=True):
        np.testing.assert_array_equal(one.keep > 0, other.keep > 0)
        np.testing.assert_allclose(one.keep, other.keep, atol=1e-3)


@pytest.mark.parametrize("stretch", [10, 50, 1000])
@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.9, 0.0, 1.0])
def test_every_stretch_is_cut_so_that_the_share_is_met(stretch: int, share: float) -> None:
    task = words(None, *DOCUMENTS)
    found = IterativePruner(model(), stretch=stretch).prune(task, [share] * len(DOCUMENTS))
    tokens = model().tokenize(DOCUMENTS)
    kept = total = 0
    for scores, row, passage in zip(found, tokens, task.passages, strict=True):
        ends = [s.end for s in passage.segments]
        owners = np.searchsorted(ends, row.starts, side="right")
        kept += int((scores.keep > 0)[owners].sum())
        total += len(owners)
    assert abs(kept - share * total) <= 4  # half a word at most
    last = found[-1].keep
    if 0.05 < share < 0.85:
        assert (last > 0).any()
        assert not (last > 0).all()


def test_what_was_kept_before_decides_what_surprises_after_it() -> None:
    task = words(None, *DOCUMENTS)
    one = IterativePruner(model(), stretch=30).prune(task, [0.5] * 4)
    other = IterativePruner(model(), stretch=30).prune(task, [0.1, 0.5, 0.5, 0.5])
    assert not np.allclose(one[1].keep, other[1].keep)


def test_a_text_of_one_word_or_none_is_fine() -> None:
    for texts in ((), ("Harbour",), ("\u200b",)):
        found = IterativePruner(model()).prune(words("q", *texts), [0.5] * len(texts))
        assert len(found) == len(texts)
        assert all(np.isfinite(scores.keep).all() for scores in found)


# The whole way


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("rate", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("copies", [1, 6])
def test_rates_are_met_and_texts_are_verbatim(method: str, rate: float, copies: int) -> None:
    documents = [Document(" ".join([text] * copies), id=str(i)) for i, text in enumerate(DOCUMENTS)]
    result = compressor(method).compress(documents, QUESTION, rate=rate)
    assert abs(result.rate - rate) <= 0.02
    for document in result.documents:
        assert document.text == "".join(document.source.text[a:b] for a, b in document.spans)
        assert document.source is documents[int(document.id or 0)]
        for a, b in document.spans:
            for border in (a, b):
                around = document.source.text[max(0, border - 1) : border + 1]
                assert border in (0, len(document.source.text)) or any(c.isspace() for c in around)
    assert len(result.documents) + len(result.dropped) == len(documents)
    json.dumps(result.to_dict(), allow_nan=False)
    result.to_html()


@pytest.mark.parametrize("method", METHODS)
def test_a_target_is_never_exceeded(method: str) -> None:
    for target in (5, 20, 60):
        assert (
            compressor(method).compress(DOCUMENTS, QUESTION, target_tokens=target).compressed_tokens <= target
        )


@pytest.mark.parametrize("method", METHODS)
def test_a_batch_is_what_its_prompts_are_alone(method: str) -> None:
    subject = compressor(method)
    batch = [DOCUMENTS, DOCUMENTS[:1], [], DOCUMENTS[1:]]
    queries = [QUESTION, None, QUESTION, "What does the lamp burn?"]
    together = subject.compress_batch(batch, queries, rate=0.4)
    for found, documents, query in zip(together, batch, queries, strict=True):
        assert found.text == subject.compress(documents, query, rate=0.4).text


@settings(max_examples=25)
@given(st.lists(st.text(max_size=60), max_size=4), st.sampled_from(METHODS), st.floats(0.05, 1.0))
def test_any_text_survives(texts: list[str], method: str, rate: float) -> None:
    result = compressor(method).compress(texts, "why?", rate=rate)
    for document in result.documents:
        assert document.text == "".join(document.source.text[a:b] for a, b in document.spans)


def test_protected_pieces_stay_whole_and_patterns_are_kept() -> None:
    text = (
        "They paid 4,500 crowns per day. See https://varno.example/a b c d e f for what was never sold here."
    )
    result = compressor(always_keep=[r"crowns"]).compress([text], rate=0.4)
    assert "crowns" in result.text
    for segment in result.documents[0].segments:
        piece = text[segment.start : segment.end]
        assert ("never" in piece) == ("never sold" in piece)
        assert ("https" in piece) == ("https://varno.example/a" in piece)


def test_documents_behind_the_line_are_set_aside_and_forced_ones_are_not() -> None:
    ranker = FixedScorer(lambda _, text: float(DOCUMENTS.index(text)) if text in DOCUMENTS else 0.0)
    few = {"ranker": ranker, "unit": "sentence", "document_extra": 0}
    tokens = compressor(**few).compress(DOCUMENTS, rate=1.0).documents[0].origin_tokens
    result = compressor(**few).compress(DOCUMENTS, target_tokens=tokens // 2)
    assert {d.index for d in result.documents} <= {0, 1, 2, 3}
    assert len(result.documents) == 1
    forced = compressor(**few, forced_documents=(2,)).compress(DOCUMENTS, target_tokens=tokens // 2)
    assert [d.index for d in forced.documents] == [2]
    with pytest.raises(InputError, match=r"forced_documents holds \[9\], but there are 4"):
        compressor(**few, forced_documents=(9,)).compress(DOCUMENTS, target_tokens=9)


def test_the_sentence_stage_drops_whole_sentences_first() -> None:
    fine = compressor(ranker=False, sentence_slack=1.0).compress(DOCUMENTS, rate=0.4)
    touched = 0
    for document in fine.documents:
        for sentence in SENTENCES:
            start = document.source.text.find(sentence)
            touched += start >= 0 and any(a < start + len(sentence) and start < b for a, b in document.spans)
    plain = compressor(ranker=False).compress(DOCUMENTS, rate=0.4)
    assert touched <= 7
    assert len(plain.documents) == 4
    first = compressor(ranker=False, sentence_slack=1.0, keep_first_sentences=1, unit="sentence").compress(
        DOCUMENTS, rate=0.6
    )
    assert {d.index for d in first.documents} <= {0, 1, 2, 3}


def test_higher_ranked_documents_keep_more() -> None:
    ranker = FixedScorer(lambda _, text: 1.0 if "lamp" in text else 0.0)
    options = {"ranker": ranker, "document_extra": 10_000}
    even = compressor(**options).compress(DOCUMENTS, rate=0.5)
    spread = compressor(**options, document_spread=0.4).compress(DOCUMENTS, rate=0.5)
    best = next(d.index for d in even.documents if "lamp" in d.source.text)

    def rate(result: Any) -> float:
        return next(d.compressed_tokens / d.origin_tokens for d in result.documents if d.index == best)

    assert rate(spread) > rate(even) + 0.15


@pytest.mark.parametrize(
    ("order", "expected"), [("original", [0, 1, 2, 3]), ("relevance", [2, 0, 3, 1]), ("ends", [2, 3, 1, 0])]
)
def test_the_most_relevant_documents_come_first_or_stand_at_both_ends(
    order: Any, expected: list[int]
) -> None:
    rank = dict(zip(DOCUMENTS, (0.7, 0.1, 0.9, 0.5), strict=True))
    ranker = FixedScorer(lambda _, text: rank.get(text, 0.0))
    subject = PromptCompressor(
        "llmlingua", model=model(), options={"ranker": ranker, "document_extra": 10_000}, segmenter=Whole()
    )
    result = subject.compress(DOCUMENTS, rate=0.8, order=order)
    assert [document.index for document in result.documents] == expected


def test_a_separator_of_ones_own_joins_words_without_their_spaces() -> None:
    result = compressor(separator=" … ").compress(DOCUMENTS[:1], rate=0.3)
    text = result.documents[0].source.text
    assert result.text == " … ".join(text[a:b] for a, b in result.documents[0].spans)
    assert "  " not in result.text


# Several rates, signals, rankings, repeats


@pytest.mark.parametrize("method", [*METHODS, "extract", "lexical"])
def test_several_rates_at_once_are_what_each_is_alone(method: Any) -> None:
    subject = PromptCompressor(method, model=model() if method in METHODS else None)
    rates = (0.2, 0.5, 0.8, 0.5)
    for query in (QUESTION, None):
        found = subject.compress_rates(DOCUMENTS, query, rates=rates, order="relevance")
        alone = [subject.compress(DOCUMENTS, query, rate=rate, order="relevance") for rate in rates]
        assert [r.to_dict() for r in found] == [r.to_dict() for r in alone]


def test_several_rates_are_scored_once() -> None:
    calls: list[int] = []

    class Counting(FixedScorer):
        def score(self, tasks: Any) -> Any:
            calls.append(len(tasks))
            return super().score(tasks)

    PromptCompressor(model=Counting()).compress_rates(DOCUMENTS, rates=[0.2, 0.4, 0.9])
    assert calls == [1]


@pytest.mark.parametrize("rates", [[], "0.5", 0.5, None])
def test_rates_that_are_none_are_a_clear_error(rates: Any) -> None:
    with pytest.raises(InputError, match="at least one rate"):
        compressor().compress_rates(DOCUMENTS, rates=rates)
    with pytest.raises(BudgetError, match="To keep one part in 4"):
        compressor().compress_rates(DOCUMENTS, rates=[0.5, 4])


@pytest.mark.parametrize("method", METHODS)
def test_signals_move_what_is_kept_towards_them(method: str) -> None:
    query = "What does the lamp burn?"
    plain = compressor(method, ranker=False).compress(DOCUMENTS, query, rate=0.4)
    moved = compressor(method, ranker=False, signals={"lexical": 20.0}).compress(DOCUMENTS, query, rate=0.4)
    nothing = compressor(method, ranker=False, signals={"lexical": 0.0}).compress(DOCUMENTS, query, rate=0.4)

    def about_the_lamp(result: Any) -> int:
        sentence = "A lamp was first lit in 1901; it burns oil."
        return sum(
            max(0, min(b, at + len(sentence)) - max(a, at))
            for document in result.documents
            if (at := document.source.text.find(sentence)) >= 0
            for a, b in document.spans
        )

    assert about_the_lamp(moved) > about_the_lamp(plain)
    assert about_the_lamp(moved) >= 30
    assert nothing.text == plain.text
    assert abs(moved.rate - 0.4) <= 0.02


def test_signals_leave_no_scale_for_a_threshold() -> None:
    with pytest.raises(BudgetError, match="standard deviations, which no threshold fits"):
        compressor("selective-context", signals={"lexical": 1.0}).compress(DOCUMENTS, "lamp", threshold=1.0)


def test_a_combined_scorer_is_the_weighted_sum_of_standardised_scores() -> None:
    one = FixedScorer(lambda _, text: float(len(text)))
    other = FixedScorer(lambda _, text: 1e6 * text.count("e"))
    task = words(None, *DOCUMENTS)
    (alone,) = CombinedScorer([(one, 2.0)]).score([task])
    flat = np.concatenate([row.keep for row in alone])
    assert abs(float(flat.mean())) < 1e-4
    assert float(flat.std()) == pytest.approx(2.0, abs=1e-3)
    (both,) = CombinedScorer([(one, 2.0), (other, -1.0)]).score([task])
    (second,) = CombinedScorer([(other, -1.0)]).score([task])
    for sums, a, b in zip(both, alone, second, strict=True):
        np.testing.assert_allclose(sums.keep, a.keep + b.keep, atol=1e-5)
        assert sums.relevance == pytest.approx(a.relevance + b.relevance, abs=1e-5)
    (silent,) = CombinedScorer([(FixedScorer(lambda _, __: 0.3), 5.0)]).score([task])
    assert not np.concatenate([row.keep for row in silent]).any()
    assert PromptCompressor(model=CombinedScorer([(one, 1.0)])).compress(DOCUMENTS, rate=0.5).text
    for wrong in ([], [(3, 1.0)], [(one, float("nan"))], [(one, True)]):
        with pytest.raises(InputError):
            CombinedScorer(wrong)  # type: ignore[arg-type]


def test_a_function_of_ones_own_ranks_documents() -> None:
    seen: list[Any] = []

    def rank(query: str | None, texts: Any) -> list[float]:
        seen.append((query, list(texts)))
        return [float(text == DOCUMENTS[2]) for text in texts]

    subject = compressor(ranker=rank, unit="sentence", document_extra=0)
    result = subject.compress(DOCUMENTS, "why?", target_tokens=20)
    assert seen == [("why?", DOCUMENTS)]
    assert [document.index for document in result.documents] == [2]
    assert result.documents[0].score == 1.0
    for wrong in ([1.0], [float("nan")] * 4, ["a"] * 4, None):
        with pytest.raises(ScorerError, match="one finite number for each of the 4 texts"):
            compressor(ranker=lambda _, __, w=wrong: w).compress(DOCUMENTS, rate=0.5)


def test_no_word_is_kept_twice_running() -> None:
    text = "yes yes yes we we we will will go home go home now now now and and and sleep sleep well well"
    plain = compressor().compress([text], rate=0.6)
    subject = compressor(drop_consecutive=True)
    for result in (subject.compress([text], rate=r) for r in (0.3, 0.6, 1.0)):
        kept = result.text.split()
        assert all(a != b for a, b in pairwise(kept)) or result.rate == 1.0
    assert any(a == b for a, b in pairwise(plain.text.split()))


def test_an_interrupted_run_leaves_nothing_behind() -> None:
    calls = 0

    class Interrupted(FixedScorer):
        def score(self, tasks: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == 1:
                raise KeyboardInterrupt
            return super().score(tasks)

    subject = compressor(ranker=Interrupted())
    with pytest.raises(KeyboardInterrupt):
        subject.compress(DOCUMENTS, QUESTION, rate=0.4)
    again = subject.compress(DOCUMENTS, QUESTION, rate=0.4)
    assert again.text == compressor(ranker=FixedScorer()).compress(DOCUMENTS, QUESTION, rate=0.4).text


def test_an_instruction_that_is_read_is_not_said_to_be_unused() -> None:
    def codes(method: str) -> list[str]:
        result = compressor(method).compress(DOCUMENTS, QUESTION, rate=0.5, instruction="Be brief.")
        return [note.code for note in result.notes]

    assert codes("llmlingua") == []
    assert codes("longllmlingua") == codes("selective-context") == ["unused_instruction"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("sentences", [5, 40, 700])
def test_rates_are_met_from_fifty_tokens_on(method: str, sentences: int) -> None:
    chosen = random.Random(sentences)
    documents: list[str] = []
    while sum(map(len, documents)) < 80 * sentences:
        documents.append(" ".join(chosen.choices(SENTENCES, k=chosen.randint(2, 12))))
    for rate in (0.1, 0.33, 0.9):
        result = compressor(method).compress(documents, QUESTION, rate=rate)
        assert abs(result.rate - rate) <= 0.02, (rate, result.origin_tokens)


class DigitByDigit:
    """A model in which every character is a token, each as surprising as it was told."""

    window = 512
    start = np.array([0], np.int64)
    has_cuttable_cache = False

    def __init__(self, nats: dict[str, float]) -> None:
        self.nats = nats

    def tokenize(self, texts: Any) -> list[TokenizedText]:
        return [
            TokenizedText(
                np.array([ord(c) for c in text], np.int64), np.arange(len(text)), np.arange(len(text)) + 1
            )
            for text in texts
        ]

    def surprisals(self, continuations: Any, **_: Any) -> list[Any]:
        return [np.array([self.nats.get(chr(i), 1.0) for i in c.ids], np.float32) for c in continuations]


@pytest.mark.parametrize(
    ("text", "plain", "whole"),
    [
        ("ab 1871 cd", [2, 9 / 5, 5 / 3], [2, 9, 5 / 3]),  # the number's space and digits are one token
        ("ab 3, cd", [2, 4 / 3, 5 / 3], [2, 4 / 2, 5 / 3]),  # the comma is one of its own
        ("x1 42", [2, 5 / 3], [2, 5]),  # so is a letter
    ],
)
def test_digits_count_as_one_token_of_their_joint_surprisal(
    text: str, plain: list[float], whole: list[float]
) -> None:
    nats = DigitByDigit({**dict.fromkeys("0123456789abcdx", 2.0)})
    for is_whole, expected in ((False, plain), (True, whole)):
        pruner = IterativePruner(nats, whole_numbers=is_whole)  # type: ignore[arg-type]
        (scores,) = pruner.prune(words(None, text), [0.5])
        # Scores are distances from a verdict; the first word's value is 2.
        assert (scores.keep - scores.keep[0] + 2).tolist() == pytest.approx(expected, abs=1e-5)


def test_stages_that_ask_for_one_scorer_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def counting(method: Any, *arguments: Any) -> Any:
        made.append(method)
        return choose_scorer(method, *arguments)

    monkeypatch.setattr(plan, "choose_scorer", counting)
    helped = compressor("longllmlingua", ranker="extract", signals={"extract": 1.0, "lexical": 1.0})
    assert abs(helped.compress(DOCUMENTS, QUESTION, rate=0.5).rate - 0.5) <= 0.03
    assert sorted(made) == ["extract", "lexical"]


# Bad input


def test_a_method_without_its_model_says_what_it_needs() -> None:
    with pytest.raises(InputError, match="needs a model: a folder or a name"):
        PromptCompressor("llmlingua2")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"unit": "letter"}, "unit must be one of None, 'word'"),
        ({"ranker": "magic"}, "ranker must be one of 'perplexity'"),
        ({"ranker": 3}, "False, a Scorer or a function"),
        ({"condition": "during"}, "condition must be one of"),
        ({"stretch": 0}, "stretch must be a number of at least 1"),
        ({"sentence_slack": 0.5}, "sentence_slack must be a number of at least 1"),
        ({"document_slack": float("nan")}, "document_slack must be"),
        ({"document_extra": True}, "document_extra must be"),
        ({"whole_numbers": 1}, "whole_numbers must be True or False"),
        ({"signals": {"magic": 1}}, "The name of a signal must be one of"),
        ({"signals": {"lexical": "much"}}, "weight of the signal 'lexical' must be a finite"),
        ({"signals": ["lexical"]}, "signals must be a mapping"),
        ({"iterative_size": 200}, r"Unknown options \['iterative_size'\]"),
        (["unit"], "must be PruningOptions or a mapping"),
    ],
)
def test_bad_options_are_clear_errors(options: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        PromptCompressor("llmlingua", model=model(), options=options)


def test_options_come_as_plain_data_or_as_they_are() -> None:
    given_options = PruningOptions(stretch=9, forced_documents=[1])  # type: ignore[arg-type]
    assert as_options(given_options) is given_options
    assert as_options({"stretch": 9, "forced_documents": [1]}) == given_options
    assert as_options(None) == PruningOptions()


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        ("extract", {"options": {}}, "has no options"),
        ("lexical", {"model": ("a", "b")}, "cannot use a causal language model"),
        (
            "llmlingua",
            {"model": FixedScorer(lambda q, t: 0.0)},
            "needs a causal language model, got the scorer",
        ),
        ("llmlingua2", {"model": "x", "options": {"ranker": "perplexity"}}, "'llmlingua2' has none"),
        ("magic", {}, "Unknown method 'magic'"),
    ],
)
def test_what_does_not_fit_a_method_is_a_clear_error(
    method: Any, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        PromptCompressor(method, **arguments)


def test_a_threshold_needs_scores_that_mean_something() -> None:
    with pytest.raises(BudgetError, match="has no scores for a threshold"):
        compressor().compress(DOCUMENTS, threshold=0.5)
    kept = compressor("selective-context").compress(DOCUMENTS, threshold=9.0)
    assert 0 < kept.rate < 1
