"""BERT in ONNX, written node by node with onnxruntime's fused operators.

No torch is needed, the same weights always give the same bytes, and nothing is left for the optimiser to
miss.

Quantisation: word embeddings int8 with a scale for each row; every matrix int8 with a scale for each
output column; activations uint8, with a scale found at run time for each sequence. Weights use 7 of
the 8 bits, because on CPUs without VNNI instructions a product of uint8 and full-range int8 pairs
saturates 16 bits: with 7 bits the result is the same on every machine.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lingua_core.errors import InputError, MissingDependencyError, ModelError

__all__ = ["BertGraph", "Shape", "check_config"]

Array = NDArray[np.float32]
Stored = NDArray[np.generic]
Shape = list[int | str]
"""Sizes of a tensor's axes; a name stands for any size."""

_MICROSOFT = "com.microsoft"
_OPSET = 17
_IR_VERSION = 8
_WEIGHT_LEVELS = 63
_EMBEDDING_LEVELS = 127
_REQUIRED_CONFIG = {"hidden_act": "gelu", "position_embedding_type": "absolute"}


@dataclass(slots=True)
class BertGraph:
    """Nodes and constants under construction; names are given by the caller and are unique.

    Attributes:
        weights: Tensors of the source model, by their names without a prefix.
        config: The source model's configuration.
    """

    weights: Mapping[str, Array]
    config: Mapping[str, Any]
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

    def embeddings(self, *, token_types: str = "") -> str:
        """Embeddings of the input `input_ids`.

        Args:
            token_types: Name of the input that says question (0) or passage (1); "" for all 0.
        """
        words = self.weight("embeddings.word_embeddings.weight")
        quantised, scale = _quantise(words, axis=1, levels=_EMBEDDING_LEVELS)
        positions = self.weight("embeddings.position_embeddings.weight")
        types = self.weight("embeddings.token_type_embeddings.weight")
        if not token_types:
            positions = positions + types[0]
        self.constant("words", quantised)
        self.constant("words.scale", scale)
        self.constant("positions", positions)
        self.constant("zero", np.array([0], np.int64))
        self.node("Gather", ["words", "input_ids"], "words.int8")
        self.node("Cast", ["words.int8"], "words.float", to=self.onnx.TensorProto.FLOAT)
        self.node("Gather", ["words.scale", "input_ids"], "words.row_scale")
        self.node("Mul", ["words.float", "words.row_scale"], "words.value")
        self.node("Shape", ["input_ids"], "length", start=1, end=2)
        self.node("Slice", ["positions", "zero", "length"], "positions.value")
        total = self.node("Add", ["words.value", "positions.value"], "embeddings")
        if token_types:
            self.constant("types", types)
            self.node("Gather", ["types", token_types], "types.value")
            total = self.node("Add", [total, "types.value"], "embeddings.typed")
        norm = "embeddings.LayerNorm"
        return self.node(
            "LayerNormalization",
            [total, self.stored(f"{norm}.weight"), self.stored(f"{norm}.bias")],
            "embeddings.normed",
            axis=-1,
            epsilon=self._epsilon,
        )

    def layer(self, index: int, x: str, *, output: str = "") -> str:
        """A transformer layer over `x`; returns its output's name."""
        source, name = f"encoder.layer.{index}", f"layer{index}"
        width = int(self.config["hidden_size"])
        parts = [f"{source}.attention.self.{part}" for part in ("query", "key", "value")]
        qkv = self.linear(
            x,
            np.concatenate([self.weight(f"{part}.weight").T for part in parts], axis=1),
            f"{name}.qkv",
            bias=self.constant(f"{name}.qkv.bias", np.concatenate([self.weight(f"{p}.bias") for p in parts])),
        )
        sizes = self.constant(f"{name}.sizes", np.array([width] * 3, np.int64))
        split = [f"{name}.query", f"{name}.key", f"{name}.value"]
        self.nodes.append(self.helper.make_node("Split", [qkv, sizes], split, name=f"{name}.split", axis=-1))
        attended = self.node(
            "MultiHeadAttention",
            split,
            f"{name}.attended",
            domain=_MICROSOFT,
            num_heads=int(self.config["num_attention_heads"]),
        )
        x = self._project_and_norm(attended, x, f"{source}.attention.output", f"{name}.mixed")
        widened = self.linear(x, self.weight(f"{source}.intermediate.dense.weight").T, f"{name}.wide")
        bias = self.stored(f"{source}.intermediate.dense.bias")
        activated = self.node("BiasGelu", [widened, bias], f"{name}.gelu", domain=_MICROSOFT)
        return self._project_and_norm(activated, x, f"{source}.output", output or f"{name}.out")

    def linear(self, x: str, matrix: Array, output: str, *, bias: str = "") -> str:
        """`x @ matrix (+ bias)` in int8; `matrix` has shape (inputs, outputs)."""
        quantised, scale = _quantise(matrix, axis=0, levels=_WEIGHT_LEVELS)
        inputs = [x, self.constant(f"{output}.weight", quantised), self.constant(f"{output}.scale", scale[0])]
        if bias:
            inputs += ["", bias]
        return self.node("DynamicQuantizeMatMul", inputs, output, domain=_MICROSOFT)

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

    def node(
        self,
        op: str,
        inputs: list[str],
        output: str,
        *,
        domain: str = "",
        **attributes: float | list[int],
    ) -> str:
        """Add a node with one output; returns the output's name."""
        self.nodes.append(
            self.helper.make_node(op, inputs, [output], name=output, domain=domain, **attributes)
        )
        return output

    def serialize(
        self, name: str, *, inputs: Sequence[tuple[str, type, Shape]], outputs: Sequence[tuple[str, Shape]]
    ) -> bytes:
        """The model's bytes. Inputs are of type int or float, outputs are float32."""
        kinds = {int: self.onnx.TensorProto.INT64, float: self.onnx.TensorProto.FLOAT}
        value = self.helper.make_tensor_value_info
        graph = self.helper.make_graph(
            self.nodes,
            name,
            [value(name, kinds[kind], shape) for name, kind, shape in inputs],
            [value(name, kinds[float], shape) for name, shape in outputs],
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

    @property
    def _epsilon(self) -> float:
        return float(self.config["layer_norm_eps"])

    def _project_and_norm(self, x: str, residual: str, source: str, output: str) -> str:
        """LayerNorm(x @ dense + bias + residual)."""
        projected = self.linear(x, self.weight(f"{source}.dense.weight").T, f"{output}.projected")
        constants = [
            self.stored(f"{source}.{part}") for part in ("LayerNorm.weight", "LayerNorm.bias", "dense.bias")
        ]
        return self.node(
            "SkipLayerNormalization",
            [projected, residual, *constants],
            output,
            domain=_MICROSOFT,
            epsilon=self._epsilon,
        )


def check_config(config: Mapping[str, Any]) -> None:
    """Raise an InputError unless the graph can be written for a model of this configuration."""
    if config.get("model_type") != "bert":
        raise InputError(f"Only BERT encoders can be exported, got model_type={config.get('model_type')!r}.")
    for key, expected in _REQUIRED_CONFIG.items():
        if config.get(key, expected) != expected:
            raise InputError(f"Only {key}={expected!r} can be exported, got {config[key]!r}.")


def _quantise(matrix: Array, *, axis: int, levels: int) -> tuple[NDArray[np.int8], Array]:
    """Symmetric int8 with one scale for each slice along `axis`; returns values and scales."""
    largest: Array = np.abs(matrix).max(axis=axis, keepdims=True)
    scale: Array = np.maximum(largest / np.float32(levels), np.float32(1e-12))
    values: Array = np.clip(np.rint(matrix / scale), -levels, levels)
    return values.astype(np.int8), scale
