"""The training of a token classifier as its maker sees it: counts, a bar, and the figures."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lingua_core.cli.ending import printable, say, write_stdout
from lingua_core.cli.training_run import SmoothedLoss, check_training_packages
from lingua_core.errors import InputError

if TYPE_CHECKING:
    from lingua_core.training.token_classifier.pipeline import AlignedPairs
    from lingua_core.training.token_classifier.report import TrainingReport

__all__ = ["train_with_progress", "write_prompts"]

_SMOOTHING = 0.95
_SHOWN = ("f1", "precision", "recall", "auc", "rate")


def train_with_progress(
    file: Path,
    model: str,
    out: Path,
    *,
    passes: int,
    patience: int,
    rows: int,
    rate: float,
    seed: int,
    drop_variation: float,
    drop_gap: float,
    most_variation: float | None,
    widest_gap: float | None,
) -> None:
    """Train, with a progress bar on stderr and the figures on stdout.

    Args:
        file: The pairs.
        model: What to start from.
        out: Where the model goes.
        passes: As in `TrainingOptions`, as are the next four.
        patience: See there.
        rows: See there.
        rate: See there.
        seed: See there.
        drop_variation: `variation_share` of `QualityFilters`.
        drop_gap: `gap_share` of `QualityFilters`.
        most_variation: See there.
        widest_gap: See there.

    Raises:
        MissingDependencyError: If torch or transformers is not installed.
    """
    check_training_packages("Training a token classifier", "torch", "transformers")
    from rich.console import Console
    from rich.progress import Progress as Bar

    from lingua_core.cli.showing import waiting
    from lingua_core.training.token_classifier.filters import QualityFilters
    from lingua_core.training.token_classifier.pairs import read_pairs
    from lingua_core.training.token_classifier.pipeline import aligned, train_token_classifier
    from lingua_core.training.token_classifier.train import Progress, TrainingOptions

    filters = QualityFilters(
        variation_share=drop_variation,
        gap_share=drop_gap,
        most_variation=most_variation,
        widest_gap=widest_gap,
    )
    options = TrainingOptions(passes=passes, patience=patience, rows=rows, rate=rate, seed=seed)
    with waiting("reading and aligning the pairs", quiet=False):
        pairs = aligned(read_pairs(file), filters)
    say(_counts(pairs))
    with Bar(console=Console(stderr=True)) as bar:
        task = bar.add_task("training", total=None)
        smoothed, held_out = SmoothedLoss(_SMOOTHING), ""

        def report(progress: Progress) -> None:
            nonlocal held_out
            average = smoothed.add(progress.loss)
            if progress.validation is not None:
                held_out = f", {progress.validation:.3f} on held-out pairs"
            bar.update(
                task,
                total=progress.steps,
                completed=progress.step,
                description=f"training, loss {average:.3f}{held_out}",
            )

        found = train_token_classifier(pairs, model, out, options, report=report)
    write_stdout(_figures(found, out))


def write_prompts(
    paths: Sequence[str],
    out: Path,
    *,
    longest: int,
    counter: str | None,
    instruction: Path | None,
    jsonl: bool,
    skip_unreadable: bool,
) -> None:
    """Write prompts that ask for compressions, whole or not at all.

    Args:
        paths: Documents, as in `read_inputs`.
        out: The file.
        longest: Tokens of a piece, at most.
        counter: What tokens are; None for the embedded tokenizer.
        instruction: A file with an instruction; None for the default one.
        jsonl: Whether standard input is JSON lines.
        skip_unreadable: Whether to go on without what cannot be read.

    Raises:
        InputError: If there is nothing to read, the instruction is blank, or `out` cannot be written.
        UnreadableError: If something cannot be read.
    """
    from lingua_core.cli.html_file import check_html_target as check_target
    from lingua_core.cli.html_file import write_html as write_whole
    from lingua_core.cli.reading import read_inputs
    from lingua_core.cli.showing import waiting, warn
    from lingua_core.tokens import resolve_token_counter
    from lingua_core.training.token_classifier.instruction import INSTRUCTION
    from lingua_core.training.token_classifier.requests import compression_requests

    check_target(out, inputs=paths, option="--out")
    wanted = INSTRUCTION
    if instruction is not None and not (wanted := instruction.read_text(encoding="utf-8").strip()):
        raise InputError(f"{str(instruction)!r} is blank: expected an instruction.")
    found = read_inputs(paths, jsonl=jsonl, skip_unreadable=skip_unreadable, not_done="nothing was written")
    warn([*found.unreadable, *found.remarks])
    warn(found.passed_over, label="passed over")
    with waiting("cutting the documents", quiet=False):
        requests = compression_requests(
            found.documents, resolve_token_counter(counter), longest=longest, instruction=wanted
        )
        lines = [json.dumps(request) + "\n" for request in requests]
    write_whole(out, "".join(lines), option="--out")
    write_stdout(
        f"path       {printable(str(out))}\ndocuments  {len(found.documents)}\nprompts    {len(lines)}\n"
    )


def _counts(pairs: "AlignedPairs") -> str:
    choice = pairs.choice
    left_out = [
        f"{number:,} {reason}"
        for number, reason in (
            (pairs.empty, "with an empty compression"),
            (pairs.cut_off, "with one that was cut off"),
            (choice.varied, "for their variation rate"),
            (choice.gaping, "for their alignment gap"),
        )
        if number
    ]
    rate = sum(float(a.matching_rate) for a in pairs.alignments) / len(pairs.alignments)
    return f"{len(pairs.pairs):,} pairs, {rate:.1%} of their words kept" + (
        f"; left out: {', '.join(left_out)}" if left_out else ""
    )


def _figures(report: "TrainingReport", out: Path) -> str:
    named = {"this model": report.test, **report.baselines}
    width = max(map(len, named))
    head = f"{'':{width}}" + "".join(f"{name:>11}" for name in _SHOWN)
    lines = [
        f"{name:{width}}" + "".join(f"{getattr(figures, field):>11.3f}" for field in _SHOWN)
        for name, figures in named.items()
    ]
    pairs = report.pairs
    return (
        f"path    {printable(str(out))}\n"
        f"pairs   {pairs.learnt:,} learnt from, {pairs.validation:,} to stop by, {pairs.test:,} held out\n"
        f"passes  {len(report.validation_losses)}\n\n"
        f"on {report.test.tokens:,} held-out tokens, {report.test.rate_of_labels:.1%} of them to keep:\n\n"
        + "\n".join([head, *lines])
        + "\n"
    )
