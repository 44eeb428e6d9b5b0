"""From a published BERT-style sentence encoder to the int8 ONNX model that ships in the package.

The graph is written node by node with onnxruntime's fused operators, so that no torch is needed, the
same weights always give the same bytes, and nothing is left for the optimiser to miss.

Quantisation: word embeddings int8 with a scale for each row; every matrix int8 with a scale for each
output column; activations uint8, with a scale found at run time for each sequence. Weights use 7 of
the 8 bits, because on CPUs without VNNI instructions a product of uint8 and full-range int8 pairs
saturates 16 bits: with 7 bits the result is the same on every machine.
"""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lingua_core.errors import InputError, MissingDependencyError, ModelError

__all__ = ["export_encoder"]

Array = NDArray[np.float32]
Stored = NDArray[np.generic]

_MICROSOFT = "com.microsoft"
_OPSET = 17
_IR_VERSION = 8
_WEIGHT_LEVELS = 63
_EMBEDDING_LEVELS = 127
_REQUIRED_CONFIG = {"hidden_act": "gelu", "position_embedding_type": "absolute"}


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
    _check_config(config)
    weights = {name.removeprefix("bert."): array for name, array in tensors.items()}
    model = _build(weights, config)
    target.mkdir(parents=True, exist_ok=True)
    unfinished = target / "model.onnx.unfinished"
    unfinished.write_bytes(model)
    unfinished.replace(target / "model.onnx")
    shutil.copyfile(source / "tokenizer.json", target / "tokenizer.json")
    return hashlib.sha256(model).hexdigest()


def _check_config(config: dict[str, Any]) -> None:
    if config.get("model_type") != "bert":
        raise InputError(f"Only BERT encoders can be exported, got model_type={config.get('model_type')!r}.")
    for key, expected in _REQUIRED_CONFIG.items():
        if config.get(key, expected) != expected:
            raise InputError(f"Only {key}={expected!r} can be exported, got {config[key]!r}.")


def _build(weights: dict[str, Array], config: dict[str, Any]) -> bytes:
    graph = _Graph(weights)
    x = _embeddings(graph, config)
    for layer in range(int(config["num_hidden_layers"])):
        last = layer == int(config["num_hidden_layers"]) - 1
        x = _layer(graph, config, layer, x, output="hidden" if last else f"layer{layer}.out")
    return graph.serialize(width=int(config["hidden_size"]))


@dataclass(slots=True)
class _Graph:
    """Nodes and constants under construction; names are given by the caller and are unique."""

    weights: dict[str, Array]
    nodes: list[Any] = field(default_factory=list[Any])
    constants: list[Any] = field(default_factory=list[Any])
    helper: Any = field(init=False)
    to_tensor: Callable[..., Any] = field(init=False)
    onnx: Any = field(init=False)

    def __post_init__(self) -> None:
        try:
            import onnx
            from onnx import helper, numpy_helper
        except ImportError as error:
            raise MissingDependencyError.for_extra(
                "onnx", extra="train", purpose="Exporting a model"
            ) from error
        self.onnx, self.helper, self.to_tensor = onnx, helper, numpy_helper.from_array

    def weight(self, name: str) -> Array:
        """A float32 array of the source model."""
        if name not in self.weights:
            raise ModelError(f"The source model has no tensor {name!r}; is it a BERT encoder?")
        return self.weights[name].astype(np.float32)

    def constant(self, name: str, array: Stored) -> str:
        """Add a constant; returns its name."""
        self.constants.append(self.to_tensor(np.ascontiguousarray(array), name))
        return name

    def stored(self, name: str) -> str:
        """Add an array of the source model as a constant under its own name."""
        return self.constant(name, self.weight(name))

    def node(self, op: str, inputs: list[str], output: str, *, domain: str = "", **attributes: float) -> str:
        """Add a node with one output; returns the output's name."""
        self.nodes.append(
            self.helper.make_node(op, inputs, [output], name=output, domain=domain, **attributes)
        )
        return output

    def linear(self, x: str, matrix: Array, output: str, *, bias: str = "") -> str:
        """`x @ matrix (+ bias)` in int8; `matrix` has shape (inputs, outputs)."""
        quantised, scale = _quantise(matrix, axis=0, levels=_WEIGHT_LEVELS)
        inputs = [x, self.constant(f"{output}.weight", quantised), self.constant(f"{output}.scale", scale[0])]
        if bias:
            inputs += ["", bias]
        return self.node("DynamicQuantizeMatMul", inputs, output, domain=_MICROSOFT)

    def serialize(self, *, width: int) -> bytes:
        """The model's bytes."""
        value = self.helper.make_tensor_value_info
        graph = self.helper.make_graph(
            self.nodes,
            "encoder",
            [value("input_ids", self.onnx.TensorProto.INT64, [1, "tokens"])],
            [value("hidden", self.onnx.TensorProto.FLOAT, [1, "tokens", width])],
            self.constants,
        )
        model = self.helper.make_model(
            graph,
            producer_name="lingua",
            ir_version=_IR_VERSION,
            opset_imports=[
                self.helper.make_opsetid("", _OPSET),
                self.helper.make_opsetid(_MICROSOFT, 1),
            ],
        )
        return model.SerializeToString(deterministic=True)


def _quantise(matrix: Array, *, axis: int, levels: int) -> tuple[NDArray[np.int8], Array]:
    """Symmetric int8 with one scale for each slice along `axis`; returns values and scales."""
    largest: Array = np.abs(matrix).max(axis=axis, keepdims=True)
    scale: Array = np.maximum(largest / np.float32(levels), np.float32(1e-12))
    values: Array = np.clip(np.rint(matrix / scale), -levels, levels)
    return values.astype(np.int8), scale


def _embeddings(graph: _Graph, config: dict[str, Any]) -> str:
    words = graph.weight("embeddings.word_embeddings.weight")
    quantised, scale = _quantise(words, axis=1, levels=_EMBEDDING_LEVELS)
    # One segment only, so its type embedding is folded into the positions.
    positions = (
        graph.weight("embeddings.position_embeddings.weight")
        + graph.weight("embeddings.token_type_embeddings.weight")[0]
    )
    graph.constant("words", quantised)
    graph.constant("words.scale", scale)
    graph.constant("positions", positions)
    graph.constant("zero", np.array([0], np.int64))
    graph.node("Gather", ["words", "input_ids"], "words.int8")
    graph.node("Cast", ["words.int8"], "words.float", to=graph.onnx.TensorProto.FLOAT)
    graph.node("Gather", ["words.scale", "input_ids"], "words.row_scale")
    graph.node("Mul", ["words.float", "words.row_scale"], "words.value")
    graph.node("Shape", ["input_ids"], "length", start=1, end=2)
    graph.node("Slice", ["positions", "zero", "length"], "positions.value")
    graph.node("Add", ["words.value", "positions.value"], "embeddings")
    norm = "embeddings.LayerNorm"
    return graph.node(
        "LayerNormalization",
        ["embeddings", graph.stored(f"{norm}.weight"), graph.stored(f"{norm}.bias")],
        "embeddings.normed",
        axis=-1,
        epsilon=float(config["layer_norm_eps"]),
    )


def _layer(graph: _Graph, config: dict[str, Any], index: int, x: str, *, output: str) -> str:
    source, name = f"encoder.layer.{index}", f"layer{index}"
    width, heads = int(config["hidden_size"]), int(config["num_attention_heads"])
    parts = [f"{source}.attention.self.{part}" for part in ("query", "key", "value")]
    qkv = graph.linear(
        x,
        np.concatenate([graph.weight(f"{part}.weight").T for part in parts], axis=1),
        f"{name}.qkv",
        bias=graph.constant(f"{name}.qkv.bias", np.concatenate([graph.weight(f"{p}.bias") for p in parts])),
    )
    sizes = graph.constant(f"{name}.sizes", np.array([width] * 3, np.int64))
    split = [f"{name}.query", f"{name}.key", f"{name}.value"]
    graph.nodes.append(graph.helper.make_node("Split", [qkv, sizes], split, name=f"{name}.split", axis=-1))
    attended = graph.node("MultiHeadAttention", split, f"{name}.attended", domain=_MICROSOFT, num_heads=heads)
    x = _project_and_norm(graph, config, attended, x, f"{source}.attention.output", f"{name}.mixed")
    widened = graph.linear(x, graph.weight(f"{source}.intermediate.dense.weight").T, f"{name}.wide")
    bias = graph.stored(f"{source}.intermediate.dense.bias")
    activated = graph.node("BiasGelu", [widened, bias], f"{name}.gelu", domain=_MICROSOFT)
    return _project_and_norm(graph, config, activated, x, f"{source}.output", output)


def _project_and_norm(
    graph: _Graph, config: dict[str, Any], x: str, residual: str, source: str, output: str
) -> str:
    """LayerNorm(x @ dense + bias + residual)."""
    projected = graph.linear(x, graph.weight(f"{source}.dense.weight").T, f"{output}.projected")
    constants = [
        graph.stored(f"{source}.{part}") for part in ("LayerNorm.weight", "LayerNorm.bias", "dense.bias")
    ]
    return graph.node(
        "SkipLayerNormalization",
        [projected, residual, *constants],
        output,
        domain=_MICROSOFT,
        epsilon=float(config["layer_norm_eps"]),
    )
