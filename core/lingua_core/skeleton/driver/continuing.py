"""Going on where a reply broke off, without saying anything twice."""

from dataclasses import replace

from lingua_core.llms.base import ChatRequest, Message

__all__ = ["Seam", "continuing"]

CONTINUE = (
    "Your reply was cut off. Write only the rest of it, beginning exactly where it ends above: no "
    "introduction, nothing said again, and in the same language."
)
_FEWEST_TOKENS = 16
_LONGEST_OVERLAP = 200
_SHORTEST_OVERLAP = 4
_FIRST_WITHOUT_SPACES = "\u2e80"


def continuing(request: ChatRequest, text: str, *, prefill: bool, spent: int) -> ChatRequest:
    """The request whose reply goes on after `text`, which a call for `request` had said.

    Args:
        request: What was asked.
        text: What was answered so far, with visible characters.
        prefill: Whether the model takes the text as the beginning of its reply; otherwise it is a turn of
            its own, and a further one asks for the rest.
        spent: Tokens of the text, to be taken off the limit.
    """
    messages = request.messages
    begun = ""
    if request.prefill:
        messages, begun = messages[:-1], messages[-1].content
    # Models refuse a beginning that ends with white space, and write on badly after it.
    turns = (Message("assistant", (begun + text).rstrip()),)
    if not prefill:
        turns += (Message("user", CONTINUE),)
    limit = request.max_tokens
    return replace(
        request,
        messages=messages + turns,
        prefill=prefill,
        json_schema=None,
        max_tokens=None if limit is None else max(_FEWEST_TOKENS, limit - spent),
    )


class Seam:
    """Joins a continuation to a text that cannot be changed any more.

    The continuation's beginning is held back until it can be compared with the text's end: what is said
    again is dropped, and a space is put in where two words would run together.

    Args:
        text: What is there.
        is_exact: Whether the continuation begins at the very character after the text, as that of a
            prefill does; then only white space that the text ends with is not repeated.
    """

    def __init__(self, text: str, *, is_exact: bool) -> None:
        self._text = text[-_LONGEST_OVERLAP:]
        self._is_exact = is_exact
        self._held = ""
        self._is_joined = not text

    def feed(self, text: str) -> str:
        """What of the continuation is new, as far as it is known."""
        if self._is_joined:
            return text
        self._held += text
        enough = 1 if self._is_exact else len(self._text)
        return self.finish() if len(self._held.strip()) >= enough else ""

    def finish(self) -> str:
        """What was held back, joined."""
        if self._is_joined:
            return ""
        self._is_joined = True
        held, self._held = self._held, ""
        if self._is_exact:
            return held.lstrip() if self._text[-1:].isspace() else held
        return self._without_overlap(held)

    def _without_overlap(self, held: str) -> str:
        fresh = held.lstrip()
        said = self._text.rstrip()
        for length in range(min(len(said), len(fresh)), _SHORTEST_OVERLAP - 1, -1):
            if said.endswith(fresh[:length]) and _is_word_start(said, len(said) - length):
                rest = fresh[length:]
                return rest.lstrip() if self._text[-1:].isspace() else rest
        if self._text[-1:].isspace() or not fresh:
            return fresh
        return held if held[:1].isspace() else _gap(said, fresh) + fresh


def _is_word_start(text: str, at: int) -> bool:
    return at == 0 or not (text[at - 1].isalnum() and text[at].isalnum()) or text[at] >= _FIRST_WITHOUT_SPACES


def _gap(said: str, fresh: str) -> str:
    """A space between what are two words in scripts that put spaces between words."""
    if not said or not fresh or fresh[0] >= _FIRST_WITHOUT_SPACES or said[-1] >= _FIRST_WITHOUT_SPACES:
        return ""
    closes = said[-1].isalnum() or said[-1] in ".,;:!?)\"'"
    return " " if closes and fresh[0].isalnum() else ""
