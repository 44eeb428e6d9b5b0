"""`lingua bench quality`: how often the answer survives compression.

Has-answer, as the retrieval literature uses it: some reference answer, normalised as in SQuAD, is part
of the compressed text. It needs no reader model, and bounds what any reader can get right.
"""

import math
import re
import string
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from lingua_core.bench.questions import Question
from lingua_core.compression import PromptCompressor
from lingua_core.results import CompressionResult
from lingua_core.scorers import FixedScorer, PassageScores, Scorer, ScoringTask
from lingua_core.tokens import TokenCounter

__all__ = ["METHODS", "Quality", "has_answer", "measure_quality"]

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """How one method does at one compression ratio.

    Attributes:
        method: The method.
        ratio: Times smaller that was asked for.
        questions: Sample size.
        has_answer: Share of the questions whose answer is in the compressed text.
        all_evidence: Share of the questions with labelled evidence of which all is kept; None
            without labels.
        achieved_ratio: Mean of origin / compressed tokens.
    """

    method: str
    ratio: float
    questions: int
    has_answer: float
    all_evidence: float | None
    achieved_ratio: float

    @property
    def standard_error(self) -> float:
        """Of `has_answer`, binomial."""
        return math.sqrt(self.has_answer * (1 - self.has_answer) / self.questions)


class _Remembering:
    """A scorer that scores the same task once, for one question is compressed at several ratios."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self._key: object = None
        self._scores: Sequence[Sequence[PassageScores]] = ()
        self.name = scorer.name
        self.requires_query = scorer.requires_query
        self.default_threshold = scorer.default_threshold

    def score(self, tasks: Sequence[ScoringTask]) -> Sequence[Sequence[PassageScores]]:
        key = [(task.query, [(p.text, p.title, list(p.segments)) for p in task.passages]) for task in tasks]
        if key != self._key:
            self._scores = self._scorer.score(tasks)
            self._key = key
        return self._scores


def _random_score(query: str | None, text: str) -> float:
    return int.from_bytes(sha256(f"{query}\0{text}".encode(errors="replace")).digest()[:4]) / 2**32


METHODS: Mapping[str, Callable[[], Scorer]] = {
    "random": lambda: FixedScorer(_random_score),
    "lexical": lambda: PromptCompressor("lexical").scorer,
    "extract": lambda: PromptCompressor("extract").scorer,
}
"""Methods that can be compared, and random segments as the floor."""


def measure_quality(
    questions: Sequence[Question],
    *,
    method: str,
    ratios: Sequence[float],
    token_counter: str | TokenCounter | None = None,
    advance: Callable[[], Any] = lambda: None,
) -> list[Quality]:
    """Compress every question's documents at every ratio.

    Args:
        questions: At least one.
        method: A key of `METHODS`.
        ratios: How many times smaller the context shall become.
        token_counter: As for `PromptCompressor`.
        advance: Called after each question.
    """
    compressor = PromptCompressor(model=_Remembering(METHODS[method]()), token_counter=token_counter)
    results: dict[float, list[tuple[bool, bool | None, float]]] = {ratio: [] for ratio in ratios}
    for question in questions:
        origin = sum(compressor.token_counter.count([document.text for document in question.documents]))
        for ratio in ratios:
            result = compressor.compress(
                question.documents, question.text, target_tokens=max(1, int(origin / ratio))
            )
            evidence = _keeps_evidence(question, result) if question.evidence else None
            results[ratio].append((has_answer(result.text, question.answers), evidence, result.ratio))
        advance()
    return [_summary(method, ratio, rows) for ratio, rows in results.items()]


def has_answer(text: str, answers: Sequence[str]) -> bool:
    """Whether one of the answers is part of the text, both normalised as in SQuAD's evaluation."""
    normalised = f" {_normalised(text)} "
    return any(f" {answer} " in normalised for answer in map(_normalised, answers) if answer)


def _normalised(text: str) -> str:
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def _keeps_evidence(question: Question, result: CompressionResult) -> bool:
    spans = {document.index: document.spans for document in result.documents}
    return all(
        any(start <= a and b <= end for start, end in spans.get(index, ()))
        for index, a, b in _trimmed(question)
    )


def _trimmed(question: Question) -> Iterator[tuple[int, int, int]]:
    """Evidence spans without the white space at their ends, which spans of results never hold."""
    for index, a, b in question.evidence:
        piece = question.documents[index].text[a:b]
        yield index, a + len(piece) - len(piece.lstrip()), a + len(piece.rstrip())


def _summary(method: str, ratio: float, rows: Sequence[tuple[bool, bool | None, float]]) -> Quality:
    labelled = [evidence for _, evidence, _ in rows if evidence is not None]
    finite = [achieved for _, _, achieved in rows if math.isfinite(achieved)]
    return Quality(
        method=method,
        ratio=ratio,
        questions=len(rows),
        has_answer=sum(answered for answered, _, _ in rows) / len(rows),
        all_evidence=sum(labelled) / len(labelled) if labelled else None,
        achieved_ratio=sum(finite) / len(finite) if finite else math.inf,
    )
