"""The training loop: seeded, resumable, on whatever device there is."""

# torch, transformers and onnx are partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportIndexIssue=false

import math
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from lingua_core.models.pairs import LONGEST_SEQUENCE
from lingua_core.training.checkpoint_file import read_checkpoint, write_checkpoint
from lingua_core.training.data.distractors import Distractors
from lingua_core.training.data.examples import Example
from lingua_core.training.extractor.batches import Batch, make_batch
from lingua_core.training.extractor.loss import batch_loss
from lingua_core.training.extractor.model import Extractor

__all__ = ["Progress", "TrainingOptions", "train"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions:
    """How to train.

    Attributes:
        steps: Optimiser steps.
        questions: Questions of each step.
        rate: Greatest learning rate of the encoder; the heads' is `head_rate`.
        head_rate: Greatest learning rate of the heads.
        warmup: Share of the steps in which the rate rises; after it, it falls as a cosine.
        decay: Weight decay.
        average: Decay of the moving average of the weights, which is what is kept in the end.
        longest: Tokens of a window.
        seed: Of order, distractors, question styles and the heads' first weights.
        checkpoint_every: Steps between checkpoints.
    """

    steps: int = 4000
    questions: int = 16
    rate: float = 8e-5
    head_rate: float = 1e-3
    warmup: float = 0.06
    decay: float = 0.01
    average: float = 0.998
    longest: int = LONGEST_SEQUENCE
    seed: int = 0
    checkpoint_every: int = 250


@dataclass(frozen=True, slots=True)
class Progress:
    """What a step reports: its number from 1, and its loss."""

    step: int
    loss: float


class _Average:
    """Exponential moving average of a model's weights, with a short memory at the start."""

    def __init__(self, model: torch.nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = {name: value.detach().clone() for name, value in model.state_dict().items()}

    def update(self, model: torch.nn.Module, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        for name, value in model.state_dict().items():
            if value.is_floating_point():
                self.weights[name].lerp_(value.detach(), 1 - decay)


def train(
    model: Extractor,
    examples: Sequence[Example],
    distractors: Distractors,
    tokenizer: Tokenizer,
    options: TrainingOptions,
    *,
    folder: Path,
    report: Callable[[Progress], Any] = lambda progress: None,
) -> Extractor:
    """Train, from the checkpoint in `folder` where there is one, and return the averaged model.

    A step's examples, distractors and styles depend on the seed and the step alone, so a run that was
    interrupted goes on as if it had not been.

    Raises:
        InputError: If the checkpoint is of a run with other options, examples or first weights, or broken.
    """
    device = _device()
    run = _description(model, examples, options)
    model.to(device).train()
    optimiser = _optimiser(model, options)
    average = _Average(model, options.average)
    checkpoint = folder / "checkpoint.pt"
    done = _resume(checkpoint, run, model, optimiser, average)

    def prepared(step: int) -> Batch:
        return _batch_of(step, examples, distractors, tokenizer, options)

    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(prepared, done)
        for step in range(done, options.steps):
            batch = following.result()
            following = pool.submit(prepared, step + 1)
            for group in optimiser.param_groups:
                group["lr"] = group["peak"] * _schedule(step, options)
            with torch.autocast(device.type, dtype=torch.bfloat16):
                loss = batch_loss(model, batch)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            average.update(model, step)
            report(Progress(step + 1, float(loss.detach())))
            if (step + 1) % options.checkpoint_every == 0 or step + 1 == options.steps:
                _save(checkpoint, step + 1, run, model, optimiser, average)
    model.load_state_dict(average.weights)
    return model.eval()


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _optimiser(model: Extractor, options: TrainingOptions) -> torch.optim.Optimizer:
    """AdamW: no decay of biases and norms, a greater rate for the heads, which start from noise."""
    groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        peak = options.head_rate if name.startswith("heads.") else options.rate
        decay = options.decay if parameter.ndim > 1 else 0.0
        groups.setdefault((peak, decay), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": own, "lr": peak, "peak": peak, "weight_decay": decay}
            for (peak, decay), own in groups.items()
        ],
        betas=(0.9, 0.98),
        fused=True,
    )


def _schedule(step: int, options: TrainingOptions) -> float:
    warmup = max(1, int(options.warmup * options.steps))
    if step < warmup:
        return (step + 1) / warmup
    done = (step - warmup) / max(1, options.steps - warmup)
    return 0.02 + 0.98 * (1 + math.cos(math.pi * done)) / 2


def _batch_of(
    step: int,
    examples: Sequence[Example],
    distractors: Distractors,
    tokenizer: Tokenizer,
    options: TrainingOptions,
) -> Batch:
    rng = random.Random(f"{options.seed} {step}")
    chosen = [examples[i] for i in _order(step, len(examples), options)]
    return make_batch(
        [distractors.added_to(example, rng) for example in chosen], tokenizer, rng, longest=options.longest
    )


def _order(step: int, count: int, options: TrainingOptions) -> list[int]:
    """Indices of a step's examples; every pass over the examples has its own order."""
    first = step * options.questions
    found: list[int] = []
    for place in range(first, first + options.questions):
        turn, index = divmod(place, count)
        found.append(_permutation(count, options.seed, turn)[index])
    return found


_permutations: dict[tuple[int, int, int], list[int]] = {}


def _permutation(count: int, seed: int, turn: int) -> list[int]:
    key = (count, seed, turn)
    if key not in _permutations:
        order = list(range(count))
        random.Random(f"{seed} pass {turn}").shuffle(order)
        _permutations.clear()
        _permutations[key] = order
    return _permutations[key]


def _description(
    model: Extractor, examples: Sequence[Example], options: TrainingOptions
) -> dict[str, int | float | str]:
    """What decides how a run goes, so that a checkpoint goes on in its own run only."""
    weights, data = sha256(), sha256()
    for name, value in model.state_dict().items():
        weights.update(name.encode() + value.detach().float().cpu().numpy().tobytes())
    for example in examples:
        data.update(repr((example.source, example.id, example.question)).encode(errors="replace"))
    every = {name: value for name, value in asdict(options).items() if name != "checkpoint_every"}
    return every | {"examples": data.hexdigest()[:12], "first weights": weights.hexdigest()[:12]}


def _save(
    file: Path,
    step: int,
    run: dict[str, int | float | str],
    model: Extractor,
    optimiser: torch.optim.Optimizer,
    average: _Average,
) -> None:
    state = {
        "step": step,
        "model": model.state_dict(),
        "optimiser": optimiser.state_dict(),
        "average": average.weights,
    }
    write_checkpoint(file, run, state)


def _resume(
    file: Path,
    run: dict[str, int | float | str],
    model: Extractor,
    optimiser: torch.optim.Optimizer,
    average: _Average,
) -> int:
    state = read_checkpoint(file, run, ("step", "model", "optimiser", "average"))
    if state is None:
        return 0
    model.load_state_dict(state["model"])
    optimiser.load_state_dict(state["optimiser"])
    average.weights = state["average"]
    return int(state["step"])
