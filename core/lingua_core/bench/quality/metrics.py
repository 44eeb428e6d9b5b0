"""What is measured of one question, and its mean over many. Pure functions."""

import math
import re
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lingua_core.bench.quality.questions import Evidence, Question

__all__ = [
    "Estimate",
    "all_evidence",
    "estimate",
    "evidence_recall",
    "evidence_texts",
    "gold_touched",
    "has_answer",
    "ndcg",
    "reciprocal_rank",
]

Spans = Mapping[int, Sequence[tuple[int, int]]]
"""Kept character spans of each document that has any, by its index."""

_NO_WORD = re.compile(r"[\W_]")
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean over a sample.

    Attributes:
        mean: The mean.
        standard_error: Of the mean; for shares that is the binomial one.
        size: What the mean is over.
    """

    mean: float
    standard_error: float
    size: int


def estimate(values: Iterable[float]) -> Estimate | None:
    """The mean of the values with its standard error; None of no values."""
    numbers = [float(value) for value in values]
    if not numbers:
        return None
    mean = math.fsum(numbers) / len(numbers)
    variance = math.fsum((number - mean) ** 2 for number in numbers) / len(numbers)
    return Estimate(mean=mean, standard_error=math.sqrt(variance / len(numbers)), size=len(numbers))


def has_answer(text: str, answers: Sequence[str]) -> bool:
    """Whether one of the answers is a run of whole words of the text.

    Both are normalised as in SQuAD's evaluation: lower case, no punctuation, no articles. There, removing
    punctuation joins "1857" to its neighbour in "1857-63", and the answer would be missing in the full
    text; so text and answer are also compared with spaces in place of punctuation.
    """
    for normalised in (_joined_at_punctuation, _split_at_punctuation):
        searched = f" {normalised(text)} "
        if any(f" {wanted} " in searched for wanted in map(normalised, answers) if wanted):
            return True
    return False


def _joined_at_punctuation(text: str) -> str:
    return _plain(text.lower().translate(_PUNCTUATION))


def _split_at_punctuation(text: str) -> str:
    return _plain(_NO_WORD.sub(" ", text.lower()))


def _plain(text: str) -> str:
    return " ".join(_ARTICLES.sub(" ", text).split())


def evidence_texts(question: Question) -> list[str]:
    """The pieces of text that have to be told from the rest."""
    return [question.documents[index].text[start:end] for index, start, end in _telling(question)]


def evidence_recall(question: Question, spans: Spans) -> float | None:
    """Share of the evidence's characters that is kept, white space not counted.

    None without evidence, and where all there is counts as evidence.
    """
    total = kept = 0
    for index, start, end in _telling(question):
        text = question.documents[index].text
        total += _size(text[start:end])
        kept += sum(_size(text[max(start, a) : min(end, b)]) for a, b in spans.get(index, ()))
    return kept / total if total else None


def _telling(question: Question) -> Sequence[Evidence]:
    if question.evidence_from == "passages" and len(question.gold) == len(question.documents):
        return ()
    return question.evidence


def all_evidence(question: Question, spans: Spans) -> bool | None:
    """Whether every labelled sentence is kept whole; None where sentences are not labelled."""
    if question.evidence_from != "sentences":
        return None
    return evidence_recall(question, spans) == 1


def gold_touched(question: Question, spans: Spans) -> bool | None:
    """Whether something is kept of every gold document; None where they are not labelled."""
    return all(spans.get(index) for index in question.gold) if question.gold else None


def _size(text: str) -> int:
    return sum(map(len, text.split()))


def ndcg(ranking: Sequence[int], gold: Sequence[int], *, depth: int = 10) -> float:
    """Normalised discounted cumulative gain of documents in order, gold ones being worth 1."""
    wanted = set(gold)
    gain = sum(1 / math.log2(i + 2) for i, document in enumerate(ranking[:depth]) if document in wanted)
    return gain / sum(1 / math.log2(i + 2) for i in range(min(depth, len(wanted))))


def reciprocal_rank(ranking: Sequence[int], gold: Sequence[int]) -> float:
    """One divided by the rank of the first gold document; 0 if there is none."""
    wanted = set(gold)
    return next((1 / (i + 1) for i, document in enumerate(ranking) if document in wanted), 0.0)
