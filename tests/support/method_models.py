"""A small model with random weights for each method that needs one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from language_models import language_model

METHODS = ("extract", "lexical", "llmlingua", "longllmlingua", "llmlingua2", "selective-context")

_made: dict[str, str] = {}


def options_of(method: str, new_folder: Callable[[str], Path]) -> dict[str, Any]:
    """What a compressor of this method is made with; models are written once, and skip without torch."""
    if method in ("extract", "lexical"):
        return {"method": method}
    kind = "classifier" if method == "llmlingua2" else "causal-lm"
    if kind not in _made:
        pytest.importorskip("torch", reason="needs the extra: lingua-rag[transformers]")
        _made[kind] = str(_written(kind, new_folder(kind)))
    return {"method": method, "model": _made[kind]}


def _written(kind: str, folder: Path) -> Path:
    if kind == "classifier":
        return pytest.importorskip("tiny_models").make_tiny_mbert(folder)
    for part in language_model():
        part.save_pretrained(folder)
    return folder
