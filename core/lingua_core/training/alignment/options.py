"""How to align."""

from dataclasses import dataclass, replace
from math import isfinite
from typing import Literal, get_args

from lingua_core.errors import InputError

__all__ = ["AlignmentOptions", "LoraOptions", "Precision"]

Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraOptions:
    """How to train an adapter in the place of the whole model (LoRA, arXiv 2106.09685).

    Attributes:
        rank: Of the two thin matrices beside each adapted one.
        alpha: Their product counts `alpha / rank`.
        dropout: Of what goes through them.
        modules: Names of the adapted modules; none for all linear layers but the head.

    Raises:
        InputError: If a number is out of range.
    """

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    modules: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.rank < 1 or self.alpha < 1 or not 0 <= self.dropout < 1:
            raise InputError(
                "rank and alpha must be at least 1 and dropout from 0 to below 1, got "
                f"{self.rank!r}, {self.alpha!r} and {self.dropout!r}."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentOptions:
    """How to align.

    Attributes:
        passes: Over all answers.
        rows: Of each step.
        window: Tokens of a row; None for what the model reads at once, at most 1,024.
        rate: Greatest learning rate; None for 1e-4, with LoRA 1e-3.
        decay_share: The last part of the steps, in which it falls to nothing.
        weight_decay: Of AdamW.
        evaluations: In each pass, on what is held out; the best weights of them all are kept, those before
            the training included.
        patience: Stop after so many evaluations without a better one; None for never.
        held_out: Share of the prompts that is kept for evaluating,
        most_held_out: and at most so many.
        kl: What the divergence from the target's own distributions counts, beside 1 for its text; 0 leaves
            them out.
        learn_prompts: Whether to learn the prompts' text too.
        lora: Train an adapter; None for all weights.
        seed: Of every choice.
        precision: Of the products; "auto" is bfloat16 on a GPU or CPU with instructions for it, and float32
            elsewhere.
        at_once: Rows that go through the model at once; a step adds up its gradients. Changes memory, not
            results but by rounding.
        low_memory: Whether to compute what lies between layers twice instead of keeping it.
        checkpoint_every: Steps between checkpoints; there is one every two minutes in any case.

    Raises:
        InputError: If an option is out of range.
    """

    passes: int = 2
    rows: int = 8
    window: int | None = None
    rate: float | None = None
    decay_share: float = 0.5
    weight_decay: float = 0.0
    evaluations: int = 2
    patience: int | None = None
    held_out: float = 0.1
    most_held_out: int = 500
    kl: float = 0.0
    learn_prompts: bool = False
    lora: LoraOptions | None = None
    seed: int = 0
    precision: Precision = "auto"
    at_once: int = 4
    low_memory: bool = False
    checkpoint_every: int = 50

    def __post_init__(self) -> None:
        for name in ("passes", "rows", "evaluations", "at_once", "most_held_out", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)!r}.")
        if self.patience is not None and self.patience < 1:
            raise InputError(f"patience must be at least 1, got {self.patience!r}.")
        if self.window is not None and self.window < 16:
            raise InputError(f"window must be at least 16 tokens, got {self.window!r}.")
        if self.rate is not None and not (0 < self.rate and isfinite(self.rate)):
            raise InputError(f"rate must be a number above 0, got {self.rate!r}.")
        for name in ("kl", "weight_decay"):
            if not (getattr(self, name) >= 0 and isfinite(getattr(self, name))):
                raise InputError(f"{name} must be a number of at least 0, got {getattr(self, name)!r}.")
        if not 0 < self.decay_share <= 1:
            raise InputError(f"decay_share must be above 0 and at most 1, got {self.decay_share!r}.")
        if not 0 < self.held_out < 1:
            raise InputError(f"held_out must be between 0 and 1, got {self.held_out!r}.")
        if self.precision not in get_args(Precision):
            raise InputError(
                f"precision must be one of {', '.join(get_args(Precision))}, got {self.precision!r}."
            )

    @property
    def greatest_rate(self) -> float:
        """The learning rate that applies."""
        if self.rate is not None:
            return self.rate
        return 1e-4 if self.lora is None else 1e-3

    @classmethod
    def small(cls, *, lora: LoraOptions | None = None) -> "AlignmentOptions":
        """For a few hundred answers: small steps, many passes, and an end when what is held out says so."""
        return replace(
            cls(), lora=lora, passes=10, rows=2, decay_share=1.0, evaluations=2, patience=3, held_out=0.15
        )

    def of_the_run(self) -> dict[str, int | float | str]:
        """What a checkpoint depends on: all but what changes memory and time only."""
        names = (
            "passes", "rows", "decay_share", "weight_decay", "evaluations", "held_out", "most_held_out", "kl",
            "learn_prompts", "seed",
        )  # fmt: skip
        found: dict[str, int | float | str] = {name: getattr(self, name) for name in names}
        found |= {"rate": self.greatest_rate, "patience": self.patience or "none"}
        return found | {"lora": repr(self.lora) if self.lora else "none"}
