"""Checkpoints of a training run: written whole or not at all, taken up only by the run they are of."""

# torch is partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from collections.abc import Mapping
from pathlib import Path

import torch

from lingua_core.errors import InputError
from lingua_core.training.checkpoint_file import read_checkpoint, write_checkpoint

__all__ = ["LATEST", "STABLE", "load_checkpoint", "save_checkpoint"]

LATEST = "checkpoint.pt"
STABLE = "stable.pt"
"""The last one before the decay: where training can go on after it."""

_PARTS = ("step", "decay", "model", "optimisers")

Run = Mapping[str, int | float | str]


def save_checkpoint(
    folder: Path,
    step: int,
    run: Run,
    model: torch.nn.Module,
    optimisers: Mapping[str, torch.optim.Optimizer],
    *,
    decay: tuple[int, int] | None,
    stable: bool = False,
) -> None:
    """Write the state after `step` steps.

    Args:
        folder: Made if missing.
        step: Steps done.
        run: What the state depends on.
        model: The model.
        optimisers: Its optimisers.
        decay: Where the decay began and how long it is; None before it.
        stable: Whether this is the state that training goes on from after a decay.

    Raises:
        OSError: If it cannot be written; what was there before stays.
    """
    state = {
        "step": step,
        "decay": decay,
        "model": model.state_dict(),
        "optimisers": {name: optimiser.state_dict() for name, optimiser in optimisers.items()},
    }
    write_checkpoint(folder / (STABLE if stable else LATEST), run, state)


def load_checkpoint(
    folder: Path,
    run: Run,
    model: torch.nn.Module,
    optimisers: Mapping[str, torch.optim.Optimizer],
    decay_from: int,
    decay_steps: int,
) -> int:
    """Take up the newest checkpoint that this run can go on from; returns the steps done, 0 without one.

    One from inside a decay is taken up only by the same decay; else the one from before it is.

    Raises:
        InputError: If the checkpoints are of another run, cannot be read, or are past `decay_from`.
    """
    reached: list[int] = []
    for file in (LATEST, STABLE):
        state = read_checkpoint(folder / file, run, _PARTS)
        if state is None:
            continue
        step, decay = int(state["step"]), state["decay"]
        if (step <= decay_from) if decay is None else (tuple(decay) == (decay_from, decay_steps)):
            model.load_state_dict(state["model"])
            for name, optimiser in optimisers.items():
                optimiser.load_state_dict(state["optimisers"][name])
            return step
        reached.append(step if decay is None else int(decay[0]))
    if reached:
        raise InputError(
            f"The checkpoint in {str(folder)!r} has {reached[-1]:,} steps behind it, so its decay cannot "
            f"begin at step {decay_from:,}. Ask for at least {reached[-1] + decay_steps:,} steps."
        )
    return 0
