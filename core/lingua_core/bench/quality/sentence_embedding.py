"""The plain bi-encoder: every text embedded by itself, as sentence-transformers does it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lingua_core.models.onnx_encoder import OnnxEncoder
from lingua_core.models.tokenization import load_tokenizer, special_id
from lingua_core.scorers import PassageScores, ScoringTask
from lingua_core.unicode import encodable
from lingua_core.weights import ENCODER

__all__ = ["SentenceEmbeddingScorer", "SentenceEncoder"]

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
    encodings = tokenizer.encode_batch_fast([encodable(text) for text in texts], add_special_tokens=False)
    return [[cls, *encoding.ids[: _LONGEST - 2], sep] for encoding in encodings]


def _mean(_: int, hidden: Vectors) -> Vectors:
    mean = hidden.mean(axis=0)
    return (mean / np.linalg.norm(mean)).astype(np.float32)


class SentenceEmbeddingScorer:
    """Cosine similarity between the query and each segment, neither of which sees what surrounds it."""

    name = "sentence-embedding"
    requires_query = True
    default_threshold: float | None = None

    def __init__(self, encoder: SentenceEncoder | None = None) -> None:
        self._encoder = encoder or SentenceEncoder()

    def score(self, tasks: Sequence[ScoringTask]) -> list[list[PassageScores]]:
        """Scores of every passage of every task."""
        return [self._task(task) for task in tasks]

    def _task(self, task: ScoringTask) -> list[PassageScores]:
        texts = [p.text[s.start : s.end] for p in task.passages for s in p.segments]
        vectors = self._encoder.embed([task.query or "", *texts])
        keep = vectors[1:] @ vectors[0]
        found: list[PassageScores] = []
        at = 0
        for passage in task.passages:
            own = keep[at : at + len(passage.segments)]
            at += len(passage.segments)
            found.append(PassageScores.of_segments(passage.segments, own, relevance=float(own.max())))
        return found
