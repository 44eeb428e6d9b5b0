"""A chat model of LangChain as the language model that the core's driver calls."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from typing import Any, cast

from langchain_core.language_models import BaseLanguageModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata, add_usage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableWithFallbacks
from langchain_core.runnables.base import RunnableBindingBase
from langchain_core.runnables.retry import RunnableRetry

from langchain_lingua.turns import Attachment, as_sent
from lingua_core.errors import InputError, LLMError, LLMResponseError, LLMServerError
from lingua_core.llms import ChatRequest, Chunk, Completion, FinishReason, Usage
from lingua_core.llms.foreign_models import as_llm_error, finish_reason
from lingua_core.llms.stop_cutting import StopCutter
from lingua_core.skeleton.driver.transport import threaded

__all__ = ["ChatModelLLM", "checked_model", "model_of", "retrying_of"]

ChatModel = Runnable[LanguageModelInput, Any]
_FINISH_KEYS = ("finish_reason", "stop_reason", "done_reason", "finishReason", "stopReason")


class ChatModelLLM:
    """A `lingua_core.llms.LLM` that calls a chat model through its public, traced methods.

    What the model was given by `bind`, `with_config`, `with_fallbacks` or a rate limiter stays in force. Of a
    request, `stop` is passed on to models, `max_tokens`, `temperature` and `seed` to those that declare a
    field of that name. Stop texts are cut off here as well, for models that do not know them.

    A `ChatHuggingFace` over a local pipeline is called in threads: its asynchronous methods know endpoints
    alone, and fail.

    Errors of `with_retry`'s types are marked as worth a retry; the driver repeats them, since LangChain's own
    retrying does not cover streams.

    Args:
        model: The chat model, or what `bind` and the like made of one.
        configure: Makes the config of one call, so that it becomes a run of the right name and parent.
        attachments: What the question holds beside text.
    """

    supports_prefill = False
    supports_json_schema = False

    def __init__(
        self,
        model: ChatModel,
        configure: Callable[[ChatRequest], RunnableConfig],
        attachments: Sequence[Attachment] = (),
    ) -> None:
        self._model = model
        self._configure = configure
        self._attachments = attachments
        self._base = model_of(model)
        self._is_synchronous = _is_local_pipeline(self._base)
        retrying = retrying_of(model)
        self._retried: Any = retrying.retry_exception_types if retrying is not None else ()
        self.name = _name(model, self._base)

    def complete(self, request: ChatRequest) -> Completion:
        """The reply, at its end."""
        reply = _Reply(self.name, request)
        try:
            message = self._model.invoke(
                self._messages(request), self._configure(request), **self._options(request)
            )
            return reply.whole(message)
        except Exception as error:
            raise self._error(error, reply.text) from error

    async def acomplete(self, request: ChatRequest) -> Completion:
        """`complete` without blocking the event loop."""
        if self._is_synchronous:
            return await asyncio.to_thread(self.complete, request)
        reply = _Reply(self.name, request)
        config = self._configure(request)
        try:
            message = await self._model.ainvoke(self._messages(request), config, **self._options(request))
            return reply.whole(message)
        except Exception as error:
            raise self._error(error, reply.text) from error

    def stream(self, request: ChatRequest) -> Iterator[Chunk]:
        """The reply as it is written; closing the iterator ends the call's run."""
        reply = _Reply(self.name, request)
        try:
            chunks: Any = self._model.stream(
                self._messages(request), self._configure(request), **self._options(request)
            )
            with closing(chunks):
                for message in chunks:
                    yield Chunk(text=reply.take(message))
                    if reply.is_stopped:
                        break
            yield reply.end()
        except Exception as error:
            raise self._error(error, reply.text) from error

    async def astream(self, request: ChatRequest) -> AsyncIterator[Chunk]:
        """`stream` without blocking the event loop."""
        if self._is_synchronous:
            async with aclosing(cast(Any, threaded(self, request))) as found:
                async for chunk in found:
                    yield chunk
            return
        reply = _Reply(self.name, request)
        try:
            chunks: Any = self._model.astream(
                self._messages(request), self._configure(request), **self._options(request)
            )
            async with aclosing(chunks):
                async for message in chunks:
                    yield Chunk(text=reply.take(message))
                    if reply.is_stopped:
                        break
            yield reply.end()
        except Exception as error:
            raise self._error(error, reply.text) from error

    def declares(self, option: str) -> bool:
        """Whether the model has a field of that name, and hence takes it with a call."""
        return self._base is not None and option in type(self._base).model_fields

    def _messages(self, request: ChatRequest) -> list[BaseMessage]:
        return as_sent(request, self._attachments)

    def _options(self, request: ChatRequest) -> Mapping[str, Any]:
        if self._base is None:  # what is no model, say a function, may take nothing but its input
            return {}
        options: dict[str, Any] = {"stop": list(request.stop)} if request.stop else {}
        for option in ("max_tokens", "temperature", "seed"):
            value = getattr(request, option)
            if value is not None and self.declares(option):
                options[option] = value
        return options

    def _error(self, error: Exception, partial: str) -> Exception:
        if isinstance(error, LLMError):
            return error
        known = as_llm_error(error, name=self.name, partial=partial)
        if self._is_retried(error) and not (known and known.is_transient):
            text = f"{self.name} raised {type(error).__name__}: {error}"
            return LLMServerError(text, partial=partial)
        return known or LLMError(f"{self.name} raised {type(error).__name__}: {error}", partial=partial)

    def _is_retried(self, error: Exception) -> bool:
        # Types, or with newer versions of langchain-core a function that tells.
        return bool(self._retried(error)) if callable(self._retried) else isinstance(error, self._retried)


def checked_model(llm: object) -> ChatModel:
    """The model, if it can be called like one.

    Raises:
        InputError: If it is a name, a class, or no Runnable.
    """
    if isinstance(llm, type):
        raise InputError(f"llm must be a chat model, not its class: pass {llm.__name__}(...).")
    if not isinstance(llm, Runnable):
        raise InputError(
            f"llm must be a LangChain chat model, or what bind, with_retry or with_fallbacks made of one; "
            f"got {type(llm).__name__}: {llm!r:.80}. A model by its name: "
            "langchain.chat_models.init_chat_model(name)."
        )
    return cast(ChatModel, llm)


def model_of(model: Runnable[Any, Any]) -> BaseLanguageModel[Any] | None:
    """The language model inside bindings, retries and fallbacks; None if there is none."""
    inner: Any = model
    while not isinstance(inner, BaseLanguageModel):
        if isinstance(inner, RunnableBindingBase):
            inner = cast(Any, inner).bound
        elif isinstance(inner, RunnableWithFallbacks):
            inner = cast(Any, inner).runnable
        else:
            return None
    return cast("BaseLanguageModel[Any]", inner)


def retrying_of(model: Runnable[Any, Any]) -> RunnableRetry[Any, Any] | None:
    """What `with_retry` made, inside other bindings; None without."""
    inner: Any = model
    while isinstance(inner, RunnableBindingBase):
        if isinstance(inner, RunnableRetry):
            return cast("RunnableRetry[Any, Any]", inner)
        inner = cast(Any, inner).bound
    return None


def _is_local_pipeline(base: BaseLanguageModel[Any] | None) -> bool:
    # Whoever has made one has imported its package.
    package: Any = sys.modules.get("langchain_huggingface")
    if package is None or not isinstance(base, package.ChatHuggingFace):
        return False
    return isinstance(cast(Any, base).llm, package.HuggingFacePipeline)


class _Reply:
    """One reply, gathered: its text so far, its usage, why it ended."""

    def __init__(self, name: str, request: ChatRequest) -> None:
        self._name = name
        self._cutter = StopCutter(request.stop)
        self._usage: UsageMetadata | None = None
        self._finish: FinishReason | None = None
        self.text = ""

    @property
    def is_stopped(self) -> bool:
        return self._cutter.is_stopped

    def take(self, message: object) -> str:
        """What is new in a message or chunk."""
        if isinstance(message, BaseMessage):
            self._check(message)
            if isinstance(message, AIMessage) and message.usage_metadata is not None:
                self._usage = add_usage(self._usage, message.usage_metadata)
            found: Mapping[str, Any] = {**message.additional_kwargs, **message.response_metadata}
            word = next((found[key] for key in _FINISH_KEYS if found.get(key)), None)
            self._finish = finish_reason(word) or self._finish
            text = str(message.text)
        elif isinstance(message, str):
            text = message
        else:
            raise LLMResponseError(
                f"{self._name} returned {type(message).__name__} ({message!r:.60}); expected a message or a "
                "str. Pass the chat model itself, without an output parser or with_structured_output."
            )
        new = self._cutter.add(text)
        self.text += new
        return new

    def end(self) -> Chunk:
        """The last chunk."""
        rest = self._cutter.flush()
        self.text += rest
        finish = "stop" if self.is_stopped else self._finish or "stop"
        return Chunk(text=rest, usage=_usage(self._usage), finish_reason=finish)

    def whole(self, message: object) -> Completion:
        self.take(message)
        end = self.end()
        return Completion(text=self.text, usage=end.usage, finish_reason=end.finish_reason or "stop")

    def _check(self, message: BaseMessage) -> None:
        calls: Any = [
            *getattr(message, "tool_call_chunks", ()),
            *getattr(message, "tool_calls", ()),
            *getattr(message, "invalid_tool_calls", ()),
        ]
        if calls:
            raise LLMResponseError(
                f"{self._name} called the tool {calls[0].get('name')!r} instead of answering. An answer by "
                "way of a skeleton is text: pass the model without bind_tools, or with "
                'bind_tools(tools, tool_choice="none"); what tools found may stand in the conversation, or '
                "come as documents.",
                partial=self.text,
            )


def _usage(found: UsageMetadata | None) -> Usage | None:
    if found is None:
        return None
    return Usage(
        prompt_tokens=found["input_tokens"],
        completion_tokens=found["output_tokens"],
        cached_tokens=found.get("input_token_details", {}).get("cache_read") or 0,
        calls=1,
    )


def _name(model: Runnable[Any, Any], base: BaseLanguageModel[Any] | None) -> str:
    for attribute in ("model_name", "model", "model_id"):
        if isinstance(found := getattr(base, attribute, None), str) and found:
            return found
    return type(base).__name__ if base is not None else model.get_name()
