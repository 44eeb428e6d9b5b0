"""BERT layers back from the int8 files that `BertGraph` writes."""

# onnx is partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lingua_core.errors import MissingDependencyError

__all__ = ["StoredGraph", "layer_weights", "read_graph"]

Array = NDArray[np.float32]


class StoredGraph(NamedTuple):
    """What a file holds.

    Attributes:
        constants: Its constants by their names.
        layers: How many transformer layers it has.
        heads: Attention heads of each.
    """

    constants: dict[str, Array]
    layers: int
    heads: int


def read_graph(file: Path) -> StoredGraph:
    """Read an ONNX file with at least one transformer layer.

    Raises:
        MissingDependencyError: If onnx is not installed.
        IndexError, StopIteration: If it holds no layer of `BertGraph`.
        Exception: What onnx raises if it cannot be read; these errors share no base class.
    """
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise MissingDependencyError.for_extra("onnx", extra="train", purpose="Training") from error
    graph: Any = onnx.load(file).graph
    attention = [node for node in graph.node if node.op_type == "MultiHeadAttention"]
    return StoredGraph(
        constants={c.name: numpy_helper.to_array(c) for c in graph.initializer},
        layers=len(attention),
        heads=next(a.i for a in attention[0].attribute if a.name == "num_heads"),
    )


def layer_weights(constants: Mapping[str, Array], layer: int, *, output: str = "") -> dict[str, Array]:
    """All weights of a layer by the names that transformers gives them, its matrices from int8.

    Args:
        constants: Of the graph that holds the layer.
        layer: Its number in the whole model.
        output: The name of the layer's output, if it was given one.

    Raises:
        KeyError: If the layer is not in the graph.
    """
    name, target = f"layer{layer}", f"encoder.layer.{layer}"

    def matrix(source: str) -> Array:
        return (constants[f"{source}.weight"].astype(np.float32) * constants[f"{source}.scale"]).T

    qkv, bias = matrix(f"{name}.qkv"), constants[f"{name}.qkv.bias"]
    width = len(bias) // 3
    # LayerNorms and the biases behind products are stored under their own names.
    found = {key: value for key, value in constants.items() if key.startswith(f"{target}.")}
    for i, part in enumerate(("query", "key", "value")):
        rows = slice(i * width, (i + 1) * width)
        found[f"{target}.attention.self.{part}.weight"] = qkv[rows]
        found[f"{target}.attention.self.{part}.bias"] = bias[rows]
    found[f"{target}.attention.output.dense.weight"] = matrix(f"{name}.mixed.projected")
    found[f"{target}.intermediate.dense.weight"] = matrix(f"{name}.wide")
    found[f"{target}.output.dense.weight"] = matrix(f"{output or f'{name}.out'}.projected")
    return found
