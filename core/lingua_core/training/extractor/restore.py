"""From shipped int8 files back to a model that can be trained further."""

# torch, transformers and onnx are partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportIndexIssue=false

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from lingua_core.errors import MissingDependencyError, ModelError
from lingua_core.training.bert_restore import StoredGraph, layer_weights, read_graph
from lingua_core.training.extractor.model import Extractor, make_encoder

__all__ = ["restore_extractor"]

Array = NDArray[np.float32]


def restore_extractor(folder: Path) -> Extractor:
    """The extractor in `folder` (`lower.onnx`, `upper.onnx`) in torch, with its weights as they are in int8.

    Raises:
        ModelError: If the files are missing or were not written by `export_extractor`.
    """
    try:
        return _restored(read_graph(folder / "lower.onnx"), read_graph(folder / "upper.onnx"))
    except MissingDependencyError:
        raise
    except (OSError, KeyError, IndexError, StopIteration, ValueError, RuntimeError) as error:
        raise ModelError(
            f"{str(folder)!r} holds no extractor that can be trained further: {error}"
        ) from error
    except Exception as error:  # protobuf's errors share no base class
        raise ModelError(f"The model in {str(folder)!r} cannot be read: {error}") from error


def _restored(below: StoredGraph, above: StoredGraph) -> Extractor:
    lower, upper = below.constants, above.constants
    words = lower["words"].astype(np.float32) * lower["words.scale"]
    model = Extractor(
        make_encoder(
            vocab_size=words.shape[0],
            hidden_size=words.shape[1],
            num_hidden_layers=below.layers + above.layers,
            num_attention_heads=below.heads,
            intermediate_size=lower["layer0.wide.weight"].shape[1],
            max_position_embeddings=lower["positions"].shape[0],
            type_vocab_size=lower["types"].shape[0],
        ),
        exit_layer=below.layers,
    )
    encoder: dict[str, Array] = {
        "embeddings.word_embeddings.weight": words,
        "embeddings.position_embeddings.weight": lower["positions"],
        "embeddings.token_type_embeddings.weight": lower["types"],
    }
    encoder |= {name: value for name, value in lower.items() if name.startswith("embeddings.")}
    for layer in range(below.layers + above.layers):
        # The exit layer's output has a name of its own.
        output = "states" if layer == below.layers - 1 else ""
        encoder |= layer_weights(lower if layer < below.layers else upper, layer, output=output)
    state = {f"encoder.{name}": value for name, value in encoder.items()}
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
