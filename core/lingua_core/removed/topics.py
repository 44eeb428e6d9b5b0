"""What the removed passages are about: titles and headings where there are any, else key phrases."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lingua_core.removed.parts import RemovedPart, plain_heading
from lingua_core.removed.phrases import key_phrases
from lingua_core.unicode import encodable

__all__ = ["Topic", "topics"]

_PHRASES = 6
"""The most of one document; how many are said is for the room to decide."""

_ADDRESS = re.compile(r"(?:https?://|www\.)\S+")
_LONGEST = 60
_LEAST_LETTERS = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """What one or more removed passages are about.

    Attributes:
        phrases: A few words each, on one line, the most telling first.
        parts: The passages, in order.
    """

    phrases: tuple[str, ...]
    parts: tuple[RemovedPart, ...]

    @property
    def tokens(self) -> int:
        """Tokens of all of them."""
        return sum(part.tokens for part in self.parts)


def topics(parts: Sequence[RemovedPart], *, kept: Mapping[int, str]) -> list[Topic]:
    """Topics of removed passages, in the order of the passages.

    A document of which nothing was kept goes by its title; a section whose heading was removed by its
    heading; everything else by the key phrases of what was removed from the document.

    Args:
        parts: What was removed.
        kept: The kept text of each document of which something was kept, by the document's index.
    """
    groups: dict[tuple[int, str], list[RemovedPart]] = {}
    for part in parts:
        groups.setdefault((part.document, _name(part, kept)), []).append(part)
    nameless = [group for (_, name), group in groups.items() if not name]
    texts = ["\n".join([piece for part in group for piece in _removed(part)]) for group in nameless]
    found = iter(key_phrases(texts, known=list(kept.values()), most=_PHRASES))
    named = [
        Topic(phrases=_shown([name] if name else next(found)), parts=tuple(group))
        for (_, name), group in groups.items()
    ]
    return _united([topic for topic in named if topic.phrases])


def _name(part: RemovedPart, kept: Mapping[int, str]) -> str:
    if part.document not in kept and part.title and part.title.strip():
        return part.title
    return part.heading if part.heading_removed and _says_something(part.heading) else ""


def _says_something(heading: str) -> bool:
    """Whether it is words; a line of figures looks like a heading too."""
    written = "".join(heading.split())
    letters = sum(unicodedata.category(c)[0] in "LM" for c in written)
    return letters >= _LEAST_LETTERS * len(written) > 0


def _removed(part: RemovedPart) -> list[str]:
    start = part.span.start
    return [part.text[a - start : b - start] for a, b in part.spans]


def _shown(phrases: Sequence[str]) -> tuple[str, ...]:
    return tuple(shown for phrase in phrases if (shown := _one_line(phrase)))


def _one_line(text: str) -> str:
    """Without what could be taken for the note's own marks."""
    shown = "".join(c if c.isprintable() else " " for c in encodable(plain_heading(text)))
    shown = " ".join(_ADDRESS.sub("", shown).translate(str.maketrans("[];_", "(), ")).split()).strip(" ,:-")
    return shown if len(shown) <= _LONGEST else shown[:_LONGEST].rsplit(" ", 1)[0] + "…"


def _united(found: Sequence[Topic]) -> list[Topic]:
    """Chunks of one document often come with the same title or heading: one topic."""
    united: dict[tuple[str, ...], list[RemovedPart]] = {}
    for topic in found:
        united.setdefault(topic.phrases, []).extend(topic.parts)
    return [Topic(phrases=phrases, parts=tuple(parts)) for phrases, parts in united.items()]
