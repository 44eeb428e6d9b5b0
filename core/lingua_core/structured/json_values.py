"""JSON data whose long strings are compressed by rules, while all else stays as it is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

from lingua_core.compression import PromptCompressor
from lingua_core.documents import Span
from lingua_core.errors import InputError
from lingua_core.results import CompressedDocument, CompressionResult, Note
from lingua_core.structured.json_rules import Path, Rule, Rules, written_path
from lingua_core.structured.json_text import JSON, plain, read, write
from lingua_core.structured.parts import (
    CompressedPart,
    Counted,
    Part,
    Structure,
    check_compressor,
    compress_parts,
    whole_number,
)
from lingua_core.tokens import TokenCounter

__all__ = ["JSONPart", "JSONResult", "compress_json"]


@dataclass(frozen=True, slots=True, kw_only=True)
class JSONPart:
    """A string that was compressed.

    Attributes:
        path: Where it was in the data that was given, as rules write it: "items.0.text".
        original: The string as it was.
        text: The string as it is now; "" if nothing was kept.
        spans: What was kept: sorted, disjoint character spans into `original`.
        document: The compressor's verdict; None if the whole is within `target_tokens` as it is.
        result: The compression that it was in; strings without a rate share one. None as above.
    """

    path: str
    original: str
    text: str
    spans: tuple[Span, ...]
    document: CompressedDocument | None
    result: CompressionResult | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JSONResult(Counted):
    """JSON data after compression; tokens are those of the data written by `json.dumps`.

    Attributes:
        data: The data: same keys, same order, same values, except at the paths of `changed`.
        text: `data` as JSON text, written as `json.dumps(data, ensure_ascii=False)` does. Numbers of a JSON
            text that was given are spelled as they were.
        parts: Every string that a rule sent to the compressor, in the order of the data.
        changed: Paths of all values that are different or gone, in the order of the data that was given.
        removed: Those of `changed` that are gone.
    """

    data: Any
    text: str
    parts: tuple[JSONPart, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]


def compress_json(
    data: Mapping[str, Any] | Sequence[Any] | str,
    rules: Mapping[str, Rule],
    compressor: PromptCompressor,
    query: str | None = None,
    *,
    rate: float | None = None,
    target_tokens: int | None = None,
    threshold: float | None = None,
    min_tokens: int = 0,
) -> JSONResult:
    """Compress the strings of JSON data that the rules name.

    Strings whose rule has a rate are compressed to it, each by itself. The others share the budget of the
    call, and what matters least goes first, wherever it stands: a string of which nothing is kept becomes
    "". Give at most one of `rate`, `target_tokens` and `threshold`; with none, the compressor's default
    applies.

    Args:
        data: A dict, a list, or a JSON text. Never changed.
        rules: What to do with which values, by path. "key" is that key at any depth; "a.b" and "items.*.text"
            are paths from the root, "*" any key or list index; "$.key" is a key at the root only, and "$"
            the root. A rule is about all strings inside the value too, until a deeper rule; about one
            value, the more exact path decides. Without a rule, a value stays. A backslash before ".", "*",
            "$" or a backslash makes it part of a key.
        compressor: Compresses; every number of tokens is its counter's.
        query: The question; None keeps what is most informative by itself.
        rate: The fraction of the tokens of all strings without a rate of their own to keep together,
            0 < rate <= 1.
        target_tokens: The most tokens that the whole JSON text may have.
        threshold: Keep what scores at least this, in strings without a rate.
        min_tokens: Strings of fewer tokens stay as they are.

    Raises:
        InputError: If the data is not JSON (the message has the path), a rule cannot be used, or another
            argument.
        ProtectedOverBudgetError: If what is not compressed exceeds `target_tokens`, or what may not be cut
            exceeds what is left of it.
    """
    check_compressor(compressor)
    least = whole_number("min_tokens", min_tokens)
    wanted = Rules(rules)
    given = _given(data)
    plan = _Plan(wanted)
    tree = plan.tree(given)
    originals = plan.texts()
    counter = compressor.token_counter
    chosen = plan.long_enough(counter, least)

    def filled(texts: Sequence[str]) -> _Filling:
        return _Filling(tree, originals | dict(zip(chosen, texts, strict=True)), originals)

    found, notes = compress_parts(
        [plan.parts[i] for i in chosen],
        compressor,
        query,
        structure=Structure(
            tokens=lambda texts: counter.count([write(filled(texts).data)])[0],
            bounded="the whole JSON text",
            nothing="",
        ),
        target_tokens=target_tokens,
        rate=rate,
        threshold=threshold,
    )
    filling = filled([part.text for part in found])
    text = write(filling.data)
    origin, compressed = counter.count([write(given), text])
    return JSONResult(
        data=filling.data,
        text=text,
        parts=tuple(_part(plan.parts[i], part) for i, part in zip(chosen, found, strict=True)),
        changed=tuple(filling.changed),
        removed=tuple(filling.removed),
        origin_tokens=origin,
        compressed_tokens=compressed,
        token_counter=counter.name,
        notes=(*_unused(wanted), *notes),
    )


def _given(data: object) -> JSON:
    if not isinstance(data, (dict, list, str)):
        raise InputError(
            f"data must be a dict, a list or a JSON text, got {type(data).__name__}: {data!r:.80}. "
            "Convert it first."
        )
    return plain(read(data) if isinstance(data, str) else cast(object, data))


def _part(given: Part, done: CompressedPart) -> JSONPart:
    return JSONPart(
        path=given.id or "",
        original=given.text,
        text=done.text,
        spans=done.spans,
        document=done.document,
        result=done.result,
    )


def _unused(rules: Rules) -> list[Note]:
    return [
        Note(
            code="unused_rule",
            message=f"The rule {path!r} was about no value of the data, or a more exact one went before it.",
        )
        for path in rules.unused
    ]


@dataclass(frozen=True, slots=True)
class _String:
    """Stands in the tree where a string is to be filled in."""

    index: int
    path: str


@dataclass(frozen=True, slots=True)
class _Removable:
    """Goes if nothing of it is left."""

    inner: "_Tree"
    path: str


@dataclass(frozen=True, slots=True)
class _Dropped:
    path: str


_Tree: TypeAlias = (
    "dict[str, _Tree] | list[_Tree] | _String | _Removable | _Dropped | str | int | float | bool | None"
)


@dataclass(slots=True)
class _Plan:
    """What the rules say about some data."""

    rules: Rules
    parts: list[Part] = field(default_factory=list[Part])

    def texts(self) -> dict[int, str]:
        """The strings that rules want to be compressed, by index."""
        return {i: part.text for i, part in enumerate(self.parts)}

    def long_enough(self, counter: TokenCounter, least: int) -> list[int]:
        """Indices of the strings to compress; those of a list that is taken for one count together."""
        counts = counter.count([part.text for part in self.parts])
        together: dict[str, int] = {}
        for part, tokens in zip(self.parts, counts, strict=True):
            if part.group is not None:
                together[part.group] = together.get(part.group, 0) + tokens
        return [
            i
            for i, (part, tokens) in enumerate(zip(self.parts, counts, strict=True))
            if part.text.strip() and (tokens if part.group is None else together[part.group]) >= least
        ]

    def tree(self, data: JSON) -> "_Tree":
        """The data with places for its strings."""
        root = self.rules.at(())
        if root is not None and root.drop:
            raise InputError("The rule '$' drops the root, which leaves no JSON. Drop keys of it.")
        return self._below(data, (), root)

    def _node(self, value: JSON, path: Path, inherited: Rule | None) -> "_Tree":
        own = self.rules.at(path)
        if own is not None and own.drop:
            return _Dropped(written_path(path))
        below = self._below(value, path, own or inherited)
        return _Removable(below, written_path(path)) if own is not None and own.remove_empty else below

    def _below(self, value: JSON, path: Path, rule: Rule | None) -> "_Tree":
        if isinstance(value, dict):
            return {key: self._node(inner, (*path, key), rule) for key, inner in value.items()}
        if isinstance(value, list):
            if rule is not None and rule.compress and rule.together and _all_strings(value):
                return [self._member(text, (*path, i), rule) for i, text in enumerate(value)]
            return [self._node(inner, (*path, i), rule) for i, inner in enumerate(value)]
        if isinstance(value, str) and rule is not None and rule.compress:
            return self._string(value, path, rule)
        return value

    def _member(self, text: JSON, path: Path, rule: Rule) -> "_Tree":
        """A string of a list that is taken for one text."""
        below = self._string(cast(str, text), path, rule, group=written_path(path[:-1]))
        return _Removable(below, written_path(path))

    def _string(self, text: str, path: Path, rule: Rule, group: str | None = None) -> _String:
        written = written_path(path)
        self.parts.append(Part(text=text, rate=rule.rate, group=group, id=written))
        return _String(len(self.parts) - 1, written)


def _all_strings(values: list[JSON]) -> bool:
    return all(isinstance(value, str) for value in values)


class _Filling:
    """A tree with its strings filled in.

    Attributes:
        data: The data.
        changed: Paths of what is different or gone, in the tree's order.
        removed: Paths of what is gone.
    """

    def __init__(self, tree: "_Tree", texts: Mapping[int, str], originals: Mapping[int, str]) -> None:
        self._texts = texts
        self._originals = originals
        self.changed: list[str] = []
        self.removed: list[str] = []
        self.data: JSON = self._fill(tree)

    def _fill(self, tree: "_Tree") -> JSON:
        if isinstance(tree, _String):
            if self._texts[tree.index] != self._originals[tree.index]:
                self.changed.append(tree.path)
            return self._texts[tree.index]
        if isinstance(tree, _Removable):
            return self._fill(tree.inner)
        if isinstance(tree, dict):
            return {key: self._fill(inner) for key, inner in tree.items() if self._stays(inner)}
        if isinstance(tree, list):
            return [self._fill(inner) for inner in tree if self._stays(inner)]
        assert not isinstance(tree, _Dropped)
        return tree

    def _stays(self, tree: "_Tree") -> bool:
        """Whether the value has a place in the result; if not, that is recorded."""
        if isinstance(tree, _Dropped) or (isinstance(tree, _Removable) and all(self._empty(tree.inner))):
            self.changed.append(tree.path)
            self.removed.append(tree.path)
            return False
        return True

    def _empty(self, tree: "_Tree") -> Iterator[bool]:
        """For everything in the tree that is not dropped, whether compression left nothing of it."""
        if isinstance(tree, _String):
            yield not self._texts[tree.index] and bool(self._originals[tree.index])
        elif isinstance(tree, _Removable):
            yield from self._empty(tree.inner)
        elif isinstance(tree, (dict, list)) and tree:
            for inner in tree.values() if isinstance(tree, dict) else tree:
                yield from self._empty(inner)
        elif not isinstance(tree, _Dropped):
            yield False
