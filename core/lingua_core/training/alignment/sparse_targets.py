"""Distributions to learn from, of which only the likeliest tokens are known: for rows of a packed batch."""

# torch is partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lingua_core.errors import InputError
from lingua_core.training.alignment.vocabulary import MappedDistribution

__all__ = ["PADDING", "SparseTargets"]

PADDING = -1
"""In `ids`: no token."""

_TOLERANCE = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SparseTargets:
    """What the next token should be like, at N rows of a batch's logits.

    Each row's probabilities and its `rest` sum to 1. A row has at least one token, none twice, and those
    come before its padding. Nothing here changes a tensor.

    Attributes:
        positions: Rows of the logits; int64, shape (N,).
        ids: Tokens; `PADDING` where a row has fewer than k. int64, shape (N, k).
        log_probs: Their log-probabilities, -inf for padding; float32, shape (N, k).
        rest: Probability of all other tokens together; float32, shape (N,).

    Raises:
        InputError: If the tensors do not fit together, or, as far as they are on the CPU, are no
            distributions.
    """

    positions: Tensor
    ids: Tensor
    log_probs: Tensor
    rest: Tensor

    def __post_init__(self) -> None:
        count = len(self.positions)
        shapes = [tuple(t.shape) for t in (self.positions, self.ids, self.log_probs, self.rest)]
        if (
            self.ids.ndim != 2
            or not self.ids.shape[1]
            or shapes != [(count,), (count, self.ids.shape[1]), shapes[1], (count,)]
        ):
            raise InputError(
                "Targets are positions (N,), ids (N, k), log_probs (N, k) and rest (N,); got the shapes "
                f"{', '.join(map(str, shapes))}."
            )
        if count and self.ids.device.type == "cpu":
            self._check()

    def _check(self) -> None:
        is_token = self.ids != PADDING
        ordered = self.ids.sort(dim=1).values
        is_twice = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] != PADDING)
        total = self.log_probs.double().exp().where(is_token, 0.0).sum(1) + self.rest.double()
        wrong = (
            ~is_token[:, 0]
            | is_twice.any(1)
            | (self.ids < PADDING).any(1)
            | (self.rest < 0)
            | ~((total - 1).abs() <= _TOLERANCE)
        )
        if wrong.any():
            row = int(wrong.nonzero()[0])
            raise InputError(
                f"Row {row} of the targets is no distribution over different tokens: ids "
                f"{self.ids[row].tolist()}, probabilities {self.log_probs[row].exp().tolist()}, rest "
                f"{self.rest[row].item()}. Expected at least one token, none twice, and a sum of 1; it is "
                f"{total[row].item():.6f}."
            )

    def __len__(self) -> int:
        return len(self.positions)

    @classmethod
    def empty(cls) -> "SparseTargets":
        """No rows: what a batch without a teacher's distributions carries."""
        return cls(
            positions=torch.zeros(0, dtype=torch.long),
            ids=torch.zeros((0, 1), dtype=torch.long),
            log_probs=torch.zeros((0, 1)),
            rest=torch.zeros(0),
        )

    @classmethod
    def from_distributions(
        cls,
        distributions: Sequence[MappedDistribution],
        *,
        first_row: int,
        most: int = 64,
        most_unmapped: float = 0.5,
    ) -> "SparseTargets":
        """Targets of one answer.

        What could not be mapped is left out and the remainder scaled to 1, so the target is the teacher's
        distribution given that its token can be mapped.

        Args:
            distributions: Of some of the answer's tokens.
            first_row: The row whose logits predict the answer's first token: that of the token before it.
            most: Tokens of a row that are kept; the others go to the rest.
            most_unmapped: A distribution of which more than this is unmapped is passed over, as is one that
                has no token.

        Raises:
            InputError: If an argument is out of range.
        """
        if most < 1 or not 0 <= most_unmapped < 1 or first_row < 0:
            raise InputError(
                "first_row must be at least 0, most at least 1 and most_unmapped from 0 to below 1, got "
                f"{first_row!r}, {most!r} and {most_unmapped!r}."
            )
        chosen = [d for d in distributions if d.unmapped <= most_unmapped and d.mapped > 0]
        if not chosen:
            return cls.empty()
        width = min(most, max(len(d.ids) for d in chosen))
        ids = torch.full((len(chosen), width), PADDING, dtype=torch.long)
        shares = torch.zeros((len(chosen), width), dtype=torch.float64)
        for row, distribution in enumerate(chosen):
            own = distribution.ids[:width]
            ids[row, : len(own)] = torch.tensor(own)
            shares[row, : len(own)] = torch.tensor(distribution.probabilities[:width], dtype=torch.float64)
        total = torch.tensor([d.mapped + d.rest for d in chosen], dtype=torch.float64)
        shares = shares / total[:, None]
        # A tail of which nothing is left but rounding is none.
        rest = (1 - shares.sum(1)).clamp(min=0)
        return cls(
            positions=first_row + torch.tensor([d.position for d in chosen]),
            ids=ids,
            log_probs=shares.log().float(),
            rest=rest.where(rest > 1e-12, 0.0).float(),
        )

    @staticmethod
    def concatenate(parts: "Sequence[SparseTargets]") -> "SparseTargets":
        """The rows of all parts, in their order."""
        if not parts:
            return SparseTargets.empty()
        width = max(part.ids.shape[1] for part in parts)
        wide = [part._padded(width) for part in parts]
        return SparseTargets(
            positions=torch.cat([part.positions for part in wide]),
            ids=torch.cat([part.ids for part in wide]),
            log_probs=torch.cat([part.log_probs for part in wide]),
            rest=torch.cat([part.rest for part in wide]),
        )

    def shifted(self, rows: int) -> "SparseTargets":
        """The same targets `rows` further on: behind what else is packed into a batch."""
        return SparseTargets(
            positions=self.positions + rows, ids=self.ids, log_probs=self.log_probs, rest=self.rest
        )

    def between(self, start: int, end: int) -> "SparseTargets":
        """The targets of the logits' rows `start` to `end`, counted from `start`."""
        inside = ((self.positions >= start) & (self.positions < end)).nonzero().squeeze(1)
        return SparseTargets(
            positions=self.positions[inside] - start,
            ids=self.ids[inside],
            log_probs=self.log_probs[inside],
            rest=self.rest[inside],
        )

    def to(self, device: torch.device | str) -> "SparseTargets":
        """The same targets on a device."""
        return SparseTargets(
            positions=self.positions.to(device, non_blocking=True),
            ids=self.ids.to(device, non_blocking=True),
            log_probs=self.log_probs.to(device, non_blocking=True),
            rest=self.rest.to(device, non_blocking=True),
        )

    def _padded(self, width: int) -> "SparseTargets":
        more = (0, width - self.ids.shape[1])
        pad = torch.nn.functional.pad
        return SparseTargets(
            positions=self.positions,
            ids=pad(self.ids, more, value=PADDING),
            log_probs=pad(self.log_probs, more, value=-torch.inf),
            rest=self.rest,
        )
