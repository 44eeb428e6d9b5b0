"""Gold passages among others: contexts as a retriever hands them over."""

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from lingua_core.bench.json_lines import records_of
from lingua_core.bench.quality.questions import Question
from lingua_core.documents import Document
from lingua_core.errors import InputError
from lingua_core.scorers.lexical import terms

__all__ = ["with_listed_negatives", "with_neighbours"]


def with_listed_negatives(
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

    Raises:
        InputError: If no question has negatives.
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
    if not hard:
        raise InputError(f"{str(negatives)!r} has no negatives for any of the questions.")
    pool = sorted(set(others))
    return [
        _among_negatives(
            question, hard[question.id], pool, texts, count, random.Random(f"{seed} {question.id}")
        )
        for question in questions
        if question.id in hard
    ]


def _among_negatives(
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
    return _shuffled(question, [texts[pid] for pid in chosen if texts[pid].text not in gold], rng)


def with_neighbours(
    questions: Sequence[Question], *, data: Path, count: int, same_title: bool = False, seed: int = 0
) -> list[Question]:
    """Add to each question's documents those of the same file that BM25 ranks highest for it.

    Passages are left out that hold an answer, and those that are gold for the same question in another
    record (templated questions). A record with several passages has its own document already; it gets
    passages of documents with other titles only. Order is shuffled.

    Args:
        questions: As loaded from the file.
        data: The file.
        count: Passages that are added to each question, as far as there are so many.
        same_title: Only passages of the document that a question is about: where questions do not
            say which document they mean, passages of others answer them as well.
        seed: For shuffling.
    """
    neighbours = _Neighbours.of_records(records_of(data))
    return [
        _shuffled(
            question,
            neighbours.hardest(question, count, same_title=same_title),
            random.Random(f"{seed} {question.id}"),
        )
        for question in questions
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Neighbours:
    """All passages of a file, searchable.

    Attributes:
        documents: The different ones.
        gold: Texts that are gold for each question.
        vocabulary: All words of all passages.
    """

    documents: Sequence[Document]
    gold: Mapping[str, set[str]]
    vocabulary: set[str] = field(init=False)
    _index: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        import bm25s

        corpus = [terms(document.text) for document in self.documents]
        index = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
        index.index(corpus, show_progress=False)
        object.__setattr__(self, "_index", index)
        object.__setattr__(self, "vocabulary", {word for words in corpus for word in words})

    @classmethod
    def of_records(cls, records: Iterable[Mapping[str, Any]]) -> "_Neighbours":
        documents: dict[str, Document] = {}
        gold: dict[str, set[str]] = {}
        for record in records:
            passages: Sequence[Mapping[str, Any]] = record.get("passages") or []
            for passage in passages:
                documents.setdefault(passage["text"], Document(passage["text"], title=passage.get("title")))
            own = gold.setdefault(str(record.get("question")), set())
            own.update(str(passages[p]["text"]) for p in map(int, record.get("gold") or []))
        return cls(documents=[d for d in documents.values() if terms(d.text)], gold=gold)

    def hardest(self, question: Question, count: int, *, same_title: bool) -> list[Document]:
        """The passages that rank highest and do not answer the question."""
        titles = {document.title for document in question.documents}
        wanted = (
            document
            for document in self._ranked(question.text)
            if self._is_distractor(document, question)
            and (document.title in titles or not same_title)
            and (document.title not in titles or same_title or len(question.documents) == 1)
        )
        return list(islice(wanted, count))

    def _ranked(self, query: str) -> Iterator[Document]:
        wanted = [word for word in dict.fromkeys(terms(query)) if word in self.vocabulary]
        scores = self._index.get_scores(wanted) if wanted else np.zeros(len(self.documents))
        for i in np.argsort(-scores, kind="stable").tolist():
            yield self.documents[i]

    def _is_distractor(self, document: Document, question: Question) -> bool:
        text = document.text.lower()
        return not (
            any(document.text == own.text for own in question.documents)
            or document.text in self.gold.get(question.text, ())
            or any(answer.lower() in text for answer in question.answers)
        )


def _shuffled(question: Question, added: Sequence[Document], rng: random.Random) -> Question:
    """The question's documents and the added ones in random order; what points to them moves along."""
    documents = [*question.documents, *added]
    order = list(range(len(documents)))
    rng.shuffle(order)
    place = {old: new for new, old in enumerate(order)}
    return replace(
        question,
        documents=tuple(documents[i] for i in order),
        evidence=tuple((place[p], start, end) for p, start, end in question.evidence),
        gold=tuple(sorted(place[p] for p in question.gold)),
    )
