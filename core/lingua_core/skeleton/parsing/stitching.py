"""What a stitch pass asks for: transitions between points, and sentences to leave out."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

__all__ = ["Removal", "StitchPlan", "apply_stitch", "parse_stitch"]

_LONGEST_TRANSITION = 400
_KEYS = {"transitions": "transition", "remove": "remove", "removals": "remove", "repeats": "remove"}
_TEXTS = ("text", "sentence", "transition")
_LINE = re.compile(
    r"\s*(?:[-*•]\s*)?(?P<verb>transition|before|remove|cut|delete)\s*(?:point\s*)?#?(?P<index>\d{1,3})\s*[:：]\s*(?P<text>.+)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """A sentence to leave out: the point's index, and the sentence word for word."""

    index: int
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StitchPlan:
    """What the stitch pass asked for.

    Attributes:
        transitions: A sentence to put before a point's text, by the point's index.
        removals: Sentences that repeat what other points say.
        notes: What of the reply could not be used.
    """

    transitions: Mapping[int, str] = field(default_factory=dict[int, str], hash=False)
    removals: tuple[Removal, ...] = ()
    notes: tuple[str, ...] = ()


def parse_stitch(reply: str, *, points: int) -> StitchPlan:
    """The plan in a reply.

    It is JSON, also inside a fence or other text, or lines "transition 2: ..." and "remove 3: ...".
    Any text gives a plan; one that cannot be read gives an empty one, with a note.

    Args:
        reply: What the model wrote.
        points: How many points the answer has; others are ignored, with a note.
    """
    transitions: dict[int, str] = {}
    removals: list[Removal] = []
    notes: list[str] = []
    in_json = _from_json(reply)
    asked = _from_lines(reply) if in_json is None else in_json
    if not asked and in_json is None and reply.strip():
        notes.append(f"The stitch reply could not be read: {reply.strip()[:60]!r}.")
    for verb, index, text in asked:
        if not 1 <= index <= points:
            notes.append(f"The stitch reply names point {index} of {points}: ignored.")
        elif not text.strip():
            continue
        elif verb == "remove":
            removals.append(Removal(index=index, sentence=text.strip()))
        elif index == 1 or len(text) > _LONGEST_TRANSITION:
            notes.append(f"A transition to point {index} was not needed or too long: ignored.")
        else:
            transitions[index] = " ".join(text.split())
    return StitchPlan(transitions=transitions, removals=tuple(removals), notes=tuple(notes))


def apply_stitch(texts: Sequence[str], plan: StitchPlan) -> tuple[str, ...]:
    """The points' texts with the plan carried out.

    A sentence is left out only if it stands in its point word for word and is not all that the point says:
    a stitch pass never loses more than it names.
    """
    stitched = list(texts)
    for removal in plan.removals:
        text = stitched[removal.index - 1]
        at = text.find(removal.sentence)
        rest = text[:at].rstrip() + _joint(text[at + len(removal.sentence) :], at) if at >= 0 else ""
        if rest.strip():
            stitched[removal.index - 1] = rest.strip()
    for index, transition in plan.transitions.items():
        stitched[index - 1] = f"{transition} {stitched[index - 1]}"
    return tuple(stitched)


def _joint(after: str, at: int) -> str:
    stripped = after.lstrip()
    spaces = after[: len(after) - len(stripped)]
    return (spaces or (" " if at else "")) + stripped if stripped else ""


def _from_json(reply: str) -> list[tuple[str, int, str]] | None:
    """What the first JSON object asks for; None if there is none."""
    for start in [match.start() for match in re.finditer(r"\{", reply)][:20]:
        try:
            value: Any = json.JSONDecoder(strict=False).raw_decode(reply, start)[0]
        except (ValueError, RecursionError):
            continue
        fields = cast("dict[str, Any]", value)
        return [
            (verb, index, text) for key, verb in _KEYS.items() for index, text in _entries(fields.get(key))
        ]
    return None


def _entries(value: object) -> Iterator[tuple[int, str]]:
    """Of {"2": "text"}, {"2": ["text"]}, or [{"point": 2, "text": "text"}]."""
    if isinstance(value, dict):
        for key, texts in cast("dict[str, object]", value).items():
            for text in cast("list[object]", texts) if isinstance(texts, list) else [texts]:
                yield from _entry(key, text)
    elif isinstance(value, list):
        for entry in cast("list[object]", value):
            if isinstance(entry, dict):
                fields = cast("dict[str, object]", entry)
                text = next((fields[key] for key in _TEXTS if key in fields), None)
                yield from _entry(str(fields.get("point", fields.get("index", ""))), text)


def _entry(point: str, text: object) -> Iterator[tuple[int, str]]:
    number = re.search(r"\d{1,3}", point)
    if number and isinstance(text, str):
        yield int(number.group()), text


def _from_lines(reply: str) -> list[tuple[str, int, str]]:
    found: list[tuple[str, int, str]] = []
    for line in reply.splitlines():
        if match := _LINE.match(line):
            verb = "transition" if match["verb"].lower() in ("transition", "before") else "remove"
            found.append((verb, int(match["index"]), match["text"].strip().strip('"“”')))
    return found
