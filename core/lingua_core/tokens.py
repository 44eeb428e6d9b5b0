"""Counting tokens as the model that will read the prompt counts them."""

import re
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from functools import lru_cache
from importlib.util import find_spec
from operator import index as as_index
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from tokenizers import Tokenizer

from lingua_core.errors import MissingDependencyError, ModelError, TokenCounterError
from lingua_core.models.tokenization import load_tokenizer, unknown_id, untruncated
from lingua_core.unicode import encodable
from lingua_core.weights import ENCODER

if TYPE_CHECKING:
    from tiktoken import Encoding

__all__ = ["SPACES", "TokenCounter", "adds_up", "resolve_token_counter"]

SPACES = " \t\n\r"
"""White space that every tokenizer takes for such; some delete the rarer kinds."""

_LONG_SPACE = 10_000
_LONG_SPACES = re.compile(rf"\s{{{_LONG_SPACE}}}")

TIKTOKEN_NAMES = ("cl100k_base", "o200k_base", "p50k_base", "r50k_base", "gpt2", "o200k_harmony")


@runtime_checkable
class TokenCounter(Protocol):
    """Counts tokens. `name` goes into the statistics of every result."""

    @property
    def name(self) -> str:
        """What the counts mean, for people: an encoding's or a tokenizer's name."""
        ...

    def count(self, texts: Sequence[str]) -> list[int]:
        """The number of tokens of each text, in order; 0 for an empty text."""
        ...


def resolve_token_counter(
    spec: "str | Callable[[str], int] | TokenCounter | None",
) -> TokenCounter:
    """The counter that a user's choice stands for.

    Args:
        spec: `None` for the embedded tokenizer; the name of a tiktoken encoding ("cl100k_base") or
            model ("gpt-4o"); a `tokenizer.json`, a folder with one, or a Hugging Face tokenizer name;
            any function from a text to its number of tokens; or a `TokenCounter`.

    Raises:
        TokenCounterError: If nothing of that name is known, or it cannot be loaded.
        MissingDependencyError: If a tiktoken name is given and tiktoken is not installed.
    """
    if spec is None:
        return _embedded_counter()
    if isinstance(spec, str):
        return _named_counter(spec)
    if isinstance(spec, TokenCounter):
        return (
            spec
            if isinstance(spec, (TokenizerCounter, TiktokenCounter, CallableCounter))
            else CheckedCounter(spec)
        )
    if callable(spec):
        return CallableCounter(spec)
    raise TokenCounterError(
        f"token_counter must be a name, a function from text to int, or a TokenCounter; "
        f"got {type(spec).__name__}: {spec!r:.80}."
    )


def adds_up(counter: TokenCounter, *separators: str) -> bool:
    """Whether texts joined by these separators have as many tokens as the texts have together.

    True for counters that say so by an attribute `splits_at_white_space`, and white space between.
    """
    white = all(separator and not separator.strip(SPACES) for separator in separators)
    return white and getattr(counter, "splits_at_white_space", False) is True


class CheckedCounter:
    """A user's counter, with what it returns checked."""

    def __init__(self, counter: TokenCounter) -> None:
        self._counter = counter
        self.name = counter.name
        self.splits_at_white_space = getattr(counter, "splits_at_white_space", False) is True

    def count(self, texts: Sequence[str]) -> list[int]:
        """The counter's counts, one a text."""
        counts: Any = self._counter.count(texts)
        if not isinstance(counts, Sequence) or len(cast(Sequence[object], counts)) != len(texts):
            raise TokenCounterError(
                f"token_counter {self.name!r} must return a list of {len(texts)} counts, got {counts!r:.80}."
            )
        return [checked_count(count, self.name) for count in cast(Sequence[object], counts)]


class CallableCounter:
    """Counts with the user's function, checking what it returns."""

    def __init__(self, function: Callable[[str], int]) -> None:
        self._function = function
        self.name = getattr(function, "__qualname__", None) or type(function).__name__

    def count(self, texts: Sequence[str]) -> list[int]:
        """Call the function once for each text that is not empty."""
        return [checked_count(self._function(text), self.name) if text else 0 for text in texts]


def checked_count(count: object, name: str) -> int:
    """The count, if it is one."""
    try:
        number = as_index(cast(Any, count))
    except TypeError as error:
        raise TokenCounterError(
            f"token_counter {name!r} must return an int, returned {type(count).__name__}: {count!r:.80}. "
            "For a tokenizer object pass `lambda text: len(tokenizer.encode(text))`."
        ) from error
    if not 0 <= number < 2**53:
        raise TokenCounterError(
            f"token_counter {name!r} returned {number!r:.80}, which is no number of tokens."
        )
    return number


class TokenizerCounter:
    """Counts with a `tokenizers.Tokenizer`, without special tokens, on all cores.

    A tokenizer that maps what it does not know (a foreign script, a long key) to one "unknown" token
    would make megabytes look like nothing. So each unknown token counts as one token for every three
    bytes of UTF-8 that it stands for, about what the byte-level tokenizers of today's models need.

    Args:
        tokenizer: The tokenizer.
        name: For the statistics.
        splits_at_white_space: Whether no token ever spans white space; long texts are then counted in
            parts, on several cores.
    """

    _PART = 4000
    _BYTES_A_TOKEN = 3

    def __init__(self, tokenizer: Tokenizer, *, name: str, splits_at_white_space: bool = False) -> None:
        self._tokenizer = tokenizer
        self._unknown = unknown_id(tokenizer)
        self.splits_at_white_space = splits_at_white_space
        self.name = name

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, in one batch."""
        parts: list[str] = []
        owners: list[int] = []
        for owner, text in enumerate(texts):
            for part in self._parts(encodable(text)):
                parts.append(part)
                owners.append(owner)
        counts = [0] * len(texts)
        unsure: list[int] = []
        for i, encoding in enumerate(self._tokenizer.encode_batch_fast(parts, add_special_tokens=False)):
            counts[owners[i]] += len(encoding)
            if self._unknown is not None and self._unknown in encoding.ids:
                unsure.append(i)
        for i, hidden in zip(unsure, self._hidden([parts[i] for i in unsure]), strict=True):
            counts[owners[i]] += hidden
        return counts

    def _parts(self, text: str) -> list[str]:
        if not self.splits_at_white_space or len(text) <= self._PART:
            return [text]
        return re.findall(rf"[^{SPACES}][\s\S]{{0,{self._PART}}}[^{SPACES}]*", text)

    def _hidden(self, texts: list[str]) -> Iterator[int]:
        """Tokens that the unknown tokens of each text stand for, beyond one each."""
        for text, encoding in zip(
            texts, self._tokenizer.encode_batch(texts, add_special_tokens=False), strict=True
        ):
            unknown = (
                text[start:end]
                for token, (start, end) in zip(encoding.ids, encoding.offsets, strict=True)
                if token == self._unknown
            )
            yield sum(max(0, -(-len(piece.encode()) // self._BYTES_A_TOKEN) - 1) for piece in unknown)


class TiktokenCounter:
    """Counts with a tiktoken encoding; text that looks like a special token counts as plain text."""

    def __init__(self, encoding: "Encoding", *, name: str) -> None:
        self._encoding = encoding
        self.name = name

    def count(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text; runs of white space that would exhaust tiktoken's stack in parts."""
        return [
            sum(len(self._encoding.encode_ordinary(part)) for part in self._parts(text)) for text in texts
        ]

    def _parts(self, text: str) -> list[str]:
        if len(text) < _LONG_SPACE or not _LONG_SPACES.search(text):
            return [text]
        return [text[i : i + _LONG_SPACE] for i in range(0, len(text), _LONG_SPACE)]


@lru_cache(maxsize=1)
def _embedded_counter() -> TokenCounter:
    return TokenizerCounter(
        load_tokenizer(ENCODER), name=f"{ENCODER.name} (embedded)", splits_at_white_space=True
    )


def _named_counter(name: str) -> TokenCounter:
    path = Path(name)
    if name.strip(". ") and len(name) < 1000 and path.exists():
        try:
            return TokenizerCounter(load_tokenizer(path), name=name)
        except ModelError as error:
            raise TokenCounterError(f"token_counter={name!r}: {error}") from error
    if name in TIKTOKEN_NAMES or _is_openai_model(name):
        return _tiktoken_counter(name)
    similar = get_close_matches(name, TIKTOKEN_NAMES, n=1, cutoff=0.8)
    if similar or not re.fullmatch(r"[\w.-]+(?:/[\w.-]+)?", name) or not name.strip(". "):
        meant = f" Did you mean {similar[0]!r}?" if similar else ""
        raise TokenCounterError(
            f"token_counter={name!r:.80} is no tiktoken encoding ({', '.join(TIKTOKEN_NAMES)}), no file or "
            f"folder here, and no name of a Hugging Face tokenizer.{meant}"
        )
    return _hub_counter(name)


def _is_openai_model(name: str) -> bool:
    return re.match(r"(gpt-|o\d|chatgpt-|text-embedding-)", name) is not None


def _tiktoken_counter(name: str) -> TokenCounter:
    if find_spec("tiktoken") is None:
        raise MissingDependencyError.for_extra(
            "tiktoken", extra="tiktoken", purpose=f"token_counter={name!r}"
        )
    import tiktoken

    try:
        encoding = (
            tiktoken.get_encoding(name) if name in TIKTOKEN_NAMES else tiktoken.encoding_for_model(name)
        )
    except Exception as error:
        raise TokenCounterError(
            f"tiktoken could not load {name!r}: {error}. tiktoken downloads an encoding on first use; "
            "offline, set TIKTOKEN_CACHE_DIR to a folder that holds it, or pass a counting function."
        ) from error
    return TiktokenCounter(encoding, name=f"{encoding.name} (tiktoken)")


def _hub_counter(name: str) -> TokenCounter:
    try:
        tokenizer = Tokenizer.from_pretrained(name)
    except Exception as error:
        raise TokenCounterError(
            f"token_counter={name!r} is no tiktoken encoding ({', '.join(TIKTOKEN_NAMES)}), no file or "
            f"folder here, and could not be loaded as a Hugging Face tokenizer: {error}. "
            "Pass a local tokenizer.json, or a function from text to its number of tokens."
        ) from error
    return TokenizerCounter(untruncated(tokenizer), name=f"{name} (Hugging Face)")
