"""From evidence spans to what each segment of a passage is worth."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lingua_core.segmentation import Segment
from lingua_core.training.data.examples import LabelledPassage, Span

__all__ = ["SUPPORT", "segment_targets"]

SUPPORT = 0.25
"""Target of a segment that evidence needs to be understood: above all that is beside the point, and far
enough below evidence to be the first to go."""

_REFERS_BACK = re.compile(
    r"(?:he|she|it|they|his|her|its|their|this|these|those|such|both|the (?:former|latter|two))\b",
    re.IGNORECASE,
)


def segment_targets(passage: LabelledPassage, segments: Sequence[Segment]) -> NDArray[np.float32]:
    """1 for evidence, `SUPPORT` for what it needs to be understood, 0 for the rest.

    Support is what the passage names as such, what introduces evidence (a list's lead-in, a table's
    header row, a heading), and the sentence before evidence that begins by referring back.

    Returns:
        Shape (segments,).
    """
    targets = np.zeros(len(segments), np.float32)
    targets[_touched(segments, passage.support)] = SUPPORT
    evidence = _touched(segments, passage.evidence)
    for i in evidence:
        parent = segments[i].parent
        if parent >= 0:
            targets[parent] = SUPPORT
        begins = passage.text[segments[i].start : segments[i].end]
        if i > 0 and segments[i].kind == "sentence" and _REFERS_BACK.match(begins):
            targets[i - 1] = SUPPORT
    targets[evidence] = 1.0
    return targets


def _touched(segments: Sequence[Segment], spans: Sequence[Span]) -> list[int]:
    return [i for i, s in enumerate(segments) if any(s.start < end and start < s.end for start, end in spans)]
