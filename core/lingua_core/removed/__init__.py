"""What a compression removed: a note of it for the reader, and a way back to it.

```python
from lingua_core import PromptCompressor
from lingua_core.removed import InMemoryStore, removed_tool

store = InMemoryStore()
compressor = PromptCompressor(removal_note=True, removed_store=store)
result = compressor.compress(documents, "When did it begin?", target_tokens=500)
tool = removed_tool(store)  # for the model that reads result.text
```
"""

from typing import TYPE_CHECKING, Any

from lingua_core.removed.note import RemovalNoteOptions
from lingua_core.removed.parts import OriginalDocument, RemovedPart, removed_parts, removed_spans
from lingua_core.removed.store import RemovedStore

if TYPE_CHECKING:
    from lingua_core.removed.sqlite_store import InMemoryStore, SQLiteStore
    from lingua_core.removed.tool import RemovedTool, removed_tool

__all__ = [
    "InMemoryStore",
    "OriginalDocument",
    "RemovalNoteOptions",
    "RemovedPart",
    "RemovedStore",
    "RemovedTool",
    "SQLiteStore",
    "removed_parts",
    "removed_spans",
    "removed_tool",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401  # as modules do
    # Whoever stores nothing loads no database.
    if name in ("InMemoryStore", "SQLiteStore"):
        from lingua_core.removed import sqlite_store

        return getattr(sqlite_store, name)
    if name in ("RemovedTool", "removed_tool"):
        from lingua_core.removed import tool

        return getattr(tool, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
