"""Counting tokens as a language model of LangChain does."""

import warnings
from collections.abc import Sequence
from typing import Any

from langchain_core.language_models import BaseLanguageModel
from tokenizers import Tokenizer

from lingua_core import InputError, TokenCounter, TokenCounterError
from lingua_core.models.tokenization import untruncated
from lingua_core.tokens import TokenizerCounter, checked_count, resolve_token_counter

__all__ = ["ModelCounter", "counter_of"]


class ModelCounter:
    """Counts by a model's `get_num_tokens`, one call a text.

    Args:
        llm: The model.
    """

    def __init__(self, llm: BaseLanguageModel[Any]) -> None:
        self._llm = llm
        self.name = f"{type(llm).__name__}.get_num_tokens"

    def count(self, texts: Sequence[str]) -> list[int]:
        """The number of tokens of each text.

        Raises:
            TokenCounterError: If the model cannot count.
        """
        return [self._count(text) if text else 0 for text in texts]

    def _count(self, text: str) -> int:
        try:
            count = self._llm.get_num_tokens(text)
        except Exception as error:
            raise TokenCounterError(
                f"{self.name} failed: {error!r:.300}. Pass token_counter= instead of llm=: the name of a "
                "tiktoken encoding or Hugging Face tokenizer, or a function from text to int."
            ) from error
        return checked_count(count, self.name)


class _EmbeddedCounter:
    """The embedded tokenizer in the place of one that a model does not have."""

    def __init__(self, llm: BaseLanguageModel[Any]) -> None:
        self._counter = resolve_token_counter(None)
        self.splits_at_white_space = getattr(self._counter, "splits_at_white_space", False)
        self.name = f"{self._counter.name}; {type(llm).__name__} has no tokenizer of its own"

    def count(self, texts: Sequence[str]) -> list[int]:
        return self._counter.count(texts)


def counter_of(llm: BaseLanguageModel[Any]) -> TokenCounter:
    """A counter for the texts that this model will read.

    Local models of langchain-huggingface hold a tokenizer, which counts. Any other model that brings none
    would count by GPT-2's, which LangChain downloads, and which counts as few of today's models do. The
    embedded tokenizer counts instead; a warning and the counter's name say so.

    Raises:
        InputError: If this is no language model of LangChain.
    """
    if not isinstance(llm, BaseLanguageModel):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
        raise InputError(
            f"llm must be a chat model or an LLM of LangChain, got {type(llm).__name__}: {llm!r:.80}. "
            "Pass the model itself, before bind(), with_retry() or the like."
        )
    if not _brings_no_tokenizer(llm):
        return ModelCounter(llm)
    name = type(llm).__name__
    if (tokenizer := _tokenizer_of_pipeline(llm)) is not None:
        return TokenizerCounter(tokenizer, name=f"{name}'s tokenizer")
    warnings.warn(
        f"{name} has no tokenizer of its own: LangChain would download GPT-2's to count tokens. The tokens "
        "of the budget are counted by the embedded tokenizer instead. To choose, pass token_counter= instead "
        f"of llm=, or give the model one: {name}(custom_get_token_ids=...).",
        UserWarning,
        stacklevel=2,
    )
    return _EmbeddedCounter(llm)


def _brings_no_tokenizer(llm: BaseLanguageModel[Any]) -> bool:
    counts = ("get_num_tokens", "get_token_ids")
    inherits = all(getattr(type(llm), name) is getattr(BaseLanguageModel, name) for name in counts)
    return inherits and llm.custom_get_token_ids is None


def _tokenizer_of_pipeline(llm: BaseLanguageModel[Any]) -> Tokenizer | None:
    pipeline = getattr(
        getattr(llm, "llm", llm), "pipeline", None
    )  # ChatHuggingFace wraps HuggingFacePipeline
    found = getattr(getattr(pipeline, "tokenizer", None), "backend_tokenizer", None)
    # A copy, for the model's own may have to truncate.
    return untruncated(Tokenizer.from_str(found.to_str())) if isinstance(found, Tokenizer) else None
