"""Chat messages whose long texts are compressed, while all else stays as it is."""

import copy
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple, TypeAlias, cast

from lingua_core.compression import PromptCompressor
from lingua_core.documents import Span
from lingua_core.errors import InputError
from lingua_core.results import CompressedDocument, CompressionResult
from lingua_core.structured.json_rules import written_path
from lingua_core.structured.json_text import StringLiteral, read, string_values
from lingua_core.structured.parts import (
    CompressedPart,
    Counted,
    Part,
    Structure,
    check_compressor,
    compress_parts,
    placed_notes,
    whole_number,
)
from lingua_core.tokens import TokenCounter

__all__ = ["MessagePart", "MessagesResult", "Outcome", "compress_messages"]

Outcome: TypeAlias = Literal[
    "compressed", "unchanged", "short", "role", "last", "json_without_long_strings", "no_text"
]

_LONG_STRING = 30
"""Tokens. Shorter strings in a JSON text are names, states and identifiers rather than prose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagePart:
    """What was done with one message, or with one part of its content.

    Attributes:
        message: Index of the message.
        part: Index into the message's list of content parts; None if the content is no list.
        role: The message's role.
        outcome: "compressed"; or why it is as it was: "unchanged" (the compressor kept all, or all is
            within `target_tokens`), "short" (below `min_tokens`), "role" (not one that was asked for),
            "last" (among the last user messages, or the one that asks), "json_without_long_strings",
            "no_text" (an image, a tool call, no content).
        is_json: Whether the text is JSON, so that only strings inside it were compressed.
        origin_tokens: Tokens of its text.
        compressed_tokens: Tokens of what stands in its place.
        documents: The compressor's verdicts: one for a text, one for each long string of JSON.
    """

    message: int
    part: int | None
    role: str
    outcome: Outcome
    is_json: bool = False
    origin_tokens: int = 0
    compressed_tokens: int = 0
    documents: tuple[CompressedDocument, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesResult(Counted):
    """Chat messages after compression; tokens are those of all texts, each counted by itself.

    Attributes:
        messages: The messages, in order. Those without a change are the objects that were given, the
            others deep copies with new texts.
        parts: What was done with every message, or part of one, in order.
        query: The question that decided, or None.
        result: The compression of all texts together; None if there was nothing to compress, or all is
            within `target_tokens` as it is.
    """

    messages: list[Mapping[str, Any]]
    parts: tuple[MessagePart, ...]
    query: str | None
    result: CompressionResult | None

    def statistics(self) -> dict[str, Any]:
        """Plain data about the compression, for logs and traces; holds no text of a message."""
        return {
            "method": self.result.method if self.result is not None else None,
            "budget": asdict(self.result.budget) if self.result is not None else None,
            "token_counter": self.token_counter,
            "origin_tokens": self.origin_tokens,
            "compressed_tokens": self.compressed_tokens,
            "rate": self.rate,
            "parts": [
                {
                    "message": part.message,
                    "part": part.part,
                    "role": part.role,
                    "outcome": part.outcome,
                    "origin_tokens": part.origin_tokens,
                    "compressed_tokens": part.compressed_tokens,
                }
                for part in self.parts
            ],
            "notes": [asdict(note) for note in self.notes],
        }


def compress_messages(
    messages: Sequence[Mapping[str, Any]],
    compressor: PromptCompressor,
    *,
    query: str | None = None,
    rate: float | None = None,
    target_tokens: int | None = None,
    threshold: float | None = None,
    roles: Collection[str] = ("user", "tool"),
    min_tokens: int = 200,
    keep_last: int = 1,
    omission: str = "[omitted]",
) -> MessagesResult:
    """Compress the long texts of a conversation; everything else is passed on as it is.

    Roles, order, names, tool calls, images and short texts stay. The texts to compress share the budget, and
    what matters least goes first, wherever it stands. A text that is JSON stays JSON: only long strings
    inside it are compressed. Give at most one of `rate`, `target_tokens` and `threshold`; with none, the
    compressor's default applies.

    Args:
        messages: Chat messages as OpenAI has them: mappings with "role" and, as "content", a str, None, or a
            list of parts with a "type". Never changed.
        compressor: Compresses; every number of tokens is its counter's.
        query: The question; None takes the text of the last user message that has some. That message is
            never compressed then.
        rate: The fraction of the tokens of all texts to compress to keep together, 0 < rate <= 1.
        target_tokens: The most tokens that the texts to compress may have together, in the result.
        threshold: Keep what scores at least this.
        roles: Whose texts are compressed.
        min_tokens: Texts of fewer tokens stay as they are.
        keep_last: So many of the last user messages stay as they are.
        omission: Stands where nothing of a text was kept; some models refuse empty texts.

    Raises:
        InputError: If something in `messages` is no chat message (the error says which), or an argument
            cannot be used.
        ProtectedOverBudgetError: If `target_tokens` is too small for anything of the texts to compress.
    """
    check_compressor(compressor)
    _check_options(roles, omission)
    least, last = whole_number("min_tokens", min_tokens), whole_number("keep_last", keep_last)
    work = _Conversation(messages, compressor.token_counter)
    asking, asked = (None, query) if query is not None else work.question()
    work.choose(roles=roles, least=least, spared={asking, *work.last_of_user(last)})
    found, notes = compress_parts(
        work.parts(),
        compressor,
        asked,
        structure=Structure(
            tokens=lambda texts: sum(work.counter.count(list(work.filled(texts).values()))),
            bounded="all texts that may be compressed, together",
            nothing=omission,
        ),
        target_tokens=target_tokens,
        rate=rate,
        threshold=threshold,
    )
    new = work.filled([part.text for part in found])
    records = work.records(new, found)
    owners = work.owners()
    return MessagesResult(
        messages=work.replaced(new),
        parts=records,
        query=asked,
        result=next((part.result for part in found if part.result is not None), None),
        origin_tokens=sum(record.origin_tokens for record in records),
        compressed_tokens=sum(record.compressed_tokens for record in records),
        token_counter=work.counter.name,
        notes=placed_notes(notes, owners),
    )


class _Entry(NamedTuple):
    """One text of a message, or something in its place (text is None)."""

    message: int
    part: int | None
    role: str
    text: str | None

    def where(self) -> str:
        inside = "" if self.part is None else f"[{self.part}].text"
        return f"messages[{self.message}].content{inside}"


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A text to compress: the whole of it or, in JSON, its long strings."""

    text: str
    is_json: bool
    spans: tuple[Span, ...]
    parts: tuple[Part, ...]

    def filled(self, texts: Sequence[str]) -> str:
        """The text with its parts replaced; literals of strings without a change stay as written."""
        pieces: list[str] = []
        at = 0
        for (start, end), part, text in zip(self.spans, self.parts, texts, strict=True):
            if text != part.text:
                new = json.dumps(text, ensure_ascii=False) if self.is_json else text
                pieces += [self.text[at:start], new]
                at = end
        return "".join([*pieces, self.text[at:]])


class _Conversation:
    """The messages of one call, with what is to be done to each of their texts."""

    def __init__(self, messages: Sequence[Mapping[str, Any]], counter: TokenCounter) -> None:
        self._messages = _checked(messages)
        self._entries = [entry for i, m in enumerate(self._messages) for entry in _entries(i, m)]
        self.counter = counter
        self._counts = counter.count([entry.text or "" for entry in self._entries])
        self._outcomes: list[Outcome] = []
        self._candidates: dict[int, _Candidate] = {}

    def question(self) -> tuple[int | None, str | None]:
        """The last user message with a text: its index and that text."""
        for i in reversed(self.last_of_user(len(self._messages))):
            text = "\n".join([e.text for e in self._entries if e.message == i and e.text is not None])
            if text.strip():
                return i, text
        return None, None

    def last_of_user(self, number: int) -> list[int]:
        """Indices of the last messages of the user."""
        users = [i for i, message in enumerate(self._messages) if message["role"] == "user"]
        return users[-number:] if number else []

    def choose(self, *, roles: Collection[str], least: int, spared: "set[int | None]") -> None:
        """Decide about every text."""
        for i, entry in enumerate(self._entries):
            outcome: Outcome = "unchanged"
            if entry.text is None:
                outcome = "no_text"
            elif entry.role not in roles:
                outcome = "role"
            elif entry.message in spared:
                outcome = "last"
            elif self._counts[i] < least or not entry.text.strip():
                outcome = "short"
            else:
                self._candidates[i] = _candidate(entry.text, entry.where(), self.counter)
                if not self._candidates[i].parts:
                    outcome = "json_without_long_strings"
            self._outcomes.append(outcome)

    def parts(self) -> list[Part]:
        """What is to be compressed."""
        return [part for candidate in self._candidates.values() for part in candidate.parts]

    def owners(self) -> list[int]:
        """For each of `parts`, the index of its record."""
        return [i for i, candidate in self._candidates.items() for _ in candidate.parts]

    def filled(self, texts: Sequence[str]) -> dict[int, str]:
        """The new texts of all candidates, given those of `parts`."""
        given = iter(texts)
        return {i: c.filled([next(given) for _ in c.parts]) for i, c in self._candidates.items()}

    def records(self, new: Mapping[int, str], found: Sequence[CompressedPart]) -> tuple[MessagePart, ...]:
        """What was done, one record an entry."""
        counts = dict(zip(new, self.counter.count(list(new.values())), strict=True))
        documents: dict[int, list[CompressedDocument]] = {}
        for owner, part in zip(self.owners(), found, strict=True):
            if part.document is not None:
                documents.setdefault(owner, []).append(part.document)
        return tuple(
            MessagePart(
                message=entry.message,
                part=entry.part,
                role=entry.role,
                outcome="compressed" if new.get(i, entry.text) != entry.text else self._outcomes[i],
                is_json=i in self._candidates and self._candidates[i].is_json,
                origin_tokens=self._counts[i],
                compressed_tokens=counts.get(i, self._counts[i]),
                documents=tuple(documents.get(i, ())),
            )
            for i, entry in enumerate(self._entries)
        )

    def replaced(self, new: Mapping[int, str]) -> list[Mapping[str, Any]]:
        """The messages with their new texts; those without a change are the given objects."""
        messages = list(self._messages)
        for i, text in new.items():
            entry = self._entries[i]
            if text == entry.text:
                continue
            given = self._messages[entry.message]
            if messages[entry.message] is given:
                messages[entry.message] = copy.deepcopy(dict(given))
            copied = cast(dict[str, Any], messages[entry.message])
            if entry.part is None:
                copied["content"] = text
            else:
                copied["content"] = list(copied["content"])
                copied["content"][entry.part] = {**copied["content"][entry.part], "text": text}
        return messages


def _candidate(text: str, where: str, counter: TokenCounter) -> _Candidate:
    literals = _json_literals(text)
    if literals is None:
        part = Part(text=text, id=where)
        return _Candidate(text=text, is_json=False, spans=(Span(0, len(text)),), parts=(part,))
    counts = counter.count([value for _, _, value in literals])
    long = [
        (span, Part(text=value, id=f"{where} {written_path(path)}"))
        for (path, span, value), tokens in zip(literals, counts, strict=True)
        if tokens >= _LONG_STRING and value.strip()
    ]
    return _Candidate(
        text=text, is_json=True, spans=tuple(span for span, _ in long), parts=tuple(part for _, part in long)
    )


def _json_literals(text: str) -> list[StringLiteral] | None:
    """The string values of a JSON object or array; None if the text is neither."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    try:
        return string_values(text, read(text))
    except (InputError, RecursionError):
        return None


def _checked(messages: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    if isinstance(messages, (str, bytes, Mapping)) or not isinstance(messages, Sequence):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
        raise InputError(
            f"messages must be a sequence of mappings, got {type(messages).__name__}: {messages!r:.80}. "
            'Pass a list: [{"role": "user", "content": "..."}].'
        )
    for i, message in enumerate(messages):
        if not isinstance(message, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise InputError(
                f"messages[{i}] must be a mapping with role and content, got {type(message).__name__}: "
                f"{message!r:.80}. Objects of the openai package turn into one by model_dump()."
            )
        if not isinstance(message.get("role"), str):
            raise InputError(f'messages[{i}] must have a "role" that is a str, got {message!r:.80}.')
    return list(messages)


def _entries(index: int, message: Mapping[str, Any]) -> Iterator[_Entry]:
    role: str = message["role"]
    content: object = message.get("content")
    if isinstance(content, (str, type(None))):
        yield _Entry(index, None, role, content)
        return
    if not isinstance(content, (list, tuple)):
        raise InputError(
            f"messages[{index}].content must be a str, a list of parts or None, got "
            f"{type(content).__name__}: {content!r:.80}."
        )
    for number, part in enumerate(cast(Sequence[object], content)):
        yield _Entry(index, number, role, _text_of(part, f"messages[{index}].content[{number}]"))


def _text_of(part: object, where: str) -> str | None:
    if not isinstance(part, Mapping):
        raise InputError(
            f'{where} must be a mapping with a "type", got {type(part).__name__}: {part!r:.80}. '
            'A text is {"type": "text", "text": "..."}.'
        )
    fields = cast(Mapping[str, object], part)
    if fields.get("type") != "text":
        return None
    text = fields.get("text")
    if not isinstance(text, str):
        raise InputError(f'{where} is of type "text" and must have a "text" that is a str, got {text!r:.80}.')
    return text


def _check_options(roles: Collection[str], omission: str) -> None:
    if isinstance(roles, str) or not isinstance(roles, Collection):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
        raise InputError(
            f'roles must be a collection of role names, got {roles!r:.80}. Pass ("user", "tool") or the like.'
        )
    if not all(isinstance(role, str) for role in roles):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
        raise InputError(f"roles must hold str, got {list(roles)!r:.80}.")
    if not isinstance(omission, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
        raise InputError(f"omission must be a str, got {type(omission).__name__}: {omission!r:.80}.")
