"""The whole way from questions to a folder that `EmbeddedRouter(model=...)` reads."""

# torch is partly typed.
# pyright: reportUnknownMemberType=false

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lingua_core.models.onnx_router import question_states
from lingua_core.models.router_settings import RouterSettings
from lingua_core.training.router.calibration import RouterFigures, calibrate, require_enough
from lingua_core.training.router.examples import SHIPPED, RouterExample, is_held, read_questions
from lingua_core.training.router.export import export_router
from lingua_core.training.router.model import RouterModel
from lingua_core.training.router.train import RouterOptions, RouterProgress, train

__all__ = ["RouterMaterial", "train_router"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterMaterial:
    """What to train on.

    Attributes:
        examples: To learn from.
        held: For calibration, and never learnt from.
    """

    examples: Sequence[RouterExample]
    held: Sequence[RouterExample]

    @classmethod
    def of(cls, own: Path | None = None, *, alone: bool = False) -> "RouterMaterial":
        """The shipped questions, a user's own, or both.

        A question that is in both has the user's label. With questions of a user's own, calibration is for
        these: they say what the router will meet.

        Args:
            own: JSON lines, see `read_questions`; None for the shipped questions.
            alone: Whether to leave out the shipped questions.

        Raises:
            InputError: If a file cannot be used.
        """
        mine = read_questions(own) if own is not None else []
        known = {example.question for example in mine}
        shipped = [] if mine and alone else [e for e in read_questions(SHIPPED) if e.question not in known]
        return cls(
            examples=[example for example in (*shipped, *mine) if not is_held(example)],
            held=[example for example in mine or shipped if is_held(example)],
        )


def train_router(
    material: RouterMaterial,
    target: Path,
    options: RouterOptions,
    *,
    report: Callable[[RouterProgress], Any] = lambda progress: None,
) -> tuple[RouterSettings, RouterFigures]:
    """Train, calibrate, and write `router.onnx` and `router.json` to `target`.

    Returns:
        The settings, and what they achieve on the questions held out.

    Raises:
        InputError: If too few questions could be held out; before anything is trained.
    """
    require_enough(material.held)
    torch.manual_seed(options.seed)
    states: list[NDArray[np.float32]] = question_states([example.question for example in material.examples])
    model = train(RouterModel.start(), material.examples, states, options, report=report)
    export_router(model, target)
    return calibrate(target, material.held)
