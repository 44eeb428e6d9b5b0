"""From a trained model's folder to the int8 ONNX file that `OnnxCausalLM` reads."""

import json
import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

from lingua_core.errors import InputError, MissingDependencyError, ModelError
from lingua_core.training.llama_graph import LlamaGraph, check_llama_config
from lingua_core.training.onnx_graph import Array, Shape
from lingua_core.training.whole_files import write_whole

__all__ = ["export_causal_lm"]

_FILES = ("config.json", "model.safetensors", "tokenizer.json")


def export_causal_lm(source: Path, target: Path) -> str:
    """Write `causal_lm.onnx`, `causal_lm.json` and the source's own settings; equal weights give equal bytes.

    Args:
        source: A folder with `config.json`, `model.safetensors` and `tokenizer.json` of a small Llama.
        target: The folder to write to; made if missing. Files are written whole or not at all.

    Returns:
        The SHA-256 of `causal_lm.onnx`, in hex.

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
    for name in _FILES:
        if not (source / name).is_file():
            raise InputError(f"{str(source)!r} holds no {name}. Pass the folder of a trained language model.")
    try:
        config: dict[str, Any] = json.loads((source / "config.json").read_text(encoding="utf-8"))
        tensors = load_file(source / "model.safetensors")
    except Exception as error:  # safetensors' errors share no base class with json's
        raise ModelError(f"The model in {str(source)!r} cannot be read: {error}") from error
    check_llama_config(config)
    model = _build({name.removeprefix("model."): array for name, array in tensors.items()}, config)
    target.mkdir(parents=True, exist_ok=True)
    settings = {
        "window": config["max_position_embeddings"],
        "start": config["bos_token_id"],
        "layers": config["num_hidden_layers"],
        "heads": config["num_attention_heads"],
        "head_width": config["hidden_size"] // config["num_attention_heads"],
    }
    (target / "causal_lm.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    if source.resolve() != target.resolve():
        # `restore_causal_lm` and tokenizers of transformers want them all.
        for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
            if (source / name).is_file():
                shutil.copyfile(source / name, target / name)
    write_whole(target / "causal_lm.onnx", model)
    return sha256(model).hexdigest()


def _build(weights: dict[str, Array], config: dict[str, Any]) -> bytes:
    graph = LlamaGraph(weights, config)
    x = graph.embeddings()
    for layer in range(int(config["num_hidden_layers"])):
        x = graph.layer(layer, x)
    graph.surprisals(x)
    past: list[tuple[str, type, Shape]] = [(name, float, shape) for name, shape in graph.caches("past")]
    return graph.serialize(
        "causal_lm",
        inputs=[
            ("input_ids", int, [1, "tokens"]),
            ("places", int, ["valued"]),
            ("targets", int, ["valued"]),
            *past,
        ],
        outputs=[("surprisals", ["valued"]), *graph.caches("present")],
    )
