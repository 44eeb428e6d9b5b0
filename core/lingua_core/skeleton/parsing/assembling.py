"""From items as the model numbered them to points: numbered, without repeats, with a sound graph."""

from dataclasses import dataclass, field
from typing import NamedTuple

from lingua_core.skeleton.parsing.dependencies import Reference, creates_cycle
from lingua_core.skeleton.parsing.words import plain
from lingua_core.skeleton.types import Point

__all__ = ["Assembler", "Item"]


class Item(NamedTuple):
    """A point as it was written: its number there (None if it had none), text, needs, and its name there."""

    number: int | None
    text: str
    needs: Reference | None = None
    name: str = ""


@dataclass(slots=True)
class Assembler:
    """Takes items one by one; a point is certain once everything that it needs is known.

    Numbers in dependencies are the model's own, unless it used one twice. A point that needs a later one is
    held back, and those behind it with it, until that one has come: so what was handed out never changes.
    Dependencies are taken in the order of the points, and one that would close a cycle is dropped.
    """

    max_points: int
    notes: list[str] = field(default_factory=list[str])
    _texts: list[str] = field(default_factory=list[str])
    _needs: list[Reference | None] = field(default_factory=list[Reference | None])
    _plain: dict[str, int] = field(default_factory=dict[str, int])
    _names: dict[str, int] = field(default_factory=dict[str, int])
    _numbers: dict[int, int] = field(default_factory=dict[int, int])
    _repeats_numbers: bool = False
    _points: list[Point] = field(default_factory=list[Point])
    _edges: dict[int, tuple[int, ...]] = field(default_factory=dict[int, tuple[int, ...]])
    _dropped: int = 0
    _handed_out: int = 0

    @property
    def is_full(self) -> bool:
        """Whether further points would be dropped."""
        return len(self._texts) >= self.max_points

    def add(self, item: Item) -> None:
        """Take the next item, unless it says nothing new or is one too many."""
        self._take(item)
        # At every item, never later: what a number means depends on what has come, not on who asks when.
        self._settle(at_end=False)

    def _take(self, item: Item) -> None:
        if not item.text:
            self.notes.append("A point without text was dropped.")
            return
        key = plain(item.text)
        index = self._plain.get(key)
        if index is not None:
            self.notes.append(f"A repetition of point {index} ({item.text!r:.60}) was dropped.")
        elif self.is_full:
            self._dropped += 1
            return
        else:
            self._texts.append(item.text)
            self._needs.append(item.needs)
            index = self._plain[key] = len(self._texts)
        number = index if item.number is None else item.number
        self._repeats_numbers |= number in self._numbers
        self._numbers.setdefault(number, index)
        if item.name:
            self._names.setdefault(plain(item.name), index)

    def certain(self) -> list[Point]:
        """The points that have become certain since the last call."""
        first, self._handed_out = self._handed_out, len(self._points)
        return self._points[first:]

    def finish(self) -> tuple[Point, ...]:
        """All points."""
        self._settle(at_end=True)
        if self._dropped:
            self.notes.append(f"{self._dropped} more than the {self.max_points} points allowed were dropped.")
        return tuple(self._points)

    def _settle(self, *, at_end: bool) -> None:
        for i in range(len(self._points), len(self._texts)):
            needs = self._needs[i] or Reference()
            found, unknown = self._resolve(i + 1, needs)
            if not at_end and (unknown or (needs.everything and i == 0)):
                break
            depends_on = self._accept(i + 1, found)
            for name in unknown:
                self.notes.append(f"Point {i + 1} needs {name!r}, which is no point: ignored.")
            self._edges[i + 1] = depends_on
            self._points.append(Point(index=i + 1, text=self._texts[i], depends_on=depends_on))

    def _resolve(self, index: int, needs: Reference) -> tuple[list[int], list[int | str]]:
        """Indices of what the point needs, and what could not be found yet."""
        found: list[int] = []
        unknown: list[int | str] = []
        if needs.everything:
            # A summary that comes first needs what follows; anywhere else, "all" is what went before.
            found.extend(range(1, index) if index > 1 else range(2, len(self._texts) + 1))
        for number in needs.numbers:
            place = self._numbers.get(number)
            if place is None and self._repeats_numbers and 0 < number <= len(self._texts):
                place = number
            found.append(place) if place is not None else unknown.append(number)
        for title in needs.titles:
            place = self._names.get(plain(title), self._plain.get(plain(title)))
            found.append(place) if place is not None else unknown.append(title)
        return found, unknown

    def _accept(self, index: int, wanted: list[int]) -> tuple[int, ...]:
        accepted: list[int] = []
        for other in dict.fromkeys(wanted):
            if other == index:
                self.notes.append(f"Point {index} needs itself: ignored.")
            elif creates_cycle(self._edges, index, other):
                self.notes.append(f"Point {index} needs point {other}, which needs it: ignored.")
            else:
                accepted.append(other)
        return tuple(sorted(accepted))
