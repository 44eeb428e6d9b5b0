"""Passages with questions about them as running text, in the many forms that prompts give them.

How well a passage foretells a question ranks documents in LongLLMLingua (arXiv 2310.06839, equation 3),
and how much a question helps to foretell a token values tokens (equation 5): the model must have seen
both orders.
"""

import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lingua_core.scorers.causal import RESTRICTION
from lingua_core.training.data.splits import document_name

__all__ = ["AskedPassage", "asked_passages", "question_texts", "rendered"]

Record = Mapping[str, Any]

_MOST_QUESTIONS = 3
_LONGEST_PASSAGE = 1800
_LONGEST_ANSWER = 400
_BETWEEN = ("", "", " ", "\n", "\n\n", "\n\nQuestion: ", "\n\nQ: ")
_BEHIND_QUESTION = ("\n", "\n\n", " ")


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedPassage:
    """A passage that answers questions.

    Attributes:
        document: The name of the document that it is from.
        title: Its title, or None.
        text: The passage.
        questions: What it answers.
        answers: One for each question; "" where there is none.
    """

    document: str
    title: str | None
    text: str
    questions: tuple[str, ...]
    answers: tuple[str, ...]


def question_texts(records: Iterable[Record]) -> Iterator[tuple[str, str]]:
    """Each passage of the records with its questions: the document's name, and the text.

    Passages with many questions come several times, with up to three questions each. The forms depend on
    the passage and its questions alone.
    """
    for asked in asked_passages(records):
        rng = random.Random(f"{asked.document} {asked.questions[0]}")
        yield asked.document, rendered(asked, rng)


def asked_passages(records: Iterable[Record]) -> Iterator[AskedPassage]:
    """The gold passages of the records, those of one passage together, in the order of the records."""
    groups: dict[tuple[str, str | None, str], list[tuple[str, str]]] = {}
    for record in records:
        gold = [record["passages"][i] for i in record.get("gold") or () if i < len(record["passages"])]
        passages = [p for p in gold if p["text"].strip()][:2]
        if not passages or record.get("unanswerable"):
            continue
        document = document_name(record)
        text = _shortened("\n\n".join(p["text"].strip() for p in passages))
        title = passages[0].get("title")
        # Titles that differ within a record ("table", "paragraph 2") say nothing.
        title = title if title == document else None
        answer = str(next(iter(record.get("answers") or ()), "")).strip()
        key = (document, title, text)
        asked = (record["question"].strip(), answer if len(answer) <= _LONGEST_ANSWER else "")
        groups.setdefault(key, []).append(asked)
    for (document, title, text), asked in groups.items():
        rng = random.Random(f"{document} {text[:200]}")
        rng.shuffle(asked)
        at = 0
        while at < len(asked):
            size = rng.randint(1, _MOST_QUESTIONS)
            part = asked[at : at + size]
            at += size
            yield AskedPassage(
                document=document,
                title=title.replace("_", " ") if title else None,
                text=text,
                questions=tuple(question for question, _ in part),
                answers=tuple(answer for _, answer in part),
            )


def rendered(asked: AskedPassage, rng: random.Random) -> str:
    """The passage and its questions as text: questions behind (three of five), before, or with answers."""
    passage = _passage(asked, rng)
    kind = rng.random()
    if kind < 0.2:
        question = _question(asked.questions[0], rng)
        return f"{question}{rng.choice(_BEHIND_QUESTION)}{passage}"
    if kind < 0.4 and any(asked.answers):
        lines = [
            f"Question: {question}\nAnswer: {answer}"
            for question, answer in zip(asked.questions, asked.answers, strict=True)
            if answer
        ]
        return "\n\n".join([passage, *lines])
    between = rng.choice(_BETWEEN)
    return passage + "".join(f"{between}{_question(question, rng)}" for question in asked.questions)


def _shortened(text: str) -> str:
    if len(text) <= _LONGEST_PASSAGE:
        return text
    return text[:_LONGEST_PASSAGE].rsplit(None, 1)[0]


def _passage(asked: AskedPassage, rng: random.Random) -> str:
    kind = rng.random()
    if asked.title and kind < 0.25:
        return f"{asked.title}\n{asked.text}"
    if asked.title and kind < 0.35:
        return f"Document [{rng.randint(1, 20)}](Title: {asked.title}) {asked.text}"
    return asked.text


def _question(question: str, rng: random.Random) -> str:
    return question + RESTRICTION if rng.random() < 0.25 else question
