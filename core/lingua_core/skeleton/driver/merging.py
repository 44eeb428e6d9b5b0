"""Pure: parts of an answer that grow in any order, read in the one order."""

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Merge", "Part"]


@dataclass(slots=True)
class Part:
    """A piece of the answer.

    Attributes:
        opening: Stands before its text, but only if there is any.
        text: So far.
        is_done: Whether nothing is to come.
        is_held: Whether it is to be shown at its end only.
        shown: Characters of `text` that are part of the answer already, for good.
    """

    opening: str = ""
    text: str = ""
    is_done: bool = False
    is_held: bool = False
    shown: int = 0

    @property
    def is_shown(self) -> bool:
        """Whether some of it is part of the answer already."""
        return self.shown > 0


class Merge:
    """The text of an answer, made of numbered parts.

    The parts with smaller numbers come first. A part is shown while it grows once all before it are done;
    what comes later waits. Parts without text leave nothing behind. What was shown is never changed.

    Args:
        show: Gets every piece of the answer, with the number of its part.
        separator: Stands between two parts.
    """

    def __init__(self, show: Callable[[int, str], None], *, separator: str = "\n\n") -> None:
        self._show = show
        self._separator = separator
        self._parts: dict[int, Part] = {}
        self._order: list[int] = []
        self._head = 0
        self._pieces: list[str] = []
        self._is_open = False

    @property
    def text(self) -> str:
        """What was shown so far."""
        return "".join(self._pieces)

    def __getitem__(self, index: int) -> Part:
        """The part of that number."""
        return self._parts[index]

    def add(self, index: int, opening: str = "", *, is_held: bool = False) -> Part:
        """A new part, after all others: numbers ascend."""
        if self._order and index <= self._order[-1]:
            raise ValueError(f"Part {index} comes after part {self._order[-1]}.")
        part = self._parts[index] = Part(opening=opening, is_held=is_held)
        self._order.append(index)
        return part

    def open(self) -> None:
        """Begin to show; before, everything waits."""
        self._is_open = True
        self._advance()

    def write(self, index: int, text: str) -> None:
        """Add to a part. White space at its beginning is dropped, at its end kept back."""
        part = self._parts[index]
        part.text += text if part.text else text.lstrip()
        if self._is_open and self._order[self._head] == index:
            self._advance()

    def restart(self, index: int) -> None:
        """Forget the text of a part that was not shown."""
        part = self._parts[index]
        if part.is_shown:
            raise ValueError(f"Part {index} was shown.")
        part.text = ""

    def replace(self, index: int, text: str) -> None:
        """Give a part that was not shown another text."""
        self.restart(index)
        self.write(index, text)

    def finish(self, index: int) -> None:
        """Nothing is to come for this part."""
        part = self._parts[index]
        part.text = part.text.rstrip()
        part.is_done = True
        self._advance()

    def _advance(self) -> None:
        while self._is_open and self._head < len(self._order):
            index = self._order[self._head]
            part = self._parts[index]
            self._reveal(index, part)
            if not part.is_done:
                return
            self._head += 1

    def _reveal(self, index: int, part: Part) -> None:
        if part.is_held and not part.is_done:
            return
        new = part.text[part.shown :].rstrip()
        if not new:
            return
        lead = ""
        if not part.is_shown:
            lead = (self._separator if self._pieces else "") + part.opening
        part.shown += len(new)
        self._pieces.append(lead + new)
        self._show(index, lead + new)
