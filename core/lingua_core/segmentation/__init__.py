"""From text to segments: what selection keeps or drops as a whole."""

from lingua_core.segmentation.pieces import divide
from lingua_core.segmentation.segment import (
    Segment,
    Segmenter,
    SegmentKind,
    check_segments,
    worth_keeping_alone,
)
from lingua_core.segmentation.segmenter import TextSegmenter

__all__ = [
    "Segment",
    "SegmentKind",
    "Segmenter",
    "TextSegmenter",
    "check_segments",
    "divide",
    "worth_keeping_alone",
]
