"""The skeleton, while it streams in: its points are handed on one by one, and what is none is noticed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from lingua_core.skeleton.driver.calls import Outcome
from lingua_core.skeleton.driver.options import Dependencies
from lingua_core.skeleton.types import NoSkeleton, Point, Skeleton

__all__ = ["Parser", "PlanReply"]

FEWEST_POINTS = 2
SLACK = 80
"""Characters that a model may write after the last point before it is stopped: the end of a JSON text."""


class Parser(Protocol):
    """Reads points from a text that streams in."""

    @property
    def looks_like_answer(self) -> bool:
        """Whether the text so far is an answer rather than a plan of one."""
        ...

    @property
    def is_done(self) -> bool:
        """Whether nothing that follows can change the points."""
        ...

    def feed(self, text: str) -> Sequence[Point]:
        """The points that are certain now and were not before."""
        ...

    def finish(self) -> Skeleton | NoSkeleton:
        """What the text was."""
        ...


@dataclass(slots=True, kw_only=True)
class PlanReply:
    """The reply to the call for a skeleton.

    Attributes:
        make_parser: Makes what reads the points.
        infer: Finds dependencies that the model was not asked for.
        dependencies: Whether points may depend on others, and who says so.
        on_point: Gets each point, in order, with the dependencies that count.
        on_answer: Called once when the text turns out to be an answer; gets all of it, and returns who gets
            what follows, or None if it is of no use.
        points: Those handed on.
        was_cut: Whether the skeleton may lack points, for its text broke off.
    """

    make_parser: Callable[[], Parser]
    infer: Callable[[Skeleton], Skeleton]
    dependencies: Dependencies
    on_point: Callable[[Point], None]
    on_answer: Callable[[str], "Callable[[str], None] | None"]
    points: list[Point] = field(default_factory=list[Point])
    text: str = ""
    was_cut: bool = False
    _parser: Parser = field(init=False)
    _held: Point | None = None
    _further: Callable[[str], None] | None = None
    _is_answer: bool = False
    _done_at: int | None = None

    def __post_init__(self) -> None:
        self._parser = self.make_parser()

    @property
    def may_restart(self) -> bool:
        """Whether no point was handed on, and none of the text is the answer."""
        return not self.points and not self._is_answer

    @property
    def is_enough(self) -> bool:
        """Whether a model goes on although all points are there."""
        return self._done_at is not None and len(self.text) > self._done_at + SLACK and not self._is_answer

    @property
    def is_answer(self) -> bool:
        """Whether the text was taken for the answer while it streamed."""
        return self._is_answer

    def write(self, text: str) -> None:
        """Read on."""
        self.text += text
        if self._is_answer:
            if self._further is not None:
                self._further(text)
            return
        points = self._parser.feed(text)
        if self._parser.looks_like_answer:
            self._is_answer = True
            self._further = self.on_answer(self.text)
            return
        for point in points:
            self._take(point)
        if self._done_at is None and self._parser.is_done:
            self._done_at = len(self.text)

    def take_for_answer(self) -> None:
        """Only the end showed it: the text is the answer."""
        self._is_answer = True
        self._further = self.on_answer(self.text)

    def restart(self) -> None:
        """Begin anew."""
        self.text, self._held, self._done_at = "", None, None
        self._parser = self.make_parser()

    def conclude(self, outcome: Outcome | None) -> Skeleton | NoSkeleton:
        """What the text was; points that were not handed on yet are, if it is a skeleton.

        Args:
            outcome: Of the call; None if it was broken off. Of a skeleton that is cut, the points count that
                were complete.
        """
        is_cut = outcome is None or outcome.end != "complete"
        certain = [*self.points, *([self._held] if self._held else [])]
        result = self._parser.finish()
        if is_cut and not (isinstance(result, NoSkeleton) and result.code == "is_answer"):
            if len(certain) < FEWEST_POINTS:
                return self._nothing(outcome)
            why = outcome.reason if outcome is not None else "its time was up"
            note = f"The skeleton was cut short after {len(certain)} points: {why.rstrip('.')}."
            result = Skeleton(points=tuple(certain), notes=(note,), raw=self.text)
            self.was_cut = True
        if isinstance(result, NoSkeleton):
            return result
        result = self._with_dependencies(result)
        for point in result.points[len(self.points) :]:
            self._hand_on(point)
        return result

    def _nothing(self, outcome: Outcome | None) -> NoSkeleton:
        why = outcome.reason if outcome is not None else "its time was up"
        return NoSkeleton(
            code="one_point" if self.points or self._held else "empty" if not self.text else "no_points",
            reason=f"The skeleton was cut short: {why.rstrip('.')}.",
            raw=self.text,
        )

    def _take(self, point: Point) -> None:
        """Hand a point on, unless it may have to wait for the others: that shows when the next one comes."""
        if self._held is not None:
            held, self._held = self._held, None
            self._hand_on(held)
        if self.dependencies == "infer" and self.points:
            so_far = self.infer(Skeleton(points=(*self.points, point)))
            if so_far.points[-1].depends_on != point.depends_on:
                self._held = point
                return
        self._hand_on(point)

    def _with_dependencies(self, skeleton: Skeleton) -> Skeleton:
        if self.dependencies == "none":
            return replace(skeleton, points=tuple(replace(p, depends_on=()) for p in skeleton.points))
        return self.infer(skeleton) if self.dependencies == "infer" else skeleton

    def _hand_on(self, point: Point) -> None:
        if self.dependencies == "none":
            point = replace(point, depends_on=())
        self.points.append(point)
        self.on_point(point)
