"""Lingua for LlamaIndex: retrieved nodes cut to what matters for the question.

```python
from llamaindex_lingua import LinguaPostprocessor

query_engine = index.as_query_engine(node_postprocessors=[LinguaPostprocessor(target_tokens=500)])
```

`SkeletonSynthesizer` and `SkeletonQueryEngine` write long answers in parallel, with any LLM. Needs the
extra: `pip install "lingua-rag[llamaindex]"`.
"""

from importlib import import_module

from lingua_core.errors import MissingDependencyError

try:
    import_module("llama_index.core")
except ImportError as error:
    raise MissingDependencyError.for_extra(
        "llama-index-core", extra="llamaindex", purpose="llamaindex_lingua"
    ) from error

from llamaindex_lingua.events import CompressionEndEvent, CompressionStartEvent
from llamaindex_lingua.postprocessor import LinguaPostprocessor
from llamaindex_lingua.removed_tool import get_removed_tool
from llamaindex_lingua.skeleton_events import (
    PointDeltaEvent,
    PointEndEvent,
    SkeletonEndEvent,
    SkeletonReadyEvent,
    SkeletonRouteEvent,
    SkeletonStartEvent,
)
from llamaindex_lingua.skeleton_query_engine import SkeletonQueryEngine
from llamaindex_lingua.skeleton_synthesizer import SkeletonSynthesizer

__all__ = [
    "CompressionEndEvent",
    "CompressionStartEvent",
    "LinguaPostprocessor",
    "PointDeltaEvent",
    "PointEndEvent",
    "SkeletonEndEvent",
    "SkeletonQueryEngine",
    "SkeletonReadyEvent",
    "SkeletonRouteEvent",
    "SkeletonStartEvent",
    "SkeletonSynthesizer",
    "get_removed_tool",
]
