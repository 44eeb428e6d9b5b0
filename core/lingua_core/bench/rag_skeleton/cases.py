"""Questions with evidence in several documents, and plans for their answers that do not give them away.

No set has skeletons written by people, so they are made, by rules that know which documents hold evidence
but nothing of what it says:

* One point for each document with evidence: its title, as a planner who has seen the documents names their
  subjects. A title that holds an answer, or is part of one, would give it away; the point is then called
  `UNNAMED`.
* Neutral points up to a number that is drawn from 5 to 9, as in the paper (arXiv 2307.15337): in turns the
  title of a document without evidence and a general aspect.

Points are put in a random order. All chance is seeded by the question's id.
"""

import html
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lingua_core.bench.quality.contexts import with_neighbours
from lingua_core.bench.quality.questions import Evidence, Question, load_questions
from lingua_core.documents import Document
from lingua_core.errors import InputError

__all__ = ["SETS", "UNNAMED", "Case", "load_cases"]

SETS = ("hotpotqa_30", "musique_30")
"""Development sets with evidence in several documents, as files of `--data`."""
UNNAMED = "The answer to the question"
_ASPECTS = (
    "Background",
    "People and places involved",
    "Dates and figures",
    "How this is known",
    "Open questions",
)
_DOCUMENTS = 20
_NEIGHBOURS = 30
_WORDS = (85, 180)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A question over documents, with a plan of its answer.

    Attributes:
        id: Of the question.
        question: What is asked.
        documents: What the answer is to rest on.
        evidence: Spans of documents that a reader needs.
        points: What each point is about, in the order of the plan.
        about: The point, counted from 1, that is about each document with evidence.
    """

    id: str
    question: str
    documents: tuple[Document, ...]
    evidence: tuple[Evidence, ...]
    points: tuple[str, ...]
    about: Mapping[int, int]


def load_cases(data: Path, *, sets: Sequence[str] = SETS, limit: int | None = None) -> list[Case]:
    """Cases of some sets: 20 documents each, those with evidence among others of about 150 tokens.

    The others are of the record itself, and the 30 of the same file that BM25 ranks highest for the
    question and that hold no answer; only those of 85 to 180 words are taken, as far as there are enough.

    Args:
        data: A folder with `NAME.jsonl.gz` or `NAME.jsonl` for each set, or one such file: see
            `lingua bench quality --help`.
        sets: Names of the files in the folder.
        limit: Of all sets together, in turns.

    Raises:
        InputError: If a file is missing, or has no question with evidence.
    """
    files = [data] if data.is_file() else [_file(data, name) for name in sets]
    rows = [_cases(file) for file in files]
    longest = max(map(len, rows))
    in_turns = [row[i] for i in range(longest) for row in rows if i < len(row)]
    return in_turns[:limit]


def _file(folder: Path, name: str) -> Path:
    for suffix in (".jsonl.gz", ".jsonl"):
        if (found := folder / f"{name}{suffix}").is_file():
            return found
    raise InputError(f"There is no {name}.jsonl.gz or {name}.jsonl in {str(folder)!r}.")


def _cases(file: Path) -> list[Case]:
    questions = [question for question in load_questions(file) if question.evidence]
    if not questions:
        raise InputError(f"{str(file)!r} has no question with evidence.")
    return [_case(question) for question in with_neighbours(questions, data=file, count=_NEIGHBOURS)]


def _case(question: Question) -> Case:
    chance = random.Random(question.id)
    gold = {p for p, _, _ in question.evidence} | set(question.gold)
    others = [p for p in range(len(question.documents)) if p not in gold]
    others.sort(key=lambda p: not _has_usual_length(question.documents[p]))
    others = others[: _DOCUMENTS - len(gold)]
    order = sorted([*gold, *others])
    place = {old: new for new, old in enumerate(order)}
    subjects = {p: _subject(question.documents[p], question.answers) for p in sorted(gold)}
    neutral = _neutral(question, others, chance)
    points = list(dict.fromkeys(subjects.values()))
    number = max(chance.randint(5, 9), len(points))
    points += [text for text in neutral if text not in points][: number - len(points)]
    chance.shuffle(points)
    return Case(
        id=question.id,
        question=question.text,
        documents=tuple(question.documents[p] for p in order),
        evidence=tuple((place[p], start, end) for p, start, end in question.evidence),
        points=tuple(points),
        about={place[p]: points.index(text) + 1 for p, text in subjects.items()},
    )


def _has_usual_length(document: Document) -> bool:
    least, most = _WORDS
    return least <= len(document.text.split()) <= most


def _neutral(question: Question, others: Sequence[int], chance: random.Random) -> list[str]:
    """Points about nothing that is asked for: titles and aspects in turns."""
    titles = [_subject(question.documents[p], question.answers) for p in chance.sample(others, len(others))]
    titles = [title for title in dict.fromkeys(titles) if title != UNNAMED]
    aspects = chance.sample(_ASPECTS, len(_ASPECTS))
    pairs = zip(titles, aspects, strict=False)
    return [*(text for pair in pairs for text in pair), *titles[len(aspects) :], *aspects[len(titles) :]]


def _subject(document: Document, answers: Sequence[str]) -> str:
    """The document's title, unless it would give the answer away."""
    title = " ".join(html.unescape(document.title or "").split())
    folded = title.casefold()
    tells = any(a.casefold() in folded or folded in a.casefold() for a in answers if a)
    return UNNAMED if not title or tells else title
