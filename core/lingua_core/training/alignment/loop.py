"""The training loop: seeded, resumable to the bit on a CPU, and ended early where more would do harm."""

# torch is partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lingua_core.errors import ModelError
from lingua_core.models.hugging_face import is_out_of_memory
from lingua_core.training.alignment.checkpoints import Evaluation, Run, Trainables
from lingua_core.training.alignment.options import AlignmentOptions
from lingua_core.training.alignment.packing import PackedRows
from lingua_core.training.alignment.reading import Reader
from lingua_core.training.causal_lm.evaluate import BitsPerByte
from lingua_core.training.causal_lm.schedule import Schedule

__all__ = ["Outcome", "Progress", "train"]

_GREATEST_GRADIENT = 1.0
_WARMUP_SHARE = 0.05
_CHECKPOINT_SECONDS = 120
_SEEDS_APART = 1_000_003


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What a step reports.

    Attributes:
        step: Its number, from 1; 0 for the evaluation before all steps.
        steps: In all.
        loss: In nats a token; None for step 0.
        held_out: Bits per byte of the held-out answers; None where they were not looked at.
    """

    step: int
    steps: int
    loss: float | None
    held_out: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a training came to.

    Attributes:
        evaluations: All of them; the first is from before the training.
        best: The evaluation whose weights the model has now.
        steps: That were done.
        stopped_early: Whether there would have been more.
    """

    evaluations: tuple[Evaluation, ...]
    best: Evaluation
    steps: int
    stopped_early: bool


def train(
    model: Any,  # noqa: ANN401  # any causal LM
    reader: Reader,
    rows: PackedRows,
    options: AlignmentOptions,
    *,
    folder: Path,
    run: dict[str, int | float | str],
    evaluate: Callable[[], BitsPerByte],
    report: Callable[[Progress], Any] = lambda progress: None,
) -> Outcome:
    """Train from the checkpoint in `folder` where there is one, and leave the model with the best weights.

    A step's rows and dropout depend on the seed and the step alone, so a run that was interrupted ends as if
    it had not been.

    Args:
        model: With its first weights; those that need gradients are trained.
        reader: Of the model.
        rows: To learn.
        options: How.
        folder: For checkpoints.
        run: What the run depends on beside the options and the first weights.
        evaluate: Says what the held-out answers take.
        report: Called before the first step and after each.

    Raises:
        InputError: If the checkpoint is of another run, or cannot be read.
        ModelError: If memory runs out, or the loss is no number.
        OSError: If a checkpoint cannot be written.
    """
    trained = Trainables(model)
    optimiser = torch.optim.AdamW(
        trained.parameters(), lr=options.greatest_rate, betas=(0.9, 0.95), weight_decay=options.weight_decay
    )
    steps = -(-len(rows) // options.rows)
    description = {**options.of_the_run(), **run, "steps": steps, "first weights": trained.digest()}
    kept = Run(folder, description, trained, optimiser, steps)
    marks = _evaluation_steps(rows.ends_of_passes, options)
    stepper = _Stepper(reader, rows, trained, optimiser, options, steps)

    def look(step: int) -> float:
        model.eval()
        evaluation = Evaluation(step=step, bits=evaluate())
        model.train()
        kept.add(evaluation)
        return evaluation.bits.mean

    def is_over(step: int) -> bool:
        return step >= steps or (options.patience is not None and kept.since_best >= options.patience)

    devices = [reader.device] if reader.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        step = kept.take_up()
        model.train()
        if not step:
            report(Progress(step=0, steps=steps, loss=None, held_out=look(0)))
        saved = time.monotonic()
        while not is_over(step):
            loss = stepper.step(step)
            step += 1
            held_out = look(step) if step in marks else None
            if (
                step in marks
                or step % options.checkpoint_every == 0
                or time.monotonic() - saved > _CHECKPOINT_SECONDS
            ):
                kept.save(step)
                saved = time.monotonic()
            report(Progress(step=step, steps=steps, loss=loss, held_out=held_out))
    kept.restore_best()
    model.eval()
    return Outcome(
        evaluations=tuple(kept.evaluations), best=kept.best, steps=step, stopped_early=step < steps
    )


class _Stepper:
    def __init__(
        self,
        reader: Reader,
        rows: PackedRows,
        trained: Trainables,
        optimiser: torch.optim.Optimizer,
        options: AlignmentOptions,
        steps: int,
    ) -> None:
        self._reader = reader
        self._rows = rows
        self._trained = trained
        self._optimiser = optimiser
        self._options = options
        decay = max(1, round(options.decay_share * steps))
        self._schedule = Schedule(
            warmup=max(1, round(_WARMUP_SHARE * steps)), decay_from=steps - decay, decay_steps=decay
        )
        self._half = _in_half(options, reader.device)

    def step(self, step: int) -> float:
        """Do a step, counted from 0; returns its loss in nats a token."""
        options = self._options
        torch.manual_seed(options.seed * _SEEDS_APART + step)
        for group in self._optimiser.param_groups:
            group["lr"] = options.greatest_rate * self._schedule.share(step)
        self._optimiser.zero_grad(set_to_none=True)
        first, end = step * options.rows, min((step + 1) * options.rows, len(self._rows))
        tokens = self._rows.valued_tokens(first, end)
        total = 0.0
        try:
            for at in range(first, end, options.at_once):
                total += self._add_gradients(at, min(at + options.at_once, end), tokens)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise _memory_error(self._rows, options, error) from error
        if not math.isfinite(total):
            raise ModelError(
                f"The loss of step {step + 1} is no number. Lower the rate (now {options.greatest_rate:g}), "
                "or give precision='float32'."
            )
        torch.nn.utils.clip_grad_norm_(self._trained.parameters(), _GREATEST_GRADIENT)
        self._optimiser.step()
        return total

    def _add_gradients(self, first: int, end: int, tokens: int) -> float:
        batch = self._rows.batch(first, end)
        device = self._reader.device.type
        with torch.autocast(device, dtype=torch.bfloat16, enabled=self._half):
            loss = self._reader.loss(batch) / tokens
        loss.backward()
        return float(loss.detach())


def _in_half(options: AlignmentOptions, device: torch.device) -> bool:
    if options.precision != "auto":
        return options.precision == "bfloat16"
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported()
    # Without instructions of its own, a CPU is slower with bfloat16 than with float32.
    capabilities: Any = getattr(torch.cpu, "get_capabilities", dict)() if device.type == "cpu" else {}
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))


def _memory_error(rows: PackedRows, options: AlignmentOptions, error: RuntimeError) -> ModelError:
    ways = [
        f"fewer rows at once (at_once, now {options.at_once})" if options.at_once > 1 else "",
        f"a shorter window (now {rows.window} tokens)",
        "low_memory" if not options.low_memory else "",
        "an adapter instead of all weights (lora)" if options.lora is None else "",
        "a smaller model",
    ]
    return ModelError(
        f"Memory ran out ({str(error)[:200]}). In this order, try: {', '.join(way for way in ways if way)}. "
        "With another at_once or low_memory, a run goes on from its last checkpoint."
    )


def _evaluation_steps(ends_of_passes: Iterable[int], options: AlignmentOptions) -> set[int]:
    """The steps after which the held-out answers are looked at; the last is one of them."""
    found: set[int] = set()
    begin = 0
    for end in ends_of_passes:
        for part in range(1, options.evaluations + 1):
            rows = begin + (end - begin) * part / options.evaluations
            found.add(max(1, math.ceil(rows / options.rows)))
        begin = end
    return found
