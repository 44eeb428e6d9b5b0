"""`lingua compress`: text in, the part that matters out."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lingua_core.cli.ending import NOTHING_KEPT, clean_endings, say, write_stdout
from lingua_core.results import CompressionResult
from lingua_core.unicode import encodable

__all__ = ["MethodName", "OrderName", "compress"]


class MethodName(StrEnum):
    """The methods, as typer lists them (it knows `Literal` only since 0.19)."""

    extract = "extract"
    lexical = "lexical"
    llmlingua = "llmlingua"
    longllmlingua = "longllmlingua"
    llmlingua2 = "llmlingua2"
    selective_context = "selective-context"


class OrderName(StrEnum):
    """The orders of the documents."""

    original = "original"
    relevance = "relevance"
    ends = "ends"


def compress(
    paths: Annotated[
        list[str] | None,
        typer.Argument(help="Files, folders, or - for standard input.", metavar="PATHS", show_default=False),
    ] = None,
    query: Annotated[
        str | None,
        typer.Option("--query", "-q", help="The question. Without one, what is most informative is kept."),
    ] = None,
    target_tokens: Annotated[
        int | None, typer.Option(help="The most tokens that the output may have.", metavar="N")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="The fraction of tokens to keep, 0 to 1.", metavar="R")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="Keep everything that scores at least this.", metavar="T")
    ] = None,
    method: Annotated[
        MethodName,
        typer.Option(help="The embedded model, BM25, or a way to keep words instead of sentences."),
    ] = MethodName.extract,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="A model of yours: for extract one from lingua train, for llmlingua2 a token classifier, "
            "for the other three a causal language model; a folder or a name on the Hugging Face hub. "
            "Default: the embedded one; llmlingua2 has none.",
        ),
    ] = None,
    adapter: Annotated[
        str | None,
        typer.Option(
            metavar="DIR", help="A low-rank adapter for a causal language model: of lingua train align."
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="Where the model runs: cpu, cuda, mps.")] = "auto",
    order: Annotated[OrderName, typer.Option(help="Order of the documents.")] = OrderName.original,
    token_counter: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="A tiktoken encoding or model, a tokenizer.json, or a Hugging Face tokenizer.",
        ),
    ] = None,
    removal_note: Annotated[
        bool,
        typer.Option("--removal-note", help="End the text with a note of what was removed, in a few words."),
    ] = False,
    removed_store: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Keep what was removed in this file, for lingua removed and for tools."
        ),
    ] = None,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="Standard input is JSON Lines.")] = False,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Go on without inputs that cannot be read.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the whole result as one JSON object instead of the text.")
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Also write a report that shows what was kept."),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="No statistics and notes; warnings and errors remain.")
    ] = False,
) -> None:
    """Compress texts to what matters for a question.

    The compressed text goes to stdout, statistics go to stderr. Of --target-tokens, --rate and
    --threshold give at most one; with none, the question decides how much is kept (half of the tokens
    are kept with --method lexical, and without a question).

    Inputs are UTF-8 text (or UTF-16/32 with a byte order mark). Each file is one document with its
    path as id and as title its name, or the first heading of a Markdown file. Folders are read with
    all below them, in sorted order; hidden and binary files in them are passed over with a note.
    Files named .jsonl or .ndjson have one document a line, an object with the fields `text` and,
    optionally, `id`, `title`, `metadata`; all other fields go into the metadata.

    Exit codes:

    * 0: done
    * 1: nothing was kept, though there was text
    * 2: the command line or an input cannot be used
    * 3: an input could not be read, so nothing was compressed (see --skip-unreadable)
    * 130: interrupted
    * 141: the reader of stdout went away
    """
    with clean_endings():
        from lingua_core.budget import choose_budget
        from lingua_core.cli.html_file import check_html_target, write_html
        from lingua_core.cli.reading import read_inputs
        from lingua_core.cli.removed import check_store_target
        from lingua_core.cli.showing import show_statistics, waiting, warn
        from lingua_core.compression import PromptCompressor

        choose_budget(target_tokens=target_tokens, rate=rate, threshold=threshold)
        if html is not None:
            check_html_target(html, inputs=paths or [])
        store = check_store_target(removed_store, inputs=paths or [])
        inputs = read_inputs(paths or [], jsonl=jsonl, skip_unreadable=skip_unreadable)
        warn([f"left out {entry}" for entry in inputs.unreadable])
        if not quiet:
            warn([f"passed over {entry}" for entry in inputs.passed_over] + inputs.remarks, label="note")
        with waiting(f"Compressing; documents: {len(inputs.documents):,}", quiet=quiet):
            compressor = PromptCompressor(
                method.value,
                model=model,
                adapter=adapter,
                device=device,
                token_counter=token_counter,
                removal_note=removal_note,
                removed_store=store,
            )
            result = compressor.compress(
                inputs.documents,
                query,
                target_tokens=target_tokens,
                rate=rate,
                threshold=threshold,
                order=order.value,
            )
        if html is not None:
            write_html(html, result.to_html())
        write_stdout(_json(result) if as_json else _text(result))
        if not as_json and encodable(result.text) != result.text:
            warn(["lone surrogates are no text; they were written as U+FFFD (--json keeps them, escaped)"])
        if not quiet:
            show_statistics(result)
        if not result.documents:
            say("lingua: nothing was kept.")
            raise typer.Exit(NOTHING_KEPT)


def _text(result: CompressionResult) -> str:
    return result.text if not result.text or result.text.endswith("\n") else result.text + "\n"


def _json(result: CompressionResult) -> str:
    data = result.to_dict()
    text = json.dumps(data, ensure_ascii=False, allow_nan=False)
    # Lone surrogates cannot be written as UTF-8, but they can be escaped.
    return (text if encodable(text) == text else json.dumps(data, allow_nan=False)) + "\n"
