"""A report on disk: the whole of it, or nothing."""

import os
from collections.abc import Sequence
from pathlib import Path

from lingua_core.errors import InputError

__all__ = ["check_html_target", "write_html"]


def check_html_target(target: Path, *, inputs: Sequence[str] = (), option: str = "--html") -> None:
    """Raise before any work is done if the report could not or must not be written there.

    Args:
        target: Where to write.
        inputs: Files and folders that will be read.
        option: What it was given with.

    Raises:
        InputError: If the folder does not exist, something that is no file has the name, or it is one
            of the inputs.
    """
    if str(target) == "-":
        raise InputError(f"{option} takes the name of a file, not '-'; standard output is for the text.")
    for path in inputs:
        if target.exists() and os.path.exists(path) and _is_input(target, path):
            raise InputError(
                f"{option} {str(target)!r} is one of the inputs and would be overwritten. "
                "Choose another name."
            )
    folder = _real(target).parent
    if not folder.is_dir():
        raise InputError(
            f"{option} {str(target)!r}: the folder {str(folder)!r} does not exist. Make it first."
        )
    if target.exists() and not target.is_file():
        raise InputError(f"{option} {str(target)!r} is no regular file. Give the name of a file to write.")


def _is_input(target: Path, path: str) -> bool:
    """Whether the file is the input, or lies in it."""
    return os.path.samefile(target, path) or Path(os.path.realpath(path)) in _real(target).parents


def write_html(target: Path, page: str, *, option: str = "--html") -> None:
    """Write beside the target, then put it in its place in one step.

    Raises:
        InputError: If the disk or the folder refuses.
    """
    place = _real(target)
    unfinished = place.with_name(f".{place.name}.{os.getpid()}.unfinished")
    try:
        unfinished.write_bytes(page.encode("utf-8"))
        unfinished.replace(place)
    except OSError as error:
        raise InputError(f"{option} {str(target)!r} could not be written: {error.strerror}.") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _real(target: Path) -> Path:
    """Where a link points to, so that the link stays."""
    return Path(os.path.realpath(target))
