"""`lingua bench numbers`."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lingua_core.bench.json_lines import records_of
from lingua_core.cli.ending import clean_endings, write_stdout
from lingua_core.errors import InputError

if TYPE_CHECKING:
    from lingua_core.bench.kept_numbers.measuring import KeptSigns

__all__ = ["numbers"]


def numbers(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL]",
            help="A causal language model: a folder, or a name on the hub. Default: the embedded one.",
            show_default=False,
        ),
    ] = None,
    adapter: Annotated[str | None, typer.Option(metavar="DIR", help="An adapter for it.")] = None,
    texts: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Worked problems of yours: JSON lines with 'text' (or 'response'), a prompt each. Default: "
            "eight in one prompt, written for this.",
        ),
    ] = None,
    ratio: Annotated[list[float] | None, typer.Option(min=1.0, help="Default: 5 and 20.")] = None,
) -> None:
    """Numbers and operators of worked problems that `llmlingua` keeps with a model: a Markdown table."""
    with clean_endings():
        from lingua_core.bench.kept_numbers.measuring import kept_signs
        from lingua_core.bench.kept_numbers.problems import DEMONSTRATIONS
        from lingua_core.compression import PromptCompressor

        prompts = [DEMONSTRATIONS] if texts is None else [[text] for text in _texts(texts)]
        compressor = PromptCompressor("llmlingua", model=model, adapter=adapter)
        rows = [kept_signs(compressor, prompts, value) for value in ratio or (5.0, 20.0)]
        write_stdout(_table(rows) + "\n")


def _texts(file: Path) -> Iterator[str]:
    for line, record in enumerate(records_of(file), start=1):
        fields: Mapping[str, object] = record if isinstance(record, dict) else {}  # pyright: ignore[reportUnnecessaryIsInstance]  # any JSON
        text = fields.get("text", fields.get("response"))
        if not isinstance(text, str) or not text.strip():
            raise InputError(f"Line {line} of {str(file)!r} needs 'text' or 'response'; got {record!r:.200}.")
        yield text


def _table(rows: "Sequence[KeptSigns]") -> str:
    lines = ["| asked | tokens kept | numbers kept | operators kept |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {row.ratio:g}x | {row.tokens:.1%} | {row.numbers:.1%} | {row.operators:.1%} |" for row in rows
    ]
    return "\n".join(lines)
