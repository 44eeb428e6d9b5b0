"""Compression as a step of an LCEL chain: a prompt in, its messages out."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from langchain_core.callbacks import (
    AsyncCallbackManagerForChainRun,
    CallbackManagerForChainRun,
    adispatch_custom_event,
    dispatch_custom_event,
)
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import BaseMessage
from langchain_core.runnables import RunnableConfig, RunnableSerializable, patch_config
from langchain_core.runnables.config import run_in_executor
from pydantic import ConfigDict, Field

from langchain_lingua.compressor import EVENT_NAME, LinguaCompressor
from langchain_lingua.messages import as_messages, core_roles, from_core, to_core
from langchain_lingua.step_inputs import QUERY_KEYS, checked_compressor, value_under
from lingua_core.structured import MessagesResult, compress_messages

__all__ = ["CompressPrompt", "compress_prompt"]

_PROMPT_KEYS = ("prompt", "messages")


class CompressPrompt(RunnableSerializable[LanguageModelInput | Mapping[str, Any], list[BaseMessage]]):
    """What `compress_prompt` returns.

    Attributes:
        compressor: Compresses, and holds budget and counter.
        roles: Types of the messages whose texts are compressed.
        min_tokens: Texts of fewer tokens stay as they are.
        keep_last: So many of the last human messages stay as they are.
        omission: Stands where nothing of a text was kept.
        prompt_key: Where a mapping holds the prompt; None for "prompt" or "messages".
        query_key: Where a mapping holds the question; None for "query", "question" or "input", if there.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", frozen=True)

    name: str | None = "compress_prompt"
    compressor: LinguaCompressor = Field(default_factory=LinguaCompressor)
    roles: Sequence[str] = ("human", "tool")
    min_tokens: int = 200
    keep_last: int = 1
    omission: str = "[omitted]"
    prompt_key: str | None = None
    query_key: str | None = None

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Says that `langchain_core.load.dumps` may store it."""
        return True

    def invoke(
        self,
        input: LanguageModelInput | Mapping[str, Any],
        config: RunnableConfig | None = None,
        **kwargs: Any,  # noqa: ANN401  # LangChain's signature
    ) -> list[BaseMessage]:
        """The messages, with long texts compressed.

        Raises:
            lingua_core.InputError: If the input is no prompt.
            lingua_core.ProtectedOverBudgetError: If `target_tokens` is too small for the texts to compress.
        """
        return self._call_with_config(self._compress, input, config)

    async def ainvoke(
        self,
        input: LanguageModelInput | Mapping[str, Any],
        config: RunnableConfig | None = None,
        **kwargs: Any,  # noqa: ANN401  # LangChain's signature
    ) -> list[BaseMessage]:
        """`invoke` without blocking the event loop; the same messages."""
        return await self._acall_with_config(self._acompress, input, config)

    def _compress(
        self,
        given: LanguageModelInput | Mapping[str, Any],
        run_manager: CallbackManagerForChainRun,
        config: RunnableConfig,
    ) -> list[BaseMessage]:
        messages, result = self._compressed(given)
        child = patch_config(config, callbacks=run_manager.get_child())
        dispatch_custom_event(EVENT_NAME, result.statistics(), config=child)
        return from_core(result.messages, messages)

    async def _acompress(
        self,
        given: LanguageModelInput | Mapping[str, Any],
        run_manager: AsyncCallbackManagerForChainRun,
        config: RunnableConfig,
    ) -> list[BaseMessage]:
        child = patch_config(config, callbacks=run_manager.get_child())
        messages, result = await run_in_executor(child, self._compressed, given)
        await adispatch_custom_event(EVENT_NAME, result.statistics(), config=child)
        return from_core(result.messages, messages)

    def _compressed(
        self, given: LanguageModelInput | Mapping[str, Any]
    ) -> tuple[list[BaseMessage], MessagesResult]:
        prompt, query = self._prompt(given)
        messages = as_messages(prompt)
        result = compress_messages(
            to_core(messages),
            self.compressor.core,
            query=query,
            rate=self.compressor.rate,
            target_tokens=self.compressor.target_tokens,
            threshold=self.compressor.threshold,
            roles=core_roles(self.roles),
            min_tokens=self.min_tokens,
            keep_last=self.keep_last,
            omission=self.omission,
        )
        return messages, result

    def _prompt(self, given: LanguageModelInput | Mapping[str, Any]) -> tuple[LanguageModelInput, str | None]:
        if not isinstance(given, Mapping):
            return given, None
        prompt = value_under(given, self.prompt_key, _PROMPT_KEYS, what="the prompt")
        if self.query_key is None and not any(key in given for key in QUERY_KEYS):
            return prompt, None
        return prompt, value_under(given, self.query_key, QUERY_KEYS, what="the question")


def compress_prompt(
    compressor: LinguaCompressor | None = None,
    *,
    roles: Collection[str] = ("human", "tool"),
    min_tokens: int = 200,
    keep_last: int = 1,
    omission: str = "[omitted]",
    prompt_key: str | None = None,
    query_key: str | None = None,
) -> CompressPrompt:
    """A step of a chain from a prompt to its messages, with long texts compressed.

    Takes what a chat model takes, and returns fresh messages: ids, names, roles, tool calls, images and short
    texts are as they were. Texts share the budget, which does not count the rest. The last human message is
    the question, and is not compressed. Where one message holds documents and question, pass
    `{"prompt": prompt, "query": question}` and `keep_last=0`; or compress the documents before that.

    A run of it is named "compress_prompt" and dispatches the custom event "lingua_compression".

    Args:
        compressor: Compresses by its method, budget and counter; None for the defaults. Its `order`,
            `instruction`, `title_key` and `keep_empty` are about documents and have no influence.
        roles: Types of the messages whose texts are compressed.
        min_tokens: Texts of fewer tokens stay as they are.
        keep_last: So many of the last human messages stay as they are.
        omission: Stands where nothing of a text was kept; some models refuse empty texts.
        prompt_key: Where a mapping holds the prompt; None for "prompt" or "messages".
        query_key: Where a mapping holds the question; None for "query", "question" or "input", if there.

    Raises:
        lingua_core.InputError: If an option cannot be used.
    """
    compressor, core_named = checked_compressor(compressor), core_roles(roles)
    # Without messages no model runs, but the options are checked.
    compress_messages(
        [],
        compressor.core,
        roles=core_named,
        min_tokens=min_tokens,
        keep_last=keep_last,
        omission=omission,
    )
    return CompressPrompt(
        compressor=compressor,
        roles=tuple(roles),
        min_tokens=min_tokens,
        keep_last=keep_last,
        omission=omission,
        prompt_key=prompt_key,
        query_key=query_key,
    )
