"""`lingua demo skeleton`: a written answer, replayed as a model would write it."""

import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lingua_core.cli.ending import clean_endings, say

if TYPE_CHECKING:
    from lingua_core.llms import WrittenAnswer

__all__ = ["demo_answer", "demo_skeleton"]

_FIRST_TOKEN_SECONDS = 0.5
_TOKEN_SECONDS = 1 / 60


def demo_skeleton(
    timeline: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write a picture of all calls (HTML).")
    ] = None,
    speed: Annotated[float, typer.Option(metavar="X", min=0.1, help="Replay so many times faster.")] = 1.0,
) -> None:
    """Show how an answer is planned as a skeleton and its points are written in parallel.

    No model runs: an answer that ships with the package is replayed by a scripted one, at the speed of a
    hosted model (0.5 s until the first token, 60 tokens a second). Everything else is what `lingua answer`
    does.
    """
    with clean_endings():
        from lingua_core.cli.answer_view import show_answer, show_calls, write_timeline
        from lingua_core.cli.html_file import check_html_target
        from lingua_core.llms import ScriptedLLM
        from lingua_core.skeleton import SkeletonOfThought

        if timeline is not None:
            check_html_target(timeline, option="--timeline")
        question, written = demo_answer()
        llm = ScriptedLLM(
            written,
            first_token_seconds=_FIRST_TOKEN_SECONDS / speed,
            token_seconds=_TOKEN_SECONDS / speed,
        )
        say(
            "No model runs here: a scripted one replays a written answer at the speed of a hosted model "
            f"({_FIRST_TOKEN_SECONDS} s until the first token, {1 / _TOKEN_SECONDS:.0f} tokens a second).\n"
        )
        say(f"{question}\n")
        engine = SkeletonOfThought(llm, router="always", dependencies="infer")
        answer = show_answer(engine.stream(question), show_skeleton=True)
        say("")
        show_calls(answer)
        tokens = sum(expansion.usage.completion_tokens for expansion in answer.expansions)
        alone = (_FIRST_TOKEN_SECONDS + tokens * _TOKEN_SECONDS) / speed
        say(
            f"\nWritten by one call, these {tokens} tokens would take {alone:.1f} s at this speed "
            f"(computed, not run): {alone / answer.timings.total:.1f} times as long."
        )
        if timeline is not None:
            write_timeline(timeline, answer, question, quiet=False)


def demo_answer() -> "tuple[str, WrittenAnswer]":
    """The question, and the answer for a `ScriptedLLM`."""
    from lingua_core.llms import WrittenAnswer

    data = json.loads(files("lingua_core").joinpath("demo", "skeleton.json").read_text(encoding="utf-8"))
    points = tuple((point["title"], point["text"]) for point in data["points"])
    return data["question"], WrittenAnswer(points=points)
