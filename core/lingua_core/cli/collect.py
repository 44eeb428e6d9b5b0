"""`lingua train collect`: a target model's replies to many prompts."""

from pathlib import Path
from typing import Annotated

import typer

from lingua_core.cli.ending import clean_endings
from lingua_core.errors import InputError

__all__ = ["collect"]


def collect(
    prompts: Annotated[
        Path,
        typer.Argument(
            metavar="PROMPTS",
            help="JSON lines with 'prompt' (a text) or 'messages' ('role', 'content'), and if you like 'id', "
            "'system', 'max_tokens'; may be .gz; - for standard input.",
            show_default=False,
        ),
    ],
    model: Annotated[
        str,
        typer.Option("--model", "-m", metavar="NAME", help="The model's name there.", show_default=False),
    ],
    base_url: Annotated[
        str | None, typer.Option(metavar="URL", help="An OpenAI-compatible endpoint; OpenAI's by default.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            metavar="FILE",
            help="Where the replies go. Default: beside the prompts, as NAME.responses.jsonl.",
            show_default=False,
        ),
    ] = None,
    system: Annotated[
        str | None, typer.Option(metavar="TEXT", help="The system's message for prompts without one.")
    ] = None,
    max_tokens: Annotated[
        int, typer.Option(min=1, metavar="N", help="The most tokens of a reply, where a line does not say.")
    ] = 512,
    temperature: Annotated[
        float | None, typer.Option(min=0.0, max=2.0, help="Default: the endpoint's.", show_default=False)
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="For endpoints that sample reproducibly.", show_default=False)
    ] = None,
    top_logprobs: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="K",
            help="Ask for the log-probabilities of the K likeliest tokens at each place, where the endpoint "
            "gives them; 0 for none.",
        ),
    ] = 5,
    require_logprobs: Annotated[
        bool, typer.Option("--require-logprobs", help="End at once if the endpoint gives none.")
    ] = False,
    price_in: Annotated[
        float | None,
        typer.Option(min=0.0, metavar="PRICE", help="Of a million tokens read.", show_default=False),
    ] = None,
    price_out: Annotated[
        float | None,
        typer.Option(min=0.0, metavar="PRICE", help="Of a million tokens written.", show_default=False),
    ] = None,
    max_cost: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            metavar="AMOUNT",
            help="The most that all runs into FILE may cost together, calls under way included.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the estimate, and send nothing.")] = False,
    token_counter: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Counts for the estimate: a tiktoken name, or a tokenizer.json.",
            show_default=False,
        ),
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, metavar="N", help="Calls at once.")] = 8,
    attempts: Annotated[
        int, typer.Option(min=1, metavar="N", help="Calls for a prompt until it has failed.")
    ] = 5,
    give_up_after: Annotated[
        int, typer.Option(min=1, metavar="N", help="End when so many prompts have failed in a row.")
    ] = 10,
    timeout: Annotated[
        float, typer.Option(min=0.1, metavar="SECONDS", help="The longest silence of the endpoint.")
    ] = 120.0,
    skip_malformed: Annotated[
        bool, typer.Option("--skip-malformed", help="Go on without lines that are no prompts.")
    ] = False,
) -> None:
    """Gather a target model's replies, and log-probabilities where the endpoint gives them, to learn from.

    The key comes from OPENAI_API_KEY; an endpoint on this machine needs none. Each reply is on the disk when
    it has come. However a run ends, the same command goes on where it was: it asks what is missing, and what
    has failed, again. Ctrl-C lets the calls under way finish; a second one ends them too.

    Before you train on replies, check that the terms of the endpoint and of the model allow it.

    Exit codes:

    * 0: every prompt has its reply
    * 2: the command line, the prompts, the endpoint or the disk cannot be used
    * 4: some prompts have no reply yet; what there is was kept
    * 130: interrupted; what there is was kept
    """
    with clean_endings():
        from dataclasses import replace

        from lingua_core.cli.collect_view import Collecting, collect_and_show
        from lingua_core.llms.base import ChatRequest
        from lingua_core.training.collecting import CollectingOptions, Prices

        if (price_in is None) != (price_out is None):
            raise InputError("--price-in and --price-out belong together: give both, or none.")
        if max_cost is not None and price_in is None:
            raise InputError("--max-cost needs --price-in and --price-out, per million tokens.")
        if require_logprobs and not top_logprobs:
            raise InputError("--require-logprobs needs --top-logprobs of at least 1.")
        options = CollectingOptions(
            concurrency=concurrency,
            give_up_after=give_up_after,
            prices=None
            if price_in is None or price_out is None
            else Prices(prompt=price_in, completion=price_out),
            max_cost=max_cost,
            require_logprobs=require_logprobs,
        )
        collect_and_show(
            Collecting(
                prompts=prompts,
                out=_target(prompts, out),
                model=model,
                base_url=base_url,
                system=system,
                defaults=ChatRequest(
                    messages=(),
                    max_tokens=max_tokens,
                    temperature=temperature,
                    seed=seed,
                    top_logprobs=top_logprobs or None,
                ),
                options=replace(options, retry=replace(options.retry, max_attempts=attempts)),
                timeout=timeout,
                token_counter=token_counter,
                skip_malformed=skip_malformed,
            ),
            dry_run=dry_run,
        )


def _target(prompts: Path, out: Path | None) -> Path:
    """Where the replies go.

    Raises:
        InputError: If that is no place for them.
    """
    if out is None:
        if prompts == Path("-"):
            raise InputError("Prompts from standard input need --out FILE.")
        out = prompts.with_name(f"{Path(prompts.name.removesuffix('.gz')).stem}.responses.jsonl")
    if out.suffix not in (".jsonl", ".ndjson"):
        raise InputError(f"--out must be a file of JSON lines, such as replies.jsonl, got {str(out)!r}.")
    if out.resolve() == prompts.resolve():
        raise InputError(f"--out {str(out)!r} is the file of prompts; the replies need one of their own.")
    return out
