"""A chat model of LangChain that follows a script, at a speed, and fails when told to."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from pydantic import Field, PrivateAttr

from skeleton_script import cited, pieces


class ScriptedChatModel(BaseChatModel):
    """Says what `reply` makes of the prompt's text; words are its tokens.

    `fails` is asked with each prompt and the number of calls of that prompt so far, and returns what to raise
    or None; after `fails_after` pieces.
    """

    reply: Callable[[str], str] = Field(default=cited, exclude=True)
    seconds: float = 0.0
    max_tokens: int | None = None
    fails: Callable[[str, int], BaseException | None] | None = Field(default=None, exclude=True)
    fails_after: int = 0
    has_usage: bool = True
    finish: str = "stop"

    _lock: Any = PrivateAttr(default_factory=threading.Lock)
    _calls: list[dict[str, Any]] = PrivateAttr(default_factory=list)
    _open: int = PrivateAttr(0)
    _peak: int = PrivateAttr(0)
    _asked: dict[str, int] = PrivateAttr(default_factory=dict)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    @classmethod
    def is_lc_serializable(cls) -> bool:
        return True

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

    def _begin(self, messages: Sequence[BaseMessage], options: dict[str, Any]) -> tuple[dict[str, Any], Any]:
        prompt = "\n".join(str(message.text) for message in messages)
        with self._lock:
            call = {"prompt": prompt, "options": options, "sent": 0, "messages": list(messages)}
            self._calls.append(call)
            times = self._asked[prompt] = self._asked.get(prompt, 0) + 1
            self._open += 1
            self._peak = max(self._peak, self._open)
        return call, self.fails(prompt, times) if self.fails else None

    def _end(self) -> None:
        with self._lock:
            self._open -= 1

    def _steps(self, call: dict[str, Any], failure: BaseException | None) -> Iterator[ChatGenerationChunk]:
        said = pieces(self.reply(call["prompt"]))
        for i, piece in enumerate(said):
            if failure is not None and i >= self.fails_after:
                raise failure
            call["sent"] += 1
            yield ChatGenerationChunk(message=AIMessageChunk(piece))
        if failure is not None:
            raise failure
        read = len(pieces(call["prompt"]))
        usage = UsageMetadata(input_tokens=read, output_tokens=len(said), total_tokens=read + len(said))
        yield ChatGenerationChunk(
            message=AIMessageChunk(
                "",
                usage_metadata=usage if self.has_usage else None,
                response_metadata={"finish_reason": self.finish, "model_name": "scripted"},
            )
        )

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        call, failure = self._begin(messages, {"stop": stop, **kwargs})
        try:
            for chunk in self._steps(call, failure):
                if self.seconds:
                    time.sleep(self.seconds)
                if run_manager:
                    run_manager.on_llm_new_token(str(chunk.text), chunk=chunk)
                yield chunk
        finally:
            self._end()

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        call, failure = self._begin(messages, {"stop": stop, **kwargs})
        try:
            for chunk in self._steps(call, failure):
                await asyncio.sleep(self.seconds)
                if run_manager:
                    await run_manager.on_llm_new_token(str(chunk.text), chunk=chunk)
                yield chunk
        finally:
            self._end()

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        whole: AIMessageChunk | None = None
        for chunk in self._stream(messages, stop, None, **kwargs):
            assert isinstance(chunk.message, AIMessageChunk)
            whole = chunk.message if whole is None else whole + chunk.message
        assert whole is not None
        return ChatResult(
            generations=[
                ChatGeneration(
                    message=AIMessage(
                        whole.content,
                        usage_metadata=whole.usage_metadata,
                        response_metadata=whole.response_metadata,
                    )
                )
            ]
        )
