"""By which token a student begins to write a text of which only the beginning is known."""

from collections.abc import Sequence

from lingua_core.training.alignment.token_bytes import TokenBytes

__all__ = ["Beginnings"]


class Beginnings:
    """What a student's first token says of the bytes that a teacher listed. Remembers what it was asked.

    Args:
        tokens: The student's.
        is_shared: Whether the bytes are one of the student's tokens or nothing: the teacher has the same
            vocabulary.
    """

    def __init__(self, tokens: TokenBytes, *, is_shared: bool) -> None:
        self._tokens = tokens
        self._is_shared = is_shared
        self._begun: dict[bytes, int | None] = {}
        self._paths: dict[bytes, list[int]] = {}

    def first(self, data: bytes, *, is_complete: bool = False) -> int | None:
        """The token by which the student begins to write a text.

        Bytes that are a token are taken for it, though the text may go on to a longer one, unless they end
        inside a character.

        Args:
            data: How the text begins, behind a border between tokens.
            is_complete: Whether it ends there.

        Returns:
            A token; None where what follows decides, or the vocabulary cannot write it.
        """
        if is_complete:
            return self._first(data)
        if data not in self._begun:
            self._begun[data] = self._tokens.id_of(data) if self._is_shared else self._open_first(data)
        return self._begun[data]

    def leads_through(self, path: Sequence[int], data: bytes) -> bool:
        """Whether the student writes a text that begins with `data` by the tokens of `path` first."""
        if data not in self._paths:
            self._paths[data] = self._tokens.ids(data)
        return self._paths[data][: len(path)] == list(path)

    def _open_first(self, data: bytes) -> int | None:
        first = self._first(data)
        if first is None:
            return None
        is_all = self._tokens.of(first) == data and _ends_a_character(data)
        return first if is_all or not self._tokens.has_longer(data) else None

    def _first(self, data: bytes) -> int | None:
        for id_ in self._tokens.ids(data)[:1]:
            own = self._tokens.of(id_)
            # A normalizer may have changed it, an unknown token may stand for anything.
            return id_ if own and data.startswith(own) else None
        return None


def _ends_a_character(data: bytes) -> bool:
    """Whether the last character is whole, as far as its beginning is there."""
    for length, byte in enumerate(reversed(data[-4:]), start=1):
        if byte & 0xC0 != 0x80:
            return length >= 1 + (byte >= 0xC0) + (byte >= 0xE0) + (byte >= 0xF0)
    return True
