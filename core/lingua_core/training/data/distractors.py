"""Passages that look as if they answered the question, and do not."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from lingua_core.bench.json_lines import records_of
from lingua_core.training.data.examples import Example, LabelledPassage

__all__ = ["Distractors"]


class Distractors:
    """Gives examples their passages without evidence.

    Args:
        hard: For each gold passage's text, passages that a search engine ranks high for questions about it.
        pool: Any passages, as easy distractors.
        count: Passages that an example shall have in all.
        easy: How many of them come from the pool.
        fill: Whether the pool also makes up for hard ones that are missing.
    """

    def __init__(
        self,
        hard: Mapping[str, Sequence[LabelledPassage]],
        pool: Sequence[LabelledPassage],
        *,
        count: int = 6,
        easy: int = 1,
        fill: bool = False,
    ) -> None:
        self._hard = hard
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

    def added_to(self, example: Example, rng: random.Random) -> Example:
        """The example with distractors, none of which holds an answer, in random order."""
        own = {passage.text for passage in example.passages}
        hard = {
            passage.text: passage
            for gold in example.gold
            for passage in self._hard.get(gold.text, ())
            if passage.text not in own and not _holds(passage, example.answers)
        }
        missing = max(0, self._count - len(example.passages))
        easy = min(self._easy, missing) if self._pool else 0
        taken = rng.sample(list(hard.values()), min(len(hard), missing - easy))
        if self._fill and self._pool:
            easy = missing - len(taken)
        for _ in range(easy):
            passage = rng.choice(self._pool)
            if passage.text not in own and not _holds(passage, example.answers):
                taken.append(passage)
        passages = [*example.passages, *taken]
        rng.shuffle(passages)
        return replace(example, passages=tuple(passages))


def _holds(passage: LabelledPassage, answers: Sequence[str]) -> bool:
    text = passage.text.lower()
    return any(answer.lower() in text for answer in answers if answer)
