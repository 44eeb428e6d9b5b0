"""The command line: `lingua compress`, `removed`, `answer`, `route`, `demo`, `bench` and `train`.

Results go to stdout, everything else to stderr. Exit codes are in `lingua_core.cli.ending`.
"""

import sys
from typing import Annotated

import typer

from lingua_core.bench import cli as bench
from lingua_core.cli import answer, compress, demo, removed, route, train
from lingua_core.cli.ending import INTERRUPTED

__all__ = ["app", "main"]


def app() -> typer.Typer:
    """Build the application; commands import what they need when they run."""
    lingua = typer.Typer(
        name="lingua",
        help="Cheaper RAG prompts and faster long answers: retrieved text cut to what matters, and points "
        "written in parallel.",
        no_args_is_help=True,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    lingua.callback()(_options)
    lingua.command("compress")(compress.compress)
    lingua.add_typer(removed.app(), name="removed")
    lingua.command("answer")(answer.answer)
    lingua.command("route")(route.route)
    lingua.add_typer(demo.app(), name="demo")
    lingua.add_typer(train.app(), name="train")
    lingua.add_typer(bench.app, name="bench")
    return lingua


def main() -> None:
    """Run the command line; the entry point of the `lingua` script."""
    try:
        app()()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _print_version(asked: bool) -> None:
    if asked:
        from lingua_core import __version__

        typer.echo(f"lingua {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version),
    ] = False,
) -> None:
    """Options before the command."""
