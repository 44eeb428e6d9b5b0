"""LLMLingua-2 as a peer for speed: the `llmlingua` package with a model of the published size.

The published weights are not needed to measure time, only their shape: BERT base with the multilingual
vocabulary of 119,547 entries (llmlingua-2-bert-base-multilingual-cased-meetingbank), here with random
weights, so that nothing is downloaded. The tokenizer is the embedded one, its vocabulary filled up to that
size. Everything else is the package's own: windows of 512 tokens, all padded to that length, on all cores.
llmlingua 0.2.2 runs unchanged with transformers 5.
"""

import importlib
import os
import tempfile
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest.mock import patch

from lingua_core.bench.peer_models import save_classifier

__all__ = ["INSTALL", "is_installed", "load_llmlingua2"]

INSTALL = "pip install llmlingua==0.2.2 torch transformers"
"""What brings the peer."""

_PACKAGES = ("llmlingua", "torch", "transformers")


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
        folder = save_classifier(Path(temporary))
        package: Any = importlib.import_module("llmlingua")
        compressor = package.PromptCompressor(str(folder), device_map="cpu", use_llmlingua2=True)

    def compress(documents: Sequence[str], rate: float) -> str:
        # A list of its own: the package writes into the one that it is given.
        return compressor.compress_prompt(list(documents), rate=rate)["compressed_prompt"]

    return compress
