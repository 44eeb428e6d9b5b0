"""The training of a language model as its maker sees it: a bar, the loss, and what came out."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from lingua_core.cli.ending import say, write_stdout
from lingua_core.cli.training_run import SmoothedLoss, check_training_packages
from lingua_core.errors import InputError
from lingua_core.training.causal_lm.shape import ModelShape

if TYPE_CHECKING:
    from lingua_core.models.onnx_causal_lm import OnnxCausalLM

__all__ = ["measure_and_show", "train_with_progress"]

_SMOOTHING = 0.95
_DECAY_SHARE = 0.2
_WINDOW_OF_THE_UNTRAINED = 512


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
    workers: int | None,
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
        workers: Threads; None for the number of usable cores, or for what a GPU needs.

    Raises:
        InputError: If the sizes do not fit each other.
        MissingDependencyError: If torch, onnx or safetensors is not installed.
    """
    check_training_packages("Training a language model", "onnx", "safetensors", "torch")
    import torch
    from rich.console import Console
    from rich.progress import Progress as Bar

    from lingua_core.models.onnx_session import usable_cores
    from lingua_core.training.causal_lm.export import export_causal_lm
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
        workers=workers or (1 if torch.cuda.is_available() else usable_cores()),
    )
    say("reading the texts")
    corpus = Corpus.shipped(data) if data.is_dir() else Corpus.own(data)
    say(f"{len(corpus.texts):,} texts, {shape.parameters:,} parameters, {options.steps:,} steps")
    with Bar(console=Console(stderr=True)) as bar:
        task = bar.add_task("training", total=options.steps)
        smoothed = SmoothedLoss(_SMOOTHING)

        def report(progress: Progress) -> None:
            average = smoothed.add(progress.loss)
            bar.update(task, completed=progress.step, description=f"training, loss {average:.3f}")

        train_causal_lm(corpus, out, shape, options, report=report)
    digest = export_causal_lm(out, out)
    write_stdout(f"path        {out}\nparameters  {shape.parameters}\nsha256      {digest}\n")


def measure_and_show(model: Path, data: Path, run: Path | None) -> None:
    """Measure an exported model, and write a table of bits per byte to stdout.

    Args:
        model: Its folder.
        data: Folder of the data sets.
        run: Folder of its training, for n-grams; None for none.
    """
    from lingua_core.cli.showing import waiting
    from lingua_core.models.onnx_causal_lm import OnnxCausalLM
    from lingua_core.models.tokenization import load_tokenizer
    from lingua_core.training.causal_lm.evaluate import (
        bits_by_model,
        bits_by_ngrams,
        bits_per_byte,
        compressors,
        shipped_sample,
        table,
    )

    with waiting("Measuring", quiet=False):
        ways = {"model": bits_by_model(OnnxCausalLM(model)), **compressors()}
        sample = shipped_sample(data)
        with TemporaryDirectory() as folder:
            if run is not None:
                ways["untrained"] = bits_by_model(_untrained(run, Path(folder)))
                ways["4-gram"] = bits_by_ngrams(run / "training" / "tokens", load_tokenizer(run / "training"))
            results = [bits_per_byte(name, bits, sample) for name, bits in ways.items()]
    write_stdout(table(results) + "\n")


def _untrained(run: Path, folder: Path) -> "OnnxCausalLM":
    """A model of the run's sizes with first weights, by the way that trained ones go."""
    from lingua_core.models.onnx_causal_lm import OnnxCausalLM
    from lingua_core.training.causal_lm.export import export_causal_lm
    from lingua_core.training.causal_lm.model import CausalTransformer
    from lingua_core.training.causal_lm.pipeline import restore_checkpoint, save_llama

    trained, _ = restore_checkpoint(run / "training")
    untrained = CausalTransformer(trained.shape)
    save_llama(untrained, run / "training" / "tokenizer.json", folder, window=_WINDOW_OF_THE_UNTRAINED)
    export_causal_lm(folder, folder)
    return OnnxCausalLM(folder)
