"""`lingua bench quality` measures what it says."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lingua_core import InputError
from lingua_core.bench.cli import app
from lingua_core.bench.quality import has_answer, measure_quality
from lingua_core.bench.questions import Question, load_questions, with_distractors

RECORDS = [
    {
        "id": f"q{n}",
        "question": f"What colour is the {animal}?",
        "passages": [
            {"title": animal, "text": f"Rain fell all day. The {animal} is {colour}. Nobody came to see it."}
        ],
        "answers": [colour],
        "evidence_sentences": [[0, 19, 19 + len(f"The {animal} is {colour}.")]],
    }
    for n, (animal, colour) in enumerate(
        [("fox", "red"), ("crow", "black"), ("swan", "white"), ("frog", "green")]
    )
]


def write(path: Path, records: list[dict[str, Any]]) -> Path:
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)
    return path


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    passages = [
        {"pid": n, "title": f"T{n}", "text": f"Filler {n} talks of stones. It has two sentences."}
        for n in range(9)
    ]
    negatives = [{"id": f"q{n}", "neg": [n, n + 1]} for n in range(3)]
    return {
        "data": write(tmp_path / "data.jsonl.gz", RECORDS),
        "passages": write(tmp_path / "passages.jsonl.gz", passages),
        "negatives": write(tmp_path / "negatives.jsonl.gz", negatives),
    }


@pytest.mark.parametrize(
    ("text", "answers", "expected"),
    [
        ("It was the Red fox!", ["red fox"], True),
        ("It was U.S. steel", ["The US steel"], True),
        ("reddish", ["red"], False),
        ("anything", [""], False),
        ("first, second", ["third", "second"], True),
    ],
)
def test_has_answer_compares_normalised_whole_words(text: str, answers: list[str], expected: bool) -> None:
    assert has_answer(text, answers) is expected


def test_good_scores_keep_answers_and_evidence_and_random_ones_do_not(files: dict[str, Path]) -> None:
    questions = load_questions(files["data"])
    (lexical,) = measure_quality(questions, method="lexical", ratios=[2])
    assert (lexical.has_answer, lexical.all_evidence, lexical.questions) == (1.0, 1.0, 4)
    assert lexical.achieved_ratio >= 2
    (floor,) = measure_quality(questions, method="random", ratios=[2])
    assert floor.has_answer < 1


def test_distractors_surround_the_gold_passage_and_spans_move_with_it(files: dict[str, Path]) -> None:
    mixed = with_distractors(
        load_questions(files["data"]), passages=files["passages"], negatives=files["negatives"], count=4
    )
    assert [q.id for q in mixed] == ["q0", "q1", "q2"]
    for question in mixed:
        assert len(question.documents) == 4
        ((index, start, end),) = question.evidence
        assert question.answers[0] in question.documents[index].text[start:end]
    again = with_distractors(
        load_questions(files["data"]), passages=files["passages"], negatives=files["negatives"], count=4
    )
    assert again == mixed


def test_the_command_shows_every_method_and_ratio(files: dict[str, Path]) -> None:
    arguments = ["quality", str(files["data"]), "--passages", str(files["passages"])]
    arguments += ["--negatives", str(files["negatives"]), "--documents", "3", "--ratios", "2,4"]
    done = CliRunner().invoke(app, [*arguments, "--json"])
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    assert [(row["method"], row["ratio"]) for row in rows] == [
        (method, ratio) for method in ("random", "lexical", "extract") for ratio in (2, 4)
    ]
    assert "all evidence" in CliRunner().invoke(app, arguments).stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.jsonl"], "cannot be read"),
        (["{data}", "--methods", "magic"], "Unknown methods"),
        (["{data}", "--ratios", "2;4"], "numbers with commas"),
        (["{data}", "--ratios", "0.5"], "at least 1"),
        (["{data}", "--passages", "{passages}"], "both --passages and --negatives"),
    ],
)
def test_bad_arguments_are_clear_errors(files: dict[str, Path], arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(app, ["quality", *(argument.format(**files) for argument in arguments)])
    assert done.exit_code == 2
    assert message in done.stderr


@pytest.mark.parametrize(
    "record", [{"question": "q"}, {"question": "q", "passages": [{}], "answers": ["a"]}, {}]
)
def test_bad_records_are_clear_errors(tmp_path: Path, record: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        load_questions(write(tmp_path / "bad.jsonl.gz", [record]))


def test_on_real_questions_the_methods_beat_the_floor_by_far(shared_data: Path) -> None:
    qa = shared_data / "qa"
    questions = with_distractors(
        load_questions(qa / "squad11_dev.jsonl.gz", limit=40),
        passages=qa / "passages_wiki.jsonl.gz",
        negatives=qa / "hard_negatives.jsonl.gz",
    )
    assert all(isinstance(question, Question) and len(question.documents) == 20 for question in questions)
    share = {
        m: measure_quality(questions, method=m, ratios=[4])[0].has_answer
        for m in ("random", "lexical", "extract")
    }
    assert share["random"] < 0.6
    assert share["lexical"] > 0.8
    assert share["extract"] > 0.85
