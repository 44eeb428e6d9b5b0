"""Bits per byte on held-out text: what a model, an n-gram model and compressors need to write it down.

Bits per byte compare models of any tokenizer: the text's bytes are the same for all.
"""

import lzma
import random
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from tokenizers import Tokenizer

from lingua_core.models.causal_lm import Continuation, Surprisals
from lingua_core.models.hugging_face import TokenizedText
from lingua_core.training.causal_lm.corpus import CORPUS, UNSEEN, Text, read_corpus
from lingua_core.training.causal_lm.ngrams import NGramModel
from lingua_core.unicode import encodable

__all__ = [
    "BitsPerByte",
    "TextModel",
    "bits_by_compressor",
    "bits_by_model",
    "bits_by_ngrams",
    "bits_of",
    "bits_per_byte",
    "compressors",
    "held_out_sample",
    "shipped_sample",
    "table",
]

_DOMAIN_BYTES = 60_000
_LONGEST_TEXT = 20_000

Bits = Callable[[Sequence[str]], float]
"""Bits that a domain's texts take."""


class TextModel(Protocol):
    """What is needed of a language model; `OnnxCausalLM` and `CausalLM` are such."""

    def tokenize(self, texts: Sequence[str]) -> list[TokenizedText]:
        """Tokens of each text."""
        ...

    def surprisals(self, continuations: Sequence[Continuation]) -> list[Surprisals]:
        """Surprisal, in nats, of every token."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BitsPerByte:
    """Bits per byte of one way of writing texts down.

    Attributes:
        name: Of the way.
        domains: Of each domain.
        bytes: Of each domain's texts.
    """

    name: str
    domains: Mapping[str, float]
    bytes: Mapping[str, int]

    @property
    def mean(self) -> float:
        """Of all domains together, each counted by its bytes."""
        total = sum(self.bytes.values())
        return sum(value * self.bytes[name] for name, value in self.domains.items()) / total


def held_out_sample(
    texts: Iterable[Text], *, domain_bytes: int = _DOMAIN_BYTES, all_texts: bool = False
) -> dict[str, list[str]]:
    """Held-out texts of each source, drawn in a fixed order up to `domain_bytes` characters.

    Args:
        texts: Of any number of sources.
        domain_bytes: Of each, about.
        all_texts: Whether texts that are not held out count too: for sources that are never learnt from.
    """
    by_source: dict[str, list[str]] = {}
    for text in texts:
        if all_texts or text.held_out:
            by_source.setdefault(text.source, []).append(text.text[:_LONGEST_TEXT])
    found: dict[str, list[str]] = {}
    for source, own in sorted(by_source.items()):
        random.Random(source).shuffle(own)
        room = domain_bytes
        for text in own:
            if room <= 0:
                break
            found.setdefault(source, []).append(text[:room])
            room -= len(text)
    return found


def shipped_sample(folder: Path) -> dict[str, list[str]]:
    """Held-out texts of everything that the shipped model learns from, and of three domains it never sees.

    Args:
        folder: Of the data sets.
    """
    unseen = held_out_sample(read_corpus(folder, UNSEEN), all_texts=True)
    return held_out_sample(read_corpus(folder, CORPUS)) | {
        f"{name} (unseen)": texts for name, texts in unseen.items()
    }


def bits_per_byte(name: str, bits: Bits, sample: Mapping[str, Sequence[str]]) -> BitsPerByte:
    """Measure each domain of a sample."""
    sizes = {domain: sum(len(text.encode()) for text in texts) for domain, texts in sample.items()}
    return BitsPerByte(
        name=name,
        domains={domain: bits(texts) / sizes[domain] for domain, texts in sample.items()},
        bytes=sizes,
    )


def bits_by_model(model: TextModel) -> Bits:
    """Bits by a language model; see `bits_of`."""

    def bits(texts: Sequence[str]) -> float:
        nothing = np.zeros(0, np.int64)
        return bits_of(model.surprisals([Continuation(nothing, row.ids) for row in model.tokenize(texts)]))

    return bits


def bits_of(rows: Iterable[Surprisals]) -> float:
    """Bits of tokens' surprisals; a token with nothing before it, which has none, costs 16."""
    return float(sum(np.where(np.isnan(row), 16.0, row / np.log(2)).sum() for row in rows))


def bits_by_ngrams(tokens: Path, tokenizer: Tokenizer, *, order: int = 4) -> Bits:
    """Bits by an n-gram model of the same tokens that a language model was trained on.

    Args:
        tokens: A folder of `write_tokens`.
        tokenizer: Of those tokens.
        order: Length of the longest n-grams.
    """
    rows = [np.load(file).astype(np.int64) for file in sorted(tokens.glob("*.npy"))]
    model = NGramModel(np.concatenate(rows), vocabulary=tokenizer.get_vocab_size(), order=order)

    def bits(texts: Sequence[str]) -> float:
        encodings = tokenizer.encode_batch([encodable(text) for text in texts])
        # The first token is the beginning of the text, which says nothing.
        return float(sum(model.surprisals(e.ids)[1:].sum() for e in encodings) / np.log(2))

    return bits


def bits_by_compressor(compress: Callable[[bytes], bytes]) -> Bits:
    """Bits by a compressor that reads all of a domain's texts as one file."""

    def bits(texts: Sequence[str]) -> float:
        return 8.0 * len(compress("\n\n".join(texts).encode()))

    return bits


def compressors() -> dict[str, Bits]:
    """The standard library's, at their best."""

    def by_lzma(data: bytes) -> bytes:
        return lzma.compress(data, format=lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2, "preset": 9}])

    def by_zlib(data: bytes) -> bytes:
        return zlib.compress(data, 9)

    return {"zlib": bits_by_compressor(by_zlib), "lzma": bits_by_compressor(by_lzma)}


def table(results: Sequence[BitsPerByte]) -> str:
    """A Markdown table with a row for each domain and a column for each result."""
    header = ["domain", *(result.name for result in results)]
    domains = sorted({domain for result in results for domain in result.domains})
    rows = [[domain, *(f"{result.domains[domain]:.3f}" for result in results)] for domain in domains]
    rows.append(["all", *(f"{result.mean:.3f}" for result in results)])
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines)
