"""From a published BERT-style sentence encoder to the int8 ONNX model that ships in the package."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lingua_core.errors import InputError, MissingDependencyError, ModelError
from lingua_core.training.bert_graph import BertGraph, check_config

__all__ = ["export_encoder"]


def export_encoder(source: Path, target: Path) -> str:
    """Export the encoder in `source` to `target/model.onnx` with its tokenizer beside it.

    Args:
        source: A folder with `config.json`, `model.safetensors` and `tokenizer.json` of a BERT model.
        target: The folder to write to; made if missing. Files are written whole or not at all.

    Returns:
        The SHA-256 of `model.onnx`, in hex. The same weights give the same one.

    Raises:
        InputError: If `source` lacks a file or holds another architecture.
        ModelError: If a file of `source` cannot be read.
        MissingDependencyError: If onnx or safetensors is not installed.
    """
    try:
        from safetensors.numpy import load_file  # pyright: ignore[reportUnknownVariableType]  # partly typed
    except ImportError as error:
        raise MissingDependencyError.for_extra(
            "safetensors", extra="train", purpose="Exporting a model"
        ) from error
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        if not (source / name).is_file():
            raise InputError(
                f"{str(source)!r} holds no {name}. Pass the folder of a downloaded BERT-style model."
            )
    try:
        config: dict[str, Any] = json.loads((source / "config.json").read_text(encoding="utf-8"))
        tensors = load_file(source / "model.safetensors")
    except Exception as error:  # safetensors' errors share no base class with json's
        raise ModelError(f"The model in {str(source)!r} cannot be read: {error}") from error
    check_config(config)
    weights = {name.removeprefix("bert."): array for name, array in tensors.items()}
    model = _build(weights, config)
    target.mkdir(parents=True, exist_ok=True)
    unfinished = target / "model.onnx.unfinished"
    unfinished.write_bytes(model)
    unfinished.replace(target / "model.onnx")
    shutil.copyfile(source / "tokenizer.json", target / "tokenizer.json")
    return hashlib.sha256(model).hexdigest()


def _build(weights: dict[str, NDArray[np.float32]], config: dict[str, Any]) -> bytes:
    graph = BertGraph(weights, config)
    x = graph.embeddings()
    layers = int(config["num_hidden_layers"])
    for layer in range(layers):
        x = graph.layer(layer, x, output="hidden" if layer == layers - 1 else "")
    width = int(config["hidden_size"])
    return graph.serialize(
        "encoder",
        inputs=[("input_ids", int, [1, "tokens"])],
        outputs=[("hidden", [1, "tokens", width])],
    )
