"""Stores of what was removed in SQLite: in memory, or in a file that threads and processes share.

Documents are kept once, whatever is removed from them how often; parts are spans into them. Words are
indexed when a search first asks for them, so that a compression does not wait for it.
"""

import json
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

from lingua_core.documents import Span
from lingua_core.errors import InputError, RemovedStoreError, UnknownIdError
from lingua_core.removed.opening import connect
from lingua_core.removed.parts import ID_LENGTH, OriginalDocument, RemovedPart
from lingua_core.removed.searching import index_new, ranked
from lingua_core.scorers.lexical import terms

__all__ = ["InMemoryStore", "SQLiteStore"]

_SHORTEST_KEY = 8
_SHOWN = 5
_COLUMNS = "parts.digest, parts.key, parts.info, documents.text, documents.info"
_FROM = "FROM parts JOIN documents ON documents.key = parts.key"
_JOINED = f"SELECT {_COLUMNS} {_FROM}"


class SQLiteStore:
    """Keeps what was removed in a file; satisfies `RemovedStore`.

    Threads may share an instance, and processes may share the file (SQLite's write-ahead log; a local disk,
    not a network folder). Every call is one transaction: after an interruption all of it is there, or
    nothing.

    Args:
        path: The file; it is made if it does not exist.
        max_bytes: The most bytes of text; the documents that were put longest ago go first, with their
            parts. None for no limit.
        max_age: Seconds after which a document goes that was not put again; looked at whenever something is
            put. None for ever.
        timeout: Seconds to wait for another process that writes.
        create: Whether to make the file if it does not exist.
        clock: Tells the time in seconds.

    Raises:
        InputError: If an argument cannot be used.
        RemovedStoreError: If the file cannot be opened, or is none of ours.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        max_bytes: int | None = None,
        max_age: float | None = None,
        timeout: float = 5.0,
        create: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        _check_limit("max_bytes", max_bytes)
        _check_limit("max_age", max_age)
        _check_limit("timeout", timeout)
        self._path = _checked_path(path)
        self._max_bytes = max_bytes
        self._max_age = max_age
        self._timeout = timeout
        self._clock = clock
        self._lock = RLock()
        self._process = os.getpid()
        self._database = connect(self._path, timeout=timeout, create=create)

    @property
    def path(self) -> str:
        """The file, or ":memory:"."""
        return self._path

    def put(self, parts: Sequence[RemovedPart], documents: Sequence[OriginalDocument]) -> None:
        """Keep parts, and the documents with their keys; what is there already stays the same.

        Raises:
            InputError: If a part's document is neither given nor in the store.
            RemovedStoreError: If the documents alone are larger than `max_bytes`, or the file cannot be
            written.
        """
        texts = {d.key: (d, d.text.encode("utf-8", "surrogatepass")) for d in documents}
        size = sum(len(text) for _, text in texts.values())
        if self._max_bytes is not None and size > self._max_bytes:
            raise RemovedStoreError(
                f"The documents are {size:,} bytes, more than the {self._max_bytes:,} "
                f"that {self._path} may hold. Raise max_bytes."
            )
        with self._transaction(write=True) as database:
            now = self._clock()
            database.executemany(
                "INSERT INTO documents (key, text, info, bytes, stored) VALUES (?, ?, ?, ?, ?) "
                "ON CONFLICT (key) DO UPDATE SET stored = excluded.stored",
                [
                    (key, text, json.dumps([d.id, d.title]), len(text), now)
                    for key, (d, text) in texts.items()
                ],
            )
            self._check_documents(database, {part.key for part in parts} - texts.keys())
            database.executemany(
                "INSERT INTO parts (digest, key, start, info) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                [(part.digest, part.key, part.span.start, _info(part)) for part in parts],
            )
            self._retain(database, now)

    def get(self, id: str) -> RemovedPart:
        """The part with that id or digest.

        Raises:
            UnknownIdError: If there is none, or the id is the beginning of several digests.
        """
        with self._transaction() as database:
            return _part(*self._one(database, id))

    def get_many(self, ids: Sequence[str]) -> list[RemovedPart]:
        """The parts with these ids, in their order; raises as `get`."""
        if isinstance(ids, str):
            raise InputError(f"ids must be a sequence of ids, got the single str {ids!r}.")
        with self._transaction() as database:
            return [_part(*self._one(database, id)) for id in ids]

    def document(self, key: str) -> OriginalDocument:
        """The whole document with that key, or with that beginning of it.

        Raises:
            UnknownIdError: If there is none, or several keys begin so.
        """
        rows: list[Any] = []
        if len(key) >= _SHORTEST_KEY:
            with self._transaction() as database:
                found = database.execute(
                    "SELECT key, text, info FROM documents WHERE key >= ? AND key < ? LIMIT 2",
                    (key, key + "\x7f"),
                )
                rows = found.fetchall()
        if len(rows) != 1:
            what = (
                "Several documents have keys that begin with" if rows else "There is no document with the key"
            )
            raise UnknownIdError(f"{what} {key!r:.80}. A part's `key` names its document.")
        name, title = json.loads(rows[0][2])
        return OriginalDocument(key=rows[0][0], text=_text(rows[0][1]), id=name, title=title)

    def parts(self, key: str | None = None, *, most: int | None = None) -> list[RemovedPart]:
        """The parts of a document, in text order; without a key all, those of the document put last first."""
        where = "" if key is None else "WHERE parts.key = :key"
        order = "documents.stored DESC, documents.row, parts.start, parts.digest"
        with self._transaction() as database:
            rows = database.execute(
                f"{_JOINED} {where} ORDER BY {order} LIMIT :most",
                {"key": key, "most": -1 if most is None else most},
            )
            return [_part(*row) for row in rows]

    def search(self, query: str, *, most: int = 5) -> list[RemovedPart]:
        """The parts that share words with a query, best first by BM25."""
        if not isinstance(query, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise InputError(f"query must be a str, got {query!r:.80}.")
        self._index()
        with self._transaction() as database:
            best = ranked(database, query)[:most]
            rows = [database.execute(f"{_JOINED} WHERE parts.row = ?", (i,)).fetchone() for i in best]
            return [_part(*row) for row in rows]

    def delete(self, ids: Sequence[str]) -> int:
        """Forget parts, and documents of which none is left; returns how many parts there were.

        Raises:
            UnknownIdError: If an id is unknown; then nothing is forgotten.
        """
        if isinstance(ids, str):
            raise InputError(f"ids must be a sequence of ids, got the single str {ids!r}.")
        with self._transaction(write=True) as database:
            rows = {row[0]: row[1] for row in (self._one(database, id) for id in ids)}
            database.executemany("DELETE FROM parts WHERE digest = ?", [(digest,) for digest in rows])
            database.executemany(
                "DELETE FROM documents WHERE key = ?1 AND NOT EXISTS (SELECT 1 FROM parts WHERE key = ?1)",
                [(key,) for key in set(rows.values())],
            )
            return len(rows)

    def clear(self) -> None:
        """Forget everything, and give the disk space back."""
        with self._transaction(write=True) as database:
            database.execute("DELETE FROM documents")
        with self._translated():
            self._database.execute("VACUUM")

    def close(self) -> None:
        """Close the file; the store cannot be used after that."""
        with self._lock:
            self._database.close()

    def _index(self) -> None:
        new = "WHERE length IS NULL"
        with self._transaction() as database:
            if database.execute(f"SELECT 1 FROM parts {new} LIMIT 1").fetchone() is None:
                return
        with self._transaction(write=True) as database:
            rows = database.execute(f"SELECT parts.row, {_COLUMNS} {_FROM} {new}").fetchall()
            index_new(database, [(row[0], _searched(_part(*row[1:]))) for row in rows])

    def _one(self, database: sqlite3.Connection, id: str) -> Any:  # noqa: ANN401  # a row
        if not isinstance(id, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise InputError(f"An id must be a str, got {id!r:.80}.")
        rows: list[Any] = []
        if len(id) >= ID_LENGTH:
            # ":" follows the digits, which digests are made of.
            found = database.execute(
                f"{_JOINED} WHERE digest >= ? AND digest < ? LIMIT {_SHOWN}", (id, id + ":")
            )
            rows = found.fetchall()
        if len(rows) > 1:
            longer = ", ".join(row[0] for row in rows)
            raise UnknownIdError(f"The id {id!r} stands for several removed parts. Give one of: {longer}.")
        if not rows:
            raise UnknownIdError(
                f"There is no removed part with the id {id!r:.80}. Ids are 'r' and at least "
                f"{ID_LENGTH - 1} digits, as in a result's `removed`; the store's limits may have let it go."
            )
        return rows[0]

    def _check_documents(self, database: sqlite3.Connection, keys: set[str]) -> None:
        for key in sorted(keys):
            if database.execute("SELECT 1 FROM documents WHERE key = ?", (key,)).fetchone() is None:
                raise InputError(f"The document {key!r} of a part is neither given nor in the store.")

    def _retain(self, database: sqlite3.Connection, now: float) -> None:
        if self._max_age is not None:
            database.execute("DELETE FROM documents WHERE stored < ?", (now - self._max_age,))
        if self._max_bytes is not None:
            database.execute(
                "DELETE FROM documents WHERE row IN (SELECT row FROM (SELECT row, "
                "SUM(bytes) OVER (ORDER BY stored DESC, row DESC) AS total FROM documents) WHERE total > ?)",
                (self._max_bytes,),
            )

    @contextmanager
    def _transaction(self, *, write: bool = False) -> Generator[sqlite3.Connection]:
        """All of what is done inside, or nothing."""
        with self._lock, self._translated():
            if self._process != os.getpid() and self._path != ":memory:":
                # SQLite's connections do not survive a fork.
                self._database = connect(self._path, timeout=self._timeout, create=False)
                self._process = os.getpid()
            self._database.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            try:
                yield self._database
            except BaseException:
                self._database.rollback()
                raise
            self._database.commit()

    @contextmanager
    def _translated(self) -> Generator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise RemovedStoreError(_explained(self._path, error, self._timeout)) from error


class InMemoryStore(SQLiteStore):
    """Keeps what was removed as long as the process lives; satisfies `RemovedStore`.

    Args:
        max_bytes: The most bytes of text; the documents that were put longest ago go first. None for no
            limit.
        max_age: Seconds after which a document goes that was not put again; None for ever.
        clock: Tells the time in seconds.

    Raises:
        InputError: If an argument cannot be used.
    """

    def __init__(
        self,
        *,
        max_bytes: int | None = 64 * 2**20,
        max_age: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(":memory:", max_bytes=max_bytes, max_age=max_age, clock=clock)


def _explained(path: str, error: sqlite3.Error, timeout: float) -> str:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return f"{path} was locked by another process for {timeout:g} seconds. Try again, or raise timeout."
    if code == sqlite3.SQLITE_FULL:
        return f"{path} could not be written: the disk is full. Nothing of this call was stored."
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return f"{path} could not be written: {error}. Check the rights of the file and its folder."
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return f"{path} is damaged: {error}. Delete it, or restore a copy."
    return f"{path}: {error}."


def _part(digest: str, key: str, info: str, text: bytes, document: str) -> RemovedPart:
    position, spans, heading, heading_removed, tokens = json.loads(info)
    name, title = json.loads(document)
    spans = tuple(Span(start, end) for start, end in spans)
    return RemovedPart(
        id=digest[:ID_LENGTH],
        digest=digest,
        document=position,
        document_id=name,
        title=title,
        key=key,
        heading=heading,
        spans=spans,
        text=_text(text)[spans[0].start : spans[-1].end],
        tokens=tokens,
        heading_removed=heading_removed,
    )


def _info(part: RemovedPart) -> str:
    return json.dumps([part.document, part.spans, part.heading, part.heading_removed, part.tokens])


def _text(stored: bytes) -> str:
    return stored.decode("utf-8", "surrogatepass")


def _searched(part: RemovedPart) -> Counter[str]:
    return Counter(terms(f"{part.title or ''}\n{part.heading}\n{part.text}"))


def _checked_path(path: str | os.PathLike[str]) -> str:
    try:
        name = os.fsdecode(path)
    except TypeError as error:
        raise InputError(f"path must name a file, got {path!r:.80}.") from error
    if not name or "\0" in name:
        raise InputError(f"path must name a file, got {path!r:.80}.")
    return name if name == ":memory:" else str(Path(name).absolute())


def _check_limit(name: str, value: object) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or value < 0):
        raise InputError(f"{name} must be a number of at least 0 or None, got {value!r:.80}.")
