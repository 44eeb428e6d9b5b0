"""Passages that look as if they answered the question, and do not."""

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lingua_core.bench.json_lines import records_of
from lingua_core.models.sentence_encoder import SentenceEncoder
from lingua_core.training.data.examples import Example, LabelledPassage

__all__ = ["Distractors"]

_QUESTIONS_AT_ONCE = 512
_WORD = re.compile(r"\w+")
_WORDS_OF_A_LONG_ANSWER = 3
_MOST = 0.6
_DRAWS = 4
"""How often to draw for each easy distractor: some hold an answer, or are there already."""


class Distractors:
    """Gives examples their passages without evidence.

    Args:
        hard: For each gold passage's text, passages that a search engine ranks high for questions about it.
        pool: Any passages, as easy distractors.
        count: Passages that an example shall have in all.
        easy: How many of them come from the pool.
        fill: Whether the pool also makes up for hard ones that are missing.
        nearest: For each question, passages whose embeddings are nearest to it; half of the hard ones are
            taken from them.
    """

    def __init__(
        self,
        hard: Mapping[str, Sequence[LabelledPassage]],
        pool: Sequence[LabelledPassage],
        *,
        count: int = 6,
        easy: int = 1,
        fill: bool = False,
        nearest: Mapping[str, Sequence[LabelledPassage]] | None = None,
    ) -> None:
        self._hard = hard
        self._nearest = nearest or {}
        self._pool = pool
        self._count = count
        self._easy = easy
        self._fill = fill

    @classmethod
    def from_files(
        cls,
        passages: Path,
        negatives: Path,
        *,
        sets: Iterable[str],
        pool: Sequence[LabelledPassage] = (),
        count: int = 6,
        easy: int = 1,
        fill: bool = False,
    ) -> "Distractors":
        """From passages `{pid, title, text}` and, for each question, `{set, pid, neg: [pid]}`."""
        texts = {
            record["pid"]: LabelledPassage(
                text=record["text"], title=(record.get("title") or "").replace("_", " ") or None
            )
            for record in records_of(passages)
        }
        wanted = frozenset(sets)
        hard: dict[str, dict[int, None]] = {}
        for record in records_of(negatives):
            if record["set"] in wanted:
                hard.setdefault(texts[record["pid"]].text, {}).update(dict.fromkeys(record["neg"]))
        found = {text: [texts[pid] for pid in pids] for text, pids in hard.items()}
        used = {passage.text: passage for row in found.values() for passage in row[:2]}
        return cls(found, [*used.values(), *pool], count=count, easy=easy, fill=fill)

    def with_nearest(
        self, questions: Sequence[str], *, encoder: SentenceEncoder | None = None, count: int = 16
    ) -> "Distractors":
        """The same, with the `count` nearest of all hard passages for each question.

        What a search by embeddings returns beside the answer is harder than what shares its words.

        Args:
            questions: As the examples have them.
            encoder: None for the embedded one.
            count: How many nearest ones to draw from.
        """
        encoder = encoder or SentenceEncoder()
        passages = list({passage.text: passage for row in self._hard.values() for passage in row}.values())
        nearest: dict[str, list[LabelledPassage]] = {}
        if passages:
            vectors = encoder.embed([f"{p.title}. {p.text}" if p.title else p.text for p in passages])
            distinct = list(dict.fromkeys(questions))
            for at in range(0, len(distinct), _QUESTIONS_AT_ONCE):
                asked = distinct[at : at + _QUESTIONS_AT_ONCE]
                best = np.argsort(-(encoder.embed(asked) @ vectors.T), axis=1, kind="stable")[:, :count]
                nearest.update(
                    (question, [passages[int(i)] for i in row])
                    for question, row in zip(asked, best, strict=True)
                )
        return Distractors(
            self._hard, self._pool, count=self._count, easy=self._easy, fill=self._fill, nearest=nearest
        )

    def added_to(self, example: Example, rng: random.Random) -> Example:
        """The example with distractors, none of which holds an answer, in random order."""
        taken = {passage.text: passage for passage in example.passages}
        missing = max(0, self._count - len(taken))
        easy = min(self._easy, missing) if self._pool else 0

        def fitting(passages: Iterable[LabelledPassage]) -> list[LabelledPassage]:
            new = {p.text: p for p in passages if p.text not in taken}
            return [passage for passage in new.values() if not _holds(passage, example.answers)]

        def take(passages: list[LabelledPassage], number: int) -> None:
            taken.update((p.text, p) for p in rng.sample(passages, max(0, min(number, len(passages)))))

        near = fitting(self._nearest.get(example.question, ()))
        take(near, (missing - easy) // 2)
        hard = fitting(passage for gold in example.gold for passage in self._hard.get(gold.text, ()))
        take(hard, self._count - easy - len(taken))
        take(fitting(near), self._count - easy - len(taken))
        if self._pool:
            room = max(0, self._count - len(taken))
            wanted = room if self._fill else min(easy, room)
            drawn = (rng.choice(self._pool) for _ in range(_DRAWS * wanted))
            for passage in fitting(drawn)[:wanted]:
                taken[passage.text] = passage
        passages = list(taken.values())
        rng.shuffle(passages)
        return replace(example, passages=tuple(passages))


def _holds(passage: LabelledPassage, answers: Sequence[str]) -> bool:
    """Whether a passage holds an answer, or most of the words of a long one: then it may tell the same."""
    text = passage.text.lower()
    words: set[str] | None = None
    for answer in (answer.lower() for answer in answers if answer):
        if answer in text:
            return True
        wanted = set(_WORD.findall(answer))
        if len(wanted) >= _WORDS_OF_A_LONG_ANSWER:
            words = set(_WORD.findall(text)) if words is None else words
            if len(wanted & words) >= _MOST * len(wanted):
                return True
    return False
