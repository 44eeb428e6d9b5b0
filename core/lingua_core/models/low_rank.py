"""Low-rank adapters in peft's published format, merged into the weights that they were trained on.

An adapter (LoRA, arXiv 2106.09685) holds two thin matrices for each adapted one: W becomes W + s B A. Once
merged, the model is one like any other: no slower, and it can be made smaller to 8 bits. Reading the two
files takes a few lines, so peft is needed for training only.
"""

# torch is partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lingua_core.errors import InputError, ModelError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["ADAPTER_CONFIG", "ADAPTER_WEIGHTS", "check_adapter", "merge_adapter"]

ADAPTER_CONFIG = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"

_PREFIX = "base_model.model."
_WRAPPED = ".base_layer."
_FACTOR = re.compile(r"(?P<module>.*)\.lora_(?P<embedding>embedding_)?(?P<part>[AB])(\.weight)?")
_NOT_PLAIN = (
    "use_dora", "use_qalora", "use_bdlora", "alora_invocation_tokens", "trainable_token_indices",
    "layer_replication", "lora_bias", "target_parameters", "arrow_config", "kasa_config",
    "monteclora_config", "velora_config",
)  # fmt: skip


def check_adapter(adapter: object) -> Path:
    """The folder of an adapter.

    Raises:
        InputError: If it is no folder with an adapter in it.
    """
    if not isinstance(adapter, str | Path):
        raise InputError(f"adapter must be a folder, got {adapter!r:.80}.")
    folder = Path(adapter)
    if len(str(adapter)) > 1000 or not (folder / ADAPTER_CONFIG).is_file():
        raise InputError(
            f"adapter={str(adapter)!r:.200} is no folder with {ADAPTER_CONFIG}. Expected what `lingua train "
            "align --lora` or peft wrote."
        )
    return folder


def merge_adapter(model: "torch.nn.Module", folder: Path) -> None:
    """Add an adapter to a model's weights, for good.

    Args:
        model: The model that the adapter was trained on; it is changed.
        folder: With `adapter_config.json` and `adapter_model.safetensors`.

    Raises:
        ModelError: If the adapter cannot be read, does not fit the model, or is more than a plain LoRA.
    """
    import torch

    config, weights = _read(folder)
    modules = dict(model.named_modules())
    factors: dict[str, dict[str, Tensor]] = {}
    with torch.no_grad():
        for key, value in weights.items():
            name = key.removeprefix(_PREFIX).replace(_WRAPPED, ".")
            if (match := _FACTOR.fullmatch(name)) is not None:
                part = ("embedding_" if match["embedding"] else "") + match["part"]
                factors.setdefault(match["module"], {})[part] = value
            else:
                _replace(model, name, value, folder)
        for name, parts in factors.items():
            if name not in modules:
                raise _misfit(folder, config, f"the model has no {name!r}")
            _add(modules[name], name, parts, config, folder)


def _read(folder: Path) -> "tuple[dict[str, Any], dict[str, Tensor]]":
    from safetensors.torch import load_file

    try:
        config: dict[str, Any] = json.loads((folder / ADAPTER_CONFIG).read_text(encoding="utf-8"))
        kind: object = config.get("peft_type")
        weights = load_file(folder / ADAPTER_WEIGHTS)
    except Exception as error:  # safetensors' errors share no base class with json's
        raise ModelError(
            f"The adapter in {str(folder)!r} cannot be read: {error}. Expected {ADAPTER_CONFIG} and "
            f"{ADAPTER_WEIGHTS}."
        ) from error
    beyond = [name for name in _NOT_PLAIN if config.get(name)]
    if kind != "LORA" or beyond or any(key.endswith("lora_magnitude_vector") for key in weights):
        found = f"peft_type={kind!r}" + "".join(f", {name}={config[name]!r:.40}" for name in beyond)
        raise ModelError(
            f"The adapter in {str(folder)!r} is more than a plain LoRA ({found}). Merge it with peft "
            "(`merge_and_unload`) and pass the merged model."
        )
    return config, weights


def _add(
    module: "torch.nn.Module",
    name: str,
    parts: "Mapping[str, Tensor]",
    config: Mapping[str, Any],
    folder: Path,
) -> None:
    weight: Tensor | None = getattr(module, "weight", None)
    embedding = "embedding_A" in parts
    a, b = (parts.get(f"embedding_{part}" if embedding else part) for part in "AB")
    if weight is None or a is None or b is None:
        raise _misfit(folder, config, f"{name!r} has no weights, or a factor is missing")
    if a.shape[0] != b.shape[-1]:
        raise _misfit(folder, config, f"the factors of {name!r} have shapes {[*a.shape]} and {[*b.shape]}")
    change = b.float() @ a.float() * _scale(name, a.shape[0], config)
    # Embeddings, and the linear layers of GPT-2, hold their weights the other way round.
    if embedding or type(module).__name__ == "Conv1D":
        change = change.T
    if change.shape != weight.shape:
        raise _misfit(
            folder, config, f"{name!r} has the shape {[*weight.shape]}, the adapter {[*change.shape]}"
        )
    weight.copy_((weight.float() + change.to(weight.device)).to(weight.dtype))


def _scale(name: str, rank: int, config: Mapping[str, Any]) -> float:
    """What the product of the factors counts."""
    patterns: Mapping[str, Any] = config.get("alpha_pattern") or {}
    alpha = next(
        (value for pattern, value in patterns.items() if re.match(rf"(.*\.)?({pattern})$", name)),
        config.get("lora_alpha", 8),
    )
    return float(alpha) / (math.sqrt(rank) if config.get("use_rslora") else rank)


def _replace(model: "torch.nn.Module", name: str, value: "Tensor", folder: Path) -> None:
    """Put a parameter that was trained as a whole in the place of the model's."""
    try:
        parameter = model.get_parameter(name)
    except AttributeError as error:
        raise _misfit(folder, {}, f"the model has no {name!r}") from error
    if parameter.shape != value.shape:
        raise _misfit(folder, {}, f"{name!r} has the shape {[*parameter.shape]}, there {[*value.shape]}")
    parameter.copy_(value.to(parameter.device, parameter.dtype))


def _misfit(folder: Path, config: Mapping[str, Any], why: str) -> ModelError:
    base = config.get("base_model_name_or_path")
    made = f", made for {base!r}," if base else ""
    return ModelError(
        f"The adapter in {str(folder)!r}{made} does not fit the model: {why}. Use the model that it was "
        "trained on."
    )
