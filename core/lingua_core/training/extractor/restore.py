"""From shipped int8 files back to a model that can be trained further."""

# torch, transformers and onnx are partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportIndexIssue=false

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lingua_core.errors import MissingDependencyError, ModelError
from lingua_core.training.extractor.model import Extractor, make_encoder

__all__ = ["restore_extractor"]

Array = NDArray[np.float32]


def restore_extractor(folder: Path) -> Extractor:
    """The extractor in `folder` (`lower.onnx`, `upper.onnx`) in torch, with its weights as they are in int8.

    Raises:
        ModelError: If the files are missing or were not written by `export_extractor`.
    """
    try:
        import onnx
        from onnx import numpy_helper
    except ImportError as error:
        raise MissingDependencyError.for_extra("onnx", extra="train", purpose="Training") from error
    halves: list[dict[str, Array]] = []
    depth: list[int] = []
    heads = 0
    try:
        for name in ("lower.onnx", "upper.onnx"):
            graph: Any = onnx.load(folder / name).graph
            constants = {c.name: numpy_helper.to_array(c) for c in graph.initializer}
            attention = [node for node in graph.node if node.op_type == "MultiHeadAttention"]
            heads = next(a.i for a in attention[0].attribute if a.name == "num_heads")
            depth.append(len(attention))
            halves.append(constants)
        return _restored(halves, depth, heads)
    except (OSError, KeyError, IndexError, StopIteration, ValueError, RuntimeError) as error:
        raise ModelError(
            f"{str(folder)!r} holds no extractor that can be trained further: {error}"
        ) from error
    except Exception as error:  # protobuf's errors share no base class
        raise ModelError(f"The model in {str(folder)!r} cannot be read: {error}") from error


def _restored(halves: list[dict[str, Array]], depth: list[int], heads: int) -> Extractor:
    lower, upper = halves
    words = lower["words"].astype(np.float32) * lower["words.scale"]
    wide = lower["layer0.wide.weight"].shape[1]
    model = Extractor(
        make_encoder(
            vocab_size=words.shape[0],
            hidden_size=words.shape[1],
            num_hidden_layers=sum(depth),
            num_attention_heads=heads,
            intermediate_size=wide,
            max_position_embeddings=lower["positions"].shape[0],
            type_vocab_size=lower["types"].shape[0],
        ),
        exit_layer=depth[0],
    )
    state: dict[str, Array] = {
        "encoder.embeddings.word_embeddings.weight": words,
        "encoder.embeddings.position_embeddings.weight": lower["positions"],
        "encoder.embeddings.token_type_embeddings.weight": lower["types"],
    }
    for constants in halves:
        # LayerNorms and the biases behind products are stored under their own names.
        state |= {
            f"encoder.{name}": value
            for name, value in constants.items()
            if name.startswith(("embeddings.", "encoder."))
        }
    for layer in range(sum(depth)):
        state |= _layer(halves[layer >= depth[0]], layer, model, last=(depth[0] - 1, "states"))
    for name, constants in (("exit", lower), ("final", upper)):
        for i, head in enumerate(("keep", "relevance")):
            state[f"heads.{name}.{head}.weight"] = constants["heads"][:, i : i + 1].T
            state[f"heads.{name}.{head}.bias"] = constants["heads.bias"][i : i + 1]
    tensors = {name: torch.from_numpy(np.array(value, np.float32)) for name, value in state.items()}
    missing, unexpected = model.load_state_dict(tensors, strict=False)
    lacking = [name for name in missing if "position_ids" not in name]
    if lacking or unexpected:
        raise ValueError(f"missing {lacking}, unexpected {list(unexpected)}")
    return model


def _layer(
    constants: dict[str, Array], layer: int, model: Extractor, *, last: tuple[int, str]
) -> dict[str, Array]:
    """The matrices of a layer, from int8 to float32; the exit layer's output has another name."""
    name, target = f"layer{layer}", f"encoder.encoder.layer.{layer}"
    out = last[1] if layer == last[0] else f"{name}.out"

    def matrix(source: str) -> Array:
        return (constants[f"{source}.weight"].astype(np.float32) * constants[f"{source}.scale"]).T

    width: int = model.encoder.config.hidden_size  # pyright: ignore[reportAttributeAccessIssue, reportAssignmentType]
    parts = ("query", "key", "value")
    qkv, bias = matrix(f"{name}.qkv"), constants[f"{name}.qkv.bias"]
    found = {
        f"{target}.attention.self.{part}.weight": qkv[i * width : (i + 1) * width]
        for i, part in enumerate(parts)
    }
    found |= {
        f"{target}.attention.self.{part}.bias": bias[i * width : (i + 1) * width]
        for i, part in enumerate(parts)
    }
    found[f"{target}.attention.output.dense.weight"] = matrix(f"{name}.mixed.projected")
    found[f"{target}.intermediate.dense.weight"] = matrix(f"{name}.wide")
    found[f"{target}.output.dense.weight"] = matrix(f"{out}.projected")
    return found
