"""Words that would be said twice running once what stood between them is gone."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lingua_core.preparation import PreparedDocument

__all__ = ["repeats"]


def repeats(prepared: Sequence[PreparedDocument], kept: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which kept segments say the same as the kept segment before them in their document.

    LLMLingua-2's consecutive removal (arXiv 2403.12968, its code's `drop_consecutive`), for every word
    instead of forced ones only. What stands twice running in the source itself is a repeat, too. Case counts.

    Args:
        prepared: The documents.
        kept: Verdict on each segment, all documents in one row. Shape (segments,).

    Returns:
        Shape (segments,).
    """
    found = np.zeros(len(kept), np.bool_)
    at = 0
    for document in prepared:
        before: str | None = None
        for segment in document.segments:
            if kept[at]:
                text = document.text[segment.start : segment.end]
                found[at] = text == before
                before = text
            at += 1
    return found
