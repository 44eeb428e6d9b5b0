"""An alignment as its maker sees it: a bar, what is held out, and what came out."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lingua_core.cli.ending import say, write_stdout
from lingua_core.cli.showing import waiting, warn
from lingua_core.cli.training_run import SmoothedLoss, check_training_packages
from lingua_core.training.alignment.options import AlignmentOptions

if TYPE_CHECKING:
    from lingua_core.training.alignment.targets import Target

__all__ = ["align_with_progress", "measured_table", "merge_and_show"]

_PURPOSE = "Aligning a language model"
_SMOOTHING = 0.9


def align_with_progress(
    answers: Sequence[Path],
    model: str,
    out: Path,
    options: AlignmentOptions,
    *,
    weights: Sequence[float],
    device: str,
) -> None:
    """Align a model, with a progress bar on stderr and the result on stdout.

    Args:
        answers: A file for each target.
        model: A folder, or a name on the hub.
        out: Where the result goes.
        options: How.
        weights: Of the targets; none for 1 each.
        device: Where to train.

    Raises:
        MissingDependencyError: If a package of the extra "train" is missing.
    """
    check_training_packages(_PURPOSE, "torch", "transformers", "peft" if options.lora is not None else "onnx")
    from rich.console import Console
    from rich.progress import Progress as Bar

    from lingua_core.training.alignment.loop import Progress
    from lingua_core.training.alignment.pipeline import align

    targets = _read(answers, weights)
    with Bar(console=Console(stderr=True)) as bar:
        task = bar.add_task("reading the model and the answers", total=None)
        average = SmoothedLoss(_SMOOTHING)
        held_out = 0.0

        def report(progress: Progress) -> None:
            nonlocal held_out
            if progress.loss is not None:
                average.add(progress.loss)
            held_out = progress.held_out if progress.held_out is not None else held_out
            loss = "" if average.value is None else f", loss {average.value:.3f}"
            shown = f"aligning{loss}, held out {held_out:.3f} bits per byte"
            bar.update(task, total=progress.steps, completed=progress.step, description=shown)

        found = align(model, targets, out, options, device=device, report=report)
        bar.update(task, total=found.steps)
    warn(found.notes, label="note")
    write_stdout(
        f"{found.table()}\n\npath      {out}\nsteps     {found.steps}\nkept      {found.best_step}\n"
        f"trained   {found.trained}\n"
    )


def merge_and_show(model: str, adapter: Path, out: Path) -> None:
    """Merge an adapter, and write to stdout where the model is.

    Args:
        model: A folder, or a name on the hub.
        adapter: The adapter's folder.
        out: Where the result goes.

    Raises:
        MissingDependencyError: If torch or transformers is not installed.
    """
    check_training_packages(_PURPOSE, "torch", "transformers")
    from lingua_core.training.alignment.saving import merge_into_folder

    with waiting(f"Merging {adapter}", quiet=False):
        problem = merge_into_folder(model, adapter, out)
    if problem:
        warn([f"no ONNX file: {problem}"], label="note")
    write_stdout(f"path  {out}\n")


def measured_table(model: str, answers: Sequence[Path], adapter: Path | None, device: str) -> str:
    """Bits per byte of all answers, as a Markdown table.

    Args:
        model: A folder, or a name on the hub.
        answers: A file for each target.
        adapter: The folder of an adapter for the model; None for none.
        device: Where the model runs.

    Raises:
        MissingDependencyError: If torch or transformers is not installed.
    """
    check_training_packages(_PURPOSE, "torch", "transformers")
    from lingua_core.training.alignment.pipeline import measure
    from lingua_core.training.causal_lm.evaluate import table

    targets = _read(answers, ())
    with waiting("Measuring", quiet=False):
        return table([measure(model, targets, adapter=adapter, device=device)])


def _read(answers: Sequence[Path], weights: Sequence[float]) -> "list[Target]":
    from lingua_core.training.alignment.targets import read_targets

    targets = read_targets(answers, weights)
    for target in targets:
        left_out = f", {target.empty:,} without a response left out" if target.empty else ""
        say(f"{target.name}: {len(target.answers):,} answers{left_out}")
    return targets
