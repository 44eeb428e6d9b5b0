"""`lingua train`: makes the models that the package reads."""

from pathlib import Path
from typing import Annotated

import typer

from lingua_core.cli.ending import clean_endings, write_stdout

__all__ = ["app"]


def app() -> typer.Typer:
    """The group of commands."""
    train = typer.Typer(help="Make models for --method extract.", no_args_is_help=True)
    train.callback()(_group)
    train.command("export-encoder")(export_encoder)
    return train


def _group() -> None:
    """Keep `train` a group while it has one command only."""


def export_encoder(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="Folder of a BERT-style model: config.json, model.safetensors, tokenizer.json.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", metavar="DIR", help="Folder for model.onnx and tokenizer.json.", show_default=False
        ),
    ],
) -> None:
    """Export a published sentence encoder to the int8 ONNX model that `PromptCompressor(model=DIR)` reads.

    Prints the path, the size in bytes and the SHA-256 of the model; the same weights give the same one.
    Needs two more packages; if they are missing, the message holds the command that installs them.
    """
    with clean_endings():
        from lingua_core.cli.showing import waiting
        from lingua_core.errors import LinguaError, ModelError
        from lingua_core.training.export_encoder import export_encoder as export

        with waiting(f"Exporting {source}", quiet=False):
            try:
                digest = export(source, out)
            except (LinguaError, OSError):
                raise
            except Exception as error:  # damaged files raise what their parsers raise
                raise ModelError(f"The model in {str(source)!r} could not be exported: {error}.") from error
        model = out / "model.onnx"
        write_stdout(f"path    {model}\nsize    {model.stat().st_size} bytes\nsha256  {digest}\n")
