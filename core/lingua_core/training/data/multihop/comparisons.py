"""Questions about two things at once: which came first, whether they are alike, two questions as one."""

import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise, zip_longest
from typing import TypeVar

from lingua_core.training.data.examples import Example, LabelledPassage
from lingua_core.training.data.multihop.clues import BORN, definitions
from lingua_core.training.data.multihop.english import (
    AUXILIARIES,
    PAST,
    PRONOUNS,
    SMALL,
    head_of,
    is_participle,
    key_of,
    sentences_of,
    starts_verb,
    third_person,
    words_of,
)
from lingua_core.training.data.multihop.entities import entity_of, names
from lingua_core.training.data.multihop.phrases import LAST_BAD, is_specific
from lingua_core.training.data.multihop.types import SOURCE, Clue, SingleHop

__all__ = ["comparisons_of"]

_T = TypeVar("_T")
_PER_FRAME = 60
_BEGUN = re.compile(
    r"when (?:(?P<be>was|were) (?P<s>.+?) (?P<done>founded|established|built|created|released|published|"
    r"opened|born|completed|formed|introduced|discovered|invented|launched|abolished|signed|written|adopted)|"
    r"did (?P<t>.+?) (?P<did>come out|open|end|begin|start|die|take place|become a state))\??",
    re.IGNORECASE,
)
_DONE = {"come out": "came out", "take place": "took place", "become a state": "became a state"}
_NO_NAMES = words_of(
    "last first new next newest latest season time episode movie show song series end war in"
)
_OF_PERSONS = words_of(
    "actor actress singer musician rapper composer writer author novelist poet director footballer "
    "politician comedian physicist chemist painter philosopher"
)
_PLACES = words_of("city town university college museum river island state village airport")
_HEADS = (
    _OF_PERSONS
    | _PLACES
    | words_of("film song novel album band magazine newspaper company airline sitcom game country")
)
_ASKS = re.compile("(?:What|When|Where|Which|Who|Whose|How|In|On|At) ")
_SLOT = re.compile(
    r"(?<=[a-z] )(?:[A-Z][\w.'’-]+(?: (?:of|the|and|de|[A-Z0-9][\w.'’-]*))* )*[A-Z][\w.'’-]*\w"
)


def comparisons_of(questions: Sequence[SingleHop], limit: int, rng: random.Random) -> list[Example]:
    """Which of two came first, whether two are alike, and two questions asked alike."""
    kinds = [
        _firsts(questions, rng),
        _alike(questions, rng),
        _asked_alike(questions, rng),
        _shared(questions, rng),
    ]
    for kind in kinds:
        rng.shuffle(kind)
    found = [example for row in zip_longest(*kinds) for example in row if example is not None]
    return list({example.id: example for example in found}.values())[:limit]


def _pairs(groups: dict[str, list[_T]], rng: random.Random) -> Iterator[tuple[_T, _T]]:
    for _, members in sorted(groups.items()):
        rng.shuffle(members)
        yield from list(pairwise(members))[::2][:_PER_FRAME]


def _pair(question: str, one: SingleHop | Clue, two: SingleHop | Clue) -> Example:
    passages = tuple(
        LabelledPassage(text=hop.text, title=hop.title, evidence=(hop.evidence,)) for hop in (one, two)
    )
    return Example(id=f"{one.id}&{two.id}", source=SOURCE, question=question, passages=passages)


def _firsts(questions: Sequence[SingleHop], rng: random.Random) -> list[Example]:
    """Which of two was born, built, released or ended first."""
    groups: dict[str, list[tuple[str, SingleHop]]] = defaultdict(list)
    for question in questions:
        match = _BEGUN.fullmatch(question.question.strip())
        if match is None or not re.search(r"\b\d{4}\b", question.answer):
            continue
        subject = match["s"] or match["t"]
        if _is_name(subject) and subject.islower() == question.question.islower():
            did = match["did"] and match["did"].lower()
            verb = _DONE.get(did) or PAST[did] if did else f"was {match['done'].lower()}"
            groups[f"{verb}{subject.islower()}|{verb}"].append((subject, question))
    examples: list[Example] = []
    for kind in sorted(groups):
        verb = kind.split("|")[1]
        for (first, one), (second, two) in _pairs({kind: groups[kind]}, rng):
            if one.title == two.title:
                continue
            asked = f"{'who' if verb in ('was born', 'died') else 'which'} {verb} first, {first} or {second}"
            asked = asked if asked.islower() else f"{asked[0].upper()}{asked[1:]}?"
            examples.append(_pair(asked, one, two))
    return examples


def _is_name(subject: str) -> bool:
    words = subject.removeprefix("the ").split()
    if not words or len(words) > 6 or PRONOUNS & {word.casefold() for word in words}:
        return False
    if subject.islower():
        return not _NO_NAMES & set(words) and not AUXILIARIES & set(words)
    return words[0][0].isupper() and all(word[0].isupper() or word in SMALL for word in words)


def _shared(questions: Sequence[SingleHop], rng: random.Random) -> list[Example]:
    """Two questions with one answer: "Who wrote … and directed …"."""
    groups: dict[str, list[tuple[str, str, SingleHop]]] = defaultdict(list)
    for question in questions:
        asked = re.fullmatch(
            r"([Ww]ho|(?:[Ww]hat|[Ww]hich) (\w+)) (\w+ [^,]+?)[? ]*", question.question.strip()
        )
        entity = entity_of(question.answer)
        if entity is None or asked is None or not 3 <= len(asked[3].split()) <= 12:
            continue
        words = key_of(asked[3]).split()
        verb_first = starts_verb(words[0]) and words[0] not in (
            "did",
            "do",
            "does",
            "were",
            "are",
            "have",
            "is",
        )
        if not verb_first or PRONOUNS & set(words) or words[-1] in LAST_BAD or names(asked[3], entity):
            continue
        if words[0] == "was" and not is_participle(words[1]):
            continue
        if is_specific(asked[3]):
            who = asked[1].casefold().replace("what", "which")
            groups[f"{key_of(entity)}|{who}|{asked[1].islower()}"].append((asked[1], asked[3], question))
    examples: list[Example] = []
    for (who, one_did, one), (_, two_did, two) in _pairs(groups, rng):
        words = [set(key_of(did).split()) - SMALL for did in (one_did, two_did)]
        if one.text != two.text and len(words[0] & words[1]) < 2:
            examples.append(_pair(f"{who} {one_did} and {two_did}{'?' * who[0].isupper()}", one, two))
    return examples


def _alike(questions: Sequence[SingleHop], rng: random.Random) -> list[Example]:
    """Yes-or-no questions and orders of birth and release, from what definitions say."""
    groups: dict[str, list[Clue]] = defaultdict(list)
    seen: set[str] = set()
    for number, (text, title) in enumerate(sorted({q.text: q.title for q in questions}.items())):
        subject = re.sub(r" \(.*?\)$", "", title)
        first = sentences_of(text)[0]
        found = next(definitions(text[slice(*first)], subject), None)
        if not found or key_of(found[0]) != key_of(subject) or title in seen:
            continue
        head = head_of(found[1]).split()[-1]
        if head in _HEADS:
            seen.add(title)
            groups[head].append(
                Clue(id=f"a{number}", entity=subject, phrase=found[1], title=title, text=text, evidence=first)
            )
    examples: list[Example] = []
    for head in sorted(groups):
        for one, two in _pairs({head: groups[head]}, rng):
            asked = _yes_or_no(head, one, two, rng)
            examples.append(_pair(asked, one, two))
    return examples


def _yes_or_no(head: str, one: Clue, two: Clue, rng: random.Random) -> str:
    plural = third_person(head)
    asked = [
        f"Are {one.entity} and {two.entity} both {plural}?",
        f"Are both {one.entity} and {two.entity} {plural}?",
    ]
    born = [BORN.search(clue.phrase) for clue in (one, two)]
    years = [re.search(r"\b(?:1[5-9]|20)\d\d\b", head_of(clue.phrase)) for clue in (one, two)]
    if all(born):
        asked = [
            f"Who was born first, {one.entity} or {two.entity}?",
            f"Who is older, {one.entity} or {two.entity}?",
        ]
    elif all(years):
        asked = [
            f"Which {head} came out first, {one.entity} or {two.entity}?",
            f"Which {head} is older, {one.entity} or {two.entity}?",
        ]
    elif head in _PLACES:
        asked = [f"Are {one.entity} and {two.entity} located in the same country?"]
    elif head in _OF_PERSONS:
        asked.append(f"Do {one.entity} and {two.entity} have the same nationality?")
    return rng.choice(asked)


def _asked_alike(questions: Sequence[SingleHop], rng: random.Random) -> list[Example]:
    groups: dict[str, list[SingleHop]] = defaultdict(list)
    for question in questions:
        asked = question.question.strip()
        slots = _SLOT.findall(asked)
        if len(slots) != 1 or not 4 <= len(asked.split()) <= 12 or not _ASKS.match(asked):
            continue
        if not PRONOUNS & set(key_of(asked).split()):
            groups[_SLOT.sub("_", asked.casefold().replace(slots[0].casefold(), "_"))].append(question)
    examples: list[Example] = []
    for one, two in _pairs(groups, rng):
        if one.title != two.title:
            first, second = one.question.strip().rstrip("? "), two.question.strip().rstrip("? ")
            asked = f"{first} and {second[0].lower()}{second[1:]}?"
            examples.append(_pair(asked, one, two))
    return examples
