"""Files that are there whole or not at all, whatever happens while they are written."""

import errno
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from lingua_core.errors import InputError

__all__ = ["check_room", "whole_file", "whole_files", "write_whole"]


@contextmanager
def whole_file(file: Path) -> Generator[Path]:
    """A path to write to, which takes the file's place when all is written.

    Raises:
        OSError: If it cannot be written; says so whatever the library that writes raises.
    """
    unfinished = file.with_name(f"{file.name}.unfinished")
    with _as_os_error(file):
        try:
            yield unfinished
            unfinished.replace(file)
        finally:
            unfinished.unlink(missing_ok=True)


@contextmanager
def whole_files(folder: Path, *, last: str) -> Generator[Path]:
    """A folder to write files to, which are moved into another one when all are written.

    Args:
        folder: Where they go; made if missing.
        last: Names of files that match are moved last: without them, the others are of no use.

    Raises:
        OSError: If they cannot be written; says so whatever the library that writes raises.
    """
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / "unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    with _as_os_error(folder):
        try:
            unfinished.mkdir()
            yield unfinished
            for file in sorted(unfinished.iterdir(), key=lambda file: (file.match(last), file.name)):
                file.replace(folder / file.name)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def write_whole(file: Path, content: bytes) -> None:
    """Write a file whole or not at all; its folder is made if missing.

    Raises:
        OSError: If it cannot be written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(file) as unfinished:
        unfinished.write_bytes(content)


def check_room(folder: Path, needed: int) -> None:
    """Raise an InputError if less than `needed` bytes are free where a folder is, or will be."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free < needed:
        raise InputError(
            f"{str(folder)!r} needs about {needed / 2**30:.2f} GiB, and {free / 2**30:.2f} GiB are free. "
            "Make room, or give another folder."
        )


@contextmanager
def _as_os_error(file: Path) -> Generator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(error.errno or errno.EIO, f"cannot be written: {reason}", str(file)) from error
    except Exception as error:
        # What torch and safetensors raise when a disk is full is no OSError, and has no class in common.
        if isinstance(error, RuntimeError) or type(error).__module__.startswith("safetensors"):
            raise OSError(
                errno.EIO, f"cannot be written: {str(error)[:200]} (is the disk full?)", str(file)
            ) from error
        raise
