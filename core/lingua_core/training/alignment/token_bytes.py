"""What bytes a tokenizer's tokens stand for, and how bytes go on in its tokens behind a given border.

Bytes are what the vocabularies of all models share: a token of one can be a character and a half of
another's.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from tokenizers import Tokenizer

from lingua_core.errors import InputError

__all__ = ["TokenBytes"]

Config = Mapping[str, Any]

_SPACE = "\u2581"
"""What stands for a space in SentencePiece's tokens."""

_FALLBACK = re.compile("<0x([0-9A-F]{2})>")
_AT_BEGINNINGS = ("Prepend", "Strip", "WhitespaceSplit")
"""What puts a space before a text, takes one away, or takes the one for granted that Metaspace puts back."""


def _byte_alphabet() -> dict[str, int]:
    """The characters by which byte-level BPE (GPT-2) writes bytes: itself where one can be seen."""
    seen = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in seen]
    return {chr(byte): byte for byte in seen} | {chr(256 + i): byte for i, byte in enumerate(hidden)}


_BYTES = _byte_alphabet()
_CHARACTERS = {byte: character for character, byte in _BYTES.items()}


class TokenBytes:
    """A fast tokenizer, seen as one of bytes. Safe to share between threads.

    Args:
        tokenizer: Byte-level BPE, or one that writes spaces as SentencePiece does (BPE or Unigram, with
            bytes as a fallback or without).

    Attributes:
        specials: Ids of the tokens that stand for no text, by name.

    Raises:
        InputError: If it is none, or its tokens do not say what bytes they stand for, as with WordPiece.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        if not isinstance(tokenizer, Tokenizer):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise InputError(
                f"The tokenizer must be one of the tokenizers library, got {type(tokenizer).__name__}. Pass "
                "the backend_tokenizer of a fast tokenizer of transformers; slow ones cannot be mapped."
            )
        config: Config = json.loads(tokenizer.to_str())
        self._is_byte_level = _is_byte_level(config)
        self._is_fallback = bool(config["model"].get("byte_fallback"))
        if not self._is_byte_level and not _has_visible_spaces(config):
            raise InputError(
                f"The tokenizer's tokens ({config['model'].get('type')!r}) do not say where spaces are, so "
                "they cannot be mapped byte by byte. Use a byte-level or a SentencePiece tokenizer."
            )
        self._tokenizer = Tokenizer.from_str(json.dumps(_continuing(config)))
        self.specials: Mapping[str, int] = {
            entry["content"]: entry["id"] for entry in config["added_tokens"] if entry["special"]
        }
        self._of_id = self._bytes_of_ids(config)
        self._id_of: dict[bytes, int] = {}
        for id_, data in sorted(self._of_id.items(), key=lambda item: self._is_fallback_token(item[0])):
            self._id_of.setdefault(data, id_)
        self._sorted = sorted(self._id_of)

    def of(self, id_: int) -> bytes | None:
        """The bytes of a token; None for one that stands for no text.

        Raises:
            InputError: If the vocabulary has no such token.
        """
        if id_ in self._of_id:
            return self._of_id[id_]
        is_id = isinstance(id_, int) and id_ >= 0  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
        if not is_id or self._tokenizer.id_to_token(id_) is None:
            raise InputError(
                f"Token {id_!r} is not in the vocabulary of {self._tokenizer.get_vocab_size()} tokens. "
                "Were the ids made by another tokenizer?"
            )
        return None

    def id_of(self, data: bytes) -> int | None:
        """The token that stands for exactly these bytes, or None."""
        return self._id_of.get(data)

    def has_longer(self, data: bytes) -> bool:
        """Whether there is a token that begins with these bytes and goes on."""
        place = bisect_right(self._sorted, data)
        return place < len(self._sorted) and self._sorted[place].startswith(data)

    def ids(self, data: bytes) -> list[int]:
        """Tokens of bytes that go on behind a border: nothing is put before them, nothing merges with it.

        Bytes need not be whole characters. Without its pre-tokenizer, which reads characters, byte-level
        BPE then merges them as one piece.
        """
        try:
            return self._tokenizer.encode(data.decode(), add_special_tokens=False).ids
        except UnicodeDecodeError:
            pass
        if self._is_byte_level:
            surface = "".join(_CHARACTERS[byte] for byte in data)
            return [token.id for token in self._tokenizer.model.tokenize(surface)]
        return self._ids_around_characters(data)

    def _ids_around_characters(self, data: bytes) -> list[int]:
        """Tokens of the whole characters in the middle, and of the single bytes on both sides."""
        start = 0
        while start < len(data) and data[start] & 0xC0 == 0x80:
            start += 1
        whole = data[start:].decode(errors="ignore").encode()
        if not data[start:].startswith(whole):
            whole = b""
        middle = self._tokenizer.encode(whole.decode(), add_special_tokens=False).ids if whole else []
        return [
            *self._single_bytes(data[:start]),
            *middle,
            *self._single_bytes(data[start + len(whole) :]),
        ]

    def _single_bytes(self, data: bytes) -> list[int]:
        found = [self._tokenizer.token_to_id(f"<0x{byte:02X}>") for byte in data]
        return [id_ for id_ in found if id_ is not None]

    def _bytes_of_ids(self, config: Config) -> dict[int, bytes]:
        added = {entry["id"]: entry for entry in config["added_tokens"]}
        unknown = _unknown_token(config)
        found: dict[int, bytes] = {}
        for token, id_ in self._tokenizer.get_vocab(with_added_tokens=True).items():
            if id_ in added:
                if not added[id_]["special"]:
                    found[id_] = token.encode()
            elif token != unknown and (data := self._bytes_of(token)):
                found[id_] = data
        return found

    def _bytes_of(self, token: str) -> bytes | None:
        if self._is_byte_level:
            known = all(character in _BYTES for character in token)
            return bytes(_BYTES[character] for character in token) if known else None
        if (byte := self._fallback_byte(token)) is not None:
            return bytes([byte])
        return token.replace(_SPACE, " ").encode()

    def _fallback_byte(self, token: str) -> int | None:
        found = _FALLBACK.fullmatch(token) if self._is_fallback else None
        return int(found[1], 16) if found else None

    def _is_fallback_token(self, id_: int) -> bool:
        return self._fallback_byte(self._tokenizer.id_to_token(id_) or "") is not None


def _parts(config: Config, name: str) -> Iterable[Config]:
    """A tokenizer's normalizer, pre-tokenizer or decoder, and what it consists of."""
    part: Any = config.get(name)
    if not part:
        return
    yield part
    for key in ("normalizers", "pretokenizers", "decoders"):
        for inner in part.get(key, ()):
            yield from _parts({name: inner}, name)


def _is_byte_level(config: Config) -> bool:
    parts = [*_parts(config, "pre_tokenizer"), *_parts(config, "normalizer")]
    return any(part["type"] == "ByteLevel" for part in parts)


def _has_visible_spaces(config: Config) -> bool:
    if config["model"].get("type") not in ("BPE", "Unigram"):
        return False
    parts = [*_parts(config, "pre_tokenizer"), *_parts(config, "normalizer")]
    return any(
        part["type"] == "Metaspace" or (part["type"] == "Replace" and part.get("content") == _SPACE)
        for part in parts
    )


def _unknown_token(config: Config) -> str | None:
    model = config["model"]
    if model.get("unk_id") is not None:
        return model["vocab"][model["unk_id"]][0]
    return model.get("unk_token")


def _continuing(config: Config) -> Config:
    """The tokenizer without what it does at the beginnings and ends of texts."""
    changed = {**config, "post_processor": None, "truncation": None, "padding": None}
    for name in ("normalizer", "pre_tokenizer"):
        changed[name] = _inner(config.get(name))
    return changed


def _inner(part: Config | None) -> Config | None:
    if part is None or part["type"] in _AT_BEGINNINGS:
        return None
    changed = dict(part)
    if part["type"] == "ByteLevel" and "add_prefix_space" in part:
        changed["add_prefix_space"] = False
    if part["type"] == "Metaspace":
        changed["prepend_scheme"] = "never"
    for key in ("normalizers", "pretokenizers"):
        if key in part:
            inner = [_inner(one) for one in cast("Sequence[Config]", part[key])]
            changed[key] = [one for one in inner if one is not None]
    return changed
