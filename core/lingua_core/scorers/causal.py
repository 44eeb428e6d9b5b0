"""Scores from a causal language model: how surprising text is, by itself or beside a question."""

from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from lingua_core.errors import InputError
from lingua_core.models.continuations import Continuation
from lingua_core.models.hugging_face import TokenizedText
from lingua_core.models.language_model import LanguageModel
from lingua_core.scorers.base import Passage, PassageScores, ScoringTask

__all__ = ["RESTRICTION", "Condition", "PerplexityRanker", "SurprisalScorer", "passage_tokens"]

Condition = Literal["none", "before", "after"]

RESTRICTION = " We can get the answer to this question in the given documents."
"""What follows the question in LongLLMLingua, so that a model takes the documents for its source
(arXiv 2310.06839, section 4.1)."""

Ids = NDArray[np.int64]


def passage_tokens(model: LanguageModel, passages: Sequence[Passage]) -> list[TokenizedText]:
    """The tokens of each passage that are part of one of its segments, or of the white space before one."""
    found: list[TokenizedText] = []
    for passage, tokens in zip(passages, model.tokenize([p.text for p in passages]), strict=True):
        starts = np.fromiter((s.start for s in passage.segments), np.int64, len(passage.segments))
        ends = np.fromiter((s.end for s in passage.segments), np.int64, len(passage.segments))
        # The first segment that ends behind the token's beginning: does it begin before the token's end?
        nearest = np.searchsorted(ends, tokens.starts, side="right")
        inside = nearest < len(ends)
        inside[inside] = starts[nearest[inside]] < tokens.ends[inside]
        for i in np.flatnonzero(~inside & (nearest < len(ends))).tolist():
            inside[i] = not passage.text[tokens.starts[i] : starts[nearest[i]]].strip()
        found.append(TokenizedText(tokens.ids[inside], tokens.starts[inside], tokens.ends[inside]))
    return found


class SurprisalScorer:
    """Self-information of each token, in nats, question or not: Selective-Context (arXiv 2310.06201).

    What a language model foresees tells its reader little. A passage's relevance is its mean surprisal. The
    first token of a text, where the model has no beginning-of-text token to see before it, gets the mean.

    Args:
        model: The language model.
    """

    name = "selective-context"
    requires_query = False
    default_threshold: float | None = None

    def __init__(self, model: LanguageModel) -> None:
        self._model = model

    def score(self, tasks: Sequence[ScoringTask]) -> list[list[PassageScores]]:
        """Scores of every passage of every task; the units are tokens."""
        tokens = [passage_tokens(self._model, task.passages) for task in tasks]
        nothing = np.zeros(0, np.int64)
        values = iter(
            self._model.surprisals([Continuation(nothing, row.ids) for rows in tokens for row in rows])
        )
        return [[_scores(row, next(values)) for row in rows] for rows in tokens]


class PerplexityRanker:
    """Ranks passages by perplexity: the coarse stage of LLMLingua and LongLLMLingua.

    Args:
        model: The language model.
        condition: "after": how well the passage foretells the question with `RESTRICTION`, r_k in
            LongLLMLingua (arXiv 2310.06839, equation 3). "before": how well the question foretells the
            passage. "none": passages that are hard to foretell come first, as LLMLingua's demonstrations
            (arXiv 2310.05736, section 4.1); also where there is no query.
        restriction: What follows the question.

    Raises:
        InputError: If the condition is none of these.
    """

    name = "perplexity"
    requires_query = False
    default_threshold: float | None = None

    def __init__(
        self, model: LanguageModel, *, condition: Condition = "after", restriction: str = RESTRICTION
    ) -> None:
        if condition not in get_args(Condition):
            raise InputError(f"condition must be one of {', '.join(get_args(Condition))}, got {condition!r}.")
        self._model = model
        self._condition: Condition = condition
        self._restriction = restriction

    def score(self, tasks: Sequence[ScoringTask]) -> list[list[PassageScores]]:
        """A relevance for each passage, all segments of which share it: higher is better.

        Mean log-likelihood per token, in nats, with a query; mean surprisal without one.
        """
        continuations: list[Continuation] = []
        owners: list[tuple[int, int]] = []
        for t, task in enumerate(tasks):
            for p, row in enumerate(self._continuations(task)):
                continuations += row
                owners += [(t, p)] * len(row)
        found: dict[tuple[int, int], float] = {}
        readings = tasks[0].readings if tasks else None
        surprisals = self._model.surprisals(continuations, readings=readings)
        for owner, values in zip(owners, surprisals, strict=True):
            known = values[~np.isnan(values)]
            mean = float(known.mean()) if len(known) else 0.0
            value = mean if self._is_blind(tasks[owner[0]]) else -mean
            found[owner] = max(found.get(owner, -np.inf), value)
        return [
            [_of_passage(passage, found.get((t, p), 0.0)) for p, passage in enumerate(task.passages)]
            for t, task in enumerate(tasks)
        ]

    def _is_blind(self, task: ScoringTask) -> bool:
        return self._condition == "none" or task.query is None

    def _continuations(self, task: ScoringTask) -> list[list[Continuation]]:
        nothing = np.zeros(0, np.int64)
        if self._is_blind(task):
            return [[Continuation(nothing, row.ids)] for row in passage_tokens(self._model, task.passages)]
        question = f"{task.query}{self._restriction}"
        texts = [_text(passage) for passage in task.passages]
        if self._condition == "before":
            asked = len(self._model.tokenize([question])[0].ids)
            rows = self._model.tokenize([question + text for text in texts])
            return [[Continuation(row.ids[:asked], row.ids[asked:])] for row in rows]
        alone = self._model.tokenize(texts)
        joined = self._model.tokenize([text + question for text in texts])
        return [
            _after(row.ids[: len(own.ids)], row.ids[len(own.ids) :], self._model.window)
            for own, row in zip(alone, joined, strict=True)
        ]


def _after(passage: Ids, question: Ids, window: int) -> list[Continuation]:
    """The question after each window of a passage; the best of them counts."""
    room = max(1, window // 2)
    if len(passage) <= room:
        return [Continuation(passage, question)]
    ends = [*range(room, len(passage), max(1, room // 2)), len(passage)]
    return [Continuation(passage[max(0, end - room) : end], question) for end in ends]


def _text(passage: Passage) -> str:
    """The text from the first segment to the last: what there is to keep."""
    if not passage.segments:
        return ""
    return passage.text[passage.segments[0].start : passage.segments[-1].end]


def _scores(tokens: TokenizedText, surprisals: NDArray[np.float32]) -> PassageScores:
    known = surprisals[~np.isnan(surprisals)]
    mean = float(known.mean()) if len(known) else 0.0
    keep = np.where(np.isnan(surprisals), np.float32(mean), surprisals)
    return PassageScores(relevance=mean, starts=tokens.starts, ends=tokens.ends, keep=keep)


def _of_passage(passage: Passage, value: float) -> PassageScores:
    keep = np.full(len(passage.segments), value, np.float32)
    return PassageScores.of_segments(passage.segments, keep, relevance=value)
