"""The model that learns: its states, its head, and whether it keeps packed excerpts apart."""

# torch and transformers are partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from lingua_core.models.causal_body import Body, body_of
from lingua_core.training.alignment.divergence import kl_divergence
from lingua_core.training.alignment.packing import PackedBatch
from lingua_core.training.alignment.sparse_targets import SparseTargets

__all__ = ["Reader"]


class Reader:
    """Reads batches with a model, and says what they cost.

    Args:
        model: A causal language model of transformers.
        kl: What the divergence from teaching distributions counts; 0 leaves them out.
        logit_bytes: Of the float32 logits that exist at one time; where they are not all of a batch's, they
            are computed anew on the way back.

    Attributes:
        device: Where the model is.
        packs: Whether excerpts may share a row: whether the model keeps them apart by their positions.
    """

    def __init__(
        self,
        model: Any,  # noqa: ANN401  # any causal LM
        *,
        kl: float = 0.0,
        logit_bytes: int = 64 * 2**20,
    ) -> None:
        self.device: torch.device = next(model.parameters()).device
        self._kl = kl
        vocabulary: int = model.get_input_embeddings().num_embeddings
        self._rows_at_once = max(1, logit_bytes // (4 * vocabulary))
        was_training: bool = model.training
        model.eval()
        self._body: Body = body_of(model, self.device)
        self.packs = _keeps_apart(self._body, vocabulary, self.device)
        model.train(was_training)

    def loss(self, batch: PackedBatch) -> Tensor:
        """Sum, in nats, of the surprisals of all valued tokens, and of the divergences as they count."""
        ids, valued = batch.ids.to(self.device), batch.valued.to(self.device)
        more = {"position_ids": batch.positions.to(self.device)} if self.packs else {}
        states = self._body.states(input_ids=ids, use_cache=False, **more)[0].flatten(0, 1)[valued - 1]
        targets = ids.flatten()[valued]
        teaching = _placed(batch.teaching, batch.valued - 1) if self._kl else SparseTargets.empty()
        if len(targets) <= self._rows_at_once:
            return self._part(states, targets, teaching.to(self.device))
        total = torch.zeros((), device=self.device)
        for at in range(0, len(targets), self._rows_at_once):
            end = min(at + self._rows_at_once, len(targets))
            own = teaching.between(at, end).to(self.device)
            part = checkpoint(self._part, states[at:end], targets[at:end], own, use_reentrant=False)
            total = total + part
        return total

    def _part(self, states: Tensor, targets: Tensor, teaching: SparseTargets) -> Tensor:
        logits = self._body.logits(states).float()
        found = functional.cross_entropy(logits, targets, reduction="sum")
        if len(teaching):
            found = found + self._kl * kl_divergence(logits, teaching, reduction="sum")
        return found


def _placed(teaching: SparseTargets, rows: Tensor) -> SparseTargets:
    """The same targets, their positions counted among some rows only, which all of them are of."""
    places = torch.searchsorted(rows, teaching.positions)
    return SparseTargets(positions=places, ids=teaching.ids, log_probs=teaching.log_probs, rest=teaching.rest)


def _keeps_apart(body: Body, vocabulary: int, device: torch.device) -> bool:
    """Whether what stands before an excerpt in its row has no influence on it, where its position is 0."""
    first, second = torch.randint(vocabulary, (2, 8), generator=torch.Generator().manual_seed(0)).to(device)
    packed = torch.cat([first, second])[None]
    positions = torch.arange(8, device=device).repeat(2)[None]
    with torch.inference_mode():
        alone = body.states(input_ids=second[None], use_cache=False)[0][0].float()
        try:
            states = body.states(input_ids=packed, position_ids=positions, use_cache=False)[0][0, 8:].float()
        except (TypeError, ValueError, RuntimeError):
            return False
    return bool((states - alone).abs().max() <= 2e-2 * alone.abs().max())
