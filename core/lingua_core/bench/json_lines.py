"""Reading JSON lines, plain or gzipped."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lingua_core.errors import InputError

__all__ = ["records_of"]


def records_of(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a file, one a line; blank lines are passed over.

    Raises:
        InputError: If the file cannot be read, or a line is no JSON.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                if line.strip():
                    yield json.loads(line)
    except (OSError, ValueError) as error:
        raise InputError(f"{str(path)!r} cannot be read as JSON lines: {error}") from error
