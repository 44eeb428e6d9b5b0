"""How a command ends: its exit code, and one line on stderr instead of a traceback.

| code | meaning |
|---|---|
| 0 | done |
| 1 | nothing was kept, though there was something to keep (as `grep` says that nothing matched) |
| 2 | the command line, an input or the environment cannot be used |
| 3 | an input could not be read, so nothing was done |
| 4 | an answer or a collection is incomplete; what there is was printed, or kept |
| 130 | interrupted |
| 141 | whoever read stdout stopped reading |
"""

import errno
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager

import typer

from lingua_core.errors import InputError, LinguaError
from lingua_core.unicode import encodable

__all__ = [
    "INCOMPLETE",
    "INTERRUPTED",
    "NOTHING_KEPT",
    "PIPE_CLOSED",
    "UNREADABLE",
    "UNUSABLE",
    "UnreadableError",
    "clean_endings",
    "printable",
    "say",
    "stderr_is_terminal",
    "write_stdout",
]

NOTHING_KEPT = 1
UNUSABLE = 2
UNREADABLE = 3
INCOMPLETE = 4
INTERRUPTED = 130
PIPE_CLOSED = 141


class UnreadableError(LinguaError):
    """Inputs that were asked for could not be read."""


@contextmanager
def clean_endings() -> Generator[None]:
    """Turn what can be expected to go wrong into one message and an exit code."""
    try:
        yield
    except UnreadableError as error:
        _fail(str(error), UNREADABLE, error)
    except LinguaError as error:
        _fail(str(error), UNUSABLE, error)
    except OSError as error:
        if error.errno == errno.EPIPE:
            _stop_writing(error)
        _fail(_os_message(error), UNUSABLE, error)
    except KeyboardInterrupt as error:
        raise typer.Exit(INTERRUPTED) from error


def say(message: str) -> None:
    """A line on stderr."""
    typer.echo(encodable(message), err=True)


def stderr_is_terminal() -> bool:
    """Whether a person may be looking at stderr."""
    return sys.stderr is not None and sys.stderr.isatty()  # pyright: ignore[reportUnnecessaryComparison]  # None if the shell closed it


def write_stdout(text: str) -> None:
    """Text to stdout as UTF-8, whatever the locale; lone surrogates become U+FFFD."""
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison]  # None if the shell closed it
        raise InputError("Standard output is closed; there is nowhere to write the result to.")
    data = encodable(text).encode("utf-8")
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError as error:
        _stop_writing(error)


def printable(name: str) -> str:
    """A name as it may go to a terminal: no control characters, no line breaks."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)


def _fail(message: str, code: int, cause: BaseException) -> None:
    say(f"lingua: error: {message}")
    raise typer.Exit(code) from cause


def _os_message(error: OSError) -> str:
    reason = error.strerror or str(error)
    return f"{printable(str(error.filename))}: {reason}." if error.filename else f"{reason}."


def _stop_writing(cause: BaseException) -> None:
    # The interpreter flushes stdout once more at exit; let that succeed.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise typer.Exit(PIPE_CLOSED) from cause
