"""`lingua bench skeleton`."""

import itertools
from collections.abc import Iterator
from typing import Annotated

import typer

from lingua_core.bench.measuring import Figure
from lingua_core.bench.showing import report
from lingua_core.cli.ending import clean_endings

__all__ = ["skeleton"]


def skeleton(
    questions: Annotated[int, typer.Option(min=1, help="Simulated questions of each arm.")] = 200,
    first_token: Annotated[
        float, typer.Option(min=0.0, help="Seconds of the simulated endpoint to the first token.")
    ] = 0.5,
    token: Annotated[float, typer.Option(min=1e-6, help="Its seconds between two tokens.")] = 0.02,
    concurrency: Annotated[int, typer.Option(min=1, help="Calls that it takes at once.")] = 16,
    seed: Annotated[int, typer.Option(help="Of the lengths.")] = 0,
    local: Annotated[
        bool,
        typer.Option("--local", help="Also a local model of 100 million random parameters (needs torch)."),
    ] = False,
    device: Annotated[str, typer.Option(help="Where it runs: cpu, cuda, mps.")] = "auto",
    repeats: Annotated[int, typer.Option(min=1, help="Rounds of what is timed.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Answers by way of a skeleton against direct ones and other schedules, and the driver's own cost."""
    with clean_endings():
        from lingua_core.bench.skeleton.lengths import Latencies
        from lingua_core.bench.skeleton.overhead import measure_overhead
        from lingua_core.bench.skeleton.simulated import measure_simulated

        figures: list[Iterator[Figure]] = [
            measure_simulated(
                questions=questions,
                seed=seed,
                latencies=Latencies(first=first_token, each=token),
                concurrency=concurrency,
            ),
            measure_overhead(repeats=repeats),
        ]
        if local:
            from lingua_core.bench.local_decoding import measure_local

            figures.append(measure_local(device=device, repeats=repeats))
        report(itertools.chain(*figures), as_json=as_json)
