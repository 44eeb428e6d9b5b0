"""Names: which of them are specific, which are persons', and where a text has them."""

import re

from lingua_core.training.data.multihop.english import SMALL, key_of, words_of

__all__ = [
    "DEMONYM",
    "GENERIC",
    "NAME",
    "NO_NAME",
    "ORGANISATION",
    "VAGUE",
    "entity_of",
    "is_person",
    "is_vague",
    "names",
]

_MONTHS = "january february march april may june july august september october november december"

VAGUE = words_of(_MONTHS) | words_of(
    "monday tuesday wednesday thursday friday saturday sunday north south east west northern southern "
    "eastern western god jesus christ jews christians muslims christian muslim jewish catholic islam "
    "christianity bible king queen president world earth internet summer winter spring autumn church "
    "state city government english america europe asia africa france germany england britain china "
    "japan india russia spain italy london united states kingdom u.s us uk usa american european "
    "british french german latin greek roman yes no none two three four five six seven eight nine ten"
)
"""Words that name too much, or too many things, for a description."""

_ROLES = re.compile(
    "(?:prime|foreign|first) minister|(?:supreme|high) court|head of (?:state|government)|new york|world war|"
    "soviet union|secretary of state|house of (?:representatives|lords|commons)|vice president|middle ages|"
    "civil war"
)

DEMONYM = re.compile(r"[A-Z]\w+(?:ish|ese|ans?|ic|ch|ians?|ists?|ites?|isms?|s)\Z")
"""A name that may be a people, a language or a belief."""

ORGANISATION = words_of(
    "party army company university empire council group corporation association church government "
    "republic kingdom college team band committee commission court congress parliament league union "
    "institute agency bureau department society foundation school bank navy dynasty museum organization "
    "family ministry club comics records studios studio pictures entertainment inc productions games "
    "press brothers films orchestra network television"
)
"""Words in the names of organisations."""

GENERIC = words_of(
    "city island river war university empire era court church battle party team club league company "
    "league army museum college state county province kingdom union council museum mountain lake sea "
    "ocean bay valley park award festival series film song band book novel day act treaty building "
    "house palace hall school station government office games system center language people group "
    "association organization national royal american"
)
"""Words that the names of different things share."""

NO_NAME = words_of("after before during when there here below above today in on at as for its it this nearby")
"""Words that open a sentence in upper case, but no name."""

NAME = r"(?:[A-Z][\w.'’-]+)(?: (?:of|the|de|la|von|van|der|[A-Z][\w.'’-]+)){0,4}"
"""A pattern of a name inside a sentence."""


def entity_of(answer: str) -> str | None:
    """The name that an answer consists of, or None if it is no specific one."""
    name = re.sub(r"^(?:the|The)\s+", "", answer.strip().strip(".,;:'\"“”"))
    described = re.fullmatch(r"(?:[A-Z]\w+ )?(?:[a-z]{4,} ){1,2}([A-Z][\w.-]+(?: [A-Z][\w.-]+){1,2})", name)
    name = described[1] if described else name
    words = name.split()
    if (
        not words
        or words[0].casefold() in NO_NAME
        or len(words) > 6
        or re.search(r"[,;:()\[\]\"/]|\band\b", name)
        or name[-1].isdigit()
    ):
        return None
    if not words[0][0].isupper() or not words[-1][0].isupper() or sum(map(len, words)) < 5:
        return None
    if any(not word[0].isupper() and word.casefold() not in SMALL for word in words):
        return None
    if is_vague(name):
        return None
    if len(words) == 1 and (DEMONYM.match(name) or name.isupper()):
        return None
    return name


def is_vague(name: str) -> bool:
    """Whether a name is a role, or of words that name too much."""
    words = name.casefold().split()
    return _ROLES.fullmatch(name.casefold()) is not None or all(word in VAGUE for word in words)


def is_person(name: str, text: str) -> bool:
    """Whether a name looks like a person's, and is used so in a text."""
    words = name.split()
    return (
        (
            len(words) in (2, 3)
            or (len(words) in (4, 5) and bool({"de", "of", "von", "van", "the"} & set(words)))
        )
        and words[0].casefold() not in ORGANISATION | GENERIC
        and not {word.casefold() for word in words} & ORGANISATION
        and not re.search(rf"\b(?:in|the|The) {re.escape(name)}\b|{re.escape(name)} (?:are|were) ", text)
        and words[-1][0].isupper()
        and not re.search("['’]s ", name)
    )


def names(text: str, entity: str) -> bool:
    """Whether a text names an entity, be it by the surname alone."""
    key = key_of(text)
    words = key_of(entity).split()
    return f" {' '.join(words)} " in f" {key} " or (
        len(words) > 1 and len(words[-1]) > 3 and f" {words[-1]} " in f" {key} " and entity.istitle()
    )
