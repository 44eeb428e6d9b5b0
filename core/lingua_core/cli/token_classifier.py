"""`lingua train token-classifier`, and the prompts by which its pairs are collected."""

from pathlib import Path
from typing import Annotated

import typer

from lingua_core.cli.ending import clean_endings

__all__ = ["token_classifier", "token_classifier_prompts"]


def token_classifier(
    pairs: Annotated[
        Path,
        typer.Argument(
            metavar="PAIRS",
            help="JSON lines with 'origin' and 'compressed' and, if you like, 'id' and 'document'; or what "
            "`lingua train collect` wrote for the prompts of `token-classifier-prompts`. May be .gz.",
            show_default=False,
        ),
    ],
    *,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            metavar="MODEL",
            help="What to start from: the folder of an encoder such as BERT, or of a token classifier with "
            "two labels; or its name on the Hugging Face hub.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder for the model.", show_default=False)
    ],
    passes: Annotated[int, typer.Option(min=1, help="Over the pairs, at most.")] = 10,
    patience: Annotated[
        int, typer.Option(min=1, help="End after so many passes without a lower loss on held-out pairs.")
    ] = 2,
    rows: Annotated[int, typer.Option(min=1, help="Texts of each step, of up to 512 tokens.")] = 16,
    rate: Annotated[float, typer.Option(min=1e-7, max=1e-2, help="Greatest learning rate.")] = 5e-5,
    seed: Annotated[int, typer.Option(help="Of every choice.")] = 0,
    drop_variation: Annotated[
        float,
        typer.Option(
            min=0, max=0.99, help="Share of the pairs to leave out: those with most words of their own."
        ),
    ] = 0.05,
    drop_gap: Annotated[
        float,
        typer.Option(
            min=0, max=0.99, help="Share of the rest to leave out: those that align worst with their texts."
        ),
    ] = 0.1,
    most_variation: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Leave out pairs above this variation rate too.", show_default=False),
    ] = None,
    widest_gap: Annotated[
        float | None,
        typer.Option(min=0, max=1, help="Leave out pairs above this alignment gap too.", show_default=False),
    ] = None,
) -> None:
    """Train a token classifier for `PromptCompressor(method="llmlingua2", model=DIR)` on compressed texts.

    A tenth of the documents decides when to stop, another tenth is measured on. Runs on a GPU where torch
    finds one. Interrupted, it goes on from its last checkpoint when the same command is given again. Needs
    torch and transformers; if they are missing, the message holds the command that installs them.
    """
    with clean_endings():
        from lingua_core.cli.token_classifier_view import train_with_progress

        train_with_progress(
            pairs,
            model,
            out,
            passes=passes,
            patience=patience,
            rows=rows,
            rate=rate,
            seed=seed,
            drop_variation=drop_variation,
            drop_gap=drop_gap,
            most_variation=most_variation,
            widest_gap=widest_gap,
        )


def token_classifier_prompts(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="DOCS...",
            help="Text files, folders of them, or JSON lines with 'text'; - for standard input.",
            show_default=False,
        ),
    ],
    *,
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="JSON lines of prompts.", show_default=False)
    ],
    longest: Annotated[
        int, typer.Option(min=16, help="Tokens of a piece, at most: models drop too much of long texts.")
    ] = 512,
    counter: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What tokens are: a tiktoken encoding or model, or a tokenizer.json. Default: the embedded "
            "tokenizer.",
        ),
    ] = None,
    instruction: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Your own instruction, as text. Default: to delete words only."),
    ] = None,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="Standard input is JSON lines.")] = False,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Go on without what cannot be read.")
    ] = False,
) -> None:
    """Cut documents into pieces, and write the prompts that ask a large model to compress them.

    One prompt a line, with 'id' and 'messages', for `lingua train collect`; what that writes is what
    `lingua train token-classifier` reads.
    """
    with clean_endings():
        from lingua_core.cli.token_classifier_view import write_prompts

        write_prompts(
            paths,
            out,
            longest=longest,
            counter=counter,
            instruction=instruction,
            jsonl=jsonl,
            skip_unreadable=skip_unreadable,
        )
