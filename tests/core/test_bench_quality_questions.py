"""Questions, their labels, their contexts and their styles."""

from pathlib import Path
from typing import Any

import pytest

from lingua_core import InputError
from lingua_core.bench.quality.contexts import with_listed_negatives, with_neighbours
from lingua_core.bench.quality.perturbations import perturbed
from lingua_core.bench.quality.questions import Question, load_questions
from lingua_core.training.data.splits import held_out
from quality_questions import RECORDS, write_records

TEXT = "It rained. The fox is red. Nobody came."


def loaded(folder: Path, *records: dict[str, Any], **options: Any) -> list[Question]:
    return load_questions(write_records(folder / "data.jsonl.gz", list(records)), **options)


def record(**fields: Any) -> dict[str, Any]:
    return {"id": "r", "question": "Which?", "passages": [{"title": "t", "text": TEXT}], **fields}


def evidence_of(question: Question) -> list[str]:
    return [question.documents[p].text[a:b] for p, a, b in question.evidence]


@pytest.mark.parametrize(
    ("labels", "source", "evidence"),
    [
        ({"evidence_sentences": [[0, 0, 10]], "answer_spans": [[0, 22, 25]]}, "sentences", ["It rained."]),
        ({"answer_spans": [[0, 22, 25], [0, 15, 18]], "gold": [0]}, "answers", ["The fox is red."]),
        ({"gold": [0]}, "passages", [TEXT]),
        ({"answers": ["red"]}, "passages", []),
    ],
)
def test_evidence_is_the_finest_label_that_there_is(
    tmp_path: Path, labels: dict[str, Any], source: str, evidence: list[str]
) -> None:
    (question,) = loaded(tmp_path, record(**labels))
    assert question.evidence_from == source
    assert evidence_of(question) == evidence
    assert question.gold == ((0,) if evidence else ())
    assert question.is_labelled is bool(evidence)


def test_questions_without_an_answer_are_asked_only_where_that_is_wanted(tmp_path: Path) -> None:
    records = [record(id="a", gold=[0]), record(id="u", unanswerable=True), record(id="nothing")]
    assert [q.id for q in loaded(tmp_path, *records)] == ["a"]
    (question,) = loaded(tmp_path, *records, unanswerable=True)
    assert (question.id, question.is_labelled, question.gold) == ("u", True, ())


def test_a_split_and_what_training_never_sees_can_be_chosen(tmp_path: Path) -> None:
    titles = [f"Title {n}" for n in range(60)]
    records = [
        record(
            id=title, gold=[0], split="val" if n % 2 else "train", passages=[{"title": title, "text": TEXT}]
        )
        for n, title in enumerate(titles)
    ]
    assert len(loaded(tmp_path, *records, split="val")) == 30
    kept = loaded(tmp_path, *records, held_out=True)
    assert [q.id for q in kept] == [title for title in titles if held_out(title)]
    assert kept


def test_parts_of_a_nameless_document_are_held_out_together(tmp_path: Path) -> None:
    names = ["table", "paragraph 1"]
    records = [
        record(
            id=str(n), gold=[n % 2], passages=[{"title": t, "text": f"Report {n // 2}. {t}."} for t in names]
        )
        for n in range(100)
    ]
    kept = {int(question.id) for question in loaded(tmp_path, *records, held_out=True)}
    assert kept
    assert len(kept) < 50
    assert all({n, n ^ 1} <= kept for n in kept)


def test_the_last_turns_come_before_the_question(tmp_path: Path) -> None:
    turns = ["user: Hello", "agent: What is it: fox or crow?", "user: Fox"]
    texts = [loaded(tmp_path, record(gold=[0], history=turns), history=n)[0].text for n in (0, 2, 9)]
    assert texts == [
        "Which?",
        "What is it: fox or crow? Fox Which?",
        "Hello What is it: fox or crow? Fox Which?",
    ]


def test_a_sample_is_seeded(tmp_path: Path) -> None:
    first, again, other = (
        [question.id for question in loaded(tmp_path, *RECORDS, limit=3, seed=seed)] for seed in (0, 0, 1)
    )
    assert first == again != other


@pytest.mark.parametrize(
    "bad",
    [
        {"question": "q"},
        {"question": "q", "passages": [{}], "answers": ["a"]},
        {"question": "q", "passages": [{"text": "x"}], "gold": [3]},
        {"question": "q", "passages": [{"text": "x"}], "answer_spans": [[0]]},
        {},
        [],
        3,
    ],
)
def test_bad_records_are_clear_errors(tmp_path: Path, bad: Any) -> None:
    with pytest.raises(InputError):
        loaded(tmp_path, bad)


def test_listed_negatives_surround_the_gold_passage_and_labels_move_with_it(tmp_path: Path) -> None:
    passages = [{"pid": n, "text": f"Filler {n} talks of stones. It has two sentences."} for n in range(9)]
    negatives = [{"id": f"q{n}", "neg": [n, n + 1]} for n in range(3)]
    files = {
        "passages": write_records(tmp_path / "passages.jsonl.gz", passages),
        "negatives": write_records(tmp_path / "negatives.jsonl.gz", negatives),
    }
    mixed = with_listed_negatives(loaded(tmp_path, *RECORDS), count=4, **files)
    assert [q.id for q in mixed] == ["q0", "q1", "q2"]
    for question in mixed:
        assert len(question.documents) == 4
        (sentence,) = evidence_of(question)
        assert question.answers[0] in sentence
        assert question.answers[0] in question.documents[question.gold[0]].text
    assert with_listed_negatives(loaded(tmp_path, *RECORDS), count=4, **files) == mixed


def neighbours(folder: Path, *records: dict[str, Any], count: int, **options: Any) -> list[Question]:
    questions = loaded(folder, *records)
    return with_neighbours(questions, data=folder / "data.jsonl.gz", count=count, **options)


def test_neighbours_are_the_passages_most_like_the_question_that_do_not_answer_it(tmp_path: Path) -> None:
    texts = [
        "The fox is red.",
        "The fox sleeps.",
        "The red fox eats.",
        "Stones are hard.",
        "What is the fox?",
    ]
    records = [
        record(id=str(n), question=f"What is fox {n}?", passages=[{"title": "", "text": text}], gold=[0])
        for n, text in enumerate(texts)
    ]
    records[0] |= {"answers": ["red"], "question": "What colour is the fox?"}
    question = neighbours(tmp_path, *records, count=2)[0]
    assert sorted(document.text for document in question.documents) == [
        "The fox is red.",
        "The fox sleeps.",
        "What is the fox?",
    ]
    assert evidence_of(question) == ["The fox is red."]


def test_gold_of_the_same_question_elsewhere_is_no_distractor(tmp_path: Path) -> None:
    records = [
        record(id=str(n), passages=[{"title": str(n), "text": f"Policy {n}."}], gold=[0]) for n in range(3)
    ]
    assert all(len(question.documents) == 1 for question in neighbours(tmp_path, *records, count=2))


def test_a_whole_document_gets_passages_of_others_only_and_a_part_can_stay_among_its_own(
    tmp_path: Path,
) -> None:
    def part(title: str, *texts: str) -> dict[str, Any]:
        passages = [{"title": title, "text": text} for text in texts]
        return record(id=title + texts[0], question=f"{title}? {texts[0]}", passages=passages, gold=[0])

    whole = neighbours(
        tmp_path, part("a", "One.", "Two."), part("a", "Three.", "Two."), part("b", "Four."), count=5
    )
    assert {document.text for document in whole[0].documents} == {"One.", "Two.", "Four."}
    parts = [part("a", "One."), part("a", "Two."), part("b", "Three.")]
    own = neighbours(tmp_path, *parts, count=5, same_title=True)
    assert [{d.text for d in q.documents} for q in own] == [{"One.", "Two."}, {"One.", "Two."}, {"Three."}]


def test_styles_change_the_question_alone_and_the_same_way_each_time(tmp_path: Path) -> None:
    questions = loaded(tmp_path, *RECORDS)
    changed = {
        style: perturbed(questions, style, seed=3) for style in ("upper", "lower", "typos", "keywords")
    }
    assert changed["upper"][0].text == "WHAT COLOUR IS THE FOX?"
    assert changed["lower"][0].text == "what colour is the fox"
    assert changed["keywords"][0].text == "colour fox"
    assert changed["typos"][0].text != questions[0].text
    assert changed["typos"] == perturbed(questions, "typos", seed=3)
    assert all(q.documents == old.documents for q, old in zip(changed["typos"], questions, strict=True))
