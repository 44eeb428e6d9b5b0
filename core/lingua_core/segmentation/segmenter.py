"""The default segmenter: structure first, then sentences inside it."""

from collections.abc import Iterator

from lingua_core.errors import InputError
from lingua_core.segmentation.blocks import Block, blocks
from lingua_core.segmentation.segment import Segment, SegmentKind
from lingua_core.segmentation.sentences import language_of, sentence_spans, strip_span

__all__ = ["TextSegmenter"]

_LONGEST_WHOLE_ITEM = 400


class TextSegmenter:
    """Cuts text into sentences, headings, list items, table rows and code blocks.

    Args:
        language: ISO 639-1 code for the sentence rules, or "auto" to choose by script (Latin text
            gets the English rules; for other Latin languages, naming one knows its abbreviations).

    Raises:
        InputError: If `language` is no string.
    """

    def __init__(self, *, language: str = "auto") -> None:
        if not isinstance(language, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise InputError(f"language must be 'auto' or a code such as 'de', got {language!r}.")
        self.language = language

    def segment(self, text: str) -> list[Segment]:
        """Sorted, disjoint segments that together hold every character that is not white space."""
        segments: list[Segment] = []
        language = language_of(text) if self.language == "auto" else self.language
        heading = lead = -1
        outer: list[tuple[int, int]] = []  # indentation and segment of the items around the next one
        for block in blocks(text):
            first = len(segments)
            parent = lead if block.kind in ("list_item", "table", "code") and lead >= 0 else heading
            if block.kind == "list_item":
                indentation = strip_span(text, block.start, block.end).start - block.start
                outer = [item for item in outer if item[0] < indentation]
                parent = outer[-1][1] if outer else parent
                outer.append((indentation, first))
            else:
                outer = []
            segments.extend(self._within(text, block, parent, language, first))
            if block.kind == "heading":
                heading, lead = first, -1
                if first and _is_right_below(text, segments[first], segments[first - 1]):
                    segments[first] = segments[first]._replace(parent=first - 1)
            elif block.kind == "paragraph":
                introduces = len(segments) > first and text[segments[-1].end - 1] in ":："
                lead = len(segments) - 1 if introduces else -1
        return segments

    def _within(self, text: str, block: Block, parent: int, language: str, index: int) -> Iterator[Segment]:
        if block.kind == "table":
            yield from _rows(text, block, parent, index)
        elif block.kind in ("heading", "code"):
            kind: SegmentKind = "heading" if block.kind == "heading" else "code"
            yield Segment(
                *strip_span(text, block.start, block.end), kind, -1 if kind == "heading" else parent
            )
        else:
            kind = "list_item" if block.kind == "list_item" else "sentence"
            whole = strip_span(text, block.start, block.end)
            if kind == "list_item" and whole.end - whole.start <= _LONGEST_WHOLE_ITEM:
                yield Segment(*whole, kind, parent)
                return
            for span in sentence_spans(text, block.start, block.end, language):
                yield Segment(*span, kind, parent)


def _is_right_below(text: str, heading: Segment, above: Segment) -> bool:
    """Whether a heading stands right below one of a higher level."""
    if above.kind != "heading":
        return False
    level, level_above = (_level(text[s.start : s.end]) for s in (heading, above))
    return level is not None and level_above is not None and level_above < level


def _level(heading: str) -> int | None:
    """1 to 6 for marked headings, None for plain titles, whose level nobody knows."""
    hashes = len(heading) - len(heading.lstrip("#"))
    if hashes:
        return hashes
    return (1 if heading.endswith("=") else 2) if "\n" in heading else None


def _rows(text: str, block: Block, parent: int, index: int) -> Iterator[Segment]:
    """The rows of a table; the first (with the rule below it) introduces the others."""
    spans = [strip_span(text, a, b) for a, b in _line_ranges(text, block)]
    if len(spans) > 1 and not any(c.isalnum() for c in text[spans[1].start : spans[1].end]):
        spans[:2] = [type(spans[0])(spans[0].start, spans[1].end)]
    for i, span in enumerate(spans):
        yield Segment(*span, "table_row", index if i else parent)


def _line_ranges(text: str, block: Block) -> Iterator[tuple[int, int]]:
    start = block.start
    for line in text[block.start : block.end].splitlines(keepends=True):
        if line.strip():
            yield start, start + len(line)
        start += len(line)
