"""A training run as its maker sees it: a bar, the loss, and what came out."""

from pathlib import Path

from lingua_core.cli.ending import say, write_stdout
from lingua_core.cli.training_run import SmoothedLoss, check_training_packages

__all__ = ["train_with_progress"]

_STEPS_OF_THE_SHIPPED = 2400
_PASSES = 3
_SMOOTHING = 0.95
_RATE_OF_NEW_HEADS = 1e-3
_HEADS_TO_ENCODER = 2
"""Heads that are trained already learn little faster than the encoder."""


def train_with_progress(
    data: Path,
    out: Path,
    *,
    start: Path | None,
    steps: int | None,
    questions: int,
    rate: float,
    seed: int,
    early_exit: bool,
) -> None:
    """Train the extractor, with a progress bar on stderr and the result on stdout.

    Args:
        data: A folder of data sets, or a file of examples.
        out: Where the model goes.
        start: As in `train_extractor`.
        steps: None for the default of the kind of data.
        questions: Of each step.
        rate: Greatest learning rate.
        seed: Of every choice.
        early_exit: As in `train_extractor`.

    Raises:
        MissingDependencyError: If torch, transformers or onnx is not installed.
    """
    check_training_packages("Training an extractor", "onnx", "torch", "transformers")
    from rich.console import Console
    from rich.progress import Progress as Bar

    from lingua_core.training.extractor.pipeline import Material, is_extractor, train_extractor
    from lingua_core.training.extractor.train import Progress, TrainingOptions

    say("reading the examples")
    shipped = data.is_dir()
    material = Material.shipped(data, seed=seed) if shipped else Material.own(data, seed=seed)
    default = _STEPS_OF_THE_SHIPPED if shipped else _PASSES * -(-len(material.examples) // questions)
    options = TrainingOptions(
        steps=steps or default,
        questions=questions,
        rate=rate,
        head_rate=_HEADS_TO_ENCODER * rate if is_extractor(start) else _RATE_OF_NEW_HEADS,
        seed=seed,
    )
    say(
        f"{len(material.examples):,} examples, {len(material.calibration):,} held out for calibration, "
        f"{options.steps:,} steps"
    )
    with Bar(console=Console(stderr=True)) as bar:
        task = bar.add_task("training", total=options.steps)
        smoothed = SmoothedLoss(_SMOOTHING)

        def report(progress: Progress) -> None:
            average = smoothed.add(progress.loss)
            bar.update(task, completed=progress.step, description=f"training, loss {average:.2f}")

        settings = train_extractor(material, out, options, start=start, early_exit=early_exit, report=report)
    write_stdout(f"path       {out}\nthreshold  {settings.threshold:g}\n")
