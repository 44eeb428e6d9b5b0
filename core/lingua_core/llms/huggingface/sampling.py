"""Choosing the next token of one row, independently of the rows beside it."""

# torch is partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lingua_core.errors import InputError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["Sampler", "Sampling"]

_FEW = 1024
"""Most likely tokens that top-p looks at before it sorts the whole vocabulary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How tokens are chosen.

    Attributes:
        temperature: What logits are divided by; 0 for the most likely token always.
        top_p: The most likely tokens whose probabilities add up to this are candidates.
        top_k: So many of the most likely tokens are candidates; 0 for all.
        repetition_penalty: What logits of tokens that occurred are divided by (CTRL, Keskar et al. 2019).

    Raises:
        InputError: If a value is out of range.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise InputError(f"temperature must be a number of at least 0, got {self.temperature!r}.")
        if not 0 < self.top_p <= 1:
            raise InputError(f"top_p must be above 0 and at most 1, got {self.top_p!r}.")
        if self.top_k < 0:
            raise InputError(f"top_k must be at least 0 (0 is for all tokens), got {self.top_k!r}.")
        if not (math.isfinite(self.repetition_penalty) and self.repetition_penalty > 0):
            raise InputError(f"repetition_penalty must be above 0, got {self.repetition_penalty!r}.")

    @classmethod
    def of_model(cls, generation_config: Any) -> "Sampling":  # noqa: ANN401  # transformers' own
        """What a model was saved with: greedy, unless its configuration says `do_sample`."""
        samples = bool(getattr(generation_config, "do_sample", False))
        temperature = getattr(generation_config, "temperature", None)
        penalty = getattr(generation_config, "repetition_penalty", None)
        return cls(
            temperature=(1.0 if temperature is None else float(temperature)) if samples else 0.0,
            top_p=float(getattr(generation_config, "top_p", None) or 1.0),
            top_k=int(getattr(generation_config, "top_k", None) or 0) if samples else 0,
            repetition_penalty=1.0 if penalty is None else float(penalty),
        )


class Sampler:
    """Chooses one row's tokens; its random numbers are its own.

    Args:
        sampling: How tokens are chosen.
        seed: For the same tokens each time; None for others each time. Neither touches torch's generator.
    """

    def __init__(self, sampling: Sampling, seed: int | None) -> None:
        self.sampling = sampling
        self._seed = seed
        self._generator: torch.Generator | None = None

    @property
    def is_plain(self) -> bool:
        """Whether the largest logit is all that matters."""
        return self.sampling.temperature == 0 and self.sampling.repetition_penalty == 1

    def choose(self, logits: "Tensor", ids: Sequence[int]) -> int:
        """The next token.

        Args:
            logits: On any device. Shape (vocabulary,).
            ids: All tokens before, the prompt's included.
        """
        import torch

        logits = logits.float().cpu()
        if self.sampling.repetition_penalty != 1:
            logits = self._penalized(logits, torch.tensor(sorted(set(ids))))
        if self.sampling.temperature == 0:
            return int(logits.argmax())
        # Divided in float64: a temperature near 0 must not overflow to infinities that cancel to NaN.
        probabilities, tokens = self._candidates((logits.double() / self.sampling.temperature).softmax(-1))
        sums = probabilities.cumsum(-1)
        at = int(torch.searchsorted(sums, self._random() * sums[-1], right=True))
        at = min(at, len(sums) - 1)
        return at if tokens is None else int(tokens[at])

    def _penalized(self, logits: "Tensor", seen: "Tensor") -> "Tensor":
        penalty, known = self.sampling.repetition_penalty, logits[seen]
        return logits.scatter(0, seen, (known / penalty).where(known > 0, known * penalty))

    def _candidates(self, probabilities: "Tensor") -> "tuple[Tensor, Tensor | None]":
        """Candidates' probabilities, most likely first, and their tokens; None for all in order."""
        size = len(probabilities)
        count = min(self.sampling.top_k or size, size)
        if self.sampling.top_p == 1:
            if count == size:
                return probabilities, None
            few = probabilities.topk(count)
            return few.values, few.indices
        total = probabilities.sum() if count == size else probabilities.topk(count).values.sum()
        wanted = self.sampling.top_p * total
        few = probabilities.topk(min(count, _FEW))
        if few.values.sum() < wanted:
            few = probabilities.topk(count)
        kept = int((few.values.cumsum(-1) < wanted).sum()) + 1
        return few.values[:kept], few.indices[:kept]

    def _random(self) -> "Tensor":
        import torch

        if self._generator is None:
            self._generator = torch.Generator()
            if self._seed is None:
                self._generator.seed()
            else:
                self._generator.manual_seed(self._seed)
        return torch.rand((1,), generator=self._generator, dtype=torch.float64)
