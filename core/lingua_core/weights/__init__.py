"""The model files that ship inside the package, and where they are."""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["ENCODER", "EXTRACTOR", "LANGUAGE_MODEL", "ROUTER", "ShippedModel"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShippedModel:
    """A model in the package: a folder with ONNX files, `tokenizer.json` and `MODEL_CARD.md`."""

    name: str
    folder: Path


ENCODER = ShippedModel(name="all-MiniLM-L6-v2", folder=Path(__file__).parent / "minilm")
"""The sentence encoder behind `EmbeddingScorer`; the router stands on its lower half."""

EXTRACTOR = ShippedModel(name="lingua-extractor", folder=Path(__file__).parent / "extractor")
"""The question-aware extractor behind the method "extract"."""

LANGUAGE_MODEL = ShippedModel(name="lingua-lm", folder=Path(__file__).parent / "language_model")
"""The small causal language model behind "llmlingua", "longllmlingua" and "selective-context"."""

ROUTER = ShippedModel(name="lingua-router", folder=Path(__file__).parent / "router")
"""The layers on the encoder's lower half behind `EmbeddedRouter`; it has no tokenizer of its own."""
