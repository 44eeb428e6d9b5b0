"""The unit of selection."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol

from lingua_core.errors import InputError

__all__ = ["Segment", "SegmentKind", "Segmenter", "check_segments", "worth_keeping_alone"]

_LONGEST_LEAD_IN = 80

SegmentKind = Literal["sentence", "heading", "list_item", "table_row", "code"]


class Segment(NamedTuple):
    """A piece of a document that is kept or dropped as a whole.

    Attributes:
        start: First character's offset; never white space.
        end: Offset behind the last character; the character before it is never white space.
        kind: What the piece is in the document's structure.
        parent: Index of the segment that introduces this one (the heading above it, the header row
            of its table, the lead-in of its list, the item that it is nested in), always smaller than
            its own index; -1 for none.
            Parents have parents: a heading right below another is introduced by that one.
    """

    start: int
    end: int
    kind: SegmentKind = "sentence"
    parent: int = -1


class Segmenter(Protocol):
    """Cuts a text into segments. Bring your own by satisfying this."""

    def segment(self, text: str) -> list[Segment]:
        """Sorted, disjoint segments that together hold every character that is not white space."""
        ...


def check_segments(text: str, segments: Sequence[Segment]) -> list[Segment]:
    """The segments, if they are what a segmenter owes.

    Raises:
        InputError: If they overlap, leave the text, or leave out some of it.
    """
    try:
        segments = [Segment(*segment) for segment in segments]  # plain tuples will do
    except TypeError as error:
        raise InputError(
            f"The segmenter must return a list of Segment, returned {segments!r:.80}."
        ) from error
    previous = 0
    for i, segment in enumerate(segments):
        if not previous <= segment.start < segment.end <= len(text) or not -1 <= segment.parent < i:
            raise InputError(
                f"The segmenter's segment {i} is {segment!r} behind one that ends at {previous} in a text of "
                f"{len(text)} characters. Expected sorted, disjoint, filled segments with earlier parents."
            )
        _check_nothing_between(text, previous, segment.start)
        previous = segment.end
    _check_nothing_between(text, previous, len(text))
    return segments


def _check_nothing_between(text: str, start: int, end: int) -> None:
    if text[start:end].strip():
        raise InputError(
            f"The segmenter left out {text[start:end].strip()!r:.80} at {start}:{end}. "
            "Segments must hold every character that is not white space, or it would be lost."
        )


def worth_keeping_alone(segments: Sequence[Segment]) -> list[bool]:
    """Which segments say something without what they introduce.

    Headings do not, nor header rows of tables, nor a short "The parts are:". In a text of nothing but
    headings they do.
    """
    if all(segment.kind == "heading" for segment in segments):
        return [True] * len(segments)
    introducing = {segment.parent for segment in segments}
    return [
        not (
            segment.kind == "heading"
            or (
                i in introducing
                and (
                    segment.kind == "table_row"
                    or (segment.kind == "sentence" and segment.end - segment.start <= _LONGEST_LEAD_IN)
                )
            )
        )
        for i, segment in enumerate(segments)
    ]
