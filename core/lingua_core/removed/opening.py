"""Opening the file of a store: ours, new, or none of ours."""

import sqlite3
from pathlib import Path

from lingua_core.errors import RemovedStoreError

__all__ = ["connect"]

_APPLICATION = int.from_bytes(b"LRem")
"""What marks a file as ours (SQLite's application_id)."""
_VERSION = 1
_SCHEMA = (
    "CREATE TABLE documents (row INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, text BLOB NOT NULL, "
    "info TEXT NOT NULL, bytes INTEGER NOT NULL, stored REAL NOT NULL)",
    "CREATE TABLE parts (row INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, "
    "key TEXT NOT NULL REFERENCES documents (key) ON DELETE CASCADE, "
    "start INTEGER NOT NULL, info TEXT NOT NULL, length INTEGER)",
    "CREATE INDEX parts_of_document ON parts (key, start)",
    "CREATE TABLE words (word TEXT NOT NULL, part INTEGER NOT NULL, times INTEGER NOT NULL, "
    "PRIMARY KEY (word, part)) WITHOUT ROWID",
    "CREATE INDEX words_of_part ON words (part)",
    "CREATE TRIGGER part_deleted AFTER DELETE ON parts BEGIN DELETE FROM words WHERE part = OLD.row; END",
)


def connect(path: str, *, timeout: float, create: bool) -> sqlite3.Connection:
    """A connection to the store's file, which is made if it does not exist.

    Raises:
        RemovedStoreError: If it cannot be opened, or is no store that this version can read.
    """
    if path != ":memory:":
        _check_place(Path(path), create=create)
    try:
        database = sqlite3.connect(path, timeout=timeout, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise RemovedStoreError(f"{path} cannot be opened: {error}.") from error
    try:
        _prepare(database, path)
    except sqlite3.DatabaseError as error:
        database.close()
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_NOTADB:
            raise RemovedStoreError(_not_ours(path)) from error
        raise RemovedStoreError(f"{path} cannot be opened: {error}.") from error
    except RemovedStoreError:
        database.close()
        raise
    return database


def _check_place(path: Path, *, create: bool) -> None:
    if path.is_dir():
        raise RemovedStoreError(f"{path} is a folder. Name a file in it.")
    if not path.parent.is_dir():
        raise RemovedStoreError(
            f"{path} cannot be made: the folder {path.parent} does not exist. Make it first."
        )
    if not create and not path.exists():
        raise RemovedStoreError(f"{path} does not exist. Name the file that a compression has stored into.")


def _prepare(database: sqlite3.Connection, path: str) -> None:
    # Looked at before anything is changed: the file may be somebody else's.
    _check_owner(database, path)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    database.execute("PRAGMA foreign_keys = ON")
    if _version(database) == _VERSION:
        return
    database.execute("BEGIN IMMEDIATE")
    try:
        if _version(database) == 0:  # another process may have been quicker
            for statement in _SCHEMA:
                database.execute(statement)
            database.execute(f"PRAGMA application_id = {_APPLICATION}")
            database.execute(f"PRAGMA user_version = {_VERSION}")
        database.execute("COMMIT")
    except sqlite3.Error:
        database.rollback()
        raise


def _check_owner(database: sqlite3.Connection, path: str) -> None:
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (tables,) = database.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    if application != _APPLICATION and (application or tables):
        raise RemovedStoreError(_not_ours(path))
    if _version(database) > _VERSION:
        raise RemovedStoreError(
            f"{path} was written by a newer version of Lingua (format {_version(database)}, this one reads "
            f"{_VERSION}). Update Lingua, or name another file."
        )


def _version(database: sqlite3.Connection) -> int:
    return database.execute("PRAGMA user_version").fetchone()[0]


def _not_ours(path: str) -> str:
    return f"{path} is no store of removed parts; it was left as it is. Name another file."
