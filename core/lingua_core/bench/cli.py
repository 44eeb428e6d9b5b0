"""`lingua bench`."""

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import typer

from lingua_core.bench.measuring import Figure
from lingua_core.bench.quality.command import quality
from lingua_core.cli.ending import clean_endings, write_stdout
from lingua_core.errors import InputError, MissingDependencyError

__all__ = ["app"]

PeerName = Literal["llmlingua"]


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
    peer: Annotated[
        PeerName | None,
        typer.Option(help="Measure only the methods that take a model of yours, beside this package."),
    ] = None,
    peer_python: Annotated[
        Path | None, typer.Option(help="The interpreter of an environment with the peer in it.")
    ] = None,
    arms: Annotated[
        str,
        typer.Option(
            help="With --peer: what to measure, of longllmlingua,vocabulary,llmlingua2,memory,batch."
        ),
    ] = "longllmlingua,vocabulary,llmlingua2,memory",
    rate: Annotated[
        float, typer.Option(min=0.01, max=1.0, help="With --peer: the fraction that both keep.")
    ] = 0.25,
    threads: Annotated[int, typer.Option(min=1, help="With --peer: threads of torch on both sides.")] = 2,
    device: Annotated[str, typer.Option(help="With --peer: where models run.")] = "cpu",
) -> None:
    """Start-up, throughput, time outside the model, memory; or with --peer, the same beside another."""
    with clean_endings():
        if peer is None and peer_python is not None:
            raise InputError("--peer-python needs --peer llmlingua.")
        figures = _collected(
            _measured(data, repeats, long_tokens)
            if peer is None
            else _beside(peer_python, arms, data, rate, repeats, long_tokens, threads, device)
        )
        if as_json:
            report = {"machine": _machine(), "figures": [figure.to_dict() for figure in figures]}
            write_stdout(json.dumps(report, indent=2) + "\n")
        else:
            _show(figures)


app.command("quality")(quality)


def _measured(data: Path | None, repeats: int, long_tokens: int) -> Iterator[Figure]:
    from lingua_core.bench.speed import measure_speed

    return measure_speed(data=data, repeats=repeats, long_tokens=long_tokens)


def _beside(
    peer_python: Path | None,
    arms: str,
    data: Path | None,
    rate: float,
    repeats: int,
    long_tokens: int,
    threads: int,
    device: str,
) -> Iterator[Figure]:
    for package in ("torch", "transformers"):
        if find_spec(package) is None:
            raise MissingDependencyError.for_extra(
                package, extra="transformers", purpose="Measuring beside llmlingua"
            )
    from lingua_core.bench.beside_llmlingua import measure_beside_llmlingua

    return measure_beside_llmlingua(
        peer_python=peer_python,
        arms=[name.strip() for name in arms.split(",")],
        data=data,
        rate=rate,
        repeats=repeats,
        long_tokens=long_tokens,
        threads=threads,
        device=device,
    )


def _collected(measured: Iterator[Figure]) -> list[Figure]:
    from rich.console import Console

    figures: list[Figure] = []
    with Console(stderr=True).status("measuring") as status:
        for figure in measured:
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
