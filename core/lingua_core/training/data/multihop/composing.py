"""The examples: which bridges are taken, with their passages and second looks, and comparisons."""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from lingua_core.training.data.examples import Example, LabelledPassage, Span
from lingua_core.training.data.multihop.bridges import bridges_of
from lingua_core.training.data.multihop.comparisons import comparisons_of
from lingua_core.training.data.multihop.english import sentences_of
from lingua_core.training.data.multihop.entities import names
from lingua_core.training.data.multihop.types import SOURCE, Bridge, SingleHop

__all__ = ["compose"]

_COMPARISONS = 0.25
_SECOND_LOOKS = 0.5
_PER_ENTITY = 12
_PER_CLUE = 4
_PER_DEFINITION = 8
_PER_QUESTION = 2


def compose(questions: Sequence[SingleHop], *, limit: int, seed: int) -> list[Example]:
    """Multi-hop examples without negatives, in random order.

    About a quarter compare or join two things. The others go over a bridge; every second one of those
    is followed by its second look: the bridge's sentence as known text, with only the other passage.

    Args:
        questions: What to compose them of; their order does not matter.
        limit: The most examples. Fewer come where the questions give no more.
        seed: For the choice and the order.
    """
    ordered = sorted({question.id: question for question in questions}.values(), key=lambda q: q.id)
    rng = random.Random(seed)
    comparisons = comparisons_of(ordered, int(limit * _COMPARISONS), rng)
    bridges = _bridge_examples(ordered, limit - len(comparisons), rng)
    comparisons = comparisons[: max(1, int(len(bridges) * _COMPARISONS / (1 - _COMPARISONS)))]
    examples = [*bridges, *comparisons][:limit]
    rng.shuffle(examples)
    return examples


def _bridge_examples(questions: Sequence[SingleHop], limit: int, rng: random.Random) -> list[Example]:
    examples: list[Example] = []
    for bridge in _chosen(bridges_of(questions), rng):
        example = _bridge_example(bridge)
        if example is None:
            continue
        examples.append(example)
        if rng.random() < _SECOND_LOOKS:
            examples.append(_second_look(example, bridge))
        if len(examples) >= limit:
            break
    return examples[:limit]


def _chosen(bridges: Iterable[Bridge], rng: random.Random) -> Iterator[Bridge]:
    """Rare entities and bridges over two articles first; no entity, clue or question too often."""
    pool = list(bridges)
    rng.shuffle(pool)
    pool.sort(key=lambda bridge: bridge.question.title == bridge.clue.title)
    met: Counter[str] = Counter()
    rounds: list[tuple[int, Bridge]] = []
    for bridge in pool:
        rounds.append((met[bridge.key] // 3, bridge))
        met[bridge.key] += 1
    used: Counter[tuple[str, str]] = Counter()
    for _, bridge in sorted(rounds, key=lambda item: item[0]):
        counted = {
            ("entity", bridge.key): _PER_ENTITY,
            ("clue", bridge.clue.id): _PER_DEFINITION if bridge.clue.defines else _PER_CLUE,
            ("question", bridge.question.id): _PER_QUESTION,
            ("composed", bridge.composed.casefold()): 1,
            ("pair", f"{bridge.question.id}|{bridge.clue.id}"): 1,
        }
        if all(used[name] < most for name, most in counted.items()):
            used.update(counted.keys())
            yield bridge


def _bridge_example(bridge: Bridge) -> Example | None:
    question, clue = bridge.question, bridge.clue
    support = _introduction(question, clue.entity)
    if support is None or (question.text == clue.text and question.evidence == clue.evidence):
        return None
    hops = [
        LabelledPassage(text=clue.text, title=clue.title, evidence=(clue.evidence,)),
        LabelledPassage(
            text=question.text, title=question.title, evidence=(question.evidence,), support=support
        ),
    ]
    if question.text == clue.text:
        both = tuple(sorted((clue.evidence, question.evidence)))
        hops = [LabelledPassage(text=clue.text, title=clue.title, evidence=both)]
    return Example(
        id=f"{question.id}|{clue.id}", source=SOURCE, question=bridge.composed, passages=tuple(hops)
    )


def _second_look(example: Example, bridge: Bridge) -> Example:
    last = replace(example.passages[-1], evidence=(bridge.question.evidence,))
    return Example(
        id=f"{example.id}|look2",
        source=example.source,
        question=example.question,
        passages=(last,),
        known=bridge.clue.text[slice(*bridge.clue.evidence)],
    )


def _introduction(question: SingleHop, entity: str) -> tuple[Span, ...] | None:
    """The sentence before the evidence that names the entity; None if the passage never does so."""
    start, end = question.evidence
    if names(question.title, entity) or names(question.text[start:end], entity):
        return ()
    earlier = [span for span in sentences_of(question.text) if span[1] <= start]
    for a, b in reversed(earlier):
        if names(question.text[a:b], entity):
            return ((a, b),)
    return None
