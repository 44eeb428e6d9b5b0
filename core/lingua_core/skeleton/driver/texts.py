"""Where the replies of calls go: into the parts of the answer."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from lingua_core.skeleton.driver.merging import Merge
from lingua_core.skeleton.parsing import SectionsEnd

__all__ = ["Collected", "Filter", "PartReply", "SectionsReply", "Splitter"]


class Filter(Protocol):
    """Takes out of a streamed text what does not belong there."""

    def feed(self, text: str) -> str:
        """What can be shown now."""
        ...

    def finish(self) -> str:
        """What was kept back."""
        ...


class Splitter(Protocol):
    """Cuts a streamed text into the points that it is about."""

    def feed(self, text: str) -> Iterable[tuple[int, str]]:
        """New text of points, by their numbers."""
        ...

    def finish(self) -> SectionsEnd:
        """What was kept back."""
        ...


@dataclass(slots=True)
class Collected:
    """A reply that nobody is shown."""

    text: str = ""
    may_restart: bool = True
    is_enough: bool = False

    def write(self, text: str) -> None:
        """Add to it."""
        self.text += text

    def restart(self) -> None:
        """Begin anew."""
        self.text = ""


class PartReply:
    """A reply that is one part of the answer.

    A text that is given up for another attempt is remembered: `settle` takes it back if nothing better came.

    Args:
        merge: The answer.
        index: The part's number.
        make_filter: Makes what each attempt's text goes through.
    """

    def __init__(self, merge: Merge, index: int, make_filter: Callable[[], Filter] | None = None) -> None:
        self._merge, self._index = merge, index
        self._make_filter = make_filter
        self._filter = make_filter() if make_filter else None
        self._abandoned = ""
        self.text = ""

    is_enough = False

    @property
    def may_restart(self) -> bool:
        """Whether none of it was shown."""
        return not self._merge[self._index].is_shown

    def write(self, text: str) -> None:
        """Add to the part."""
        self.text += text
        visible = self._filter.feed(text) if self._filter else text
        if visible:
            self._merge.write(self._index, visible)

    def restart(self) -> None:
        """Begin anew; the longest text so far is remembered."""
        # What the filter holds back must not pass through the answer: it might be shown at once.
        draft = self._merge[self._index].text + (self._filter.finish() if self._filter else "")
        self._abandoned = max(self._abandoned, draft, key=len)
        self._merge.restart(self._index)
        self._filter = self._make_filter() if self._make_filter else None
        self.text = ""

    def settle(self, *, is_good: bool = True) -> None:
        """Nothing is to come any more: write what was kept back.

        Args:
            is_good: Whether the last attempt ended well; else the longest text counts, even if given up.
        """
        self._flush()
        part = self._merge[self._index]
        if not is_good and not part.is_shown and len(self._abandoned) > len(part.text):
            self._merge.replace(self._index, self._abandoned)

    def _flush(self) -> None:
        if self._filter and (rest := self._filter.finish()):
            self._merge.write(self._index, rest)
        self._filter = None


class SectionsReply:
    """A reply about several points, each a part of the answer.

    Args:
        merge: The answer.
        indices: The parts' numbers.
        splitter: Tells whose text it is.
    """

    def __init__(self, merge: Merge, indices: Iterable[int], make_splitter: Callable[[], Splitter]) -> None:
        self._merge, self._indices = merge, tuple(indices)
        self._make_splitter = make_splitter
        self._splitter: Splitter | None = make_splitter()
        self.text = ""
        self.last: int | None = None

    is_enough = False

    @property
    def may_restart(self) -> bool:
        """Whether nothing was shown and no point but the first was begun."""
        return self.last in (None, self._indices[0]) and not self._merge[self._indices[0]].is_shown

    def write(self, text: str) -> None:
        """Add to the parts."""
        self.text += text
        if self._splitter:
            self._write(self._splitter.feed(text))

    def restart(self) -> None:
        """Begin anew."""
        for index in self._indices:
            self._merge.restart(index)
        self._splitter = self._make_splitter()
        self.text, self.last = "", None

    def settle(self, *, is_good: bool = True) -> None:
        """Nothing is to come any more; there is no other text, however the last attempt ended."""
        if self._splitter:
            self._write(self._splitter.finish().deltas)
        self._splitter = None

    def _write(self, pieces: Iterable[tuple[int, str]]) -> None:
        for index, text in pieces:
            self.last = index
            self._merge.write(index, text)
