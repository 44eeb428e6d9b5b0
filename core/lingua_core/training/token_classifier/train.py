"""The training loop: seeded, resumable to the bit on a CPU, and ended by what it does on held-out rows."""

# torch and transformers are partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from lingua_core.errors import InputError, ModelError
from lingua_core.models.token_classifier import SequenceFrame
from lingua_core.training.causal_lm.schedule import Schedule
from lingua_core.training.checkpoint_file import read_checkpoint, write_checkpoint
from lingua_core.training.token_classifier.labels import UNLABELLED, LabelledRow

__all__ = ["Progress", "TrainingOptions", "train"]

_SHUFFLED = 16
"""Batches of about one length are made of this many batches of mixed lengths."""

_PARTS = ("step", "model", "optimiser", "best", "losses")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions:
    """How to train. The paper's own are 10 passes at a rate of 1e-5 with 10 rows a step.

    Attributes:
        passes: Over all rows, at most.
        rows: Rows of each step.
        rate: Greatest learning rate of the encoder.
        head_rate: Greatest learning rate of a head that is new.
        warmup: Share of the steps in which the rates rise; in the second half they fall to nothing.
        decay: Weight decay, of matrices.
        patience: Passes without a lower loss on the validation rows, after which training ends.
        seed: Of the new head, the order of the rows and dropout.
        checkpoint_every: Steps between checkpoints; there is one behind every pass besides.

    Raises:
        InputError: If a number is out of range.
    """

    passes: int = 10
    rows: int = 16
    rate: float = 5e-5
    head_rate: float = 1e-3
    warmup: float = 0.06
    decay: float = 0.01
    patience: int = 2
    seed: int = 0
    checkpoint_every: int = 250

    def __post_init__(self) -> None:
        for name in ("passes", "rows", "rate", "head_rate", "patience", "checkpoint_every"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} must be positive, got {getattr(self, name)!r}.")
        if not 0 <= self.warmup <= 0.5 or self.decay < 0:
            raise InputError(
                f"warmup must be in [0, 0.5] and decay not negative, got {self.warmup} and {self.decay}."
            )


@dataclass(frozen=True, slots=True)
class Progress:
    """What a step reports: its number from 1, of how many at most, and its loss.

    Behind a pass, the loss on the validation rows besides.
    """

    step: int
    steps: int
    loss: float
    validation: float | None = None


def train(
    model: Any,  # noqa: ANN401  # any token classifier of transformers
    rows: Sequence[LabelledRow],
    validation: Sequence[LabelledRow],
    frame: SequenceFrame,
    options: TrainingOptions,
    *,
    has_new_head: bool,
    folder: Path,
    report: Callable[[Progress], Any] = lambda progress: None,
) -> list[float]:
    """Train, from the checkpoint in `folder` where there is one; the model ends with its best weights.

    They are those of the pass with the lowest loss on the validation rows. A step depends on the seed and its
    number alone, so a run that was interrupted goes on as if it had not been. On a GPU, passes through the
    model are in bfloat16.

    Args:
        model: With its first weights, where it is to be trained; left in evaluation mode.
        rows: To learn from.
        validation: To end by.
        frame: The special tokens around each row.
        options: How.
        has_new_head: Whether the head has its own learning rate.
        folder: For checkpoints.
        report: Called after each step.

    Returns:
        The validation loss behind each pass.

    Raises:
        InputError: If there are no rows, or the checkpoint is of a run with other options, data or first
            weights, or broken.
        ModelError: If the loss is no number any more.
        OSError: If a checkpoint cannot be written; the one before it stays.
    """
    if not rows or not validation:
        raise InputError("There are no rows to learn from or to end by. Give more pairs, or filter less.")
    device = next(model.parameters()).device
    run = _description(model, rows, validation, options)
    model.train()
    training = _Training(model, _optimiser(model, options, has_new_head), frame, device)
    file = folder / "checkpoint.pt"
    done, losses, best = _resume(file, run, training)
    steps_a_pass = -(-len(rows) // options.rows)
    steps = options.passes * steps_a_pass
    schedule = Schedule(
        warmup=round(options.warmup * steps), decay_from=steps // 2, decay_steps=steps - steps // 2
    )
    batches = _batches(rows, done // steps_a_pass, options)
    with torch.random.fork_rng(devices=[torch.cuda.current_device()] if device.type == "cuda" else []):
        for step in range(done, steps):
            if _is_over(losses, options.patience):
                break
            turn, number = divmod(step, steps_a_pass)
            if number == 0:
                batches = _batches(rows, turn, options)
            torch.manual_seed(_seed(options.seed, step))
            loss = training.step([rows[i] for i in batches[number]], schedule.share(step))
            _check(loss, step + 1)
            is_pass = number + 1 == steps_a_pass
            if is_pass:
                losses.append(training.loss_of(validation, options.rows))
                if losses[-1] == min(losses):
                    best = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
            if is_pass or (step + 1) % options.checkpoint_every == 0:
                write_checkpoint(
                    file, run, training.state() | {"step": step + 1, "best": best, "losses": losses}
                )
            report(Progress(step + 1, steps, loss, losses[-1] if is_pass else None))
    model.load_state_dict(best)
    model.eval()
    return losses


class _Training:
    """What changes from step to step."""

    def __init__(
        self,
        model: Any,  # noqa: ANN401  # any token classifier
        optimiser: torch.optim.Optimizer,
        frame: SequenceFrame,
        device: torch.device,
    ) -> None:
        self._model = model
        self._optimiser = optimiser
        self._frame = frame
        self._device = device
        found = model.config.pad_token_id
        self._pad = found if isinstance(found, int) and found >= 0 else 0

    def step(self, batch: Sequence[LabelledRow], share: float) -> float:
        for group in self._optimiser.param_groups:
            group["lr"] = group["peak"] * share
        total, count = self._forward(batch)
        loss = total / max(1, count)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        return float(loss.detach())

    def loss_of(self, rows: Sequence[LabelledRow], at_once: int) -> float:
        """Mean loss of the labelled tokens of all rows, without dropout."""
        total, tokens = 0.0, 0
        by_length = sorted(rows, key=lambda row: len(row.ids))
        self._model.eval()
        with torch.inference_mode():
            for first in range(0, len(by_length), at_once):
                loss, count = self._forward(by_length[first : first + at_once])
                total, tokens = total + float(loss), tokens + count
        self._model.train()
        return total / max(1, tokens)

    def state(self) -> dict[str, Any]:
        return {"model": self._model.state_dict(), "optimiser": self._optimiser.state_dict()}

    def take_up(self, state: dict[str, Any]) -> None:
        self._model.load_state_dict(state["model"])
        self._optimiser.load_state_dict(state["optimiser"])

    def _forward(self, batch: Sequence[LabelledRow]) -> tuple[torch.Tensor, int]:
        """The sum of the losses of the labelled tokens, and how many they are."""
        ids, mask, labels = (part.to(self._device) for part in _padded(batch, self._frame, self._pad))
        is_gpu = self._device.type == "cuda"
        with torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=is_gpu):
            logits = self._model(input_ids=ids, attention_mask=mask).logits
        loss = functional.cross_entropy(
            logits.float().flatten(0, 1), labels.flatten(), ignore_index=UNLABELLED, reduction="sum"
        )
        return loss, int((labels != UNLABELLED).sum())


def _padded(
    batch: Sequence[LabelledRow], frame: SequenceFrame, pad: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Ids with special tokens, attention mask and labels. Shape (rows, longest)."""
    before, after = len(frame.before), len(frame.after)
    width = max(len(row.ids) for row in batch) + before + after
    ids = np.full((len(batch), width), pad, np.int64)
    mask = np.zeros((len(batch), width), np.int64)
    labels = np.full((len(batch), width), UNLABELLED, np.int64)
    for i, row in enumerate(batch):
        whole = np.concatenate([frame.before, row.ids, frame.after])
        ids[i, : len(whole)] = whole
        mask[i, : len(whole)] = 1
        labels[i, before : before + len(row.ids)] = row.labels
    return torch.from_numpy(ids), torch.from_numpy(mask), torch.from_numpy(labels)


def _optimiser(model: Any, options: TrainingOptions, has_new_head: bool) -> torch.optim.Optimizer:  # noqa: ANN401
    """AdamW: no decay of biases and norms, a greater rate for a head that starts from noise."""
    body = f"{model.base_model_prefix}."
    groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        peak = options.head_rate if has_new_head and not name.startswith(body) else options.rate
        decay = options.decay if parameter.ndim > 1 else 0.0
        groups.setdefault((peak, decay), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": own, "lr": peak, "peak": peak, "weight_decay": decay}
            for (peak, decay), own in groups.items()
        ],
        fused=True,
    )


def _batches(rows: Sequence[LabelledRow], turn: int, options: TrainingOptions) -> list[list[int]]:
    """The steps of a pass: each row once, in an order of the pass' own, about equally long ones together."""
    rng = random.Random(f"{options.seed} pass {turn}")
    order = list(range(len(rows)))
    rng.shuffle(order)
    many = options.rows * _SHUFFLED
    parts = [sorted(order[i : i + many], key=lambda j: len(rows[j].ids)) for i in range(0, len(order), many)]
    # The last part alone may leave a batch that is not full.
    batches = [part[i : i + options.rows] for part in parts for i in range(0, len(part), options.rows)]
    rng.shuffle(batches)
    return batches


def _check(loss: float, step: int) -> None:
    if not math.isfinite(loss):
        raise ModelError(f"The loss at step {step} is {loss}: training went astray. Lower the learning rate.")


def _seed(seed: int, step: int) -> int:
    return int.from_bytes(sha256(f"{seed} step {step}".encode()).digest()[:4], "big")


def _is_over(losses: Sequence[float], patience: int) -> bool:
    return len(losses) > patience and min(losses[-patience:]) >= min(losses[:-patience])


def _resume(
    file: Path, run: dict[str, int | float | str], training: _Training
) -> tuple[int, list[float], dict[str, torch.Tensor]]:
    """Steps done, validation losses and best weights so far."""
    state = read_checkpoint(file, run, _PARTS)
    if state is None:
        return 0, [], {}
    training.take_up(state)
    return int(state["step"]), list(state["losses"]), state["best"]


def _description(
    model: Any,  # noqa: ANN401  # any token classifier
    rows: Sequence[LabelledRow],
    validation: Sequence[LabelledRow],
    options: TrainingOptions,
) -> dict[str, int | float | str]:
    """What decides how a run goes, so that a checkpoint goes on in its own run only."""
    weights, data = sha256(), sha256()
    for name, value in model.state_dict().items():
        weights.update(name.encode() + value.detach().float().cpu().numpy().tobytes())
    for part in (rows, validation):
        for row in part:
            data.update(row.ids.tobytes() + row.labels.tobytes())
        data.update(b"|")
    every = {name: value for name, value in asdict(options).items() if name != "checkpoint_every"}
    return every | {"pairs": data.hexdigest()[:12], "first weights": weights.hexdigest()[:12]}
