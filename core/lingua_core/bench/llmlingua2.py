"""LLMLingua-2 as a peer for speed: the `llmlingua` package with a model of the published size.

The published weights are not needed to measure time, only their shape: BERT base with the multilingual
vocabulary of 119,547 entries (llmlingua-2-bert-base-multilingual-cased-meetingbank), here with random
weights, so that nothing is downloaded. The tokenizer is the embedded one, its vocabulary filled up to that
size. Everything else is the package's own: windows of 512 tokens, all padded to that length, on all cores.
llmlingua 0.2.2 runs unchanged with transformers 5.
"""

import importlib
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest.mock import patch

from lingua_core.weights import ENCODER

__all__ = ["INSTALL", "is_installed", "load_llmlingua2"]

INSTALL = "pip install llmlingua==0.2.2 torch transformers"
"""What brings the peer."""

_PACKAGES = ("llmlingua", "torch", "transformers")
_VOCABULARY = 119_547
# The package tells from the name which tokenizer it has before it.
_NAME = "bert-base-multilingual-cased"


def is_installed() -> bool:
    """Whether the packages are there."""
    return all(find_spec(package) is not None for package in _PACKAGES)


def load_llmlingua2() -> Callable[[Sequence[str], float], str]:
    """A function from documents and a rate to LLMLingua-2's compressed text.

    The package counts with tiktoken, which downloads an encoding on first use; offline, set
    TIKTOKEN_CACHE_DIR to a folder that holds it. The model passes through a temporary folder (0.7 GB).
    """
    transformers: Any = importlib.import_module("transformers")
    transformers.utils.logging.disable_progress_bar()
    with (
        tempfile.TemporaryDirectory() as temporary,
        patch.dict(os.environ, HF_HUB_OFFLINE="1"),
    ):
        folder = Path(temporary) / _NAME
        folder.mkdir()
        _save_tokenizer(transformers, folder)
        config = transformers.BertConfig(vocab_size=_VOCABULARY, num_labels=2)
        transformers.BertForTokenClassification(config).save_pretrained(folder)
        package: Any = importlib.import_module("llmlingua")
        compressor = package.PromptCompressor(str(folder), device_map="cpu", use_llmlingua2=True)

    def compress(documents: Sequence[str], rate: float) -> str:
        # A list of its own: the package writes into the one that it is given.
        return compressor.compress_prompt(list(documents), rate=rate)["compressed_prompt"]

    return compress


def _save_tokenizer(transformers: Any, folder: Path) -> None:  # noqa: ANN401  # loaded by name
    content = json.loads((ENCODER.folder / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = content["model"]["vocab"]
    vocabulary |= {f"[unused in {_NAME} {i}]": i for i in range(len(vocabulary), _VOCABULARY)}
    file = folder / "tokenizer.json"
    file.write_text(json.dumps({**content, "truncation": None, "padding": None}), encoding="utf-8")
    special = {"unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "pad": "[PAD]", "mask": "[MASK]"}
    tokens = {f"{name}_token": token for name, token in special.items()}
    transformers.PreTrainedTokenizerFast(tokenizer_file=str(file), **tokens).save_pretrained(folder)
