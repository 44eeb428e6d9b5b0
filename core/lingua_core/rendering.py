"""From kept segments to spans, and from spans to text."""

from collections.abc import Sequence

from lingua_core.documents import Span
from lingua_core.segmentation.segment import Segment

__all__ = ["WIDEST_GAP", "kept_spans", "render"]

WIDEST_GAP = 16
"""White space between neighbouring segments is kept up to this many characters; more is cut."""


def kept_spans(
    segments: Sequence[Segment], kept: Sequence[bool], *, with_space: bool = False
) -> tuple[Span, ...]:
    """Spans of what is kept; neighbours are united, with the white space between them.

    Args:
        segments: All segments of a text.
        kept: The verdict on each.
        with_space: Whether a span begins with the white space before it, unless it is the first.
    """
    spans: list[Span] = []
    previous = -2
    for i, segment in enumerate(segments):
        if not kept[i]:
            continue
        if previous == i - 1 and spans and segment.start - spans[-1].end <= WIDEST_GAP:
            spans[-1] = Span(spans[-1].start, segment.end)
        else:
            start = segment.start
            if with_space and spans:
                start = max(segments[i - 1].end, start - WIDEST_GAP)
            spans.append(Span(start, segment.end))
        previous = i
    return tuple(spans)


def render(text: str, spans: Sequence[Span], separator: str) -> str:
    """The kept pieces, verbatim, joined by the separator."""
    return separator.join([text[start:end] for start, end in spans])
