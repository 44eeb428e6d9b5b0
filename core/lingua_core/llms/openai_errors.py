"""What goes wrong at an HTTP endpoint, as Lingua's errors.

The `openai` package, the HTTP client below it (httpx up to 2.x, httpx2 from 3.0 on) and the network each
raise errors of their own; a server says the same thing in several ways. Here it becomes one class of error
that says whether another attempt may help, and a message that says what to do.
"""

import re
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast

from lingua_core.errors import (
    LLMConnectionError,
    LLMContentFilterError,
    LLMError,
    LLMRateLimitError,
    LLMRequestError,
    LLMResponseError,
    LLMServerError,
    LLMTimeoutError,
)

__all__ = ["Endpoint", "as_llm_error", "error_in_reply", "retry_after"]

_EXCERPT = 300
_QUOTA = {"insufficient_quota", "billing_hard_limit_reached", "billing_not_active"}
_TOO_LONG = re.compile(
    r"context[ _](length|window|size)|maximum (context|sequence)|(prompt|input) is too long|too many tokens",
    re.IGNORECASE,
)
_DURATION = re.compile(
    r"(?:(?P<h>\d+)h)?(?:(?P<m>\d+)m(?!s))?(?:(?P<s>\d+(?:\.\d+)?)s)?(?:(?P<ms>\d+(?:\.\d+)?)ms)?"
)
_HINTS = {
    400: "The request does not suit the server; see its words.",
    401: "Check api_key, or OPENAI_API_KEY.",
    403: "The key may not use this model.",
    404: "Check model, and base_url, which ends in /v1 for most servers.",
    413: "Send less text.",
    422: "The server does not know a field or value; see its words.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Who was asked, for messages.

    Attributes:
        model: The model's name.
        host: Host and port.
        secrets: What must not appear in any message.
    """

    model: str
    host: str
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def is_harmless(self, text: str) -> bool:
        """Whether a text holds no secret."""
        return not any(secret in text for secret in self.secrets)

    def says(self, what: str) -> str:
        """A message with model and host, and without secrets."""
        for secret in self.secrets:
            what = what.replace(secret, "***")
        return f"{what} (model {self.model!r} at {self.host})"


def as_llm_error(endpoint: Endpoint, error: Exception, *, partial: str = "") -> LLMError | None:
    """What the package, the HTTP client or the network raised; None for what is none of theirs."""
    import anyio
    import openai

    if isinstance(error, LLMError):
        return error
    if isinstance(error, openai.APIStatusError):
        return _of_status(endpoint, error, partial)
    clients = [module for name in ("httpx", "httpx2") if (module := sys.modules.get(name)) is not None]
    late = (openai.APITimeoutError, TimeoutError, *(client.TimeoutException for client in clients))
    if isinstance(error, late):
        return LLMTimeoutError(endpoint.says("The server did not answer in time."), partial=partial)
    broken = (openai.APIConnectionError, OSError, EOFError, anyio.EndOfStream, anyio.ClosedResourceError,
              anyio.BrokenResourceError, *(client.HTTPError for client in clients))  # fmt: skip
    if isinstance(error, broken):
        cause = error.__cause__ or error
        how = "broke off" if partial else "could not be made, or broke off"
        text = f"The connection {how}: {type(cause).__name__}: {str(cause)[:_EXCERPT]}"
        return LLMConnectionError(endpoint.says(text), partial=partial)
    if isinstance(error, openai.APIResponseValidationError):
        text = f"The reply is malformed: {str(error)[:_EXCERPT]}"
        return LLMResponseError(endpoint.says(text), partial=partial)
    if isinstance(error, openai.OpenAIError):
        text = f"The request could not be made: {str(error)[:_EXCERPT]}"
        return LLMRequestError(endpoint.says(text), partial=partial)
    return None


def error_in_reply(endpoint: Endpoint, details: object, *, partial: str = "") -> LLMError:
    """An error that came in the place of a reply, or in the middle of one, under the status 200."""
    body, message = _details(details)
    code = body.get("code") or body.get("status")
    status = int(code) if isinstance(code, (int, str)) and re.fullmatch(r"[45]\d\d", str(code)) else 0
    return _classified(endpoint, status, body, message, partial, None)


def _of_status(endpoint: Endpoint, error: Any, partial: str) -> LLMError:  # noqa: ANN401  # of either version
    body, message = _details(error.body)
    wait = retry_after(error.response.headers, now=time.time())
    return _classified(endpoint, error.status_code, body, message or error.message, partial, wait)


def _classified(
    endpoint: Endpoint,
    status: int,
    body: Mapping[str, Any],
    message: str,
    partial: str,
    wait: float | None,
) -> LLMError:
    message = " ".join(message.split())
    message = message if len(message) <= _EXCERPT else message[:_EXCERPT] + "…"
    names = {str(body.get(part)) for part in ("code", "type")}
    text = f"The server refused with status {status}: {message}" if status else f"Server's error: {message}"
    if names & _QUOTA:
        hint = "The account's quota is used up: waiting does not help."
        return LLMRequestError(endpoint.says(f"{text} {hint}"), partial=partial)
    if "content_filter" in names:
        return LLMContentFilterError(endpoint.says(text), partial=partial)
    if status == 429 or "rate_limit_exceeded" in names:
        return LLMRateLimitError(endpoint.says(text), partial=partial, retry_after=wait)
    if status in (408, 409, 425) or status >= 500 or not status:
        text = text.replace("The server refused", "The server failed")
        return LLMServerError(endpoint.says(text), partial=partial, retry_after=wait)
    if "context_length_exceeded" in names or _TOO_LONG.search(message):
        hint = "That is more than the model's context: compress the documents, or lower max_tokens."
        return LLMRequestError(endpoint.says(f"{text} {hint}"), partial=partial)
    hint = _HINTS.get(status, "")
    return LLMRequestError(endpoint.says(f"{text} {hint}".rstrip()), partial=partial)


def _details(body: object) -> tuple[Mapping[str, Any], str]:
    """The error's fields and the server's words: OpenAI's form, FastAPI's, or a plain text."""
    if not isinstance(body, dict):
        return {}, "" if body is None else str(body)
    fields = cast("dict[str, Any]", body)
    if isinstance(inner := fields.get("error"), dict):
        return _details(cast("dict[str, Any]", inner))
    words = fields.get("message") or fields.get("error") or fields.get("detail") or ""
    return fields, str(words)


def retry_after(headers: Mapping[str, str], *, now: float) -> float | None:
    """Seconds after which the server wants to be asked again, or None if it does not say.

    Looks at `retry-after-ms`, at `Retry-After` (seconds or a date, which is taken by the server's own clock
    if it tells), and then at the reset time of the limit, requests or tokens, of which nothing remains.

    Args:
        headers: Of the reply, with names in lower case or in a mapping that does not care.
        now: Seconds since 1970, for dates.
    """
    if (seconds := _number(headers.get("retry-after-ms"))) is not None:
        return seconds / 1000
    given = headers.get("retry-after")
    if given is not None:
        if (seconds := _number(given)) is not None:
            return seconds
        if (until := _timestamp(given)) is not None:
            return max(0.0, until - (_timestamp(headers.get("date")) or now))
    waits = [
        wait
        for limit in ("requests", "tokens")
        if _number(headers.get(f"x-ratelimit-remaining-{limit}")) == 0
        and (wait := _duration(headers.get(f"x-ratelimit-reset-{limit}"))) is not None
    ]
    return max(waits, default=None)


def _number(text: str | None) -> float | None:
    return float(text) if text and re.fullmatch(r"\d+(\.\d+)?", text.strip()) else None


def _timestamp(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        moment: datetime = parsedate_to_datetime(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _duration(text: str | None) -> float | None:
    """Seconds of "1s", "6m0s", "20ms" or "1h2m3.5s"."""
    found = _DURATION.fullmatch(text.strip()) if text and text.strip() else None
    if found is None:
        return None
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
    return sum(float(found[unit]) * size for unit, size in units.items() if found[unit])
