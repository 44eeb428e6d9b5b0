"""The training of a language model as its maker sees it: a bar, the loss, and what came out."""

from pathlib import Path

from lingua_core.cli.ending import say, write_stdout
from lingua_core.errors import InputError, MissingDependencyError
from lingua_core.training.causal_lm.shape import ModelShape

__all__ = ["train_with_progress"]

_SMOOTHING = 0.95
_DECAY_SHARE = 0.2


def train_with_progress(
    data: Path,
    out: Path,
    shape: ModelShape,
    *,
    steps: int,
    decay_steps: int | None,
    window: int,
    rows: int,
    rate: float,
    seed: int,
) -> None:
    """Train a language model, with a progress bar on stderr and the result on stdout.

    Args:
        data: A folder of data sets, or a file of texts.
        out: Where the model goes.
        shape: Of the model.
        steps: In all.
        decay_steps: Of them, those in which the learning rate falls; None for a fifth.
        window: Tokens that the model reads at once; before the decay, half of it.
        rows: Of each step.
        rate: Greatest learning rate.
        seed: Of every choice.

    Raises:
        InputError: If the sizes do not fit each other.
        MissingDependencyError: If torch or safetensors is not installed.
    """
    try:
        import safetensors  # pyright: ignore[reportUnusedImport]  # noqa: F401
        import torch  # pyright: ignore[reportUnusedImport]  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError.for_extra(
            str(error.name), extra="train", purpose="Training a language model"
        ) from error
    from rich.console import Console
    from rich.progress import Progress as Bar

    from lingua_core.training.causal_lm.pipeline import Corpus, train_causal_lm
    from lingua_core.training.causal_lm.train import Progress, TrainingOptions

    if window % 2 or rows % 2:
        raise InputError(f"window and rows must be even, got {window} and {rows}.")
    options = TrainingOptions(
        steps=steps,
        decay_steps=decay_steps or max(1, round(_DECAY_SHARE * steps)),
        rows=rows,
        longest=window // 2,
        decay_longest=window,
        rate=rate,
        seed=seed,
    )
    say("reading the texts")
    corpus = Corpus.shipped(data) if data.is_dir() else Corpus.own(data)
    say(f"{len(corpus.texts):,} texts, {shape.parameters:,} parameters, {options.steps:,} steps")
    with Bar(console=Console(stderr=True)) as bar:
        task = bar.add_task("training", total=options.steps)
        average = 0.0

        def report(progress: Progress) -> None:
            nonlocal average
            average = (
                progress.loss if not average else _SMOOTHING * average + (1 - _SMOOTHING) * progress.loss
            )
            bar.update(task, completed=progress.step, description=f"training, loss {average:.3f}")

        train_causal_lm(corpus, out, shape, options, report=report)
    write_stdout(f"path        {out}\nparameters  {shape.parameters}\n")
