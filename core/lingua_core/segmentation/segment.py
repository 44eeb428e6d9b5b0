"""The unit of selection."""

from typing import Literal, NamedTuple, Protocol

__all__ = ["Segment", "SegmentKind", "Segmenter"]

SegmentKind = Literal["sentence", "heading", "list_item", "table_row", "code"]


class Segment(NamedTuple):
    """A piece of a document that is kept or dropped as a whole.

    Attributes:
        start: First character's offset; never white space.
        end: Offset behind the last character; the character before it is never white space.
        kind: What the piece is in the document's structure.
        parent: Index of the segment that introduces this one (the heading above it, the header row
            of its table, the lead-in of its list), always smaller than its own index; -1 for none.
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
