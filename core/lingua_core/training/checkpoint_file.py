"""The file of a checkpoint: written whole or not at all, taken up only by the run that it is of."""

# torch is partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch

from lingua_core.errors import InputError
from lingua_core.training.whole_files import whole_file

__all__ = ["read_checkpoint", "write_checkpoint"]

Run = Mapping[str, int | float | str]


def write_checkpoint(file: Path, run: Run, state: Mapping[str, Any]) -> None:
    """Write a state; the one before it stays until this one is whole.

    Args:
        file: Its folder is made if missing.
        run: What the state depends on: options, data, first weights.
        state: Tensors and plain values.

    Raises:
        OSError: If it cannot be written: a full disk, say.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    # Given a path, torch would say of a full disk that an iostream failed.
    with whole_file(file) as unfinished, unfinished.open("wb") as out:
        torch.save({"run": dict(run), **state}, out)


def read_checkpoint(file: Path, run: Run, parts: Collection[str]) -> dict[str, Any] | None:
    """The state that was written, or None if there is no file.

    Args:
        file: Of `write_checkpoint`.
        run: As it was given there.
        parts: What the state must hold.

    Raises:
        InputError: If it is of another run, or cannot be read.
    """
    if not file.is_file():
        return None
    device = "cuda" if torch.cuda.is_available() else "cpu"
    advice = f"Give the command it was made with, or remove {str(file.parent)!r} to begin anew."
    try:
        state: dict[str, Any] = torch.load(file, weights_only=True, map_location=device)
        if missing := {"run", *parts} - set(state):
            raise KeyError(*sorted(missing))
    except Exception as error:  # a damaged file raises what unpickling raises
        raise InputError(f"The checkpoint {str(file)!r} cannot be read: {error}. {advice}") from error
    made: Run = state["run"]
    other = [
        f"{name} {made.get(name)} there, {run[name]} here" for name in run if made.get(name) != run[name]
    ]
    if other:
        raise InputError(f"The checkpoint {str(file)!r} is of another run: {'; '.join(other)}. {advice}")
    return state
