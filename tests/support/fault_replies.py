"""What an OpenAI-compatible server sends: whole replies, chunks of streams, and errors, right and wrong.

Pure functions from a request and a text to JSON values; `fault_server` puts them on the wire.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal

Fault = Literal[
    "rate_limit", "quota", "server_error", "unavailable", "overloaded", "unauthorized", "context_length",
    "slow_start", "stall", "reset", "disconnect", "cut", "death",
    "malformed", "error_event", "empty_choices", "content_filter", "refusal", "tool_call", "function_call",
    "endless", "no_usage", "no_finish", "no_done", "no_end", "not_streamed", "reasoning", "odd_chunks",
]  # fmt: skip
ERRORS: dict[str, tuple[int, dict[str, str], str]] = {
    "rate_limit": (429, {"code": "rate_limit_exceeded", "type": "requests"}, "Rate limit reached."),
    "quota": (429, {"code": "insufficient_quota", "type": "insufficient_quota"}, "You exceeded your quota."),
    "server_error": (500, {"type": "server_error"}, "The server had an error."),
    "unavailable": (503, {"type": "server_error"}, "Come back later."),
    "overloaded": (529, {"type": "overloaded_error"}, "Overloaded."),
    "unauthorized": (401, {"code": "invalid_api_key"}, "Incorrect API key provided: {key}."),
    "context_length": (
        400,
        {"code": "context_length_exceeded", "param": "messages"},
        "This model's maximum context length is 10 tokens. However, your messages resulted in 99 tokens.",
    ),
}
FATAL_FAULTS: tuple[Fault, ...] = (
    "rate_limit", "server_error", "unavailable", "overloaded", "reset", "disconnect", "cut", "malformed",
    "error_event", "empty_choices", "content_filter", "tool_call",
)  # fmt: skip
"""Those that end a call at once, for runs at random; of the others some end a call only by its timeout, and
some do not hurt."""


def pieces_of(text: str) -> list[str]:
    """Words with the white space before them: what the server takes for tokens."""
    return re.findall(r"\s*\S+|\s+$", text)


def cut_to(text: str, body: Mapping[str, Any]) -> tuple[str, str]:
    """The text as far as the request allows it, and why it ends."""
    stops = body.get("stop") or []
    ends = [text.find(stop) for stop in ([stops] if isinstance(stops, str) else stops)]
    text = text[: min([end for end in ends if end >= 0], default=len(text))]
    most = body.get("max_completion_tokens") or body.get("max_tokens")
    pieces = pieces_of(text)
    if most is not None and len(pieces) > most:
        return "".join(pieces[:most]), "length"
    return text, "stop"


def usage(body: Mapping[str, Any], text: str, cached: int) -> dict[str, Any]:
    """Tokens by `pieces_of`."""
    prompt = sum(len(pieces_of(message["content"])) for message in body["messages"])
    written = len(pieces_of(text))
    return {
        "prompt_tokens": prompt,
        "completion_tokens": written,
        "total_tokens": prompt + written,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


def tool_call(*, legacy: bool) -> dict[str, Any]:
    """A delta or message that calls a tool."""
    function = {"name": "look_up", "arguments": '{"what": "harbour"}'}
    if legacy:
        return {"function_call": function}
    return {"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": function}]}


def logprobs(body: Mapping[str, Any], pieces: list[str]) -> dict[str, Any] | None:
    """Those of each piece, if they were asked for; the alternatives are the piece in other cases."""
    if not body.get("logprobs"):
        return None

    def told(text: str, logprob: float) -> dict[str, Any]:
        return {"token": text, "logprob": logprob, "bytes": list(text.encode())}

    def other(piece: str, rank: int) -> str:
        return piece if rank == 0 else f"{piece.upper()}{rank}"

    most = body.get("top_logprobs") or 0
    return {
        "content": [
            told(piece, -0.25)
            | {"top_logprobs": [told(other(piece, rank), -0.25 - rank) for rank in range(most)]}
            for piece in pieces
        ]
    }


def completion(
    body: Mapping[str, Any], text: str, *, fault: Fault | None = None, cached: int = 0
) -> dict[str, Any]:
    """A reply that is not streamed."""
    text, finish = cut_to(text, body)
    message: dict[str, Any] = {"role": "assistant", "content": text}
    if fault == "content_filter":
        finish = "content_filter"
    elif fault == "refusal":
        message |= {"content": None, "refusal": "I cannot help with that."}
    elif fault in ("tool_call", "function_call"):
        message |= {"content": None} | tool_call(legacy=fault == "function_call")
        finish = fault if fault == "function_call" else "tool_calls"
    elif fault == "reasoning":
        message |= {"reasoning_content": "Let me think."}
    reply = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": body["model"],
        "choices": [
            {
                "index": 0,
                "message": message,
                "finish_reason": finish,
                "logprobs": logprobs(body, pieces_of(text)),
            }
        ],
        "usage": usage(body, text, cached),
    }
    if fault == "empty_choices":
        reply["choices"] = []
    if fault == "no_finish":
        reply["choices"][0]["finish_reason"] = None
    if fault == "no_usage":
        del reply["usage"]
    return reply


def chunk(body: Mapping[str, Any], delta: Mapping[str, Any], finish: str | None = None) -> dict[str, Any]:
    """One event of a stream."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": body["model"],
        "choices": [
            {
                "index": 0,
                "delta": delta,
                "finish_reason": finish,
                "logprobs": logprobs(body, [delta["content"]]) if delta.get("content") else None,
            }
        ],
    }


def chunks(
    body: Mapping[str, Any], text: str, *, fault: Fault | None = None, cached: int = 0
) -> Iterator[dict[str, Any] | str]:
    """The events of a stream: JSON values, or text that is sent as it is; without the closing [DONE]."""
    text, finish = cut_to(text, body)
    pieces = pieces_of(text)
    half = len(pieces) // 2
    if fault != "empty_choices":
        yield chunk(body, {"role": "assistant", "content": None if fault == "odd_chunks" else ""})
    if fault == "reasoning":
        yield chunk(body, {"reasoning_content": "Let me think."})
        yield chunk(body, {"reasoning": "Let me think."})
    if fault == "odd_chunks":
        yield {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": body["model"]}
        yield {"id": "chatcmpl-1", "prompt_filter_results": [], "choices": [], "usage": None}
    if fault == "empty_choices":
        yield {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": body["model"], "choices": []}
    else:
        for at, piece in enumerate(pieces):
            if at == half and fault in ("malformed", "error_event", "tool_call", "function_call", "refusal"):
                yield from _half_way(body, fault)
            yield chunk(body, {"content": piece})
        if fault not in ("no_finish", "cut"):
            yield chunk(body, {}, "content_filter" if fault == "content_filter" else finish)
    if fault == "no_usage":
        return
    if (body.get("stream_options") or {}).get("include_usage"):
        yield {"id": "chatcmpl-1", "model": body["model"], "choices": [], "usage": usage(body, text, cached)}


def _half_way(body: Mapping[str, Any], fault: Fault) -> Iterator[dict[str, Any] | str]:
    if fault == "malformed":
        yield '{"choices": [{"delta": {"content": "unfin'
    elif fault == "error_event":
        yield {"error": {"message": "The engine died.", "type": "InternalServerError", "code": 500}}
    elif fault == "refusal":
        yield chunk(body, {"refusal": "I cannot "})
        yield chunk(body, {"refusal": "help with that."})
        yield chunk(body, {}, "stop")
    else:
        yield chunk(body, tool_call(legacy=fault == "function_call"))
        yield chunk(body, {}, "tool_calls")
