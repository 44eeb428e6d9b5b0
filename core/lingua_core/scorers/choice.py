"""From a method's name to its scorer."""

from pathlib import Path
from typing import Literal

from lingua_core.errors import InputError
from lingua_core.models.onnx_session import Device
from lingua_core.scorers.base import Scorer
from lingua_core.scorers.embedding import EmbeddingScorer
from lingua_core.scorers.extractor import ExtractorScorer
from lingua_core.scorers.lexical import LexicalScorer

__all__ = ["choose_scorer"]

_FILES = ("lower.onnx", "extractor.json", "model.onnx")
"""By these a folder is told: both kinds of model have two halves, sentence encoders of old one file."""


def choose_scorer(
    method: Literal["extract", "lexical"],
    model: str | Path | Scorer | None,
    device: Device,
    threads: int | None,
) -> Scorer:
    """The scorer of a method, or the user's own.

    Raises:
        InputError: If the model does not fit the method.
    """
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
    if model is None:
        return ExtractorScorer(device=device, threads=threads)
    return _from_folder(model, device, threads)


def _from_folder(model: str | Path, device: Device, threads: int | None) -> Scorer:
    """An extractor or a sentence encoder, by what the folder holds."""
    folder = Path(model)
    held = {name for name in _FILES if len(str(model)) <= 1000 and (folder / name).is_file()}
    if {"lower.onnx", "extractor.json"} <= held:
        return ExtractorScorer(folder, device=device, threads=threads)
    if held & {"lower.onnx", "model.onnx"}:
        return EmbeddingScorer(folder, device=device, threads=threads)
    raise InputError(
        f"model={str(model)!r:.80} is no folder with a model here. Method 'extract' takes an extractor "
        "(lower.onnx, upper.onnx, extractor.json, tokenizer.json), made with `lingua train extractor`, or a "
        "sentence encoder (lower.onnx, upper.onnx, tokenizer.json), made with `lingua train export-encoder`."
    )
