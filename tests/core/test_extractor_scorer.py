"""The question-aware extractor: what its scores promise, whatever the weights."""

import copy
import json
import pickle
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lingua_core import InputError, ModelError, PromptCompressor, Segment
from lingua_core.models.extractor_settings import EarlyExit, ExtractorSettings, SecondLook
from lingua_core.models.onnx_extractor import OnnxExtractor, Reading
from lingua_core.models.pairs import Pair, PairWindow, pair_windows
from lingua_core.models.tokenization import load_tokenizer
from lingua_core.scorers import (
    EmbeddingScorer,
    ExtractorScorer,
    FixedScorer,
    LexicalScorer,
    Passage,
    PassageScores,
    Scorer,
    ScoringTask,
)
from lingua_core.scorers.extractor import read_pairs
from lingua_core.segmentation import TextSegmenter
from lingua_core.weights import ENCODER, EXTRACTOR

BRIDGE = "The bridge at Varno was opened in 1887 by the queen."
VARNO = f"Varno is a town of nine thousand people. {BRIDGE} Its mayor likes chess. The market is on Fridays."
TICKET = "The annual ticket costs 365 euros."
BUSES = f"Buses run every ten minutes. {TICKET} Dogs travel free of charge. Drivers do not sell tickets."
BOILING = "At sea level, water boils at 100 degrees Celsius."
WATER = f"Water is wet and has no taste. {BOILING} Fish live in it. Ice floats on it."
CURIE = (
    "Marie Curie won two Nobel Prizes. She was born in Warsaw in 1867. Her work was hard. It rained often."
)
ASKED = {
    "When was the bridge at Varno opened?": BRIDGE,
    "How much does the annual ticket cost?": TICKET,
    "What is the boiling point of water at sea level?": BOILING,
}
SEARCHED = {
    "bridge varno opened": BRIDGE,
    "annual ticket cost": TICKET,
    "boiling point water sea level": BOILING,
}
NEVER = ExtractorSettings()


def passage(text: str, title: str | None = None) -> Passage:
    return Passage(text=text, title=title, segments=TextSegmenter().segment(text))


def task(query: str | None, *texts: str) -> ScoringTask:
    return ScoringTask(query=query, passages=[passage(text) for text in texts])


def ranked(scores: Sequence[PassageScores], asked: ScoringTask) -> list[str]:
    """The texts of all segments, best first."""
    rows = [
        (float(keep), p.text[s.start : s.end])
        for p, found in zip(asked.passages, scores, strict=True)
        for s, keep in zip(p.segments, found.keep, strict=True)
    ]
    return [text for _, text in sorted(rows, reverse=True)]


def same(a: Sequence[PassageScores], b: Sequence[PassageScores]) -> None:
    """Equal to the last bit."""
    assert len(a) == len(b)
    for one, other in zip(a, b, strict=True):
        assert one.relevance == other.relevance
        np.testing.assert_array_equal(one.keep, other.keep)
        np.testing.assert_array_equal(one.starts, other.starts)


@pytest.fixture(scope="module")
def scorer() -> ExtractorScorer:
    return ExtractorScorer(threads=1)


TASKS = [
    task("When was the bridge at Varno opened?", WATER, VARNO, BUSES),
    task("tickets", BUSES),
    task(None, VARNO, CURIE),
    task("What is water?", "", WATER * 12, "Ice."),
    task("What is water?"),
    task("", WATER),
    task("Why?", CURIE, CURIE),
]


# What the scores say


@pytest.mark.parametrize("question", ASKED)
@pytest.mark.parametrize("style", [str, str.lower, str.upper])
def test_the_sentence_with_the_answer_outranks_all_others(
    scorer: ExtractorScorer, question: str, style: Callable[[str], str]
) -> None:
    asked = task(style(question), WATER, BUSES, VARNO, CURIE)
    assert ranked(scorer.score([asked])[0], asked)[0] == ASKED[question]


@pytest.mark.parametrize("words", SEARCHED)
def test_search_words_find_it_too(scorer: ExtractorScorer, words: str) -> None:
    asked = task(words, WATER, BUSES, VARNO, CURIE)
    assert SEARCHED[words] in ranked(scorer.score([asked])[0], asked)[:2]


def test_an_answer_behind_a_pronoun_is_found(scorer: ExtractorScorer) -> None:
    asked = task("Where was Marie Curie born?", WATER, CURIE, BUSES)
    assert "She was born in Warsaw in 1867." in ranked(scorer.score([asked])[0], asked)[:2]


@pytest.mark.parametrize("question", ASKED)
def test_the_passage_with_the_answer_is_most_relevant(scorer: ExtractorScorer, question: str) -> None:
    texts = [WATER, BUSES, VARNO, CURIE]
    relevance = [scores.relevance for scores in scorer.score([task(question, *texts)])[0]]
    assert ASKED[question] in texts[int(np.argmax(relevance))]


def test_letter_case_makes_no_difference(scorer: ExtractorScorer) -> None:
    question = "When was the bridge at Varno opened?"
    plain, loud = scorer.score([task(question, VARNO, WATER), task(question.upper(), VARNO, WATER)])
    same(plain, loud)


def test_a_title_is_read_with_its_passage(scorer: ExtractorScorer) -> None:
    text = "It was opened in 1887 by the queen. Its paint is green."
    question = "When was the bridge at Varno opened?"
    tasks = [
        ScoringTask(query=question, passages=[passage(text, title)])
        for title in ("Bridge at Varno", "Swimming pools of Norway")
    ]
    fitting, other = (scores[0] for scores in scorer.score(tasks))
    assert fitting.relevance > other.relevance
    assert fitting.keep[0] > other.keep[0]


def test_an_answer_deep_in_a_long_document_is_found(scorer: ExtractorScorer) -> None:
    filler = " ".join(f"Filler sentence number {i} is about nothing in particular." for i in range(130))
    asked = task("When was the bridge at Varno opened?", f"{filler} {BRIDGE} {filler}")
    assert ranked(scorer.score([asked])[0], asked)[0] == BRIDGE


ODD = [
    "",
    " \n",
    "\u200b\ufeff",
    "\ud800 lone \udfff",
    "👩‍👩‍👧‍👦 🇩🇪",
    "这是第一句。它很短。",
    "e\u0301\u0301 \x00\x1b[31m",
    "x" * 3000,
    "?",
]


def check_scores(asked: ScoringTask, scores: Sequence[PassageScores]) -> None:
    for given_passage, found in zip(asked.passages, scores, strict=True):
        assert found.keep.shape == (len(given_passage.segments),)
        assert found.keep.dtype == np.float32
        assert ((found.keep >= 0) & (found.keep <= 1)).all()
        assert 0 <= found.relevance <= 1
        assert found.starts.tolist() == [s.start for s in given_passage.segments]
        assert found.ends.tolist() == [s.end for s in given_passage.segments]


@pytest.mark.parametrize("query", [*ODD, "Why?"])
def test_scores_of_anything_are_probabilities(scorer: ExtractorScorer, query: str) -> None:
    # A passage's text reaches scorers without lone surrogates, titles and queries do not.
    texts = [text.replace("\ud800", "?").replace("\udfff", "?") for text in ODD]
    asked = ScoringTask(query=query, passages=[passage(t, odd) for t, odd in zip(texts, ODD, strict=True)])
    check_scores(asked, scorer.score([asked])[0])


@settings(max_examples=12)
@given(data=st.data())
def test_scores_of_generated_documents_are_probabilities(
    scorer: ExtractorScorer, data: st.DataObject, generated: dict[str, st.SearchStrategy[str]]
) -> None:
    texts = data.draw(st.lists(generated["texts"], max_size=3))
    query = data.draw(generated["texts"])
    safe = [text.encode(errors="replace").decode() for text in texts]
    asked = task(query, *safe)
    check_scores(asked, scorer.score([asked])[0])


# Independence of batches, order, threads and copies


def test_tasks_alone_together_and_in_any_order_score_the_same(scorer: ExtractorScorer) -> None:
    alone = [scorer.score([t])[0] for t in TASKS]
    for seed in range(3):
        order = random.Random(seed).sample(range(len(TASKS)), len(TASKS))
        for i, scores in zip(order, scorer.score([TASKS[i] for i in order]), strict=True):
            same(scores, alone[i])


def test_a_passage_scores_the_same_whatever_stands_beside_it_without_a_second_look() -> None:
    subject = ExtractorScorer(threads=1, settings=NEVER)
    together = subject.score([TASKS[0]])[0]
    for i, p in enumerate(TASKS[0].passages):
        same(subject.score([ScoringTask(query=TASKS[0].query, passages=[p])])[0], [together[i]])


def test_the_number_of_threads_makes_no_difference(scorer: ExtractorScorer) -> None:
    several = ExtractorScorer(threads=4)
    for a, b in zip(scorer.score(TASKS), several.score(TASKS), strict=True):
        same(a, b)


def test_several_callers_at_once_get_their_own_scores() -> None:
    subject = ExtractorScorer(threads=2)  # the models load while all of them wait
    with ThreadPoolExecutor(4) as pool:
        rows = list(pool.map(lambda t: subject.score([t])[0], TASKS * 2))
    for scores, expected in zip(rows, subject.score(TASKS * 2), strict=True):
        same(scores, expected)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
@pytest.mark.parametrize("used", [False, True])
def test_copies_score_as_the_original(duplicate: Callable[[Any], Any], used: bool) -> None:
    subject = ExtractorScorer(threads=1)
    if used:
        subject.score(TASKS[:1])
    again = duplicate(subject)
    assert again.default_threshold == subject.default_threshold
    same(again.score(TASKS[:1])[0], subject.score(TASKS[:1])[0])


def test_a_pickle_holds_no_weights() -> None:
    subject = ExtractorScorer()
    subject.score(TASKS[:1])
    assert len(pickle.dumps(subject)) < 10_000


def test_no_tasks_and_no_passages_are_fine(scorer: ExtractorScorer) -> None:
    assert scorer.score([]) == []
    assert scorer.score([task("q"), task(None)]) == [[], []]


def test_it_is_a_scorer(scorer: ExtractorScorer) -> None:
    assert isinstance(scorer, Scorer)
    assert (scorer.name, scorer.requires_query) == ("extractor", False)
    assert 0 < scorer.default_threshold < 1


# Without a query


def test_without_a_query_the_scores_are_the_sentence_encoders(scorer: ExtractorScorer) -> None:
    blank = task(None, VARNO, CURIE, WATER)
    mixed = scorer.score([TASKS[0], blank, TASKS[1]])
    same(mixed[1], EmbeddingScorer(threads=1).score([blank])[0])
    same(mixed[2], scorer.score([TASKS[1]])[0])


def test_what_scores_without_a_query_can_be_chosen() -> None:
    subject = ExtractorScorer(without_query=FixedScorer(lambda query, text: 0.25))
    found = subject.score([task(None, VARNO), TASKS[1]])
    assert set(found[0][0].keep.tolist()) == {0.25}
    same(found[1], subject.score([TASKS[1]])[0])


# Early exit


def looks(cutoff: float, tasks: Sequence[ScoringTask]) -> list[Any]:
    found = ExtractorScorer(
        threads=1, settings=ExtractorSettings(early_exit=EarlyExit(cutoff=cutoff))
    ).logits(tasks)
    return [look for row in found for look in row]


def test_the_cutoff_decides_what_leaves_in_the_middle_of_the_model() -> None:
    tasks = [TASKS[0], TASKS[3]]
    none, every = looks(-np.inf, tasks), looks(np.inf, tasks)
    assert not any(look.left_early for look in none)
    assert all(look.left_early for look in every)
    assert all(np.isfinite(look.segments).all() for look in none + every)
    # Between the two, each passage says what one of the two says.
    middle = sorted(look.relevance for look in every)[len(every) // 2]
    for look, stayed, left in zip(looks(middle, tasks), none, every, strict=True):
        assert look.left_early == (left.relevance < middle)
        if len(look.segments) < 40:  # one window
            expected = left if look.left_early else stayed
            np.testing.assert_array_equal(look.segments, expected.segments)


def test_what_leaves_early_is_put_on_the_scale_of_the_whole_model() -> None:
    text = "stone " * 300
    pairs = [Pair(question="which?", title=None, text=text, segments=[Segment(0, len(text) - 1)])]
    windows = pair_windows(load_tokenizer(EXTRACTOR), pairs)[:2]
    way_out = EarlyExit(cutoff=0.0, scale=2.0, offset=-1.0, relevance_scale=0.5, relevance_offset=-3.0)

    class Half:
        """One window leaves, one goes on."""

        def read(self, windows: Sequence[PairWindow], *, cutoff: float) -> list[Reading]:
            keep = [np.full(len(window.owners), 1.0, np.float32) for window in windows]
            return [Reading(row, -4.0, i == 0) for i, row in enumerate(keep)]

    (found,) = read_pairs(Half(), windows, pairs, way_out)
    assert found.segments[0] == pytest.approx(-3.0)  # what the whole model says counts
    assert (found.relevance, found.left_early) == (-4.0, False)
    (left,) = read_pairs(Half(), windows[:1], pairs, way_out)
    assert (left.relevance, left.left_early) == (-5.0, True)
    assert left.segments[0] == pytest.approx(2 * -3.0 - 1)


def test_leaving_early_changes_the_logits() -> None:
    (stayed,), (left,) = looks(-np.inf, [task("Why?", VARNO)]), looks(np.inf, [task("Why?", VARNO)])
    assert not np.array_equal(stayed.segments, left.segments)


# Putting windows together, and the second look, with a model that says what the test wants


class Told:
    """Reads the logit of each token off a table."""

    def __init__(self, logits: dict[str, float], relevance: float = 0.0) -> None:
        self.logits, self.relevance = logits, relevance
        self.cutoffs: list[float] = []

    def read(self, windows: Sequence[PairWindow], *, cutoff: float) -> list[Reading]:
        self.cutoffs.append(cutoff)
        tokenizer = load_tokenizer(EXTRACTOR)
        found: list[Reading] = []
        for w in windows:
            words = [tokenizer.id_to_token(i) for i in w.ids[w.first : w.first + len(w.owners)]]
            keep = np.array([self.logits.get(str(word), -4.0) for word in words], np.float32)
            found.append(Reading(keep, self.relevance, False))
        return found


def words(query: str | None, *texts: str) -> ScoringTask:
    """A task whose passages' words are its segments."""
    passages: list[Passage] = []
    for text in texts:
        ends = np.cumsum([len(word) + 1 for word in text.split()])
        segments = [Segment(int(e) - len(w) - 1, int(e) - 1) for w, e in zip(text.split(), ends, strict=True)]
        passages.append(Passage(text=text, title=None, segments=segments))
    return ScoringTask(query=query, passages=passages)


def told(reader: Told, **options: Any) -> ExtractorScorer:
    return ExtractorScorer(reader=reader, settings=ExtractorSettings(**options))


def test_probabilities_follow_from_the_settings() -> None:
    reader = Told({"red": 2.0, "blue": -1.0}, relevance=0.5)
    subject = told(
        reader, scale=2.0, offset=-1.0, relevance_scale=3.0, relevance_offset=0.25, threshold=0.3,
        early_exit=EarlyExit(cutoff=-7.0),
    )  # fmt: skip
    (scores,) = subject.score([words("which?", "red blue")])[0]
    expected = 1 / (1 + np.exp(-(2.0 * np.array([2.5, -0.5]) - 1.0)))
    np.testing.assert_allclose(scores.keep, expected, rtol=1e-6)
    assert scores.relevance == pytest.approx(1 / (1 + np.exp(-(3.0 * 0.5 + 0.25))))
    assert subject.default_threshold == 0.3
    assert reader.cutoffs == [-7.0]


def test_extreme_logits_stay_probabilities() -> None:
    subject = told(Told({"red": 1e30, "blue": -1e30}), scale=1e6)
    (scores,) = subject.score([words("which?", "red blue")])[0]
    assert scores.keep.tolist() == [1.0, pytest.approx(0.0)]


SECOND = SecondLook(segments=2, weight=6.0)


def lexical(asked: ScoringTask, text: str) -> list[list[float]]:
    """The BM25 scores of each passage's segments for the question with a text."""
    task = ScoringTask(query=f"{asked.query} {text}", passages=asked.passages)
    return [row.keep.tolist() for row in LexicalScorer().score([task])[0]]


@pytest.mark.parametrize("best", [["red"], ["red", "red"], ["red", "red", "blue"]])
def test_a_second_look_adds_what_segments_share_with_the_question_and_the_best_ones(best: list[str]) -> None:
    logits = {"red": 1.0, "blue": 0.5, "green": -2.0}
    asked = words("which stone?", "green red", "blue stone red")
    plain = told(Told(logits)).logits([asked])[0]
    found = told(Told(logits), second_look=SecondLook(segments=len(best), weight=6.0)).logits([asked])[0]
    for p, (before, after) in enumerate(zip(plain, found, strict=True)):
        shared = np.mean([lexical(asked, text)[p] for text in best], axis=0)
        np.testing.assert_allclose(after.segments, before.segments + 6.0 * shared, rtol=1e-5)
        assert (after.relevance, after.left_early) == (before.relevance, before.left_early)


def test_a_second_look_finds_what_the_best_segment_leads_to() -> None:
    texts = (
        "The bridge at Varno was opened by Ada Marsh.",
        "Ada Marsh was born in Oslo.",
        "A comet was seen in Lima.",
    )
    asked = task("Where was the opener of the bridge at Varno born?", *texts)
    logits = {"bridge": 20.0}
    rows = [
        told(Told(logits), second_look=second).logits([asked])[0]
        for second in (None, SecondLook(segments=1, weight=24.0))
    ]
    (_, hop, besides), (_, hop_again, besides_again) = ([look.segments[0] for look in row] for row in rows)
    assert hop == besides
    assert hop_again > besides_again + 0.5


def test_the_second_look_of_a_task_is_its_own() -> None:
    one, other = words("which?", "red blue"), words("what?", "blue green", "stone")
    subject = told(Told({"red": 2.0, "blue": 1.0}), second_look=SECOND)
    together = subject.logits([one, other, one])
    for asked, found in zip((one, other, one), together, strict=True):
        for a, b in zip(found, subject.logits([asked])[0], strict=True):
            np.testing.assert_array_equal(a.segments, b.segments)


@pytest.mark.parametrize("texts", [(), ("",), ("red",), ("red", ""), ("red blue",)])
def test_a_second_look_at_little_or_nothing_is_fine(texts: tuple[str, ...]) -> None:
    asked = words("which?", *texts)
    found = told(Told({}), second_look=SecondLook(segments=9, weight=1.0)).score([asked])[0]
    check_scores(asked, found)


def test_no_second_look_without_settings_for_it_or_without_a_query() -> None:
    asked = words("red", "red blue")
    assert told(Told({"red": 1.0})).logits([asked])[0][0].segments.tolist() == [1.0, -4.0]
    blank = words(None, "red blue")
    same(
        told(Told({}), second_look=SECOND).score([blank])[0],
        EmbeddingScorer(threads=1).score([blank])[0],
    )


def test_a_segment_is_the_mean_of_its_tokens_over_all_its_windows() -> None:
    text = "stone " * 300 + "red " * 300
    segments = [Segment(0, 1799), Segment(1800, 2999)]
    pairs = [Pair(question="which?", title=None, text=text, segments=segments)]
    windows = pair_windows(load_tokenizer(EXTRACTOR), pairs)

    class Numbered:
        def read(self, windows: Sequence[PairWindow], *, cutoff: float) -> list[Reading]:
            return [
                Reading(np.full(len(w.owners), i, np.float32), -float(i), i == 1)
                for i, w in enumerate(windows)
            ]

    (found,) = read_pairs(Numbered(), windows, pairs)
    assert len(windows) > 2
    # Each token's logit and its window's relevance cancel out.
    np.testing.assert_allclose(found.segments, [0.0, 0.0], atol=1e-6)
    assert found.relevance == 0.0
    assert not found.left_early


def test_a_segment_without_tokens_gets_its_passages_lowest_logit() -> None:
    segments = [Segment(0, 3), Segment(4, 5), Segment(6, 10)]
    pairs = [
        Pair(question="q", title=None, text="red\n\u200b\nblue", segments=segments),
        Pair(question="q", title=None, text="\u200b", segments=[Segment(0, 1)]),
    ]
    reader = Told({"red": 3.0, "blue": 1.0}, relevance=0.5)
    windows = pair_windows(load_tokenizer(EXTRACTOR), pairs)
    found = read_pairs(reader, windows, pairs)
    assert found[0].segments.tolist() == [3.5, 1.5, 1.5]
    assert found[1].segments.tolist() == [0.5]  # nothing but the passage's relevance is known


# Files


def test_settings_come_back_as_they_were_saved(tmp_path: Path) -> None:
    for given_settings in (
        ExtractorSettings(),
        ExtractorSettings(scale=0.7, threshold=0.02, early_exit=EarlyExit(cutoff=-2.5), second_look=SECOND),
    ):
        given_settings.save(tmp_path)
        assert ExtractorSettings.load(tmp_path) == given_settings


def test_the_shipped_folder_is_whole() -> None:
    names = {file.name for file in EXTRACTOR.folder.iterdir()}
    assert {"lower.onnx", "upper.onnx", "tokenizer.json", "extractor.json"} <= names
    shipped = ExtractorSettings.load(EXTRACTOR.folder)
    assert 0 < shipped.threshold < 0.5
    assert shipped.scale > 0
    assert shipped.relevance_scale > 0


@pytest.mark.parametrize(
    "content",
    [
        None, b"", b"{", b"null", b"[]", b"3", b"\xff\xfe\x00", b'{"scale": "much"}', b'{"scale": null}',
        b'{"unknown": 1}', b'{"second_look": {"weight": 1}}', b'{"second_look": 3}',
        b'{"second_look": {"segments": "two", "weight": 1}}',
    ],
)  # fmt: skip
def test_missing_or_damaged_settings_are_a_clear_error(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "extractor.json").write_bytes(content)
    with pytest.raises(
        ModelError, match=r"extractor\.json' cannot be read as an extractor's settings \(scale"
    ):
        ExtractorScorer(tmp_path)


def test_a_folder_may_be_given_as_text(scorer: ExtractorScorer) -> None:
    same(ExtractorScorer(str(EXTRACTOR.folder)).score(TASKS[:1])[0], scorer.score(TASKS[:1])[0])


@pytest.mark.parametrize("missing", ["lower.onnx", "upper.onnx", "tokenizer.json"])
@pytest.mark.parametrize("damaged", [False, True])
def test_missing_or_damaged_files_are_a_clear_error(tmp_path: Path, missing: str, damaged: bool) -> None:
    for file in EXTRACTOR.folder.iterdir():
        if file.name != missing:
            (tmp_path / file.name).symlink_to(file)
        elif damaged:
            (tmp_path / file.name).write_bytes(b"{no model")
    subject = ExtractorScorer(tmp_path)
    with pytest.raises(ModelError, match=missing) as raised:
        subject.score(TASKS[:1])
    assert ("No model at" in str(raised.value) or "No tokenizer at" in str(raised.value)) != damaged


def test_bad_options_are_clear_errors(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="device must be"):
        ExtractorScorer(device="tpu")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="threads must be at least 1"):
        OnnxExtractor(tmp_path, threads=0)


# In PromptCompressor


def test_with_a_query_the_default_budget_is_the_scorers_threshold() -> None:
    compressor = PromptCompressor()
    result = compressor.compress([VARNO, WATER], "When was the bridge at Varno opened?")
    assert isinstance(compressor.scorer, ExtractorScorer)
    assert (result.budget.kind, result.budget.is_default) == ("threshold", True)
    assert result.budget.value == compressor.scorer.default_threshold
    assert BRIDGE in result.text
    explicit = compressor.compress(
        [VARNO, WATER], "When was the bridge at Varno opened?", threshold=result.budget.value
    )
    assert explicit.text == result.text


@pytest.mark.parametrize("query", [None, "", " \n"])
def test_without_a_query_the_default_budget_is_half(query: str | None) -> None:
    result = PromptCompressor().compress([VARNO, WATER, CURIE], query)
    assert (result.budget.kind, result.budget.value, result.budget.is_default) == ("rate", 0.5, True)
    assert 0.3 < result.rate < 0.7


def test_each_prompt_of_a_batch_has_its_own_default_budget() -> None:
    compressor = PromptCompressor()
    queries = ["When was the bridge at Varno opened?", None, "  ", "tickets"]
    batch = [[VARNO, WATER], [VARNO, CURIE], [CURIE], [BUSES]]
    results = compressor.compress_batch(batch, queries)
    assert [r.budget.kind for r in results] == ["threshold", "rate", "rate", "threshold"]
    for documents, query, result in zip(batch, queries, results, strict=True):
        assert compressor.compress(documents, query).to_dict() == result.to_dict()
    fixed = compressor.compress_batch(batch, queries, rate=0.3)
    assert {(r.budget.kind, r.budget.value) for r in fixed} == {("rate", 0.3)}


def test_lexical_has_no_default_threshold() -> None:
    result = PromptCompressor("lexical").compress([VARNO], "When was the bridge at Varno opened?")
    assert (result.budget.kind, result.budget.value) == ("rate", 0.5)


def test_a_folder_is_taken_for_what_it_holds(tmp_path: Path) -> None:
    assert isinstance(PromptCompressor(model=EXTRACTOR.folder).scorer, ExtractorScorer)
    sentence = PromptCompressor(model=str(ENCODER.folder))
    assert isinstance(sentence.scorer, EmbeddingScorer)
    assert sentence.compress([VARNO], "Varno?").budget.kind == "rate"
    (tmp_path / "extractor.json").write_text(json.dumps({}))
    with pytest.raises(InputError, match="is no folder with a model here"):
        PromptCompressor(model=tmp_path)
