"""Checkpoints of a training run: written whole or not at all, taken up only by the run they are of."""

# torch is partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from lingua_core.errors import InputError
from lingua_core.training.whole_files import whole_file

__all__ = ["LATEST", "STABLE", "load_checkpoint", "save_checkpoint"]

LATEST = "checkpoint.pt"
STABLE = "stable.pt"
"""The last one before the decay: where training can go on after it."""

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
        "run": dict(run),
        "decay": decay,
        "model": model.state_dict(),
        "optimisers": {name: optimiser.state_dict() for name, optimiser in optimisers.items()},
    }
    folder.mkdir(parents=True, exist_ok=True)
    with whole_file(folder / (STABLE if stable else LATEST)) as file:
        torch.save(state, file)


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
    files = [folder / name for name in (LATEST, STABLE) if (folder / name).is_file()]
    reached = 0
    for file in files:
        state = _read(file)
        _check(file, state["run"], run)
        step, decay = int(state["step"]), state["decay"]
        if (step <= decay_from) if decay is None else (tuple(decay) == (decay_from, decay_steps)):
            model.load_state_dict(state["model"])
            for name, optimiser in optimisers.items():
                optimiser.load_state_dict(state["optimisers"][name])
            return step
        reached = step if decay is None else int(decay[0])
    if files:
        raise InputError(
            f"The checkpoint in {str(folder)!r} has {reached:,} steps behind it, so its decay cannot begin "
            f"at step {decay_from:,}. Ask for at least {reached + decay_steps:,} steps."
        )
    return 0


def _read(file: Path) -> dict[str, Any]:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        state: dict[str, Any] = torch.load(file, weights_only=True, map_location=device)
        if missing := {"step", "run", "decay", "model", "optimisers"} - set(state):
            raise KeyError(*sorted(missing))
        return state
    except Exception as error:  # a damaged file raises what unpickling raises
        raise InputError(f"The checkpoint {str(file)!r} cannot be read: {error}. {_advice(file)}") from error


def _check(file: Path, made: Run, run: Run) -> None:
    other = [
        f"{name} {made.get(name)} there, {run[name]} here" for name in run if made.get(name) != run[name]
    ]
    if other:
        raise InputError(
            f"The checkpoint {str(file)!r} is of another run: {'; '.join(other)}. {_advice(file)}"
        )


def _advice(file: Path) -> str:
    return f"Give the command it was made with, or remove {str(file.parent)!r} to begin anew."
