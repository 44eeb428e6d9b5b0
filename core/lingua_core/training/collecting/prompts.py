"""What is asked: prompts, and the files that they come from."""

import gzip
import hashlib
import json
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, cast, get_args

from lingua_core.errors import InputError
from lingua_core.llms.base import ChatRequest, Message, Role
from lingua_core.unicode import encodable

__all__ = ["Prompt", "PromptFile", "distinct", "read_prompts"]

_ID_DIGITS = 16
_STDIN = Path("-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One request whose reply is wanted.

    Attributes:
        id: Its name in the files; one prompt, one id.
        request: What is asked.
    """

    id: str
    request: ChatRequest

    @property
    def key(self) -> str:
        """A digest of all that the reply depends on: prompts with one key are the same question."""
        asked = self.request
        return _digest(
            {
                "messages": [[m.role, m.content] for m in asked.messages],
                "max_tokens": asked.max_tokens,
                "stop": asked.stop,
                "temperature": asked.temperature,
                "seed": asked.seed,
                "prefill": asked.prefill,
                "json_schema": asked.json_schema,
                "top_logprobs": asked.top_logprobs,
                "extra": asked.extra,
            }
        )


@dataclass(slots=True)
class PromptFile:
    """What was read, and what could not be.

    Attributes:
        prompts: In the order of the file; some may be the same.
        malformed: One message a line that is no prompt, with the line's number.
    """

    prompts: list[Prompt] = field(default_factory=list[Prompt])
    malformed: list[str] = field(default_factory=list[str])


def distinct(prompts: Iterable[Prompt]) -> list[Prompt]:
    """The prompts without those that ask the same again, under their own id or another.

    Raises:
        InputError: If one id stands for two prompts.
    """
    ids: dict[str, str] = {}
    keys: set[str] = set()
    found: list[Prompt] = []
    for prompt in prompts:
        key = prompt.key
        if ids.setdefault(prompt.id, key) != key:
            raise InputError(f"The id {prompt.id!r} stands for two prompts. Give each its own.")
        if key not in keys:
            keys.add(key)
            found.append(prompt)
    return found


class _MalformedLine(Exception):
    """The message says what is wrong."""


def read_prompts(path: Path, *, defaults: ChatRequest, system: str | None = None) -> PromptFile:
    """Read JSON lines, plain or gzipped; blank lines are passed over.

    Each is an object with `prompt` (a text) or `messages` (`role` and `content` each, the last one the
    user's), and if it likes `id` (default: a digest of the line's content, the same in every file), `system`
    and `max_tokens`. Other fields are passed over.

    Args:
        path: The file; "-" for standard input.
        defaults: Everything about the requests that lines do not say.
        system: The system's message for lines without one.

    Raises:
        InputError: If the file cannot be read, or holds no line at all.
    """
    found = PromptFile()
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        try:
            found.prompts.append(_prompt(line, defaults, system))
        except _MalformedLine as error:
            found.malformed.append(f"line {number}: {error}")
    if not found.prompts and not found.malformed:
        raise InputError(f"{_name(path)} holds no prompts.")
    return found


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with _opened(path) as lines:
            yield lines.readline().removeprefix(b"\xef\xbb\xbf")
            yield from lines
    except (OSError, EOFError, zlib.error) as error:
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise InputError(f"{_name(path)} cannot be read: {reason}.") from error


def _opened(path: Path) -> BinaryIO:
    if path == _STDIN:
        return sys.stdin.buffer
    return cast("BinaryIO", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _name(path: Path) -> str:
    return "Standard input" if path == _STDIN else repr(str(path))


def _prompt(line: bytes, defaults: ChatRequest, system: str | None) -> Prompt:
    fields = _object(line)
    if ("prompt" in fields) == ("messages" in fields):
        raise _MalformedLine(f"expected one of 'prompt' and 'messages', got {_fields(fields)}")
    messages = _messages(fields) if "messages" in fields else (Message("user", _text(fields, "prompt")),)
    own_system = _text(fields, "system") if fields.get("system") is not None else system
    has_system = messages[0].role == "system"
    if has_system and fields.get("system") is not None:
        raise _MalformedLine("'system' stands both beside 'messages' and in them")
    if own_system is not None and not has_system:
        messages = (Message("system", own_system), *messages)
    limit = _limit(fields)
    content = {"messages": [[m.role, m.content] for m in messages], "max_tokens": limit}
    request = replace(defaults, messages=messages, max_tokens=limit or defaults.max_tokens)
    return Prompt(id=_id(fields) or _digest(content)[:_ID_DIGITS], request=request)


def _object(line: bytes) -> dict[str, Any]:
    try:
        value: object = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise _MalformedLine(f"not UTF-8 (byte 0x{line[error.start]:02x} at {error.start:,})") from error
    except (ValueError, RecursionError) as error:
        raise _MalformedLine(f"not valid JSON ({error})") from error
    if not isinstance(value, dict):
        raise _MalformedLine(f"expected an object with 'prompt' or 'messages', got {value!r:.60}")
    return cast("dict[str, Any]", value)


def _messages(fields: Mapping[str, Any]) -> tuple[Message, ...]:
    given: object = fields["messages"]
    if not isinstance(given, list) or not given:
        raise _MalformedLine(f"'messages' must be a list of messages, got {given!r:.60}")
    messages = tuple(_message(entry) for entry in cast("list[object]", given))
    if messages[-1].role != "user":
        raise _MalformedLine(f"the last message must be the user's, not the {messages[-1].role}'s")
    return messages


def _message(entry: object) -> Message:
    if not isinstance(entry, dict):
        raise _MalformedLine(f"a message must be an object with 'role' and 'content', got {entry!r:.60}")
    fields = cast("dict[str, Any]", entry)
    role: Any = fields.get("role")
    if role not in get_args(Role):
        raise _MalformedLine(f"'role' must be one of {', '.join(get_args(Role))}, got {role!r:.60}")
    return Message(role, _text(fields, "content"))


def _text(fields: Mapping[str, Any], name: str) -> str:
    given = fields.get(name)
    if not isinstance(given, str):
        raise _MalformedLine(f"{name!r} must be a text, got {given!r:.60}")
    if not given.strip() and name != "system":
        raise _MalformedLine(f"{name!r} is empty")
    return encodable(given)


def _limit(fields: Mapping[str, Any]) -> int | None:
    given = fields.get("max_tokens")
    if given is not None and (not isinstance(given, int) or isinstance(given, bool) or given < 1):
        raise _MalformedLine(f"'max_tokens' must be a whole number from 1 on, got {given!r:.60}")
    return given


def _id(fields: Mapping[str, Any]) -> str | None:
    given = fields.get("id")
    if given is None:
        return None
    if isinstance(given, bool) or not isinstance(given, (str, int)) or given == "":
        raise _MalformedLine(f"'id' must be a text or a whole number, got {given!r:.60}")
    return encodable(str(given))


def _fields(fields: Mapping[str, Any]) -> str:
    return f"{', '.join(map(repr, fields))}"[:80] or "no field"


def _digest(value: Mapping[str, Any]) -> str:
    text = encodable(json.dumps(value, sort_keys=True, ensure_ascii=False))
    return hashlib.sha256(text.encode()).hexdigest()
