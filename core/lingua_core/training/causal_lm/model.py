"""A small decoder in torch, with the architecture of Llama (arXiv 2302.13971).

RMSNorm before each part, rotary positions, SwiGLU, no biases, one matrix for embeddings and output. Its
weights load into `transformers.LlamaForCausalLM` as they are; here, matrices that read the same input are
one, which is faster on a CPU.
"""

# torch is partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from lingua_core.training.causal_lm.shape import ModelShape

__all__ = ["CausalTransformer", "from_llama", "llama_config", "to_llama"]

_EPSILON = 1e-5
_ROWS_OF_LOGITS = 4096
_FIRST_SPREAD = 0.02


class CausalTransformer(nn.Module):
    """The decoder: token ids to the states that `loss` and `logits` read.

    Args:
        shape: Sizes.
    """

    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.layers = nn.ModuleList(_Layer(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.width, eps=_EPSILON)
        for name, parameter in self.named_parameters():
            if parameter.ndim > 1:
                # What is added to the stream begins at nothing, so that depth does not matter at first.
                silent = name.endswith(("attention.out.weight", "feed.down.weight"))
                spread = 0.0 if silent else _FIRST_SPREAD
                nn.init.normal_(parameter, std=spread) if spread else nn.init.zeros_(parameter)

    def forward(self, ids: Tensor) -> Tensor:
        """Last states, normed. Shapes (rows, tokens) to (rows, tokens, width)."""
        x = self.embedding(ids)
        cosine, sine = _rotations(self.shape, ids.shape[1], x.device)
        for layer in self.layers:
            x = layer(x, cosine, sine)
        return self.norm(x)

    def logits(self, states: Tensor) -> Tensor:
        """Logits of the next token after each state."""
        return functional.linear(states, self.embedding.weight)

    def loss(self, ids: Tensor, *, ignored: int = -100) -> Tensor:
        """Mean surprisal, in nats, of every token but the first of each row; `ignored` targets do not count.

        Args:
            ids: Shape (rows, tokens).
            ignored: A token that is read but not predicted.
        """
        return self.surprisals(ids, ignored=ignored).sum() / (ids[:, 1:] != ignored).sum()

    def surprisals(self, ids: Tensor, *, ignored: int = -100) -> Tensor:
        """Surprisal, in nats, of every token but the first of each row, flat; 0 for ignored ones."""
        states = self(ids[:, :-1]).flatten(0, 1)
        parts = zip(states.split(_ROWS_OF_LOGITS), ids[:, 1:].flatten().split(_ROWS_OF_LOGITS), strict=True)
        found = [
            functional.cross_entropy(
                self.logits(part).float(), target, ignore_index=ignored, reduction="none"
            )
            for part, target in parts
        ]
        return torch.cat(found)


class _Layer(nn.Module):
    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(shape.width, eps=_EPSILON)
        self.attention = _Attention(shape)
        self.feed_norm = nn.RMSNorm(shape.width, eps=_EPSILON)
        self.feed = _FeedForward(shape)

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        x = x + self.attention(self.attention_norm(x), cosine, sine)
        return x + self.feed(self.feed_norm(x))


class _Attention(nn.Module):
    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.heads = shape.heads
        self.qkv = nn.Linear(shape.width, 3 * shape.width, bias=False)
        self.out = nn.Linear(shape.width, shape.width, bias=False)

    def forward(self, x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
        rows, tokens, width = x.shape
        parts = self.qkv(x).view(rows, tokens, 3, self.heads, width // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4).unbind(0)
        q, k = _rotate(q, cosine, sine), _rotate(k, cosine, sine)
        attend = functional.scaled_dot_product_attention if x.is_cuda else _attend_in_halves
        mixed = attend(q, k, v, is_causal=True)
        return self.out(mixed.transpose(1, 2).reshape(rows, tokens, width))


def _attend_in_halves(q: Tensor, k: Tensor, v: Tensor, *, is_causal: bool) -> Tensor:
    """Causal attention as plain products: on CPUs, half the time of torch's fused kernel and its gradient.

    The first half of the positions does not look at the second, which saves a quarter of the products.
    """
    tokens, width = q.shape[-2:]
    q = q / math.sqrt(width)
    found: list[Tensor] = []
    for first, end in ((0, tokens // 2), (tokens // 2, tokens)):
        scores = q[:, :, first:end] @ k[:, :, :end].transpose(-1, -2)
        if is_causal:
            later = torch.ones(end - first, end, dtype=torch.bool, device=q.device).triu(first + 1)
            scores = scores.masked_fill(later, -math.inf)
        found.append(scores.softmax(-1).to(v.dtype) @ v[:, :, :end])
    return torch.cat(found, dim=2)


class _FeedForward(nn.Module):
    def __init__(self, shape: ModelShape) -> None:
        super().__init__()
        self.wide = nn.Linear(shape.width, 2 * shape.inner, bias=False)
        self.down = nn.Linear(shape.inner, shape.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        gate, up = self.wide(x).chunk(2, dim=-1)
        return self.down(functional.silu(gate) * up)


def _rotations(shape: ModelShape, tokens: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosine and sine of each position's angles. Shape (tokens, head width / 2)."""
    half = torch.arange(shape.head_width // 2, device=device, dtype=torch.float32)
    speeds = torch.exp(-math.log(shape.theta) * 2 * half / shape.head_width)
    angles = torch.arange(tokens, device=device, dtype=torch.float32)[:, None] * speeds
    return angles.cos(), angles.sin()


def _rotate(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """Turn the pair (i, i + half) of each head by its position's angle: the order of Llama's weights."""
    cosine, sine = cosine.to(x.dtype), sine.to(x.dtype)
    first, second = x.chunk(2, dim=-1)
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1)


def llama_config(shape: ModelShape, *, window: int, start: int) -> dict[str, Any]:
    """The `config.json` of this model as a `LlamaForCausalLM`.

    Args:
        shape: Sizes.
        window: Tokens that it was trained to read at once.
        start: Id of the beginning-of-text token, which ends texts too.
    """
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": shape.vocabulary,
        "hidden_size": shape.width,
        "intermediate_size": shape.inner,
        "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads,
        "num_key_value_heads": shape.heads,
        "head_dim": shape.head_width,
        "max_position_embeddings": window,
        "rms_norm_eps": _EPSILON,
        "rope_theta": shape.theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": shape.theta},
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": True,
        "bos_token_id": start,
        "eos_token_id": start,
        "pad_token_id": None,
        "torch_dtype": "float32",
        "lingua_shape": asdict(shape),
    }


def to_llama(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a `CausalTransformer` under the names of a `LlamaForCausalLM`."""
    found: dict[str, Tensor] = {}
    for name, value in weights.items():
        value = value.detach().float().cpu()
        if name == "embedding.weight":
            found["model.embed_tokens.weight"] = value.clone()
            continue
        if name == "norm.weight":
            found["model.norm.weight"] = value.clone()
            continue
        _, index, part = name.split(".", 2)
        targets = _LLAMA_NAMES[part]
        for target, piece in zip(targets, value.chunk(len(targets)), strict=True):
            found[f"model.layers.{index}.{target}"] = piece.clone()
    return found


def from_llama(weights: Mapping[str, Tensor], shape: ModelShape) -> CausalTransformer:
    """The model of weights that `to_llama` named."""
    model = CausalTransformer(shape)
    state = {
        "embedding.weight": weights["model.embed_tokens.weight"],
        "norm.weight": weights["model.norm.weight"],
    }
    for index in range(shape.layers):
        for part, targets in _LLAMA_NAMES.items():
            pieces = [weights[f"model.layers.{index}.{target}"] for target in targets]
            state[f"layers.{index}.{part}"] = torch.cat(pieces)
    model.load_state_dict(cast("dict[str, Any]", state))
    return model


_LLAMA_NAMES = {
    "attention_norm.weight": ["input_layernorm.weight"],
    "attention.qkv.weight": [f"self_attn.{part}_proj.weight" for part in "qkv"],
    "attention.out.weight": ["self_attn.o_proj.weight"],
    "feed_norm.weight": ["post_attention_layernorm.weight"],
    "feed.wide.weight": ["mlp.gate_proj.weight", "mlp.up_proj.weight"],
    "feed.down.weight": ["mlp.down_proj.weight"],
}
