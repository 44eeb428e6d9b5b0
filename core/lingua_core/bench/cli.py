"""`lingua bench`."""

from pathlib import Path
from typing import Annotated

import typer

from lingua_core.bench.quality.command import quality
from lingua_core.bench.rag_skeleton.command import rag_skeleton
from lingua_core.bench.showing import report
from lingua_core.bench.skeleton.command import skeleton
from lingua_core.cli.ending import clean_endings

__all__ = ["app"]

app = typer.Typer(
    help="Measure Lingua on this machine: speed as ratios to floors of the same run, and kept answers.",
    no_args_is_help=True,
)


@app.command()
def speed(
    data: Annotated[
        Path | None, typer.Option(help="JSON lines with a field 'text'; default: the shipped demo documents.")
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Rounds of each measurement.")] = 5,
    long_tokens: Annotated[int, typer.Option(min=1000, help="Tokens of the long document.")] = 50_000,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Start-up, throughput, time outside the model, memory."""
    with clean_endings():
        from lingua_core.bench.speed import measure_speed

        report(measure_speed(data=data, repeats=repeats, long_tokens=long_tokens), as_json=as_json)


app.command("quality")(quality)
app.command("skeleton")(skeleton)
app.command("rag-skeleton")(rag_skeleton)
