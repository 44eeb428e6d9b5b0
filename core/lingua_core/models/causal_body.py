"""A causal language model's body and head apart, so that logits are computed only where they are needed."""

# torch and transformers are partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from lingua_core.errors import ModelError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["Body", "body_of"]

_LOGGER = logging.getLogger(__name__)


class Body(NamedTuple):
    """How to compute logits row by row.

    Attributes:
        states: From input to the last hidden states.
        logits: From hidden states to logits.
    """

    states: Callable[..., Any]
    logits: "Callable[[Tensor], Tensor]"


def body_of(model: Any, device: "torch.device") -> Body:  # noqa: ANN401  # any causal LM
    """The model's body and head apart, if together they give its logits; else the model as a whole."""
    import torch

    config = model.config.get_text_config() if hasattr(model.config, "get_text_config") else model.config
    head: Any = model.get_output_embeddings()
    if head is None:
        raise ModelError(f"{type(model).__name__} has no output embeddings: it gives no token probabilities.")
    scale = float(getattr(config, "logit_scale", None) or 1.0)
    scale /= float(getattr(config, "logits_scaling", None) or 1.0)
    cap = getattr(config, "final_logit_softcapping", None)

    def logits(states: "Tensor") -> "Tensor":
        found = head(states)
        if scale != 1.0:
            found = found * scale
        return torch.tanh(found / cap) * cap if cap else found

    apart = Body(model.base_model, logits)
    vocabulary = model.get_input_embeddings().num_embeddings
    ids = torch.arange(1, 7, device=device)[None, :] * max(1, vocabulary // 8) % vocabulary
    with torch.inference_mode():
        whole = model(input_ids=ids, use_cache=False).logits.float()
        try:
            parts = apart.logits(apart.states(input_ids=ids, use_cache=False)[0]).float()
            same = whole.shape == parts.shape and bool(
                (whole - parts).abs().max() <= 1e-2 * whole.abs().max().clamp(min=1e-6)
            )
        except (RuntimeError, TypeError, AttributeError, IndexError):
            same = False
    if same:
        return apart
    _LOGGER.warning(
        "%s does more than apply its head to its last states; all its logits are computed, which takes "
        "more memory.",
        type(model).__name__,
    )

    def all_logits(**inputs: Any) -> "tuple[Tensor]":  # noqa: ANN401  # whatever the model takes
        return (model(**inputs).logits,)

    def unchanged(states: "Tensor") -> "Tensor":
        return states

    return Body(all_logits, unchanged)
