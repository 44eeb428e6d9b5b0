"""`lingua answer`: a question in, an answer out, as it is written."""

from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lingua_core.cli.ending import INCOMPLETE, clean_endings
from lingua_core.errors import InputError

if TYPE_CHECKING:
    from lingua_core.documents import Document
    from lingua_core.llms import HuggingFaceChat, OpenAIChat
    from lingua_core.skeleton import ContextOptions

__all__ = ["ContextsName", "DependenciesName", "RouterName", "answer", "question_from"]

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


class ContextsName(StrEnum):
    """How documents become contexts."""

    auto = "auto"
    per_point = "per-point"
    shared = "shared"


def answer(
    question: Annotated[
        str, typer.Argument(help="The question, or - for standard input.", show_default=False)
    ],
    further: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PATHS]...", help="Further files or folders, after --documents.", show_default=False
        ),
    ] = None,
    documents: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH",
            help="Answer from a file, a folder or - (standard input), and cite it. May be repeated.",
        ),
    ] = None,
    context_tokens: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="The most tokens of documents that all calls read together. By default as many as make the "
            "answer read no more than one call with all documents.",
        ),
    ] = None,
    contexts: Annotated[
        ContextsName | None,
        typer.Option(help="Whether each point reads what bears on it, or all calls read one text."),
    ] = None,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="Documents on standard input are JSON Lines.")
    ] = False,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Go on without documents that cannot be read.")
    ] = False,
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

    The answer goes to stdout as it is written, statistics go to stderr. With --documents it is written from
    them alone; numbers in brackets cite them, and the list of those cited follows on stderr. Documents are
    read as by lingua compress.

    Exit codes:

    * 0: done
    * 2: the command line or the model cannot be used
    * 3: a document could not be read, so nothing was asked (see --skip-unreadable)
    * 4: the answer is incomplete; what there is was printed
    * 130: interrupted; what there is was printed
    * 141: the reader of stdout went away
    """
    with clean_endings():
        from lingua_core.cli.answer_view import show_answer, write_timeline
        from lingua_core.cli.html_file import check_html_target
        from lingua_core.skeleton import SkeletonOfThought

        options = _context_options(documents, further, context_tokens, contexts)
        paths = [*(documents or []), *(further or [])]
        if question == "-" and "-" in paths:
            raise InputError("Standard input is either the question or a document, not both.")
        text = question_from(question)
        if timeline is not None:
            check_html_target(timeline, option="--timeline")
        read = _documents(paths, jsonl=jsonl, skip_unreadable=skip_unreadable, quiet=quiet) if paths else None
        with closing(_llm(model, base_url, local, device)) as llm:
            engine = SkeletonOfThought(
                llm,
                router=router.value,
                dependencies=dependencies.value,
                max_concurrency=max_concurrency,
                max_points=max_points,
                max_tokens=max_tokens,
                deadline=deadline,
                contexts=options,
            )
            found = show_answer(
                engine.stream(text, documents=read), as_json=as_json, show_skeleton=show_skeleton, quiet=quiet
            )
        if timeline is not None:
            write_timeline(timeline, found, text, quiet=quiet)
        if not found.is_complete:
            raise typer.Exit(INCOMPLETE)


def _context_options(
    documents: list[str] | None, further: list[str] | None, tokens: int | None, contexts: ContextsName | None
) -> "ContextOptions":
    from lingua_core.skeleton import ContextOptions

    if not documents and further:
        raise InputError(
            f"Got {1 + len(further)} arguments: put the question in quotes, and --documents before the "
            "names of documents."
        )
    if not documents and (tokens is not None or contexts is not None):
        raise InputError("--context-tokens and --contexts are about --documents, of which there are none.")
    return ContextOptions(mode=contexts.value if contexts is not None else "auto", context_tokens=tokens)


def _documents(paths: list[str], *, jsonl: bool, skip_unreadable: bool, quiet: bool) -> "list[Document]":
    from lingua_core.cli.reading import read_inputs
    from lingua_core.cli.showing import warn

    inputs = read_inputs(paths, jsonl=jsonl, skip_unreadable=skip_unreadable, not_done="nothing was asked")
    warn([f"left out {entry}" for entry in inputs.unreadable])
    if not quiet:
        warn([f"passed over {entry}" for entry in inputs.passed_over] + inputs.remarks, label="note")
    return inputs.documents


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
