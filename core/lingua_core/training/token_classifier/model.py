"""Where training starts, and the folder in which it ends."""

# torch and transformers are partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch

from lingua_core.errors import LinguaError, ModelError
from lingua_core.models.hugging_face import HuggingFaceModel, without_progress_bars
from lingua_core.models.token_classifier import TokenClassifier

__all__ = ["Start", "load_start", "save_classifier"]

_LABELS = {0: "drop", 1: "keep"}
_WEIGHTS = "model.safetensors"


class Start(NamedTuple):
    """A model to train.

    Attributes:
        model: A token classifier of transformers, with two labels.
        tokenizer: Its own.
        has_new_head: Whether its head is untrained.
    """

    model: Any
    tokenizer: Any
    has_new_head: bool

    @property
    def hugging_face(self) -> HuggingFaceModel:
        """The model as scorers take it."""
        return HuggingFaceModel((self.model, self.tokenizer), kind="token-classifier")

    @property
    def classifier(self) -> TokenClassifier:
        """Reads tokens, and gives probabilities."""
        return TokenClassifier(self.hugging_face)


def load_start(source: str | Path, *, seed: int) -> Start:
    """An encoder with a new head, or a token classifier of two labels as it is, in float32.

    It is on a GPU where torch finds one.

    Args:
        source: A folder, or a name on the hub.
        seed: Of the new head.

    Raises:
        ModelError: If there is no such model, or it lacks weights below the head.
    """
    import transformers

    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(source)
        with _quietly(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model, loading = transformers.AutoModelForTokenClassification.from_pretrained(
                source,
                dtype=torch.float32,
                id2label=_LABELS,
                label2id={name: number for number, name in _LABELS.items()},
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
    except Exception as error:  # what hub, safetensors and configuration raise shares no base class
        raise ModelError(
            f"{str(source)!r} could not be loaded as a token classifier: {error} Expected the folder of an "
            "encoder such as BERT (config.json, model.safetensors, tokenizer.json), or its name on the hub."
        ) from error
    if not getattr(tokenizer, "is_fast", False):
        raise ModelError(
            f"The tokenizer of {str(source)!r} ({type(tokenizer).__name__}) does not say which characters a "
            "token stands for. Use a fast tokenizer: a folder with tokenizer.json."
        )
    body = f"{model.base_model_prefix}."
    missing = sorted(loading["missing_keys"])
    resized = [str(key[0] if isinstance(key, tuple) else key) for key in loading["mismatched_keys"]]
    if lacking := [name for name in (*missing, *resized) if name.startswith(body)]:
        raise ModelError(
            f"{str(source)!r} lacks {', '.join(lacking[:4])}: random numbers would stand in. Use a complete "
            "encoder."
        )
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return Start(model.to(device), tokenizer, bool(missing or resized))


@contextmanager
def _quietly() -> Generator[None]:
    """Transformers would warn of the head that is about to be trained."""
    from transformers.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        with without_progress_bars():
            yield
    finally:
        logging.set_verbosity(before)


def save_classifier(start: Start, target: Path) -> None:
    """Write what transformers and `PromptCompressor(method="llmlingua2", model=target)` read.

    The weights come last, whole or not at all: without them the folder is no model.

    Raises:
        ModelError: If the weights cannot be written.
    """
    unfinished = target / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    try:
        with without_progress_bars():
            start.model.save_pretrained(unfinished)
        start.tokenizer.save_pretrained(unfinished)
    except (OSError, LinguaError):
        raise
    except Exception as error:  # safetensors raises its own for a full disk
        raise ModelError(f"The model could not be written to {str(target)!r}: {error}") from error
    for file in sorted(unfinished.iterdir(), key=lambda file: file.name == _WEIGHTS):
        file.replace(target / file.name)
    unfinished.rmdir()
