"""From the paths on the command line to documents, losing nothing silently.

A path that was named has to be readable. A folder is walked in sorted order: hidden files and binary
files in it are passed over with a note, anything else in it that cannot be read counts as named.
"""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lingua_core.cli.decoding import NotTextError, decoded, looks_binary
from lingua_core.cli.ending import UnreadableError, printable
from lingua_core.cli.records import documents_from_lines, looks_like_lines
from lingua_core.documents import Document
from lingua_core.errors import InputError

__all__ = ["Inputs", "read_inputs"]

STDIN = "-"
_LINE_SUFFIXES = (".jsonl", ".ndjson")
_MARKDOWN_SUFFIXES = (".md", ".markdown")
_HEADING = re.compile(r"^#\s+(.+?)\s*#*\s*$", re.MULTILINE)
_HINT = "Name files or folders, or pipe text in: lingua compress notes.txt -q 'your question'"


@dataclass(slots=True)
class Inputs:
    """What was read, and what was not.

    Attributes:
        documents: In the order of the command line.
        passed_over: Files of folders that were left out on purpose, with the reason.
        unreadable: What should have been read and could not be, with the reason.
        remarks: What was read, but perhaps not as it was meant.
    """

    documents: list[Document] = field(default_factory=list[Document])
    passed_over: list[str] = field(default_factory=list[str])
    unreadable: list[str] = field(default_factory=list[str])
    remarks: list[str] = field(default_factory=list[str])


def read_inputs(
    paths: Sequence[str],
    *,
    jsonl: bool = False,
    skip_unreadable: bool = False,
    not_done: str = "nothing was compressed",
) -> Inputs:
    """Read files, folders, and "-" for stdin (also without any path, if something is piped in).

    Args:
        paths: As given; they become the documents' ids.
        jsonl: Standard input is JSON Lines. Files are by their suffix.
        skip_unreadable: Go on without what cannot be read.
        not_done: What the message says if something could not be read.

    Raises:
        InputError: If there is nothing to read, or a JSON Lines file is malformed.
        UnreadableError: If something cannot be read and `skip_unreadable` is off, or if nothing can;
            names all of it.
    """
    named = list(paths) or [STDIN]
    if named.count(STDIN) > 1:
        raise InputError("'-' (standard input) can be read only once.")
    inputs = Inputs()
    seen: set[str] = set()
    for path in named:
        if path == STDIN:
            _read_stdin(inputs, jsonl=jsonl, implied=not paths)
        else:
            _read_path(inputs, path, seen)
    if inputs.unreadable and not skip_unreadable:
        raise UnreadableError(_refusal(inputs.unreadable, not_done))
    if not any(document.text.strip() for document in inputs.documents):
        if inputs.unreadable:
            raise UnreadableError("None of the inputs could be read:" + _listed(inputs.unreadable))
        source = "Standard input is empty" if named == [STDIN] else "The inputs hold no text"
        raise InputError(f"{source}. {_HINT}")
    return inputs


def _read_stdin(inputs: Inputs, *, jsonl: bool, implied: bool) -> None:
    if sys.stdin is None or (implied and sys.stdin.isatty()):  # pyright: ignore[reportUnnecessaryComparison]  # None if closed
        raise InputError(f"Nothing to compress. {_HINT}")
    _take(inputs, sys.stdin.buffer.read(), STDIN, "standard input", lines=jsonl)


def _read_path(inputs: Inputs, path: str, seen: set[str]) -> None:
    if os.path.isdir(path):
        read_before = len(inputs.documents) + len(inputs.unreadable)
        for found in _walk(inputs, path):
            _read_file(inputs, found, seen, named=False)
        if len(inputs.documents) + len(inputs.unreadable) == read_before:
            inputs.unreadable.append(f"{printable(path)}: the folder holds no text files")
    else:
        _read_file(inputs, path, seen, named=True)


def _walk(inputs: Inputs, folder: str) -> Iterator[str]:
    """Files below a folder, sorted; what is hidden is passed over, links to folders too."""

    def failed(error: OSError) -> None:
        inputs.unreadable.append(f"{printable(str(error.filename))}: {error.strerror}")

    for where, folders, files in os.walk(folder, onerror=failed):
        for name in sorted(folders):
            path = os.path.join(where, name)
            if name.startswith("."):
                inputs.passed_over.append(f"{printable(path)}{os.sep}: hidden")
            elif os.path.islink(path):
                inputs.passed_over.append(f"{printable(path)}{os.sep}: a link to a folder")
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.startswith("."):
                inputs.passed_over.append(f"{printable(os.path.join(where, name))}: hidden")
            else:
                yield os.path.join(where, name)


def _read_file(inputs: Inputs, path: str, seen: set[str], *, named: bool) -> None:
    real = os.path.realpath(path)
    if real in seen:
        inputs.passed_over.append(f"{printable(path)}: read already")
        return
    seen.add(real)
    if not named and os.path.exists(path) and not os.path.isfile(path):
        inputs.passed_over.append(f"{printable(path)}: no regular file")
        return
    try:
        data = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        inputs.unreadable.append(f"{printable(path)}: {reason}")
        return
    if not named and looks_binary(data):
        inputs.passed_over.append(f"{printable(path)}: binary")
        return
    _take(inputs, data, path, printable(path), lines=path.lower().endswith(_LINE_SUFFIXES))


def _take(inputs: Inputs, data: bytes, path: str, name: str, *, lines: bool) -> None:
    try:
        text = decoded(data)
    except NotTextError as error:
        inputs.unreadable.append(f"{name}: {error}")
        return
    if lines:
        inputs.documents.extend(documents_from_lines(text, path))
    else:
        if looks_like_lines(text):
            inputs.remarks.append(
                f"{name} looks like JSON Lines but is read as text (see --jsonl, or name it .jsonl)"
            )
        inputs.documents.append(Document(text, id=path, title=_title(path, text)))


def _title(path: str, text: str) -> str | None:
    """The first heading of a Markdown file, else the file's name without its suffix."""
    if path == STDIN:
        return None
    if path.lower().endswith(_MARKDOWN_SUFFIXES):
        heading = _HEADING.search(text)
        if heading:
            return heading.group(1)
    return Path(path).stem


def _refusal(unreadable: Sequence[str], not_done: str) -> str:
    count = "1 input" if len(unreadable) == 1 else f"{len(unreadable)} inputs"
    return (
        f"{count} could not be read; {not_done}:{_listed(unreadable)}\n"
        "To go on without, add --skip-unreadable."
    )


def _listed(entries: Sequence[str]) -> str:
    return "".join(f"\n  {entry}" for entry in entries)
