"""Questions with documents, answers and evidence, to measure quality with.

One JSON object a line, plain or gzipped: `question`, `passages` (objects with `text` and, optionally,
`title`), and what the set has of `answers`, `evidence_sentences` and `answer_spans` ([passage, start, end]
character spans), `gold` (indices of passages), `unanswerable`, `history` (turns as "speaker: text"),
`split` and `id`.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lingua_core.bench.json_lines import records_of
from lingua_core.documents import Document
from lingua_core.errors import InputError
from lingua_core.segmentation import TextSegmenter
from lingua_core.training.data.splits import document_name
from lingua_core.training.data.splits import held_out as is_held_out
from lingua_core.unicode import encodable

__all__ = ["Evidence", "Question", "load_questions"]

Evidence = tuple[int, int, int]
"""Index of a document, and a character span of its text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question as a RAG pipeline sees it.

    Attributes:
        id: The record's id.
        text: The question.
        documents: What was retrieved.
        answers: Strings that each count as the answer.
        evidence: What a reader needs: the labelled sentences, else the sentences around the answer's
            spans, else the whole gold documents; empty where nothing is labelled.
        evidence_from: Which of the three.
        gold: Indices of the documents with evidence.
        is_labelled: Whether `gold` says of every document if it has evidence: true where the record
            does, and where it says that there is none.
    """

    id: str
    text: str
    documents: tuple[Document, ...]
    answers: tuple[str, ...]
    evidence: tuple[Evidence, ...] = ()
    evidence_from: Literal["sentences", "answers", "passages"] = "passages"
    gold: tuple[int, ...] = ()
    is_labelled: bool = False


def load_questions(
    path: Path,
    *,
    limit: int | None = None,
    seed: int = 0,
    split: str | None = None,
    held_out: bool = False,
    unanswerable: bool = False,
    history: int = 0,
) -> list[Question]:
    """Questions of a file of which something can be measured; a seeded sample of `limit` of them.

    Args:
        path: The file.
        limit: Size of the sample; None for all.
        seed: Of the sample.
        split: Only records whose field `split` is this.
        held_out: Only records about documents that training never sees.
        unanswerable: Only records with `unanswerable` set instead of only those without.
        history: Turns of `history` that are put before the question, as most chains pass a
            conversation: the words alone, in one line.

    Raises:
        InputError: If the file cannot be read, or has no such question.
    """
    records = [
        record
        for record in map(_checked, records_of(path))
        if _can_be_measured(record, unanswerable)
        and (split is None or record.get("split") == split)
        and (not held_out or is_held_out(document_name(record)))
    ]
    if not records:
        raise InputError(f"{str(path)!r} holds no question of the kind asked for that can be measured.")
    if limit is not None and limit < len(records):
        records = random.Random(seed).sample(records, limit)
    return [_question(record, history) for record in records]


def _checked(record: Any) -> Mapping[str, Any]:  # noqa: ANN401  # a line may hold any JSON
    if not isinstance(record, Mapping):
        raise InputError(f"Expected JSON objects, one a line; got {record!r:.80}.")
    return record  # pyright: ignore[reportUnknownVariableType]  # JSON objects have str keys


def _can_be_measured(record: Mapping[str, Any], unanswerable: bool) -> bool:
    if unanswerable or record.get("unanswerable"):
        return unanswerable and bool(record.get("unanswerable"))
    return any(record.get(label) for label in ("answers", "evidence_sentences", "answer_spans", "gold"))


def _question(record: Mapping[str, Any], history: int) -> Question:
    try:
        documents = tuple(Document(p["text"], title=p.get("title")) for p in record["passages"])
        evidence, source = _evidence(record, documents)
        return Question(
            id=str(record.get("id", "")),
            text=_conversational(record, history),
            documents=documents,
            answers=tuple(record.get("answers") or ()),
            evidence=evidence,
            evidence_from=source,
            gold=tuple(sorted({int(p) for p in record.get("gold") or ()} or {p for p, _, _ in evidence})),
            is_labelled=bool(evidence or record.get("unanswerable")),
        )
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise InputError(
            f"A record needs 'question', 'passages' with 'text', and 'answers' or another label; got "
            f"{error!r} for {record!r:.200}."
        ) from error


def _evidence(
    record: Mapping[str, Any], documents: Sequence[Document]
) -> tuple[tuple[Evidence, ...], Literal["sentences", "answers", "passages"]]:
    if labelled := _spans(record, "evidence_sentences"):
        return labelled, "sentences"
    if answers := _spans(record, "answer_spans"):
        return _sentences_around(answers, documents), "answers"
    gold = sorted({int(p) for p in record.get("gold") or ()})
    return tuple((p, 0, len(documents[p].text)) for p in gold), "passages"


def _spans(record: Mapping[str, Any], field: str) -> tuple[Evidence, ...]:
    return tuple((int(p), int(a), int(b)) for p, a, b in record.get(field) or ())


def _sentences_around(spans: Sequence[Evidence], documents: Sequence[Document]) -> tuple[Evidence, ...]:
    segmenter = TextSegmenter()
    segments = {p: segmenter.segment(encodable(documents[p].text)) for p in {p for p, _, _ in spans}}
    found = {(p, s.start, s.end) for p, a, b in spans for s in segments[p] if s.start < b and a < s.end}
    return tuple(sorted(found))


def _conversational(record: Mapping[str, Any], turns: int) -> str:
    history = [str(turn).split(": ", 1)[-1] for turn in record.get("history") or ()]
    return " ".join([*(history[-turns:] if turns else ()), str(record["question"])])
