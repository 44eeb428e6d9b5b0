"""What `lingua bench quality` measures, on questions whose figures can be worked out by hand."""

import math

import pytest

from lingua_core import Document, InputError
from lingua_core.bench.quality.calibration import measure_calibration
from lingua_core.bench.quality.measures import (
    Row,
    answers_are_extracted,
    measure_kept,
    measure_ranking,
    measure_thresholds,
    scorer_method,
)
from lingua_core.bench.quality.methods import Kept, ScorerMethod, make_method
from lingua_core.bench.quality.metrics import (
    all_evidence,
    estimate,
    evidence_recall,
    gold_touched,
    has_answer,
    ndcg,
    reciprocal_rank,
)
from lingua_core.bench.quality.questions import Question
from lingua_core.scorers import FixedScorer
from lingua_core.tokens import resolve_token_counter

GOOD = "The fox is red."
BAD = "Nobody came here."


def question(**fields: object) -> Question:
    given: dict[str, object] = {
        "id": "q",
        "text": "What colour is the fox?",
        "documents": (Document(f"{BAD} {GOOD}"), Document(f"{BAD} It rained a lot.")),
        "answers": ("red",),
        "evidence": ((0, len(BAD) + 1, len(BAD) + 1 + len(GOOD)),),
        "evidence_from": "sentences",
        "gold": (0,),
        "is_labelled": True,
        **fields,
    }
    return Question(**given)  # type: ignore[arg-type]


def method(good: float, bad: float, *, threshold: float | None = None) -> ScorerMethod:
    scorer = FixedScorer(lambda _, text: good if text == GOOD else bad, default_threshold=threshold)
    return ScorerMethod(scorer, resolve_token_counter(None))


def mean(row: Row, figure: str) -> float | None:
    found = row.figures[figure]
    return found.mean if found else None


@pytest.mark.parametrize(
    ("text", "answers", "expected"),
    [
        ("It was the Red fox!", ["red fox"], True),
        ("It was U.S. steel", ["The US steel"], True),
        ("reddish", ["red"], False),
        ("anything", [""], False),
        ("first, second", ["third", "second"], True),
        ("from 1857–63", ["1857"], True),
        ("an eight-year war", ["eight"], True),
        ("from 11857–63", ["1857"], False),
        ("a -- b", ["--"], False),
    ],
)
def test_has_answer_compares_normalised_whole_words(text: str, answers: list[str], expected: bool) -> None:
    assert has_answer(text, answers) is expected


def test_recall_counts_characters_of_evidence_without_white_space() -> None:
    asked = question(documents=(Document("ab cd  ef gh"),), evidence=((0, 0, 5), (0, 7, 12)), gold=(0,))
    assert evidence_recall(asked, {0: [(0, 12)]}) == 1
    assert evidence_recall(asked, {0: [(0, 2), (7, 12)]}) == 6 / 8
    assert evidence_recall(asked, {}) == 0
    assert evidence_recall(question(evidence=()), {}) is None
    assert evidence_recall(question(evidence_from="passages", gold=(0, 1)), {}) is None


def test_all_evidence_is_for_labelled_sentences_and_forgives_white_space_at_their_ends() -> None:
    asked = question(documents=(Document(" ab. cd."),), evidence=((0, 0, 5),))
    assert all_evidence(asked, {0: [(1, 4)]}) is True
    assert all_evidence(asked, {0: [(2, 4)]}) is False
    assert all_evidence(question(evidence_from="answers"), {}) is None


def test_every_gold_document_has_to_keep_something() -> None:
    asked = question(gold=(0, 1))
    assert gold_touched(asked, {0: [(0, 3)], 1: [(0, 3)]}) is True
    assert gold_touched(asked, {0: [(0, 3)]}) is False
    assert gold_touched(question(gold=()), {}) is None


def test_estimates_of_shares_have_the_binomial_error() -> None:
    found = estimate([True, True, True, False])
    assert found is not None
    assert (found.mean, found.size) == (0.75, 4)
    assert found.standard_error == pytest.approx(math.sqrt(0.75 * 0.25 / 4))
    assert estimate([]) is None


def test_rankings_are_valued_as_the_literature_does() -> None:
    assert ndcg([3, 1, 2], [3]) == 1
    assert ndcg([1, 3], [3]) == pytest.approx(1 / math.log2(3))
    assert ndcg([1, 3, 2], [3, 2]) == pytest.approx((1 / math.log2(3) + 0.5) / (1 + 1 / math.log2(3)))
    assert ndcg([0, 1], [1], depth=1) == 0
    assert (reciprocal_rank([1, 3], [3]), reciprocal_rank([1], [3])) == (0.5, 0)


def test_what_is_kept_at_a_ratio_follows_the_scores() -> None:
    (best,) = measure_kept([question()], method(1, 0), name="m", ratios=[3])
    (worst,) = measure_kept([question()], method(0, 1), name="m", ratios=[3])
    for figure in ("has answer", "all evidence", "every gold document", "evidence kept"):
        assert mean(best, figure) == 1
    assert [mean(worst, figure) for figure in ("has answer", "all evidence", "evidence kept")] == [0, 0, 0]
    assert (best.method, best.setting) == ("m", "3x")
    assert (mean(best, "rate") or 1) <= 1 / 3


def test_no_more_evidence_is_expected_than_fits() -> None:
    whole = question(evidence=((0, 0, len(BAD) + 1 + len(GOOD)),), evidence_from="passages")
    (row,) = measure_kept([whole], method(1, 0), name="m", ratios=[4])
    assert 0.3 < (mean(row, "evidence that fits") or 0) < 0.6
    assert mean(row, "all evidence") is None


def test_answers_in_other_words_are_not_looked_for() -> None:
    free = question(answers=("It has a reddish fur",))
    assert not answers_are_extracted([free])
    (row,) = measure_kept([free], method(1, 0), name="m", ratios=[2])
    assert row.figures["has answer"] is None


def test_nothing_is_kept_where_no_piece_fits() -> None:
    quote = question(documents=(Document("“The fox is as red as the evening sky in autumn”"),))
    (row,) = measure_kept([quote], method(1, 1), name="m", ratios=[12])
    assert (mean(row, "has answer"), mean(row, "rate")) == (0, 0)


def test_a_method_without_spans_is_measured_by_its_text() -> None:
    class Everything:
        counter = resolve_token_counter(None)

        def kept(self, question: Question, target: int) -> Kept:
            return Kept("red", 1, None)

    (row,) = measure_kept([question()], Everything(), name="m", ratios=[2])
    assert mean(row, "has answer") == 1
    assert row.figures["evidence kept"] is None
    with pytest.raises(InputError, match="no scores"):
        scorer_method("m", Everything())


def test_gold_documents_are_ranked_by_relevance() -> None:
    (row,) = measure_ranking([question()], method(1, 0), name="m")
    assert (mean(row, "nDCG@10"), mean(row, "MRR")) == (1, 1)
    gold_last = question(gold=(1,))
    (row,) = measure_ranking([gold_last, question(gold=(0, 1))], method(1, 0), name="m")
    assert mean(row, "MRR") == 0.5


def test_without_a_budget_the_default_threshold_decides_and_others_are_swept() -> None:
    default, strict, loose = measure_thresholds(
        [question()], method(0.9, 0.2, threshold=0.5), name="m", thresholds=[0.95, 0.1]
    )
    assert (default.setting, strict.setting) == ("default, threshold=0.5", "threshold=0.95")
    expected = {"has answer": 1, "answerless dropped": 1, "nothing kept": 0, "evidence among kept": 1}
    assert {figure: mean(default, figure) for figure in expected} == expected
    assert 0.5 < (mean(default, "tokens removed") or 0) < 1
    assert (mean(strict, "nothing kept"), mean(strict, "tokens removed")) == (1, 1)
    assert strict.figures["evidence among kept"] is None
    assert (mean(loose, "answerless dropped"), mean(loose, "evidence among kept")) == (0, 0.25)


def test_every_document_of_an_unanswerable_question_is_answerless() -> None:
    nothing = question(answers=(), evidence=(), gold=(), is_labelled=True)
    (row,) = measure_thresholds([nothing], method(0.9, 0.2, threshold=0.5), name="m")
    assert mean(row, "answerless dropped") == 0.5
    assert row.figures["has answer"] is None


def test_probabilities_that_hold_have_no_calibration_error() -> None:
    rows = measure_calibration([question(), question()], method(1.0, 0.0), name="m")
    assert mean(rows[-1], "expected calibration error") == 0
    bins = {row.setting: row for row in rows[:-1]}
    assert len(bins) == 10
    assert mean(bins["0.9 to 1"], "is evidence") == 1
    assert mean(bins["0.9 to 1"], "share of segments") == 0.25
    assert mean(bins["0 to 0.1"], "is evidence") == 0


def test_the_calibration_error_is_the_distance_of_score_and_truth() -> None:
    rows = measure_calibration([question()] * 3, method(0.75, 0.35), name="m")
    assert mean(rows[-1], "expected calibration error") == pytest.approx((0.25 + 3 * 0.35) / 4)
    wild = measure_calibration([question()], method(7, -7), name="m")
    assert mean(wild[9], "share of segments") == 0.25
    with pytest.raises(InputError):
        measure_calibration([question(is_labelled=False)], make_method("random"), name="m")  # type: ignore[arg-type]
