"""The question-aware extractor: question and passage read together, token by token.

One pass says how relevant a passage is and which of its segments answer the question: joint ranking and
pruning as in Provence (arXiv 2501.16214), by all-MiniLM-L6-v2 trained further for it.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from lingua_core.models.extractor_settings import EarlyExit, ExtractorSettings, SecondLook
from lingua_core.models.onnx_extractor import OnnxExtractor, Reading
from lingua_core.models.onnx_session import Device
from lingua_core.models.pairs import Pair, PairWindow, pair_windows
from lingua_core.models.tokenization import load_tokenizer
from lingua_core.scorers.base import Passage, PassageScores, Scorer, ScoringTask
from lingua_core.scorers.embedding import EmbeddingScorer
from lingua_core.scorers.lexical import LexicalIndex
from lingua_core.weights import EXTRACTOR

__all__ = ["ExtractorScorer", "PairReader", "PassageLogits", "read_pairs"]

Vector = NDArray[np.float32]


class PairReader(Protocol):
    """Runs the model over windows."""

    def read(self, windows: Sequence[PairWindow], *, cutoff: float) -> Sequence[Reading]:
        """What the model says of each window; those below `cutoff` in its middle leave there."""
        ...


class PassageLogits(NamedTuple):
    """What the model says of a passage for a question.

    Attributes:
        segments: Log-odds of each segment being evidence, before calibration. Shape (segments,).
        relevance: Log-odds of the passage holding evidence, before calibration.
        left_early: Whether no window of it went through the whole model.
    """

    segments: Vector
    relevance: float
    left_early: bool


class ExtractorScorer:
    """Probability of each segment being evidence for the query, from 0 to 1.

    A passage's relevance is its probability of holding evidence. Without a query there is nothing to be
    evidence for: segments then get the embedding scorer's centrality, which is no probability.

    Args:
        folder: A model's folder, as `lingua train extractor` writes it; None for the embedded one.
        device: Where to run it.
        threads: Windows that run at once; None for all usable cores.
        settings: Instead of those in the folder.
        reader: Runs the model instead of the ONNX files in the folder.
        without_query: Scores tasks without a query; None for the embedded sentence encoder.
    """

    name = "extractor"
    requires_query = False

    def __init__(
        self,
        folder: Path | str | None = None,
        *,
        device: Device = "auto",
        threads: int | None = None,
        settings: ExtractorSettings | None = None,
        reader: PairReader | None = None,
        without_query: Scorer | None = None,
    ) -> None:
        self._folder = Path(folder) if folder is not None else EXTRACTOR.folder
        self._reader = reader or OnnxExtractor(self._folder, device=device, threads=threads)
        self._settings = settings or ExtractorSettings.load(self._folder)
        self._without_query = without_query or EmbeddingScorer(device=device, threads=threads)

    @property
    def default_threshold(self) -> float:
        """The probability at which 99 % of the answers were kept on development data."""
        return self._settings.threshold

    def score(self, tasks: Sequence[ScoringTask]) -> list[list[PassageScores]]:
        """Scores of every passage of every task; the model goes over all tasks in one pass."""
        asked = [i for i, task in enumerate(tasks) if task.query is not None]
        blank = [i for i, task in enumerate(tasks) if task.query is None]
        found: dict[int, list[PassageScores]] = {}
        if blank:
            by_centrality = self._without_query.score([tasks[i] for i in blank])
            found.update((i, list(scores)) for i, scores in zip(blank, by_centrality, strict=True))
        if asked:
            found.update(zip(asked, self._score([tasks[i] for i in asked]), strict=True))
        return [found[i] for i in range(len(tasks))]

    def logits(self, tasks: Sequence[ScoringTask]) -> list[list[PassageLogits]]:
        """What the model says of every passage of tasks with a query, and the second look, uncalibrated."""
        found = self._read(tasks)
        second = self._settings.second_look
        if second is None:
            return found
        return [_looked_again(task, looks, second) for task, looks in zip(tasks, found, strict=True)]

    def _score(self, tasks: Sequence[ScoringTask]) -> list[list[PassageScores]]:
        return [
            [self._calibrated(passage, look) for passage, look in zip(task.passages, looks, strict=True)]
            for task, looks in zip(tasks, self.logits(tasks), strict=True)
        ]

    def _calibrated(self, passage: Passage, look: PassageLogits) -> PassageScores:
        settings = self._settings
        keep = _sigmoid(settings.scale * look.segments + settings.offset)
        relevance = np.array(settings.relevance_scale * look.relevance + settings.relevance_offset)
        return PassageScores.of_segments(passage.segments, keep, relevance=float(_sigmoid(relevance)))

    def _read(self, tasks: Sequence[ScoringTask]) -> list[list[PassageLogits]]:
        pairs = [
            Pair(question=task.query or "", title=passage.title, text=passage.text, segments=passage.segments)
            for task in tasks
            for passage in task.passages
        ]
        if not pairs:
            return [[] for _ in tasks]
        windows = pair_windows(load_tokenizer(self._folder), pairs)
        logits = iter(read_pairs(self._reader, windows, pairs, self._settings.early_exit))
        return [[next(logits) for _ in task.passages] for task in tasks]


def read_pairs(
    reader: PairReader,
    windows: Sequence[PairWindow],
    pairs: Sequence[Pair],
    early_exit: EarlyExit | None = None,
) -> list[PassageLogits]:
    """Run windows, and put what the model says of each pair together.

    A segment's logit is the mean over its tokens of their keep logit and their window's relevance logit;
    one without tokens gets its passage's lowest. A passage is as relevant as its best window.
    """
    cutoff = early_exit.cutoff if early_exit is not None else -np.inf
    # By segment, of windows that went through the whole model and of those that left: where both hold a
    # segment, what the whole model says counts.
    sums = [np.zeros((2, len(pair.segments)), np.float64) for pair in pairs]
    counts = [np.zeros((2, len(pair.segments)), np.int64) for pair in pairs]
    relevance = [-np.inf] * len(pairs)
    early = [True] * len(pairs)
    for window, reading in zip(windows, reader.read(windows, cutoff=cutoff), strict=True):
        i, size = window.pair, len(pairs[window.pair].segments)
        tokens, of_window = reading.keep + reading.relevance, reading.relevance
        if early_exit is not None and reading.left_early:
            tokens = early_exit.scale * tokens + early_exit.offset
            of_window = early_exit.relevance_scale * of_window + early_exit.relevance_offset
        sums[i][int(reading.left_early)] += np.bincount(window.owners, tokens, minlength=size)
        counts[i][int(reading.left_early)] += np.bincount(window.owners, minlength=size)
        relevance[i] = max(relevance[i], of_window)
        early[i] = early[i] and reading.left_early
    return [
        PassageLogits(_means(total, count, relevance[i]), relevance[i], early[i])
        for i, (total, count) in enumerate(zip(sums, counts, strict=True))
    ]


def _means(total: NDArray[np.float64], count: NDArray[np.int64], otherwise: float) -> Vector:
    row = (count[0] == 0).astype(np.int64)
    total, count = (np.take_along_axis(table, row[None, :], axis=0)[0] for table in (total, count))
    means = total / np.maximum(count, 1)
    lowest = means[count > 0].min() if (count > 0).any() else otherwise
    return np.where(count > 0, means, lowest).astype(np.float32)


def _looked_again(
    task: ScoringTask, looks: Sequence[PassageLogits], second: SecondLook
) -> list[PassageLogits]:
    """Add to each segment's logit what it has in common with the question and the best segments.

    A question that needs two facts names one of them only: the sentence with the first fact names what
    leads to the second. BM25 finds that as well as a second pass through the model, at a fraction of the
    cost.
    """
    index = LexicalIndex(task.passages)
    asked = [f"{task.query} {text}" for text in _best_texts(task, looks, second.segments)]
    found = list(looks)
    for query in asked:
        for p, shared in enumerate(index.scores(query)):
            share = np.float32(second.weight / len(asked)) * shared
            found[p] = found[p]._replace(segments=found[p].segments + share)
    return found


def _best_texts(task: ScoringTask, looks: Sequence[PassageLogits], number: int) -> list[str]:
    """The texts of the segments with the highest logits, best first; earlier ones where equal."""
    if not looks:
        return []
    flat = np.concatenate([look.segments for look in looks])
    places = [(passage, segment) for passage in task.passages for segment in passage.segments]
    best = np.argsort(-flat, kind="stable")[:number]
    return [passage.text[segment.start : segment.end] for passage, segment in (places[int(i)] for i in best)]


def _sigmoid(x: NDArray[np.floating]) -> Vector:
    return (1 / (1 + np.exp(-np.clip(x, -60, 60)))).astype(np.float32)
