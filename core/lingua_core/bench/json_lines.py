"""Reading JSON lines, plain or gzipped."""

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lingua_core.errors import InputError

__all__ = ["records_of"]


def records_of(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file, one a line; blank lines are passed over.

    Raises:
        InputError: If the file cannot be read, or a line is no JSON; says which.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _record(line, number, path)
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise InputError(f"{str(path)!r} cannot be read as JSON lines: {error}") from error


def _record(line: str, number: int, path: Path) -> dict[str, Any]:
    try:
        return json.loads(line)
    except ValueError as error:
        raise InputError(f"Line {number} of {str(path)!r} is no JSON: {error}") from error
