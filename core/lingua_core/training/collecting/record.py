"""A reply as it is kept: one JSON object a line, the form that alignment reads.

```text
{"id": "…", "messages": [{"role": "user", "content": "…"}], "response": "…", "finish_reason": "stop",
 "model": "…", "usage": {"prompt_tokens": 9, "completion_tokens": 4, "cached_tokens": 0},
 "logprobs": [{"token": " a", "logprob": -0.1, "top": [[" a", -0.1], [" b", -2.5]]}, …]}
```

`usage` and `logprobs` are null where the endpoint does not tell. A token has `bytes` (a list of numbers) only
where they are not those of its text, and the first entry of a pair in `top` is then that list instead of a
text: several tokens may share the bytes of one character.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from lingua_core.errors import InputError, LLMResponseError
from lingua_core.llms.base import Completion, Message, Usage
from lingua_core.llms.logprobs import TokenAlternative, TokenLogprob
from lingua_core.training.collecting.journal import lines_of
from lingua_core.training.collecting.prompts import Prompt

__all__ = ["CollectedResponse", "collected_responses", "response_record"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectedResponse:
    """A target model's reply to a prompt.

    Attributes:
        id: Of the prompt.
        messages: The prompt.
        response: The reply's text.
        finish_reason: Why it ended.
        model: What wrote it, as the endpoint names it; None if it does not.
        usage: Tokens; None if the endpoint does not tell.
        logprobs: Of each token written; None if the endpoint does not tell.
    """

    id: str
    messages: tuple[Message, ...]
    response: str
    finish_reason: str
    model: str | None = None
    usage: Usage | None = None
    logprobs: tuple[TokenLogprob, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """As it stands in a line."""
        spent = self.usage
        return {
            "id": self.id,
            "messages": [{"role": m.role, "content": m.content} for m in self.messages],
            "response": self.response,
            "finish_reason": self.finish_reason,
            "model": self.model,
            "usage": None
            if spent is None
            else {
                "prompt_tokens": spent.prompt_tokens,
                "completion_tokens": spent.completion_tokens,
                "cached_tokens": spent.cached_tokens,
            },
            "logprobs": None if self.logprobs is None else [_token_json(token) for token in self.logprobs],
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "CollectedResponse":
        """From a line.

        Raises:
            InputError: If it is none.
        """
        try:
            usage: Mapping[str, Any] | None = fields.get("usage")
            logprobs: Sequence[Mapping[str, Any]] | None = fields.get("logprobs")
            return cls(
                id=fields["id"],
                messages=tuple(Message(m["role"], m["content"]) for m in fields["messages"]),
                response=fields["response"],
                finish_reason=fields["finish_reason"],
                model=fields.get("model"),
                usage=None if usage is None else Usage(**usage, calls=1),
                logprobs=None if logprobs is None else tuple(_token(token) for token in logprobs),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"This is no collected response ({error!r}): {fields!r:.80}.") from error


def response_record(prompt: Prompt, completion: Completion) -> dict[str, Any]:
    """The record of a reply.

    Raises:
        LLMResponseError: If the reply is empty: there is nothing to learn from it.
    """
    if not completion.text.strip():
        hint = " Raise the limit of tokens." if completion.finish_reason == "length" else ""
        raise LLMResponseError(f"The reply is empty (finish reason {completion.finish_reason!r}).{hint}")
    return CollectedResponse(
        id=prompt.id,
        messages=prompt.request.messages,
        response=completion.text,
        finish_reason=completion.finish_reason,
        model=completion.model,
        usage=completion.usage,
        logprobs=completion.logprobs,
    ).to_json()


def collected_responses(path: Path) -> Iterator[CollectedResponse]:
    """The responses in a file, also while it is being written.

    Raises:
        InputError: If the file cannot be read, or a line is none; says which.
    """
    for number, (_, line) in enumerate(lines_of(path), start=1):
        try:
            fields: object = json.loads(line)
            if not isinstance(fields, dict):
                raise InputError(f"got {fields!r:.60}")
            yield CollectedResponse.from_json(cast("dict[str, Any]", fields))
        except ValueError as error:
            raise InputError(f"Line {number} of {str(path)!r} is no collected response: {error}") from error


def _token_json(token: TokenLogprob) -> dict[str, Any]:
    shown = _shown(token.token, token.raw)
    told: dict[str, Any] = {"token": token.token}
    if not isinstance(shown, str):
        told["bytes"] = shown
    return told | {
        "logprob": token.logprob,
        "top": [[_shown(other.token, other.raw), other.logprob] for other in token.top],
    }


def _shown(token: str, raw: bytes | None) -> str | list[int]:
    return token if raw is None or raw == token.encode(errors="replace") else list(raw)


def _token(fields: Mapping[str, Any]) -> TokenLogprob:
    raw = fields.get("bytes")
    return TokenLogprob(
        fields["token"],
        fields["logprob"],
        None if raw is None else bytes(raw),
        tuple(_alternative(shown, logprob) for shown, logprob in fields["top"]),
    )


def _alternative(shown: str | list[int], logprob: float) -> TokenAlternative:
    if isinstance(shown, str):
        return TokenAlternative(shown, logprob)
    raw = bytes(shown)
    return TokenAlternative(raw.decode(errors="replace"), logprob, raw)
