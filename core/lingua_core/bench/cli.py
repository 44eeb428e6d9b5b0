"""`lingua bench`."""

import json
from pathlib import Path
from typing import Annotated

import typer

from lingua_core.bench.measuring import Figure
from lingua_core.bench.quality.command import quality
from lingua_core.cli.ending import clean_endings, write_stdout

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
        figures = _measured(data, repeats, long_tokens)
        if as_json:
            report = {"machine": _machine(), "figures": [figure.to_dict() for figure in figures]}
            write_stdout(json.dumps(report, indent=2) + "\n")
        else:
            _show(figures)


app.command("quality")(quality)


def _measured(data: Path | None, repeats: int, long_tokens: int) -> list[Figure]:
    from rich.console import Console

    from lingua_core.bench.speed import measure_speed

    figures: list[Figure] = []
    with Console(stderr=True).status("measuring") as status:
        for figure in measure_speed(data=data, repeats=repeats, long_tokens=long_tokens):
            figures.append(figure)
            status.update(f"measured: {figure.name}")
    return figures


def _machine() -> dict[str, str | int]:
    import platform

    from lingua_core.models.onnx_session import usable_cores

    return {"python": platform.python_version(), "machine": platform.machine(), "cores": usable_cores()}


def _show(figures: list[Figure]) -> None:
    from rich.console import Console
    from rich.table import Table

    machine = _machine()
    table = Table(title=f"{machine['cores']} cores, {machine['machine']}, Python {machine['python']}")
    table.add_column("figure")
    table.add_column("median", justify="right")
    table.add_column("against", overflow="fold")
    table.add_column("ratio", justify="right")
    for figure in figures:
        against = f"{figure.reference_name}: {_number(figure.reference)}" if figure.reference else figure.note
        ratio = f"{figure.ratio:.2f}" if figure.ratio is not None else ""
        table.add_row(figure.name, f"{_number(figure.value)} {figure.unit}".strip(), against, ratio)
    Console().print(table)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
