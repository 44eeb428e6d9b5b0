"""A tool by which a model that reads a compressed prompt asks for what was removed."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from lingua_core.errors import InputError, UnknownIdError
from lingua_core.removed.parts import RemovedPart, plain_heading
from lingua_core.removed.store import RemovedStore, checked_store
from lingua_core.tokens import TokenCounter, resolve_token_counter
from lingua_core.unicode import encodable

__all__ = ["DESCRIPTION", "TOOL_NAME", "RemovedTool", "removed_tool"]

TOOL_NAME = "get_removed"

DESCRIPTION = (
    "Returns a passage that was removed from the context to save space, by the id in the note about what was "
    "removed; or, given a query instead, lists the removed passages that have to do with it. Use it only if "
    "what you need is missing in the context. A long passage comes in pages: offset is the "
    "character to begin at."
)

_LISTED = 10
_SNIPPET = 80
_LEAST_TOKENS = 50


class RemovedTool:
    """A function for models: what was removed, by id or by query. Made by `removed_tool`.

    Never raises for what a model can get wrong: an unknown id, or arguments that are none, are answered with
    what to do instead. Threads may share it.
    """

    def __init__(
        self,
        store: RemovedStore,
        *,
        name: str,
        max_tokens: int,
        counter: TokenCounter,
        only: frozenset[str] | None,
    ) -> None:
        self._store = store
        self._max_tokens = max_tokens
        self._counter = counter
        self._only = only
        self.name = name
        self.__name__ = name
        self.description = DESCRIPTION
        self.__doc__ = DESCRIPTION

    @property
    def schema(self) -> dict[str, Any]:
        """The tool as OpenAI's chat completions take it, and all who follow them."""
        properties = {
            "id": {"type": "string", "description": "The id of a removed passage, such as r402595305."},
            "query": {"type": "string", "description": "What to look for among the removed passages."},
            "offset": {
                "type": "integer",
                "minimum": 0,
                "description": "The character of the passage to begin at.",
            },
        }
        function = {
            "name": self.name,
            "description": self.description,
            "parameters": {"type": "object", "properties": properties, "additionalProperties": False},
        }
        return {"type": "function", "function": function}

    def __call__(self, id: str = "", query: str = "", offset: int = 0) -> str:
        """The passage with that id from `offset` on, or a list of passages about the query.

        The text is at most `max_tokens` tokens long, with a line about what is left, if something is. Lone
        surrogates, which no model can be sent, are replaced; the store has them as they were.

        Raises:
            RemovedStoreError: If the store does not work.
        """
        if id.strip():
            return self._passage(id.strip().strip("()[]\"'"), max(0, offset))
        if query.strip():
            return self._listing(query)
        return f"Give an id or a query. {self._valid_ids()}"

    def call(self, arguments: str | Mapping[str, Any]) -> str:
        """The answer to a model's call, given its arguments as JSON or a mapping."""
        try:
            given: object = json.loads(arguments) if isinstance(arguments, str) else arguments
        except ValueError:
            return f"The arguments are no JSON object: {encodable(str(arguments))!r:.80}."
        if not isinstance(given, Mapping):
            return f"The arguments must be a JSON object, not {given!r:.80}."
        found = cast(Mapping[str, object], given)
        offset = found.get("offset", 0)
        if isinstance(offset, bool) or not isinstance(offset, int | float):
            return f"offset must be a whole number, not {offset!r:.80}."
        return self(id=str(found.get("id") or ""), query=str(found.get("query") or ""), offset=int(offset))

    def _passage(self, id: str, offset: int) -> str:
        try:
            part = self._store.get(id)
        except UnknownIdError as error:
            several = "several" in str(error)
            return str(error) if several and self._only is None else f"{_unknown(id)} {self._valid_ids()}"
        if not self._may_give(part):
            return f"{_unknown(id)} {self._valid_ids()}"
        text = encodable(part.text.strip())
        if offset >= len(text):
            return f"The passage {part.id} has {len(text)} characters; offset must be less."
        end = self._end_of_page(text, offset)
        page = text[offset:end]
        head = _line(part)
        rest = f"\n[{len(text) - end} more characters: offset={end}.]" if end < len(text) else ""
        return f"{head}\n{page}{rest}"

    def _end_of_page(self, text: str, offset: int) -> int:
        """The end of the longest page from there on, at white space if there is some near."""
        low, high = offset, len(text)
        while low < high:
            middle = (low + high + 1) // 2
            if self._counter.count([text[offset:middle]])[0] <= self._max_tokens:
                low = middle
            else:
                high = middle - 1
        low = max(low, offset + 1)
        if low == len(text):
            return low
        space = max(text.rfind(" ", offset, low), text.rfind("\n", offset, low))
        return space + 1 if space > offset + (low - offset) // 2 else low

    def _listing(self, query: str) -> str:
        found = [part for part in self._store.search(query, most=1000) if self._may_give(part)][:_LISTED]
        if not found:
            return f"No removed passage has a word of {encodable(query)!r:.80}. {self._valid_ids()}"
        lines = [f"{_line(part)} {_snippet(part)}" for part in found]
        return "\n".join(self._cut_off(lines))

    def _cut_off(self, lines: Sequence[str]) -> Sequence[str]:
        for n in range(len(lines), 1, -1):
            if self._counter.count(["\n".join(lines[:n])])[0] <= self._max_tokens:
                return lines[:n]
        return lines[:1]

    def _valid_ids(self) -> str:
        parts = [
            part
            for part in self._store.parts(most=None if self._only else _LISTED + 1)
            if self._may_give(part)
        ]
        if not parts:
            return "Nothing that was removed can be had any more."
        named = [f"{part.id} ({_about(part)})" for part in parts[:_LISTED]]
        more = ", and more: give a query to find them" if len(parts) > _LISTED else ""
        return f"Removed passages: {', '.join(named)}{more}."

    def _may_give(self, part: RemovedPart) -> bool:
        return self._only is None or part.digest in self._only


def removed_tool(
    store: RemovedStore,
    *,
    name: str = TOOL_NAME,
    max_tokens: int = 1000,
    token_counter: str | Callable[[str], int] | TokenCounter | None = None,
    only: Iterable[RemovedPart] | None = None,
) -> RemovedTool:
    """A function and its schema, by which a model asks for what was removed.

    Args:
        store: Where it is.
        name: The tool's name; the note's `hint` should say the same.
        max_tokens: The most tokens of text that one call returns.
        token_counter: Counts them, as for `PromptCompressor`.
        only: The parts that may be asked for, such as a result's `removed`; None for all in the store. Where
            several users share a store, this is what keeps them apart.

    Raises:
        InputError: If an argument cannot be used.
    """
    if checked_store(store) is None:
        raise InputError("store must be a store of removed parts, got None.")
    if isinstance(max_tokens, bool) or not isinstance(max_tokens, int) or max_tokens < _LEAST_TOKENS:  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
        raise InputError(
            f"max_tokens must be a whole number of at least {_LEAST_TOKENS}, got {max_tokens!r:.80}."
        )
    return RemovedTool(
        store,
        name=name,
        max_tokens=max_tokens,
        counter=resolve_token_counter(token_counter),
        only=None if only is None else frozenset(part.digest for part in only),
    )


def _unknown(id: str) -> str:
    return f"There is no removed passage with the id {encodable(id)!r:.40}."


def _line(part: RemovedPart) -> str:
    return f"[{part.id}, {_about(part)}]"


def _about(part: RemovedPart) -> str:
    """Where a passage is from, in a few words."""
    source = part.title or part.document_id or f"document {part.document + 1}"
    names = [plain_heading(encodable(name)) for name in (source, part.heading) if name.strip()]
    return ": ".join(dict.fromkeys(names))


def _snippet(part: RemovedPart) -> str:
    words = " ".join(part.text[: 3 * _SNIPPET].split())
    words = encodable(words)
    return words if len(words) <= _SNIPPET else words[:_SNIPPET].rsplit(" ", 1)[0] + "…"
