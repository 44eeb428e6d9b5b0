"""Which values of JSON data are compressed, and how: rules by key."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from lingua_core.budget import choose_budget
from lingua_core.errors import InputError

__all__ = ["Path", "Rule", "Rules", "written_path"]

Path = tuple[str | int, ...]
"""Keys and list indices, from the root to a value."""

_SEGMENT = re.compile(r"(?:[^\\.]|\\.)*", re.DOTALL)
_LLMLINGUA_TYPES = {
    **dict.fromkeys(("str", "string", "list", "List", "tuple", "dict", "dictionary"), True),
    **dict.fromkeys(("int", "integer", "float", "number", "bool", "boolean"), False),
}
_LLMLINGUA_OPTIONS = ("rate", "compress", "value_type", "pair_remove")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What happens to a value, and to all strings inside it that no nearer rule is about.

    Attributes:
        rate: The fraction of tokens to keep of each string, 0 < rate <= 1; None to share the budget of
            the call with all other strings without a rate.
        compress: False to leave the value as it is.
        drop: Remove the value with its key, or from its list.
        remove_empty: Remove the value with its key, or from its list, if nothing of it is left: all its
            strings were compressed to nothing, and it holds nothing else. Otherwise such a string
            becomes "".
        together: Take a list of strings for one text: its strings meet `rate` together, and those of
            which nothing is kept are removed from the list.

    Raises:
        InputError: If a value is of the wrong type or out of range, or contradicts `drop`.
    """

    rate: float | None = None
    compress: bool = True
    drop: bool = False
    remove_empty: bool = False
    together: bool = False

    def __post_init__(self) -> None:
        for name in ("compress", "drop", "remove_empty", "together"):
            value: object = getattr(self, name)
            if not isinstance(value, bool):
                raise InputError(f"Rule.{name} must be True or False, got {value!r:.80}.")
        if self.rate is not None:
            object.__setattr__(self, "rate", choose_budget(rate=self.rate).value)
        if self.drop and (self.rate is not None or self.remove_empty or self.together):
            raise InputError(
                f"A Rule that drops a value cannot say how to compress it, got {self!r}. "
                "Pass drop=True alone, or leave it out."
            )

    @classmethod
    def from_llmlingua(cls, config: Mapping[str, Mapping[str, Any]]) -> "dict[str, Rule]":
        """The rules that llmlingua's `json_config` stands for.

        Differences: numbers and booleans are never cut, whatever their `rate`; all options may be left
        out; keys that the data lacks are allowed. As there, keys are those at the top of the data.

        Args:
            config: For each key its options: `rate`, `compress`, `value_type` ("str", "int", "float",
                "bool", "list", "dict", ...), `pair_remove` (whether the key goes with its value when
                nothing of the value is kept).

        Returns:
            Rules for `compress_json`, by path.

        Raises:
            InputError: If an option is unknown or its value cannot be used; the message names the key.
        """
        if not isinstance(config, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise InputError(
                "json_config must be a mapping from keys to options, got "
                f"{type(config).__name__}: {config!r:.80}. Load a file before you pass it."
            )
        found = [(key, cls._of_llmlingua(key, options)) for key, options in config.items()]
        return {f"$.{_escaped(key)}": rule for key, rule in found}

    @classmethod
    def _of_llmlingua(cls, key: str, options: Mapping[str, Any]) -> "Rule":
        where = f"json_config[{key!r:.80}]"
        if not isinstance(key, str) or not isinstance(options, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise InputError(f"{where} must map a str to a mapping of options, got {options!r:.80}.")
        unknown = [name for name in options if name not in _LLMLINGUA_OPTIONS]
        if unknown:
            raise InputError(
                f"{where} has the unknown option {unknown[0]!r:.80}. "
                f"Expected some of {', '.join(_LLMLINGUA_OPTIONS)}."
            )
        kind = options.get("value_type", "str")
        if not isinstance(kind, str) or kind not in _LLMLINGUA_TYPES:
            raise InputError(
                f"{where} has value_type={kind!r:.80}. Expected one of {', '.join(_LLMLINGUA_TYPES)}."
            )
        try:
            rule = cls(
                rate=options.get("rate"),
                compress=options.get("compress", True),
                remove_empty=options.get("pair_remove", False),
            )
        except InputError as error:
            raise type(error)(f"{where}: {error}") from error
        return rule if _LLMLINGUA_TYPES[kind] else cls(compress=False)


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A path to match; None is any key or index."""

    written: str
    segments: tuple[str | None, ...]
    rule: Rule

    def matches(self, path: Path) -> bool:
        return len(path) == len(self.segments) and all(
            wanted is None or wanted == str(key) for wanted, key in zip(self.segments, path, strict=True)
        )

    def weight(self) -> tuple[int, tuple[bool, ...]]:
        """The larger, the more exact."""
        literal = tuple(segment is not None for segment in self.segments)
        return sum(literal), literal


class Rules:
    """The rules of one call, looked up by path.

    Args:
        rules: By path. "key" is that key at any depth; "a.b" and "a.*.b" are paths from the root, "*" any
            key or index; "$.key" is a key at the root, "$" the root itself. A backslash before ".", "*",
            "$" or a backslash makes it part of a key.

    Raises:
        InputError: If a path or a rule cannot be used.
    """

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        if not isinstance(rules, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise InputError(
                f"rules must be a mapping from paths to Rules, got {type(rules).__name__}: {rules!r:.80}."
            )
        self._names: dict[str, _Pattern] = {}
        self._patterns: list[_Pattern] = []
        self._unused: dict[str, None] = {}
        for written, rule in rules.items():
            self._add(written, rule)
        self._patterns.sort(key=_Pattern.weight, reverse=True)

    def at(self, path: Path) -> Rule | None:
        """The rule about exactly the value at the path: a full path goes before a plain key."""
        found = next((pattern for pattern in self._patterns if pattern.matches(path)), None)
        if found is None and path and isinstance(path[-1], str):
            found = self._names.get(path[-1])
        if found is None:
            return None
        self._unused.pop(found.written, None)
        return found.rule

    @property
    def unused(self) -> tuple[str, ...]:
        """Rules that decided about no value so far, as they were written."""
        return tuple(self._unused)

    def _add(self, written: str, rule: Rule) -> None:
        if not isinstance(written, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise InputError(f"rules must have paths (str) for keys, got {written!r:.80}.")
        if not isinstance(rule, Rule):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            hint = ' Options as llmlingua has them go through Rule.from_llmlingua({"key": {...}}).'
            raise InputError(
                f"rules[{written!r:.80}] must be a Rule, got {type(rule).__name__}: {rule!r:.80}."
                + (hint if isinstance(cast(object, rule), Mapping) else "")
            )
        segments = list(_segments(written))
        pattern = _Pattern(written, tuple(segments), rule)
        self._unused[written] = None
        if segments[0] == "$" and not written.startswith("\\"):
            self._patterns.append(_Pattern(written, tuple(segments[1:]), rule))
        elif len(segments) == 1 and segments[0] is not None:
            self._names[segments[0]] = pattern
        else:
            self._patterns.append(pattern)


def _segments(written: str) -> Iterator[str | None]:
    at = 0
    while True:
        match = _SEGMENT.match(written, at)
        end = match.end() if match else at
        segment = written[at:end]
        yield None if segment == "*" else _unescaped(segment, written)
        if end == len(written):
            return
        if written[end] != ".":
            raise InputError(f"The path {written!r:.80} ends in a single backslash. Write \\\\ for one.")
        at = end + 1


def _unescaped(segment: str, written: str) -> str:
    wrong = re.search(r"\\[^.*$\\]", segment.replace("\\\\", ""), re.DOTALL)
    if wrong:
        raise InputError(
            f"The path {written!r:.80} has a backslash before {wrong[0][1]!r}. A backslash goes before "
            '".", "*", "$" or another backslash; write \\\\ for one that is part of a key.'
        )
    return re.sub(r"\\(.)", r"\1", segment, flags=re.DOTALL)


def _escaped(key: str) -> str:
    key = re.sub(r"[\\.]", r"\\\g<0>", key)
    return f"\\{key}" if key in ("*", "$") else key


def written_path(path: Path) -> str:
    """The path as people and rules write it; "$" for the root."""
    return ".".join(_escaped(str(key)) for key in path) if path else "$"
