"""The language model's own tokenizer: byte-level BPE, so that every text has tokens and none is unknown.

Digits are tokens of their own, so that numbers are scored digit by digit wherever they are cut.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from lingua_core.errors import InputError

__all__ = ["START", "make_tokenizer", "save_tokenizer"]

START = "<|text|>"
"""Stands before every text; id 0."""

_BYTES = 256
_PIECES = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{M}\p{N}]?[\p{L}\p{M}]+|\p{N}"
    r"| ?[^\s\p{L}\p{M}\p{N}]+|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""Contractions; words, with the sign or space before them; digits; signs; line ends; other white space."""


def make_tokenizer(texts: Iterable[str], *, vocabulary: int) -> Tokenizer:
    """Learn a vocabulary.

    Args:
        texts: To learn from.
        vocabulary: Tokens: `START`, the 256 bytes, and what is merged of them.

    Raises:
        InputError: If the vocabulary has no room for the bytes.
    """
    if vocabulary < _BYTES + 1:
        raise InputError(f"vocabulary must be at least {_BYTES + 1}, got {vocabulary}.")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[START],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{START} $A", pair=f"{START} $A $B", special_tokens=[(START, 0)]
    )
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path, *, window: int) -> None:
    """Write `tokenizer.json`, and what transformers wants beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": START,
        "eos_token": START,
        "model_max_length": window,
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
