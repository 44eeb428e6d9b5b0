"""The router in torch: layers on top of the sentence encoder's lower half, and two heads over their mean."""

# torch, transformers and onnx are partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lingua_core.models.answer_forms import FORMS
from lingua_core.training.bert_restore import layer_weights, read_graph
from lingua_core.training.extractor.model import make_encoder
from lingua_core.weights import ENCODER

__all__ = ["PaddedStates", "RouterModel", "pad_states"]

_DROPOUT = 0.1
_HIDDEN = -1e4
"""What is added to the attention of a place that holds nothing."""


class PaddedStates(NamedTuple):
    """States of questions as tensors: `states` (questions, longest, width), `mask` (questions, longest)."""

    states: Tensor
    mask: Tensor


def pad_states(rows: Sequence[NDArray[np.float32]]) -> PaddedStates:
    """States padded to the longest question."""
    longest = max(len(row) for row in rows)
    states = torch.zeros((len(rows), longest, rows[0].shape[1]))
    mask = torch.zeros((len(rows), longest))
    for i, row in enumerate(rows):
        states[i, : len(row)] = torch.from_numpy(row)
        mask[i, : len(row)] = 1
    return PaddedStates(states, mask)


class RouterModel(nn.Module):
    """Layers and heads.

    Args:
        layers: BERT layers for the states that they are given.
        config: Their configuration, as `BertGraph` reads it.
        first: Number of the first layer in its model.
    """

    def __init__(self, layers: nn.ModuleList, config: dict[str, Any], *, first: int) -> None:
        super().__init__()
        self.layers, self.config, self.first = layers, config, first
        width = int(config["hidden_size"])
        self.points, self.forms = nn.Linear(width, 1), nn.Linear(width, len(FORMS))
        self.dropout = nn.Dropout(_DROPOUT)
        for module in layers.modules():
            if isinstance(module, nn.Dropout):
                module.p = _DROPOUT

    @classmethod
    def start(cls, folder: Path = ENCODER.folder) -> "RouterModel":
        """With the upper layers of a sentence encoder, and heads that know nothing."""
        first = read_graph(folder / "lower.onnx").layers
        constants, count, heads = read_graph(folder / "upper.onnx")
        stop = first + count
        encoder: Any = make_encoder(
            vocab_size=1,
            hidden_size=len(constants[f"layer{first}.qkv.bias"]) // 3,
            num_hidden_layers=stop,
            num_attention_heads=heads,
            intermediate_size=constants[f"layer{first}.wide.weight"].shape[1],
        )
        for number in range(first, stop):
            output = "hidden" if number == stop - 1 else ""
            weights = layer_weights(constants, number, output=output)
            prefix = f"encoder.layer.{number}."
            encoder.encoder.layer[number].load_state_dict(
                {
                    name.removeprefix(prefix): torch.from_numpy(np.array(value, np.float32))
                    for name, value in weights.items()
                }
            )
        return cls(nn.ModuleList(list(encoder.encoder.layer)[first:]), encoder.config.to_dict(), first=first)

    def forward(self, padded: PaddedStates) -> tuple[Tensor, Tensor]:
        """Logits of "points", shape (questions,), and of the forms, shape (questions, forms)."""
        x, mask = padded
        added = ((1 - mask) * _HIDDEN)[:, None, None, :]
        for layer in self.layers:
            out: Any = layer(x, added)
            x = out[0] if isinstance(out, tuple) else out
        mean = (x.float() * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
        mean = self.dropout(mean)
        return self.points(mean).squeeze(-1).float(), self.forms(mean).float()
