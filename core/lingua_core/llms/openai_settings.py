"""What an OpenAI-compatible endpoint needs to be told, checked before anything is sent."""

import ipaddress
import math
import os
from typing import Any, get_args
from urllib.parse import urlsplit

from lingua_core.errors import InputError, MissingDependencyError
from lingua_core.llms.openai_requests import MaxTokensField, PrefillStyle

__all__ = ["check_clients", "check_settings", "endpoint_url", "key_for", "load_openai"]

_OPENAI_URL = "https://api.openai.com/v1"
_PLACEHOLDER = "no-key-needed"


def load_openai(model: object) -> Any:  # noqa: ANN401  # a module
    """The package `openai`.

    Raises:
        MissingDependencyError: If it is not installed.
    """
    try:
        import openai
    except ImportError as error:
        raise MissingDependencyError.for_extra(
            str(error.name), extra="openai", purpose=f"OpenAIChat({model!r})"
        ) from error
    return openai


def check_settings(model: object, *, timeout: Any, prefill_style: object, max_tokens_field: object) -> None:  # noqa: ANN401
    """Raise an `InputError` if one of the arguments of `OpenAIChat` cannot be used."""
    if not isinstance(model, str) or not model:
        raise InputError(f"model must be the name of a model, got {model!r:.80}.")
    is_number = isinstance(timeout, (int, float)) and not isinstance(timeout, bool)
    if timeout is not None and not (is_number and math.isfinite(timeout) and timeout > 0):
        raise InputError(f"timeout must be a number of seconds above 0, or None, got {timeout!r}.")
    if prefill_style not in get_args(PrefillStyle):
        raise InputError(
            f"prefill_style must be one of {', '.join(get_args(PrefillStyle))}, got {prefill_style!r}."
        )
    if max_tokens_field not in get_args(MaxTokensField):
        raise InputError(
            f"max_tokens_field must be one of {', '.join(get_args(MaxTokensField))}, "
            f"got {max_tokens_field!r}."
        )


def check_clients(openai: Any, client: object, async_client: object) -> None:  # noqa: ANN401
    """Raise an `InputError` if a client is not of the kind that its argument's name says."""
    pairs = (("client", client, openai.OpenAI), ("async_client", async_client, openai.AsyncOpenAI))
    for name, given, kind in pairs:
        if given is not None and not isinstance(given, kind):
            raise InputError(f"{name} must be an openai.{kind.__name__}, got {type(given).__name__}.")


def endpoint_url(base_url: str | None) -> str:
    """The endpoint: as given, from OPENAI_BASE_URL, or OpenAI's own.

    Raises:
        InputError: If it is no URL.
    """
    url = base_url or os.environ.get("OPENAI_BASE_URL") or _OPENAI_URL
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(
            f"base_url must be a URL such as 'http://localhost:8000/v1', got {url.rpartition('@')[2]!r}."
        )
    return url


def key_for(url: str, api_key: str | None) -> str:
    """The key: as given, from OPENAI_API_KEY, or something in its place for a server on this machine.

    Raises:
        InputError: If there is none.
    """
    key = api_key or os.environ.get("OPENAI_API_KEY")
    if key:
        return key
    if _is_loopback(urlsplit(url).hostname or ""):
        return _PLACEHOLDER
    raise InputError(
        f"There is no key for {urlsplit(url).hostname}. Give api_key=..., set the environment variable "
        "OPENAI_API_KEY, or give a client of the openai package that has one; for a server that needs no "
        'key, give base_url and api_key="none".'
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
