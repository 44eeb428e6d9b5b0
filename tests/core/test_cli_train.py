"""`lingua train`: what it needs, and `export-encoder`; `extractor` is in test_training_extractor."""

import hashlib
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
from typer.testing import Result

from cli_runner import lingua
from lingua_core.models.onnx_encoder import OnnxEncoder


def export(*arguments: str | Path) -> Result:
    return lingua("train", "export-encoder", *arguments)


def tiny_encoder(folder: Path) -> Path:
    """A BERT of one layer with random weights: its lower half is embeddings only."""
    pytest.importorskip("onnx")
    save_file = pytest.importorskip("safetensors.numpy").save_file
    np = pytest.importorskip("numpy")
    random = np.random.default_rng(0)
    width, inner, words = 8, 16, 11

    def array(*shape: int) -> object:
        return random.normal(size=shape).astype(np.float32)

    names = {
        "embeddings.word_embeddings.weight": (words, width),
        "embeddings.position_embeddings.weight": (16, width),
        "embeddings.token_type_embeddings.weight": (2, width),
    }
    layer = "encoder.layer.0"
    for part in ("query", "key", "value"):
        names[f"{layer}.attention.self.{part}.weight"] = (width, width)
        names[f"{layer}.attention.self.{part}.bias"] = (width,)
    for name, shape in {
        "attention.output.dense": (width, width),
        "intermediate.dense": (inner, width),
        "output.dense": (width, inner),
    }.items():
        names[f"{layer}.{name}.weight"] = shape
        names[f"{layer}.{name}.bias"] = shape[:1]
    for name in ("embeddings", f"{layer}.attention.output", f"{layer}.output"):
        names[f"{name}.LayerNorm.weight"] = names[f"{name}.LayerNorm.bias"] = (width,)
    folder.mkdir()
    save_file({name: array(*shape) for name, shape in names.items()}, folder / "model.safetensors")
    config = {
        "model_type": "bert",
        "num_hidden_layers": 1,
        "hidden_size": width,
        "num_attention_heads": 2,
        "layer_norm_eps": 1e-12,
    }
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text("{}")
    return folder


def test_export_prints_path_size_and_digest_of_each_half(tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = export(tiny_encoder(tmp_path / "source"), "--out", out)
    assert result.exit_code == 0, result.stderr
    expected = ""
    for file in (out / "lower.onnx", out / "upper.onnx"):
        model = file.read_bytes()
        digest = hashlib.sha256(model).hexdigest()
        expected += f"path    {file}\nsize    {len(model)} bytes\nsha256  {digest}\n"
    assert result.stdout == expected
    assert (out / "tokenizer.json").is_file()
    (states,) = OnnxEncoder(out).map(lambda i, hidden: hidden, [[1, 2, 3]])
    assert states.shape == (3, 8)


def test_a_folder_without_a_model_is_one_message(tmp_path: Path) -> None:
    result = export(tmp_path, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith("lingua: error: ")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("damaged", ["config.json", "model.safetensors"])
def test_damaged_files_are_one_message(tmp_path: Path, damaged: str) -> None:
    source = tiny_encoder(tmp_path / "source")
    (source / damaged).write_text("{broken")
    result = export(source, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert result.stderr.startswith("lingua: error: The model in ")


def test_source_and_out_are_required(tmp_path: Path) -> None:
    assert export().exit_code == 2
    assert export(tmp_path).exit_code == 2


def test_data_and_out_are_required_for_an_extractor(tmp_path: Path) -> None:
    assert lingua("train", "extractor").exit_code == 2
    assert lingua("train", "extractor", tmp_path).exit_code == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("option", "value"), [("--steps", "0"), ("--questions", "0"), ("--rate", "1"), ("--rate", "nan")]
)
def test_options_of_a_training_are_checked(tmp_path: Path, option: str, value: str) -> None:
    result = lingua("train", "extractor", tmp_path, "--out", tmp_path / "out", option, value)
    assert result.exit_code == 2
    assert option in result.stderr


@pytest.mark.parametrize("missing", ["onnx", "torch", "transformers"])
def test_what_training_needs_is_named_with_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    for name in ("onnx", "torch", "transformers"):
        monkeypatch.setitem(sys.modules, name, None if name == missing else ModuleType(name))  # type: ignore[arg-type]
    result = lingua("train", "extractor", tmp_path, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert result.stderr == (
        f"lingua: error: Training an extractor needs the package {missing!r}, which is not installed. "
        'Install it with: pip install "lingua-rag[train]"\n'
    )
