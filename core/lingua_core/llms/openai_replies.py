"""Reading replies of chat-completions endpoints: pure, from bytes to text.

Streams are server-sent events, one JSON value each, then `[DONE]`. The `openai` package reads them too, but
hides whether `[DONE]` came, so that a reply that broke off looks like one that ended.
"""

import json
import logging
from collections.abc import Generator, Mapping
from typing import Any, cast

from lingua_core.errors import (
    LLMConnectionError,
    LLMContentFilterError,
    LLMError,
    LLMResponseError,
    LLMServerError,
)
from lingua_core.llms.base import Chunk, FinishReason, Usage
from lingua_core.llms.logprobs import TokenLogprob
from lingua_core.llms.openai_errors import Endpoint, error_in_reply
from lingua_core.llms.openai_logprobs import logprobs_in

__all__ = ["EventDecoder", "ReplyReader"]

_logger = logging.getLogger(__name__)
_FINISH: dict[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
}
_DONE = b"[DONE]"


class EventDecoder:
    """Cuts a stream into the data of its events, however the network has cut it."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, data: bytes) -> Generator[bytes]:
        """The data of the events that are complete now."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            line = line.removesuffix(b"\r")
            if line:
                self._take(line)
            elif self._data:
                yield self._flush()

    def end(self) -> bytes | None:
        """The data of a last event without the blank line that ends it, if there is one that is whole."""
        self._take(self._rest.removesuffix(b"\r"))
        data = self._flush()
        if data.strip() == _DONE:
            return data
        try:
            json.loads(data)
        except ValueError:
            return None
        return data

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))

    def _flush(self) -> bytes:
        data, self._data = b"\n".join(self._data), []
        return data


class ReplyReader:
    """Collects a reply, and says at its end whether it is one.

    Attributes:
        is_done: Whether nothing more will come.
        is_complete: Whether the model had finished, so that whatever happens now does not harm the text.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.is_done = False
        self._endpoint = endpoint
        self._texts: list[str] = []
        self._refusals: list[str] = []
        self._usage: Usage | None = None
        self._finish: FinishReason | None = None
        self._logprobs: list[TokenLogprob] | None = None
        self._model: str | None = None

    @property
    def text(self) -> str:
        """What has arrived."""
        return "".join(self._texts)

    @property
    def is_complete(self) -> bool:
        """See the class."""
        return self._finish is not None and not self._refusals

    def event(self, data: bytes) -> str:
        """Read an event of a stream.

        Returns:
            The text that is new.

        Raises:
            LLMError: If the event is malformed, an error, a tool call or the mark of a content filter.
        """
        if data.strip() == _DONE:
            self.is_done = True
            return ""
        return self._value(data, part="delta")

    def whole(self, data: bytes) -> str:
        """Read a reply that is not a stream; else as `event`."""
        self.is_done = True
        return self._value(data, part="message")

    def end(self) -> Chunk:
        """The chunk behind the last text.

        Raises:
            LLMConnectionError: If the reply broke off.
            LLMResponseError: If it holds nothing that was written by a model.
            LLMContentFilterError: If the model refused.
        """
        if self._refusals:
            text = f"The model refused: {''.join(self._refusals)[:300]}"
            raise self._error(LLMContentFilterError, text)
        if not self.is_done and self._finish is None:
            raise self._error(LLMConnectionError, "The stream ended in the middle of the reply.")
        if self._finish is None and not any(self._texts):
            raise self._error(LLMResponseError, "The reply holds nothing that a model wrote.")
        return Chunk(
            usage=self._usage,
            finish_reason=self._finish or "stop",
            logprobs=None if self._logprobs is None else tuple(self._logprobs),
            model=self._model,
        )

    def _value(self, data: bytes, *, part: str) -> str:
        try:
            value: Any = json.loads(data)
        except ValueError as error:
            excerpt = data[:80].decode(errors="replace")
            raise self._error(
                LLMResponseError, f"The reply is no JSON: {excerpt!r}. Is base_url that of a chat server?"
            ) from error
        if not isinstance(value, dict):
            raise self._error(LLMResponseError, f"The reply is no JSON object: {value!r:.80}.")
        fields = cast("dict[str, Any]", value)
        if fields.get("error"):
            raise error_in_reply(self._endpoint, fields["error"], partial=self.text)
        if isinstance(fields.get("usage"), dict):
            self._usage = _usage(fields["usage"])
        if isinstance(model := fields.get("model"), str) and model:
            self._model = model
        choices = fields.get("choices")
        if not isinstance(choices, list) or not choices:
            return ""
        choice: Any = cast("list[Any]", choices)[0]
        return self._choice(cast("dict[str, Any]", choice), part) if isinstance(choice, dict) else ""

    def _choice(self, choice: Mapping[str, Any], part: str) -> str:
        given: Any = choice.get(part)
        said = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
        text = _text(said.get("content"))
        if text:
            self._texts.append(text)
        if (found := logprobs_in(choice.get("logprobs"))) is not None:
            self._logprobs = self._logprobs or []
            self._logprobs.extend(found)
        if refusal := said.get("refusal"):
            self._refusals.append(str(refusal))
        if said.get("tool_calls") or said.get("function_call"):
            raise self._error(
                LLMResponseError, "The model called a tool, and none was offered: a text is needed."
            )
        if reason := choice.get("finish_reason"):
            self._finished(str(reason))
        return text

    def _finished(self, reason: str) -> None:
        if reason == "content_filter":
            raise self._error(LLMContentFilterError, "The server's content filter withheld the reply.")
        if reason in ("tool_calls", "function_call"):
            raise self._error(
                LLMResponseError, "The model called a tool, and none was offered: a text is needed."
            )
        if reason in ("error", "abort"):
            raise self._error(LLMServerError, f"The server gave up on the reply ({reason!r}).")
        if reason not in _FINISH:
            _logger.warning("Taking the unknown finish reason %r for 'stop'.", reason)
        self._finish = _FINISH.get(reason, "stop")

    def _error(self, kind: type[LLMError], text: str) -> LLMError:
        return kind(self._endpoint.says(text), partial=self.text)


def _text(content: object) -> str:
    """A message's text; some servers send it in parts, among which there may be thoughts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = [cast("dict[str, Any]", p) for p in cast("list[Any]", content) if isinstance(p, dict)]
    return "".join(str(part.get("text", "")) for part in parts if part.get("type") == "text")


def _usage(given: Mapping[str, Any]) -> Usage:
    details: Any = given.get("prompt_tokens_details") or {}
    return Usage(
        prompt_tokens=given.get("prompt_tokens") or 0,
        completion_tokens=given.get("completion_tokens") or 0,
        cached_tokens=details.get("cached_tokens") or 0,
        calls=1,
    )
