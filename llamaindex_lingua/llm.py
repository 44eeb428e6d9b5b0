"""An LLM of LlamaIndex as the language model that the core's driver calls."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from typing import Any, cast

from llama_index.core.base.llms.base import BaseLLM
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse, MessageRole
from llama_index.core.llms import LLM, CustomLLM
from llama_index.core.llms.structured_llm import StructuredLLM

from lingua_core.errors import InputError, LLMError, LLMResponseError
from lingua_core.llms import ChatRequest, Chunk, Completion, FinishReason, Usage
from lingua_core.llms.foreign_models import as_llm_error, finish_reason
from lingua_core.llms.stop_cutting import StopCutter
from lingua_core.skeleton.driver.transport import threaded

__all__ = ["LlamaIndexLLM", "checked_llm"]

_ROLES = {"system": MessageRole.SYSTEM, "user": MessageRole.USER, "assistant": MessageRole.ASSISTANT}
_PROMPT_TOKENS = ("prompt_tokens", "input_tokens", "prompt_token_count", "prompt_eval_count")
_COMPLETION_TOKENS = ("completion_tokens", "output_tokens", "candidates_token_count", "eval_count")
_FINISH = ("finish_reason", "stop_reason", "done_reason")


class LlamaIndexLLM:
    """A `lingua_core.llms.LLM` that calls an LLM of LlamaIndex through its public, instrumented methods.

    Chat models are sent messages, others the prompt that their `messages_to_prompt` makes of them; a
    `system_prompt` of the LLM's own stands first. Its rate limiter, retries, callbacks and events are as
    ever. Of a request, `max_tokens`, `temperature` and `seed` are passed to LLMs that declare a field of that
    name; stop texts are cut off here. LLMs that cannot stream are called whole.

    A `CustomLLM` that has only synchronous methods is called in threads: its asynchronous ones would hold up
    the event loop, and write one point after another.

    Args:
        llm: The LLM.
    """

    supports_prefill = False
    supports_json_schema = False

    def __init__(self, llm: LLM) -> None:
        self._llm = llm
        self._is_chat = llm.metadata.is_chat_model
        self._can_stream = True
        method = "astream_chat" if self._is_chat else "astream_complete"
        # By the class that defines it: the methods themselves are wrapped anew with every access.
        self._is_synchronous = next(c for c in type(llm).__mro__ if method in vars(c)) is CustomLLM
        name = llm.metadata.model_name
        self.name = name if name and name != "unknown" else llm.class_name()

    def declares(self, option: str) -> bool:
        """Whether the LLM has a field of that name, and hence takes it with a call."""
        return option in type(self._llm).model_fields

    def complete(self, request: ChatRequest) -> Completion:
        """The reply, at its end."""
        reply = _Reply(self.name, request)
        try:
            if self._is_chat:
                response: object = self._llm.chat(self._messages(request), **self._options(request))
            else:
                response = self._llm.complete(self._prompt(request), formatted=True, **self._options(request))
            return reply.whole(response)
        except Exception as error:
            raise self._error(error, reply.text) from error

    async def acomplete(self, request: ChatRequest) -> Completion:
        """`complete` without blocking the event loop."""
        reply = _Reply(self.name, request)
        try:
            if self._is_chat:
                response: object = await self._llm.achat(self._messages(request), **self._options(request))
            else:
                response = await self._llm.acomplete(
                    self._prompt(request), formatted=True, **self._options(request)
                )
            return reply.whole(response)
        except Exception as error:
            raise self._error(error, reply.text) from error

    def stream(self, request: ChatRequest) -> Iterator[Chunk]:
        """The reply as it is written; closing the iterator ends the call."""
        if not self._can_stream:
            yield _as_chunk(self.complete(request))
            return
        reply = _Reply(self.name, request)
        try:
            if self._is_chat:
                found: Any = self._llm.stream_chat(self._messages(request), **self._options(request))
            else:
                found = self._llm.stream_complete(
                    self._prompt(request), formatted=True, **self._options(request)
                )
            with closing(found) as responses:
                for response in responses:
                    yield Chunk(text=reply.take(response))
                    if reply.is_stopped:
                        break
            yield reply.end()
        except NotImplementedError:
            if reply.text:
                raise
            self._can_stream = False
            yield _as_chunk(self.complete(request))
        except Exception as error:
            raise self._error(error, reply.text) from error

    async def astream(self, request: ChatRequest) -> AsyncIterator[Chunk]:
        """`stream` without blocking the event loop."""
        if self._is_synchronous:
            async with aclosing(cast(Any, threaded(self, request))) as chunks:
                async for chunk in chunks:
                    yield chunk
            return
        if not self._can_stream:
            yield _as_chunk(await self.acomplete(request))
            return
        reply = _Reply(self.name, request)
        try:
            if self._is_chat:
                found: Any = await self._llm.astream_chat(self._messages(request), **self._options(request))
            else:
                found = await self._llm.astream_complete(
                    self._prompt(request), formatted=True, **self._options(request)
                )
            async with aclosing(found) as responses:
                async for response in responses:
                    yield Chunk(text=reply.take(response))
                    if reply.is_stopped:
                        break
            yield reply.end()
        except NotImplementedError:
            if reply.text:
                raise
            self._can_stream = False
            yield _as_chunk(await self.acomplete(request))
        except Exception as error:
            raise self._error(error, reply.text) from error

    def _messages(self, request: ChatRequest) -> list[ChatMessage]:
        messages = [ChatMessage(content=said.content, role=_ROLES[said.role]) for said in request.messages]
        own = self._llm.system_prompt
        if own and messages and messages[0].role == MessageRole.SYSTEM:
            # Chat templates allow one system message, and want it first.
            messages[0] = ChatMessage(content=f"{own}\n\n{messages[0].content}", role=MessageRole.SYSTEM)
        elif own:
            messages.insert(0, ChatMessage(content=own, role=MessageRole.SYSTEM))
        return messages

    def _prompt(self, request: ChatRequest) -> str:
        return str(cast(Any, self._llm).messages_to_prompt(self._messages(request)))

    def _options(self, request: ChatRequest) -> Mapping[str, Any]:
        given = {
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
            "seed": request.seed,
        }
        return {name: value for name, value in given.items() if value is not None and self.declares(name)}

    def _error(self, error: Exception, partial: str) -> LLMError:
        known = as_llm_error(error, name=self.name, partial=partial)
        return known or LLMError(f"{self.name} raised {type(error).__name__}: {error}", partial=partial)


def checked_llm(llm: object) -> LLM:
    """The LLM, if it can write text.

    Raises:
        InputError: If it is none of LlamaIndex, its class, or one for structured output.
    """
    if isinstance(llm, type):
        raise InputError(f"llm must be an LLM, not its class: pass {llm.__name__}(...).")
    if isinstance(llm, StructuredLLM):
        raise InputError(
            "llm returns structured output; points are text. Pass the LLM that as_structured_llm was "
            "called on."
        )
    if not isinstance(llm, LLM):
        what = "a BaseLLM without prompts" if isinstance(llm, BaseLLM) else f"{llm!r:.80}"
        raise InputError(
            f"llm must be a llama_index.core.llms.LLM, got {type(llm).__name__}: {what}. None means "
            "Settings.llm."
        )
    return llm


class _Reply:
    """One reply, gathered: its text so far, its usage, why it ended."""

    def __init__(self, name: str, request: ChatRequest) -> None:
        self._name = name
        self._cutter = StopCutter(request.stop)
        self._usage: Usage | None = None
        self._finish: FinishReason | None = None
        self._arrived = 0
        self.text = ""

    @property
    def is_stopped(self) -> bool:
        return self._cutter.is_stopped

    def take(self, response: object, *, is_whole: bool = False) -> str:
        """What is new in a response of a stream, or all of one that is whole."""
        if isinstance(response, ChatResponse):
            self._check(response.message)
            whole = response.message.content or ""
        elif isinstance(response, CompletionResponse):
            whole = response.text
        else:
            raise LLMResponseError(
                f"{self._name} returned {type(response).__name__} ({response!r:.60}); expected a "
                "ChatResponse or a CompletionResponse."
            )
        # Some LLMs send only what is new, some only all there is so far.
        delta = None if is_whole else response.delta
        text = delta if delta is not None else whole[self._arrived :]
        self._arrived += len(text)
        self._usage = _usage(response) or self._usage
        self._finish = finish_reason(_finish_word(response.raw)) or self._finish
        new = self._cutter.add(text)
        self.text += new
        return new

    def end(self) -> Chunk:
        """The last chunk."""
        rest = self._cutter.flush()
        self.text += rest
        finish = "stop" if self.is_stopped else self._finish or "stop"
        return Chunk(text=rest, usage=self._usage, finish_reason=finish)

    def whole(self, response: object) -> Completion:
        self.take(response, is_whole=True)
        end = self.end()
        return Completion(text=self.text, usage=end.usage, finish_reason=end.finish_reason or "stop")

    def _check(self, message: ChatMessage) -> None:
        blocks = [block for block in message.blocks if getattr(block, "block_type", "") == "tool_call"]
        calls: Any = message.additional_kwargs.get("tool_calls") or blocks
        if calls:
            raise LLMResponseError(
                f"{self._name} called a tool instead of answering. An answer by way of a skeleton is text: "
                "pass the LLM without tools, and what tools found as nodes.",
                partial=self.text,
            )


def _as_chunk(completion: Completion) -> Chunk:
    return Chunk(text=completion.text, usage=completion.usage, finish_reason=completion.finish_reason)


def _usage(response: ChatResponse | CompletionResponse) -> Usage | None:
    """Tokens as integrations report them: beside the reply, or in the provider's own object."""
    raw: Any = response.raw
    beside: Any = response.additional_kwargs  # pyright: ignore  # an untyped dict
    holders = (beside, _get(raw, "usage"), _get(raw, "usage_metadata"), raw)
    for holder in holders:
        read, written = _number(holder, _PROMPT_TOKENS), _number(holder, _COMPLETION_TOKENS)
        if read is not None and written is not None:
            details = _get(holder, "prompt_tokens_details")
            cached = _number(details, ("cached_tokens",)) or _number(holder, ("cache_read_input_tokens",))
            return Usage(prompt_tokens=read, completion_tokens=written, cached_tokens=cached or 0, calls=1)
    return None


def _finish_word(raw: object) -> object:
    choices = _get(raw, "choices")
    first: Any = cast("Sequence[Any]", choices)[0] if isinstance(choices, Sequence) and choices else None
    for holder in (first, raw):
        for key in _FINISH:
            if found := _get(holder, key):
                return found
    return None


def _number(holder: object, names: Sequence[str]) -> int | None:
    for name in names:
        value = _get(holder, name)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return None


def _get(holder: object, name: str) -> Any:  # noqa: ANN401  # providers' objects
    if isinstance(holder, Mapping):
        return cast("Mapping[str, Any]", holder).get(name)
    return getattr(holder, name, None)
