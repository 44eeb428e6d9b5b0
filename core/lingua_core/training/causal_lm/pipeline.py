"""The whole way from texts to a folder with a language model."""

# torch is partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from lingua_core.errors import InputError, MissingDependencyError
from lingua_core.models.tokenization import load_tokenizer
from lingua_core.training.causal_lm.checkpoint import LATEST
from lingua_core.training.causal_lm.corpus import CORPUS, Text, own_texts, read_corpus
from lingua_core.training.causal_lm.model import CausalTransformer, llama_config, to_llama
from lingua_core.training.causal_lm.shape import ModelShape
from lingua_core.training.causal_lm.stream import TokenStream, write_tokens
from lingua_core.training.causal_lm.tokenizer import make_tokenizer, save_tokenizer
from lingua_core.training.causal_lm.train import Progress, TrainingOptions, train
from lingua_core.training.whole_files import whole_file

__all__ = ["Corpus", "restore_checkpoint", "save_checkpoint_as_llama", "save_llama", "train_causal_lm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """What to learn from.

    Attributes:
        texts: All of them; those held out are left out here.
        weights: How often each source comes in a pass; 1 for those not named.
    """

    texts: Sequence[Text]
    weights: Mapping[str, float]

    @classmethod
    def shipped(cls, folder: Path) -> "Corpus":
        """What the shipped model learns from, from the folder of the data sets."""
        weights = {source.name: source.weight for source in CORPUS}
        return cls(texts=_learnt(read_corpus(folder, CORPUS)), weights=weights)

    @classmethod
    def own(cls, file: Path) -> "Corpus":
        """A user's texts."""
        return cls(texts=_learnt(own_texts(file)), weights={})


def train_causal_lm(
    corpus: Corpus,
    target: Path,
    shape: ModelShape,
    options: TrainingOptions,
    *,
    report: Callable[[Progress], Any] = lambda progress: None,
) -> CausalTransformer:
    """Learn a vocabulary, train, and write the model to `target` as transformers reads it.

    Tokens and checkpoints are kept in `target/training`, where a later call with more steps goes on.

    Args:
        corpus: What to learn from.
        target: Folder for `config.json`, `model.safetensors`, `tokenizer.json`.
        shape: Of the model.
        options: How.
        report: Called after each step.

    Raises:
        InputError: If what is in `target/training` is of another run.
        MissingDependencyError: If safetensors is not installed.
    """
    folder = target / "training"
    tokens = _tokens(corpus, shape, folder)
    torch.manual_seed(options.seed)
    model = CausalTransformer(shape)
    rows = TokenStream(tokens, corpus.weights, longest=options.longest, seed=options.seed)
    last = TokenStream(tokens, corpus.weights, longest=options.decay_longest, seed=options.seed + 1)
    train(model, rows, last, options, folder=folder, report=report)
    save_llama(model, folder / "tokenizer.json", target, window=options.decay_longest)
    return model


def save_llama(model: CausalTransformer, tokenizer: Path, target: Path, *, window: int) -> None:
    """Write a folder that `transformers.AutoModelForCausalLM` reads.

    Args:
        model: Trained.
        tokenizer: Its `tokenizer.json`.
        target: Made if missing; the weights are written last, whole or not at all.
        window: Tokens that it reads at once.
    """
    try:
        from safetensors.torch import save_file
    except ImportError as error:
        raise MissingDependencyError.for_extra(
            "safetensors", extra="train", purpose="Training a language model"
        ) from error
    save_tokenizer(load_tokenizer(tokenizer), target, window=window)
    config = llama_config(model.shape, window=window, start=0)
    (target / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    with whole_file(target / "model.safetensors") as unfinished:
        save_file(to_llama(model.state_dict()), unfinished, metadata={"format": "pt"})


def save_checkpoint_as_llama(run: Path, target: Path, *, window: int) -> int:
    """Write the last checkpoint of a run that goes on, as `save_llama` does; returns the steps behind it.

    Args:
        run: The run's `target`.
        target: Another folder.
        window: Tokens to read at once: those of a row before the decay, of its longer rows in it.

    Raises:
        InputError: If the run has no checkpoint yet.
    """
    model, step = restore_checkpoint(run / "training")
    save_llama(model, run / "training" / "tokenizer.json", target, window=window)
    return step


def restore_checkpoint(folder: Path, *, name: str = LATEST) -> tuple[CausalTransformer, int]:
    """The model of a checkpoint of `train`, in evaluation mode, and the steps behind it.

    Args:
        folder: Of the checkpoints.
        name: Which of them.

    Raises:
        InputError: If there is none, or it cannot be read.
    """
    file = folder / name
    try:
        state: dict[str, Any] = torch.load(file, weights_only=True, map_location="cpu")
        sizes = {key: state["run"][key] for key in ModelShape.__dataclass_fields__}
        model = CausalTransformer(ModelShape(**sizes))
        model.load_state_dict(state["model"])
    except Exception as error:  # a damaged file raises what unpickling raises
        raise InputError(f"{str(file)!r} holds no checkpoint of a causal language model: {error}") from error
    return model.eval(), int(state["step"])


def _learnt(texts: Iterable[Text]) -> list[Text]:
    return [text for text in texts if not text.held_out]


def _tokens(corpus: Corpus, shape: ModelShape, folder: Path) -> Path:
    """The folder of the corpus' tokens; made once, for what they are of."""
    made = folder / "corpus.json"
    digest = sha256()
    for text in corpus.texts:
        digest.update(f"{text.source} {text.document} {text.text}".encode(errors="replace"))
    wanted = {"texts": digest.hexdigest()[:12], "vocabulary": shape.vocabulary}
    if made.is_file():
        found: dict[str, Any] = json.loads(made.read_text(encoding="utf-8"))
        if found != wanted:
            raise InputError(
                f"{str(folder)!r} holds the tokens of other texts or another vocabulary ({found}, here "
                f"{wanted}). Give the command it was made with, or remove it to begin anew."
            )
        return folder / "tokens"
    tokenizer = make_tokenizer((text.text for text in corpus.texts), vocabulary=shape.vocabulary)
    if tokenizer.get_vocab_size() != shape.vocabulary:
        raise InputError(
            f"The texts give only {tokenizer.get_vocab_size():,} tokens: ask for a vocabulary of at most "
            f"that, got {shape.vocabulary:,}."
        )
    save_tokenizer(tokenizer, folder, window=1)
    write_tokens(corpus.texts, tokenizer, folder / "tokens")
    made.write_text(json.dumps(wanted), encoding="utf-8")
    return folder / "tokens"
