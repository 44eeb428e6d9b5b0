"""The extractor in torch: a BERT encoder with heads for keeping tokens and for relevance.

A token's keep logit comes from its final state; a segment's logit is the mean of its tokens' logits
plus the relevance logit of its passage, read from `[CLS]`. Both heads exist a second time behind a
lower layer, the *exit*, where plainly irrelevant passages leave at run time. Joint ranking and pruning
follow Provence (arXiv 2501.16214, section 3).
"""

# torch, transformers and onnx are partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportIndexIssue=false

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from lingua_core.errors import InputError
from lingua_core.models.hugging_face import without_progress_bars
from lingua_core.models.pairs import PairWindow
from lingua_core.training.bert_graph import check_config

__all__ = ["EXIT_LAYER", "Extractor", "Logits", "Padded", "make_encoder", "pad"]

EXIT_LAYER = 3
_ATTENTION = "plain_products"


class Padded(NamedTuple):
    """Windows as tensors, each of shape (windows, longest)."""

    ids: Tensor
    types: Tensor
    mask: Tensor


class Logits(NamedTuple):
    """What the heads say, at one depth.

    Attributes:
        keep: Of every position. Shape (windows, longest).
        relevance: Of every window. Shape (windows,).
    """

    keep: Tensor
    relevance: Tensor


def pad(windows: list[PairWindow]) -> Padded:
    """Windows padded to the longest of them."""
    longest = max(len(window.ids) for window in windows)
    ids = torch.zeros((len(windows), longest), dtype=torch.long)
    types = torch.ones((len(windows), longest), dtype=torch.long)
    mask = torch.zeros((len(windows), longest), dtype=torch.long)
    for i, window in enumerate(windows):
        ids[i, : len(window.ids)] = torch.tensor(window.ids)
        types[i, : window.question] = 0
        mask[i, : len(window.ids)] = 1
    return Padded(ids, types, mask)


class Extractor(nn.Module):
    """Encoder and heads.

    Args:
        encoder: A `transformers.BertModel` without pooler.
        exit_layer: After how many layers the first pair of heads reads.
    """

    def __init__(self, encoder: nn.Module, *, exit_layer: int = EXIT_LAYER) -> None:
        super().__init__()
        self.encoder = encoder
        self.exit_layer = exit_layer
        width: int = encoder.config.hidden_size  # pyright: ignore[reportAssignmentType, reportAttributeAccessIssue]
        self.heads = nn.ModuleDict(
            {
                name: nn.ModuleDict({"keep": nn.Linear(width, 1), "relevance": nn.Linear(width, 1)})
                for name in ("exit", "final")
            }
        )
        for parameter in self.heads.parameters():
            nn.init.zeros_(parameter) if parameter.ndim == 1 else nn.init.normal_(parameter, std=0.02)

    @classmethod
    def start(cls, folder: Path | str, *, exit_layer: int = EXIT_LAYER) -> "Extractor":
        """From a published BERT-style encoder's folder.

        Raises:
            InputError: If the folder holds no such model, or one that cannot be exported.
        """
        from transformers import BertModel

        _register_attention()
        try:
            config: dict[str, Any] = json.loads((Path(folder) / "config.json").read_text(encoding="utf-8"))
            with without_progress_bars():
                encoder: Any = BertModel.from_pretrained(
                    folder, add_pooling_layer=False, attn_implementation=_ATTENTION, local_files_only=True
                )
        except Exception as error:  # safetensors' errors share no base class with those of transformers
            raise InputError(
                f"{str(folder)!r} holds no BERT-style model (config.json, model.safetensors): {error}"
            ) from error
        check_config(config)
        layers = encoder.config.num_hidden_layers
        if layers <= exit_layer:
            raise InputError(f"The model needs more than {exit_layer} layers, got {layers}.")
        return cls(_without_dropout(encoder), exit_layer=exit_layer)

    def forward(self, padded: Padded) -> tuple[Logits, Logits]:
        """Logits at the exit, and of the whole model."""
        states = self.encoder(
            input_ids=padded.ids,
            token_type_ids=padded.types,
            attention_mask=padded.mask,
            output_hidden_states=True,
        ).hidden_states
        return self._read("exit", states[self.exit_layer]), self._read("final", states[-1])

    def _read(self, name: str, states: Tensor) -> Logits:
        heads = self.heads[name]
        return Logits(
            heads["keep"](states).squeeze(-1).float(), heads["relevance"](states[:, 0]).squeeze(-1).float()
        )


def make_encoder(**sizes: int) -> nn.Module:
    """A BERT encoder of the given sizes (see `transformers.BertConfig`), with random weights."""
    from transformers import BertConfig, BertModel

    _register_attention()
    config = BertConfig(**sizes, attn_implementation=_ATTENTION)  # pyright: ignore[reportCallIssue]
    return _without_dropout(BertModel(config, add_pooling_layer=False))


def _without_dropout(encoder: nn.Module) -> nn.Module:
    """One pass over much data needs none."""
    for module in encoder.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return encoder


def _register_attention() -> None:
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, eager_mask

    AttentionInterface.register(_ATTENTION, _attention)
    AttentionMaskInterface.register(_ATTENTION, eager_mask)


def _attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    **options: object,
) -> tuple[Tensor, None]:
    """Attention in matrix products, which trains twice as fast on a CPU as the fused kernels.

    Shapes as in transformers: query, key and value (windows, heads, tokens, width of a head).
    """
    del module, options
    windows, heads, tokens, _ = query.shape
    rows = [part.reshape(windows * heads, tokens, -1) for part in (query * scaling, key, value)]
    if attention_mask is None:
        scores = torch.bmm(rows[0], rows[1].transpose(1, 2))
    else:
        mask = attention_mask[:, :, :1, :tokens].expand(windows, heads, 1, tokens)
        mask = mask.reshape(windows * heads, 1, tokens).to(rows[0].dtype)
        scores = torch.baddbmm(mask, rows[0], rows[1].transpose(1, 2))
    mixed = torch.bmm(scores.softmax(dim=-1).to(rows[2].dtype), rows[2])
    return mixed.view(windows, heads, tokens, -1).transpose(1, 2), None
