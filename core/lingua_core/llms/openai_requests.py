"""Writing requests for chat-completions endpoints, in the dialect of the server at hand.

Servers differ in which fields they take: OpenAI's newer models refuse `max_tokens`, others know nothing
else; some refuse `stream_options`. What a server refuses by name is left out, or called otherwise, from
then on.
"""

import logging
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from lingua_core.errors import InputError
from lingua_core.llms.base import ChatRequest
from lingua_core.unicode import encodable

__all__ = ["MaxTokensField", "PrefillStyle", "RequestWriter"]

MaxTokensField = Literal["auto", "max_completion_tokens", "max_tokens"]
PrefillStyle = Literal["none", "plain", "vllm"]

_logger = logging.getLogger(__name__)
_OTHER = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_DISPENSABLE = (
    "stream_options", "seed", "prompt_cache_key", "temperature", "stream", "logprobs", "top_logprobs",
)  # fmt: skip
"""A server that gives log-probabilities only without a stream names both: the stream goes first."""
_TOGETHER = {"stream": "stream_options", "logprobs": "top_logprobs"}
"""What means nothing without another field."""
_UNSUPPORTED = re.compile(
    r"unsupported|not supported|n[o']t support|unexpected|unknown|unrecogni[sz]ed|extra (inputs|fields)|"
    r"not (permitted|allowed|available)|additional properties|only the default|must be verified|use '",
    re.IGNORECASE,
)
_PREFILL: dict[PrefillStyle, dict[str, Any]] = {
    "none": {},
    "plain": {},
    "vllm": {"continue_final_message": True, "add_generation_prompt": False},
}


@dataclass(slots=True, kw_only=True)
class RequestWriter:
    """Turns requests into the fields of a call; threads and tasks may share one.

    Attributes:
        model: The model's name.
        temperature: For requests without one.
        max_tokens_field: What the server calls the limit; "auto" begins with `likely_max_tokens_field` and
            takes the other if that is refused.
        likely_max_tokens_field: See there.
        include_usage: Whether to ask streams for their usage.
        prefill_style: How a reply that has been begun is marked.
        send_prefix_key: Whether `ChatRequest.prefix_key` goes along as `prompt_cache_key`.
        extra_body: Fields for every request; a request's own come before them.
    """

    model: str
    temperature: float | None
    max_tokens_field: MaxTokensField
    likely_max_tokens_field: str
    include_usage: bool
    prefill_style: PrefillStyle
    send_prefix_key: bool
    extra_body: Mapping[str, Any]
    _refused: frozenset[str] = field(default=frozenset(), init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def fields(self, request: ChatRequest) -> dict[str, Any]:
        """What to call the endpoint with.

        Raises:
            InputError: If the request has a prefill that is none, or that the model does not take.
        """
        extra = {**self.extra_body, **request.extra}
        if request.prefill:
            self._check_prefill(request)
            extra = {**_PREFILL[self.prefill_style], **extra}
        given: dict[str, Any] = {
            "messages": [{"role": m.role, "content": encodable(m.content)} for m in request.messages],
            "model": self.model,
            "stream": True,
            "stream_options": {"include_usage": True} if self.include_usage else None,
            self._limit_field(): request.max_tokens,
            "stop": list(request.stop) or None,
            "temperature": self.temperature if request.temperature is None else request.temperature,
            "seed": request.seed,
            "response_format": _response_format(request.json_schema),
            "logprobs": None if request.top_logprobs is None else True,
            "top_logprobs": request.top_logprobs or None,
            "prompt_cache_key": request.prefix_key if self.send_prefix_key else None,
            "extra_body": extra or None,
        }
        refused = self._refused | {_TOGETHER[name] for name in self._refused & _TOGETHER.keys()}
        return {name: v for name, v in given.items() if v is not None and name not in refused}

    def learn(self, fields: Mapping[str, Any], *, parameter: str | None, message: str) -> bool:
        """Take note of a refusal.

        Args:
            fields: What was sent.
            parameter: The field that the server names apart from its words, if it does.
            message: Its words.

        Returns:
            Whether the next `fields` differ, so that another attempt is worth while.
        """
        candidates = [name for name in (*_OTHER, *_DISPENSABLE) if name in fields]
        if self.max_tokens_field != "auto":
            candidates = [name for name in candidates if name not in _OTHER]
        named = [name for name in candidates if parameter == name or _names(message, name)]
        # OpenAI's words for one of two names hold the other as well.
        named.sort(key=lambda name: parameter != name)
        if not named or not _UNSUPPORTED.search(message):
            return False
        with self._lock:
            if _OTHER.get(named[0]) in self._refused:
                return False  # a call without any limit may never end
            self._refused |= {named[0]}
        _logger.warning("Model %r refuses the field %r; it is left out from now on.", self.model, named[0])
        return True

    def _limit_field(self) -> str:
        if self.max_tokens_field != "auto":
            return self.max_tokens_field
        likely = self.likely_max_tokens_field
        return _OTHER[likely] if likely in self._refused else likely

    def _check_prefill(self, request: ChatRequest) -> None:
        if self.prefill_style == "none":
            raise InputError(
                f"The request begins the reply, but {self.model!r} is not known to continue one. "
                'Set prefill_style="vllm" (vLLM, SGLang) or "plain" if the server does.'
            )
        if not request.messages or request.messages[-1].role != "assistant":
            raise InputError("A request with prefill must end with the assistant's message.")


def _names(message: str, name: str) -> bool:
    forms = r"stream(ing)?" if name == "stream" else re.escape(name)
    return re.search(rf"\b{forms}\b", message, re.IGNORECASE) is not None


def _response_format(schema: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if schema is None:
        return None
    title = str(schema.get("title", ""))
    name = title if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", title) else "reply"
    return {"type": "json_schema", "json_schema": {"name": name, "schema": dict(schema), "strict": True}}
