"""What stands at the beginning of a line of a list: numbers, bullets, headings."""

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from lingua_core.skeleton.parsing.numerals import chinese_value, decimal_value, letter_value, roman_value
from lingua_core.skeleton.parsing.words import clean

__all__ = ["Marker", "MarkerKind", "markers", "split_inline"]

MarkerKind = Literal["decimal", "chinese", "roman", "letter", "heading", "bullet"]


class Marker(NamedTuple):
    """A line that may be a point.

    Attributes:
        kind: The family of the marker.
        form: What else marks of one list have in common: delimiter, level of heading, bullet.
        value: Its number; 0 for bullets and headings without one.
        indent: Columns before it.
        rest: The text behind it, as written.
        doubtful: Whether it may well be no marker: a date.
    """

    kind: MarkerKind
    form: str
    value: int
    indent: int
    rest: str
    doubtful: bool = False


_CHINESE = "[〇零一二三四五六七八九十两]"
_LABELS = (
    "point|step|part|section|chapter|topic|idea|item|key point|punkt|schritt|teil|abschnitt|kapitel|"
    "étape|etape|"
    "partie|paso|parte|punto|passo|ponto|шаг|пункт|часть|раздел|тезис|krok|stap|steg|adım|bước|"
    "الخطوة|النقطة|चरण|बिंदु|步骤|步驟|要点|要點|部分|ステップ|ポイント|단계"
)
# In the order in which they are tried. Group 1 is the number. What follows a marker is no digit: 3.12, 10:30.
_NUMBERED: tuple[tuple[MarkerKind, str, re.Pattern[str]], ...] = (
    ("decimal", "keycap", re.compile("(\\d)\ufe0f?\u20e3\\s*")),
    ("decimal", "circle", re.compile(r"([①-⑳❶-❿➀-➉➊-➓])[.、]?\s*")),
    ("decimal", "()", re.compile(r"[(（]\s?(\d{1,3})\s?[)）][.:：]?\s*")),
    ("decimal", "[]", re.compile(r"[\[【]\s?(\d{1,3})\s?[\]】](?![(\[])[.:：]?\s*")),
    ("decimal", ".", re.compile(r"(\d{1,3})\s?\\?[.．。]\)?(?![\d.])(?=\s|$|[^\sa-z/_,;)\-])\s*")),
    ("decimal", ")", re.compile(r"(\d{1,3})\s?\\?[)）][.:]?(?!\d)\s*")),
    ("decimal", "、", re.compile(r"(\d{1,3})\s?[、，](?!\d)\s*")),
    ("decimal", ":", re.compile(r"(\d{1,3})\s?(?::(?=\s)|：)\s*(?!\d)")),
    ("decimal", "-", re.compile(r"(\d{1,3})\s?[-–—]\s+(?!\d)")),
    ("decimal", "label", re.compile(rf"(?i:{_LABELS})\s*#?(\d{{1,3}})\s?(?:[:.)：、–—-]|$)(?!\d)\s*")),
    ("decimal", "label", re.compile(r"#(\d{1,3})(?:[:.)：、–—-]|\s)\s*")),
    ("roman", "label", re.compile(rf"(?i:{_LABELS})\s+([IVX]{{1,5}})\s?[:.)：–—-]\s*")),
    (
        "decimal",
        "第",
        re.compile(r"第\s?(\d{1,3})\s?(?:部分|方面|[点點步章节節条條项項段])?[、，,：:.．\s]\s*"),
    ),
    (
        "chinese",
        "第",
        re.compile(rf"第({_CHINESE}{{1,3}})(?:部分|方面|[点點步章节節条條项項段])?[、，,：:.．\s]\s*"),
    ),
    ("chinese", "、", re.compile(rf"({_CHINESE}{{1,3}})[、．.：:]\s*")),
    ("chinese", "()", re.compile(rf"[(（]({_CHINESE}{{1,3}})[)）][、.：:]?\s*")),
    ("roman", ".", re.compile(r"([IVXL]{1,6}|[ivxl]{1,6}|[Ⅰ-Ⅻⅰ-ⅻ])[.．、](?:\s+|$)")),
    ("roman", ")", re.compile(r"([IVXL]{1,6}|[ivxl]{1,6})\)(?:\s+|$)")),
    ("roman", "()", re.compile(r"\(([IVXL]{1,6}|[ivxl]{1,6})\)\s+")),
    ("letter", ".", re.compile(r"([^\W\d_])[.．](?:\s+|$)")),
    ("letter", ")", re.compile(r"([^\W\d_])[)）](?:\s+|$)")),
    ("letter", "()", re.compile(r"[(（]([^\W\d_])[)）]\s*")),
)
_VALUES = {
    "decimal": decimal_value,
    "chinese": chinese_value,
    "roman": roman_value,
    "letter": letter_value,
}
_QUOTE = re.compile(r"(?:>\s?)+")
_HEADING = re.compile(r"(#{1,6})\s+(?=\S)|(#{2,6})(?=[^\s#])")
_BULLET = re.compile(r"([-*+–—→])(?:\s+|$)|([•‣◦▪●○·・►➤➢✓✔✅❖■□◆◇»])\s*")
_EMPHASIS = re.compile(r"(\*{1,3}|__|_(?=\S))\s?")
_BOLD_LINE = re.compile(r"(?:\*\*|__)(?=\S)[^*]{1,150}(?:\*\*|__)\s*[:：]?\s*")
_BOLD_LEAD = re.compile(r"\*\*(?=\S)[^*]{1,100}\*\*\s*[:：–—-]?\s+\S")
_MONTH = re.compile(
    r"(?i:jan(?:uar|\b)|jänner|feb|märz|mars\b|april|apr\b|maj\b|mai\b|juni?\b|juli?\b|aug|sep|okt|nov|dez|des\b|dec)"
)
_BOLD_LEVEL, _LEAD_LEVEL = 7, 8


def markers(line: str) -> list[Marker]:
    """What the line's marker may be, the likeliest first; empty for a line without one."""
    body = line.expandtabs(4)
    indent = len(body) - len(body.lstrip())
    body = body.strip()
    if quote := _QUOTE.match(body):
        body = body[quote.end() :]
    if heading := _HEADING.match(body):
        level = len(heading[1] or heading[2])
        rest = body[heading.end() :].strip("#").strip()
        found = list(_numbered(rest, f"h{level}", indent))
        return found or ([Marker("heading", f"h{level}", 0, indent, rest)] if clean(rest) else [])
    if found := list(_numbered(body, "", indent)):
        return found
    if _BOLD_LINE.fullmatch(body):
        return [Marker("heading", f"h{_BOLD_LEVEL}", 0, indent, body)]
    if bullet := _BULLET.match(body):
        rest = body[bullet.end() :]
        found = [m for m in _numbered(rest, "b", indent) if m.kind in ("decimal", "chinese")]
        return found or [Marker("bullet", bullet[1] or bullet[2], 0, indent, rest)]
    if _BOLD_LEAD.match(body):
        return [Marker("heading", f"h{_LEAD_LEVEL}", 0, indent, body)]
    return []


def _numbered(body: str, form: str, indent: int) -> Iterator[Marker]:
    emphasis = _EMPHASIS.match(body)
    start = emphasis.end() if emphasis else 0
    for kind, name, pattern in _NUMBERED:
        match = pattern.match(body, start)
        value = _VALUES[kind](match[1]) if match else None
        if match is None or value is None:
            continue
        case = ("A" if match[1].isupper() else "a") if kind in ("roman", "letter") else ""
        rest = _undoubled(body[match.end() :], pattern, match[1])
        doubtful = kind == "decimal" and _MONTH.match(rest) is not None
        yield Marker(kind, form + name + case, value, indent, rest, doubtful)
        if kind not in ("roman", "letter"):
            return


def _undoubled(rest: str, pattern: re.Pattern[str], number: str) -> str:
    """The text without the marker that a model wrote again: "1. 1. Foo"."""
    again = pattern.match(rest)
    return rest[again.end() :] if again and again[1] == number else rest


_INLINE: dict[str, re.Pattern[str]] = {
    ".": re.compile(r"(?:(?<=[\s;；,，。．])|(?<=[^\x00-\x7f\d]))(\d{1,3})[.．](?![\d.])\s*(?=[^\s\da-z])"),
    ")": re.compile(r"(?:(?<=[\s;；,，。])|(?<=[^\x00-\x7f\d]))(\d{1,3})[)）](?!\d)\s*(?=[^\s\d])"),
    "()": re.compile(r"[(（](\d{1,3})[)）]\s*(?=[^\s\d])"),
    "、": re.compile(
        rf"(?:(?<=[\s;；,，。])|(?<=[^\x00-\x7f\d]))(\d{{1,3}}|{_CHINESE}{{1,3}})、(?!\d)\s*(?=\S)"
    ),
    "circle": re.compile(r"([①-⑳❶-❿➀-➉➊-➓])\s*(?=\S)"),
}


def split_inline(text: str, form: str, value: int) -> list[tuple[int, str]]:
    """The points of a list that stands in one line: (number, text), the first of number `value`.

    Only numbers that count on from `value`, in the same form, divide the text.
    """
    parts: list[tuple[int, str]] = []
    start = 0
    pattern = _INLINE.get(form)
    for match in pattern.finditer(text) if pattern else ():
        number = decimal_value(match[1]) or chinese_value(match[1]) or 0
        if number == value + 1 and clean(text[start : match.start()]):
            parts.append((value, text[start : match.start()]))
            start, value = match.end(), number
    return [*parts, (value, text[start:])]
