"""Before and after in the terminal; the same without colours where stdout is no terminal."""

import io
import re
import sys
from importlib.resources import files
from itertools import groupby

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from lingua_core.cli.ending import write_stdout
from lingua_core.cli.records import documents_from_lines
from lingua_core.documents import Document
from lingua_core.report.escaping import visible
from lingua_core.results import CompressedDocument, CompressionResult, ScoredSegment

__all__ = ["demo_documents", "show_demo"]

_WIDEST = 100
_PLAIN_WIDTH = 80
_KEPT_MARK = "┃ "


def demo_documents() -> list[Document]:
    """The documents that ship with the package."""
    lines = files("lingua_core").joinpath("demo", "documents.jsonl").read_text(encoding="utf-8")
    return documents_from_lines(lines, "demo/documents.jsonl")


def show_demo(result: CompressionResult, answer: str | None) -> None:
    """Print the statistics, the documents with what was kept, the compressed text and a citation.

    Args:
        result: What to show.
        answer: What a model could have answered; without one, the best kept piece stands in.
    """
    if sys.stdout.isatty():
        _show(Console(width=min(Console().width, _WIDEST), highlight=False), result, answer)
        return
    written = io.StringIO()
    _show(Console(file=written, width=_PLAIN_WIDTH, highlight=False), result, answer)
    write_stdout("".join(line.rstrip() + "\n" for line in written.getvalue().split("\n")[:-1]))


def _show(console: Console, result: CompressionResult, answer: str | None) -> None:
    console.print(_statistics(result))
    _heading(console, "Before: kept and dropped", f"{_KEPT_MARK}marks what was kept")
    after_kept = False
    for document in sorted((*result.documents, *result.dropped), key=lambda d: d.index):
        if document.spans or after_kept:
            console.print()
        _show_document(console, document)
        after_kept = bool(document.spans)
    _heading(console, "After: what the model reads")
    console.print()
    console.print(Text(visible(result.text)), soft_wrap=False)
    _show_citation(console, result, answer)


def _statistics(result: CompressionResult) -> Table:
    total = len(result.documents) + len(result.dropped)
    times = f"{result.ratio:.1f} times smaller" if result.compressed_tokens else "nothing kept"
    rows = [
        ("Question", Text(visible(result.query or "(none)"), "bold")),
        (
            "Tokens",
            Text(f"{result.origin_tokens:,} -> {result.compressed_tokens:,}  ({times})", "bold green"),
        ),
        ("Documents", Text(f"{len(result.documents)} of {total} kept")),
        ("Method", Text(f"{result.method}, {_budget(result)}")),
        ("Counted by", Text(result.token_counter)),
        *(("Note", Text(note.message, "yellow")) for note in result.notes),
    ]
    table = Table(box=SIMPLE_HEAD, show_header=False, pad_edge=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, value in rows:
        table.add_row(name, value)
    return table


def _budget(result: CompressionResult) -> str:
    return f"{result.budget.kind.replace('_', ' ')} {result.budget.value:,g}"


def _heading(console: Console, title: str, aside: str = "") -> None:
    console.print()
    console.print(
        Rule(Text.assemble((title, "bold"), f"  {aside}" if aside else ""), align="left", style="dim")
    )
    console.print()


def _show_document(console: Console, document: CompressedDocument) -> None:
    title = visible(document.title or document.id or f"document {document.index + 1}")
    figures = (
        f"  {document.origin_tokens:,} -> {document.compressed_tokens:,} tokens, score {document.score:.2f}"
    )
    if not document.spans:
        console.print(Text.assemble(title, figures.replace("-> 0 tokens", "tokens, dropped"), style="dim"))
        return
    console.print(Text.assemble((title, "bold"), (figures, "dim")))
    for kept, run in groupby(document.segments, key=lambda segment: segment.kept):
        segments = list(run)
        text = visible(document.source.text[segments[0].start : segments[-1].end])
        if kept:
            _show_kept(console, text)
        else:
            _show_dropped(console, text, segments)


def _show_kept(console: Console, text: str) -> None:
    for line in re.sub(r"\n\s*\n", "\n", text).split("\n"):
        for part in Text(line, "green").wrap(console, console.width - len(_KEPT_MARK)):
            part.rstrip()
            console.print(Text.assemble((_KEPT_MARK, "bold green"), part))


def _show_dropped(console: Console, text: str, segments: list[ScoredSegment]) -> None:
    tokens = sum(segment.tokens for segment in segments)
    pieces = "1 piece" if len(segments) == 1 else f"{len(segments)} pieces"
    label = f" [{pieces}, {tokens} tokens dropped]"
    line = Text(" ".join(text.split()))
    room = console.width - len(_KEPT_MARK) - len(label)
    line.truncate(room, overflow="ellipsis")
    console.print(Text.assemble(" " * len(_KEPT_MARK), line, label, style="dim"))


def _show_citation(console: Console, result: CompressionResult, answer: str | None) -> None:
    said = answer if answer is not None else _best_piece(result)
    if said is None:
        return
    _heading(console, "Where an answer comes from", "result.recover(answer)")
    console.print()
    console.print(Text.assemble(("Answer  ", "dim"), visible(said)))
    for found in result.recover(said)[:1]:
        document = next(d for d in result.documents if d.index == found.document)
        span = found.spans[0]
        place = f", characters {span.start:,} to {span.end:,}"
        console.print(
            Text.assemble(("Source  ", "dim"), (visible(document.title or document.id or ""), "bold"), place)
        )
        quote = Text(visible(document.source.text[span.start : span.end]), "green")
        console.print(Padding(quote, (0, 0, 0, len("Source  "))))


def _best_piece(result: CompressionResult) -> str | None:
    scored = [(s, d) for d in result.documents for s in d.segments if s.kept and s.kind != "heading"]
    if not scored:
        return None
    segment, document = max(scored, key=lambda entry: entry[0].score)
    return document.source.text[segment.start : segment.end]
