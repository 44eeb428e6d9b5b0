"""`lingua train align`, and what goes with it: merging an adapter, and bits per byte of answers."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from lingua_core.cli.ending import clean_endings, write_stdout

__all__ = ["align", "measure_answers", "merge_adapter"]

_ANSWERS = "JSON lines with 'messages' and 'response', as lingua train collect writes them; may be .gz."


def align(
    answers: Annotated[
        list[Path],
        typer.Argument(
            metavar="ANSWERS...", help=f"A file for each target model: {_ANSWERS}", show_default=False
        ),
    ],
    model: Annotated[
        str,
        typer.Option(
            "--model", metavar="DIR", help="A causal language model: a folder, or a name on the hub."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("--out", metavar="DIR", help="Folder for the model or adapter.", show_default=False),
    ],
    lora: Annotated[
        bool, typer.Option("--lora", help="Train a low-rank adapter in the place of all weights.")
    ] = False,
    rank: Annotated[int, typer.Option(min=1, help="Of the adapter; it counts twice its product.")] = 16,
    small: Annotated[
        bool,
        typer.Option(
            "--small",
            help="For a few hundred answers: small steps, up to 10 passes, and an end when what is held out "
            "stops getting better.",
        ),
    ] = False,
    weight: Annotated[
        list[float] | None,
        typer.Option(
            metavar="W",
            help="How often each file's answers come in a pass; once a file, in their order. Default: 1.",
        ),
    ] = None,
    kl: Annotated[
        float,
        typer.Option(
            min=0.0,
            metavar="W",
            help="What the target's own distributions count beside its text, for answers collected with "
            "log-probabilities.",
        ),
    ] = 0.0,
    passes: Annotated[int | None, typer.Option(min=1, help="Over all answers. Default: 2.")] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            min=1e-8, max=1.0, help="Greatest learning rate. Default: 1e-4, with --lora 1e-3.", metavar="R"
        ),
    ] = None,
    rows: Annotated[
        int | None, typer.Option(min=1, help="Rows of packed answers of each step. Default: 8.")
    ] = None,
    window: Annotated[
        int | None,
        typer.Option(
            min=16, help="Tokens of a row. Default: what the model reads at once, at most 1024.", metavar="N"
        ),
    ] = None,
    learn_prompts: Annotated[
        bool, typer.Option("--learn-prompts", help="Learn the prompts' text too, not only the answers'.")
    ] = False,
    held_out: Annotated[
        float | None,
        typer.Option(help="Share of the prompts that is kept for evaluating. Default: 0.1.", metavar="S"),
    ] = None,
    at_once: Annotated[
        int, typer.Option(min=1, help="Rows that go through the model at once: less memory, same result.")
    ] = 4,
    low_memory: Annotated[
        bool, typer.Option("--low-memory", help="Compute what lies between layers twice, not keep it.")
    ] = False,
    device: Annotated[
        str, typer.Option(help="Where to train: cpu, cuda, mps; auto is a GPU where there is one.")
    ] = "auto",
    seed: Annotated[int, typer.Option(help="Of every choice.")] = 0,
) -> None:
    """Align a language model to what the models that read your prompts write, for `lingua compress`.

    Interrupted, it goes on from its last checkpoint when the same command is given again; --at-once,
    --low-memory and --device may change. Prints bits per byte of held-out answers before and after. Needs
    torch, transformers and peft; if one is missing, the message holds the command that installs it.
    """
    with clean_endings():
        from lingua_core.cli.align_view import align_with_progress
        from lingua_core.training.alignment.options import AlignmentOptions, LoraOptions

        adapter = LoraOptions(rank=rank, alpha=2 * rank) if lora else None
        options = AlignmentOptions.small(lora=adapter) if small else AlignmentOptions(lora=adapter)
        given = {"passes": passes, "rate": rate, "rows": rows, "window": window, "held_out": held_out}
        options = replace(
            options,
            kl=kl,
            learn_prompts=learn_prompts,
            at_once=at_once,
            low_memory=low_memory,
            seed=seed,
            **{name: value for name, value in given.items() if value is not None},
        )
        align_with_progress(answers, model, out, options, weights=weight or [], device=device)


def merge_adapter(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="What the adapter was trained on: a folder, or a name on the hub."
        ),
    ],
    adapter: Annotated[
        Path,
        typer.Argument(metavar="ADAPTER", help="Folder of the adapter: of lingua train align, or peft's."),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for the model.", show_default=False)
    ],
) -> None:
    """Make a model of a model and an adapter: for programs that read no adapters, and for ONNX."""
    with clean_endings():
        from lingua_core.cli.align_view import merge_and_show

        merge_and_show(model, adapter, out)


def measure_answers(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A causal language model: a folder, or a name on the hub.")
    ],
    answers: Annotated[list[Path], typer.Argument(metavar="ANSWERS...", help=_ANSWERS, show_default=False)],
    adapter: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A low-rank adapter for the model.")
    ] = None,
    device: Annotated[str, typer.Option(help="Where the model runs, as in align.")] = "auto",
) -> None:
    """Bits per byte of answers that no alignment has seen, each behind its prompt: a Markdown table."""
    with clean_endings():
        from lingua_core.cli.align_view import measured_table

        write_stdout(measured_table(model, answers, adapter, device) + "\n")
