"""`lingua train`: makes the models that the package reads."""

from pathlib import Path
from typing import Annotated

import typer

from lingua_core.cli.align import align, measure_answers, merge_adapter
from lingua_core.cli.causal_lm import causal_lm, export_causal_lm, measure_causal_lm, restore_causal_lm
from lingua_core.cli.collect import collect
from lingua_core.cli.ending import clean_endings, write_stdout
from lingua_core.cli.token_classifier import token_classifier, token_classifier_prompts

__all__ = ["app"]


def app() -> typer.Typer:
    """The group of commands."""
    train = typer.Typer(help="Make the models that the package reads.", no_args_is_help=True)
    train.command("export-encoder")(export_encoder)
    train.command("extractor")(extractor)
    train.command("causal-lm")(causal_lm)
    train.command("export-causal-lm")(export_causal_lm)
    train.command("restore-causal-lm")(restore_causal_lm)
    train.command("measure-causal-lm")(measure_causal_lm)
    train.command("router")(router)
    train.command("token-classifier")(token_classifier)
    train.command("token-classifier-prompts")(token_classifier_prompts)
    train.command("collect")(collect)
    train.command("align")(align)
    train.command("merge-adapter")(merge_adapter)
    train.command("measure-answers")(measure_answers)
    return train


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
            "--out", metavar="DIR", help="Folder for the model and its tokenizer.", show_default=False
        ),
    ],
) -> None:
    """Export a published sentence encoder to the int8 ONNX model that `PromptCompressor(model=DIR)` reads.

    It is in two halves, lower.onnx and upper.onnx. Prints the path, the size in bytes and the SHA-256 of
    each; the same weights give the same ones.
    Needs two more packages; if they are missing, the message holds the command that installs them.
    """
    with clean_endings():
        from lingua_core.cli.showing import waiting
        from lingua_core.errors import LinguaError, ModelError
        from lingua_core.training.export_encoder import export_encoder as export

        with waiting(f"Exporting {source}", quiet=False):
            try:
                digests = export(source, out)
            except (LinguaError, OSError):
                raise
            except Exception as error:  # damaged files raise what their parsers raise
                raise ModelError(f"The model in {str(source)!r} could not be exported: {error}.") from error
        for name, digest in digests.items():
            file = out / name
            write_stdout(f"path    {file}\nsize    {file.stat().st_size} bytes\nsha256  {digest}\n")


def extractor(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="DATA",
            help="Your examples: JSON lines with 'question', 'passages' ('text', 'title') and 'evidence' "
            "([passage, start, end] in characters), may be .gz. Or the folder of the data sets that the "
            "embedded extractor was made from, to make it again.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for the model.", show_default=False)
    ],
    start: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder to start from: an extractor, or a published BERT-style encoder (all-MiniLM-L6-v2 "
            "for the embedded extractor). Default: train the embedded extractor further.",
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="Steps. Default: three passes over your examples; 2400 for the data sets."),
    ] = None,
    questions: Annotated[int, typer.Option(min=1, help="Questions of each step.")] = 16,
    rate: Annotated[float, typer.Option(min=1e-7, max=1e-2, help="Greatest learning rate.")] = 1e-4,
    seed: Annotated[int, typer.Option(help="Of every choice.")] = 0,
    early_exit: Annotated[
        bool,
        typer.Option(
            "--early-exit",
            help="Let windows that look irrelevant leave in the middle of the model: faster, calibrated on "
            "held-out examples, and less sure on texts of another kind.",
        ),
    ] = False,
) -> None:
    """Train a question-aware extractor for `PromptCompressor(model=DIR)`, on a GPU where torch finds one.

    Interrupted, it goes on from its last checkpoint when the same command is given again. Needs torch and
    transformers; if they are missing, the message holds the command that installs them.
    """
    with clean_endings():
        from lingua_core.cli.training_view import train_with_progress

        train_with_progress(
            data,
            out,
            start=start,
            steps=steps,
            questions=questions,
            rate=rate,
            seed=seed,
            early_exit=early_exit,
        )


def router(
    data: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DATA]",
            help="Your questions: JSON lines with 'question' and 'label' (1 if a strong answer is a list of "
            "points that can be written independently, else 0), may be .gz. They are added to the shipped "
            "ones. Default: the shipped ones, to make the embedded router again.",
            show_default=False,
        ),
    ] = None,
    *,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for the model.", show_default=False)
    ],
    alone: Annotated[
        bool, typer.Option("--alone", help="Learn from your questions only, without the shipped ones.")
    ] = False,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Steps. Default: three passes over the questions.")
    ] = None,
    questions: Annotated[int, typer.Option(min=1, help="Questions of each step.")] = 32,
    rate: Annotated[float, typer.Option(min=1e-7, max=1e-2, help="Greatest learning rate.")] = 1e-4,
    seed: Annotated[int, typer.Option(help="Of every choice.")] = 0,
) -> None:
    """Train a router for `EmbeddedRouter(model=DIR)`, on a GPU where torch finds one; minutes on a CPU.

    Prints the threshold and what it achieves on the questions that were held out, one in five. Needs torch
    and transformers; if they are missing, the message holds the command that installs them.
    """
    with clean_endings():
        from lingua_core.cli.router_training_view import train_router_with_progress

        train_router_with_progress(
            data, out, alone=alone, steps=steps, questions=questions, rate=rate, seed=seed
        )
