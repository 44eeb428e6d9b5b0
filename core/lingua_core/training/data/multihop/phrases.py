"""A question as a noun phrase: "In what city was Mozart born" gives "the city in which Mozart was born"."""

import re
from collections.abc import Callable, Sequence

from lingua_core.training.data.multihop.english import (
    AUXILIARIES,
    NOUN_VERBS,
    PAST,
    PREPOSITIONS,
    PRONOUNS,
    SMALL,
    VERBS,
    is_participle,
    starts_verb,
    third_person,
    words_of,
)
from lingua_core.training.data.multihop.entities import ORGANISATION, is_person

__all__ = ["LAST_BAD", "is_specific", "phrase_of"]

_LONGEST_PHRASE = 20
_BAD_NOUNS = words_of(
    "year years day date month century percentage percent kind kinds type types name names term word "
    "words two three is are was were did do does number amount additional time age other else of else's "
    "makes happened has had can"
)

LAST_BAD = PREPOSITIONS | AUXILIARIES | words_of("called named known")
"""Words that end no noun phrase."""

_RANKS = words_of("capital first second third only main primary official home birthplace most least")
_Build = Callable[[re.Match[str], str, str], str | None]


def phrase_of(question: str, entity: str, text: str) -> str | None:
    """What a question asks for, as a noun phrase without inflections that could go wrong."""
    asked = re.sub(r"\s+", " ", question).strip().rstrip("? .")
    opened = re.fullmatch(
        r"((?:In|During|After|Before|On|At|For|From) [^,]{3,50}), ((?:who|what|which) .+)", asked
    )
    asked = f"{opened[2]} {opened[1][0].lower()}{opened[1][1:]}" if opened else asked
    if not asked or "," in asked:
        return None
    asked = asked[0].lower() + asked[1:]
    for pattern, build in _RULES:
        match = pattern.fullmatch(asked)
        if match:
            phrase = build(match, entity, text)
            return phrase if phrase and not re.search(r"\b(?:what|whom|how|did)\b", phrase) else None
    return None


def is_specific(phrase: str) -> bool:
    """Whether a phrase describes one thing, without words that point elsewhere."""
    words = phrase.split()
    if not 3 <= len(words) <= _LONGEST_PHRASE or PRONOUNS & {word.casefold() for word in words}:
        return False
    if any(word[0].isupper() or word[0].isdigit() or word[0] in "\"'“" for word in words[1:]):
        return True
    return phrase == phrase.lower() and len([w for w in words if w not in SMALL]) >= 4


def _noun(noun: str) -> str | None:
    words = noun.split()
    last = words[-1].casefold()
    if (
        not words
        or len(words) > 4
        or re.search("['’]s$", last)
        or {word.casefold() for word in words} & (_BAD_NOUNS | PREPOSITIONS | PRONOUNS | SMALL)
    ):
        return None
    if (last.endswith("s") and not last.endswith(("ss", "us", "is", "series"))) or last in VERBS - NOUN_VERBS:
        return None
    return noun


def _named(match: re.Match[str], entity: str, text: str) -> str | None:
    return _plain(match[1])


def _plain(phrase: str) -> str | None:
    phrase = re.sub(r" (?:called|named|known as)$", "", phrase)
    words = phrase.split()
    if not re.match(r"the |[A-Z][\w.]+(?: [A-Z][\w.]+)*['’]s ", phrase) or len(words) < 3:
        return None
    inner = [word.casefold() for word in words]
    if re.search(r"[A-Z]\w+ (?:\w+ed|\w+en|born|made|built|held) ", phrase) and "that" not in inner:
        return None
    if inner[-1] in LAST_BAD or (is_participle(inner[-1]) and not {"that", "who"} & set(inner)):
        return None
    return phrase


def _who(match: re.Match[str], entity: str, text: str) -> str | None:
    words = match[1].split()
    verb = words[words[0].endswith("ly") and len(words) > 1].casefold()
    if verb in ("were", "are", "have", "did", "do", "does", "else", "all") or not (
        starts_verb(verb) or verb[-1] == "s"
    ):
        return None
    if verb in ("is", "was"):
        rest = words[1:]
        if not rest or rest[0][0].isupper() or rest[0] in ("the", "a", "an"):
            return None
        if rest[-1].casefold() in LAST_BAD:
            return None
    who = _kind_of_agent(entity, text)
    return f"{who} {match[1]}" if who else None


def _kind_of_agent(entity: str, text: str) -> str | None:
    last = entity.split()[-1].casefold()
    if last in ORGANISATION:
        return f"the {last} that"
    if is_person(entity, text):
        return "the person who"
    alone = " " not in entity and not re.search(rf"\b(?:in|to|from|the|The) {re.escape(entity)}\b", text)
    return "the one who" if alone else None


def _who_did(match: re.Match[str], entity: str, text: str) -> str | None:
    clause = _told(match["does"], match["clause"])
    who = _kind_of_agent(entity, text)
    return f"{who}m {clause}" if clause and who and who.endswith("who") else None


def _told(does: str, clause: str) -> str | None:
    """What "did" asks about, as a statement: "the band release it" gives "the band released it"."""
    words = clause.split()
    for i in range(1, len(words)):
        if words[i] in PAST:
            if not _is_subject(words[:i]):
                return None
            verb = {"did": PAST[words[i]], "does": third_person(words[i])}.get(does, words[i])
            return " ".join([*words[:i], "has" if verb == "haves" else verb, *words[i + 1 :]])
    return None


def _is_subject(words: Sequence[str]) -> bool:
    return (
        len(words) <= 6
        and words[-1].casefold() not in PREPOSITIONS | SMALL
        and not any(word in AUXILIARIES or word in PRONOUNS for word in words)
    )


def _which_did(match: re.Match[str], entity: str, text: str) -> str | None:
    noun, clause = _noun(match["noun"]), _told(match["does"], match["clause"])
    prep = match["prep"]
    if not noun or not clause:
        return None
    return f"the {noun} {prep.lower()} which {clause}" if prep else f"the {noun} that {clause}"


def _which_is(match: re.Match[str], entity: str, text: str) -> str | None:
    """From "In what city was Mozart born": "the city in which Mozart was born"."""
    noun, clause = _noun(match["noun"]), _declared(match["be"], match["clause"])
    prep = match["prep"]
    if not noun or not clause:
        return None
    return f"the {noun} {prep.lower()} which {clause}"


def _declared(be: str, clause: str) -> str | None:
    words = clause.split()
    for i in range(1, len(words)):
        if is_participle(words[i]) or words[i] in ("situated", "located"):
            if not _is_subject(words[:i]):
                return None
            return " ".join([*words[:i], be, *words[i:]])
    return None


def _located(match: re.Match[str], entity: str, text: str) -> str | None:
    noun = _noun(match["noun"])
    if not noun or not _is_subject(match["clause"].split()):
        return None
    return f"the {noun} that {match['clause']} {match['be']} {match['end']}"


def _which(match: re.Match[str], entity: str, text: str) -> str | None:
    words = match[1].split()
    for i in range(1, min(len(words) - 1, 7)):
        word = words[i]
        if not starts_verb(word) and word not in AUXILIARIES:
            continue
        head = next((j for j in range(1, i) if words[j] in ("from", "in", "of")), i)
        noun = _noun(" ".join(words[:head]))
        rest = words[i + 1 :]
        if not noun or word in ("did", "do", "does", "were", "are", "have"):
            return None
        if word in AUXILIARIES and not _goes_on(rest):
            return None
        if rest[0] in PREPOSITIONS and any(w in VERBS - set(PAST) for w in rest):
            return None
        return f"the {noun} that {' '.join(words[i:])}" if rest[-1].casefold() not in LAST_BAD else None
    return None


def _goes_on(rest: Sequence[str]) -> bool:
    """Whether what follows an auxiliary is its predicate, and no subject."""
    if rest[0] in ("the", "a"):
        return len(rest) > 2 and (rest[1] in _RANKS or rest[1].endswith("est"))
    return not rest[0][0].isupper() and (is_participle(rest[0]) or rest[0] in PAST or rest[0].endswith("ly"))


def _where(match: re.Match[str], entity: str, text: str) -> str | None:
    clause = _declared(match["be"], match["clause"])
    return f"the place where {clause}" if clause else None


def _where_did(match: re.Match[str], entity: str, text: str) -> str | None:
    clause = _told(match["does"], match["clause"])
    return f"the place where {clause}" if clause else None


def _asked_last(match: re.Match[str], entity: str, text: str) -> str | None:
    """From "He lived in what city": "the city in which he lived"."""
    noun = _noun(match["noun"])
    words = match["clause"].split()
    if not noun or len(words) < 3 or not any(w in VERBS or w.endswith("ed") for w in words):
        return None
    return f"the {noun} {match['prep']} which {match['clause']}"


_WH = "(?:what|which)"
_DOES = "(?P<does>did|does|do)"
_PREP = "(?P<prep>in|at|to|from|on|for|with|under|during|after|by|against|near|of)"
_RULES: Sequence[tuple[re.Pattern[str], _Build]] = [
    (re.compile(pattern), build)
    for pattern, build in (
        (rf"{_WH}(?: is| was|['’]s) the (?:full )?name of (.+)", _named),
        (r"(?:who|what)(?: is| was|['’]s) (the .+|[A-Z][^ ]*(?: [A-Z][^ ]*)*['’]s .+)", _named),
        (rf"whom? {_DOES} (?P<clause>.+)", _who_did),
        (r"who (.+)", _who),
        (rf"{_PREP} {_WH} (?P<noun>.+?) {_DOES} (?P<clause>.+)", _which_did),
        (rf"{_PREP} {_WH} (?P<noun>.+?) (?P<be>is|was) (?P<clause>.+)", _which_is),
        (
            rf"{_WH} (?P<noun>.+?) (?P<be>is|was) (?P<clause>(?:the )?[A-Za-z].+?) "
            "(?P<end>located in|in|from|part of|named after|based in|found in|born in)",
            _located,
        ),
        (rf"(?P<prep>){_WH} (?P<noun>.+?) {_DOES} (?P<clause>.+)", _which_did),
        (r"where (?P<be>is|was) (?P<clause>.+)", _where),
        (rf"where {_DOES} (?P<clause>.+)", _where_did),
        (rf"{_WH} (.+)", _which),
        (rf"(?P<clause>.+) {_PREP} {_WH} (?P<noun>.+)", _asked_last),
    )
]
