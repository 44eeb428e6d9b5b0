"""How much a text says, and what it looks like without decoration."""

import html
import re
import unicodedata

from lingua_core.unicode import WORD, encodable

__all__ = ["clean", "count_words", "plain"]

# Scripts without spaces between words: about five letters make three words, as segmenters cut them.
_UNSPACED = re.compile(
    "[\u2e80-\u2fdf\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u0e01-\u0e30\u0e40-\u0e44\u0e81-\u0eb0"
    "\u1000-\u102a\u1780-\u17b3\U00020000-\U0003ffff]"
)
_WORDS_PER_LETTER = 0.6
_LONGEST_WORD = 30
_WORD = re.compile(WORD)
_EMPHASIS = re.compile(r"\*{1,3}(?=\S)|(?<=\S)\*{1,3}|(?<![^\W_])_{1,3}(?=\S)|(?<=\S)_{1,3}(?![^\W_])|~~")
_TAG = re.compile(r"</?[A-Za-z][\w:-]*(?: [^<>]*)?/?>")
_LINK = re.compile(r"!?\[([^\[\]]+)\]\([^()\s]*\)")
_CODE = re.compile(r"(`[^`]+`)")
_CHECKBOX = re.compile(r"^\[[ xX✓✔]\]\s+")
_WRAPPED = re.compile(r"^(?:\"([^\"]*)\"|“([^“”]*)”|„([^„“]*)“|「([^「」]*)」|`([^`]*)`|\[([^\[\]]*)\])$")
_SPACES = re.compile(r"\s+")
_TAIL = " \t:：;；,，、–—-*_#|\\"
_ABBREVIATION = re.compile(r"(?:\b(?:etc|usw|etw|al|Inc|Ltd|Co|Jr|Sr|vs|bzw)|\b\w\.\w|\.\.)\.\Z")


def count_words(text: str) -> float:
    """Words; in scripts without spaces, an estimate from the number of letters.

    Never less than one per 30 characters, so that what has no words has a length too.
    """
    unspaced = 0 if text.isascii() else len(_UNSPACED.findall(text))
    spaced = _UNSPACED.sub(" ", text) if unspaced else text
    return max(len(_WORD.findall(spaced)) + _WORDS_PER_LETTER * unspaced, len(text) / _LONGEST_WORD)


def clean(text: str) -> str:
    """A line without emphasis, links, tags, wrapping quotes, and the punctuation that led to its text."""
    text = _CHECKBOX.sub("", encodable(text).strip())
    # Between backticks, nothing is decoration.
    parts = [part if i % 2 else _undecorated(part) for i, part in enumerate(_CODE.split(text))]
    text = _SPACES.sub(" ", "".join(parts)).strip()
    text = text.lstrip(":：-–— ").rstrip(_TAIL)
    if wrapped := _WRAPPED.match(text):
        text = next(group for group in wrapped.groups() if group is not None).strip()
    if text[-1:] in (".", "。", "．") and not _ABBREVIATION.search(text):
        text = text[:-1].rstrip(_TAIL)
    return text if any(map(str.isalnum, text)) else ""


def _undecorated(text: str) -> str:
    return _EMPHASIS.sub("", html.unescape(_TAG.sub("", _LINK.sub(r"\1", text))))


def plain(text: str) -> str:
    """What is left for comparing: letters and digits, in one case."""
    return "".join(c for c in unicodedata.normalize("NFKC", text).casefold() if c.isalnum())
