"""`lingua answer`: a question in, an answer out, as it is written."""

from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lingua_core.cli.ending import INCOMPLETE, clean_endings
from lingua_core.errors import InputError

if TYPE_CHECKING:
    from lingua_core.llms import HuggingFaceChat, OpenAIChat

__all__ = ["DependenciesName", "RouterName", "answer", "question_from"]

_WAYS = """No model was named. Name one in one of three ways:
  --model NAME                 at OpenAI, with the key in OPENAI_API_KEY
  --base-url URL --model NAME  at any OpenAI-compatible endpoint (vLLM, SGLang, llama.cpp, Ollama, ...)
  --local FOLDER               a Hugging Face model on this machine (pip install "lingua-rag[transformers]")
To see how it looks without any, run: lingua demo skeleton"""


class RouterName(StrEnum):
    """The routers, as typer lists them (it knows `Literal` only since 0.19)."""

    auto = "auto"
    llm = "llm"
    always = "always"
    never = "never"


class DependenciesName(StrEnum):
    """Who says which points build on others."""

    none = "none"
    infer = "infer"
    model = "model"


def answer(
    question: Annotated[
        str, typer.Argument(help="The question, or - for standard input.", show_default=False)
    ],
    model: Annotated[
        str | None, typer.Option("--model", "-m", metavar="NAME", help="The model's name at the endpoint.")
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(metavar="URL", help="An OpenAI-compatible endpoint; OpenAI's by default.")
    ] = None,
    local: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="A Hugging Face model on this machine: a folder or a name."),
    ] = None,
    device: Annotated[str, typer.Option(help="Where a local model runs: cpu, cuda, mps.")] = "auto",
    router: Annotated[
        RouterName, typer.Option(help="Who decides whether the answer is planned as a skeleton.")
    ] = RouterName.auto,
    dependencies: Annotated[
        DependenciesName,
        typer.Option(help="Whether points wait for others: a conclusion (infer), or as the model says."),
    ] = DependenciesName.infer,
    max_concurrency: Annotated[int, typer.Option(metavar="N", help="Calls at once.")] = 8,
    max_points: Annotated[int, typer.Option(metavar="N", help="Points of a skeleton.")] = 12,
    max_tokens: Annotated[
        int | None, typer.Option(metavar="N", help="The most tokens of a direct answer.")
    ] = None,
    deadline: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="When the answer is ended as it is.")
    ] = None,
    show_skeleton: Annotated[
        bool, typer.Option("--show-skeleton", help="Print the skeleton to stderr when it is planned.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the answer with all about it as one JSON object at its end.")
    ] = False,
    timeline: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write a picture of all calls (HTML).")
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="No statistics and notes; warnings and errors remain.")
    ] = False,
) -> None:
    """Answer a question; where it pays, plan it as a skeleton and write its points in parallel.

    The answer goes to stdout as it is written, statistics go to stderr.

    Exit codes:

    * 0: done
    * 2: the command line or the model cannot be used
    * 4: the answer is incomplete; what there is was printed
    * 130: interrupted; what there is was printed
    * 141: the reader of stdout went away
    """
    with clean_endings():
        from lingua_core.cli.answer_view import show_answer, write_timeline
        from lingua_core.cli.html_file import check_html_target
        from lingua_core.skeleton import SkeletonOfThought

        text = question_from(question)
        if timeline is not None:
            check_html_target(timeline, option="--timeline")
        with closing(_llm(model, base_url, local, device)) as llm:
            engine = SkeletonOfThought(
                llm,
                router=router.value,
                dependencies=dependencies.value,
                max_concurrency=max_concurrency,
                max_points=max_points,
                max_tokens=max_tokens,
                deadline=deadline,
            )
            found = show_answer(
                engine.stream(text), as_json=as_json, show_skeleton=show_skeleton, quiet=quiet
            )
        if timeline is not None:
            write_timeline(timeline, found, text, quiet=quiet)
        if not found.is_complete:
            raise typer.Exit(INCOMPLETE)


def question_from(given: str) -> str:
    """The question that an argument stands for: itself, or standard input for "-"."""
    if given != "-":
        return given
    from lingua_core.cli.decoding import decoded

    return decoded(typer.get_binary_stream("stdin").read()).strip()


def _llm(
    model: str | None, base_url: str | None, local: str | None, device: str
) -> "OpenAIChat | HuggingFaceChat":
    if local is not None:
        if model is not None or base_url is not None:
            raise InputError("--local names a model on this machine; leave out --model and --base-url.")
        from lingua_core.llms import HuggingFaceChat

        return HuggingFaceChat(local, device=device)
    if model is None:
        raise InputError(_WAYS)
    from lingua_core.llms import OpenAIChat

    return OpenAIChat(model, base_url=base_url)
