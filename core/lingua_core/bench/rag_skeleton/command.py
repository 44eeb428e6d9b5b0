"""`lingua bench rag-skeleton`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lingua_core.cli.ending import clean_endings, write_stdout

if TYPE_CHECKING:
    from lingua_core.bench.rag_skeleton.measuring import Measured, Row

__all__ = ["rag_skeleton"]


def rag_skeleton(
    data: Annotated[
        Path,
        typer.Option(
            help="A folder with hotpotqa_30.jsonl.gz and musique_30.jsonl.gz, or a file of your own: JSON "
            "lines with 'question', 'passages' and evidence, as for lingua bench quality.",
        ),
    ],
    questions: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="The first N questions only.")
    ] = None,
    first_token: Annotated[
        float, typer.Option(min=0.0, help="Seconds of the simulated endpoint to the first token.")
    ] = 0.5,
    token: Annotated[float, typer.Option(min=1e-6, help="Its seconds between two tokens.")] = 0.02,
    prompt_token: Annotated[
        float, typer.Option(min=0.0, help="Its seconds for each token of a prompt that is not cached.")
    ] = 0.0002,
    cached_price: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Price of a cached token, as a share of the full one.")
    ] = 0.1,
    cache_from: Annotated[int, typer.Option(min=0, help="The shortest prefix that it caches.")] = 1024,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    picture: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write the figures as a picture (HTML).")
    ] = None,
) -> None:
    """What answers over documents read, what reaches their points, and how soon they end, five ways.

    Answered are questions with evidence in several documents, each over 20 documents of about 150 tokens,
    on a simulated endpoint; documents are really compressed.
    """
    with clean_endings():
        from rich.console import Console

        from lingua_core.bench.rag_skeleton.cases import load_cases
        from lingua_core.bench.rag_skeleton.measuring import measure
        from lingua_core.bench.rag_skeleton.picture import picture as picture_of
        from lingua_core.bench.rag_skeleton.ways import Endpoint
        from lingua_core.bench.skeleton.lengths import Latencies
        from lingua_core.cli.html_file import check_html_target, write_html
        from lingua_core.compression import PromptCompressor

        if picture is not None:
            check_html_target(picture, option="--picture")
        cases = load_cases(data, limit=questions)
        with Console(stderr=True).status("measuring") as status:
            measured = measure(
                cases,
                compressor=PromptCompressor(),
                endpoint=Endpoint(
                    latencies=Latencies(first=first_token, each=token),
                    per_prompt_token=prompt_token,
                    cached_price=cached_price,
                    cache_from=cache_from,
                ),
                progress=lambda done: status.update(f"measured: {done} of {len(cases)} questions"),
            )
        if picture is not None:
            write_html(picture, picture_of(measured), option="--picture")
        if as_json:
            write_stdout(json.dumps(measured.to_dict(), indent=2) + "\n")
        else:
            _show(measured)


def _show(measured: "Measured") -> None:
    from rich.console import Console
    from rich.table import Table

    first = measured.rows[0]
    table = Table(
        title=f"{measured.questions} questions, {measured.document_tokens:,.0f} tokens of documents each, "
        f"{measured.points / measured.questions:.1f} points",
        caption=f"Evidence: of {measured.seen} sentences that a direct answer over the compressed documents "
        f"sees (of {measured.evidence}), those that reach the point about their document; such a point if it "
        "is named after it; any point. Compressing: its time on this machine added.",
    )
    table.add_column("way", overflow="fold")
    for name in ("prompt tokens", "cached", "evidence %", "seconds", "with compressing"):
        table.add_column(name, justify="right")
    for row in measured.rows:
        table.add_row(row.name, *_cells(row, first))
    Console().print(table)


def _cells(row: "Row", first: "Row") -> list[str]:
    return [
        f"{row.prompt_tokens:,.0f} ({row.prompt_tokens / first.prompt_tokens:.2f}x)",
        f"{row.cached_tokens:,.0f}",
        " / ".join(_share(value) for value in (row.right, row.right_named, row.any_point)),
        f"{row.seconds:.2f} ({first.seconds / row.seconds:.2f}x)",
        f"{row.seconds_with_work:.2f} ({first.seconds / row.seconds_with_work:.2f}x)",
    ]


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
