"""Sentence embeddings as a scorer: segments near the question in meaning are kept.

The passage, headed by its title, goes through the encoder as a whole, and each segment's vector is
the mean of its tokens' states ("late chunking", arXiv 2409.04701): one pass a passage, and a sentence
that says "it" is embedded with what "it" means.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lingua_core.errors import InputError
from lingua_core.models.onnx_encoder import OnnxEncoder
from lingua_core.models.onnx_session import Device
from lingua_core.models.tokenization import load_tokenizer, special_id, token_ids, token_owners
from lingua_core.models.windows import Window, windows
from lingua_core.scorers.base import Passage, PassageScores, ScoringTask
from lingua_core.segmentation.segment import Segment
from lingua_core.unicode import encodable
from lingua_core.weights import ENCODER

__all__ = ["EmbeddingScorer"]

Vector = NDArray[np.float32]


class _Sequence(NamedTuple):
    """One run of the encoder: a window of a text, with the segment that owns each taken token."""

    text: int
    ids: list[int]
    skip: int  # positions before the first taken token
    owners: NDArray[np.int64]  # segment of each taken token; 0 for all tokens of a query


class EmbeddingScorer:
    """Cosine similarity between the query and each segment, from -1 to 1.

    A passage is as relevant as its best segment: one sentence can answer a question. Without a query,
    segments are scored by centrality: their mean similarity to the rest of their passage and to all
    passages of the task; and passages by similarity to all.

    Args:
        folder: A model's folder with `model.onnx` and `tokenizer.json`; None for the embedded one.
        device: Where to run it.
        threads: Windows that run at once; None for all usable cores.
        encoder: Runs the model instead of one made from `folder`, `device` and `threads`; its
            vocabulary must be that of `folder`.
        window: Tokens of a passage that the encoder sees at once.
        overlap: Tokens that neighbouring windows share.
    """

    name = "embedding"
    requires_query = False
    default_threshold: float | None = None

    def __init__(
        self,
        folder: Path | str | None = None,
        *,
        device: Device = "auto",
        threads: int | None = None,
        encoder: OnnxEncoder | None = None,
        window: int = 256,
        overlap: int = 32,
    ) -> None:
        if not (isinstance(window, int) and 16 <= window <= 512 and 0 <= overlap < window // 2):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise InputError(
                f"window must be in 16..512 and overlap below half of it, got window={window!r}, "
                f"overlap={overlap!r}."
            )
        self._folder = Path(folder) if folder is not None else ENCODER.folder
        self._encoder = encoder or OnnxEncoder(self._folder, device=device, threads=threads)
        self._window = window
        self._overlap = overlap

    def score(self, tasks: Sequence[ScoringTask]) -> list[list[PassageScores]]:
        """Scores of every passage of every task, from one pass over all windows."""
        passages = [passage for task in tasks for passage in task.passages]
        queries = [task.query for task in tasks if task.query is not None]
        vectors = self._embed(passages, queries)
        of_passages = iter(vectors[: len(passages)])
        of_queries = iter(vectors[len(passages) :])
        return [
            _score_task(
                task,
                [next(of_passages) for _ in task.passages],
                next(of_queries)[0] if task.query is not None else None,
            )
            for task in tasks
        ]

    def _embed(self, passages: Sequence[Passage], queries: Sequence[str]) -> list[Vector]:
        """For each passage, then each query (one row): sums of token states, shape (segments, width)."""
        texts = [passage.text for passage in passages] + [encodable(query) for query in queries]
        titles = [passage.title for passage in passages] + [None] * len(queries)
        segments: list[Sequence[Segment]] = [p.segments for p in passages] + [()] * len(queries)
        sequences = self._sequences(texts, titles, segments)

        def pooled(i: int, hidden: Vector) -> tuple[NDArray[np.int64], Vector]:
            sequence = sequences[i]
            taken = hidden[sequence.skip : sequence.skip + len(sequence.owners)]
            return _sum_by_owner(taken, sequence.owners)

        parts = self._encoder.map(pooled, [sequence.ids for sequence in sequences])
        sums = [np.zeros((max(1, len(row)), self._width(parts)), np.float32) for row in segments]
        for sequence, (owners, partial) in zip(sequences, parts, strict=True):
            sums[sequence.text][owners] += partial
        return sums

    @staticmethod
    def _width(parts: Sequence[tuple[NDArray[np.int64], Vector]]) -> int:
        return parts[0][1].shape[1] if parts else 1

    def _sequences(
        self, texts: list[str], titles: list[str | None], segments: list[Sequence[Segment]]
    ) -> list[_Sequence]:
        tokenizer = load_tokenizer(self._folder)
        cls, sep = special_id(tokenizer, "[CLS]"), special_id(tokenizer, "[SEP]")
        heads = token_ids(tokenizer, [f"{title}. " if title else "" for title in titles])
        # A text without segments, such as a query, is one.
        rows = [row or [Segment(0, len(text))] for text, row in zip(texts, segments, strict=True)]
        found: list[_Sequence] = []
        for i, (ids, owners) in enumerate(token_owners(tokenizer, texts, rows)):
            head = [cls, *heads[i][: self._window // 4]]
            for window in windows(len(ids), size=self._window - len(head) - 1, overlap=self._overlap):
                found.append(_sequence(i, head, ids, sep, window, owners))
        return found


def _sequence(
    text: int, head: list[int], ids: list[int], sep: int, window: Window, owners: NDArray[np.int64]
) -> _Sequence:
    return _Sequence(
        text,
        [*head, *ids[window.start : window.end], sep],
        len(head) + window.first - window.start,
        owners[window.first : window.last],
    )


def _sum_by_owner(states: Vector, owners: NDArray[np.int64]) -> tuple[NDArray[np.int64], Vector]:
    """The different owners of a window's tokens, and the sum of the states of each."""
    if not len(owners):
        return owners, states[:0]
    # Owners ascend: the run of each is summed at once.
    starts = np.flatnonzero(np.r_[True, owners[1:] != owners[:-1]])
    return owners[starts], np.add.reduceat(states, starts, axis=0)


def _score_task(task: ScoringTask, sums: list[Vector], query: Vector | None) -> list[PassageScores]:
    if not sums:
        return []
    wholes = [_unit(s.sum(axis=0)) for s in sums]
    centre = _unit(query if query is not None else np.sum(wholes, axis=0))
    found: list[PassageScores] = []
    for passage, rows, whole in zip(task.passages, sums, wholes, strict=True):
        own = rows[: len(passage.segments)]
        keep = (_unit(own) @ centre if query is not None else _centrality(own, centre)).astype(np.float32)
        relevance = float(keep.max() if query is not None and len(keep) else whole @ centre)
        found.append(PassageScores.of_segments(passage.segments, keep, relevance=relevance))
    return found


def _centrality(rows: Vector, centre: Vector) -> Vector:
    """Mean similarity of each segment to the rest of its passage and to all passages.

    To the rest, not the whole: or a passage of one sentence would always be most central.
    """
    rest = _unit(rows.sum(axis=0) - rows)
    alone = ~rest.any(axis=1, keepdims=True)
    unit = _unit(rows)
    return (unit * np.where(alone, centre, rest)).sum(axis=1) / 2 + unit @ centre / 2


def _unit(vectors: Vector) -> Vector:
    """Vectors scaled to length 1; a zero vector stays zero."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return (vectors / np.where(length > 0, length, 1)).astype(np.float32)
