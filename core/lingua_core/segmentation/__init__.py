"""From text to segments: what selection keeps or drops as a whole."""

from lingua_core.segmentation.pieces import divide
from lingua_core.segmentation.segment import Segment, Segmenter, SegmentKind
from lingua_core.segmentation.segmenter import TextSegmenter

__all__ = ["Segment", "SegmentKind", "Segmenter", "TextSegmenter", "divide"]
