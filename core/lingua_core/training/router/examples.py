"""Questions with labels: ours, and a user's own."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

from lingua_core.bench.json_lines import records_of
from lingua_core.errors import InputError
from lingua_core.models.answer_forms import POINTS

__all__ = ["KINDS", "SHIPPED", "RouterExample", "form_of", "is_held", "read_questions"]

SHIPPED = Path(__file__).parent.parent / "data" / "router" / "questions.jsonl"
"""The questions that the embedded router was trained on."""

KINDS: dict[str, str] = {
    **dict.fromkeys(
        ("advice", "causes", "comparison", "ideas", "overview", "pros-cons", "tips", "what-if"), POINTS
    ),
    "chat": "chat",
    "code": "code",
    "creative": "creative",
    "essay": "text",
    "explanation": "explanation",
    "fact": "fact",
    "maths": "maths",
    "names": "names",
    "steps": "steps",
    "technical": "explanation",
    "transform": "rewriting",
    "yes-no": "fact",
}
"""The form of the answer (see `FORMS`) to each kind of question in the data."""

_HELD_SHARE = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterExample:
    """A question with its label.

    Attributes:
        question: As a user would write it.
        label: Whether a strong answer is a list of points that can be written independently.
        kind: One of `KINDS`; None if unknown.
        lang: ISO 639-1 code of its language; empty if unknown.
        origin: "written" one by one, or "composed" of a topic and a frame; empty for a user's own.
    """

    question: str
    label: bool
    kind: str | None = None
    lang: str = ""
    origin: str = ""


def read_questions(file: Path) -> list[RouterExample]:
    """Examples of JSON lines, plain or gzipped: `question`, `label` (1 or 0) and, optionally, `kind`.

    Raises:
        InputError: If the file cannot be read, a line is not like that, a question has two labels, or there
            are not both labels; says which line.
    """
    found: dict[str, tuple[int, RouterExample]] = {}
    for number, record in enumerate(records_of(file), start=1):
        example = _example(record, f"Example {number} of {str(file)!r}")
        first, known = found.setdefault(example.question, (number, example))
        if known.label != example.label:
            raise InputError(
                f"Examples {first} and {number} of {str(file)!r} are the same question with two labels: "
                f"{example.question!r:.80}. Keep one of them."
            )
    examples = [example for _, example in found.values()]
    if len({example.label for example in examples}) < 2:
        raise InputError(
            f"{str(file)!r} holds {len(examples)} examples, all of one label; a router is learnt from both."
        )
    return examples


def is_held(example: RouterExample) -> bool:
    """Whether a question is kept for calibration: one in five, by a hash of its text."""
    digest = sha256(example.question.encode(errors="replace")).digest()
    return int.from_bytes(digest[:4], "big") / 2**32 < _HELD_SHARE


def form_of(examples: Sequence[RouterExample]) -> list[str | None]:
    """The form of each example's answer; None where only the label "no" is known."""
    return [
        POINTS if example.label else KINDS[example.kind] if example.kind is not None else None
        for example in examples
    ]


def _example(record: object, where: str) -> RouterExample:
    values = cast("dict[str, Any]", record) if isinstance(record, dict) else {}
    question, label, kind = values.get("question"), values.get("label"), values.get("kind")
    if not isinstance(question, str) or not question.strip() or label not in (0, 1):
        raise InputError(f"{where} needs 'question' (text) and 'label' (1 or 0); got {record!r:.200}.")
    if kind is not None and kind not in KINDS:
        raise InputError(f"{where}: 'kind' must be one of {', '.join(sorted(KINDS))}; got {kind!r:.80}.")
    if kind is not None and (KINDS[kind] == POINTS) != bool(label):
        raise InputError(f"{where}: the kind {kind!r} does not go with the label {label}.")
    return RouterExample(
        question=question,
        label=bool(label),
        kind=kind,
        lang=str(values.get("lang", "")),
        origin=str(values.get("origin", "")),
    )
