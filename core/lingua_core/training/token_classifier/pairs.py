"""Texts with their compressions: a user's own, or answers that were collected from an endpoint."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple, cast

from lingua_core.bench.json_lines import records_of
from lingua_core.errors import InputError
from lingua_core.training.token_classifier.instruction import text_of_answer, text_of_request

__all__ = ["CompressionPair", "Split", "read_pairs", "split_pairs"]

_HELD_SHARE = 0.1
_FEWEST_DOCUMENTS = 3
_PIECE = re.compile(r"#\d+\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressionPair:
    """A text and what was made of it.

    Attributes:
        id: Names it in messages.
        document: What it is a piece of: pairs of one document are learnt from, or held out, together.
        origin: The text; not blank.
        compressed: The shorter text; blank if whoever compressed it gave nothing.
        cut_off: Whether it broke off before it was whole.
    """

    id: str
    document: str
    origin: str
    compressed: str
    cut_off: bool = False


class Split(NamedTuple):
    """Pairs to learn from, to decide when to stop by, and to measure on in the end."""

    learnt: list[CompressionPair]
    validation: list[CompressionPair]
    test: list[CompressionPair]


def read_pairs(file: Path) -> list[CompressionPair]:
    """Pairs of JSON lines, plain or gzipped.

    Each line: `origin`, `compressed` and, optionally, `id` and `document`. Or, as `lingua train collect`
    writes them for the prompts of `lingua train token-classifier-prompts`: `id`, `messages`, `response`
    and `finish_reason`, which is "length" for a reply that was cut off. Without `document`, an id such as
    "report.txt#12" names piece 12 of the document "report.txt"; without both, every text is a document.

    Raises:
        InputError: If the file cannot be read, a line is not like that, an id stands for two different
            texts, or there are no pairs; says which line.
    """
    found: dict[str, tuple[int, CompressionPair]] = {}
    for number, record in enumerate(records_of(file), start=1):
        pair = _pair(record, f"Pair {number} of {str(file)!r}")
        first, known = found.setdefault(pair.id, (number, pair))
        if (known.origin, known.compressed) != (pair.origin, pair.compressed):
            raise InputError(
                f"Pairs {first} and {number} of {str(file)!r} have one id, {pair.id!r:.80}, and different "
                "texts. Give each an id of its own, or leave the ids out."
            )
    if not found:
        raise InputError(f"{str(file)!r} holds no pairs.")
    return [pair for _, pair in found.values()]


def split_pairs(pairs: Sequence[CompressionPair]) -> Split:
    """A tenth of the documents for each of validation and test, at least one, by a hash of their names.

    Raises:
        InputError: If there are fewer than three documents.
    """
    documents = {pair.document for pair in pairs}
    if len(documents) < _FEWEST_DOCUMENTS:
        raise InputError(
            f"The {len(pairs)} pairs are of {len(documents)} document{'s' * (len(documents) != 1)}: expected "
            f"at least {_FEWEST_DOCUMENTS}: to learn from, to stop by and to measure on. Give more."
        )
    order = sorted(documents, key=lambda name: sha256(f"pairs {name}".encode(errors="replace")).digest())
    held = max(1, round(_HELD_SHARE * len(order)))
    test, validation = set(order[:held]), set(order[held : 2 * held])
    return Split(
        learnt=[pair for pair in pairs if pair.document not in test | validation],
        validation=[pair for pair in pairs if pair.document in validation],
        test=[pair for pair in pairs if pair.document in test],
    )


def _pair(record: object, where: str) -> CompressionPair:
    if not isinstance(record, dict):
        raise InputError(f"{where} is no JSON object: {record!r:.200}.")
    values = cast("dict[str, Any]", record)
    origin, compressed = _texts(values, where)
    if not origin.strip():
        raise InputError(f"{where} has a blank 'origin': there is nothing to learn from. Remove the line.")
    for key in ("id", "document"):
        if isinstance(values.get(key), bool) or not isinstance(values.get(key), str | int | None):
            raise InputError(f"{where} needs text or a number as {key!r}; got {values[key]!r:.80}.")
    named = values.get("id")
    pair_id = origin if named is None else str(named)
    document = values.get("document")
    return CompressionPair(
        id=pair_id,
        document=_PIECE.sub("", pair_id) if document is None else str(document),
        origin=origin,
        compressed=compressed,
        cut_off=values.get("finish_reason") == "length",
    )


def _texts(values: Mapping[str, Any], where: str) -> tuple[str, str]:
    if "messages" in values and "origin" not in values:
        origin, compressed = text_of_request(values["messages"]), values.get("response")
        compressed = text_of_answer(compressed) if isinstance(compressed, str) else compressed
        if origin is None:
            raise InputError(
                f"{where} is no answer to a prompt of `lingua train token-classifier-prompts`: its messages "
                f"hold no text between <text> and </text>; got {values['messages']!r:.200}."
            )
    else:
        origin, compressed = values.get("origin"), values.get("compressed")
    if not isinstance(origin, str) or not isinstance(compressed, str):
        raise InputError(
            f"{where} needs 'origin' and 'compressed', both text; or, if it was collected, 'messages' and "
            f"'response'. Got {dict(values)!r:.200}."
        )
    return origin, compressed
