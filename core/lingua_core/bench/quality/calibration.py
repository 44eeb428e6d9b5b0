"""Whether keep scores are probabilities."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lingua_core.bench.quality.measures import Row, Scored, segments_of
from lingua_core.bench.quality.methods import ScorerMethod
from lingua_core.bench.quality.metrics import Estimate, estimate
from lingua_core.bench.quality.questions import Question
from lingua_core.errors import InputError

__all__ = ["measure_calibration"]

_BINS = 10


def measure_calibration(
    questions: Sequence[Question],
    method: ScorerMethod,
    *,
    name: str,
    advance: Callable[[], Any] = lambda: None,
) -> list[Row]:
    """A reliability table: are keep scores the probabilities of being evidence?

    For each tenth of the scores' range from 0 to 1, figures over its segments: "share of segments", "mean
    score", "is evidence" (its mean should be that of the score). The last row holds the expected
    calibration error: the mean distance of the two, weighted by segments; its standard error is from
    leaving out a tenth of the questions in turn (jackknife), for segments of one question are no
    independent sample. Scores outside 0 to 1 are counted in the outer bins.
    """
    groups: list[list[Scored]] = []
    for question in questions:
        if question.is_labelled:
            result = method.compressor.compress(question.documents, question.text, rate=1.0)
            groups.append(list(segments_of(question, result)))
        advance()
    scored = [segment for group in groups for segment in group]
    if not scored:
        raise InputError("No question says which of its text is evidence, so scores cannot be held to it.")
    rows = [
        Row(method=name, setting=f"{i / _BINS:g} to {(i + 1) / _BINS:g}", figures=_of_bin(own, len(scored)))
        for i, own in enumerate(_binned(scored))
    ]
    error = Estimate(mean=_calibration_error(scored), standard_error=_jackknife(groups), size=len(groups))
    return [*rows, Row(method=name, setting="all", figures={"expected calibration error": error})]


def _binned(scored: Sequence[Scored]) -> list[list[Scored]]:
    bins: list[list[Scored]] = [[] for _ in range(_BINS)]
    for segment in scored:
        bins[min(_BINS - 1, max(0, int(segment.score * _BINS)))].append(segment)
    return bins


def _of_bin(own: Sequence[Scored], total: int) -> dict[str, Estimate | None]:
    share = len(own) / total
    return {
        "share of segments": Estimate(
            mean=share, standard_error=(share * (1 - share) / total) ** 0.5, size=total
        ),
        "mean score": estimate(segment.score for segment in own),
        "is evidence": estimate(segment.is_evidence for segment in own),
    }


def _calibration_error(scored: Sequence[Scored]) -> float:
    gaps = [abs(sum(s.score - s.is_evidence for s in own)) for own in _binned(scored)]
    return sum(gaps) / len(scored)


def _jackknife(groups: Sequence[Sequence[Scored]]) -> float:
    parts = min(_BINS, len(groups))
    if parts < 2:
        return 0.0
    errors = [
        _calibration_error([s for i, group in enumerate(groups) if i % parts != left for s in group])
        for left in range(parts)
    ]
    return float(np.sqrt((parts - 1) * np.var(errors)))
