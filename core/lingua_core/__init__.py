"""Cheaper RAG prompts: retrieved context cut to what matters for the question.

```python
from lingua_core import PromptCompressor

result = PromptCompressor().compress(documents, "When did it begin?", target_tokens=500)
print(result.text, result.rate)
```
"""

from typing import TYPE_CHECKING, Any

from lingua_core.budget import Budget
from lingua_core.compression import Method, Order, PromptCompressor
from lingua_core.documents import Document, Span
from lingua_core.errors import (
    AnswerError,
    BudgetError,
    InputError,
    LinguaError,
    MissingDependencyError,
    MissingQueryError,
    ModelError,
    ProtectedOverBudgetError,
    ScorerError,
    TokenCounterError,
)
from lingua_core.models.onnx_session import Device
from lingua_core.protection import DEFAULT_PROTECT
from lingua_core.pruning.options import PruningOptions
from lingua_core.pruning.plan import ModelSource
from lingua_core.recovery import Recovered
from lingua_core.removed.note import RemovalNoteOptions
from lingua_core.removed.parts import RemovedPart
from lingua_core.results import CompressedDocument, CompressionResult, Note, ScoredSegment
from lingua_core.segmentation import Segment, Segmenter, TextSegmenter
from lingua_core.tokens import TokenCounter

if TYPE_CHECKING:
    from lingua_core.skeleton.engine import SkeletonOfThought

__version__ = "0.1.0"

__all__ = [
    "DEFAULT_PROTECT",
    "AnswerError",
    "Budget",
    "BudgetError",
    "CompressedDocument",
    "CompressionResult",
    "Device",
    "Document",
    "InputError",
    "LinguaError",
    "Method",
    "MissingDependencyError",
    "MissingQueryError",
    "ModelError",
    "ModelSource",
    "Note",
    "Order",
    "PromptCompressor",
    "ProtectedOverBudgetError",
    "PruningOptions",
    "Recovered",
    "RemovalNoteOptions",
    "RemovedPart",
    "ScoredSegment",
    "ScorerError",
    "Segment",
    "Segmenter",
    "SkeletonOfThought",
    "Span",
    "TextSegmenter",
    "TokenCounter",
    "TokenCounterError",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401  # as modules do
    # Its driver, with asyncio, takes as long to import as all the rest: whoever only compresses pays nothing.
    if name == "SkeletonOfThought":
        from lingua_core.skeleton.engine import SkeletonOfThought

        return SkeletonOfThought
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
