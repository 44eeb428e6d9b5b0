"""What a target model answered: the records of `lingua train collect`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, cast, get_args

from lingua_core.bench.json_lines import records_of
from lingua_core.errors import InputError
from lingua_core.llms.base import Message, Role
from lingua_core.unicode import encodable

__all__ = ["Answer", "AnswerFile", "read_answers"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A prompt, and what the target model wrote.

    Attributes:
        id: Of the record; its line number where it has none.
        messages: The prompt.
        response: The reply's text.
        logprobs: What the endpoint told of each token; None if it did not.
    """

    id: str
    messages: tuple[Message, ...]
    response: str
    logprobs: tuple[Mapping[str, Any], ...] | None = None

    @property
    def prompt(self) -> str:
        """A digest of the prompt, the same for the answers of several models."""
        turns = [[message.role, message.content.strip()] for message in self.messages]
        return sha256(encodable(json.dumps(turns, ensure_ascii=False)).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFile:
    """What was read of a file.

    Attributes:
        answers: In the order of the file.
        empty: Lines whose response holds nothing but white space; they are left out.
    """

    answers: Sequence[Answer]
    empty: int


class _Malformed(Exception):
    """The message says what a record should be."""


def read_answers(file: Path) -> AnswerFile:
    """Read JSON lines, plain or gzipped.

    Each is an object with `messages` (`role` and `content` each) and `response`; `id` and `logprobs` are
    optional, other fields are passed over.

    Raises:
        InputError: If the file cannot be read, or a line is no such record; says which. Or if no record has a
            response.
    """
    answers: list[Answer] = []
    empty = 0
    for number, record in enumerate(records_of(file), start=1):
        try:
            answer = _answer(record, number)
        except _Malformed as error:
            raise InputError(
                f"Record {number} of {str(file)!r} is no answer: {error}. Got {record!r:.200}."
            ) from error
        if answer.response.strip():
            answers.append(answer)
        else:
            empty += 1
    if not answers:
        raise InputError(
            f"{str(file)!r} holds no answer{f': {empty:,} responses are empty' if empty else ''}. Expected "
            "JSON lines with 'messages' and 'response', as `lingua train collect` writes them."
        )
    return AnswerFile(answers=answers, empty=empty)


def _answer(record: object, number: int) -> Answer:
    if not isinstance(record, dict):
        raise _Malformed("expected an object")
    fields = cast("dict[str, Any]", record)
    response: object = fields.get("response")
    if response is None and "response" in fields:
        response = ""
    if not isinstance(response, str):
        raise _Malformed("expected 'response', a text")
    messages: object = fields.get("messages")
    if not isinstance(messages, list) or not messages:
        raise _Malformed("expected 'messages', a list of turns")
    logprobs: object = fields.get("logprobs")
    if logprobs is not None and not isinstance(logprobs, list):
        raise _Malformed("expected 'logprobs' to be a list, or null")
    return Answer(
        id=str(fields.get("id") or number),
        messages=tuple(_message(turn) for turn in cast("list[object]", messages)),
        response=response,
        logprobs=None if logprobs is None else tuple(cast("list[dict[str, Any]]", logprobs)),
    )


def _message(turn: object) -> Message:
    if isinstance(turn, dict):
        role: object = cast("dict[str, object]", turn).get("role")
        content: object = cast("dict[str, object]", turn).get("content")
        if role in get_args(Role) and isinstance(content, str):
            return Message(cast("Role", role), content)
    raise _Malformed(f"expected every turn to have a 'role' ({', '.join(get_args(Role))}) and a 'content'")
