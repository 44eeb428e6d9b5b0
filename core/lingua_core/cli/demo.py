"""`lingua demo`: the shipped documents before and after, in the terminal."""

from pathlib import Path
from typing import Annotated

import typer

from lingua_core.cli.demo_skeleton import demo_skeleton
from lingua_core.cli.ending import clean_endings, say

__all__ = ["QUESTION", "TARGET_TOKENS", "app", "demo"]

QUESTION = "What happens to my unused travel comp time if I leave GSA?"
TARGET_TOKENS = 600
_ANSWER = "If you leave GSA, your unused travel comp time is forfeited."


def app() -> typer.Typer:
    """`lingua demo` by itself, and `lingua demo skeleton`."""
    demos = typer.Typer(invoke_without_command=True)
    demos.callback()(demo)
    demos.command("skeleton")(demo_skeleton)
    return demos


def demo(
    context: typer.Context,
    query: Annotated[str, typer.Option("--query", "-q", help="The question.")] = QUESTION,
    target_tokens: Annotated[
        int, typer.Option(help="The most tokens that the result may have.", metavar="N")
    ] = TARGET_TOKENS,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Also write a report that shows what was kept."),
    ] = None,
) -> None:
    """Compress eleven pages of a staff handbook for a question, and show before and after.

    The documents ship with the package (the TTS Handbook of the United States General Services
    Administration, CC0). Nothing is downloaded. `lingua demo skeleton` shows answers written in parallel.
    """
    if context.invoked_subcommand is not None:
        return
    with clean_endings():
        from lingua_core.cli.demo_view import demo_documents, show_demo
        from lingua_core.cli.html_file import check_html_target, write_html
        from lingua_core.cli.showing import waiting
        from lingua_core.compression import PromptCompressor

        if html is not None:
            check_html_target(html)
        with waiting("Compressing the demo's documents", quiet=False):
            result = PromptCompressor().compress(demo_documents(), query, target_tokens=target_tokens)
        if html is not None:
            write_html(html, result.to_html())
        show_demo(result, _ANSWER if query == QUESTION else None)
        if html is not None:
            say(f"The report is in {html}")
