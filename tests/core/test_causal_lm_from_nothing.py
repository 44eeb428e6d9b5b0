"""A language model from nothing to what runs without torch: model, loop, checkpoints, export, runtime."""

import gzip
import hashlib
import json
import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the extra 'train'")
pytest.importorskip("transformers", reason="training needs the extra 'train'")
pytest.importorskip("onnx", reason="training needs the extra 'train'")

import torch
from safetensors.numpy import load_file
from transformers import AutoModelForCausalLM

from cli_runner import lingua
from lingua_core import InputError, ModelError, PromptCompressor
from lingua_core.models.causal_context import CausalContext
from lingua_core.models.causal_lm import CausalLM
from lingua_core.models.continuations import Continuation
from lingua_core.models.onnx_causal_lm import OnnxCausalLM
from lingua_core.training.causal_lm.checkpoint import LATEST, STABLE
from lingua_core.training.causal_lm.corpus import CORPUS as SHIPPED
from lingua_core.training.causal_lm.corpus import UNSEEN, Text
from lingua_core.training.causal_lm.export import export_causal_lm
from lingua_core.training.causal_lm.model import CausalTransformer, from_llama, to_llama
from lingua_core.training.causal_lm.muon import Muon, orthogonal
from lingua_core.training.causal_lm.pipeline import Corpus, restore_checkpoint, train_causal_lm
from lingua_core.training.causal_lm.restoring import restore_causal_lm
from lingua_core.training.causal_lm.shape import ModelShape
from lingua_core.training.causal_lm.train import Progress, TrainingOptions

SHAPE = ModelShape(vocabulary=300, width=32, layers=2, heads=2, inner=48)
OPTIONS = TrainingOptions(
    steps=30,
    decay_steps=10,
    rows=8,
    part=96,
    longest=32,
    decay_longest=64,
    rate=2e-2,
    warmup=4,
    checkpoint_every=5,
)
ANIMALS = "fox crow swan frog bear wolf deer hare".split()
PLACES = "wood barn lake hill".split()


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Any:
    """Sums in one order only."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def story(number: int) -> str:
    rng = random.Random(number)
    return " ".join(f"The {rng.choice(ANIMALS)} is in the {rng.choice(PLACES)}." for _ in range(12))


CORPUS = Corpus(
    texts=[Text(source="stories", document=str(i), text=story(i)) for i in range(120)], weights={}
)


def run(folder: Path, options: TrainingOptions = OPTIONS, **more: Any) -> CausalTransformer:
    return train_causal_lm(CORPUS, folder, SHAPE, options, **more)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    run(folder)
    return folder


@pytest.fixture(scope="module")
def exported(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    export_causal_lm(trained, folder)
    return folder


def weights(folder: Path) -> Mapping[str, torch.Tensor]:
    return AutoModelForCausalLM.from_pretrained(folder).state_dict()


def same(one: Path, other: Path) -> bool:
    return (one / "model.safetensors").read_bytes() == (other / "model.safetensors").read_bytes()


# --- model and optimiser -----------------------------------------------------------------------------


def some_model(seed: int = 0) -> CausalTransformer:
    torch.manual_seed(seed)
    model = CausalTransformer(SHAPE)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, mean=float(parameter.ndim == 1), std=0.2)
    return model.eval()


def test_a_token_depends_on_those_before_it_alone() -> None:
    model = some_model()
    ids = torch.randint(SHAPE.vocabulary, (1, 21))
    changed = ids.clone()
    changed[0, 13] += 1
    with torch.inference_mode():
        before, after = model(ids), model(changed)
    assert torch.allclose(before[0, :13], after[0, :13], atol=1e-5)
    assert not torch.allclose(before[0, 13:], after[0, 13:], atol=1e-2)


def test_names_of_llama_lead_back_to_the_same_model() -> None:
    model = some_model()
    back = from_llama(to_llama(model.state_dict()), SHAPE)
    for name, value in model.state_dict().items():
        assert torch.equal(value, back.state_dict()[name])


def test_an_untrained_model_finds_all_tokens_about_alike() -> None:
    torch.manual_seed(0)
    model = CausalTransformer(SHAPE)
    with torch.inference_mode():
        loss = float(model.loss(torch.randint(SHAPE.vocabulary, (4, 30))))
    assert loss == pytest.approx(np.log(SHAPE.vocabulary), abs=0.1)
    assert SHAPE.parameters == sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("shape", [(3, 16, 16), (2, 40, 8), (2, 8, 40)])
def test_orthogonal_matrices_have_like_singular_values(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(1)
    values = torch.linalg.svdvals(orthogonal(torch.randn(shape)))
    assert float(values.min()) > 0.3
    assert float(values.max()) < 1.3


def test_stacked_matrices_are_made_orthogonal_one_by_one() -> None:
    torch.manual_seed(2)
    parts = [torch.nn.Parameter(torch.randn(8, 8)) for _ in range(2)]
    stacked = torch.nn.Parameter(torch.cat([part.detach() for part in parts]))
    gradients = [torch.randn(8, 8) for _ in range(2)]
    for part, gradient in zip(parts, gradients, strict=True):
        part.grad = gradient.clone()
    stacked.grad = torch.cat(gradients)
    Muon(parts, lr=0.1, weight_decay=0.1).step()
    Muon([stacked], lr=0.1, weight_decay=0.1, parts=[2]).step()
    assert torch.allclose(stacked, torch.cat([part.detach() for part in parts]), atol=1e-5)


# --- training ----------------------------------------------------------------------------------------


def test_training_learns_what_there_is_to_learn(trained: Path) -> None:
    model, step = restore_checkpoint(trained / "training")
    assert step == OPTIONS.steps
    ids = torch.tensor([with_start(trained, story(9999))])
    torch.manual_seed(0)
    with torch.inference_mode():
        untrained, found = float(CausalTransformer(SHAPE).loss(ids)), float(model.loss(ids))
    # Eight animals and four places a sentence are (ln 8 + ln 4) / 7 tokens; the rest can be known.
    assert found < 0.35 * untrained


def with_start(folder: Path, text: str) -> list[int]:
    return CausalLM(folder).start.tolist() + CausalLM(folder).tokenize([text])[0].ids.tolist()


class Interrupted(Exception):
    """What stops a run in a test."""


@pytest.mark.parametrize("at", [7, 20, 23])
def test_an_interrupted_run_ends_bit_identical(trained: Path, tmp_path: Path, at: int) -> None:
    def stop(progress: Progress) -> None:
        if progress.step == at:
            raise Interrupted

    with pytest.raises(Interrupted):
        run(tmp_path, report=stop)
    steps: list[int] = []
    run(tmp_path, report=lambda progress: steps.append(progress.step))
    assert steps == list(range(1 + at // 5 * 5 if at != 20 else 16, 31))
    assert same(trained, tmp_path)


def test_the_number_of_workers_changes_nothing(trained: Path, tmp_path: Path) -> None:
    run(tmp_path, replace(OPTIONS, workers=3))
    assert same(trained, tmp_path)
    assert torch.get_num_threads() == 1


def test_a_longer_run_goes_on_from_before_the_decay_as_if_it_had_been_asked_for(tmp_path: Path) -> None:
    longer = replace(OPTIONS, steps=40)
    run(tmp_path / "first")
    steps: list[int] = []
    run(tmp_path / "first", longer, report=lambda progress: steps.append(progress.step))
    assert steps[0] == 21
    run(tmp_path / "at once", longer)
    assert same(tmp_path / "first", tmp_path / "at once")
    history = (tmp_path / "at once" / "training" / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in history] == [10, 20, 30, 40]


def test_a_run_past_the_beginning_of_the_decay_is_refused_with_the_steps_to_ask_for(tmp_path: Path) -> None:
    run(tmp_path)
    with pytest.raises(InputError, match="at least 25 steps"):
        run(tmp_path, replace(OPTIONS, steps=20, decay_steps=5))


@pytest.mark.parametrize(
    ("change", "named"),
    [({"seed": 3}, "seed 0 there, 3 here"), ({"rate": 0.5}, "rate 0.02 there"), ({"rows": 16}, "rows 8")],
)
def test_the_checkpoint_of_another_run_is_refused_by_name(
    trained: Path, change: dict[str, Any], named: str
) -> None:
    with pytest.raises(InputError, match=named):
        run(trained, replace(OPTIONS, **change))


def test_other_texts_are_refused(trained: Path) -> None:
    fewer = replace(CORPUS, texts=CORPUS.texts[:50])
    with pytest.raises(InputError, match="other texts or another vocabulary"):
        train_causal_lm(fewer, trained, SHAPE, OPTIONS)


@pytest.mark.parametrize("name", [LATEST, STABLE])
def test_a_damaged_checkpoint_is_a_clear_error(tmp_path: Path, name: str) -> None:
    run(tmp_path, replace(OPTIONS, steps=6, decay_steps=1))
    (tmp_path / "training" / name).write_bytes(b"no checkpoint")
    with pytest.raises(InputError, match="cannot be read"):
        run(tmp_path, replace(OPTIONS, steps=9, decay_steps=3))
    with pytest.raises(InputError, match="holds no checkpoint"):
        restore_checkpoint(tmp_path / "training", name=name)


@pytest.mark.parametrize(
    "change", [{"steps": 0}, {"rate": -1.0}, {"decay_steps": 31}, {"decay_longest": 48}, {"part": 0}]
)
def test_options_that_do_not_fit_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        replace(OPTIONS, **change)


def test_a_vocabulary_that_the_texts_do_not_fill_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="texts give only"):
        train_causal_lm(CORPUS, tmp_path, replace(SHAPE, vocabulary=5000), OPTIONS)


# --- what comes out ----------------------------------------------------------------------------------


def test_transformers_reads_the_same_model(trained: Path) -> None:
    own, _ = restore_checkpoint(trained / "training")
    theirs = AutoModelForCausalLM.from_pretrained(trained)
    ids = torch.tensor([with_start(trained, story(5))])
    with torch.inference_mode():
        assert torch.allclose(own.logits(own(ids)), theirs(ids).logits, atol=1e-3)
    assert theirs.config.max_position_embeddings == OPTIONS.decay_longest


def continuations(model: CausalLM | OnnxCausalLM) -> list[Continuation]:
    rows = [row.ids for row in model.tokenize([story(i) for i in range(200, 206)])]
    nothing = np.zeros(0, np.int64)
    return [
        Continuation(nothing, rows[0]),
        Continuation(rows[0][:12], rows[1][:20]),
        Continuation(rows[0][:12], rows[2][:9]),
        Continuation(rows[3], rows[4][:5]),
        Continuation(nothing, nothing),
        Continuation(nothing, rows[5][:1]),
    ]


def test_the_exported_model_says_what_the_torch_model_says(trained: Path, exported: Path) -> None:
    onnx, torch_model = OnnxCausalLM(exported), CausalLM(trained)
    assert onnx.start.tolist() == torch_model.start.tolist() == [0]
    assert onnx.window == torch_model.window == 64
    texts = ["Foxes é 漢字 😀 <|text|> 12 \n\n x", "", story(3)]
    for ours, theirs in zip(onnx.tokenize(texts), torch_model.tokenize(texts), strict=True):
        for a, b in zip(ours, theirs, strict=True):
            assert a.tolist() == b.tolist()
    found = onnx.surprisals(continuations(onnx))
    expected = torch_model.surprisals(continuations(torch_model))
    assert [len(row) for row in found] == [len(row) for row in expected]
    a, b = np.concatenate(found), np.concatenate(expected)
    assert np.corrcoef(a, b)[0, 1] > 0.99
    assert abs(a.mean() - b.mean()) < 0.03 * b.mean()


def test_values_depend_neither_on_threads_nor_on_what_else_is_read(exported: Path) -> None:
    several, one = OnnxCausalLM(exported, threads=3), OnnxCausalLM(exported, threads=1)
    asked = continuations(one)
    together = several.surprisals(asked)
    for row, continuation in zip(together, asked, strict=True):
        assert row.tolist() == one.surprisals([continuation])[0].tolist()
    assert one.surprisals([]) == []


@pytest.mark.parametrize("keep", [0, 5, 40])
def test_reading_on_from_a_cache_is_reading_anew(exported: Path, keep: int) -> None:
    model = OnnxCausalLM(exported)
    prefix, *rows = (row.ids for row in model.tokenize(["In the lake.", *(story(i) for i in range(6))]))
    cached, plain = CausalContext(model, prefix), CausalContext(model, prefix, cached=False)
    for row in rows:
        found, expected = cached.surprisals(row[:22]), plain.surprisals(row[:22])
        np.testing.assert_allclose(found, expected, atol=1e-4)
        assert len(found) == 22
        for context in (cached, plain):
            context.keep(row[:keep])
    assert len(cached.surprisals(row[:0])) == 0


def test_the_same_weights_are_exported_to_the_same_bytes(
    trained: Path, exported: Path, tmp_path: Path
) -> None:
    digest = export_causal_lm(trained, tmp_path / "new" / "folder")
    names = ["causal_lm.json", "causal_lm.onnx", "config.json", "tokenizer.json", "tokenizer_config.json"]
    assert sorted(file.name for file in (tmp_path / "new" / "folder").iterdir()) == names
    for name in names:
        assert (tmp_path / "new" / "folder" / name).read_bytes() == (exported / name).read_bytes()
    assert len(digest) == 64


def test_restored_weights_are_those_of_the_int8_file(exported: Path, tmp_path: Path) -> None:
    restore_causal_lm(tmp_path / "restored", source=exported)
    export_causal_lm(tmp_path / "restored", tmp_path / "again")
    restore_causal_lm(tmp_path / "twice", source=tmp_path / "again")
    once, twice = (load_file(tmp_path / name / "model.safetensors") for name in ("restored", "twice"))
    assert once.keys() == twice.keys()
    for name, array in once.items():
        np.testing.assert_allclose(array, twice[name], rtol=1e-5, atol=1e-9)
    onnx, torch_model = OnnxCausalLM(exported), CausalLM(tmp_path / "restored")
    found, expected = onnx.surprisals(continuations(onnx)), torch_model.surprisals(continuations(onnx))
    assert np.corrcoef(np.concatenate(found), np.concatenate(expected))[0, 1] > 0.999


def test_the_embedded_model_can_be_restored_by_the_command(tmp_path: Path) -> None:
    done = lingua("train", "restore-causal-lm", "--out", tmp_path / "model")
    assert "model.safetensors" in done.stdout
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    assert not any(torch.isnan(parameter).any() for parameter in model.parameters())


def test_what_cannot_be_restored_is_refused_by_name(exported: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no causal_lm\.onnx"):
        restore_causal_lm(tmp_path / "out", source=tmp_path)
    with pytest.raises(InputError, match="into its own folder"):
        restore_causal_lm(exported, source=exported)
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_bytes((exported / name).read_bytes())
    (tmp_path / "causal_lm.onnx").write_bytes(b"no model")
    with pytest.raises(ModelError, match="cannot be restored"):
        restore_causal_lm(tmp_path / "out", source=tmp_path)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model_type", "gpt2"),
        ("tie_word_embeddings", False),
        ("num_key_value_heads", 1),
        ("rope_parameters", {"rope_type": "yarn", "rope_theta": 1e4}),
    ],
)
def test_another_architecture_is_refused(trained: Path, tmp_path: Path, key: str, value: object) -> None:
    for file in trained.glob("*.*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    config = json.loads((trained / "config.json").read_text()) | {key: value}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="Only"):
        export_causal_lm(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_folders_without_a_model_are_clear_errors(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no config\.json"):
        export_causal_lm(tmp_path, tmp_path)
    with pytest.raises(ModelError, match="holds no exported language model"):
        OnnxCausalLM(tmp_path)
    for file in trained.glob("*.*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ModelError, match="cannot be read"):
        export_causal_lm(tmp_path, tmp_path)


def test_a_window_too_small_to_read_is_refused(exported: Path) -> None:
    with pytest.raises(InputError, match="at least 16"):
        OnnxCausalLM(exported, window=8)
    assert OnnxCausalLM(exported, window=32).window == 32
    assert OnnxCausalLM(exported, window=999).window == 64


# --- command line ------------------------------------------------------------------------------------


SMALL = "--vocabulary 300 --width 16 --layers 1 --heads 1 --inner 16 --window 32 --rows 4 --decay-steps 2"


def own_file(folder: Path) -> Path:
    file = folder / "own.jsonl"
    file.write_text("".join(json.dumps({"id": t.document, "text": t.text}) + "\n" for t in CORPUS.texts))
    return file


def test_the_command_trains_a_model_from_own_texts_and_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "model"
    command = ["train", "causal-lm", own_file(tmp_path), "--out", out, *SMALL.split()]
    for steps in ("4", "6"):
        result = lingua(*command, "--steps", steps)
        assert result.exit_code == 0, result.stderr
        assert str(out) in result.stdout
        assert hashlib.sha256((out / "causal_lm.onnx").read_bytes()).hexdigest() in result.stdout
    assert AutoModelForCausalLM.from_pretrained(out).config.num_hidden_layers == 1
    refused = lingua(*command, "--steps", "6", "--seed", "1")
    assert refused.exit_code == 2
    assert "of another run: seed 0 there, 1 here" in refused.stderr


def test_the_last_checkpoint_of_a_run_can_be_exported_while_it_goes_on(tmp_path: Path, trained: Path) -> None:
    (tmp_path / "run" / "training").mkdir(parents=True)
    for file in (LATEST, "tokenizer.json"):
        (tmp_path / "run" / "training" / file).write_bytes((trained / "training" / file).read_bytes())
    result = lingua(
        "train", "export-causal-lm", tmp_path / "run", "--out", tmp_path / "out", "--window", "64"
    )
    assert result.exit_code == 0, result.stderr
    again = lingua("train", "export-causal-lm", trained, "--out", tmp_path / "again")
    assert again.stdout.splitlines()[1:] == result.stdout.splitlines()[1:]
    missing = lingua("train", "export-causal-lm", tmp_path, "--out", tmp_path / "none")
    assert missing.exit_code == 2


def test_the_table_of_bits_per_byte_compares_with_compressors_and_ngrams(
    exported: Path, trained: Path, tmp_path: Path
) -> None:
    for source in (*SHIPPED, *UNSEEN):
        file = tmp_path / source.file
        file.parent.mkdir(exist_ok=True)
        passages = [{"title": None, "text": story(1)}]
        lines = [
            json.dumps(
                {
                    "id": f"{source.name}:{i}",
                    "text": story(i),
                    "split": "dev",
                    "gold": [0],
                    "question": "Where?",
                }
                | {"passages": [p | {"title": f"{source.name} {i}"} for p in passages]}
            )
            for i in range(150)
        ]
        file.write_bytes(gzip.compress("\n".join(lines).encode()))
    result = lingua("train", "measure-causal-lm", exported, tmp_path, "--run", trained)
    assert result.exit_code == 0, result.stderr
    header, _, *rows = [
        [cell.strip() for cell in line.split("|")[1:-1]] for line in result.stdout.splitlines()
    ]
    assert header == ["domain", "model", "zlib", "lzma", "untrained", "4-gram"]
    values = {row[0]: [float(cell) for cell in row[1:]] for row in rows}
    assert "squality_stories (unseen)" in values
    assert values["all"][0] < min(values["all"][1], values["all"][3])
    assert all(0 < value < 20 for row in values.values() for value in row)


@pytest.mark.parametrize("method", ["llmlingua", "longllmlingua", "selective-context"])
def test_methods_that_keep_words_run_on_the_exported_model(exported: Path, method: Any) -> None:
    documents = [story(i) for i in range(4)]
    by_folder = PromptCompressor(method, model=exported).compress(documents, "What did it see?", rate=0.4)
    by_object = PromptCompressor(method, model=OnnxCausalLM(exported)).compress(
        documents, "What did it see?", rate=0.4
    )
    assert abs(by_folder.rate - 0.4) <= 0.02
    assert by_folder.text == by_object.text
    with pytest.raises(InputError, match="needs a token classifier"):
        PromptCompressor("llmlingua2", model=OnnxCausalLM(exported))
