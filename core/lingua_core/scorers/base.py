"""What a scorer is given, and what it gives back.

A scorer values text for a question. Whatever the model (an encoder that reads question and passage
together, sentence embeddings, BM25, a causal language model), the answer has one shape: for every
passage a relevance, and a keep score for each *unit* of it. Units are what the model can tell apart:
tokens for a model that labels tokens, segments for one that embeds sentences. `pool` makes segment
scores out of either.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lingua_core.errors import ScorerError
from lingua_core.models.readings import Readings
from lingua_core.segmentation.segment import Segment

__all__ = ["Passage", "PassageScores", "Scorer", "ScoringTask", "check_scores", "pool", "score_once"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A document as a scorer sees it.

    Attributes:
        text: The document's text, safe for native libraries, with the same character offsets.
        title: The document's title, or None.
        segments: What will be kept or dropped as a whole; sorted, disjoint.
    """

    text: str
    title: str | None
    segments: Sequence[Segment]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringTask:
    """One question with its passages.

    Attributes:
        query: The question; None asks for informativeness without a question.
        passages: What to score; scores may take the other passages of the task into account.
        instruction: What the reader will be told to do; for scorers that read the whole prompt.
        readings: What a language model has read of this prompt already, for the next stage with the same
            model; no scorer needs it.
    """

    query: str | None
    passages: Sequence[Passage]
    instruction: str = ""
    readings: Readings | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PassageScores:
    """Scores of one passage.

    Attributes:
        relevance: How much the passage as a whole is worth for the query.
        starts: Character offsets at which the scored units begin, ascending. Shape (units,).
        ends: Character offsets behind the units. Shape (units,).
        keep: The units' keep scores, higher is better. Shape (units,).
    """

    relevance: float
    starts: NDArray[np.int64] = field(repr=False)
    ends: NDArray[np.int64] = field(repr=False)
    keep: NDArray[np.float32] = field(repr=False)

    @classmethod
    def of_segments(
        cls, segments: Sequence[Segment], keep: NDArray[np.float32], *, relevance: float
    ) -> "PassageScores":
        """Scores whose units are the passage's segments."""
        return cls(
            relevance=relevance,
            starts=np.fromiter((s.start for s in segments), np.int64, len(segments)),
            ends=np.fromiter((s.end for s in segments), np.int64, len(segments)),
            keep=keep,
        )


@runtime_checkable
class Scorer(Protocol):
    """Values passages for a question.

    Scores must not depend on how tasks are batched, and several threads may call at once.
    """

    @property
    def name(self) -> str:
        """For people; appears in results."""
        ...

    @property
    def requires_query(self) -> bool:
        """Whether a task without a query is an error."""
        ...

    @property
    def default_threshold(self) -> float | None:
        """The keep score that a segment needs when the caller gives a query and no budget.

        None if the scores are not calibrated, so that a default rate applies instead.
        """
        ...

    def score(self, tasks: Sequence[ScoringTask]) -> Sequence[Sequence[PassageScores]]:
        """For each task, the scores of each of its passages, in the order given."""
        ...


def score_once(scorer: Scorer, tasks: Sequence[ScoringTask]) -> list[Sequence[PassageScores]]:
    """Scores of all tasks, those of one prompt under several budgets from one pass where they are equal."""
    different: list[ScoringTask] = []
    places: dict[tuple[object, ...], list[int]] = {}
    owner: list[int] = []
    for task in tasks:
        # Texts are compared by identity: budgets of one prompt share them.
        key = (task.query, task.instruction, *(id(passage.text) for passage in task.passages))
        known = next((i for i in places.setdefault(key, []) if different[i] == task), None)
        if known is None:
            known = len(different)
            places[key].append(known)
            different.append(task)
        owner.append(known)
    if not different:
        return []
    found = scorer.score(different)
    # Left as it is where it has the wrong length: the caller says so.
    return [found[i] for i in owner] if len(found) == len(different) else list(found)


def pool(scores: PassageScores, segments: Sequence[Segment]) -> NDArray[np.float32]:
    """Segment scores from unit scores: the mean keep score of the units whose middle lies in it.

    A segment that holds none, because a unit covers more than it, gets that unit's score; without one, the
    passage's lowest keep score.

    Returns:
        Shape (segments,).
    """
    if not len(segments):
        return np.zeros(0, np.float32)
    if not len(scores.keep):
        return np.full(len(segments), scores.relevance, np.float32)
    starts = np.fromiter((s.start for s in segments), np.int64, len(segments))
    if len(starts) == len(scores.starts) and np.array_equal(starts, scores.starts):
        return scores.keep.astype(np.float32, copy=True)
    ends = np.fromiter((s.end for s in segments), np.int64, len(segments))
    middle = (scores.starts + scores.ends) / 2
    owner = np.searchsorted(starts, middle, side="right") - 1
    inside = (owner >= 0) & (middle <= ends[owner])
    count = np.bincount(owner[inside], minlength=len(segments))
    total = np.bincount(owner[inside], weights=scores.keep[inside], minlength=len(segments))
    means = np.where(count > 0, total / np.maximum(count, 1), scores.keep.min())
    if (count == 0).any():
        centre = (starts + ends) / 2
        covering = np.searchsorted(scores.starts, centre, side="right") - 1
        covered = (count == 0) & (covering >= 0) & (centre <= scores.ends[covering])
        means[covered] = scores.keep[covering[covered]]
    return means.astype(np.float32)


def check_scores(scores: PassageScores) -> None:
    """Raise a ScorerError unless the scores are what the protocol asks for."""
    if not isinstance(scores, PassageScores):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped scorers
        raise ScorerError(
            f"A scorer must return PassageScores for each passage, got {type(scores).__name__}."
        )
    for name, array in (("starts", scores.starts), ("ends", scores.ends), ("keep", scores.keep)):
        if not isinstance(array, np.ndarray) or array.ndim != 1:  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped scorers
            raise ScorerError(
                f"PassageScores.{name} must be a numpy array of one dimension, got {array!r:.80}."
            )
    if not isinstance(scores.relevance, (int, float, np.number)):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped scorers
        raise ScorerError(f"PassageScores.relevance must be a number, got {scores.relevance!r:.80}.")
    lengths = {len(scores.starts), len(scores.ends), len(scores.keep)}
    if len(lengths) > 1:
        raise ScorerError(f"starts, ends and keep must have one length, got {sorted(lengths)}.")
    if np.isnan(scores.keep).any() or np.isnan(scores.relevance):
        raise ScorerError("A scorer returned NaN. Scores must be numbers; use a low score for 'drop'.")
    if len(scores.starts) > 1 and (np.diff(scores.starts) < 0).any():
        raise ScorerError("starts must be ascending character offsets.")
