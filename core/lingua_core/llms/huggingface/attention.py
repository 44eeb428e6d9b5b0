"""Masks that keep the rows of a batch apart, for every kind of attention that allows it."""

# torch and transformers are partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache

from lingua_core.llms.huggingface.cache import Aim

__all__ = ["Attention"]

_LAYERS = {"DynamicLayer", "DynamicSlidingWindowLayer", "DummyLayer"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """What a model's layers look at.

    Attributes:
        kinds: "full_attention" or "sliding_attention", or both.
        window: Tokens that a sliding layer looks back at, its own included; None without such layers.
        is_additive: Whether masks are added to scores, rather than true where a position is seen.
    """

    kinds: frozenset[str]
    window: int | None
    is_additive: bool

    @classmethod
    def of_model(cls, model: Any) -> "Attention | None":  # noqa: ANN401  # any causal LM
        """What transformers says of the model; None if its layers keep other states than keys and values.

        Sliding windows are no hindrance: all keys are kept, and the mask hides those outside.
        """
        config: Any = model.config.get_text_config(decoder=True)
        declared = set(getattr(config, "layer_types", None) or ()) & {"chunked_attention"}
        if declared or getattr(config, "attention_chunk_size", None):
            return None
        way = getattr(config, "_attn_implementation", None)
        if way not in ("sdpa", "eager"):
            return None
        try:
            layers: list[Any] = DynamicCache(config=model.config).layers
        except (AttributeError, KeyError, TypeError):  # models with a cache of their own kind
            return None
        if not layers or {type(layer).__name__ for layer in layers} - _LAYERS:
            return None
        windows = {layer.sliding_window for layer in layers if getattr(layer, "is_sliding", False)}
        if len(windows) > 1:
            return None
        is_full = any(type(layer).__name__ == "DynamicLayer" for layer in layers)
        kinds = {"sliding_attention"} if windows else set[str]()
        if is_full:
            kinds.add("full_attention")
        return cls(kinds=frozenset(kinds), window=next(iter(windows), None), is_additive=way == "eager")

    def masks(self, aim: Aim, dtype: torch.dtype) -> Any:  # noqa: ANN401  # a tensor, or tensors by kind
        """Each token sees its own row up to itself. Shape (slots, 1, tokens, width)."""
        columns = aim.columns[:, None, :, None]
        every = torch.arange(aim.width, device=columns.device)
        before = every <= columns
        masks: dict[str, Tensor] = {}
        for kind in self.kinds:
            seen = before
            if kind == "sliding_attention" and self.window is not None and self.window < aim.width:
                seen = before & (every > columns - self.window)
            masks[kind] = self._added(seen, dtype) if self.is_additive else seen
        return masks if len(masks) > 1 else next(iter(masks.values()))

    def _added(self, seen: Tensor, dtype: torch.dtype) -> Tensor:
        return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill_(
            ~seen, torch.finfo(dtype).min
        )
