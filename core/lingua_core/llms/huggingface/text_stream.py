"""Text from tokens as they come: no half characters, nothing decoded twice, stop strings cut out."""

from collections.abc import Callable, Sequence

from lingua_core.llms.stop_cutting import StopCutter

__all__ = ["StopCutter", "TokenText"]

_UNKNOWN = "\ufffd"
_LONGEST_WAIT = 12
_LONGEST_CHARACTER = 4
"""Bytes of the longest character in UTF-8, hence the most tokens that one can be spread over."""

Decode = Callable[[list[int]], str]


class TokenText:
    """Decodes tokens one by one.

    A token's text depends on its neighbours (spaces at the beginning of words, characters spread over
    several byte tokens), so a few tokens before are decoded with it and their text is subtracted. A text
    that ends in a replacement character may be half a character, and waits for the next token; bytes that
    are no text at all come out as replacement characters after a while. The work for each token is bounded,
    however long the text grows.

    Args:
        decode: Text of tokens.
        context: Tokens before the first one. Empty where the text begins anew, so that it begins as
            `decode` of all tokens does.
    """

    def __init__(self, decode: Decode, context: Sequence[int] = ()) -> None:
        self._decode = decode
        self._ids = list(context)
        self._told = len(self._ids)
        """How many of `_ids` are told; those before are the context of the next."""

    def add(self, token: int) -> str:
        """The text that this token completes; may be empty."""
        self._ids.append(token)
        before, whole = self._texts()
        if len(whole) > len(before) and not whole.endswith(_UNKNOWN):
            self._tell(len(self._ids))
            return whole[len(before) :]
        if len(self._ids) - self._told > _LONGEST_WAIT:
            return self._tell_what_stays(before, whole)
        return ""

    def flush(self) -> str:
        """What still waits, half characters as replacement characters."""
        before, whole = self._texts()
        self._tell(len(self._ids))
        return whole[len(before) :]

    def _texts(self) -> tuple[str, str]:
        return self._decode(self._ids[: self._told]), self._decode(self._ids)

    def _tell(self, count: int) -> None:
        """Tokens told just now become the context of the next; those before are forgotten."""
        if count > self._told:
            del self._ids[: self._told]
            self._told = count - self._told

    def _tell_what_stays(self, before: str, whole: str) -> str:
        """Of bytes that are no text, all but the last, which may yet become a character."""
        for held in range(_LONGEST_CHARACTER - 1, len(self._ids) - self._told):
            count = len(self._ids) - held
            sure = self._decode(self._ids[:count])
            if len(sure) > len(before) and whole.startswith(sure):
                self._tell(count)
                return sure[len(before) :]
        return self.flush()
