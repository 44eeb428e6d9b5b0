"""From a published BERT-style sentence encoder to the two int8 ONNX files that ship in the package."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lingua_core.errors import InputError, MissingDependencyError, ModelError
from lingua_core.training.bert_graph import BertGraph, check_config
from lingua_core.training.onnx_graph import Shape
from lingua_core.training.whole_files import write_whole

__all__ = ["export_encoder"]


def export_encoder(source: Path, target: Path) -> dict[str, str]:
    """Export the encoder in `source` to `lower.onnx`, `upper.onnx` and `tokenizer.json` in `target`.

    Each half has half of the layers, the lower one the embeddings as well: other models can stand on it.

    Args:
        source: A folder with `config.json`, `model.safetensors` and `tokenizer.json` of a BERT model.
        target: The folder to write to; made if missing. Files are written whole or not at all.

    Returns:
        The SHA-256 of each half by its file's name, in hex. The same weights give the same ones.

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
    halves = _build(weights, config)
    for name, model in halves.items():
        write_whole(target / name, model)
    shutil.copyfile(source / "tokenizer.json", target / "tokenizer.json")
    return {name: hashlib.sha256(model).hexdigest() for name, model in halves.items()}


def _build(weights: dict[str, NDArray[np.float32]], config: dict[str, Any]) -> dict[str, bytes]:
    """Both halves by their files' names. The upper one reads what the lower one calls `states`."""
    layers = int(config["num_hidden_layers"])
    middle = layers // 2
    states: tuple[str, Shape] = ("states", [1, "tokens", int(config["hidden_size"])])
    lower = BertGraph(weights, config)
    x = lower.embeddings(output="" if middle else "states")
    for layer in range(middle):
        x = lower.layer(layer, x, output="states" if layer == middle - 1 else "")
    upper = BertGraph(weights, config)
    x = "states"
    for layer in range(middle, layers):
        x = upper.layer(layer, x, output="hidden" if layer == layers - 1 else "")
    return {
        "lower.onnx": lower.serialize(
            "encoder_lower", inputs=[("input_ids", int, [1, "tokens"])], outputs=[states]
        ),
        "upper.onnx": upper.serialize(
            "encoder_upper", inputs=[(states[0], float, states[1])], outputs=[("hidden", states[1])]
        ),
    }
