"""What models of other packages raise and say, in Lingua's words.

Providers' packages have error classes of their own and no common root. They agree on a few habits: HTTP
statuses in an attribute, headers on a response, and class names that say what happened. That is all that is
used here, so that no package has to be known.
"""

import re
import time
from collections.abc import Iterator, Mapping
from typing import Any, cast

from lingua_core.errors import (
    LLMConnectionError,
    LLMContentFilterError,
    LLMError,
    LLMRateLimitError,
    LLMRequestError,
    LLMServerError,
    LLMTimeoutError,
)
from lingua_core.llms.base import FinishReason
from lingua_core.llms.openai_errors import retry_after

__all__ = ["as_llm_error", "finish_reason"]

_EXCERPT = 300
_QUOTA = re.compile(r"insufficient_quota|billing_(hard_limit_reached|not_active)")
_TOO_LONG = re.compile(
    r"context_length_exceeded|context[ _](length|window)|prompt is too long|maximum (context|sequence)",
    re.IGNORECASE,
)
# In this order: a ConnectTimeout is late, and a RateLimitError of a proxy may also be an APIStatusError.
_NAMES: tuple[tuple[re.Pattern[str], type[LLMError]], ...] = tuple(
    (re.compile(pattern), kind)
    for pattern, kind in (
        (r"RateLimit|TooManyRequests|ResourceExhausted|Throttl", LLMRateLimitError),
        (r"Timeout|TimedOut|DeadlineExceeded", LLMTimeoutError),
        (r"ContentFilter|ContentPolicy|ModelRefusal|BlockedPrompt", LLMContentFilterError),
        (r"ContextOverflow|ContextWindow|ContextLength", LLMRequestError),
        (r"Authentication|PermissionDenied|Unauthorized|BadRequest|NotFoundError|UnprocessableEntity|"
         r"InvalidRequest|InvalidArgument", LLMRequestError),
        (r"ServiceUnavailable|InternalServer|Overloaded|ServerError|BadGateway", LLMServerError),
        (r"Connect(ion)?Error|ConnectionReset|RemoteProtocolError|ReadError|WriteError|IncompleteRead|"
         r"ChunkedEncodingError|ClientPayloadError|ServerDisconnected", LLMConnectionError),
    )
)  # fmt: skip
_LENGTH = {"length", "max_tokens", "max_output_tokens", "model_length"}
_FILTERED = {
    "content_filter",
    "content_filtered",
    "guardrail_intervened",
    "prohibited_content",
    "recitation",
    "refusal",
    "safety",
}


def as_llm_error(error: BaseException, *, name: str, partial: str = "") -> LLMError | None:
    """The class of error that says whether another attempt may help; None for what cannot be told.

    Args:
        error: What a model of another package raised.
        name: The model's, for the message.
        partial: The text that had arrived.
    """
    if isinstance(error, LLMError):
        return error
    words = " ".join(str(error).split())
    text = f"{name} raised {type(error).__name__}: {words[:_EXCERPT]}"
    if (kind := _kind(error, words)) is None:
        return None
    return kind(text, partial=partial, retry_after=retry_after(_headers(error), now=time.time()))


def finish_reason(word: object) -> FinishReason | None:
    """Why a reply ended, from the word of whatever provider; None if there is none."""
    if not isinstance(word, str) or not word:
        return None
    known = word.lower().rpartition(".")[2]  # enumerations are printed as "FinishReason.STOP"
    if known in _LENGTH:
        return "length"
    return "content_filter" if known in _FILTERED else "stop"


def _kind(error: BaseException, words: str) -> type[LLMError] | None:
    status = _status(error)
    if _QUOTA.search(f"{words} {getattr(error, 'code', '')}"):
        return LLMRequestError  # an account without money is refused with the status of too many requests
    if status is not None:
        return _of_status(status)
    if _TOO_LONG.search(words):
        return LLMRequestError
    for cause in _with_causes(error):
        for base in type(cause).__mro__:
            found = next((kind for pattern, kind in _NAMES if pattern.search(base.__name__)), None)
            if found is not None:
                return found
    return LLMConnectionError if isinstance(error, EOFError) else None


def _of_status(status: int) -> type[LLMError]:
    if status == 429:
        return LLMRateLimitError
    if status == 504:
        return LLMTimeoutError
    return LLMServerError if status in (408, 409, 425) or status >= 500 else LLMRequestError


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    """The error, and what it was raised from: wrappers have names that say nothing."""
    seen: BaseException | None = error
    for _ in range(4):
        if seen is None:
            return
        yield seen
        seen = seen.__cause__


def _status(error: BaseException) -> int | None:
    response: Any = getattr(error, "response", None)
    candidates = [getattr(error, name, None) for name in ("status_code", "http_status", "status", "code")]
    candidates.append(getattr(response, "status_code", None))
    if isinstance(response, Mapping):  # botocore's
        about = cast("Mapping[str, Any]", response).get("ResponseMetadata")
        if isinstance(about, Mapping):
            candidates.append(cast("Mapping[str, Any]", about).get("HTTPStatusCode"))
    for value in candidates:
        value = getattr(value, "value", value)  # http.HTTPStatus and the like
        if isinstance(value, int) and 400 <= value <= 599:
            return value
    return None


def _headers(error: BaseException) -> Mapping[str, str]:
    for holder in (getattr(error, "response", None), error):
        headers: Any = getattr(holder, "headers", None)
        if isinstance(headers, Mapping):
            found = cast("Mapping[Any, Any]", headers)
            return {str(key).lower(): str(value) for key, value in found.items()}
    return {}
