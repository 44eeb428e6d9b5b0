"""`lingua bench`."""

import json
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lingua_core.bench.measuring import Figure
from lingua_core.cli.ending import clean_endings, write_stdout
from lingua_core.errors import InputError

if TYPE_CHECKING:
    from lingua_core.bench.quality import Quality

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


@app.command()
def quality(
    data: Annotated[
        Path,
        typer.Argument(help="Questions: JSON lines with 'question', 'passages', 'answers' (may be .gz)."),
    ],
    passages: Annotated[
        Path | None,
        typer.Option(help="Passages to hide the gold one among: JSON lines 'pid', 'title', 'text'."),
    ] = None,
    negatives: Annotated[
        Path | None, typer.Option(help="Hard negatives of each question: JSON lines 'id', 'neg'.")
    ] = None,
    documents: Annotated[int, typer.Option(min=2, help="Documents of each context, with negatives.")] = 20,
    questions: Annotated[int, typer.Option(min=1, help="Size of the seeded sample.")] = 300,
    seed: Annotated[int, typer.Option(help="Of the sample and the shuffling.")] = 0,
    ratios: Annotated[str, typer.Option(help="Times smaller, comma-separated.")] = "4,8,16,32",
    methods: Annotated[str, typer.Option(help="Methods, comma-separated.")] = "random,lexical,extract",
    token_counter: Annotated[str | None, typer.Option(help="As in lingua compress.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """How often the answer survives compression (has-answer), and all labelled evidence."""
    with clean_endings():
        from lingua_core.bench.quality import METHODS, measure_quality
        from lingua_core.bench.questions import load_questions, with_distractors

        wanted = [name.strip() for name in methods.split(",")]
        if unknown := [name for name in wanted if name not in METHODS]:
            raise InputError(f"Unknown methods {unknown}; expected some of {', '.join(METHODS)}.")
        sizes = _ratios(ratios)
        if (passages is None) != (negatives is None):
            raise InputError("Give both --passages and --negatives, or neither.")
        sample = load_questions(data, limit=questions, seed=seed)
        if passages is not None and negatives is not None:
            sample = with_distractors(
                sample, passages=passages, negatives=negatives, count=documents, seed=seed
            )
        rows: list[Quality] = []
        with _progress(len(sample) * len(wanted)) as advance:
            for name in wanted:
                rows += measure_quality(
                    sample, method=name, ratios=sizes, token_counter=token_counter, advance=advance
                )
        if as_json:
            write_stdout(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
        else:
            _show_quality(rows)


def _ratios(listed: str) -> list[float]:
    try:
        ratios = [float(part) for part in listed.split(",")]
    except ValueError as error:
        raise InputError(f"--ratios takes numbers with commas between, got {listed!r}.") from error
    if min(ratios) < 1:
        raise InputError(f"--ratios says how many times smaller, so each is at least 1; got {listed!r}.")
    return ratios


@contextmanager
def _progress(total: int) -> Generator[Callable[[], None]]:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("questions", total=total)
        yield lambda: progress.advance(task)


def _show_quality(rows: "list[Quality]") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"Kept answers, {rows[0].questions} questions, % (± standard error)")
    table.add_column("method")
    ratios = list(dict.fromkeys(row.ratio for row in rows))
    for ratio in ratios:
        table.add_column(f"{ratio:g}x", justify="right")
    labelled = rows[0].all_evidence is not None
    for method in dict.fromkeys(row.method for row in rows):
        own = [row for row in rows if row.method == method]
        table.add_row(method, *(f"{100 * r.has_answer:.1f} ± {100 * r.standard_error:.1f}" for r in own))
        if labelled:
            table.add_row(f"{method}, all evidence", *(f"{100 * (r.all_evidence or 0):.1f}" for r in own))
    Console().print(table)


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

    from lingua_core.models.onnx_encoder import usable_cores

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
        table.add_row(figure.name, f"{_number(figure.value)} {figure.unit}", against, ratio)
    Console().print(table)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
