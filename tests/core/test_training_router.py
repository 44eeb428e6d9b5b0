"""The router's questions and its training, on a few of them and a few steps."""

import gzip
import json
import re
import sys
from collections import Counter
from itertools import combinations
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from cli_runner import lingua
from lingua_core import InputError
from lingua_core.models.answer_forms import FORMS, POINTS
from lingua_core.skeleton.routing import EmbeddedRouter
from lingua_core.training.router.examples import (
    KINDS,
    SHIPPED,
    RouterExample,
    form_of,
    is_held,
    read_questions,
)


@pytest.fixture(scope="module")
def shipped() -> list[RouterExample]:
    return read_questions(SHIPPED)


HELD_LETTERS = [False, False, True, True, False, True, False, False, False, True]


def written(folder: Path, *records: Any, name: str = "mine.jsonl") -> Path:
    file = folder / name
    file.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return file


def toy_questions(count: int = 60) -> list[dict[str, Any]]:
    """Half of them ask for ways, half for a sum."""
    topics = "bread cheese rain maps boats hats songs keys lamps doors".split()
    records: list[dict[str, Any]] = []
    for i in range(count // 2):
        records.append({"question": f"What are {i + 3} ways to sell {topics[i % 10]}?", "label": 1})
        records.append({"question": f"What is {i} plus {i * 7}? Only the sum.", "label": 0, "kind": "maths"})
    return records


# The questions


def test_there_are_enough_questions_and_neither_label_is_rare(shipped: list[RouterExample]) -> None:
    assert len(shipped) >= 2_500
    assert sum(example.origin == "written" for example in shipped) >= 1_200
    assert 0.35 <= sum(example.label for example in shipped) / len(shipped) <= 0.45


def test_questions_are_of_all_kinds_lengths_and_of_many_languages(shipped: list[RouterExample]) -> None:
    kinds = Counter(example.kind for example in shipped)
    assert set(kinds) == set(KINDS)
    assert min(kinds.values()) >= 20
    languages = Counter(example.lang for example in shipped)
    assert languages["en"] > len(shipped) / 2
    for language in ("es", "de", "fr", "zh", "ja", "pt", "it", "ru", "ar", "hi"):
        labels = [example.label for example in shipped if example.lang == language]
        assert min(labels.count(True), labels.count(False)) >= 5, language
    words = [len(example.question.split()) for example in shipped]
    assert sum(count <= 4 for count in words) >= 100
    assert sum(count >= 60 for count in words) >= 40


def test_labels_follow_from_kinds(shipped: list[RouterExample]) -> None:
    for example in shipped:
        assert example.kind is not None
        assert example.label == (KINDS[example.kind] == POINTS), example.question
    assert set(KINDS.values()) == set(FORMS)


def test_no_question_is_there_twice_even_in_other_words_of_the_same_letters(
    shipped: list[RouterExample],
) -> None:
    """Shingles of five characters; pairs are found by the rarest that they share."""
    normal = [re.sub(r"\W+", " ", example.question.lower()).strip() for example in shipped]
    assert len(set(normal)) >= len(normal) - 1  # "???" has no letters
    rows = [{text[i : i + 5] for i in range(max(1, len(text) - 4))} for text in normal]
    often = Counter(shingle for row in rows for shingle in row)
    places: dict[str, list[int]] = {}
    for i, row in enumerate(rows):
        for shingle in sorted(row, key=lambda s: (often[s], s))[: len(row) // 3 + 1]:
            places.setdefault(shingle, []).append(i)
    pairs = {pair for found in places.values() for pair in combinations(found, 2)}
    too_near = [
        (shipped[a].question, shipped[b].question)
        for a, b in pairs
        if len(rows[a] & rows[b]) >= 0.72 * len(rows[a] | rows[b])
    ]
    assert not too_near


def test_words_of_a_topic_do_not_give_the_label_away(shipped: list[RouterExample]) -> None:
    """Topics meet both labels: those that are often asked about have no label of their own."""
    for topic in ("sourdough", "kubernetes", "insomnia", "inflation", "redis", "coffee"):
        labels = [example.label for example in shipped if topic in example.question.lower()]
        assert min(labels.count(True), labels.count(False)) >= 2, topic


def test_one_in_five_is_held_out_and_stays_so(shipped: list[RouterExample]) -> None:
    held = [example for example in shipped if is_held(example)]
    assert 0.17 < len(held) / len(shipped) < 0.23
    assert is_held(RouterExample(question="Why?", label=False)) == is_held(
        RouterExample(question="Why?", label=True, kind="tips", lang="en")
    )
    # Written down, so that no change moves questions from one side to the other.
    assert [is_held(RouterExample(question=q, label=True)) for q in "abcdefghij"] == HELD_LETTERS


def test_the_datasheet_states_the_counts(shipped: list[RouterExample]) -> None:
    sheet = (SHIPPED.parent / "README.md").read_text(encoding="utf-8")
    assert f"{len(shipped):,} questions" in sheet
    for kind, count in Counter(example.kind for example in shipped).items():
        assert f"| {kind} | {KINDS[kind or '']} | {count} |" in sheet
    for language, count in Counter(example.lang for example in shipped).items():
        assert re.search(rf"\b{language} {count}\b", sheet), (language, count)


# Reading a user's own


def test_a_file_may_be_gzipped_and_needs_question_and_label_only(tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl.gz"
    lines = "".join(json.dumps(record) + "\n\n" for record in toy_questions(10))
    file.write_bytes(gzip.compress(lines.encode()))
    examples = read_questions(file)
    assert len(examples) == 10
    assert form_of(examples)[:2] == [POINTS, "maths"]
    assert form_of([RouterExample(question="What?", label=False)]) == [None]


GOOD = {"question": "Ways to sell bread?", "label": 1}


@pytest.mark.parametrize(
    "broken",
    [
        "text",
        {"question": "What?"},
        {"question": " ", "label": 1},
        {"question": 3, "label": 1},
        {"question": "What?", "label": 2},
        {"question": "What?", "label": "1"},
        {"question": "What?", "label": None},
        {"question": "What?", "label": 0, "kind": "sums"},
        {"question": "What?", "label": 0, "kind": "tips"},
        {"question": "What?", "label": 1, "kind": "maths"},
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path: Path, broken: Any) -> None:
    with pytest.raises(InputError, match=r"Example 2 of .*mine\.jsonl"):
        read_questions(written(tmp_path, GOOD, broken))


def test_a_line_that_is_no_json_is_named(tmp_path: Path) -> None:
    file = tmp_path / "mine.jsonl"
    file.write_text(json.dumps(GOOD) + "\n{broken\n")
    with pytest.raises(InputError, match=r"Line 2 of .*mine\.jsonl"):
        read_questions(file)


def test_a_question_with_two_labels_is_named_and_a_repeated_one_counts_once(tmp_path: Path) -> None:
    other = {"question": "Two and two?", "label": 0}
    assert len(read_questions(written(tmp_path, GOOD, other, GOOD))) == 2
    with pytest.raises(InputError, match=r"Examples 1 and 3 .*two labels"):
        read_questions(written(tmp_path, GOOD, other, {**GOOD, "label": 0}))


def test_one_label_alone_teaches_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one label"):
        read_questions(written(tmp_path, GOOD))


# Training


def training_extras() -> None:
    for package in ("torch", "transformers", "onnx"):
        pytest.importorskip(package, reason="training needs the extra 'train'")


def test_a_few_steps_make_a_router_that_has_learnt_and_can_be_used(tmp_path: Path) -> None:
    training_extras()
    data, out = written(tmp_path, *toy_questions()), tmp_path / "router"
    options = ("--alone", "--steps", "12", "--questions", "16", "--rate", "3e-4")
    result = lingua("train", "router", data, "--out", out, *options)
    assert result.exit_code == 0, result.stderr
    assert "60 questions" not in result.stderr  # a part of them is held out
    printed = dict(re.split(r" {2,}", line, maxsplit=1) for line in result.stdout.splitlines())
    assert printed["path"] == str(out)
    assert float(printed["F1"]) > 0.9
    assert float(printed["false-positive rate"]) <= 0.2
    assert sorted(file.name for file in out.iterdir()) == ["router.json", "router.onnx"]
    router = EmbeddedRouter(model=out)
    assert float(printed["threshold"]) == router.threshold
    ways, total = (
        router.route("What are 9 ways to sell cheese?"),
        router.route("What is 4 plus 9? Only the sum."),
    )
    assert ways.use_skeleton
    assert not total.use_skeleton
    assert (ways.probability or 0) > (total.probability or 0) + 0.2


def test_the_same_seed_makes_the_same_router(tmp_path: Path) -> None:
    training_extras()
    import torch

    from lingua_core.training.router.pipeline import RouterMaterial, train_router
    from lingua_core.training.router.train import RouterOptions

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        material = RouterMaterial.of(written(tmp_path, *toy_questions()), alone=True)
        for name, seed in (("a", 1), ("b", 1), ("c", 2)):
            train_router(material, tmp_path / name, RouterOptions(steps=2, questions=8, seed=seed))
    finally:
        torch.set_num_threads(before)
    files = [(tmp_path / name / "router.onnx").read_bytes() for name in "abc"]
    assert files[0] == files[1] != files[2]


def test_the_exported_model_says_what_the_trained_one_says() -> None:
    training_extras()
    import tempfile

    import torch

    from lingua_core.models.onnx_router import OnnxRouter, question_states
    from lingua_core.training.router.export import export_router
    from lingua_core.training.router.model import RouterModel, pad_states

    torch.manual_seed(3)
    model = RouterModel.start().eval()
    questions = ["Tips for a rainy day?", "What is the capital of Peru?", "x" * 2000]
    with torch.no_grad():
        points, forms = model(pad_states(question_states(questions)))
    with tempfile.TemporaryDirectory() as folder:
        export_router(model, Path(folder))
        for i, question in enumerate(questions):
            reading = OnnxRouter(Path(folder)).read(question)
            assert reading.points == pytest.approx(float(points[i]), abs=0.05)
            np.testing.assert_allclose(reading.forms, forms[i].numpy(), atol=0.08)


def test_training_starts_from_the_upper_layers_of_the_sentence_encoder() -> None:
    training_extras()
    import torch

    from lingua_core.models.onnx_encoder import OnnxEncoder
    from lingua_core.models.onnx_router import question_states, question_tokens
    from lingua_core.training.router.model import RouterModel, pad_states
    from lingua_core.weights import ENCODER

    question = "Tips for a rainy day?"
    (mean,) = OnnxEncoder(ENCODER.folder).map(
        lambda i, hidden: hidden.mean(axis=0), [question_tokens(question)]
    )
    length = float(np.linalg.norm(mean))
    model = RouterModel.start().eval()
    with torch.no_grad():
        # A head along the encoder's own vector reads its length.
        model.points.weight.copy_(torch.from_numpy(mean / length)[None, :])
        model.points.bias.zero_()
        points, _ = model(pad_states(question_states([question])))
    assert float(points[0]) == pytest.approx(length, rel=0.02)


def test_a_users_questions_join_the_shipped_ones_and_are_what_calibration_is_for(
    tmp_path: Path, shipped: list[RouterExample]
) -> None:
    training_extras()
    from lingua_core.training.router.pipeline import RouterMaterial

    relabelled = {"question": shipped[0].question, "label": int(not shipped[0].label)}
    material = RouterMaterial.of(written(tmp_path, *toy_questions(), relabelled))
    everything = [*material.examples, *material.held]
    assert {e.label for e in everything if e.question == shipped[0].question} == {not shipped[0].label}
    assert all(
        "sell" in e.question or "plus" in e.question or e.question == shipped[0].question
        for e in material.held
    )
    assert not {e.question for e in material.examples} & {e.question for e in material.held}
    assert len(material.examples) > 2_000
    alone = RouterMaterial.of(written(tmp_path, *toy_questions()), alone=True)
    assert len(alone.examples) + len(alone.held) == 60


def test_too_few_questions_are_an_error_before_anything_is_trained(tmp_path: Path) -> None:
    training_extras()
    data, out = written(tmp_path, *toy_questions(8)), tmp_path / "out"
    result = lingua("train", "router", data, "--out", out, "--alone")
    assert result.exit_code == 2
    assert "at least 5 held-out questions of each label" in result.stderr
    assert not out.exists()


def test_broken_lines_are_one_message(tmp_path: Path) -> None:
    training_extras()
    data = written(tmp_path, GOOD, {"question": "What?", "label": 7})
    result = lingua("train", "router", data, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith("lingua: error: Example 2 of ")


def test_out_is_required_and_options_are_checked(tmp_path: Path) -> None:
    assert lingua("train", "router").exit_code == 2
    for option, value in (("--steps", "0"), ("--questions", "0"), ("--rate", "1")):
        result = lingua("train", "router", "--out", tmp_path / "out", option, value)
        assert result.exit_code == 2
        assert option in result.stderr


@pytest.mark.parametrize("missing", ["onnx", "torch", "transformers"])
def test_what_training_needs_is_named_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    for name in ("onnx", "torch", "transformers"):
        monkeypatch.setitem(sys.modules, name, None if name == missing else ModuleType(name))  # type: ignore[arg-type]
    result = lingua("train", "router", "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert result.stderr == (
        f"lingua: error: Training a router needs the package {missing!r}, which is not installed. "
        'Install it with: pip install "lingua-rag[train]"\n'
    )
