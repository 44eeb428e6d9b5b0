"""Folders with a model, written whole: as transformers and peft read them, and beside it the ONNX file."""

# torch, transformers and peft are partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from pathlib import Path
from typing import Any

import numpy as np

from lingua_core.errors import InputError, MissingDependencyError
from lingua_core.models.continuations import Ids
from lingua_core.models.hugging_face import HuggingFaceModel, without_progress_bars
from lingua_core.models.low_rank import ADAPTER_WEIGHTS
from lingua_core.training.causal_lm.export import export_causal_lm
from lingua_core.training.whole_files import whole_files

__all__ = ["merge_into_folder", "save_adapter", "save_model"]

_WEIGHTS = "*.safetensors"


def save_adapter(adapted: Any, folder: Path) -> None:  # noqa: ANN401  # peft's
    """Write an adapter in peft's format.

    Raises:
        OSError: If it cannot be written; what was there before stays.
    """
    with whole_files(folder, last=ADAPTER_WEIGHTS) as unfinished:
        # Left to itself, peft looks on the hub whether the vocabulary has grown.
        adapted.save_pretrained(str(unfinished), save_embedding_layers=False)
        (unfinished / "README.md").unlink(missing_ok=True)


def save_model(model: Any, tokenizer: Any, folder: Path, *, start: Ids) -> str | None:  # noqa: ANN401  # transformers'
    """Write a model and its tokenizer, and the ONNX file where the model can have one.

    Args:
        model: A causal language model.
        tokenizer: Its tokenizer.
        folder: Made if missing.
        start: What the tokenizer puts before every text.

    Returns:
        Why there is no ONNX file; None if there is.

    Raises:
        OSError: If something cannot be written; what was there before stays.
    """
    with whole_files(folder, last=_WEIGHTS) as unfinished, without_progress_bars():
        model.save_pretrained(str(unfinished))
        tokenizer.save_pretrained(str(unfinished))
    (folder / "causal_lm.onnx").unlink(missing_ok=True)
    if start.tolist() != [model.config.bos_token_id]:
        return "its tokenizer does not begin texts with the one beginning-of-text token that the file needs."
    try:
        export_causal_lm(folder, folder)
    except (InputError, MissingDependencyError) as error:
        return str(error)
    return None


def merge_into_folder(
    source: str | Path, adapter: Path, folder: Path, *, trust_remote_code: bool = False
) -> str | None:
    """Write the model that an adapter makes of another one.

    Args:
        source: The model that the adapter was trained on: a folder, or a name on the hub.
        adapter: The adapter's folder.
        folder: Made if missing; neither of the other two.
        trust_remote_code: Whether to run code that comes with the model.

    Returns:
        Why there is no ONNX file; None if there is.

    Raises:
        InputError: If the folders are the same, or one holds no adapter.
        ModelError: If model and adapter cannot be read, or do not fit each other.
        OSError: If something cannot be written.
    """
    for other in (Path(source), adapter):
        if folder.resolve() == other.resolve():
            raise InputError(f"--out must be another folder than {str(other)!r}, which would be overwritten.")
    merged = HuggingFaceModel(
        source, kind="causal-lm", dtype="float32", adapter=adapter, trust_remote_code=trust_remote_code
    )
    loaded = merged.load()
    return save_model(
        loaded.model, loaded.tokenizer, folder, start=np.array(merged.added_tokens[0], np.int64)
    )
