"""A training run of the router as its maker sees it: a bar, the loss, and what came out."""

from pathlib import Path

from lingua_core.cli.ending import say, write_stdout
from lingua_core.cli.training_run import SmoothedLoss, check_training_packages

__all__ = ["train_router_with_progress"]

_PASSES = 3
_SMOOTHING = 0.95


def train_router_with_progress(
    data: Path | None, out: Path, *, alone: bool, steps: int | None, questions: int, rate: float, seed: int
) -> None:
    """Train the router, with a progress bar on stderr and the result on stdout.

    Args:
        data: A user's questions; None for the shipped ones.
        out: Where the model goes.
        alone: Whether to leave out the shipped questions.
        steps: None for three passes over the questions.
        questions: Of each step.
        rate: Greatest learning rate.
        seed: Of every choice.

    Raises:
        MissingDependencyError: If torch, transformers or onnx is not installed.
    """
    check_training_packages("Training a router", "onnx", "torch", "transformers")
    from rich.console import Console
    from rich.progress import Progress as Bar

    from lingua_core.training.router.pipeline import RouterMaterial, train_router
    from lingua_core.training.router.train import RouterOptions, RouterProgress

    say("reading the questions")
    material = RouterMaterial.of(data, alone=alone)
    default = _PASSES * -(-len(material.examples) // questions)
    options = RouterOptions(steps=steps or default, questions=questions, rate=rate, seed=seed)
    say(
        f"{len(material.examples):,} questions, {len(material.held):,} held out for calibration, "
        f"{options.steps:,} steps"
    )
    with Bar(console=Console(stderr=True)) as bar:
        task = bar.add_task("training", total=options.steps)
        smoothed = SmoothedLoss(_SMOOTHING)

        def report(progress: RouterProgress) -> None:
            average = smoothed.add(progress.loss)
            bar.update(task, completed=progress.step, description=f"training, loss {average:.2f}")

        settings, found = train_router(material, out, options, report=report)
    write_stdout(
        f"path                 {out}\n"
        f"threshold            {settings.threshold:g}\n"
        f"questions held out   {found.questions}\n"
        f"precision            {found.precision:.3f}\n"
        f"recall               {found.recall:.3f}\n"
        f"F1                   {found.f1:.3f}\n"
        f"false-positive rate  {found.false_positive_rate:.3f}\n"
    )
