"""Numbers as people and models write them before the points of a list."""

import re
import unicodedata

__all__ = ["chinese_value", "decimal_value", "letter_value", "roman_value"]

_CHINESE = {c: i for i, c in enumerate("〇一二三四五六七八九十")} | {"零": 0, "两": 2}
_ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100}
_ROMAN_FORM = re.compile(r"(?:x{0,3}|xl|lx{0,3}|xc)(?:ix|iv|v?i{0,3})\Z")
_ALPHABETS = (
    "abcdefghijklmnopqrstuvwxyz",
    "абвгдежзиклмнопрст",
    "αβγδεζηθικλμ",
    "가나다라마바사아자차카타파하",
    "אבגדהוזחטי",
    "アイウエオカキクケコ",
)


def decimal_value(text: str) -> int | None:
    """The value of digits of any script, of one circled digit, or None."""
    if len(text) == 1 and not text.isdecimal():
        value = unicodedata.numeric(text, 0.0)
        return int(value) if value >= 1 and value == int(value) else None
    return int(text) if text.isdecimal() else None


def chinese_value(text: str) -> int | None:
    """The value of a Chinese numeral up to 99, or None."""
    if not text or any(c not in _CHINESE for c in text):
        return None
    tens, ten, ones = text.rpartition("十")
    if not ten:
        return _CHINESE[text] if len(text) == 1 else None
    if len(tens) > 1 or len(ones) > 1:
        return None
    return 10 * (_CHINESE[tens] if tens else 1) + (_CHINESE[ones] if ones else 0)


def roman_value(text: str) -> int | None:
    """The value of a well-formed Roman numeral below 100, in one case, or None."""
    plain = unicodedata.normalize("NFKC", text)
    small = plain.lower()
    if not small or plain not in (small, plain.upper()) or not _ROMAN_FORM.match(small):
        return None
    values = [_ROMAN[c] for c in small]
    return sum(-v if v < max(values[i:]) else v for i, v in enumerate(values))


def letter_value(text: str) -> int | None:
    """The place of a letter in its alphabet, from 1, or None."""
    if len(text) != 1:
        return None
    for alphabet in _ALPHABETS:
        if (place := alphabet.find(text.lower())) >= 0:
            return place + 1
    return None
