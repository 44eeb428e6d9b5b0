"""Tokens of a corpus on disk, and which of them a step reads."""

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from lingua_core.errors import InputError
from lingua_core.training.causal_lm.corpus import Text
from lingua_core.unicode import encodable

__all__ = ["TokenStream", "write_tokens"]

Tokens = NDArray[np.uint16]

_TEXTS_AT_ONCE = 256
_LARGEST_VOCABULARY = 2**16


def write_tokens(texts: Iterable[Text], tokenizer: Tokenizer, folder: Path) -> None:
    """Write the tokens of each source to `{source}.npy`: its texts one after another, each behind a 0.

    `tokens.json`, which lists the sources, is written last: without it the folder is unfinished.

    Raises:
        InputError: If the vocabulary does not fit 16 bits.
    """
    if tokenizer.get_vocab_size() > _LARGEST_VOCABULARY:
        raise InputError(f"The vocabulary must fit 16 bits, got {tokenizer.get_vocab_size():,} tokens.")
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[Tokens]] = {}
    iterator = iter(texts)
    while part := list(islice(iterator, _TEXTS_AT_ONCE)):
        encodings = tokenizer.encode_batch_fast([encodable(text.text) for text in part])
        for text, encoding in zip(part, encodings, strict=True):
            found.setdefault(text.source, []).append(np.array(encoding.ids, np.uint16))
    digests: dict[str, str] = {}
    for name, rows in found.items():
        tokens = np.concatenate(rows)
        np.save(folder / f"{name}.npy", tokens)
        digests[name] = sha256(tokens.tobytes()).hexdigest()[:12]
    (folder / "tokens.json").write_text(json.dumps(digests, indent=2), encoding="utf-8")


class TokenStream:
    """Rows of tokens in an order that depends on the seed alone, so that any step can be made anew.

    Every pass cuts each source's tokens into rows at other places, and shuffles the rows of all sources.
    A row begins with the beginning-of-text token, wherever in a text it is cut, and may go on into the
    texts that follow.

    Args:
        folder: Of `write_tokens`.
        weights: How often each source comes in a pass.
        longest: Tokens of a row that are read; one more is predicted.
        seed: Of the order.
    """

    def __init__(self, folder: Path, weights: Mapping[str, float], *, longest: int, seed: int) -> None:
        self.digests: dict[str, str] = json.loads((folder / "tokens.json").read_text(encoding="utf-8"))
        self._tokens: dict[str, Tokens] = {
            name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in sorted(self.digests)
        }
        self._weights = weights
        self._longest = longest
        self._seed = seed
        self._order: tuple[int, NDArray[np.int64]] = (-1, np.zeros((0, 2), np.int64))
        self._names = sorted(self._tokens)
        if not self.rows_of_a_pass:
            raise InputError(f"There is less text than one row of {longest} tokens: give more.")

    @property
    def tokens_of_a_pass(self) -> int:
        """Tokens that one pass predicts."""
        return self.rows_of_a_pass * self._longest

    @property
    def rows_of_a_pass(self) -> int:
        """Rows of one pass; the same for every pass."""
        return sum(self._rows(name) for name in self._names)

    def batch(self, first: int, count: int) -> NDArray[np.int64]:
        """Rows `first` to `first + count` of the endless sequence of passes. Shape (count, longest + 1)."""
        rows: list[NDArray[np.int64]] = []
        for place in range(first, first + count):
            turn, index = divmod(place, self.rows_of_a_pass)
            source, start = self._pass(turn)[index].tolist()
            tokens = self._tokens[self._names[source]][start : start + self._longest]
            rows.append(np.concatenate([[0], tokens.astype(np.int64)]))
        return np.stack(rows)

    def _rows(self, name: str) -> int:
        # One row is left out, so that every pass can begin at another place.
        return max(0, int(self._weights.get(name, 1.0) * (len(self._tokens[name]) // self._longest - 1)))

    def _pass(self, turn: int) -> NDArray[np.int64]:
        """Source and first token of every row of a pass. Shape (rows, 2)."""
        if self._order[0] != turn:
            rng = np.random.default_rng([self._seed, turn])
            parts: list[NDArray[np.int64]] = []
            for i, name in enumerate(self._names):
                whole = len(self._tokens[name]) // self._longest - 1
                starts = rng.integers(self._longest) + self._longest * np.arange(max(0, whole))
                wanted = self._rows(name)
                times = -(-wanted // max(1, len(starts)))
                chosen = np.concatenate([rng.permutation(starts) for _ in range(times)] or [starts])[:wanted]
                parts.append(np.stack([np.full(len(chosen), i), chosen], axis=1))
            order = np.concatenate(parts)
            self._order = (turn, order[rng.permutation(len(order))])
        return self._order[1]
