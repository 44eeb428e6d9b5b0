"""An adapter beside a model's weights, trained in their place (LoRA, arXiv 2106.09685), by peft."""

# torch and peft are partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportMissingTypeStubs=false

import warnings
from typing import Any

from lingua_core.errors import InputError, MissingDependencyError
from lingua_core.training.alignment.options import LoraOptions

__all__ = ["add_adapter"]


def add_adapter(model: Any, options: LoraOptions) -> Any:  # noqa: ANN401  # transformers' and peft's
    """Put adapters into a model's layers, which do nothing yet; only they are trained from then on.

    Args:
        model: A causal language model; it is changed.
        options: Of the adapters.

    Returns:
        peft's model around it, which saves the adapter.

    Raises:
        MissingDependencyError: If peft is not installed.
        InputError: If the model has none of the modules.
    """
    try:
        import peft
    except ImportError as error:
        raise MissingDependencyError.for_extra(
            "peft", extra="train", purpose="Training an adapter"
        ) from error
    # The linear layers of GPT-2 hold their weights the other way round.
    turned = any(type(module).__name__ == "Conv1D" for module in model.modules())
    config = peft.LoraConfig(
        task_type="CAUSAL_LM",
        r=options.rank,
        lora_alpha=options.alpha,
        lora_dropout=options.dropout,
        target_modules=list(options.modules) or "all-linear",
        fan_in_fan_out=turned,
    )
    with warnings.catch_warnings():
        # peft asks transformers by a name that transformers 5 has given up.
        warnings.filterwarnings("ignore", ".*is_gradient_checkpointing.*", FutureWarning)
        try:
            adapted: Any = peft.get_peft_model(model, config)
        except ValueError as error:
            raise InputError(
                f"No adapter can be put into {type(model).__name__}: {error} Give other modules."
            ) from error
    # A set's order changes from process to process, and with it the file that it is written to.
    for made in adapted.peft_config.values():
        made.target_modules = sorted(made.target_modules)
    return adapted
