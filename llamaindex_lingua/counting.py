"""Counting tokens with LlamaIndex's global tokenizer."""

from collections.abc import Sequence

from llama_index.core import Settings

__all__ = ["SettingsCounter"]


class SettingsCounter:
    """Counts with what `Settings.tokenizer` is when the counter is made; later changes do not matter."""

    name = "Settings.tokenizer"

    def __init__(self) -> None:
        self._tokenizer = Settings.tokenizer

    def count(self, texts: Sequence[str]) -> list[int]:
        """The number of tokens of each text."""
        return [len(self._tokenizer(text)) if text else 0 for text in texts]
