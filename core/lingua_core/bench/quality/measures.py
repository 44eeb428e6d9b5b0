"""Measurements, each from questions to rows of figures: what is kept, ranking, thresholds."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lingua_core.bench.quality.methods import Kept, Method, ScorerMethod, kept_of
from lingua_core.bench.quality.metrics import (
    Estimate,
    all_evidence,
    estimate,
    evidence_recall,
    evidence_texts,
    gold_touched,
    has_answer,
    ndcg,
    reciprocal_rank,
)
from lingua_core.bench.quality.questions import Question
from lingua_core.errors import InputError
from lingua_core.results import CompressedDocument, CompressionResult

__all__ = [
    "Row",
    "Scored",
    "answers_are_extracted",
    "measure_kept",
    "measure_ranking",
    "measure_thresholds",
    "scorer_method",
    "segments_of",
]

_MOST_ANSWERS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Figures of one method under one setting.

    Attributes:
        method: The method.
        setting: The ratio, the budget, or the range of scores that the figures are about.
        figures: By name; None where the questions have no label for it.
    """

    method: str
    setting: str
    figures: Mapping[str, Estimate | None]


def scorer_method(name: str, method: Method) -> ScorerMethod:
    """The method, if it is a scorer.

    Raises:
        InputError: If it gives no scores.
    """
    if not isinstance(method, ScorerMethod):
        raise InputError(f"Method {name!r} gives no scores to measure; leave it out, or use --measure kept.")
    return method


def answers_are_extracted(questions: Sequence[Question]) -> bool:
    """Whether has-answer means something: most uncompressed contexts hold an answer verbatim."""
    held = estimate(has_answer(_text(question), question.answers) for question in questions)
    return held is not None and held.mean > _MOST_ANSWERS


def _text(question: Question) -> str:
    return "\n\n".join(document.text for document in question.documents)


def measure_kept(
    questions: Sequence[Question],
    method: Method,
    *,
    name: str,
    ratios: Sequence[float],
    advance: Callable[[], Any] = lambda: None,
) -> list[Row]:
    """Compress every question's documents to every ratio: are answer and evidence still there?

    Figures: "has answer"; "all evidence" (every labelled sentence whole); "every gold document" (something
    of each is kept); "evidence kept" (mean share of the evidence's characters); "evidence that fits" (what
    that could be at best, evidence being larger than the budget in long answers); "rate" (kept tokens,
    where methods may stay below the budget).

    Args:
        questions: At least one.
        method: What compresses.
        name: Its name.
        ratios: How many times smaller the context shall become.
        advance: Called after each question.
    """
    extracted = answers_are_extracted(questions)
    found: dict[float, list[dict[str, float | None]]] = {ratio: [] for ratio in ratios}
    for question in questions:
        origin = sum(method.counter.count([document.text for document in question.documents]))
        evidence = sum(method.counter.count(evidence_texts(question)))
        for ratio in ratios:
            target = max(1, int(origin / ratio))
            kept = method.kept(question, target)
            found[ratio].append(
                {
                    **_of_kept(question, kept, extracted),
                    "evidence that fits": min(1, target / evidence) if evidence else None,
                    "rate": kept.tokens / origin if origin else None,
                }
            )
        advance()
    return [Row(method=name, setting=f"{ratio:g}x", figures=_means(rows)) for ratio, rows in found.items()]


def _of_kept(question: Question, kept: Kept, extracted: bool) -> dict[str, float | None]:
    spans = kept.spans
    return {
        "has answer": has_answer(kept.text, question.answers) if extracted and question.answers else None,
        "all evidence": all_evidence(question, spans) if spans is not None else None,
        "every gold document": gold_touched(question, spans) if spans is not None else None,
        "evidence kept": evidence_recall(question, spans) if spans is not None else None,
    }


def _means(rows: Sequence[Mapping[str, float | None]]) -> dict[str, Estimate | None]:
    return {
        name: estimate(value for row in rows if (value := row[name]) is not None)
        for name in (rows[0] if rows else ())
    }


def measure_ranking(
    questions: Sequence[Question],
    method: ScorerMethod,
    *,
    name: str,
    advance: Callable[[], Any] = lambda: None,
) -> list[Row]:
    """How high the scorer's relevance puts the gold documents: "nDCG@10" and "MRR".

    Questions of which every document is gold, or none, say nothing and are left out. Documents of equal
    relevance stay in the order of the context, which is random where distractors were added.
    """
    found: list[dict[str, float | None]] = []
    for question in questions:
        if 0 < len(question.gold) < len(question.documents):
            result = method.compressor.compress(question.documents, question.text, rate=1.0)
            ranked = sorted(_all(result), key=lambda document: (-document.score, document.index))
            order = [document.index for document in ranked]
            found.append(
                {"nDCG@10": ndcg(order, question.gold), "MRR": reciprocal_rank(order, question.gold)}
            )
        advance()
    if not found:
        raise InputError("No question has both gold documents and others, so there is nothing to rank.")
    return [Row(method=name, setting="", figures=_means(found))]


def measure_thresholds(
    questions: Sequence[Question],
    method: ScorerMethod,
    *,
    name: str,
    thresholds: Sequence[float] = (),
    advance: Callable[[], Any] = lambda: None,
) -> list[Row]:
    """No budget: what the method's default keeps, and what other thresholds would keep.

    Figures: "tokens removed"; "has answer"; "evidence kept"; "nothing kept" (share of the questions: right
    for unanswerable ones); "answerless dropped" (share of the documents without evidence of which nothing
    is kept); "evidence among kept" (share of the kept segments that hold evidence, of questions of which
    something is kept).

    Args:
        questions: At least one.
        method: What compresses.
        name: Its name.
        thresholds: Beside the default.
        advance: Called after each question.
    """
    extracted = answers_are_extracted(questions)
    budgets: list[float | None] = [None, *thresholds]
    found: dict[str, list[dict[str, float | None]]] = {}
    for question in questions:
        for threshold in budgets:
            result = method.compressor.compress(question.documents, question.text, threshold=threshold)
            setting = f"default, {result.budget}" if threshold is None else str(result.budget)
            found.setdefault(setting, []).append(
                {
                    "tokens removed": 1 - result.rate,
                    **_of_kept(question, kept_of(result), extracted),
                    **_of_dropped(question, result),
                }
            )
        advance()
    return [Row(method=name, setting=setting, figures=_means(rows)) for setting, rows in found.items()]


def _of_dropped(question: Question, result: CompressionResult) -> dict[str, float | None]:
    answerless = [i for i in range(len(question.documents)) if i not in question.gold]
    dropped = {document.index for document in result.dropped}
    share = estimate(i in dropped for i in answerless) if question.is_labelled else None
    kept = [scored.is_evidence for scored in segments_of(question, result) if scored.kept]
    precision = estimate(kept) if question.is_labelled else None
    return {
        "nothing kept": not result.documents,
        "answerless dropped": share.mean if share else None,
        "evidence among kept": precision.mean if precision else None,
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """A segment with its score, its verdict and the truth.

    Attributes:
        score: The keep score.
        kept: Whether it was kept.
        is_evidence: Whether it holds some of the question's evidence.
    """

    score: float
    kept: bool
    is_evidence: bool


def segments_of(question: Question, result: CompressionResult) -> Iterator[Scored]:
    """All segments of a question's documents."""
    for document in _all(result):
        spans = [(a, b) for index, a, b in question.evidence if index == document.index]
        for segment in document.segments:
            holds = any(segment.start < b and a < segment.end for a, b in spans)
            yield Scored(score=segment.score, kept=segment.kept, is_evidence=holds)


def _all(result: CompressionResult) -> list[CompressedDocument]:
    return [*result.documents, *result.dropped]
