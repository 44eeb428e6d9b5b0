"""What people read on stderr while stdout carries the result."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager

from lingua_core.cli.ending import printable, say, stderr_is_terminal
from lingua_core.results import CompressedDocument, CompressionResult

__all__ = ["name_of", "show_statistics", "styled", "waiting", "warn"]

_MOST_NAMES = 20


@contextmanager
def waiting(message: str, *, quiet: bool) -> Generator[None]:
    """A spinner on stderr while a person waits; nothing where nobody looks."""
    if quiet or not stderr_is_terminal():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(message):
        yield


def warn(messages: Sequence[str], *, label: str = "warning") -> None:
    """One line each on stderr."""
    for message in messages:
        styled(f"{label}: ", message, style="yellow")


def show_statistics(result: CompressionResult) -> None:
    """Tokens, documents and notes."""
    times = f"{result.ratio:.1f} times smaller" if result.compressed_tokens else "nothing kept"
    figures = f"{result.origin_tokens:,} -> {result.compressed_tokens:,} tokens"
    styled(
        figures, f" ({times}, {result.rate:.1%} kept), counted by {result.token_counter}", style="bold green"
    )
    total = len(result.documents) + len(result.dropped)
    styled("", f"{len(result.documents)} of {total} documents kept{_names(result.dropped)}")
    if result.query is None:
        styled("", "no question given: kept what is most informative by itself (see --query)")
    names = {document.index: name_of(document) for document in (*result.documents, *result.dropped)}
    for note in result.notes:
        about = f"{names[note.document]}: " if note.document in names else ""
        styled("note: ", about + note.message, style="yellow")


def name_of(document: CompressedDocument) -> str:
    """What messages call a document: its id, its title, or its number."""
    return printable(document.id or document.title or f"document {document.index + 1}")


def _names(dropped: Sequence[CompressedDocument]) -> str:
    if not dropped:
        return ""
    listed = ", ".join(name_of(document) for document in dropped[:_MOST_NAMES])
    more = len(dropped) - _MOST_NAMES
    return f"; dropped: {listed}" + (f" and {more} more (--json lists all)" if more > 0 else "")


def styled(head: str, rest: str, *, style: str = "") -> None:
    """A line whose head is decorated if stderr is a terminal that wants it."""
    if not stderr_is_terminal():
        say(head + rest)
        return
    from rich.console import Console
    from rich.text import Text

    from lingua_core.unicode import encodable

    line = Text.assemble((encodable(head), style), encodable(rest))
    Console(stderr=True, highlight=False).print(line, soft_wrap=True)
