"""What the extractor is asked to get right."""

# torch, transformers and onnx are partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportIndexIssue=false

import torch
from torch import Tensor
from torch.nn import functional

from lingua_core.training.extractor.batches import Batch
from lingua_core.training.extractor.model import Extractor, Logits, Padded, pad

__all__ = ["batch_loss", "segment_logits"]

_EXIT_WEIGHT = 0.2
_SINGLE_WEIGHT = 0.5
_TOKENS_A_PART = 6000


def batch_loss(model: Extractor, batch: Batch) -> Tensor:
    """The loss of a batch, a scalar: that of the whole model, and a fifth of the exit's.

    At each depth: softmax cross-entropy over all segments of a question's passages, the same over its
    passages (listwise ranking), and binary cross-entropy of each, which gives the logits an absolute
    meaning.
    """
    exit_logits, final_logits = _run(model, batch)
    return _depth_loss(batch, final_logits) + _EXIT_WEIGHT * _depth_loss(batch, exit_logits)


def segment_logits(batch: Batch, tokens: Tensor, relevance: Tensor) -> Tensor:
    """Mean logit of each segment's tokens plus its window's relevance. Shape (segments,)."""
    count = len(batch.segment_target)
    total = torch.zeros(count).index_add(0, batch.token_segment, tokens)
    number = torch.bincount(batch.token_segment, minlength=count)
    return total / number + relevance[batch.segment_window]


def _run(model: Extractor, batch: Batch) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Token logits in the batch's order and relevance logits, at the exit and of the whole model.

    Windows of about one length go through the model together, so that little is padding.
    """
    order = sorted(range(len(batch.windows)), key=lambda i: len(batch.windows[i].ids))
    place = torch.empty(len(order), dtype=torch.long)
    place[torch.tensor(order)] = torch.arange(len(order))
    width = max(len(window.ids) for window in batch.windows)
    device = next(model.parameters()).device
    parts: list[tuple[Logits, Logits]] = []
    at = 0
    while at < len(order):
        end = at + 1
        while end < len(order) and (end + 1 - at) * len(batch.windows[order[end]].ids) <= _TOKENS_A_PART:
            end += 1
        padded = pad([batch.windows[i] for i in order[at:end]])
        parts.append(model(Padded(*(tensor.to(device) for tensor in padded))))
        at = end
    found: list[tuple[Tensor, Tensor]] = []
    for depth in (0, 1):
        # The few logits come to the CPU, where the batch is.
        keep = torch.cat([functional.pad(p[depth].keep, (0, width - p[depth].keep.shape[1])) for p in parts])
        keep, relevance = keep.cpu(), torch.cat([part[depth].relevance for part in parts]).cpu()
        found.append((keep[place[batch.token_window], batch.token_position], relevance[place]))
    return found[0], found[1]


def _depth_loss(batch: Batch, logits: tuple[Tensor, Tensor]) -> Tensor:
    tokens, relevance = logits
    segments = segment_logits(batch, tokens, relevance)
    ranking = _listwise(segments, batch.segment_target, batch.segment_question, batch.questions)
    ranking = ranking + _listwise(relevance, batch.window_target, batch.window_question, batch.questions)
    single = functional.binary_cross_entropy_with_logits(segments, batch.segment_target, reduction="sum")
    single = single + functional.binary_cross_entropy_with_logits(
        relevance, batch.window_target, reduction="sum"
    )
    return ranking + _SINGLE_WEIGHT * single / batch.questions


def _listwise(logits: Tensor, targets: Tensor, group: Tensor, groups: int) -> Tensor:
    """Mean over groups of the cross-entropy between targets (scaled to sum 1) and softmax(logits)."""
    total = torch.zeros(groups).index_add(0, group, targets)
    largest = torch.full((groups,), -torch.inf).scatter_reduce(0, group, logits.detach(), "amax")
    exponents = (logits - largest[group]).exp()
    normaliser = torch.zeros(groups).index_add(0, group, exponents).log() + largest
    weight = targets / total.clamp(min=1e-6)[group]
    return -(weight * (logits - normaliser[group])).sum() / groups
