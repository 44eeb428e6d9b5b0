"""Sentence embeddings as a scorer: segments near the question in meaning are kept.

The passage, headed by its title, goes through the encoder as a whole, and each segment's vector is
the mean of its tokens' states ("late chunking", arXiv 2409.04701): one pass a passage, and a sentence
that says "it" is embedded with what "it" means. On the development questions this keeps as many
answers as embedding every sentence by itself (see docs/benchmarks.md).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lingua_core.errors import InputError
from lingua_core.models.onnx_encoder import Device, OnnxEncoder
from lingua_core.models.tokenization import load_tokenizer, special_id
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
    owners: NDArray[np.int64]  # segment of each taken token, -1 for none


class EmbeddingScorer:
    """Cosine similarity between the query and each segment, from -1 to 1.

    A passage is as relevant as its best segment, which ranks passages better than the similarity of
    the whole does. Without a query, segments are scored by centrality: similarity to the mean of their
    passage; and passages by similarity to the mean of all passages of the task.

    Args:
        folder: A model's folder with `model.onnx` and `tokenizer.json`; None for the embedded one.
        device: Where to run it.
        threads: Windows that run at once; None for all usable cores.
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
        window: int = 256,
        overlap: int = 32,
    ) -> None:
        if not (isinstance(window, int) and 16 <= window <= 512 and 0 <= overlap < window // 2):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise InputError(
                f"window must be in 16..512 and overlap below half of it, got window={window!r}, "
                f"overlap={overlap!r}."
            )
        self._folder = Path(folder) if folder is not None else ENCODER.folder
        self._encoder = OnnxEncoder(self._folder, device=device, threads=threads)
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
                next(of_queries).mean(axis=0) if task.query is not None else None,
            )
            for task in tasks
        ]

    def _embed(self, passages: Sequence[Passage], queries: Sequence[str]) -> list[Vector]:
        """For each passage, then each query: sums of token states, shape (segments + 1, width).

        The last row sums over all tokens that are in no segment, so that the rows sum to the whole.
        """
        texts = [passage.text for passage in passages] + [encodable(query) for query in queries]
        titles = [passage.title for passage in passages] + [None] * len(queries)
        segments: list[Sequence[Segment]] = [p.segments for p in passages] + [()] * len(queries)
        sequences = self._sequences(texts, titles, segments)

        def pooled(i: int, hidden: Vector) -> Vector:
            sequence = sequences[i]
            return _sum_by_owner(
                hidden[sequence.skip : sequence.skip + len(sequence.owners)],
                sequence.owners,
                len(segments[sequence.text]) + 1,
            )

        sums: list[Vector | None] = [None] * len(texts)
        for sequence, partial in zip(
            sequences, self._encoder.map(pooled, [s.ids for s in sequences]), strict=True
        ):
            known = sums[sequence.text]
            sums[sequence.text] = partial if known is None else known + partial
        return [vector for vector in sums if vector is not None]

    def _sequences(
        self, texts: list[str], titles: list[str | None], segments: list[Sequence[Segment]]
    ) -> list[_Sequence]:
        tokenizer = load_tokenizer(self._folder)
        cls, sep = special_id(tokenizer, "[CLS]"), special_id(tokenizer, "[SEP]")
        heads = tokenizer.encode_batch_fast(
            [encodable(f"{title}. ") if title else "" for title in titles], add_special_tokens=False
        )
        found: list[_Sequence] = []
        for i, encoding in enumerate(tokenizer.encode_batch(texts, add_special_tokens=False)):
            head = heads[i].ids[: self._window // 4]
            ids = encoding.ids
            owners = _owners(np.array(encoding.offsets, np.int64).reshape(-1, 2), segments[i])
            for window in windows(len(ids), size=self._window - len(head) - 2, overlap=self._overlap):
                found.append(_sequence(i, [cls, *head], ids, sep, window, owners))
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


def _owners(offsets: NDArray[np.int64], segments: Sequence[Segment]) -> NDArray[np.int64]:
    """The segment in which each token begins, or -1."""
    if not len(segments):
        return np.full(len(offsets), -1, np.int64)
    starts = np.fromiter((s.start for s in segments), np.int64, len(segments))
    ends = np.fromiter((s.end for s in segments), np.int64, len(segments))
    owner = np.searchsorted(starts, offsets[:, 0], side="right") - 1
    return np.where((owner >= 0) & (offsets[:, 0] < ends[owner]), owner, -1)


def _sum_by_owner(states: Vector, owners: NDArray[np.int64], rows: int) -> Vector:
    sums = np.zeros((rows, states.shape[1]), np.float32)
    if not len(owners):
        return sums
    # Owners ascend, but for the -1 in between: runs of one owner are summed at once.
    starts = np.flatnonzero(np.r_[True, owners[1:] != owners[:-1]])
    np.add.at(sums, owners[starts], np.add.reduceat(states, starts, axis=0))
    return sums


def _score_task(task: ScoringTask, sums: list[Vector], query: Vector | None) -> list[PassageScores]:
    wholes = [_unit(s.sum(axis=0)) for s in sums]
    centre = _unit(query if query is not None else np.sum(wholes, axis=0))
    found: list[PassageScores] = []
    for passage, rows, whole in zip(task.passages, sums, wholes, strict=True):
        target = centre if query is not None else whole
        keep = (_unit(rows[: len(passage.segments)]) @ target).astype(np.float32)
        relevance = float(keep.max() if query is not None and len(keep) else whole @ centre)
        found.append(PassageScores.of_segments(passage.segments, keep, relevance=relevance))
    return found


def _unit(vectors: Vector) -> Vector:
    """Vectors scaled to length 1; a zero vector stays zero."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return (vectors / np.where(length > 0, length, 1)).astype(np.float32)
