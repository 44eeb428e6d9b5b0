"""The training loop: seeded, on whatever device there is."""

# torch, transformers and onnx are partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from lingua_core.models.answer_forms import FORMS
from lingua_core.training.router.examples import RouterExample, form_of
from lingua_core.training.router.model import PaddedStates, RouterModel, pad_states

__all__ = ["RouterOptions", "RouterProgress", "train"]

_NO_FORM = -100
_WARMUP = 0.1
_LAST_RATE = 0.02
_SHUFFLED = 16
"""Batches of one length are made of this many batches of mixed lengths."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterOptions:
    """How to train.

    Attributes:
        steps: Optimiser steps.
        questions: Questions of each step.
        rate: Greatest learning rate of the layers.
        head_rate: Greatest learning rate of the heads.
        decay: Weight decay.
        negative_weight: What an error on a question that is none for a skeleton costs, against 1 for others.
        smoothing: How far labels are drawn towards one half.
        form_weight: What the loss of the answer's form adds.
        seed: Of order, dropout and the heads' first weights.
    """

    steps: int
    questions: int = 32
    rate: float = 1e-4
    head_rate: float = 1e-3
    decay: float = 0.01
    negative_weight: float = 1.5
    smoothing: float = 0.1
    form_weight: float = 0.3
    seed: int = 0


@dataclass(frozen=True, slots=True)
class RouterProgress:
    """What a step reports: its number from 1, and its loss."""

    step: int
    loss: float


@dataclass(frozen=True, slots=True)
class _Batch:
    padded: PaddedStates
    labels: Tensor
    forms: Tensor


def train(
    model: RouterModel,
    examples: Sequence[RouterExample],
    states: Sequence[NDArray[np.float32]],
    options: RouterOptions,
    *,
    report: Callable[[RouterProgress], Any] = lambda progress: None,
) -> RouterModel:
    """Train and return the model, on the CPU and ready for use.

    Args:
        model: To train.
        examples: What to learn.
        states: Of each example, from `question_states`.
        options: How.
        report: Called after each step.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device).train()
    optimiser = _optimiser(model, options)
    batches = _batches(examples, states, options)
    for step in range(options.steps):
        batch = next(batches)
        for group in optimiser.param_groups:
            group["lr"] = group["peak"] * _schedule(step, options.steps)
        with torch.autocast(device.type, dtype=torch.bfloat16):
            points, forms = model(PaddedStates(*(part.to(device) for part in batch.padded)))
        loss = _loss(points, forms, batch.labels.to(device), batch.forms.to(device), options)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        report(RouterProgress(step + 1, float(loss.detach())))
    return model.cpu().eval()


def _loss(points: Tensor, forms: Tensor, labels: Tensor, wanted: Tensor, options: RouterOptions) -> Tensor:
    targets = labels * (1 - options.smoothing) + options.smoothing / 2
    weights = torch.where(labels > 0, 1.0, options.negative_weight)
    loss = functional.binary_cross_entropy_with_logits(points, targets, weight=weights)
    if bool((wanted != _NO_FORM).any()):
        form = functional.cross_entropy(forms, wanted, ignore_index=_NO_FORM)
        loss = loss + options.form_weight * form
    return loss


def _optimiser(model: RouterModel, options: RouterOptions) -> torch.optim.Optimizer:
    heads = [*model.points.parameters(), *model.forms.parameters()]
    groups = [(list(model.layers.parameters()), options.rate), (heads, options.head_rate)]
    return torch.optim.AdamW(
        [{"params": own, "lr": peak, "peak": peak} for own, peak in groups],
        weight_decay=options.decay,
        fused=True,
    )


def _schedule(step: int, steps: int) -> float:
    """Linear up, linear down."""
    rising = (step + 1) / max(1.0, _WARMUP * steps)
    falling = (steps - step) / max(1.0, (1 - _WARMUP) * steps)
    return min(rising, max(_LAST_RATE, falling), 1.0)


def _batches(
    examples: Sequence[RouterExample], states: Sequence[NDArray[np.float32]], options: RouterOptions
) -> Iterator[_Batch]:
    """Batches without end: each pass in its own order, questions of about one length together."""
    names = list(FORMS)
    forms = [_NO_FORM if form is None else names.index(form) for form in form_of(examples)]
    rng = random.Random(options.seed)
    size, many = options.questions, options.questions * _SHUFFLED
    while True:
        order = list(range(len(examples)))
        rng.shuffle(order)
        parts = [
            sorted(order[i : i + many], key=lambda j: len(states[j])) for i in range(0, len(order), many)
        ]
        batches = [part[i : i + size] for part in parts for i in range(0, len(part), size)]
        rng.shuffle(batches)
        for rows in batches:
            yield _Batch(
                pad_states([states[i] for i in rows]),
                torch.tensor([float(examples[i].label) for i in rows]),
                torch.tensor([forms[i] for i in rows]),
            )
