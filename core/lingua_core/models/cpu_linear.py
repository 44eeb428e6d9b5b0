"""Linear layers on a CPU: faster kernels for float32, and weights of 8 bits.

PyTorch multiplies float32 matrices with MKL, which on processors that are not Intel's takes paths of half the
speed. oneDNN, which comes with PyTorch too, is as fast on either, and equal up to rounding.

With 8 bits, a row of weights has a scale of its own, and so has each token that comes in: what one token
gives does not depend on those beside it, so that a batch gives what its members give one by one.
"""

# torch is partly typed, and its kernels are not.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import linear
from torch.overrides import TorchFunctionMode

from lingua_core.errors import ModelError

__all__ = ["Int8Linear", "fast_linear", "quantize_linear_layers"]

_STEPS = 127
_MIDDLE = 128
"""Unsigned activations, 128 for zero: signed ones have no fast kernel where there is no AMX."""


def fast_linear(device: torch.device) -> AbstractContextManager[object]:
    """A context in which this thread's float32 linear layers on a CPU run in oneDNN, where that is possible.

    Nothing is changed that outlives it: neither modules nor settings of the process.
    """
    return _OneDNN() if device.type == "cpu" and _has_onednn() else nullcontext()


class _OneDNN(TorchFunctionMode):
    def __torch_function__(
        self,
        func: Any,  # noqa: ANN401  # any of torch's
        types: Any,  # noqa: ANN401
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401  # whatever the function returns
        if func is linear and not kwargs and len(args) in (2, 3):
            row, weight = args[0], args[1]
            if row.dtype == weight.dtype == torch.float32 and row.dim() > 1 and row.numel():
                return _onednn_linear(row, weight, args[2] if len(args) == 3 else None)
        return func(*args, **(kwargs or {}))


def _onednn_linear(rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")


@cache
def _has_onednn() -> bool:
    """Whether the kernel, which is PyTorch's own and not promised to users, is there and right."""
    if not torch.backends.mkldnn.is_available():
        return False
    with torch.inference_mode():
        rows = torch.arange(12.0).reshape(3, 4)
        weight = torch.arange(20.0).reshape(5, 4) / 20
        try:
            found = _onednn_linear(rows, weight, None)
        except (AttributeError, RuntimeError, TypeError):
            return False
        return torch.allclose(found, rows @ weight.T)


class Int8Linear(torch.nn.Module):
    """A linear layer with weights of 8 bits, for a CPU.

    Args:
        layer: What it stands for; not changed.
    """

    def __init__(self, layer: torch.nn.Linear) -> None:
        super().__init__()
        weight = layer.weight.detach().float()
        self.in_features, self.out_features = layer.in_features, layer.out_features
        scale = (weight.abs().amax(1) / _STEPS).clamp_(min=1e-30)
        whole = (weight / scale[:, None]).round_().to(torch.int8)
        self.register_buffer("scale", scale)
        self.register_buffer("zero", torch.zeros(len(scale), dtype=torch.int64))
        self.bias: Tensor | None = layer.bias
        self._packed: Tensor = torch.ops.onednn.qlinear_prepack(whole, None)

    def forward(self, rows: Tensor) -> Tensor:
        """Shape (..., out_features)."""
        steps = (rows.abs().amax(-1, keepdim=True) / _STEPS).clamp_(min=1e-30)
        whole = (rows / steps).round_().add_(_MIDDLE).to(torch.uint8)
        found = torch.ops.onednn.qlinear_pointwise(
            whole, 1.0, _MIDDLE, self._packed, self.scale, self.zero, None, 1.0, 0, torch.float32,
            "none", [], "",
        )  # fmt: skip
        found = found.mul_(steps)
        return found if self.bias is None else found.add_(self.bias)


def quantize_linear_layers(model: torch.nn.Module) -> None:
    """Put `Int8Linear` in the place of every linear layer of a model.

    Args:
        model: In float32 on a CPU; it is changed.

    Raises:
        ModelError: If this processor or build of PyTorch cannot run them, or there is no linear layer.
    """
    if not _has_int8():
        raise ModelError(
            "dtype='int8' needs oneDNN's 8-bit kernels, which this build of torch lacks here. Use 'bfloat16'."
        )
    found = [
        (parent, name, layer)
        for parent in model.modules()
        for name, layer in parent.named_children()
        if type(layer) is torch.nn.Linear
    ]
    if not found:
        raise ModelError(f"{type(model).__name__} has no linear layers that dtype='int8' could make smaller.")
    for parent, name, layer in found:
        setattr(parent, name, Int8Linear(layer))


@cache
def _has_int8() -> bool:
    layer = torch.nn.Linear(8, 4, bias=False)
    rows = torch.linspace(-1, 1, 16).reshape(2, 8)
    with torch.inference_mode():
        try:
            return torch.allclose(Int8Linear(layer)(rows), layer(rows), atol=0.05)
        except (AttributeError, RuntimeError, TypeError):
            return False
