"""`lingua train causal-lm`, and what goes with it: export and bits per byte."""

from pathlib import Path
from typing import Annotated

import typer

from lingua_core.cli.ending import clean_endings, write_stdout

__all__ = ["causal_lm", "export_causal_lm", "measure_causal_lm", "restore_causal_lm"]


def causal_lm(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA",
            help="Your texts: JSON lines with 'text' and, if you like, 'id', may be .gz. Or the folder of "
            "the data sets that the embedded language model was made from, to make it again.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for the model.", show_default=False)
    ],
    steps: Annotated[
        int,
        typer.Option(
            min=1,
            help="Steps in all. May be changed when a run goes on, up to where its decay began: stop a long "
            "run and give fewer steps to end it.",
        ),
    ] = 12_000,
    decay_steps: Annotated[
        int | None,
        typer.Option(
            min=1, help="The last steps, in which the learning rate falls. Default: a fifth.", metavar="N"
        ),
    ] = None,
    vocabulary: Annotated[int, typer.Option(min=257, max=65536, help="Tokens of the tokenizer.")] = 8192,
    width: Annotated[int, typer.Option(min=2, help="Of the model's states.")] = 320,
    layers: Annotated[int, typer.Option(min=1, help="Of the model.")] = 8,
    heads: Annotated[int, typer.Option(min=1, help="Of attention.")] = 5,
    inner: Annotated[int, typer.Option(min=1, help="Width inside of the feed-forward parts.")] = 864,
    window: Annotated[int, typer.Option(min=16, help="Tokens that the model reads at once.")] = 1024,
    rows: Annotated[int, typer.Option(min=1, help="Rows of each step, each of half a window.")] = 16,
    rate: Annotated[float, typer.Option(min=1e-6, max=1.0, help="Greatest learning rate.")] = 3e-3,
    seed: Annotated[int, typer.Option(help="Of every choice.")] = 0,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Threads on a CPU. Default: the number of usable cores.")
    ] = None,
) -> None:
    """Train a small language model from nothing, with a tokenizer of its own, on a GPU where there is one.

    Writes what transformers reads, and beside it the int8 ONNX file. Interrupted, it goes on from its last
    checkpoint when the same command is given again. Needs torch; if it is missing, the message holds the
    command that installs it.
    """
    with clean_endings():
        from lingua_core.cli.causal_lm_view import train_with_progress
        from lingua_core.training.causal_lm.shape import ModelShape

        shape = ModelShape(vocabulary=vocabulary, width=width, layers=layers, heads=heads, inner=inner)
        train_with_progress(
            data,
            out,
            shape,
            steps=steps,
            decay_steps=decay_steps,
            window=window,
            rows=rows,
            rate=rate,
            seed=seed,
            workers=workers,
        )


def export_causal_lm(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE",
            help="Folder of a small Llama: config.json, model.safetensors, tokenizer.json. Or of a `lingua "
            "train causal-lm` that has not ended: its last checkpoint.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for the model.", show_default=False)
    ],
    window: Annotated[
        int,
        typer.Option(
            min=16,
            help="For a checkpoint: tokens that the model reads at once, half as many before the decay.",
        ),
    ] = 512,
) -> None:
    """Export a language model to the int8 ONNX file that runs without torch.

    Prints the path, the size in bytes and the SHA-256 of the model; the same weights give the same one.
    """
    with clean_endings():
        from lingua_core.cli.showing import waiting
        from lingua_core.training.causal_lm.export import export_causal_lm as export

        with waiting(f"Exporting {source}", quiet=False):
            if not (source / "model.safetensors").is_file() and (source / "training").is_dir():
                from lingua_core.training.causal_lm.pipeline import save_checkpoint_as_llama

                save_checkpoint_as_llama(source, out, window=window)
                source = out
            digest = export(source, out)
        model = out / "causal_lm.onnx"
        write_stdout(f"path    {model}\nsize    {model.stat().st_size} bytes\nsha256  {digest}\n")


def restore_causal_lm(
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for the model.", show_default=False)
    ],
    source: Annotated[
        Path | None,
        typer.Argument(
            metavar="[SOURCE]",
            help="Folder of `export-causal-lm`. Default: the embedded language model.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Write a language model's int8 weights as transformers reads them: to align it, or train it further."""
    with clean_endings():
        from lingua_core.training.causal_lm.restoring import restore_causal_lm as restore

        restore(out, source=source)
        write_stdout(f"path    {out / 'model.safetensors'}\n")


def measure_causal_lm(
    model: Annotated[
        Path,
        typer.Argument(metavar="MODEL", help="Folder of `export-causal-lm`.", show_default=False),
    ],
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA", help="Folder of the data sets that it was made from.", show_default=False
        ),
    ],
    run: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder of its training, to compare with a model of its sizes that is untrained, and an "
            "n-gram model of the same tokens.",
        ),
    ] = None,
) -> None:
    """Bits per byte on held-out text of each domain, beside those of compressors: a Markdown table."""
    with clean_endings():
        from lingua_core.cli.causal_lm_view import measure_and_show

        measure_and_show(model, data, run)
