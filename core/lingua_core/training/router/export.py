"""From the trained torch model to the int8 ONNX file that `OnnxRouter` reads."""

# torch, transformers and onnx are partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from pathlib import Path

import numpy as np

from lingua_core.training.bert_graph import BertGraph
from lingua_core.training.router.model import RouterModel
from lingua_core.training.whole_files import write_whole

__all__ = ["export_router"]


def export_router(model: RouterModel, target: Path) -> None:
    """Write `router.onnx` to a folder, made if missing; the file is written whole or not at all."""
    weights = {name: value.detach().float().cpu().numpy() for name, value in model.state_dict().items()}
    # The graph knows layers by the names that they have in a whole BERT.
    renamed = {
        f"encoder.layer.{model.first + int(number)}.{rest}": array
        for name, array in weights.items()
        if name.startswith("layers.")
        for number, rest in [name.removeprefix("layers.").split(".", 1)]
    }
    graph = BertGraph(renamed, model.config)
    x = "states"
    for layer in range(model.first, model.first + len(model.layers)):
        x = graph.layer(layer, x)
    mean = graph.node("ReduceMean", [x], "mean", axes=[1], keepdims=0)
    matrix = np.concatenate([weights["points.weight"], weights["forms.weight"]]).T
    bias = np.concatenate([weights["points.bias"], weights["forms.bias"]])
    product = graph.node("MatMul", [mean, graph.constant("heads", matrix)], "heads.product")
    graph.node("Add", [product, graph.constant("heads.bias", bias)], "logits")
    width = int(model.config["hidden_size"])
    serialized = graph.serialize(
        "router",
        inputs=[("states", float, [1, "tokens", width])],
        outputs=[("logits", [1, len(bias)])],
    )
    write_whole(target / "router.onnx", serialized)
