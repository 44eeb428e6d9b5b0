"""What describes an entity: a question that it answers, a definition, an apposition, what it made."""

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from lingua_core.training.data.multihop.english import (
    AUXILIARIES,
    NOUN_VERBS,
    PAST_FORMS,
    PREPOSITIONS,
    SMALL,
    THIRD_PERSON,
    head_of,
    key_of,
    sentences_of,
    words_of,
)
from lingua_core.training.data.multihop.entities import (
    DEMONYM,
    NAME,
    NO_NAME,
    entity_of,
    is_person,
    is_vague,
    names,
)
from lingua_core.training.data.multihop.phrases import is_specific, phrase_of
from lingua_core.training.data.multihop.types import Clue, SingleHop

__all__ = ["BORN", "clues_of", "definitions"]

_ASIDE = r"(?:,? \((?P<aside>[^()]{0,160}(?:\([^()]*\)[^()]*)*)\))?,?"
_PREDICATE = r" (?:is|was) (?:an?|the) (?P<body>[a-zA-Z0-9].{10,300})"
_DEFINITION = re.compile(rf"(?:The )?(?P<name>{NAME}){_ASIDE}{_PREDICATE}")
_APPOSITION = re.compile(rf"(?<![A-Z]\w )(?<!\w )({NAME}), (?:an?|the) ([a-z][^,.;:()]{{15,90}})(?=[,.;])")

BORN = re.compile(r"born (?:on )?([A-Z][a-z]+ \d{1,2}, \d{4}|\d{1,2} [A-Z][a-z]+ \d{4})")
"""A date of birth, as an article's first sentence gives it."""

_END_OF_PHRASE = re.compile(
    r"[;:]|, (?!\d{4}\b)| [-–—] | (?:which|who|whose|where|but|as well|because|while|since)\b|"
    r" and (?:is|was|has|had|one|the)\b"
)
_GOES_ON = (THIRD_PERSON | PAST_FORMS) - NOUN_VERBS - words_of("plays works states studies acts stars")
_VAGUE_HEADS = words_of(
    "phase form list type kind part member candidate title name source center result same example "
    "set series number term lot"
)
_MAKER = re.compile(
    r"\b(written|directed|produced|founded|designed|created|composed|invented|discovered|recorded|painted|"
    r"performed|sung) by (?:(?:the )?(?:[A-Z]\w+ )?[a-z-]+ )?"
    rf"(?P<name>{NAME})(?![\w ]*,? and [A-Z])"
)
_WORKED = {"written": "wrote", "sung": "sang"}


def clues_of(questions: Sequence[SingleHop]) -> Iterator[Clue]:
    """What describes an entity: the questions that it answers, and sentences of the passages."""
    for question in questions:
        entity = entity_of(question.answer)
        if entity is None or names(question.title, entity):
            continue
        phrase = phrase_of(question.question, entity, question.text)
        if phrase is not None and is_specific(phrase):
            yield Clue(
                id=question.id,
                entity=entity,
                phrase=phrase,
                title=question.title,
                text=question.text,
                evidence=question.evidence,
            )
    passages = {question.text: question.title for question in questions}
    for number, (text, title) in enumerate(sorted(passages.items())):
        yield from _described(text, title, f"d{number}")


def _described(text: str, title: str, name: str) -> Iterator[Clue]:
    """Clues from what a passage says on its own: definitions, appositions and makers."""
    subject = re.sub(r" \(.*?\)$", "", title)
    for start, end in sentences_of(text):
        sentence = text[start:end]
        found = [*definitions(sentence, subject), *_appositions(sentence), *_makers(sentence, subject)]
        for number, (entity, phrase) in enumerate(found):
            own = key_of(entity) == key_of(subject)
            clean = entity if own and not is_vague(entity) else entity_of(entity)
            if clean is None or (" " not in clean and not own) or not _tells(phrase):
                continue
            yield Clue(
                id=f"{name}.{start}.{number}",
                entity=clean,
                phrase=phrase,
                title=title,
                text=text,
                evidence=(start, end),
                defines=True,
            )


def _tells(phrase: str) -> bool:
    """Whether a description says more than a nationality and a trade."""
    words = phrase.split()[1:]
    return (
        len(words) > 3
        and is_specific(phrase)
        and any((word[0].isupper() and not DEMONYM.match(word)) or word[0].isdigit() for word in words)
    )


@lru_cache(maxsize=1 << 14)
def _subject_pattern(subject: str) -> re.Pattern[str]:
    """A definition of a title's subject; of people also with their middle names."""
    words = [re.escape(word) for word in subject.split()]
    middle = r"(?: [A-Z][\w.'’-]+){0,2} " if len(words) == 2 else " "
    return re.compile(rf"[\"“']?(?:The )?{middle.join(words)}[\"”']?(?: [Jj]r\.)?{_ASIDE}{_PREDICATE}")


def definitions(sentence: str, subject: str) -> Iterator[tuple[str, str]]:
    """What a sentence says that its subject is: a name and a description."""
    titled = _subject_pattern(subject).match(sentence)
    match = titled or _DEFINITION.match(sentence)
    if match is None or sentence.split()[0].casefold() in NO_NAME:
        return
    phrase = _cut_short(match["body"])
    if phrase is not None:
        born = BORN.search(match["aside"] or "")
        name = subject if titled else match["name"]
        yield name, f"the {phrase}" + (f" born on {born[1]}" if born else "")


def _appositions(sentence: str) -> Iterator[tuple[str, str]]:
    for match in _APPOSITION.finditer(sentence):
        phrase = _cut_short(match[2])
        if phrase is None or match[1].split()[0].casefold() in NO_NAME:
            continue
        if PREPOSITIONS & set(phrase.split()) and phrase.split()[0] not in ("most", "first", "last"):
            yield match[1], f"the {phrase}"


def _cut_short(body: str) -> str | None:
    """A predicate's noun phrase up to where its sentence goes on with something else."""
    body = re.sub(r"\s+", " ", re.sub(r" ?\([^()]*\)", "", body)).strip().rstrip(".")
    phrase = _END_OF_PHRASE.split(body)[0].strip()
    words = phrase.split()
    ends = [i for i in range(1, len(words) - 1) if words[i] == "and" and words[i + 1] in _GOES_ON]
    words = words[: ends[0]] if ends else words
    phrase = " ".join(words)
    if "between" in words and "and" not in words:
        return None
    if not 3 <= len(words) <= 16 or words[-1].casefold() in PREPOSITIONS | SMALL | AUXILIARIES:
        return None
    if (AUXILIARIES & set(words) and "that" not in words) or re.search(r"[\[\]\"“”/]", phrase):
        return None
    vague = {words[0].casefold(), head_of(phrase).split()[-1].casefold()} & _VAGUE_HEADS
    return None if vague or len(words[-1]) == 1 else phrase


def _makers(sentence: str, subject: str) -> Iterator[tuple[str, str]]:
    """Who made what the passage is about: "the person who directed …"."""
    if subject == subject.lower() or not _subject_pattern(subject).match(sentence):
        return
    for match in _MAKER.finditer(sentence):
        if is_person(match["name"], sentence):
            yield match["name"], f"the person who {_WORKED.get(match[1], match[1])} {subject}"
