"""Kullback-Leibler divergence from a teacher's distribution of which only the likeliest tokens are known.

All other tokens are one outcome, the rest: with teacher q and student p over k tokens and the rest,
KL(q || p) = sum_i q_i (ln q_i - ln p_i) + q_rest (ln q_rest - ln p_rest). By the data-processing inequality
it is at most the divergence over the whole vocabulary, and equal to it when k is the whole vocabulary.
Putting no mass at all on the rest instead, as when the k are scaled to 1, would teach a student to be surer
than its teacher.
"""

# torch is partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from typing import Literal

import torch
from torch import Tensor

from lingua_core.errors import InputError
from lingua_core.training.alignment.sparse_targets import PADDING, SparseTargets

__all__ = ["kl_divergence"]


def kl_divergence(
    logits: Tensor,
    targets: SparseTargets,
    *,
    temperature: float = 1.0,
    reduction: Literal["mean", "sum", "none"] = "mean",
) -> Tensor:
    """KL(teacher || student) in nats, of the rows that have targets.

    Computed in float32 whatever the logits are. The student's rest is the log-sum-exp of the other tokens'
    logits, never 1 minus a sum, so that a small rest has a right gradient. Needs a few times the memory of
    the rows' logits in float32: long batches go in parts (`SparseTargets.between`).

    Args:
        logits: The student's, of all rows that positions count; shape (rows, vocabulary).
        targets: On the logits' device. Without rows, the mean and the sum are 0, with a gradient of 0.
        temperature: Divides the logarithms of both distributions, the rest taken as one outcome; the
            result is multiplied by its square, so that gradients keep their size (Hinton et al., 2015,
            arXiv 1503.02531, section 2).
        reduction: "none" gives a value for each row of the targets, shape (N,).

    Raises:
        InputError: If the temperature is not above 0, or the targets do not fit the logits.
    """
    if not temperature > 0:
        raise InputError(f"temperature must be above 0, got {temperature!r}.")
    if reduction not in ("mean", "sum", "none"):
        raise InputError(f"reduction must be 'mean', 'sum' or 'none', got {reduction!r}.")
    _check(logits, targets)
    student = _student(logits.index_select(0, targets.positions).float(), targets.ids)
    teacher = _teacher(targets, logits.shape[1])
    if temperature != 1:
        student = torch.log_softmax(student / temperature, dim=1)
        teacher = torch.log_softmax(teacher / temperature, dim=1)
    # Where the teacher's probability is 0 the term is 0, and so must its gradient be: 0 * inf is none.
    has_mass = teacher > -torch.inf
    difference = teacher.masked_fill(~has_mass, 0.0) - student.masked_fill(~has_mass, 0.0)
    values = (teacher.exp() * difference).sum(dim=1) * temperature**2
    if reduction == "none":
        return values
    return values.sum() if reduction == "sum" or not len(values) else values.mean()


def _teacher(targets: SparseTargets, vocabulary: int) -> Tensor:
    """Log-probabilities of the listed tokens and of the rest. Shape (N, k + 1)."""
    is_token = targets.ids != PADDING
    tokens = targets.log_probs.float().masked_fill(~is_token, -torch.inf)
    # What rounding leaves beside a whole vocabulary is on nothing: no student could put mass there.
    is_all = is_token.sum(dim=1) >= vocabulary
    rest = targets.rest.float().log().masked_fill(is_all, -torch.inf)
    return torch.cat([tokens, rest[:, None]], dim=1)


def _student(logits: Tensor, ids: Tensor) -> Tensor:
    """Log-probabilities of the listed tokens and of the rest. Shape (N, k + 1)."""
    is_token = ids != PADDING
    # Padding repeats the row's first token: it is hidden twice, and masked.
    listed = torch.where(is_token, ids, ids[:, :1])
    others = logits.scatter(1, listed, -torch.inf)
    # The log-sum-exp of nothing has no gradient that is a number.
    is_all = (is_token.sum(dim=1) >= logits.shape[1])[:, None]
    rest = torch.logsumexp(torch.where(is_all, logits, others), dim=1, keepdim=True)
    rest = rest.masked_fill(is_all, -torch.inf)
    tokens = logits.gather(1, listed).masked_fill(~is_token, -torch.inf)
    return torch.cat([tokens, rest], dim=1) - torch.logsumexp(logits, dim=1, keepdim=True)


def _check(logits: Tensor, targets: SparseTargets) -> None:
    if logits.ndim != 2:
        raise InputError(f"logits must have the shape (rows, vocabulary), got {tuple(logits.shape)}.")
    # Indices on a GPU are left to it: to look at them here would wait for all its work.
    if len(targets) and targets.ids.device.type == "cpu":
        row, id_ = int(targets.positions.max()), int(targets.ids.max())
        if row >= logits.shape[0] or id_ >= logits.shape[1] or int(targets.positions.min()) < 0:
            raise InputError(
                f"The targets reach to row {row} and token {id_}, the logits have {logits.shape[0]} rows of "
                f"{logits.shape[1]} tokens. Do first_row and the vocabulary fit?"
            )
