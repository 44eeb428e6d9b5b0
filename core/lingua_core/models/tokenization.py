"""Tokenizers from files, and tokens with character offsets."""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from lingua_core.errors import ModelError
from lingua_core.segmentation.segment import Segment
from lingua_core.unicode import encodable
from lingua_core.weights import ShippedModel

__all__ = ["load_tokenizer", "special_id", "token_ids", "token_owners", "unknown_id", "untruncated"]


def load_tokenizer(source: Path | ShippedModel) -> Tokenizer:
    """Load a fast tokenizer, with padding and truncation switched off.

    Args:
        source: A `tokenizer.json`, a folder that holds one, or a model that Lingua ships.

    Raises:
        ModelError: If there is no tokenizer, or it cannot be read.
    """
    return _load(source.folder if isinstance(source, ShippedModel) else source)


def special_id(tokenizer: Tokenizer, token: str) -> int:
    """The id of a special token that the model cannot do without.

    Raises:
        ModelError: If the vocabulary lacks it.
    """
    found = tokenizer.token_to_id(token)
    if found is None:
        raise ModelError(f"The tokenizer has no token {token!r}; expected a BERT-style vocabulary.")
    return found


def unknown_id(tokenizer: Tokenizer) -> int | None:
    """The id of the token that stands for what the vocabulary lacks, or None."""
    token: str | None = getattr(tokenizer.model, "unk_token", None)
    return tokenizer.token_to_id(token) if token else None


def untruncated(tokenizer: Tokenizer) -> Tokenizer:
    """The tokenizer with padding and truncation, which its file may ask for, switched off."""
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def token_ids(tokenizer: Tokenizer, texts: Sequence[str]) -> list[list[int]]:
    """Ids of each text's tokens, without special ones."""
    encodings = tokenizer.encode_batch_fast([encodable(text) for text in texts], add_special_tokens=False)
    return [encoding.ids for encoding in encodings]


def token_owners(
    tokenizer: Tokenizer, texts: Sequence[str], segments: Sequence[Sequence[Segment]]
) -> list[tuple[list[int], NDArray[np.int64]]]:
    """For each text, its token ids, and the segment that owns each token, ascending.

    Between segments there is only white space, so tokenizing them one by one loses nothing, gives each
    token its owner, and runs on all cores.
    """
    pieces = [text[s.start : s.end] for text, row in zip(texts, segments, strict=True) for s in row]
    encoded = iter(token_ids(tokenizer, pieces))
    found: list[tuple[list[int], NDArray[np.int64]]] = []
    for row in segments:
        own = [next(encoded) for _ in row]
        owners = np.repeat(np.arange(len(own)), [len(piece) for piece in own])
        found.append(([token for piece in own for token in piece], owners))
    return found


@lru_cache(maxsize=8)
def _load(path: Path) -> Tokenizer:
    file = path / "tokenizer.json" if path.is_dir() else path
    if not file.is_file():
        raise ModelError(
            f"No tokenizer at {str(file)!r}: expected a tokenizer.json (a fast tokenizer's file)."
        )
    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # tokenizers raises bare Exception for every fault of the file
        raise ModelError(f"The tokenizer at {str(file)!r} cannot be read: {error}") from error
    return untruncated(tokenizer)
