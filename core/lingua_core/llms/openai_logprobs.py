"""Reading log-probabilities out of replies: pure, from JSON values to values.

Endpoints write them in one of two forms: a list of objects, one a token (`content`, as OpenAI's chat
completions have it), or lists side by side (`tokens`, `token_logprobs`, `top_logprobs`, as its completions
had it and some servers still do).
"""

import math
from collections.abc import Mapping
from itertools import zip_longest
from typing import Any, cast

from lingua_core.llms.logprobs import UNLIKELY, TokenAlternative, TokenLogprob

__all__ = ["logprobs_in"]


def logprobs_in(given: object) -> list[TokenLogprob] | None:
    """The tokens in the field `logprobs` of a choice; None if it holds none in a form that is known."""
    if not isinstance(given, dict):
        return None
    fields = cast("dict[str, Any]", given)
    if isinstance(content := fields.get("content"), list):
        return [_token(entry) for entry in _objects(cast("list[Any]", content)) if _is_token(entry)]
    if isinstance(tokens := fields.get("tokens"), list):
        return _side_by_side(cast("list[Any]", tokens), fields)
    return None


def _token(entry: Mapping[str, Any]) -> TokenLogprob:
    one = _alternative(entry)
    return TokenLogprob(one.token, one.logprob, one.raw, _sorted_top(entry.get("top_logprobs")))


def _sorted_top(given: object) -> tuple[TokenAlternative, ...]:
    """The alternatives, given as a list of objects or as an object from tokens to numbers."""
    if isinstance(given, dict):
        pairs = cast("dict[str, Any]", given).items()
        found = [TokenAlternative(str(token), _number(logprob)) for token, logprob in pairs]
    elif isinstance(given, list):
        found = [_alternative(entry) for entry in _objects(cast("list[Any]", given)) if _is_token(entry)]
    else:
        found = []
    return tuple(sorted(found, key=lambda one: -one.logprob))


def _side_by_side(tokens: list[Any], fields: Mapping[str, Any]) -> list[TokenLogprob]:
    logprobs, tops = _list(fields.get("token_logprobs")), _list(fields.get("top_logprobs"))
    columns = zip_longest(tokens, logprobs[: len(tokens)], tops[: len(tokens)])
    return [
        TokenLogprob(str(token), _number(logprob), None, _sorted_top(top)) for token, logprob, top in columns
    ]


def _alternative(entry: Mapping[str, Any]) -> TokenAlternative:
    return TokenAlternative(str(entry["token"]), _number(entry.get("logprob")), _bytes(entry.get("bytes")))


def _is_token(entry: Mapping[str, Any]) -> bool:
    return isinstance(entry.get("token"), str)


def _number(given: object) -> float:
    is_number = isinstance(given, (int, float)) and not isinstance(given, bool) and math.isfinite(given)
    return float(given) if is_number else UNLIKELY  # pyright: ignore[reportArgumentType]


def _bytes(given: object) -> bytes | None:
    if not isinstance(given, list):
        return None
    values = cast("list[Any]", given)
    return bytes(values) if all(isinstance(v, int) and 0 <= v < 256 for v in values) else None


def _objects(values: list[Any]) -> list[dict[str, Any]]:
    return [cast("dict[str, Any]", value) for value in values if isinstance(value, dict)]


def _list(given: object) -> list[Any]:
    return cast("list[Any]", given) if isinstance(given, list) else []
