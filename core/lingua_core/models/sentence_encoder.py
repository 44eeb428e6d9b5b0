"""Texts as unit vectors, as sentence-transformers makes them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lingua_core.models.onnx_encoder import OnnxEncoder
from lingua_core.models.tokenization import load_tokenizer, special_id, token_ids
from lingua_core.weights import ENCODER

__all__ = ["SentenceEncoder"]

Vectors = NDArray[np.float32]

_LONGEST = 256
_REMEMBERED = 4000


class SentenceEncoder:
    """Unit vectors of texts, from the embedded encoder.

    The mean over all tokens, `[CLS]` and `[SEP]` among them, of at most 256 tokens: the settings with
    which all-MiniLM-L6-v2 is published. Texts are remembered for a while, since the same documents are
    compressed to several sizes.
    """

    def __init__(self) -> None:
        self._encoder = OnnxEncoder(ENCODER.folder)
        self._vectors: dict[str, Vectors] = {}

    def embed(self, texts: Sequence[str]) -> Vectors:
        """One row a text, of length 1. Shape (texts, width)."""
        if len(self._vectors) > _REMEMBERED:
            self._vectors.clear()
        new = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        self._vectors.update(zip(new, self._encoder.map(_mean, _sequences(new)), strict=True))
        return np.stack([self._vectors[text] for text in texts])


def _sequences(texts: Sequence[str]) -> list[list[int]]:
    tokenizer = load_tokenizer(ENCODER.folder)
    cls, sep = special_id(tokenizer, "[CLS]"), special_id(tokenizer, "[SEP]")
    return [[cls, *ids[: _LONGEST - 2], sep] for ids in token_ids(tokenizer, texts)]


def _mean(_: int, hidden: Vectors) -> Vectors:
    mean = hidden.mean(axis=0)
    return (mean / np.linalg.norm(mean)).astype(np.float32)
