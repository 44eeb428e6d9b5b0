"""English, as far as composing needs it: verb forms, lists of words, a text as words and sentences."""

import re
from functools import lru_cache

from lingua_core.segmentation.segmenter import TextSegmenter
from lingua_core.training.data.examples import Span

__all__ = [
    "AUXILIARIES",
    "NOUN_VERBS",
    "NO_VERBS",
    "PAST",
    "PAST_FORMS",
    "PREPOSITIONS",
    "PRONOUNS",
    "SMALL",
    "THIRD_PERSON",
    "TOKEN",
    "VERBS",
    "head_of",
    "is_participle",
    "key_of",
    "sentences_of",
    "starts_verb",
    "third_person",
    "words_of",
]

# base, past and participle
_IRREGULAR = """
be was been|become became become|begin began begun|break broke broken|bring brought brought
build built built|buy bought bought|choose chose chosen|come came come|draw drew drawn|fall fell fallen
fight fought fought|find found found|fly flew flown|get got gotten|give gave given|go went gone
grow grew grown|have had had|hold held held|keep kept kept|know knew known|lead led led
learn learned learned|leave left left|lie lay lain|lose lost lost|make made made|mean meant meant
meet met met|pay paid paid|play played played|ride rode ridden|rise rose risen|run ran run|say said said
see saw seen|seek sought sought|sell sold sold|send sent sent|shoot shot shot|sing sang sung|sit sat sat
speak spoke spoken|spend spent spent|stand stood stood|steal stole stolen|take took taken
teach taught taught|tell told told|think thought thought|win won won|write wrote written|feel felt felt
overthrow overthrew overthrown|withdraw withdrew withdrawn|undergo underwent undergone|swim swam swum
sink sank sunk|bear bore born|beat beat beaten|spread spread spread|lend lent lent|wear wore worn
show showed shown|do did done|throw threw thrown|drive drove driven|cut cut cut|hide hid hidden
strike struck struck|forbid forbade forbidden|oversee oversaw overseen|set set set|put put put
"""
_REGULAR = """
abandon accept accuse achieve acquire act adapt add admire adopt advise agree announce annex appear apply
appoint argue arrive ask assassinate assist attack attempt attend author award base battle believe belong
blame born call capture carry cause celebrate challenge change claim collaborate compare compete complete
compose conduct conquer consider construct consist contain contribute control convert convince cover create
credit criticize cross declare defeat defend define deliver demand depend depict describe design destroy
develop die direct discover discuss display divide document dominate donate earn edit elect employ enact
encourage end enroll enter escape establish exist expand explain explore express extend face fail feature
file finish fire flee focus follow force form found fund gain govern graduate happen hate help hire host
identify imply import include increase influence inherit inspire introduce invade invent invite issue join
kill land last launch like list live locate love manage march marry mention merge migrate move murder name
need negotiate nominate note occupy occur offer open operate oppose order originate own paint participate
pass perform persuade plan portray practice praise predict prefer present preside prevent produce promise
promote propose protect prove provide publish purchase pursue push question quote reach receive recognize
recommend record refer reference refuse reign reject release remain replace report represent request require
resemble reside resign respond rescue retire return reveal rule serve settle share sign sponsor star start
state stay stop study succeed suffer suggest support surpass surrender surround sue talk target tour train
transfer translate travel treat try turn unite use view visit vote want watch witness work worship surface
supply side replicate rename remove refuel recruit raise
"""


def words_of(text: str) -> frozenset[str]:
    """The set of a text's words."""
    return frozenset(text.split())


def _past(base: str) -> str:
    if base.endswith("e"):
        return base + "d"
    return base[:-1] + "ied" if re.search("[^aeiou]y$", base) else base + "ed"


def third_person(base: str) -> str:
    """A verb in the third person."""
    if re.search("(?:s|sh|ch|x|o)$", base):
        return base + "es"
    return base[:-1] + "ies" if re.search("[^aeiou]y$", base) else base + "s"


_FORMS = [row.split() for row in _IRREGULAR.strip().replace("\n", "|").split("|")]
_DOUBLED = {"refer": "referred", "occur": "occurred", "transfer": "transferred", "plan": "planned"}

PAST = {
    **{base: past for base, past, _ in _FORMS if base != "be"},
    **{base: _past(base) for base in _REGULAR.split()},
    **_DOUBLED,
    "stop": "stopped",
    "flee": "fled",
}
"""Verbs with their past forms."""

_PARTICIPLES = {form[2] for form in _FORMS} | {_past(base) for base in _REGULAR.split()}

PAST_FORMS = set(PAST.values())
"""The past forms alone."""

THIRD_PERSON = {third_person(base) for base in PAST}
"""The verbs in the third person."""

AUXILIARIES = words_of("is was were are did does do has had have can could would will should may might")
"""Forms of auxiliary verbs."""

VERBS = set(PAST) | PAST_FORMS | _PARTICIPLES | THIRD_PERSON | AUXILIARIES
"""All forms of all verbs known here."""

NO_VERBS = words_of("united hundred red sacred bed seed speed need indeed feed breed exceed")
"""Words that only end like a past form."""

NOUN_VERBS = words_of(
    "work state group design film band study record tour rule award battle order act star host"
)
"""Verbs that are nouns more often."""

PREPOSITIONS = words_of(
    "about above across after against along among around as at before behind between by during for from "
    "in into of off on onto over since through throughout to toward towards under until upon via with "
    "within without"
)
"""Prepositions of one word."""

PRONOUNS = words_of(
    "he she it his her hers its him they them their theirs this these those there i we you your our us "
    "my me one ones himself itself herself themselves such other another else"
)
"""Words that point to something said elsewhere."""

SMALL = words_of(
    "the a an of in on and or to for by at from with de la von van der is was who that which where"
)
"""Words that mean little, and may stand in lower case inside a name."""

TOKEN = re.compile(r"[^\W_]+(?:(?!['’]s\b)[-'’.&][^\W_]+)*")
"""A word without a possessive's ending."""


def starts_verb(word: str) -> bool:
    """Whether a word opens a predicate: an inflected verb."""
    return word in VERBS - set(PAST) or (word.endswith("ed") and word not in NO_VERBS)


def is_participle(word: str) -> bool:
    """Whether a word looks like a past participle."""
    return word in _PARTICIPLES or (word.endswith("ed") and word not in NO_VERBS)


def key_of(text: str) -> str:
    """A text's words in lower case, for comparing names."""
    return " ".join(TOKEN.findall(text.casefold()))


def head_of(phrase: str) -> str:
    """A noun phrase without what follows its noun."""
    return re.split(r" (?:of|in|by|from|for|on|at|that|to|with|born|written|directed|located) ", phrase)[0]


@lru_cache(maxsize=1 << 16)
def sentences_of(text: str) -> tuple[Span, ...]:
    """Where a text's sentences are."""
    return tuple((segment.start, segment.end) for segment in TextSegmenter(language="en").segment(text))
