"""BM25 over segments: no model, milliseconds, and hard to beat on names and numbers."""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lingua_core.scorers.base import Passage, PassageScores, ScoringTask
from lingua_core.unicode import WORD

if TYPE_CHECKING:
    from bm25s import BM25

__all__ = ["LexicalIndex", "LexicalScorer", "terms"]

# Words and numbers; scripts without spaces give single characters, paired below.
_TERM = re.compile(rf"{WORD}(?:['’][^\W\d_]+)?|(?<=\b[a-z])(?:\+\+|#)")
_UNSPACED = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
_PLURAL = re.compile(r"(?<=[^\W\d_]{3})(?:'s|’s|(?<=ss)es|(?<=[xz])es|(?<=[cs]h)es|(?<![sui])s)\Z")
# Arabic and Hebrew vowel points are written or not.
_POINTS = re.compile("[\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670]")

# A word that a passage has once says little about what the passage is about.
_ONCE = 0.1


class LexicalScorer:
    """BM25 (Lucene's variant) of each segment for the query, from 0 to 1.

    A score is the fraction of the greatest BM25 score that the query could reach, so that it means
    about the same for short and long questions. The words of the title count for every
    segment of a passage, those of a heading for what is right below it.

    Without a query, a segment scores the mean tf-idf weight of its words, where a word weighs the more
    the more often its passage repeats it and the fewer segments hold it: informativeness.

    Args:
        k1: Term frequency saturation.
        b: Length normalisation.
    """

    name = "lexical"
    requires_query = False
    default_threshold: float | None = None

    def __init__(self, *, k1: float = 1.2, b: float = 0.75) -> None:
        self._k1 = k1
        self._b = b

    def score(self, tasks: Sequence[ScoringTask]) -> list[list[PassageScores]]:
        """Scores of every passage of every task; each task is a corpus of its own."""
        return [self._task(task) for task in tasks]

    def _task(self, task: ScoringTask) -> list[PassageScores]:
        index = LexicalIndex(task.passages, k1=self._k1, b=self._b)
        rows = index.informativeness() if task.query is None else index.scores(task.query)
        return [
            PassageScores.of_segments(passage.segments, keep, relevance=float(keep.max(initial=0.0)))
            for passage, keep in zip(task.passages, rows, strict=True)
        ]


class LexicalIndex:
    """The words of all segments of some passages, to be asked more than once.

    Args:
        passages: The corpus; each segment is a document of it.
        k1: Term frequency saturation.
        b: Length normalisation.
    """

    def __init__(self, passages: Sequence[Passage], *, k1: float = 1.2, b: float = 0.75) -> None:
        self._passages = passages
        self._words = [
            [terms(passage.text[s.start : s.end]) for s in passage.segments] for passage in passages
        ]
        self._k1 = k1
        self._b = b

    def scores(self, query: str) -> list[NDArray[np.float32]]:
        """For each passage, its segments' BM25 scores as fractions of the greatest that could be."""
        wanted = list(dict.fromkeys(terms(query)))
        corpus = self._corpus
        if not wanted or not any(corpus):
            return self._by_passage(np.zeros(len(corpus), np.float32))
        scores = np.asarray(self._index.get_scores(wanted), np.float32)
        return self._by_passage((scores / self._ceiling(wanted)).astype(np.float32))

    def informativeness(self) -> list[NDArray[np.float32]]:
        """For each passage, its segments' mean tf-idf weight of their words."""
        return self._by_passage(_informativeness(self._words))

    @cached_property
    def _corpus(self) -> list[list[str]]:
        """The words of each segment, with those of the title and of the segment that introduces it."""
        titles = [list(dict.fromkeys(terms(passage.title or ""))) for passage in self._passages]
        return [
            words + title + (rows[segment.parent] if segment.parent >= 0 else [])
            for title, rows, passage in zip(titles, self._words, self._passages, strict=True)
            for words, segment in zip(rows, passage.segments, strict=True)
        ]

    @cached_property
    def _index(self) -> "BM25":
        import bm25s

        index = bm25s.BM25(method="lucene", k1=self._k1, b=self._b)
        index.index(self._corpus, show_progress=False)
        return index

    @cached_property
    def _frequency(self) -> Counter[str]:
        """How many segments hold each word."""
        return Counter(word for words in self._corpus for word in set(words))

    def _ceiling(self, query: Sequence[str]) -> float:
        """The score of a segment that is saturated with every query term: the sum of their idf."""
        n, frequency = len(self._corpus), self._frequency
        return float(sum(math.log(1 + (n - frequency[t] + 0.5) / (frequency[t] + 0.5)) for t in query))

    def _by_passage(self, flat: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        borders = np.cumsum([len(rows) for rows in self._words])[:-1]
        return np.split(flat, borders) if self._words else []


def terms(text: str) -> list[str]:
    """Case-folded words without plural and possessive s; character pairs for unspaced scripts."""
    found: list[str] = []
    for word in _TERM.findall(_POINTS.sub("", unicodedata.normalize("NFC", text).casefold())):
        if _UNSPACED.match(word):
            found.extend([word[i : i + 2] for i in range(len(word) - 1)] or [word])
        else:
            found.append(_PLURAL.sub("", word) if len(word) > 3 else word)
    return found


def _informativeness(segments: list[list[list[str]]]) -> NDArray[np.float32]:
    frequency = Counter(word for passage in segments for words in passage for word in set(words))
    n = sum(map(len, segments))
    scores: list[float] = []
    for passage in segments:
        tf = Counter(word for words in passage for word in words)
        weight = {
            word: (math.log(count) + _ONCE) * math.log((n + 1) / frequency[word])
            for word, count in tf.items()
        }
        scores.extend(
            sum(weight[word] for word in words) / (len(words) + 2) if words else 0.0 for words in passage
        )
    return np.array(scores, np.float32)
