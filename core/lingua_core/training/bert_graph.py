"""BERT in ONNX, written node by node with onnxruntime's fused operators.

Nothing is left for the optimiser to miss. Word embeddings are int8 with a scale for each row; for the
rest see `onnx_graph`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lingua_core.errors import InputError
from lingua_core.training.onnx_graph import EMBEDDING_LEVELS, MICROSOFT, OnnxGraph, quantise

__all__ = ["BertGraph", "check_config"]

_REQUIRED_CONFIG = {"hidden_act": "gelu", "position_embedding_type": "absolute"}


@dataclass(slots=True)
class BertGraph(OnnxGraph):
    """A BERT encoder under construction; its weights by their names without a prefix."""

    def embeddings(self, *, token_types: str = "", output: str = "") -> str:
        """Embeddings of the input `input_ids`; returns their name.

        Args:
            token_types: Name of the input that says question (0) or passage (1); "" for all 0.
            output: What to call them; "" for a name of the graph's own.
        """
        words = self.weight("embeddings.word_embeddings.weight")
        quantised, scale = quantise(words, axis=1, levels=EMBEDDING_LEVELS)
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
            output or "embeddings.normed",
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
            domain=MICROSOFT,
            num_heads=int(self.config["num_attention_heads"]),
        )
        x = self._project_and_norm(attended, x, f"{source}.attention.output", f"{name}.mixed")
        widened = self.linear(x, self.weight(f"{source}.intermediate.dense.weight").T, f"{name}.wide")
        bias = self.stored(f"{source}.intermediate.dense.bias")
        activated = self.node("BiasGelu", [widened, bias], f"{name}.gelu", domain=MICROSOFT)
        return self._project_and_norm(activated, x, f"{source}.output", output or f"{name}.out")

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
            domain=MICROSOFT,
            epsilon=self._epsilon,
        )


def check_config(config: Mapping[str, Any]) -> None:
    """Raise an InputError unless the graph can be written for a model of this configuration."""
    if config.get("model_type") != "bert":
        raise InputError(f"Only BERT encoders can be exported, got model_type={config.get('model_type')!r}.")
    for key, expected in _REQUIRED_CONFIG.items():
        if config.get(key, expected) != expected:
            raise InputError(f"Only {key}={expected!r} can be exported, got {config[key]!r}.")
