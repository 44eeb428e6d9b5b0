"""Files of JSON lines that are only ever appended to, by programs that may die at any moment."""

import contextlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lingua_core.errors import InputError
from lingua_core.unicode import encodable

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

__all__ = ["Journal", "line_of", "lines_of"]

_SYNC_SECONDS = 1.0
_BINARY = getattr(os, "O_BINARY", 0)


def line_of(value: Mapping[str, Any]) -> bytes:
    """A value as a line of JSON in UTF-8; lone surrogates become U+FFFD.

    Raises:
        ValueError: If JSON cannot hold it, a NaN for example.
    """
    return encodable(json.dumps(value, ensure_ascii=False, allow_nan=False)).encode() + b"\n"


def lines_of(path: Path) -> Iterator[tuple[int, bytes]]:
    """The whole lines of a file, with the offset of each; a last one that was torn is left out.

    Raises:
        InputError: If the file cannot be read.
    """
    offset = 0
    try:
        with path.open("rb") as lines:
            for line in lines:
                if line.endswith(b"\n"):
                    yield offset, line
                offset += len(line)
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be read: {error.strerror}.") from error


class Journal:
    """Appends lines, each whole or not at all.

    What `append` has returned from is with the operating system, so that it outlives the program however
    that ends; it is forced to the disk every second and at the end, so that a power cut costs a second.
    Opening cuts off a line that the power tore.

    Args:
        path: The file; made if missing.
        exclusive: Refuse if another program has it open like this (not on Windows).

    Attributes:
        size: Bytes of its lines.

    Raises:
        InputError: If another program has it open.
        OSError: If the file cannot be opened or written.
    """

    def __init__(self, path: Path, *, exclusive: bool = False) -> None:
        self._path = path
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | _BINARY, 0o666)
        try:
            if exclusive:
                _lock(self._file, path)
            self.size = _end_of_last_line(path)
            os.ftruncate(self._file, self.size)
        except BaseException:
            os.close(self._file)
            raise
        self._synced = time.monotonic()

    def append(self, value: Mapping[str, Any]) -> int:
        """Add a line.

        Returns:
            The offset that it begins at.

        Raises:
            OSError: If there is no room for it; the file is then as before.
        """
        offset, line = self.size, line_of(value)
        try:
            written = 0
            while written < len(line):
                written += os.write(self._file, line[written:])
        except BaseException as error:  # an interrupt in the middle of it as well
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self.size)
            if isinstance(error, OSError):
                error.filename = str(self._path)
            raise
        self.size += len(line)
        if time.monotonic() - self._synced > _SYNC_SECONDS:
            os.fsync(self._file)
            self._synced = time.monotonic()
        return offset

    def close(self) -> None:
        """Force everything to the disk, and close the file.

        Raises:
            OSError: If the disk does not take it.
        """
        try:
            os.fsync(self._file)
        finally:
            os.close(self._file)


def _end_of_last_line(path: Path) -> int:
    return max((offset + len(line) for offset, line in lines_of(path)), default=0)


def _lock(file: int, path: Path) -> None:
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise InputError(
            f"Another program is writing to {str(path)!r} now. Wait for it, or end it."
        ) from error
