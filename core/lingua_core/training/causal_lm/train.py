"""The training loop: seeded, resumable to the bit on a CPU, and of open end.

The learning rate is constant until the decay begins, so the number of steps may be changed whenever a run
is taken up again, up to where its decay began; and a run that has ended goes on from there too.
"""

# torch is partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from lingua_core.errors import InputError
from lingua_core.training.causal_lm.checkpoint import load_checkpoint, save_checkpoint
from lingua_core.training.causal_lm.gradients import GradientPool
from lingua_core.training.causal_lm.model import CausalTransformer
from lingua_core.training.causal_lm.muon import Muon
from lingua_core.training.causal_lm.schedule import Schedule

__all__ = ["Progress", "RowSource", "TrainingOptions", "train"]

_GREATEST_GRADIENT = 1.0
_HISTORY_EVERY = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions:
    """How to train.

    Attributes:
        steps: Optimiser steps in all, those of the decay included.
        decay_steps: The last steps, in which the learning rate falls to nothing.
        rows: Rows of tokens of each step; in the decay as many as give as many tokens.
        part: Tokens that go through the model at once; a step adds up its parts' gradients.
        longest: Tokens of a row.
        decay_longest: Tokens of a row in the decay: what the model is made to read at once.
        rate: Greatest learning rate.
        warmup: Steps in which it rises.
        weight_decay: Of matrices but the embeddings.
        seed: Of the first weights and the order of the rows.
        checkpoint_every: Steps between checkpoints.
        workers: Parts that are computed at once, each on one thread: on a CPU, faster than one part at a
            time on several threads.

    Raises:
        InputError: If a number is not positive, or the decay is longer than the training.
    """

    steps: int
    decay_steps: int
    rows: int = 32
    part: int = 2048
    longest: int = 512
    decay_longest: int = 1024
    rate: float = 3e-3
    warmup: int = 100
    weight_decay: float = 0.1
    seed: int = 0
    checkpoint_every: int = 50
    workers: int = 1

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if name not in ("seed", "weight_decay") and value <= 0:
                raise InputError(f"{name} must be positive, got {value!r}.")
        if self.decay_steps > self.steps:
            raise InputError(f"decay_steps must be at most steps={self.steps}, got {self.decay_steps}.")
        if self.rows * self.longest % self.decay_longest:
            raise InputError(
                f"A step's {self.rows} rows of {self.longest} tokens must fill rows of {self.decay_longest}."
            )

    @property
    def decay_from(self) -> int:
        """The step at which the decay begins."""
        return self.steps - self.decay_steps

    @property
    def schedule(self) -> Schedule:
        """The learning rate."""
        return Schedule(warmup=self.warmup, decay_from=self.decay_from, decay_steps=self.decay_steps)


@dataclass(frozen=True, slots=True)
class Progress:
    """What a step reports: its number from 1, its loss in nats a token, and the tokens read so far."""

    step: int
    loss: float
    tokens: int


class RowSource(Protocol):
    """Where rows of tokens come from; `TokenStream` is one."""

    digests: dict[str, str]
    """Of the tokens, so that a checkpoint goes on with its own."""

    def batch(self, first: int, count: int) -> NDArray[np.int64]:
        """Rows `first` to `first + count`; the same for the same arguments. Shape (count, tokens + 1)."""
        ...


def train(
    model: CausalTransformer,
    rows: RowSource,
    decay_rows: RowSource,
    options: TrainingOptions,
    *,
    folder: Path,
    report: Callable[[Progress], Any] = lambda progress: None,
) -> CausalTransformer:
    """Train, from the checkpoint in `folder` where there is one; returns the model.

    A step's rows depend on the seed and the step alone, so a run that was interrupted goes on as if it had
    not been. `folder/history.jsonl` gets a line every 10 steps.

    Args:
        model: With its first weights.
        rows: Of `options.longest` tokens.
        decay_rows: Of `options.decay_longest` tokens.
        options: How.
        folder: For checkpoints.
        report: Called after each step.

    Raises:
        InputError: If the checkpoint is of a run with other options, data or first weights, or broken, or
            is past the step at which the decay should begin.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    run = _description(model, rows, options)
    model.to(device).train()
    optimisers = _optimisers(model, options)
    done = load_checkpoint(folder, run, model, optimisers, options.decay_from, options.decay_steps)
    history = _History(folder / "history.jsonl")
    with GradientPool(options.workers, part=options.part) as pool:
        for step in range(done, options.steps):
            if step == options.decay_from:
                save_checkpoint(folder, step, run, model, optimisers, decay=None, stable=True)
            batch = torch.from_numpy(_batch(step, rows, decay_rows, options)).to(device)
            loss = _step(model, optimisers, batch, step, options, pool)
            progress = Progress(step + 1, loss, (step + 1) * options.rows * options.longest)
            history.add(progress)
            report(progress)
            if (step + 1) % options.checkpoint_every == 0 or step + 1 == options.steps:
                decay = (options.decay_from, options.decay_steps) if step + 1 > options.decay_from else None
                save_checkpoint(folder, step + 1, run, model, optimisers, decay=decay)
    return model.eval()


class _History:
    def __init__(self, file: Path) -> None:
        self._file = file
        self._losses: list[float] = []
        self._began = time.monotonic()

    def add(self, progress: Progress) -> None:
        self._losses.append(progress.loss)
        if progress.step % _HISTORY_EVERY:
            return
        line = {
            "step": progress.step,
            "tokens": progress.tokens,
            "loss": round(sum(self._losses) / len(self._losses), 4),
            "seconds": round(time.monotonic() - self._began, 1),
        }
        self._losses = []
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")


def _batch(step: int, rows: RowSource, decay_rows: RowSource, options: TrainingOptions) -> NDArray[np.int64]:
    if step < options.decay_from:
        return rows.batch(step * options.rows, options.rows)
    count = options.rows * options.longest // options.decay_longest
    return decay_rows.batch((step - options.decay_from) * count, count)


def _step(
    model: CausalTransformer,
    optimisers: Mapping[str, torch.optim.Optimizer],
    batch: torch.Tensor,
    step: int,
    options: TrainingOptions,
    pool: GradientPool,
) -> float:
    share = options.schedule.share(step)
    for optimiser in optimisers.values():
        for group in optimiser.param_groups:
            group["lr"] = options.rate * share
    total = pool.add_gradients(model, batch)
    torch.nn.utils.clip_grad_norm_(model.parameters(), _GREATEST_GRADIENT)
    for optimiser in optimisers.values():
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
    return total


def _optimisers(model: CausalTransformer, options: TrainingOptions) -> dict[str, torch.optim.Optimizer]:
    """Muon for the layers' matrices, AdamW without weight decay for embeddings and norms."""
    matrices = [(n, p) for n, p in model.named_parameters() if n.startswith("layers.") and p.ndim == 2]
    stacked = {"qkv": 3, "wide": 2}
    hidden = {name for name, _ in matrices}
    rest = [p for n, p in model.named_parameters() if n not in hidden]
    return {
        "muon": Muon(
            [p for _, p in matrices],
            lr=options.rate,
            weight_decay=options.weight_decay,
            parts=[stacked.get(name.split(".")[-2], 1) for name, _ in matrices],
        ),
        "adamw": torch.optim.AdamW(rest, lr=options.rate, betas=(0.9, 0.95), weight_decay=0.0, fused=True),
    }


def _description(
    model: CausalTransformer, rows: RowSource, options: TrainingOptions
) -> dict[str, int | float | str]:
    """What decides how a run goes up to its decay, so that a checkpoint goes on in its own run only."""
    weights = sha256()
    for name, value in model.state_dict().items():
        weights.update(name.encode() + value.detach().float().cpu().numpy().tobytes())
    names = ("rows", "longest", "rate", "warmup", "weight_decay", "seed")
    every: dict[str, int | float | str] = {name: getattr(options, name) for name in names}
    every |= {name: value for name, value in asdict(model.shape).items()}
    data = sha256(json.dumps(rows.digests, sort_keys=True).encode()).hexdigest()[:12]
    return every | {"texts": data, "first weights": weights.hexdigest()[:12]}
