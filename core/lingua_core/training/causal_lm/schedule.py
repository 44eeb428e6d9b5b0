"""Warm-up, stable, decay: a learning rate that does not need to know when training will end.

The rate rises, then stays; training can go on for as long as there is time. From any checkpoint a decay
takes the rate to nothing, which is where most of the last gain is (arXiv 2404.06395, section 4).
"""

import math
from dataclasses import dataclass

from lingua_core.errors import InputError

__all__ = ["Schedule"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The share of the greatest learning rate at each step.

    Attributes:
        warmup: Steps in which the rate rises.
        decay_from: The step from which it falls; None for never.
        decay_steps: Steps in which it falls, as 1 - sqrt, which was found better than a straight line
            (arXiv 2405.18392, section 3.1).

    Raises:
        InputError: If a number of steps is negative, or the decay has none.
    """

    warmup: int
    decay_from: int | None = None
    decay_steps: int = 0

    def __post_init__(self) -> None:
        if self.warmup < 0 or (self.decay_from or 0) < 0:
            raise InputError(f"Steps of a schedule must not be negative, got {self!r}.")
        if self.decay_from is not None and self.decay_steps < 1:
            raise InputError(f"A decay needs at least one step, got {self.decay_steps}.")

    def share(self, step: int) -> float:
        """The share at a step, counted from 0."""
        rising = min(1.0, (step + 1) / max(1, self.warmup))
        if self.decay_from is None or step < self.decay_from:
            return rising
        fallen = min(1.0, (step - self.decay_from + 1) / (self.decay_steps + 1))
        return rising * (1 - math.sqrt(fallen))
