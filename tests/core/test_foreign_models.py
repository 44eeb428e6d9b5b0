"""Errors and finish reasons of packages that nobody knows are told by the habits that they share."""

import http
from typing import Any

import pytest

from lingua_core.errors import (
    LLMConnectionError,
    LLMContentFilterError,
    LLMError,
    LLMRateLimitError,
    LLMRequestError,
    LLMServerError,
    LLMTimeoutError,
)
from lingua_core.llms.foreign_models import as_llm_error, finish_reason


def named(name: str, **attributes: Any) -> Exception:
    """An error of a class of that name, as some package may have."""
    error = type(name, (Exception,), {})("what it says")
    for attribute, value in attributes.items():
        setattr(error, attribute, value)
    return error


class Response:
    def __init__(self, status_code: int, **headers: str) -> None:
        self.status_code = status_code
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (named("APIStatusError", status_code=429), LLMRateLimitError),
        (named("HTTPError", response=Response(503)), LLMServerError),
        (named("ApiError", code=529), LLMServerError),
        (named("ClientError", status=http.HTTPStatus.GATEWAY_TIMEOUT), LLMTimeoutError),
        (named("ClientError", response={"ResponseMetadata": {"HTTPStatusCode": 400}}), LLMRequestError),
        (named("APIStatusError", status_code=401), LLMRequestError),
        (named("ResourceExhausted"), LLMRateLimitError),
        (named("ThrottlingException"), LLMRateLimitError),
        (named("ModelRateLimitError"), LLMRateLimitError),
        (named("DeadlineExceeded"), LLMTimeoutError),
        (named("ReadTimeout"), LLMTimeoutError),
        (TimeoutError("late"), LLMTimeoutError),
        (ConnectionResetError("gone"), LLMConnectionError),
        (named("RemoteProtocolError"), LLMConnectionError),
        (named("APIConnectionError"), LLMConnectionError),
        (EOFError(), LLMConnectionError),
        (named("OverloadedError"), LLMServerError),
        (named("ModelRefusalError"), LLMContentFilterError),
        (named("ContextOverflowError"), LLMRequestError),
        (ValueError("This model's maximum context length is 10 tokens."), LLMRequestError),
        (named("RateLimitError", status_code=429, code="insufficient_quota"), LLMRequestError),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_errors_are_told_by_status_words_and_names(error: Exception, kind: type[LLMError]) -> None:
    found = as_llm_error(error, name="the model", partial="so far")
    assert type(found) is kind
    assert found.partial == "so far"
    assert "the model raised" in str(found)
    assert type(error).__name__ in str(found)


def test_the_cause_of_a_wrapper_that_says_nothing_is_looked_at() -> None:
    error = named("ProviderProblem")
    error.__cause__ = ConnectionResetError("gone")
    assert isinstance(as_llm_error(error, name="m"), LLMConnectionError)


def test_what_cannot_be_told_is_left_to_the_caller() -> None:
    assert as_llm_error(KeyError("x"), name="m") is None
    assert as_llm_error(named("Oddity", status_code=200), name="m") is None
    own = LLMServerError("own")
    assert as_llm_error(own, name="m") is own


def test_a_wish_to_wait_is_read_whatever_the_case_of_the_header() -> None:
    error = named("RateLimitError", response=Response(429, **{"Retry_After": "7"}))
    found = as_llm_error(error, name="m")
    assert found is not None
    assert found.retry_after == 7


def test_long_messages_are_cut() -> None:
    error = RuntimeError("x" * 5000)
    error.status_code = 500  # type: ignore[attr-defined]
    assert len(str(as_llm_error(error, name="m"))) < 500


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("stop", "stop"),
        ("end_turn", "stop"),
        ("STOP", "stop"),
        ("length", "length"),
        ("max_tokens", "length"),
        ("FinishReason.MAX_TOKENS", "length"),
        ("content_filter", "content_filter"),
        ("SAFETY", "content_filter"),
        ("refusal", "content_filter"),
        ("", None),
        (None, None),
        (3, None),
    ],
)
def test_finish_reasons_of_all_providers_are_three(word: object, reason: str | None) -> None:
    assert finish_reason(word) == reason
