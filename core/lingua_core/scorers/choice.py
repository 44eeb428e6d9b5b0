"""From a method's name to its scorer."""

from pathlib import Path
from typing import Literal, get_args

from lingua_core.errors import InputError
from lingua_core.models.onnx_encoder import Device
from lingua_core.scorers.base import Scorer
from lingua_core.scorers.embedding import EmbeddingScorer
from lingua_core.scorers.lexical import LexicalScorer

__all__ = ["Method", "choose_scorer"]

Method = Literal["extract", "lexical"]


def choose_scorer(
    method: Method, model: str | Path | Scorer | None, device: Device, threads: int | None
) -> Scorer:
    """The scorer of a method, or the user's own.

    Raises:
        InputError: If the method is unknown, or the model does not fit it.
    """
    if method not in get_args(Method):
        raise InputError(f"Unknown method {method!r}. Available: {', '.join(map(repr, get_args(Method)))}.")
    if model is not None and not isinstance(model, (str, Path)):
        if isinstance(model, Scorer):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers may be untyped
            return model
        raise InputError(
            f"model must be None, a folder, or a lingua_core.scorers.Scorer (name, requires_query, "
            f"default_threshold, score); got {type(model).__name__}."
        )
    if method == "lexical":
        if model is not None:
            raise InputError(f"Method 'lexical' uses no model, got model={str(model)!r}. Leave it out.")
        return LexicalScorer()
    if model is not None and (len(str(model)) > 1000 or not Path(model).is_dir()):
        raise InputError(
            f"model={str(model)!r:.80} is no folder here. Method 'extract' takes a folder with model.onnx "
            "and tokenizer.json; export one with `lingua train export-encoder`."
        )
    return EmbeddingScorer(model, device=device, threads=threads)
