"""What a run keeps on disk: where it is, the best weights so far, and what each evaluation found."""

# torch is partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from lingua_core.errors import InputError
from lingua_core.training.causal_lm.checkpoint import load_checkpoint, save_checkpoint
from lingua_core.training.causal_lm.evaluate import BitsPerByte
from lingua_core.training.whole_files import whole_file

__all__ = ["Evaluation", "Run", "Trainables"]

_OPTIMISER = "adamw"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What the model took on the held-out answers after so many steps.

    Attributes:
        step: Steps done.
        bits: Bits per byte of each target.
    """

    step: int
    bits: BitsPerByte


class Trainables(torch.nn.Module):
    """The parameters of a model that are trained, as a module of their own: all that checkpoints hold.

    Args:
        model: The whole model.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self.held = torch.nn.ParameterDict({name.replace(".", "/"): p for name, p in trained.items()})

    @property
    def size(self) -> int:
        """How many numbers are trained."""
        return sum(p.numel() for p in self.parameters())

    def digest(self) -> str:
        """A digest of all numbers."""
        found = sha256()
        for name, value in self.held.items():
            found.update(name.encode() + value.detach().float().cpu().numpy().tobytes())
        return found.hexdigest()[:12]


class Run:
    """A training run's folder.

    Args:
        folder: For its files.
        description: What the run depends on; a checkpoint is taken up only by the run that it is of.
        trained: The parameters.
        optimiser: Theirs.
        steps: In all.
    """

    def __init__(
        self,
        folder: Path,
        description: Mapping[str, int | float | str],
        trained: Trainables,
        optimiser: torch.optim.Optimizer,
        steps: int,
    ) -> None:
        self._folder = folder
        self._description = description
        self._trained = trained
        self._optimisers = {_OPTIMISER: optimiser}
        self._steps = steps
        self.evaluations: list[Evaluation] = []

    def take_up(self) -> int:
        """Go on from the newest checkpoint, if there is one; returns the steps done.

        Raises:
            InputError: If it is of another run, or cannot be read.
        """
        done = load_checkpoint(
            self._folder, self._description, self._trained, self._optimisers, self._steps, 1
        )
        # An evaluation behind the checkpoint belongs to steps that are done anew.
        self.evaluations = [e for e in self._read_evaluations() if e.step <= done] if done else []
        return done

    def save(self, step: int) -> None:
        """Write a checkpoint."""
        save_checkpoint(self._folder, step, self._description, self._trained, self._optimisers, decay=None)

    def add(self, evaluation: Evaluation) -> None:
        """Take note of an evaluation; the weights are kept if it is the best."""
        is_best = all(evaluation.bits.mean < earlier.bits.mean for earlier in self.evaluations)
        self.evaluations.append(evaluation)
        self._folder.mkdir(parents=True, exist_ok=True)
        if is_best:
            with whole_file(self._folder / "best.pt") as file:
                torch.save({"step": evaluation.step, "weights": self._trained.state_dict()}, file)
        lines = [
            {"step": e.step, "domains": dict(e.bits.domains), "bytes": dict(e.bits.bytes)}
            for e in self.evaluations
        ]
        with whole_file(self._folder / "evaluations.json") as file:
            file.write_text(json.dumps(lines, indent=1), encoding="utf-8")

    @property
    def best(self) -> Evaluation:
        """The first of those with the fewest bits."""
        return min(self.evaluations, key=lambda e: (e.bits.mean, e.step))

    @property
    def since_best(self) -> int:
        """Evaluations after the best one."""
        return len(self.evaluations) - 1 - self.evaluations.index(self.best)

    def restore_best(self) -> None:
        """Set the parameters to what they were at the best evaluation.

        Raises:
            InputError: If they are no longer there.
        """
        file = self._folder / "best.pt"
        try:
            state: dict[str, Any] = torch.load(file, weights_only=True, map_location="cpu")
            if state["step"] != self.best.step:
                raise ValueError(f"it is of step {state['step']}, not of step {self.best.step}")
            self._trained.load_state_dict(state["weights"])
        except Exception as error:  # a damaged file raises what unpickling raises
            raise InputError(
                f"The best weights in {str(file)!r} cannot be read: {error}. Remove {str(self._folder)!r} to "
                "begin anew."
            ) from error

    def _read_evaluations(self) -> list[Evaluation]:
        file = self._folder / "evaluations.json"
        try:
            lines: list[dict[str, Any]] = json.loads(file.read_text(encoding="utf-8"))
            return [
                Evaluation(
                    step=line["step"],
                    bits=BitsPerByte(name="held out", domains=line["domains"], bytes=line["bytes"]),
                )
                for line in lines
            ]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"The evaluations in {str(file)!r} cannot be read: {error}. Remove {str(self._folder)!r} to "
                "begin anew."
            ) from error
