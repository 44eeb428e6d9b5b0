"""`lingua removed`: what a compression has removed and stored, for people to look at."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lingua_core.cli.ending import clean_endings, printable, say, write_stdout
from lingua_core.errors import InputError

if TYPE_CHECKING:
    from lingua_core.removed import RemovedPart, RemovedStore, SQLiteStore

__all__ = ["app", "check_store_target"]

_HEADING = 48

Store = Annotated[
    Path, typer.Option("--store", metavar="FILE", help="The file that lingua compress --removed-store wrote.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def app() -> typer.Typer:
    """The commands `list`, `show`, `search`, `clear`."""
    removed = typer.Typer(
        help="Look at what compressions have removed: list, show, search, clear.", no_args_is_help=True
    )
    removed.command("list")(list_parts)
    removed.command("show")(show)
    removed.command("search")(search)
    removed.command("clear")(clear)
    return removed


def check_store_target(target: Path | None, *, inputs: Sequence[str]) -> "RemovedStore | None":
    """The store in that file, opened before any work is done.

    Raises:
        InputError: If it is one of the inputs.
        RemovedStoreError: If it cannot be opened.
    """
    if target is None:
        return None
    from lingua_core.removed import SQLiteStore

    for path in inputs:
        if target.exists() and Path(path).exists() and target.samefile(path):
            raise InputError(f"--removed-store {str(target)!r} is one of the inputs. Choose another name.")
    return SQLiteStore(target)


def list_parts(
    store: Store,
    most: Annotated[int, typer.Option("--most", "-n", min=1, help="The most passages to list.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List removed passages: id, tokens, document, heading; those stored last first."""
    with clean_endings():
        parts = _opened(store).parts(most=most + 1)
        _write(parts[:most], as_json=as_json)
        if len(parts) > most:
            say(f"lingua: there are more; --most {2 * most} lists more.")
        if not parts:
            say("lingua: the store is empty.")


def show(
    ids: Annotated[list[str], typer.Argument(help="Ids, as in a note or in lingua removed list.")],
    store: Store,
    document: Annotated[
        bool, typer.Option("--document", help="Print the whole documents that the passages are from.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print removed passages as they stood in their documents.

    Exit codes: 0 done, 2 an id is unknown or the store cannot be used.
    """
    with clean_endings():
        opened = _opened(store)
        parts = opened.get_many(ids)
        if document:
            texts = [opened.document(key).text for key in dict.fromkeys(part.key for part in parts)]
        else:
            texts = [part.text.strip("\r\n") for part in parts]
        if as_json:
            _write(parts, as_json=True, texts=None if not document else texts)
            return
        write_stdout("\n\n".join(text.rstrip("\n") for text in texts) + "\n")


def search(
    query: Annotated[str, typer.Argument(help="What to look for.")],
    store: Store,
    most: Annotated[int, typer.Option("--most", "-n", min=1, help="The most passages to list.")] = 10,
    as_json: AsJson = False,
) -> None:
    """List the removed passages that have most to do with a query, best first.

    Exit codes: 0 done, 1 nothing was found, 2 the store cannot be used.
    """
    with clean_endings():
        parts = _opened(store).search(query, most=most)
        _write(parts, as_json=as_json)
        if not parts:
            say("lingua: nothing that was removed has a word of the query.")
            raise typer.Exit(1)


def clear(store: Store, yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> None:
    """Forget everything in a store; the file stays."""
    with clean_endings():
        opened = _opened(store)
        number = len(opened.parts())
        if not yes and not typer.confirm(f"Forget {number:,} removed passages in {store}?", err=True):
            raise typer.Exit(1)
        opened.clear()
        say(f"lingua: forgot {number:,} passages.")


def _opened(path: Path) -> "SQLiteStore":
    from lingua_core.removed import SQLiteStore

    return SQLiteStore(path, create=False)


def _write(parts: "Sequence[RemovedPart]", *, as_json: bool, texts: Sequence[str] | None = None) -> None:
    if as_json:
        data: list[dict[str, Any]] = [_data(part) for part in parts]
        write_stdout(json.dumps(data if texts is None else texts) + "\n")
        return
    names = [printable(part.title or part.document_id or f"document {part.document + 1}") for part in parts]
    width = max((len(name[:_HEADING]) for name in names), default=0)
    lines = [
        f"{part.id}  {part.tokens:>6,}  {name[:_HEADING]:<{width}}  {_shown(part)}".rstrip()
        for part, name in zip(parts, names, strict=True)
    ]
    write_stdout("".join(f"{line}\n" for line in lines))


def _shown(part: "RemovedPart") -> str:
    """Its heading, or how it begins."""
    words = part.heading or " ".join(part.text.split())
    return printable(words if len(words) <= _HEADING else words[: _HEADING - 1] + "…")


def _data(part: "RemovedPart") -> dict[str, Any]:
    return {
        "id": part.id,
        "digest": part.digest,
        "document_id": part.document_id,
        "title": part.title,
        "heading": part.heading,
        "spans": [list(span) for span in part.spans],
        "tokens": part.tokens,
        "text": part.text,
    }
