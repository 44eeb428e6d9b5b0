"""The data sets that the shipped extractor learns from, each as examples with its gold passages.

All in one format (JSON lines, see `lingua train extractor --help`), each with its own labels. Only sets
whose licence allows training a model under MIT are named here; what is left out is named in the model
card. Records that `held_out` keeps for measuring are never read.
"""

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lingua_core.training.data.examples import Example, LabelledPassage, Span
from lingua_core.training.data.splits import document_name, held_out

__all__ = ["SOURCES", "Source", "labelled", "single_passage"]

Record = Mapping[str, Any]

_PASSAGES_OF_A_RECORD = 6
_TURN_PASSAGE = 900
_HISTORY = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A data set.

    Attributes:
        name: Its file is `{name}.jsonl.gz`.
        licence: Of the labels and texts.
        examples: From its records to examples.
        limit: The most examples to take of it in one pass; None for all.
        composed: Whether multi-hop questions are made from it, and its distractors are in a file.
    """

    name: str
    licence: str
    examples: Callable[[Iterable[Record], random.Random], Iterator[Example]]
    limit: int | None = None
    composed: bool = False

    def file(self, folder: Path) -> Path:
        """Where its records are."""
        return folder / f"{self.name}.jsonl.gz"


def labelled(record: Record) -> tuple[LabelledPassage, ...]:
    """The passages of a record with its evidence.

    Evidence is, in this order: `evidence_sentences`, else `answer_spans`, else the whole of each `gold`
    passage.
    """
    spans: dict[int, list[Span]] = {}
    marked = record.get("evidence_sentences") or record.get("answer_spans")
    if not marked:
        marked = [[i, 0, len(record["passages"][i]["text"])] for i in record.get("gold") or ()]
    for passage, start, end in marked:
        spans.setdefault(int(passage), []).append((int(start), int(end)))
    return tuple(
        LabelledPassage(
            text=passage["text"],
            title=_title(passage.get("title")),
            evidence=tuple(sorted(set(spans.get(i, ())))),
        )
        for i, passage in enumerate(record["passages"])
        if passage["text"].strip()
    )


def _title(title: str | None) -> str | None:
    return title.replace("_", " ").strip() or None if title else None


def single_passage(records: Iterable[Record], rng: random.Random, *, source: str = "") -> Iterator[Example]:
    """Questions about one passage, which alone is given."""
    del rng
    for record in records:
        passages = labelled(record)
        if any(passage.evidence for passage in passages):
            yield Example(
                id=str(record["id"]),
                source=source,
                question=record["question"].strip(),
                passages=passages,
                answers=tuple(record.get("answers") or ()),
            )


def _not_held_out(records: Iterable[Record], rng: random.Random, *, source: str) -> Iterator[Example]:
    kept = (r for r in records if not held_out(document_name(r)))
    return single_passage(kept, rng, source=source)


def _sections(records: Iterable[Record], rng: random.Random, *, source: str) -> Iterator[Example]:
    """Questions about a document whose sections are all given: the others are the distractors."""
    for record in records:
        if held_out(document_name(record)):
            continue
        passages = labelled(record)
        gold = [passage for passage in passages if passage.evidence]
        rest = [passage for passage in passages if not passage.evidence]
        if gold:
            taken = rng.sample(gold, min(2, len(gold)))
            taken += rng.sample(rest, min(_PASSAGES_OF_A_RECORD - len(taken), len(rest)))
            yield Example(
                id=str(record["id"]),
                source=source,
                question=_conversational(record, rng),
                passages=tuple(taken),
            )


def _conversational(record: Record, rng: random.Random) -> str:
    """The question behind the last turns of its conversation, as most chains pass it; or alone."""
    history = [turn.split(": ", 1)[-1] for turn in record.get("history") or ()]
    question = str(record["question"]).strip()
    if history and (len(question.split()) < 4 or rng.random() < _HISTORY):
        return " ".join([*history[-2:], question])
    return question


def _tables(records: Iterable[Record], rng: random.Random) -> Iterator[Example]:
    """Reports whose first passage is a table; no titles, so the beginning of the table is hashed."""
    kept = [r for r in records if r["split"] == "dev" and not held_out(document_name(r))]
    for record in kept:
        passages = labelled(record)
        gold = [passage for passage in passages if passage.evidence]
        rest = [passage for passage in passages if not passage.evidence]
        rest = rng.sample(rest, min(_PASSAGES_OF_A_RECORD - 1, len(rest)))
        if gold:
            yield Example(
                id=record["id"], source="tatqa_text", question=record["question"], passages=(*gold[:3], *rest)
            )


def _meetings(records: Iterable[Record], rng: random.Random) -> Iterator[Example]:
    """Questions about a meeting, whose turns are joined to passages as a splitter would."""
    for record in records:
        if record["split"] != "train" or not record["gold"] or len(record["gold"]) > 120:
            continue
        passages = list(_joined_turns(record))
        gold = [passage for passage in passages if passage.evidence]
        rest = [passage for passage in passages if not passage.evidence]
        taken = rng.sample(gold, min(2, len(gold)))
        taken += rng.sample(rest, min(4, len(rest)))
        yield Example(
            id=record["id"], source="qmsum", question=record["question"].strip(), passages=tuple(taken)
        )


def _joined_turns(record: Record) -> Iterator[LabelledPassage]:
    gold = set(record["gold"])
    text, evidence = "", list[Span]()
    for i, turn in enumerate(record["passages"]):
        line = f"{turn['title']}: {turn['text']}"
        start = len(text) + 1 if text else 0
        text = f"{text}\n{line}" if text else line
        if i in gold:
            evidence.append((start, len(text)))
        if len(text) >= _TURN_PASSAGE:
            yield LabelledPassage(text=text, evidence=tuple(evidence))
            text, evidence = "", []
    if text:
        yield LabelledPassage(text=text, evidence=tuple(evidence))


def _only_split(
    records: Iterable[Record], rng: random.Random, *, source: str, split: str
) -> Iterator[Example]:
    return _not_held_out((record for record in records if record["split"] == split), rng, source=source)


SOURCES = (
    Source(
        name="squad11_train",
        licence="CC BY-SA 4.0",
        examples=partial(single_passage, source="squad11_train"),
        limit=26_000,
        composed=True,
    ),
    Source(
        name="qed_nq", licence="CC BY-SA 3.0", examples=partial(_not_held_out, source="qed_nq"), composed=True
    ),
    Source(
        name="selqa_dev_test",
        licence="Apache-2.0, texts CC BY-SA",
        examples=partial(_only_split, source="selqa_dev_test", split="dev"),
    ),
    Source(name="medquad", licence="CC BY 4.0", examples=partial(_sections, source="medquad"), limit=2500),
    Source(name="doc2dial_val", licence="CC BY 3.0", examples=partial(_sections, source="doc2dial_val")),
    Source(name="tatqa_text", licence="CC BY 4.0", examples=_tables),
    Source(name="qmsum", licence="MIT", examples=_meetings),
)
