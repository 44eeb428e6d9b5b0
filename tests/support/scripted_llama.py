"""LLMs of LlamaIndex that follow a script: native asynchronous ones, and ones that are only synchronous."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseGen,
    LLMMetadata,
    MessageRole,
)
from llama_index.core.llms import CustomLLM
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from pydantic import Field, PrivateAttr

from skeleton_script import cited, pieces


class CompletionLlama(CustomLLM):
    """A completion model with synchronous methods alone, as local ones are.

    `fails` is asked with each prompt and the number of calls of that prompt so far, and returns what to raise
    or None.
    """

    reply: Callable[[str], str] = Field(default=cited, exclude=True)
    seconds: float = 0.0
    max_tokens: int | None = None
    fails: Callable[[str, int], BaseException | None] | None = Field(default=None, exclude=True)
    has_usage: bool = True

    _lock: Any = PrivateAttr(default_factory=threading.Lock)
    _calls: list[dict[str, Any]] = PrivateAttr(default_factory=list)
    _open: int = PrivateAttr(0)
    _peak: int = PrivateAttr(0)
    _asked: dict[str, int] = PrivateAttr(default_factory=dict)

    @classmethod
    def class_name(cls) -> str:
        return "CompletionLlama"

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(model_name="scripted")

    @property
    def calls(self) -> list[dict[str, Any]]:
        """Prompt, options, and number of pieces sent, of each call."""
        return self._calls

    @property
    def peak(self) -> int:
        """The most calls at once."""
        return self._peak

    @property
    def open_calls(self) -> int:
        """Calls that run now."""
        return self._open

    def begin(self, prompt: str, options: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            call = {"prompt": prompt, "options": options, "sent": 0}
            self._calls.append(call)
            times = self._asked[prompt] = self._asked.get(prompt, 0) + 1
            self._open += 1
            self._peak = max(self._peak, self._open)
        if self.fails and (failure := self.fails(prompt, times)) is not None:
            self.end()
            raise failure
        return call

    def end(self) -> None:
        with self._lock:
            self._open -= 1

    def steps(self, call: dict[str, Any]) -> Iterator[CompletionResponse]:
        text = ""
        said = pieces(self.reply(call["prompt"]))
        for piece in said:
            text += piece
            call["sent"] += 1
            yield CompletionResponse(text=text, delta=piece)
        if self.has_usage:
            usage = {"prompt_tokens": len(pieces(call["prompt"])), "completion_tokens": len(said)}
            yield CompletionResponse(text=text, delta="", additional_kwargs=usage)

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        *_, last = self._stream(prompt, kwargs)
        return last

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        return self._stream(prompt, kwargs)

    def _stream(self, prompt: str, options: dict[str, Any]) -> CompletionResponseGen:
        call = self.begin(prompt, options)
        try:
            for step in self.steps(call):
                if self.seconds:
                    time.sleep(self.seconds)
                yield step
        finally:
            self.end()


class ChatLlama(CompletionLlama):
    """A chat model with asynchronous methods of its own."""

    @classmethod
    def class_name(cls) -> str:
        return "ChatLlama"

    @property
    def metadata(self) -> LLMMetadata:
        return LLMMetadata(model_name="scripted", is_chat_model=True)

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        *_, last = (_as_chat(step) for step in self._stream(_prompt(messages), kwargs))
        return last

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        def responses() -> ChatResponseGen:
            for step in self._stream(_prompt(messages), kwargs):
                yield _as_chat(step)

        return responses()

    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        *_, last = [response async for response in self._achat(messages, kwargs)]
        return last

    @llm_chat_callback()
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        return self._achat(messages, kwargs)

    async def _achat(self, messages: Sequence[ChatMessage], options: dict[str, Any]) -> ChatResponseAsyncGen:
        call = self.begin(_prompt(messages), options)
        try:
            for step in self.steps(call):
                await asyncio.sleep(self.seconds)
                yield _as_chat(step)
        finally:
            self.end()


def _prompt(messages: Sequence[ChatMessage]) -> str:
    return "\n".join(message.content or "" for message in messages)


def _as_chat(step: CompletionResponse) -> ChatResponse:
    return ChatResponse(
        message=ChatMessage(content=step.text, role=MessageRole.ASSISTANT),
        delta=step.delta,
        additional_kwargs=step.additional_kwargs,
    )
