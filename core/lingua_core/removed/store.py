"""Where what was removed is kept: what a store owes."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from lingua_core.errors import InputError
from lingua_core.removed.parts import OriginalDocument, RemovedPart

__all__ = ["RemovedStore", "checked_store"]


@runtime_checkable
class RemovedStore(Protocol):
    """Keeps removed passages and the documents that they are from. Bring your own by satisfying this.

    May be called from many threads at once. Methods block; from a coroutine, call them by
    `asyncio.to_thread`, as `PromptCompressor.acompress` does. All of them raise `RemovedStoreError` if the
    store does not work.
    """

    def put(self, parts: Sequence[RemovedPart], documents: Sequence[OriginalDocument]) -> None:
        """Keep parts, and the documents with their keys; what is there already stays the same."""
        ...

    def get(self, id: str) -> RemovedPart:
        """The part with that id or digest; raises `UnknownIdError` for none, or for several."""
        ...

    def get_many(self, ids: Sequence[str]) -> list[RemovedPart]:
        """The parts with these ids, in their order; raises as `get`."""
        ...

    def document(self, key: str) -> OriginalDocument:
        """The whole document with that key, or the beginning of it; raises `UnknownIdError`."""
        ...

    def parts(self, key: str | None = None, *, most: int | None = None) -> list[RemovedPart]:
        """The parts of a document, in text order; without a key all, those put last first."""
        ...

    def search(self, query: str, *, most: int = 5) -> list[RemovedPart]:
        """The parts that have most to do with a query, best first; only such as share a word with it."""
        ...

    def delete(self, ids: Sequence[str]) -> int:
        """Forget parts, and documents of which none is left; returns how many parts there were."""
        ...

    def clear(self) -> None:
        """Forget everything."""
        ...


def checked_store(store: object) -> RemovedStore | None:
    """The store, if it is one, or None.

    Raises:
        InputError: If it is neither.
    """
    if store is None or isinstance(store, RemovedStore):
        return store
    raise InputError(
        f"removed_store must be a store of removed parts or None, got {type(store).__name__}: {store!r:.80}. "
        "Make one: lingua_core.removed.InMemoryStore() or SQLiteStore(path)."
    )
