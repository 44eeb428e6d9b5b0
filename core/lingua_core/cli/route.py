"""`lingua route`: whether a question would be answered by way of a skeleton, and why."""

import json
from typing import Annotated

import typer

from lingua_core.cli.ending import clean_endings, write_stdout

__all__ = ["route"]


def route(
    question: Annotated[
        str, typer.Argument(help="The question, or - for standard input.", show_default=False)
    ],
    documents: Annotated[
        bool, typer.Option("--documents", help="The question is asked over documents.")
    ] = False,
    threshold: Annotated[
        float | None, typer.Option(metavar="P", help="The probability from which there is a skeleton.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say whether a question would be planned as a skeleton or answered directly.

    Decides as `lingua answer --router auto` does; no model is called.
    """
    with clean_endings():
        from lingua_core.cli.answer import question_from
        from lingua_core.report.escaping import visible
        from lingua_core.skeleton.routing import auto_router

        found = auto_router(threshold=threshold).route(question_from(question), has_documents=documents)
        verdict = "skeleton" if found.use_skeleton else "direct"
        if as_json:
            data = {"route": verdict, "probability": found.probability, "reason": found.reason}
            write_stdout(json.dumps(data, ensure_ascii=False) + "\n")
            return
        probability = "" if found.probability is None else f" {found.probability:.2f}"
        write_stdout(f"{verdict}{probability}: {visible(found.reason)}\n")
