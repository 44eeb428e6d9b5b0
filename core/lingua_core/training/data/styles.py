"""The same question as other people would type it: search words, lower case, typing errors."""

import random
import re

__all__ = ["keywords", "lower", "restyled", "typos"]

_TYPO_EVERY = 12
_STOP_WORDS = frozenset(
    "a an the is are was were be been being am do does did has have had will would shall should can "
    "could may might must of in on at to for from by with about into as and or but if then than that "
    "this these those it its he she they them his her their there here what which who whom whose when "
    "where why how i you we me my your our us so such not no any some s".split()
)
# Without them a question asks for something else.
_KEPT = frozenset({"when", "where", "why", "who", "not", "no", "how"})
_WORD = re.compile(r"[^\W_]+(?:[-.'’][^\W_]+)*")
_NEIGHBOURS = {
    "q": "wa", "w": "qes", "e": "wrd", "r": "etf", "t": "ryg", "y": "tuh", "u": "yij", "i": "uok", "o": "ipl",
    "p": "ol", "a": "sqz", "s": "adw", "d": "sfe", "f": "dgr", "g": "fht", "h": "gjy", "j": "hku", "k": "jli",
    "l": "ko", "z": "xa", "x": "zcs", "c": "xvd", "v": "cbf", "b": "vng", "n": "bmh", "m": "nj",
}  # fmt: skip


def lower(question: str, rng: random.Random) -> str:
    """In lower case, without the question mark."""
    del rng
    return question.lower().rstrip("?. ")


def keywords(question: str, rng: random.Random) -> str:
    """As in a search box: content words in lower case, sometimes with the question word."""
    keep_question_word = rng.random() < 0.3
    words = [word.lower() for word in _WORD.findall(question)]
    kept = [
        word
        for word in words
        if word not in _STOP_WORDS or (word in _KEPT and (keep_question_word or word in {"not", "no"}))
    ]
    return " ".join(kept or words)


def typos(question: str, rng: random.Random) -> str:
    """With about one slip in twelve letters: swapped, dropped, doubled or a neighbour on the keyboard."""
    letters = list(question)
    places = [i for i, letter in enumerate(letters[:-1]) if letter.isalpha() and letters[i + 1].isalpha()]
    count = min(len(places), max(1, len(question) // _TYPO_EVERY))
    for i in rng.sample(places, count):
        letter = letters[i]
        slip = rng.randrange(4)
        if slip == 0:
            letters[i], letters[i + 1] = letters[i + 1], letter
        elif slip == 1:
            letters[i] = ""
        elif slip == 2:
            letters[i] = letter * 2
        else:
            letters[i] = rng.choice(_NEIGHBOURS.get(letter.lower(), letter))
    return "".join(letters)


def restyled(question: str, rng: random.Random) -> str:
    """The question, in one of six cases typed in another way."""
    chance = rng.random()
    if chance < 0.06:
        return keywords(question, rng)
    if chance < 0.12:
        return lower(question, rng)
    if chance < 0.17:
        return typos(question, rng)
    return question
