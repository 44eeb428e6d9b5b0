"""From the int8 file of a small language model back to weights that transformers reads."""

# onnx is partly typed.
# pyright: reportUnknownMemberType=false

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from lingua_core.errors import InputError, MissingDependencyError, ModelError
from lingua_core.training.onnx_graph import Array
from lingua_core.weights import LANGUAGE_MODEL

__all__ = ["restore_causal_lm"]

_FILES = ("causal_lm.onnx", "config.json", "tokenizer.json")


def restore_causal_lm(target: Path, *, source: Path | None = None) -> None:
    """Write `config.json`, `model.safetensors` and `tokenizer.json`, with the weights as they are in int8.

    To align the model or train it further, or to hand it to programs that read Hugging Face's folders.

    Args:
        target: The folder to write to; made if missing. The weights are written last, whole or not at all.
        source: A folder of `export_causal_lm`; None for the model that Lingua ships.

    Raises:
        InputError: If `source` lacks a file, or is `target`.
        ModelError: If a file was not written by `export_causal_lm`.
        MissingDependencyError: If onnx or safetensors is not installed.
    """
    try:
        import onnx
        from safetensors.numpy import save_file  # pyright: ignore[reportUnknownVariableType]  # partly typed
    except ImportError as error:
        raise MissingDependencyError.for_extra(
            error.name or "onnx", extra="train", purpose="Restoring a language model"
        ) from error
    folder = LANGUAGE_MODEL.folder if source is None else source
    for name in _FILES:
        if not (folder / name).is_file():
            raise InputError(f"{str(folder)!r} holds no {name}. Pass a folder of `export-causal-lm`.")
    if folder.resolve() == target.resolve():
        raise InputError(f"The model in {str(folder)!r} cannot be restored into its own folder.")
    try:
        graph: Any = onnx.load(folder / "causal_lm.onnx").graph
        constants = {c.name: onnx.numpy_helper.to_array(c) for c in graph.initializer}
        config: dict[str, Any] = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        weights = _weights(constants, int(config["num_hidden_layers"]), int(config["intermediate_size"]))
    except Exception as error:  # protobuf's errors share no base class with the others
        raise ModelError(f"The model in {str(folder)!r} cannot be restored: {error!r}") from error
    target.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        if (folder / name).is_file():
            shutil.copyfile(folder / name, target / name)
    unfinished = target / "model.unfinished"
    save_file(weights, unfinished, metadata={"format": "pt"})
    unfinished.replace(target / "model.safetensors")


def _weights(constants: dict[str, Any], layers: int, inner: int) -> dict[str, Array]:
    """Tensors by the names of a `LlamaForCausalLM`."""

    def matrix(name: str) -> Array:
        return (constants[f"{name}.weight"].astype(np.float32) * constants[f"{name}.scale"]).T

    found: dict[str, Array] = {
        "embed_tokens.weight": constants["words"].astype(np.float32) * constants["words.scale"],
        "norm.weight": constants["norm.weight"],
    }
    for index in range(layers):
        name, source = f"layer{index}", f"layers.{index}"
        for norm in ("input_layernorm", "post_attention_layernorm"):
            found[f"{source}.{norm}.weight"] = constants[f"{source}.{norm}.weight"]
        for part, piece in zip("qkv", np.split(matrix(f"{name}.qkv"), 3), strict=True):
            found[f"{source}.self_attn.{part}_proj.weight"] = piece
        found[f"{source}.self_attn.o_proj.weight"] = matrix(f"{name}.out")
        gate, up = np.split(matrix(f"{name}.wide"), [inner])
        found[f"{source}.mlp.gate_proj.weight"] = gate
        found[f"{source}.mlp.up_proj.weight"] = up
        found[f"{source}.mlp.down_proj.weight"] = matrix(f"{name}.down")
    # safetensors writes memory as it lies.
    return {f"model.{name}": np.ascontiguousarray(array, np.float32) for name, array in found.items()}
