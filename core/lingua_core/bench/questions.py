"""Questions with documents, answers and evidence, to measure quality with.

One JSON object a line, plain or gzipped: `question`, `passages` (objects with `text` and, optionally,
`title`), `answers`, and, optionally, `evidence_sentences` ([passage, start, end] character spans).
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lingua_core.bench.json_lines import records_of
from lingua_core.documents import Document
from lingua_core.errors import InputError

__all__ = ["Question", "load_questions", "with_distractors"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question as a RAG pipeline sees it.

    Attributes:
        id: The record's id.
        text: The question.
        documents: What was retrieved.
        answers: Strings that each count as the answer.
        evidence: Spans (document index, start, end) that must be kept; empty where not labelled.
    """

    id: str
    text: str
    documents: tuple[Document, ...]
    answers: tuple[str, ...]
    evidence: tuple[tuple[int, int, int], ...] = ()


def load_questions(path: Path, *, limit: int | None = None, seed: int = 0) -> list[Question]:
    """Questions of a file that have an answer; a seeded sample of `limit` of them.

    Raises:
        InputError: If the file cannot be read, or has no answerable question.
    """
    questions = [q for q in (_question(record) for record in records_of(path)) if q.answers]
    if not questions:
        raise InputError(f"{str(path)!r} holds no question with answers.")
    if limit is None or limit >= len(questions):
        return questions
    return random.Random(seed).sample(questions, limit)


def with_distractors(
    questions: Sequence[Question],
    *,
    passages: Path,
    negatives: Path,
    count: int = 20,
    seed: int = 0,
) -> list[Question]:
    """Put each question's passage among passages that do not hold its answer.

    The question's own hard negatives come first; if they are fewer than `count - 1`, hard negatives of
    other questions fill up. Order is shuffled. Questions without negatives are left out.

    Args:
        questions: With one gold passage each.
        passages: JSON lines `{pid, title, text}`.
        negatives: JSON lines `{id, neg: [pid, ...]}`, by question id.
        count: Documents of each context.
        seed: For filling up and shuffling.
    """
    texts = {
        record["pid"]: Document(record["text"], title=record.get("title")) for record in records_of(passages)
    }
    wanted = {question.id for question in questions}
    hard: dict[str, list[int]] = {}
    others: list[int] = []
    for record in records_of(negatives):
        if record["neg"]:
            others.extend(record["neg"][:2])
        if record["id"] in wanted and record["neg"]:
            hard[record["id"]] = record["neg"]
    pool = sorted(set(others))
    return [
        _mixed(question, hard[question.id], pool, texts, count, random.Random(f"{seed} {question.id}"))
        for question in questions
        if question.id in hard
    ]


def _mixed(
    question: Question,
    hard: Sequence[int],
    pool: Sequence[int],
    texts: Mapping[int, Document],
    count: int,
    rng: random.Random,
) -> Question:
    chosen = list(hard[: count - 1])
    gold = {document.text for document in question.documents}
    while len(chosen) < count - 1:
        candidate = rng.choice(pool)
        text = texts[candidate].text.lower()
        if candidate not in chosen and not any(answer.lower() in text for answer in question.answers):
            chosen.append(candidate)
    documents = [*question.documents, *(texts[pid] for pid in chosen if texts[pid].text not in gold)]
    order = list(range(len(documents)))
    rng.shuffle(order)
    place = {old: new for new, old in enumerate(order)}
    return replace(
        question,
        documents=tuple(documents[i] for i in order),
        evidence=tuple((place[p], start, end) for p, start, end in question.evidence),
    )


def _question(record: Mapping[str, Any]) -> Question:
    try:
        return Question(
            id=str(record.get("id", "")),
            text=record["question"],
            documents=tuple(Document(p["text"], title=p.get("title")) for p in record["passages"]),
            answers=tuple(record.get("answers") or ()),
            evidence=tuple((int(p), int(a), int(b)) for p, a, b in record.get("evidence_sentences") or ()),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"A record needs 'question', 'passages' with 'text', and 'answers'; got {error!r} for "
            f"{record!r:.200}."
        ) from error
