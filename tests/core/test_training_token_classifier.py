"""Training of a token classifier: a known rule is recovered, interruptions change nothing, faults speak."""

import json
import math
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli_runner import lingua

torch = pytest.importorskip("torch", reason="training needs the extra 'train'")
transformers = pytest.importorskip("transformers", reason="training needs the extra 'train'")

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors  # noqa: E402

from lingua_core import InputError, ModelError, PromptCompressor  # noqa: E402
from lingua_core.models.token_classifier import SequenceFrame  # noqa: E402
from lingua_core.training.token_classifier.alignment import align  # noqa: E402
from lingua_core.training.token_classifier.evaluate import (  # noqa: E402
    Baseline,
    area_under_curve,
    figures,
)
from lingua_core.training.token_classifier.filters import QualityFilters  # noqa: E402
from lingua_core.training.token_classifier.labels import LabelledRow  # noqa: E402
from lingua_core.training.token_classifier.model import load_start, save_classifier  # noqa: E402
from lingua_core.training.token_classifier.pairs import CompressionPair  # noqa: E402
from lingua_core.training.token_classifier.pipeline import aligned, train_token_classifier  # noqa: E402
from lingua_core.training.token_classifier.report import TrainingReport  # noqa: E402
from lingua_core.training.token_classifier.train import (  # noqa: E402
    Progress,
    TrainingOptions,
    train,
)

LETTERS = "abcdefghijklmnopqrstuvwxyz"
NOUNS = "bridge market queen".split()
NAMES = "Varno Lund Tiber Ostia Minerva".split()
SMALL = "the of was".split()


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Passes this small lose more to waiting for other threads than they win."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def tiny_tokenizer() -> Any:
    pieces = [*NOUNS, *NAMES, *SMALL, "not", *LETTERS, *LETTERS.upper(), *"0123456789.,()"]
    pieces += [f"##{character}" for character in LETTERS + "0123456789"]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *dict.fromkeys(pieces)]
    tokenizer = Tokenizer(models.WordPiece({p: i for i, p in enumerate(vocabulary)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]"
    )


def tiny_encoder(folder: Path, *, classifier: bool = False, **options: Any) -> Path:
    """A BERT of two layers with random weights, but for positions, which are waves: neighbours are near."""
    tokenizer = tiny_tokenizer()
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = transformers.BertConfig(
        vocab_size=len(tokenizer), max_position_embeddings=64, initializer_range=0.1, **sizes | options
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        kind = transformers.BertForTokenClassification if classifier else transformers.BertModel
        model = kind(config)
    table = model.get_parameter(f"{'bert.' * classifier}embeddings.position_embeddings.weight").data
    waves = torch.arange(64)[:, None] * 1000 ** -torch.arange(0, 1, 1 / 16)
    table[:, 0::2], table[:, 1::2] = waves.sin() / 2, waves.cos() / 2
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_encoder(tmp_path_factory.mktemp("encoder"))


def rule(words: Sequence[str]) -> list[bool]:
    """Names and numbers stay; of other words those behind "not", with it."""
    return [
        word[0].isupper() or word[0].isdigit() or word == "not" or words[i - 1 : i] == ["not"]
        for i, word in enumerate(words)
    ]


def rule_pairs(count: int, *, seed: int = 0, length: int = 16) -> list[dict[str, str]]:
    """Words come often, so that finding the right one of several equal ones decides what can be learnt."""
    rng = random.Random(seed)
    kinds = (NOUNS, SMALL, NAMES, [str(number) for number in range(100)], ["not"])
    found: list[dict[str, str]] = []
    for i in range(count):
        words = [rng.choice(rng.choice(kinds)) for _ in range(length)]
        kept = [word for word, is_kept in zip(words, rule(words), strict=True) if is_kept]
        found.append({"id": f"d{i}", "origin": " ".join(words) + ".", "compressed": " ".join(kept)})
    return found


def written(folder: Path, records: Sequence[Any], name: str = "pairs.jsonl") -> Path:
    file = folder / name
    file.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return file


def texts_of(records: Sequence[dict[str, str]]) -> list[CompressionPair]:
    return [CompressionPair(document=record["id"], **record) for record in records]


FAST = TrainingOptions(passes=3, rows=8, rate=1e-3, head_rate=3e-3, checkpoint_every=3)


def trained(
    folder: Path, encoder: Path, options: TrainingOptions = FAST, *, count: int = 60, **more: Any
) -> TrainingReport:
    pairs = aligned(texts_of(rule_pairs(count)), QualityFilters())
    return train_token_classifier(pairs, encoder, folder, options, **more)


# --- the rule ----------------------------------------------------------------------------------------


def test_words_are_found_where_the_rule_took_them_from() -> None:
    right = total = 0
    for record in rule_pairs(200):
        words = record["origin"].removesuffix(".").split()
        found = align(record["origin"], record["compressed"])
        right += int((found.kept == rule(words)).sum())
        total += len(words)
    assert right / total > 0.99


class Learnt(NamedTuple):
    folder: Path
    printed: str
    said: str
    report: dict[str, Any]


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory, encoder: Path) -> Learnt:
    folder = tmp_path_factory.mktemp("rule")
    records = [*rule_pairs(600), {"id": "e", "origin": "Empty answer.", "compressed": " "}]
    records += [
        {"id": f"bad{i}", "origin": "The bridge of Varno.", "compressed": "Sure! Here you go."}
        for i in range(20)
    ]
    data, out = written(folder, records), folder / "model"
    options = ("--passes", "10", "--rows", "16", "--rate", "4e-3")
    result = lingua("train", "token-classifier", data, "--model", encoder, "--out", out, *options)
    assert result.exit_code == 0, result.stderr
    return Learnt(out, result.stdout, result.stderr, json.loads((out / "report.json").read_text()))


def test_a_known_rule_is_recovered_on_held_out_text(learnt: Learnt) -> None:
    test, by_token = (
        learnt.report["test"],
        learnt.report["baselines"]["most frequent label of the token"],
    )
    assert test["f1"] > 0.99
    assert test["auc"] > 0.99
    assert abs(test["rate"] - test["rate_of_labels"]) < 0.05
    # What a table of words could do is not enough: the word behind "not" depends on its place.
    assert test["f1"] > by_token["f1"] + 0.02
    assert learnt.report["baselines"]["before training"]["auc"] < 0.8


def test_the_folder_is_a_model_for_the_compressor_and_it_compresses_by_the_rule(learnt: Learnt) -> None:
    compressor = PromptCompressor(method="llmlingua2", model=str(learnt.folder))
    got: list[bool] = []
    wanted: list[bool] = []
    for record in rule_pairs(30, seed=99):
        words = record["origin"].removesuffix(".").split()
        (document,) = compressor.compress([record["origin"]], threshold=0.5).documents
        inside = {i for span in document.spans for i in range(span.start, span.end)}
        starts = np.cumsum([0, *(len(word) + 1 for word in words)])
        got += [start in inside for start in starts[:-1]]
        wanted += rule(words)
    hits = sum(a and b for a, b in zip(got, wanted, strict=True))
    assert 2 * hits / (sum(got) + sum(wanted)) > 0.97
    assert not list(learnt.folder.glob("*unfinished*"))
    assert not (learnt.folder / "training").exists()


def test_what_came_out_is_printed_and_told_in_the_card(learnt: Learnt) -> None:
    assert "600 pairs" in learnt.said
    assert "1 with an empty compression, 20 for their variation rate" in learnt.said
    assert "LOAD REPORT" not in learnt.said
    printed = re.sub(r" +", " ", learnt.printed)
    assert f"path {learnt.folder}\npairs 480 learnt from, 60 to stop by, 60 held out\n" in printed
    figures_of = {name: learnt.report["test"][name] for name in ("f1", "precision", "recall", "auc", "rate")}
    assert "this model " + " ".join(f"{value:.3f}" for value in figures_of.values()) in printed
    card = (learnt.folder / "README.md").read_text()
    assert f"| this model | {figures_of['f1']:.3f} |" in card
    assert "480 to learn from, 60 to stop by" in card
    assert "20 for their variation rate" in card
    assert "terms" in card


def test_a_classifier_is_trained_further_with_the_head_that_it_has(learnt: Learnt, tmp_path: Path) -> None:
    assert not load_start(learnt.folder, seed=0).has_new_head
    again = trained(tmp_path / "again", learnt.folder, replace(FAST, passes=1, rate=1e-6))
    assert again.baselines["before training"].f1 > 0.9
    assert again.start == "model"


# --- seeds, interruptions ----------------------------------------------------------------------------


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, encoder: Path) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "model"
    trained(folder, encoder)
    return folder


def test_the_same_seed_makes_the_same_model_and_leaves_torchs_own_alone(
    whole: Path, tmp_path: Path, encoder: Path
) -> None:
    before = torch.random.get_rng_state()
    trained(tmp_path / "same", encoder)
    assert torch.equal(torch.random.get_rng_state(), before)
    trained(tmp_path / "other", encoder, replace(FAST, seed=1))
    assert weights(tmp_path / "same") == weights(whole) != weights(tmp_path / "other")


@pytest.mark.parametrize("at", [2, 3, 5, 6, 7, 12, 17, 18])
def test_an_interrupted_run_ends_bit_identical(whole: Path, tmp_path: Path, encoder: Path, at: int) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.step == at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "part", encoder, report=interrupt)
    assert not (tmp_path / "part" / "model.safetensors").exists()
    steps: list[int] = []
    report = trained(tmp_path / "part", encoder, report=lambda progress: steps.append(progress.step))
    assert steps[:1] == [at // 3 * 3 + 1][: 18 - at // 3 * 3]
    assert weights(tmp_path / "part") == weights(whole)
    assert (tmp_path / "part" / "report.json").read_bytes() == (whole / "report.json").read_bytes()
    assert len(report.validation_losses) == 3


def test_a_killed_process_goes_on_and_ends_bit_identical(tmp_path: Path, encoder: Path) -> None:
    def command(out: str) -> list[str]:
        data = written(tmp_path, rule_pairs(30))
        options = ("--passes", "20", "--patience", "20", "--rows", "8")
        where = ("--model", str(encoder), "--out", str(tmp_path / out))
        return ["train", "token-classifier", str(data), *where, *options]

    killed = subprocess.Popen(
        [sys.executable, "-m", "lingua_core.cli", *command("killed")],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not (tmp_path / "killed" / "training" / "checkpoint.pt").is_file():
        assert killed.poll() is None
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert not (tmp_path / "killed" / "model.safetensors").exists()
    for out in ("killed", "whole"):
        assert lingua(*command(out)).exit_code == 0
    assert weights(tmp_path / "killed") == weights(tmp_path / "whole")


def test_a_checkpoint_of_another_run_or_a_damaged_one_is_refused(tmp_path: Path, encoder: Path) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.step == 4:
            raise KeyboardInterrupt

    folder = tmp_path / "part"
    with pytest.raises(KeyboardInterrupt):
        trained(folder, encoder, report=interrupt)
    with pytest.raises(InputError, match=r"another run: rate 0\.001 there, 0\.01 here"):
        trained(folder, encoder, replace(FAST, rate=1e-2))
    with pytest.raises(InputError, match="another run: pairs"):
        trained(folder, encoder, count=61)
    checkpoint = folder / "training" / "checkpoint.pt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(InputError, match="cannot be read"):
        trained(folder, encoder)


def test_a_full_disk_is_one_message_and_the_checkpoint_before_stays(
    whole: Path, tmp_path: Path, encoder: Path
) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full, a device that is always full")
    folder = tmp_path / "model"

    def fill(progress: Progress) -> None:
        if progress.step == 4:
            (folder / "training" / "checkpoint.pt.unfinished").symlink_to("/dev/full")

    with pytest.raises(OSError, match=r"No space left on device: .*checkpoint\.pt"):
        trained(folder, encoder, report=fill)
    assert not list((folder / "training").glob("*.unfinished"))
    trained(folder, encoder)
    assert weights(folder) == weights(whole)


def test_a_disk_that_is_full_in_the_end_leaves_the_run_to_be_taken_up(
    whole: Path, tmp_path: Path, encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import safetensors.torch

    def full(*arguments: object, **options: object) -> None:
        raise safetensors.SafetensorError("I/O error: No space left on device (os error 28)")

    folder = tmp_path / "model"
    with monkeypatch.context() as patched:
        patched.setattr(transformers.modeling_utils, "safe_save_file", full)
        with pytest.raises(ModelError, match=r"could not be written .* No space left"):
            trained(folder, encoder)
    assert not (folder / "model.safetensors").exists()
    steps: list[int] = []
    trained(folder, encoder, report=lambda progress: steps.append(progress.step))
    assert steps == []
    assert weights(folder) == weights(whole)


# --- ending ------------------------------------------------------------------------------------------

FRAME = SequenceFrame([2], [3], 62)


def rows_of(labels: Sequence[Sequence[int]]) -> list[LabelledRow]:
    return [LabelledRow(np.arange(5, 5 + len(row)), np.array(row, np.int64)) for row in labels]


def test_training_ends_when_it_no_longer_helps_with_the_weights_of_the_best_pass(
    tmp_path: Path, encoder: Path
) -> None:
    start = load_start(encoder, seed=0)
    rows = rows_of([[1, 0, 1, 0]] * 8)
    contrary = rows_of([[0, 1, 0, 1]] * 2)  # every pass makes it worse
    options = TrainingOptions(passes=50, rows=8, rate=1e-2, patience=3)
    losses = train(start.model, rows, contrary, FRAME, options, has_new_head=True, folder=tmp_path)
    assert len(losses) < 50
    best = losses.index(min(losses))
    assert len(losses) == best + 1 + 3
    found = start.classifier.probabilities([row.ids for row in contrary])
    loss = -np.mean([np.log(np.where(row.labels, p, 1 - p)) for row, p in zip(contrary, found, strict=True)])
    assert loss == pytest.approx(min(losses), rel=1e-3)


def test_a_training_that_goes_astray_says_so(tmp_path: Path, encoder: Path) -> None:
    start = load_start(encoder, seed=0)
    rows = rows_of([[1, 0, 1, 0]] * 8)
    with torch.no_grad():
        start.model.classifier.weight.fill_(math.inf)
    with pytest.raises(ModelError, match="Lower the learning rate"):
        train(start.model, rows, rows, FRAME, FAST, has_new_head=True, folder=tmp_path)


def test_without_rows_there_is_nothing_to_train(tmp_path: Path, encoder: Path) -> None:
    start = load_start(encoder, seed=0)
    with pytest.raises(InputError, match="no rows"):
        train(start.model, [], [], FRAME, FAST, has_new_head=True, folder=tmp_path)


@pytest.mark.parametrize(
    "broken",
    [{"passes": 0}, {"rows": 0}, {"rate": 0.0}, {"rate": math.nan}, {"warmup": 0.7}, {"decay": -1.0}],
)
def test_options_that_cannot_be_are_refused(broken: dict[str, float]) -> None:
    with pytest.raises(InputError, match=next(iter(broken))):
        replace(FAST, **broken)


# --- figures -----------------------------------------------------------------------------------------


def test_figures_are_those_of_a_hand_computed_case() -> None:
    rows = [
        LabelledRow(np.arange(4), np.array([1, 0, 1, -100])),
        LabelledRow(np.arange(3), np.array([1, 0, 0])),
    ]
    found = figures([np.array([0.9, 0.6, 0.4, 0.9]), np.array([0.5, 0.1, 0.4])], rows)
    assert found.tokens == 6
    assert found.precision == pytest.approx(2 / 3)
    assert found.recall == pytest.approx(2 / 3)
    assert found.f1 == pytest.approx(2 / 3)
    assert found.rate == found.rate_of_labels == 0.5
    # Of the nine pairs of a 1 and a 0: 0.9 wins three, 0.5 two, 0.4 one and a draw.
    assert found.auc == pytest.approx((3 + 2 + 1.5) / 9)


@given(st.lists(st.tuples(st.sampled_from([0.0, 0.2, 0.5, 0.9]), st.booleans()), max_size=30))
def test_the_area_is_the_share_of_pairs_in_the_right_order(pairs: list[tuple[float, bool]]) -> None:
    scores, labels = np.array([s for s, _ in pairs]), np.array([x for _, x in pairs], np.bool_)
    wins = [np.sign(a - b) / 2 + 0.5 for a in scores[labels] for b in scores[~labels]]
    assert area_under_curve(scores, labels) == pytest.approx(np.mean(wins) if wins else 0.5)


def test_the_baseline_knows_tokens_by_their_labels_and_others_by_the_average() -> None:
    seen = [LabelledRow(np.array([1, 1, 1, 2, 5]), np.array([1, 1, 0, 0, -100]))]
    (found,) = Baseline(seen).probabilities([LabelledRow(np.array([1, 2, 3, 9]), np.zeros(4, np.int64))])
    assert found.tolist() == pytest.approx([2.5 / 4, 0.5 / 2, 0.5, 0.5])


# --- starts ------------------------------------------------------------------------------------------


def test_heads_of_other_tasks_are_made_anew_and_incomplete_encoders_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    nine = tiny_encoder(tmp_path / "nine", classifier=True, num_labels=9)
    start = load_start(nine, seed=0)
    assert start.has_new_head
    assert start.model.config.id2label == {0: "drop", 1: "keep"}
    state = load_file(nine / "model.safetensors")
    del state["bert.encoder.layer.1.output.dense.weight"]
    save_file(state, nine / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks .*encoder\.layer\.1\.output\.dense\.weight"):
        load_start(nine, seed=0)


def test_a_folder_without_a_model_is_one_message(tmp_path: Path) -> None:
    data = written(tmp_path, rule_pairs(30))
    (tmp_path / "nothing").mkdir()
    result = lingua(
        "train", "token-classifier", data, "--model", tmp_path / "nothing", "--out", tmp_path / "out"
    )
    assert result.exit_code == 2
    assert "could not be loaded as a token classifier" in result.stderr
    assert not (tmp_path / "out").exists()


def test_a_model_is_not_written_over_the_one_that_it_starts_from(encoder: Path) -> None:
    with pytest.raises(InputError, match="written over"):
        trained(encoder, encoder)


def test_texts_longer_than_the_model_are_learnt_whole(tmp_path: Path, encoder: Path) -> None:
    records = rule_pairs(12, length=300)
    report = train_token_classifier(
        aligned(texts_of(records), QualityFilters()), encoder, tmp_path / "model", replace(FAST, passes=1)
    )
    words = {
        record["id"]: len(tiny_tokenizer()(record["origin"], add_special_tokens=False)["input_ids"])
        for record in records
    }
    assert report.pairs.test == 1
    assert report.test.tokens in words.values()
    assert report.test.tokens > 250


def test_a_second_model_in_the_same_folder_takes_the_place_of_the_first(
    tmp_path: Path, encoder: Path
) -> None:
    trained(tmp_path / "model", encoder, replace(FAST, passes=1))
    first = weights(tmp_path / "model")
    save_classifier(load_start(encoder, seed=5), tmp_path / "model")
    assert weights(tmp_path / "model") != first


# --- the command -------------------------------------------------------------------------------------


def run(folder: Path, records: Sequence[Any], *options: str) -> Any:
    data = written(folder, records)
    return lingua("train", "token-classifier", data, "--model", "none", "--out", folder / "out", *options)


def test_broken_lines_empty_compressions_and_filters_that_let_nothing_through_are_one_message(
    tmp_path: Path,
) -> None:
    good = rule_pairs(20)
    empty = [record | {"compressed": "\n"} for record in good]
    others = [record | {"compressed": "nothing alike"} for record in good]
    for records, options, message in (
        ([*good, {"origin": 1}], (), "Pair 21 of"),
        (empty, (), "Of the 20 compressions 20 are empty"),
        (others, ("--most-variation", "0.5"), "none of the 20 pairs through: 20 vary too much"),
        (good[:2], (), "2 pairs are of 2 documents"),
    ):
        result = run(tmp_path, records, *options)
        assert result.exit_code == 2
        last = result.stderr.splitlines()[-1]
        assert last.startswith("lingua: error: ")
        assert message in last
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("option", "value"),
    [("--passes", "0"), ("--rows", "0"), ("--rate", "1"), ("--drop-gap", "1"), ("--most-variation", "2")],
)
def test_options_are_checked(tmp_path: Path, option: str, value: str) -> None:
    result = run(tmp_path, rule_pairs(3), option, value)
    assert result.exit_code == 2
    assert option in result.stderr


@pytest.mark.parametrize("missing", ["torch", "transformers"])
def test_what_training_needs_is_named_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    for name in ("torch", "transformers"):
        monkeypatch.setitem(sys.modules, name, None if name == missing else ModuleType(name))  # type: ignore[arg-type]
    result = run(tmp_path, rule_pairs(3))
    assert result.exit_code == 2
    assert result.stderr == (
        f"lingua: error: Training a token classifier needs the package {missing!r}, which is not installed. "
        'Install it with: pip install "lingua-rag[train]"\n'
    )
