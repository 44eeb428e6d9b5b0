"""From what a model wrote to a skeleton, or to the reason why it is none."""

from lingua_core.errors import InputError
from lingua_core.skeleton.parsing.assembling import Assembler
from lingua_core.skeleton.parsing.reading import WORDS_PER_POINT, Reading
from lingua_core.skeleton.parsing.thoughts import is_refusal
from lingua_core.skeleton.types import NoSkeleton, Point, Skeleton

__all__ = ["SkeletonParser", "parse_skeleton"]

_WORDS_OF_ANSWER = 40
"""Text of this length without a list is an answer; a shorter one may ask back, or apologise."""


class SkeletonParser:
    """Reads a skeleton while it is being written.

    Understood are numbered lists of all common forms and scripts, bullets, headings, lists within one line,
    and JSON; thinking, preambles, fences, sub-points and what comes after are left out. Every text has a
    result. However it is cut into pieces, the points and the result are those of the whole text.

    A point is handed out when its line, or its JSON object, has closed and nothing that follows can change
    it. Bullets, headings, letters and lists that begin elsewhere than at 1 are handed out from the second
    item on, when it is clear that they are a list; so is a point that needs a later one when that has come.

    Args:
        max_points: The most points; further ones are dropped, with a note.
        prefix: How the reply was begun for the model ("1."), which the text goes on from. A model that
            ignores it, or writes it again, is understood.
        in_reasoning: Whether the text begins inside a block of thinking that the chat template has opened.
            Without it, such text is recognised by its first words and by the lone closing tag.

    Raises:
        InputError: If `max_points` is below 1.
    """

    def __init__(self, *, max_points: int = 20, prefix: str = "", in_reasoning: bool = False) -> None:
        if max_points < 1:
            raise InputError(f"max_points must be at least 1, got {max_points!r}.")
        self._reading = Reading(prefix=prefix, in_thought=in_reasoning)
        self._beginning = (prefix, in_reasoning)
        self._assembler = Assembler(max_points)
        self._max_points = max_points
        self._taken = 0
        self._raw: list[str] = []
        self._result: Skeleton | NoSkeleton | None = None

    @property
    def looks_like_answer(self) -> bool:
        """Whether what comes is the answer itself; once so, it stays so, and `finish` says "is_answer"."""
        result = self._result
        if result is not None:
            return isinstance(result, NoSkeleton) and result.code == "is_answer"
        return bool(self._reading.answer)

    @property
    def is_done(self) -> bool:
        """Whether no text that follows can change the points, so that reading may end here."""
        return self._reading.is_done or self._assembler.is_full

    def feed(self, text: str) -> list[Point]:
        """Read on, and return the points that have become certain, in order.

        Raises:
            InputError: If the end was declared before.
        """
        if self._result is not None:
            raise InputError("feed was called after finish: a parser reads one text. Make a new one.")
        self._raw.append(text)
        reading = self._reading
        reading.feed(text)
        if reading.answer or reading.spoilt:
            return []
        for item in reading.items[self._taken : reading.certain]:
            self._assembler.add(item)
        self._taken = max(self._taken, reading.certain)
        return self._assembler.certain()

    def finish(self) -> Skeleton | NoSkeleton:
        """The result for the whole text; calling again returns the same."""
        if self._result is None:
            self._result = self._conclude()
        return self._result

    def _conclude(self) -> Skeleton | NoSkeleton:
        raw = "".join(self._raw)
        reading = self._reading
        reading.finish()
        if not self._taken:
            reading = self._best(reading, raw)
        if reading.answer:
            return NoSkeleton(code="is_answer", reason=reading.answer, raw=raw)
        if reading.spoilt:
            return NoSkeleton(code="no_points", reason=reading.spoilt, raw=raw)
        for item in reading.items[self._taken :]:
            self._assembler.add(item)
        return _verdict(reading, self._assembler, raw)

    def _best(self, reading: Reading, raw: str) -> Reading:
        """The first reading that finds a list, giving up one by one what was believed in vain."""
        best = reading
        while len(best.items) < 2 and not reading.answer:
            doubts = reading.doubts()
            if doubts == reading.disabled:
                break
            prefix, in_reasoning = self._beginning
            reading = Reading(disabled=doubts, prefix=prefix, in_thought=in_reasoning)
            reading.feed(raw)
            reading.finish()
            if len(reading.items) > len(best.items) or reading.answer:
                best = reading
        return best


def parse_skeleton(text: str, *, max_points: int = 20, prefix: str = "") -> Skeleton | NoSkeleton:
    """The skeleton in a whole text: what `SkeletonParser` finds in it, in whatever pieces it comes.

    Raises:
        InputError: If `max_points` is below 1.
    """
    parser = SkeletonParser(max_points=max_points, prefix=prefix)
    parser.feed(text)
    return parser.finish()


def _verdict(reading: Reading, assembler: Assembler, raw: str) -> Skeleton | NoSkeleton:
    lists = reading.lists
    points = assembler.finish()
    total = lists.prose + lists.inside
    is_json = reading.json is not None and bool(reading.json.items)
    if len(points) > 1:
        if not is_json and lists.inside > WORDS_PER_POINT * len(points):
            reason = f"The points have {lists.inside / len(points):.0f} words on average; at most "
            "{WORDS_PER_POINT} make a skeleton."
            return NoSkeleton(code="is_answer", reason=reason, raw=raw)
        return Skeleton(points=points, notes=(*lists.notes, *assembler.notes), raw=raw)
    if not lists.opening and not is_json:
        reason = "There is nothing but thinking." if raw.strip() else "There is no text."
        return NoSkeleton(code="empty", reason=reason, raw=raw)
    if is_refusal(lists.opening):
        return NoSkeleton(
            code="refused", reason=f"The model declined: {lists.opening.strip()[:120]!r}.", raw=raw
        )
    if total >= _WORDS_OF_ANSWER:
        return NoSkeleton(
            code="is_answer", reason=f"There are {total:.0f} words, and no list of points.", raw=raw
        )
    if points:
        return NoSkeleton(code="one_point", reason=f"There is only one point: {points[0].text!r}.", raw=raw)
    return NoSkeleton(
        code="no_points", reason=f"No line is a point; it begins {lists.opening.strip()[:80]!r}.", raw=raw
    )
