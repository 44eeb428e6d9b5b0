"""An ONNX graph under construction: nodes, constants, and matrices in int8.

No torch is needed, and the same weights always give the same bytes.

Quantisation: every matrix int8 with a scale for each output column; activations uint8, with a scale found
at run time for each sequence. Weights use 7 of the 8 bits, because on CPUs without VNNI instructions a
product of uint8 and full-range int8 pairs saturates 16 bits: with 7 bits the result is the same on every
machine.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lingua_core.errors import MissingDependencyError, ModelError

__all__ = [
    "EMBEDDING_LEVELS",
    "MICROSOFT",
    "WEIGHT_LEVELS",
    "Array",
    "OnnxGraph",
    "Shape",
    "Stored",
    "quantise",
]

Array = NDArray[np.float32]
Stored = NDArray[np.generic]
Shape = list[int | str]
"""Sizes of a tensor's axes; a name stands for any size."""

MICROSOFT = "com.microsoft"
"""The domain of onnxruntime's own operators."""

WEIGHT_LEVELS = 63
EMBEDDING_LEVELS = 127

_OPSET = 17
_IR_VERSION = 8


@dataclass(slots=True)
class OnnxGraph:
    """Nodes and constants under construction; names are given by the caller and are unique.

    Attributes:
        weights: Tensors of the source model, by name.
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

    def linear(self, x: str, matrix: Array, output: str, *, bias: str = "") -> str:
        """`x @ matrix (+ bias)` in int8; `matrix` has shape (inputs, outputs)."""
        quantised, scale = quantise(matrix, axis=0, levels=WEIGHT_LEVELS)
        inputs = [x, self.constant(f"{output}.weight", quantised), self.constant(f"{output}.scale", scale[0])]
        if bias:
            inputs += ["", bias]
        return self.node("DynamicQuantizeMatMul", inputs, output, domain=MICROSOFT)

    def weight(self, name: str) -> Array:
        """A float32 array of the source model."""
        if name not in self.weights:
            raise ModelError(f"The source model has no tensor {name!r}.")
        return self.weights[name].astype(np.float32)

    def constant(self, name: str, array: Stored) -> str:
        """Add a constant; returns its name."""
        self.constants.append(self.to_tensor(np.ascontiguousarray(array), name))
        return name

    def stored(self, name: str) -> str:
        """Add an array of the source model as a constant under its own name."""
        return self.constant(name, self.weight(name))

    def node(
        self, op: str, inputs: list[str], output: str, *, domain: str = "", **attributes: float | list[int]
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
                self.helper.make_opsetid(MICROSOFT, 1),
            ],
        )
        return model.SerializeToString(deterministic=True)


def quantise(matrix: Array, *, axis: int, levels: int) -> tuple[NDArray[np.int8], Array]:
    """Symmetric int8 with one scale for each slice along `axis`; returns values and scales."""
    largest: Array = np.abs(matrix).max(axis=axis, keepdims=True)
    scale: Array = np.maximum(largest / np.float32(levels), np.float32(1e-12))
    values: Array = np.clip(np.rint(matrix / scale), -levels, levels)
    return values.astype(np.int8), scale
