"""`lingua bench`."""

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import typer

from lingua_core.bench.kept_numbers.command import numbers
from lingua_core.bench.measuring import Figure
from lingua_core.bench.quality.command import quality
from lingua_core.bench.rag_skeleton.command import rag_skeleton
from lingua_core.bench.showing import report
from lingua_core.bench.skeleton.command import skeleton
from lingua_core.cli.ending import clean_endings
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
        report(
            _measured(data, repeats, long_tokens)
            if peer is None
            else _beside(peer_python, arms, data, rate, repeats, long_tokens, threads, device),
            as_json=as_json,
        )


app.command("quality")(quality)
app.command("skeleton")(skeleton)
app.command("rag-skeleton")(rag_skeleton)
app.command("numbers")(numbers)


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
