"""Llama in ONNX with a cache of keys and values, written node by node with onnxruntime's fused operators.

Word embeddings and head are one int8 matrix with a scale for each token. Activations are quantised row by
row, not by sequence: a token's values do not depend on what follows it, so reading a text at once or in
parts with the cache comes to the same, and one large activation does not coarsen all others.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lingua_core.errors import InputError
from lingua_core.training.onnx_graph import (
    EMBEDDING_LEVELS,
    MICROSOFT,
    WEIGHT_LEVELS,
    Array,
    OnnxGraph,
    Shape,
    quantise,
)

__all__ = ["LlamaGraph", "check_llama_config"]

_ACTIVATION_LEVELS = 127
_HEAD_WIDTH = 16
"""onnxruntime's attention computes heads of a multiple of this only."""
_ZERO = 128
_REQUIRED = {"hidden_act": "silu", "attention_bias": False, "mlp_bias": False, "tie_word_embeddings": True}


@dataclass(slots=True)
class LlamaGraph(OnnxGraph):
    """A Llama under construction; its weights by the names of a `LlamaForCausalLM`, without "model."."""

    def embeddings(self) -> str:
        """Embeddings of the input `input_ids`, shape (1, tokens, width); and constants for all layers."""
        words, scale = quantise(self.weight("embed_tokens.weight"), axis=1, levels=EMBEDDING_LEVELS)
        self.constant("words", words)
        self.constant("words.scale", scale)
        self.constant("one", np.array(1, np.float32))
        self.constant("level", np.array(1 / _ACTIVATION_LEVELS, np.float32))
        self.constant("tiny", np.array(1e-10, np.float32))
        self.constant("zero", np.array(_ZERO, np.uint8))
        self._rotations()
        self._lengths()
        self.node("Gather", ["words", "input_ids"], "words.int8")
        self.node("Cast", ["words.int8"], "words.float", to=self.onnx.TensorProto.FLOAT)
        self.node("Gather", ["words.scale", "input_ids"], "words.row_scale")
        return self.node("Mul", ["words.float", "words.row_scale"], "embeddings")

    def layer(self, index: int, x: str) -> str:
        """A layer over `x`, with the inputs and outputs of its keys and values; returns its output's name."""
        source, name = f"layers.{index}", f"layer{index}"
        normed = self._norm(x, f"{source}.input_layernorm.weight", f"{name}.normed")
        parts = [self.weight(f"{source}.self_attn.{part}_proj.weight") for part in "qkv"]
        qkv = self.linear(normed, np.concatenate(parts).T, f"{name}.qkv")
        mixed = self._attention(index, qkv)
        added = self.linear(mixed, self.weight(f"{source}.self_attn.o_proj.weight").T, f"{name}.out")
        x = self.node("Add", [x, added], f"{name}.attended")
        normed = self._norm(x, f"{source}.post_attention_layernorm.weight", f"{name}.normed2")
        parts = [self.weight(f"{source}.mlp.{part}_proj.weight") for part in ("gate", "up")]
        wide = self.linear(normed, np.concatenate(parts).T, f"{name}.wide")
        sizes = self.constant(f"{name}.sizes", np.array([len(part) for part in parts], np.int64))
        gate, up = f"{name}.gate", f"{name}.up"
        self.nodes.append(
            self.helper.make_node("Split", [wide, sizes], [gate, up], name=f"{name}.split", axis=-1)
        )
        self.node("Sigmoid", [gate], f"{name}.sigmoid")
        self.node("Mul", [gate, f"{name}.sigmoid"], f"{name}.silu")
        product = self.node("Mul", [f"{name}.silu", up], f"{name}.product")
        added = self.linear(product, self.weight(f"{source}.mlp.down_proj.weight").T, f"{name}.down")
        return self.node("Add", [x, added], f"{name}.fed")

    def surprisals(self, x: str) -> None:
        """The output `surprisals`, in nats: of `targets`, each after the state at its place of `states`.

        The inputs `places` and `targets` have one length; only the states at those places go through the
        head, and its logits stay inside of the graph.
        """
        self.constant("first_axis", np.array([0], np.int64))
        self.constant("last_axis", np.array([-1], np.int64))
        self.node("Squeeze", [x, "first_axis"], "rows")
        self.node("Gather", ["rows", "places"], "rows.valued", axis=0)
        normed = self._norm("rows.valued", "norm.weight", "rows.normed")
        self.node("Transpose", ["words"], "head.weight", perm=[1, 0])
        self.node("Squeeze", ["words.scale", "last_axis"], "head.scale")
        logits = self._product(normed, "head.weight", "head.scale", "logits")
        self.node("LogSoftmax", [logits], "logits.normed", axis=-1)
        self.node("Unsqueeze", ["targets", "last_axis"], "targets.column")
        self.node("GatherElements", ["logits.normed", "targets.column"], "chosen", axis=1)
        self.node("Squeeze", ["chosen", "last_axis"], "chosen.row")
        self.node("Neg", ["chosen.row"], "surprisals")

    def caches(self, kind: str) -> list[tuple[str, Shape]]:
        """Names and shapes of all layers' keys and values.

        Args:
            kind: "past" for the inputs, "present" for the outputs.
        """
        heads, width = int(self.config["num_attention_heads"]), self._head_width
        shape: Shape = [1, heads, f"{kind}_tokens", width]
        layers = int(self.config["num_hidden_layers"])
        return [(f"{kind}.{i}.{part}", list(shape)) for i in range(layers) for part in ("key", "value")]

    def linear(self, x: str, matrix: Array, output: str, *, bias: str = "") -> str:
        """`x @ matrix` in int8, with a scale for each row of `x` and each column of the matrix."""
        if bias:
            raise InputError("Matrices of Llama have no bias.")
        weight, scale = self._stored_matrix(matrix, output)
        return self._product(x, weight, scale, output)

    @property
    def _head_width(self) -> int:
        return int(self.config["hidden_size"]) // int(self.config["num_attention_heads"])

    def _attention(self, index: int, qkv: str) -> str:
        name, heads = f"layer{index}", int(self.config["num_attention_heads"])
        outputs = [f"{name}.mixed", f"present.{index}.key", f"present.{index}.value"]
        past = [f"past.{index}.key", f"past.{index}.value"]
        self.nodes.append(
            self.helper.make_node(
                "GroupQueryAttention",
                [qkv, "", "", *past, "last_place", "all_tokens", "cosine", "sine"],
                outputs,
                name=f"{name}.attention",
                domain=MICROSOFT,
                num_heads=heads,
                kv_num_heads=heads,
                do_rotary=1,
            )
        )
        return outputs[0]

    def _norm(self, x: str, weight: str, output: str) -> str:
        return self.node(
            "SimplifiedLayerNormalization",
            [x, self.stored(weight)],
            output,
            axis=-1,
            epsilon=float(self.config["rms_norm_eps"]),
        )

    def _stored_matrix(self, matrix: Array, name: str) -> tuple[str, str]:
        quantised, scale = quantise(matrix, axis=0, levels=WEIGHT_LEVELS)
        return self.constant(f"{name}.weight", quantised), self.constant(f"{name}.scale", scale[0])

    def _product(self, x: str, weight: str, scale: str, output: str) -> str:
        """`x @ weight` over the last axis; each row of `x` is quantised by its own largest value."""
        self.node("Abs", [x], f"{output}.size")
        self.node("ReduceMax", [f"{output}.size"], f"{output}.largest", axes=[-1], keepdims=1)
        self.node("Mul", [f"{output}.largest", "level"], f"{output}.step0")
        step = self.node("Add", [f"{output}.step0", "tiny"], f"{output}.step")
        self.node("Div", [x, step], f"{output}.levels")
        self.node("QuantizeLinear", [f"{output}.levels", "one", "zero"], f"{output}.uint8")
        self.node(
            "MatMulIntegerToFloat",
            [f"{output}.uint8", weight, "one", scale, "zero"],
            f"{output}.product",
            domain=MICROSOFT,
        )
        return self.node("Mul", [f"{output}.product", step], output)

    def _rotations(self) -> None:
        half = np.arange(self._head_width // 2)
        speeds = float(_rotary(self.config)["rope_theta"]) ** (-2 * half / self._head_width)
        angles = np.arange(int(self.config["max_position_embeddings"]))[:, None] * speeds
        self.constant("cosine", np.cos(angles).astype(np.float32))
        self.constant("sine", np.sin(angles).astype(np.float32))

    def _lengths(self) -> None:
        """Tokens in the cache and behind it, as GroupQueryAttention wants them."""
        int32 = self.onnx.TensorProto.INT32
        self.constant("one_int", np.array([1], np.int64))
        self.constant("no_axis", np.array([0], np.int64))
        self.node("Shape", ["input_ids"], "new_tokens", start=1, end=2)
        self.node("Shape", ["past.0.key"], "past_tokens", start=2, end=3)
        self.node("Add", ["new_tokens", "past_tokens"], "all.int64")
        self.node("Sub", ["all.int64", "one_int"], "last.int64")
        self.node("Cast", ["last.int64"], "last_place", to=int32)
        self.node("Squeeze", ["all.int64", "no_axis"], "all.scalar")
        self.node("Cast", ["all.scalar"], "all_tokens", to=int32)


def check_llama_config(config: Mapping[str, Any]) -> None:
    """Raise an InputError unless the graph can be written for a model of this configuration."""
    if config.get("model_type") != "llama":
        raise InputError(f"Only Llama models can be exported, got model_type={config.get('model_type')!r}.")
    for key, expected in _REQUIRED.items():
        if config.get(key, expected) != expected:
            raise InputError(f"Only {key}={expected!r} can be exported, got {config[key]!r}.")
    heads, own = config["num_attention_heads"], config.get("num_key_value_heads")
    if own not in (None, heads):
        raise InputError(f"Only as many heads of keys as of queries can be exported, got {own} and {heads}.")
    width = int(config["hidden_size"]) // int(heads)
    if width % _HEAD_WIDTH or config.get("head_dim", width) != width:
        raise InputError(
            f"Only heads of the states' width divided by their number, a multiple of {_HEAD_WIDTH}, can be "
            f"exported, got hidden_size={config['hidden_size']}, num_attention_heads={heads} and "
            f"head_dim={config.get('head_dim')}."
        )
    kind = _rotary(config).get("rope_type", "default")
    if kind != "default":
        raise InputError(f"Only plain rotary positions can be exported, got {kind!r}.")


def _rotary(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """How positions are told: at one place since transformers 5, at the top before."""
    given: Mapping[str, Any] | None = config.get("rope_parameters")
    return given or {"rope_theta": config.get("rope_theta", 10_000)}
