"""From the trained torch model to the two int8 ONNX files that `OnnxExtractor` reads."""

# torch, transformers and onnx are partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportIndexIssue=false

import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lingua_core.training.bert_graph import BertGraph
from lingua_core.training.extractor.model import Extractor
from lingua_core.training.whole_files import write_whole

__all__ = ["export_extractor"]


def export_extractor(model: Extractor, tokenizer: Path, target: Path) -> None:
    """Write `lower.onnx`, `upper.onnx` and `tokenizer.json` to a folder.

    Args:
        model: Trained.
        tokenizer: The `tokenizer.json` of its vocabulary.
        target: The folder; made if missing. Each file is written whole or not at all.
    """
    weights = {name: value.detach().float().cpu().numpy() for name, value in model.state_dict().items()}
    encoder = {name.removeprefix("encoder."): w for name, w in weights.items() if name.startswith("encoder.")}
    # transformers names the layers encoder.layer.N below the model's own name.
    config: dict[str, Any] = model.encoder.config.to_dict()  # pyright: ignore[reportAttributeAccessIssue, reportCallIssue]
    width, layers = int(config["hidden_size"]), int(config["num_hidden_layers"])
    lower = BertGraph(encoder, config)
    x = lower.embeddings(token_types="token_types")
    for layer in range(model.exit_layer):
        x = lower.layer(layer, x, output="states" if layer == model.exit_layer - 1 else "")
    _heads(lower, weights, "exit", x)
    upper = BertGraph(encoder, config)
    x = "states"
    for layer in range(model.exit_layer, layers):
        x = upper.layer(layer, x)
    _heads(upper, weights, "final", x)
    tokens = [1, "tokens"]
    states = ("states", [*tokens, width])
    logits = ("logits", [*tokens, 2])
    write_whole(
        target / "lower.onnx",
        lower.serialize(
            "extractor_lower",
            inputs=[("input_ids", int, [*tokens]), ("token_types", int, [*tokens])],
            outputs=[states, logits],
        ),
    )
    write_whole(
        target / "upper.onnx",
        upper.serialize("extractor_upper", inputs=[(states[0], float, states[1])], outputs=[logits]),
    )
    shutil.copyfile(tokenizer, target / "tokenizer.json")


def _heads(graph: BertGraph, weights: dict[str, NDArray[np.float32]], depth: str, x: str) -> None:
    """Both heads of a depth, in float32: keep and relevance for every position."""
    names = [f"heads.{depth}.{head}" for head in ("keep", "relevance")]
    matrix = np.concatenate([weights[f"{name}.weight"] for name in names]).T
    bias = np.concatenate([weights[f"{name}.bias"] for name in names])
    product = graph.node("MatMul", [x, graph.constant("heads", matrix)], "heads.product")
    graph.node("Add", [product, graph.constant("heads.bias", bias)], "logits")
