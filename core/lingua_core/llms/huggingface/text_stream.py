"""Text from tokens as they come: no half characters, nothing decoded twice, stop strings cut out."""

from collections.abc import Callable, Sequence

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


class StopCutter:
    """Ends a text before the first stop string, wherever pieces of it begin and end.

    The first is the one that is complete first, so that the result does not depend on the pieces. What may
    be the beginning of a stop string is held back until it is known.

    Args:
        stops: The stop strings.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(dict.fromkeys(stop for stop in stops if stop))
        self._held = ""
        self.is_stopped = False

    def add(self, text: str) -> str:
        """What is sure to belong to the text; `is_stopped` says whether that was the end of it."""
        if not self._stops or not text:
            return text
        self._held += text
        found = [(at + len(stop), at) for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if found:
            self.is_stopped = True
            return self._let_go(min(found)[1])
        return self._let_go(len(self._held) - max(map(self._begun, self._stops)))

    def flush(self) -> str:
        """What was held back, at the end of the text."""
        return self._let_go(len(self._held))

    def _let_go(self, count: int) -> str:
        text, self._held = self._held[:count], "" if self.is_stopped else self._held[count:]
        return text

    def _begun(self, stop: str) -> int:
        """Characters at the end of the held text that are a beginning of the stop string."""
        longest = min(len(stop) - 1, len(self._held))
        return next((n for n in range(longest, 0, -1) if self._held.endswith(stop[:n])), 0)
