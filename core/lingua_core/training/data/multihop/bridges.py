"""Where a question names an entity that a clue describes, and the question with the clue in its place."""

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence

from lingua_core.training.data.multihop.clues import clues_of
from lingua_core.training.data.multihop.english import (
    AUXILIARIES,
    NO_VERBS,
    NOUN_VERBS,
    PREPOSITIONS,
    PRONOUNS,
    SMALL,
    TOKEN,
    VERBS,
    key_of,
    starts_verb,
    words_of,
)
from lingua_core.training.data.multihop.entities import GENERIC, ORGANISATION, VAGUE, entity_of
from lingua_core.training.data.multihop.types import Bridge, Clue, SingleHop

__all__ = ["bridges_of"]

_LONGEST_QUESTION = 42
_WORKS = words_of("song movie film series show album book novel game band")
_TITLES = words_of(
    "president king queen pope emperor sir prince princess general saint dr mr mrs lord empress"
)
_OTHER_NEIGHBOURS = words_of(
    "and or but that who whom which what when where how why if than not also first ever initially "
    "originally finally eventually mainly currently still only"
)


def bridges_of(questions: Sequence[SingleHop]) -> Iterator[Bridge]:
    """All bridges between questions and what describes an entity in them."""
    clues: dict[str, list[Clue]] = defaultdict(list)
    spread = _spread(questions)
    for clue in clues_of(questions):
        key = key_of(clue.entity)
        if " " in key or spread[key] <= 3 or clue.defines:
            clues[key].append(clue)
    surnames = _surnames(clues)
    known = {*clues, *surnames}
    for question in questions:
        for key, start, end in _mentions(question.question, known):
            full = clues.get(key, ())
            for clue in full or _called(question, [c for k in surnames[key] for c in clues[k]]):
                composed = _composed(question, clue, start, end)
                if composed:
                    yield Bridge(question, clue, composed, key)
        entity = entity_of(question.answer)
        for clue in clues.get(key_of(entity or ""), ()):
            composed = _told_apart(question, clue)
            if composed:
                yield Bridge(question, clue, composed, key_of(clue.entity))


def _told_apart(question: SingleHop, clue: Clue) -> str | None:
    """A question for a person with what is said of them elsewhere: "Which Swiss naturalist …"."""
    asked = re.fullmatch(
        r"[Ww]ho ((?!were|are|did|do|does|else|all)[a-z]+ .+?)\??", question.question.strip()
    )
    described = re.fullmatch(r"the ((?!person |one |most |first |only |last ).+)", clue.phrase)
    if not asked or not described or not clue.defines or question.title == clue.title:
        return None
    verb, *rest = asked[1].split()
    if not (starts_verb(verb) or verb[-1] == "s") or rest[0] in ("the", "a", "an"):
        return None
    words = set(key_of(f"{described[1]} {asked[1]}").split())
    if words & set(key_of(clue.entity).split()) - SMALL or PRONOUNS & words:
        return None
    which = "Which" if question.question[0].isupper() else "which"
    end = "?" if question.question.endswith("?") else ""
    return f"{which} {described[1]} {asked[1].rstrip('? ')}{end}"


def _surnames(keys: Iterable[str]) -> dict[str, list[str]]:
    """The keys of full names by their last word."""
    found: dict[str, list[str]] = defaultdict(list)
    for key in sorted(keys):
        words = key.split()
        if len(words) in (2, 3) and len(words[-1]) > 3 and words[-1] not in GENERIC | ORGANISATION | VAGUE:
            found[words[-1]].append(key)
    return found


def _called(question: SingleHop, clues: Iterable[Clue]) -> Iterator[Clue]:
    """The clues about persons whose full name stands in a question's passage."""
    for clue in clues:
        if f" {clue.entity} " in f" {question.title} " or clue.entity in question.text:
            if re.match(r"the person |.* born on ", clue.phrase):
                yield clue


def _spread(questions: Sequence[SingleHop]) -> Counter[str]:
    """In how many articles' questions each word occurs."""
    seen = {(question.title, word) for question in questions for word in key_of(question.question).split()}
    return Counter(word for _, word in seen)


def _mentions(question: str, known: Collection[str]) -> Iterator[tuple[str, int, int]]:
    """The known entities that a question names as whole noun phrases: key, start and end."""
    words = list(TOKEN.finditer(question))
    keys = [word.group().casefold() for word in words]
    searched = question == question.lower()
    for i in range(len(words)):
        for j in range(min(len(words), i + 8), i, -1):
            key = " ".join(keys[i:j])
            if key not in known or (searched and j - i == 1):
                continue
            start, end = words[i].start(), words[j - 1].end()
            if not searched and not question[start:end][:1].isupper():
                continue
            if any(key_of(question).split().count(word) > 1 for word in key.split() if word not in SMALL):
                continue
            first = i - 1 if i and keys[i - 1] in _TITLES | _WORKS else i
            first -= keys[max(0, first - 1)] in ("the", "tv", "new") and first > 0
            if _stands_alone(question, words, first, j):
                yield key, words[first].start(), end
            break


def _stands_alone(question: str, words: Sequence[re.Match[str]], first: int, end: int) -> bool:
    """Whether the words beside a mention show that it is a noun phrase of its own."""
    if first:
        before = words[first - 1]
        gap = question[before.end() : words[first].start()]
        if before.group() == "of" and first > 1 and _opens_name(words[first - 2].group()):
            return False
        if before.group()[0].isupper() and first > 1:
            return False
        if gap != " " or not _borders(before.group().casefold()):
            return False
    if end == len(words):
        return re.fullmatch(r"[?. ]*", question[words[end - 1].end() :]) is not None
    after = words[end]
    if after.group() == "of":
        return False
    if re.match("['’]s ", question[words[end - 1].end() :]):
        return True
    return question[words[end - 1].end() : after.start()] in (" ", ", ") and (
        not after.group()[0].isupper() and _borders(after.group().casefold())
    )


def _opens_name(word: str) -> bool:
    return word[0].isupper() or word in (
        "treaty",
        "battle",
        "university",
        "siege",
        "bank",
        "church",
        "kingdom",
    )


def _borders(word: str) -> bool:
    return (
        word in PREPOSITIONS
        or word in VERBS
        or word in _OTHER_NEIGHBOURS
        or (word.endswith(("ed", "ly")) and word not in NO_VERBS)
    )


def _composed(question: SingleHop, clue: Clue, start: int, end: int) -> str | None:
    """The question with the description in the entity's place, or None if that would not do."""
    if question.text == clue.text and not clue.defines:
        return None
    asked = question.question.strip()
    if question.title != clue.title and not _same_sense(question.text, clue):
        return None
    composed = _replaced(asked, start, end, clue.phrase)
    if composed is None or not _hides(question, clue, composed):
        return None
    rest = set(key_of(f"{asked[:start]} {asked[end:]}").split()) - SMALL
    phrase = set(key_of(clue.phrase).split()) - SMALL
    if PRONOUNS & rest or len(rest - AUXILIARIES) < 2 or len(rest & phrase) > 2:
        return None
    return composed[0].upper() + composed[1:] if asked[0].isupper() else composed


def _same_sense(text: str, clue: Clue) -> bool:
    """Whether a single word can mean in a text what the clue describes; longer names are taken to."""
    name = re.escape(clue.entity)
    if "(" in clue.title and key_of(clue.entity) == key_of(re.sub(r" \(.*", "", clue.title)):
        return False
    if " " in clue.entity:
        return True
    if re.match(r"the (?:person|one|\w+ (?:team|club)) ", clue.phrase):
        return not re.search(rf"\b(?:in|to|from|the|The) {name}\b", text)
    return not re.search(rf"\b(?:[Ll]ord|[Kk]ing|[Qq]ueen|Mr\.?|Prince|Sir|President|General) {name}\b", text)


def _hides(question: SingleHop, clue: Clue, composed: str) -> bool:
    """Whether a composed question names neither the entity nor the answer."""
    words = set(key_of(composed).split())
    answer = set(key_of(question.answer).split()) - SMALL
    entity = set(key_of(clue.entity).split())
    return (
        len(composed.split()) <= _LONGEST_QUESTION
        and not words & entity - SMALL - GENERIC
        and bool(answer)
        and not answer <= words
        and not answer <= entity
    )


def _replaced(asked: str, start: int, end: int, phrase: str) -> str | None:
    before, after = asked[:start], asked[end:]
    last = re.search(r"(\w+) $", before)
    if last and " who" in phrase and last[1].casefold() in _TITLES | {"during", "were", "are", "do", "have"}:
        return None
    if re.match("['’]s ", after):
        return _owned(before, after[3:], phrase)
    return re.sub(r"\s+", " ", f"{before}{phrase}{after}")


def _owned(before: str, after: str, phrase: str) -> str | None:
    """A possessive as "the … of": behind a clause, nobody could read 's."""
    words = after.rstrip("? ").split()
    owned = next((i for i, w in enumerate(words) if w in VERBS - NOUN_VERBS or w in PREPOSITIONS), len(words))
    if not 0 < owned <= 3 or words[owned - 1][-1] == "," or (owned < len(words) and words[owned] == "of"):
        return None
    if re.search(r"(?:\ba|\ban|\bthe|-) $", before) or any(word[0].isupper() for word in words[:owned]):
        return None
    rest = " ".join(words[owned:])
    composed = f"{before}the {' '.join(words[:owned])} of {phrase} {rest}".strip()
    return composed + ("?" if before[:1].isupper() else "")
