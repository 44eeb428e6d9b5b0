"""A collection as its maker sees it: the estimate, a bar, what came of it, and how to go on."""

import shlex
import signal
import sys
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import typer

from lingua_core.cli.ending import INCOMPLETE, INTERRUPTED, UNUSABLE, printable, say, write_stdout
from lingua_core.cli.showing import warn
from lingua_core.errors import InputError
from lingua_core.llms.base import Cancellation, ChatRequest
from lingua_core.training.collecting import (
    CollectingOptions,
    Earlier,
    Ending,
    Outcome,
    Prices,
    Progress,
    Prompt,
    Tokens,
    collect,
    distinct,
    estimate,
    failures_path,
    read_earlier,
    read_prompts,
)

__all__ = ["Collecting", "collect_and_show"]

_MOST_LINES = 20
_EXIT_CODES: dict[Ending, int] = {"interrupted": INTERRUPTED, "logprobs": UNUSABLE, "disk": UNUSABLE}
_HOW_TO_GO_ON: dict[Ending, str] = {
    "complete": "To ask the prompts that have failed again",
    "interrupted": "To go on",
    "cost": "To go on, raise --max-cost",
    "failures": "Once the endpoint answers again, go on",
    "logprobs": "Without log-probabilities, leave out --require-logprobs",
    "disk": "Once there is room on the disk, go on",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Collecting:
    """What was asked for on the command line.

    Attributes:
        prompts: The file of prompts.
        out: The file of replies.
        model: The model's name.
        base_url: The endpoint; None for OpenAI's.
        system: The system's message for prompts without one.
        defaults: Of the requests.
        options: How to go about it.
        timeout: The longest silence of the endpoint, in seconds.
        token_counter: For the estimate.
        skip_malformed: Whether to go on without lines that are no prompts.
    """

    prompts: Path
    out: Path
    model: str
    base_url: str | None
    system: str | None
    defaults: ChatRequest
    options: CollectingOptions
    timeout: float
    token_counter: str | None
    skip_malformed: bool

    @property
    def settings(self) -> dict[str, str | int | float | bool | None]:
        """What all replies of a file must have been made with."""
        return {
            "model": self.model,
            "system": self.system,
            "max_tokens": self.defaults.max_tokens,
            "temperature": self.defaults.temperature,
            "seed": self.defaults.seed,
            "top_logprobs": self.defaults.top_logprobs,
        }


def collect_and_show(asked: Collecting, *, dry_run: bool) -> None:
    """Collect, with the estimate and a progress bar on stderr and the result on stdout.

    Args:
        asked: What to collect.
        dry_run: Print the estimate to stdout instead, and send nothing.

    Raises:
        InputError: If the prompts, the options or the files cannot be used.
        typer.Exit: If some prompts have no reply.
    """
    prompts = _read(asked)
    earlier = read_earlier(asked.out, asked.settings)
    earlier.check(asked.out, prompts)
    plan = _plan(asked, prompts, earlier)
    if dry_run:
        write_stdout(plan)
        return
    say(plan.rstrip())
    from lingua_core.llms import OpenAIChat

    stop = Cancellation()
    with closing(OpenAIChat(asked.model, base_url=asked.base_url, timeout=asked.timeout)) as llm:
        try:
            with _first_interrupt(stop), _Bar(len(prompts)) as bar:
                outcome = collect(
                    prompts,
                    asked.out,
                    llm,
                    asked.options,
                    settings=asked.settings,
                    report=bar.show,
                    stop=stop,
                )
        except KeyboardInterrupt:
            say(f"Interrupted; every reply that had come is in {asked.out}. {_again('interrupted')}")
            raise
    _show(asked, outcome)


def _read(asked: Collecting) -> list[Prompt]:
    found = read_prompts(asked.prompts, defaults=asked.defaults, system=asked.system)
    if found.malformed:
        shown = "".join(f"\n  {printable(message)}" for message in found.malformed[:_MOST_LINES])
        more = len(found.malformed) - _MOST_LINES
        shown += f"\n  and {more:,} more" if more > 0 else ""
        many = "1 line is" if len(found.malformed) == 1 else f"{len(found.malformed):,} lines are"
        what = f"{many} no prompt in {str(asked.prompts)!r}"
        if not asked.skip_malformed:
            raise InputError(f"{what}; nothing was asked:{shown}\nTo go on without, add --skip-malformed.")
        warn([f"{what}, and left out:{shown}"])
    prompts = distinct(found.prompts)
    if not prompts:
        raise InputError(f"{str(asked.prompts)!r} holds no prompts.")
    if len(prompts) < len(found.prompts):
        warn([f"{len(found.prompts) - len(prompts):,} prompts ask the same again; asked once"], label="note")
    return prompts


def _plan(asked: Collecting, prompts: list[Prompt], earlier: Earlier) -> str:
    """What is to be done, and what it may cost."""
    from lingua_core.tokens import resolve_token_counter

    left = [prompt for prompt in prompts if prompt.id not in earlier.records]
    expected = estimate(
        left, resolve_token_counter(asked.token_counter), mean_completion=earlier.mean_completion
    )
    rows = [
        ("prompts", f"{len(left):,} to ask, {len(prompts) - len(left):,} answered before"),
        ("estimate", f"{expected.prompt_tokens:,} tokens to read (counted by {expected.counter})"),
        ("", f"at most {expected.most_completion_tokens or 0:,} tokens to write"),
    ]
    if expected.likely is not None:
        rows[-1] = ("", f"{rows[-1][1]}, about {expected.likely_completion_tokens:,} as replies so far have")
    prices = asked.options.prices
    if prices is not None:
        about = "" if expected.likely is None else f"about {_money(prices, expected.likely)}, "
        spent = f", {_money(prices, earlier.spent)} spent before" if earlier.size else ""
        cap = asked.options.max_cost
        rows.append(("cost", f"{about}at most {_money(prices, expected.most)}{spent}"))
        if cap is not None:
            enough = "" if prices.cost(expected.most.plus(earlier.spent)) <= cap else ", may not be enough"
            rows.append(("cap", f"{cap:.4f} in all{enough}"))
    return _table(rows)


def _show(asked: Collecting, outcome: Outcome) -> None:
    progress = outcome.progress
    missing = progress.total - progress.answered
    rows = [
        ("responses", str(asked.out)),
        ("answered", f"{progress.answered:,} of {progress.total:,} ({outcome.answered_now:,} now)"),
        ("tokens", f"{progress.spent.prompt:,} read, {progress.spent.completion or 0:,} written"),
    ]
    if asked.defaults.top_logprobs is not None and outcome.answered_now:
        told = f"in {outcome.with_logprobs:,} of {outcome.answered_now:,} replies now"
        rows.append(("logprobs", told))
    if progress.cost is not None:
        rows.append(("cost", f"{progress.cost:.4f}"))
    if progress.failed:
        rows.append(("failed", f"{progress.failed:,}, see {failures_path(asked.out)}"))
    write_stdout(_table(rows))
    if asked.defaults.top_logprobs is not None and outcome.answered_now > outcome.with_logprobs:
        warn(["the endpoint gives no log-probabilities; they are left out"], label="note")
    if outcome.reason:
        say(f"lingua: {outcome.ending}: {printable(outcome.reason)}")
    if missing:
        say(_again(outcome.ending))
    code = _EXIT_CODES.get(outcome.ending, INCOMPLETE if missing else 0)
    if code:
        raise typer.Exit(code)


def _again(ending: Ending) -> str:
    return f"{_HOW_TO_GO_ON[ending]}:\n  {shlex.join(['lingua', *sys.argv[1:]])}"


def _money(prices: Prices, tokens: Tokens) -> str:
    return f"{prices.cost(tokens):.4f}"


def _table(rows: list[tuple[str, str]]) -> str:
    return "".join(f"{name:<11}{value}\n" for name, value in rows)


class _Bar:
    """A progress bar on stderr."""

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichBar

        self._bar = RichBar(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._task = self._bar.add_task("collecting", total=total)

    def __enter__(self) -> "_Bar":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, progress: Progress) -> None:
        """Move to where the run is."""
        told = ["collecting"]
        if progress.failed:
            told.append(f"{progress.failed:,} failed")
        if progress.cost is not None:
            told.append(f"cost {progress.cost:.4f}")
        self._bar.update(self._task, completed=progress.answered, description=", ".join(told))


@contextmanager
def _first_interrupt(stop: Cancellation) -> Generator[None]:
    """Have the first Ctrl-C end the run when the calls under way are through, the second one at once."""

    def end(signum: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        say("\nFinishing the calls under way; Ctrl-C again ends them too.")
        stop.cancel()

    try:
        before = signal.signal(signal.SIGINT, end)
    except ValueError:  # not in the main thread, which alone is told of signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
