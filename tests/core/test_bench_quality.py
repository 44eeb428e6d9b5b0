"""`lingua bench quality` from the command line."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lingua_core.bench.cli import app
from lingua_core.bench.quality.command import Style
from lingua_core.bench.quality.contexts import with_listed_negatives
from lingua_core.bench.quality.measures import measure_kept
from lingua_core.bench.quality.methods import make_method
from lingua_core.bench.quality.perturbations import PERTURBATIONS
from lingua_core.bench.quality.questions import load_questions
from quality_questions import RECORDS, write_records


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    passages = [
        {"pid": n, "title": f"T{n}", "text": f"Filler {n} talks of stones. It has two sentences."}
        for n in range(9)
    ]
    negatives = [{"id": f"q{n}", "neg": [n, n + 1]} for n in range(3)]
    unanswerable = [{**RECORDS[0], "answers": [], "gold": [], "evidence_sentences": [], "unanswerable": True}]
    return {
        "data": write_records(tmp_path / "data.jsonl.gz", RECORDS + unanswerable),
        "passages": write_records(tmp_path / "passages.jsonl.gz", passages),
        "negatives": write_records(tmp_path / "negatives.jsonl.gz", negatives),
        "others": write_records(tmp_path / "others.jsonl.gz", [{"id": "another", "neg": [1, 2]}]),
    }


def run(files: dict[str, Path], *options: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["quality", str(files["data"]), *options, "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_the_default_reports_every_method_and_ratio_with_sizes_and_errors(files: dict[str, Path]) -> None:
    negatives = ["--passages", str(files["passages"]), "--negatives", str(files["negatives"])]
    report = run(files, *negatives, "--documents", "3", "--ratios", "2,4")
    assert (report["questions"], report["measure"]) == (3, "kept")
    assert [(row["method"], row["setting"]) for row in report["rows"]] == [
        (method, ratio) for method in ("random", "lexical", "extract") for ratio in ("2x", "4x")
    ]
    assert all(
        figure.keys() == {"mean", "standard_error", "size"}
        for row in report["rows"]
        for figure in row["figures"].values()
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], ["has answer", "all evidence", "evidence kept"]),
        (["--measure", "threshold", "--thresholds", "0.3"], ["default, rate=0.5", "tokens removed"]),
        (["--measure", "threshold", "--unanswerable"], ["nothing kept", "answerless dropped"]),
        (["--measure", "ranking", "--distractors", "2"], ["nDCG@10", "MRR"]),
        (["--measure", "calibration"], ["is evidence", "expected calibration error"]),
    ],
)
def test_every_measurement_has_a_table(
    files: dict[str, Path], options: list[str], expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    done = CliRunner().invoke(app, ["quality", str(files["data"]), "--methods", "lexical", *options])
    assert done.exit_code == 0, done.output
    assert all(text in done.stdout for text in [*expected, "±"])


@pytest.mark.parametrize("style", list(Style))
def test_questions_can_be_typed_in_every_style(files: dict[str, Path], style: str) -> None:
    assert style in PERTURBATIONS
    (row,) = run(files, "--methods", "lexical", "--ratios", "2", "--perturb", style)["rows"]
    assert row["figures"]["has answer"]["size"] == len(RECORDS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.jsonl"], "cannot be read"),
        (["{data}", "--methods", "magic"], "Unknown methods"),
        (["{data}", "--methods", "extract", "--model", "{data}.none"], "no folder with a model"),
        (["{data}", "--ratios", "2;4"], "numbers with commas"),
        (["{data}", "--thresholds", "high"], "numbers with commas"),
        (["{data}", "--ratios", "0.5"], "at least 1"),
        (["{data}", "--passages", "{passages}"], "both --passages and --negatives"),
        (["{data}", "--split", "nowhere"], "no question of the kind"),
        (["{data}", "--unanswerable"], "--measure threshold"),
        (["{data}", "--measure", "ranking"], "nothing to rank"),
        (["{data}", "--passages", "{passages}", "--negatives", "{others}"], "no negatives"),
    ],
)
def test_bad_arguments_are_clear_errors(files: dict[str, Path], arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(app, ["quality", *(argument.format(**files) for argument in arguments)])
    assert done.exit_code == 2
    assert message in done.stderr


def test_on_real_questions_the_methods_beat_the_floor_by_far(shared_data: Path) -> None:
    qa = shared_data / "qa"
    questions = with_listed_negatives(
        load_questions(qa / "squad11_dev.jsonl.gz", limit=40),
        passages=qa / "passages_wiki.jsonl.gz",
        negatives=qa / "hard_negatives.jsonl.gz",
    )
    assert all(len(question.documents) == 20 for question in questions)
    share: dict[str, float] = {}
    for name in ("random", "lexical", "extract"):
        (row,) = measure_kept(questions, make_method(name), name=name, ratios=[4])
        answered = row.figures["has answer"]
        assert answered is not None
        share[name] = answered.mean
    assert share["random"] < 0.6
    assert share["lexical"] > 0.8
    assert share["extract"] > 0.85
