"""How many numbers and operators of texts a compressor keeps."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lingua_core.compression import PromptCompressor

__all__ = ["KeptSigns", "kept_signs"]

_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_OPERATOR = re.compile(r"[-+*/×÷=%$]")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptSigns:
    """What is left at a ratio, as shares of what there was.

    Attributes:
        ratio: How many times smaller the text was to become.
        tokens: Kept, by the compressor's counter.
        numbers: Kept whole.
        operators: Kept.
    """

    ratio: float
    tokens: float
    numbers: float
    operators: float


def kept_signs(compressor: PromptCompressor, prompts: Sequence[Sequence[str]], ratio: float) -> KeptSigns:
    """Compress prompts without a question, and count what is left of their numbers and operators.

    Args:
        compressor: Any.
        prompts: The documents of each.
        ratio: How many times smaller each is to become.
    """
    there, kept = [0, 0, 0], [0, 0, 0]
    for documents in prompts:
        result = compressor.compress(documents, rate=1 / ratio)
        there[0] += result.origin_tokens
        kept[0] += result.compressed_tokens
        spans = {d.index: [(span.start, span.end) for span in d.spans] for d in result.documents}
        for index, text in enumerate(documents):
            for place, pattern in ((1, _NUMBER), (2, _OPERATOR)):
                for match in pattern.finditer(text):
                    there[place] += 1
                    own = spans.get(index, ())
                    kept[place] += any(start <= match.start() and match.end() <= end for start, end in own)
    tokens, found, operators = (k / max(1, t) for k, t in zip(kept, there, strict=True))
    return KeptSigns(ratio=ratio, tokens=tokens, numbers=found, operators=operators)
