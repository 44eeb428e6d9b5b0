"""Muon: momentum whose matrices are made orthogonal (Jordan et al., 2024), beside AdamW for the rest.

An update with all singular values alike teaches rare directions as fast as common ones; small language
models need about a third fewer steps than with AdamW. Scaled to AdamW's size (arXiv 2502.16982, section
2.2), so that both share one learning rate and one weight decay.
"""

# torch is partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import math
from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["Muon", "orthogonal"]

_STEPS = 5
_QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients whose iteration takes singular values of 0.01 to 1 near 1."""
_SIZE_OF_ADAMW = 0.2


class Muon(torch.optim.Optimizer):
    """For matrices of hidden layers; embeddings and vectors belong to another optimiser.

    Args:
        matrices: The parameters. Those of one shape are made orthogonal together.
        lr: Learning rate, as for AdamW.
        momentum: Of Nesterov's kind.
        weight_decay: Decoupled.
        parts: For a parameter's index, how many matrices are stacked in its first axis; each is made
            orthogonal by itself.
    """

    def __init__(
        self,
        matrices: Sequence[Tensor],
        *,
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        parts: Sequence[int] = (),
    ) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})
        self._parts = list(parts) or [1] * len(matrices)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]  # no closure
        """Update the parameters by their gradients."""
        del closure
        for group in self.param_groups:
            by_shape: dict[tuple[int, int], list[tuple[Tensor, int]]] = {}
            for parameter, parts in zip(group["params"], self._parts, strict=True):
                rows, columns = parameter.shape
                by_shape.setdefault((rows // parts, columns), []).append((parameter, parts))
            for shape, members in by_shape.items():
                directions = [self._direction(p, group["momentum"]).view(-1, *shape) for p, _ in members]
                updates = orthogonal(torch.cat(directions)).split([parts for _, parts in members])
                size = _SIZE_OF_ADAMW * math.sqrt(max(shape))
                for (parameter, _), update in zip(members, updates, strict=True):
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    parameter.add_(update.reshape(parameter.shape), alpha=-group["lr"] * size)

    def _direction(self, parameter: Tensor, momentum: float) -> Tensor:
        gradient = parameter.grad
        assert gradient is not None
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(gradient)
        state["momentum"].lerp_(gradient, 1 - momentum)
        return gradient.lerp(state["momentum"], momentum)


def orthogonal(matrices: Tensor) -> Tensor:
    """The nearest matrices with orthonormal rows or columns, roughly: singular values of 0.7 to 1.2.

    Args:
        matrices: Shape (count, rows, columns).
    """
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = (matrices.mT if tall else matrices).bfloat16()
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    a, b, c = _QUINTIC
    for _ in range(_STEPS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.mT if tall else x).to(matrices.dtype)
