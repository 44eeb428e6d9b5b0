"""`OpenAIChat` against a real HTTP server that fails on request."""

import asyncio
import gc
import json
import logging
import subprocess
import sys
import textwrap
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fault_replies import FATAL_FAULTS
from fault_server import FaultServer
from lingua_core import InputError, MissingDependencyError
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
from lingua_core.llms import LLM, Cancellation, ChatRequest, Chunk, Completion, Message, OpenAIChat
from lingua_core.llms.openai_errors import retry_after
from lingua_core.llms.openai_logprobs import logprobs_in
from lingua_core.llms.openai_replies import EventDecoder

openai = pytest.importorskip("openai", reason="needs the extra 'openai'")
pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

TEXT = "The harbour was opened in 1887 by Ada Marsh."
HALF = "The harbour was opened"
KEY = "sk-very-secret-0123456789"


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer(reply=TEXT) as running:
        yield running


@pytest.fixture
def chat(server: FaultServer) -> Iterator[OpenAIChat]:
    with OpenAIChat("m", base_url=server.base_url) as model:
        yield model


def request(text: str = "Who opened it?", **options: Any) -> ChatRequest:
    return ChatRequest(messages=(Message("system", "Be brief."), Message("user", text)), **options)


def joined(chunks: list[Chunk]) -> Completion:
    assert all(chunk.finish_reason is None and chunk.usage is None for chunk in chunks[:-1])
    last = chunks[-1]
    assert last.finish_reason is not None
    text = "".join(chunk.text for chunk in chunks)
    return Completion(
        text=text,
        usage=last.usage,
        finish_reason=last.finish_reason,
        logprobs=last.logprobs,
        model=last.model,
    )


async def read(model: OpenAIChat, asked: ChatRequest) -> list[Chunk]:
    return [chunk async for chunk in model.astream(asked)]


WAYS: dict[str, Callable[[OpenAIChat, ChatRequest], Completion]] = {
    "complete": lambda model, asked: model.complete(asked),
    "stream": lambda model, asked: joined(list(model.stream(asked))),
    "acomplete": lambda model, asked: asyncio.run(model.acomplete(asked)),
    "astream": lambda model, asked: joined(asyncio.run(read(model, asked))),
}
Way = Callable[[OpenAIChat, ChatRequest], Completion]
all_ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


# Replies


def test_it_is_a_language_model(chat: OpenAIChat) -> None:
    assert isinstance(chat, LLM)
    assert chat.name == "m"
    assert chat.supports_json_schema
    assert not chat.supports_prefill


@all_ways
def test_all_ways_give_the_same_reply(chat: OpenAIChat, server: FaultServer, way: Way) -> None:
    server.cached_tokens = 3
    reply = way(chat, request())
    assert reply.text == TEXT
    assert reply.finish_reason == "stop"
    assert reply.usage is not None
    spent = (reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.usage.cached_tokens)
    assert spent == (5, 9, 3)
    assert (reply.usage.calls, reply.usage.estimated) == (1, False)


@all_ways
def test_limits_and_stops_end_a_reply(chat: OpenAIChat, way: Way) -> None:
    limited = way(chat, request(max_tokens=2))
    assert (limited.text, limited.finish_reason) == ("The harbour", "length")
    stopped = way(chat, request(stop=(" in", " opened")))
    assert (stopped.text, stopped.finish_reason) == ("The harbour was", "stop")


@pytest.mark.parametrize(
    "oddity", ["no_usage", "no_finish", "no_done", "not_streamed", "reasoning", "odd_chunks"]
)
@all_ways
def test_oddities_of_servers_do_not_change_the_text(
    chat: OpenAIChat, server: FaultServer, way: Way, oddity: Any
) -> None:
    server.script(oddity)
    reply = way(chat, request())
    assert reply.text == TEXT
    assert reply.finish_reason == "stop"
    assert (reply.usage is None) == (oddity == "no_usage")


@pytest.mark.parametrize("oddity", [None, "not_streamed", "no_usage", "odd_chunks"])
@all_ways
def test_logprobs_of_the_tokens_come_with_a_reply_that_asks_for_them(
    chat: OpenAIChat, server: FaultServer, way: Way, oddity: Any
) -> None:
    server.script(oddity)
    reply = way(chat, request(top_logprobs=2, max_tokens=2))
    assert reply.model == "m"
    assert reply.logprobs is not None
    assert [one.token for one in reply.logprobs] == ["The", " harbour"]
    harbour = reply.logprobs[1]
    assert (harbour.logprob, harbour.raw) == (-0.25, b" harbour")
    assert [(one.token, one.logprob, one.raw) for one in harbour.top] == [
        (" harbour", -0.25, b" harbour"),
        (" HARBOUR1", -1.25, b" HARBOUR1"),
    ]
    assert way(chat, request()).logprobs is None
    assert ["logprobs" in record.body for record in server.records] == [True, False]


def test_zero_alternatives_leave_the_tokens_logprobs(chat: OpenAIChat, server: FaultServer) -> None:
    reply = chat.complete(request(top_logprobs=0))
    assert reply.logprobs is not None
    assert {one.top for one in reply.logprobs} == {()}
    assert "top_logprobs" not in server.records[0].body


@pytest.mark.parametrize(
    ("refused", "rest"), [("logprobs", None), ("top_logprobs", True)], ids=["all", "alternatives"]
)
def test_servers_that_refuse_logprobs_answer_without(
    server: FaultServer, refused: str, rest: bool | None
) -> None:
    server.refuses = [refused]
    with OpenAIChat("m", base_url=server.base_url) as model:
        for _ in range(2):
            reply = model.complete(request(top_logprobs=3))
            assert reply.text == TEXT
            assert (reply.logprobs is None) == (rest is None)
    assert [record.body.get("logprobs") for record in server.records] == [True, rest, rest]
    assert [record.body.get("top_logprobs") for record in server.records] == [3, None, None]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, None),
        ("yes", None),
        ({"content": None}, None),
        ({"content": []}, []),
        ({"content": [{"token": "a", "logprob": -1}, "?", {"logprob": 1}]}, [("a", -1.0, None, [])]),
        (
            {"content": [{"token": "\ufffd", "logprob": None, "bytes": [240, 159], "top_logprobs": None}]},
            [("\ufffd", -9999.0, b"\xf0\x9f", [])],
        ),
        (
            {"content": [{"token": "a", "logprob": float("-inf"), "bytes": [256], "top_logprobs": [
                {"token": "b", "logprob": -3.0, "bytes": None}, {"token": "a", "logprob": -0.5}]}]},
            [("a", -9999.0, None, [("a", -0.5), ("b", -3.0)])],
        ),
        (
            {"tokens": ["a", "b"], "token_logprobs": [None, -0.5], "top_logprobs": [{"x": -2.0, "a": -1.0}]},
            [("a", -9999.0, None, [("a", -1.0), ("x", -2.0)]), ("b", -0.5, None, [])],
        ),
        ({"tokens": ["a"]}, [("a", -9999.0, None, [])]),
    ],
)  # fmt: skip
def test_logprobs_are_read_in_the_forms_that_servers_write(given: Any, expected: Any) -> None:
    found = logprobs_in(given)
    shown = found and [
        (one.token, one.logprob, one.raw, [(o.token, o.logprob) for o in one.top]) for one in found
    ]
    assert shown == expected


def test_text_arrives_while_the_rest_is_written(chat: OpenAIChat, server: FaultServer) -> None:
    server.script("stall")
    chunks = chat.stream(request())
    assert "".join(next(chunks).text for _ in range(4)) == HALF
    chunks.close()


@pytest.mark.parametrize("text", ["", "日本語\u2028\x85 🙂 é\r\n\x0b\x1cend", "a" * 300_000])
@all_ways
def test_every_text_comes_through(server: FaultServer, chat: OpenAIChat, way: Way, text: str) -> None:
    server.reply = text
    assert way(chat, request()).text == text


def test_what_utf8_cannot_hold_is_replaced(chat: OpenAIChat, server: FaultServer) -> None:
    assert chat.complete(request("a\ud800b")).text == TEXT
    assert server.records[0].body["messages"][1]["content"] == "a\ufffdb"


@given(
    st.lists(st.text(st.characters(codec="utf-8"), max_size=8), max_size=6),
    st.sampled_from(["\n", "\r\n"]),
    st.lists(st.integers(0, 200), max_size=8),
)
def test_events_do_not_depend_on_how_the_network_cuts_them(
    texts: list[str], end: str, cuts: list[int]
) -> None:
    values = [json.dumps({"text": text}, ensure_ascii=False).encode() for text in texts]
    parts = [f": keep-alive{end}{end}event: x{end}data: ".encode() + value for value in values]
    stream = b"".join(part + end.encode() * 2 for part in parts)
    borders = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    decoder = EventDecoder()
    found = [
        event for i in range(len(borders) - 1) for event in decoder.feed(stream[borders[i] : borders[i + 1]])
    ]
    assert found == values
    assert decoder.end() is None


@pytest.mark.parametrize(
    ("rest", "event"),
    [(b"data: [DONE]", b"[DONE]"), (b'data:{"a":1}\n', b'{"a":1}'), (b'data: {"a', None), (b"", None)],
)
def test_a_last_event_needs_no_blank_line_if_it_is_whole(rest: bytes, event: bytes | None) -> None:
    decoder = EventDecoder()
    assert list(decoder.feed(rest)) == []
    assert decoder.end() == event


# Requests


def test_everything_asked_for_is_sent(server: FaultServer) -> None:
    schema = {"title": "skeleton", "type": "object"}
    with OpenAIChat(
        "m", base_url=server.base_url, api_key=KEY, extra_body={"top_k": 5, "min_p": 0.1},
        send_prefix_key=True, default_headers={"x-team": "harbour"},
    ) as model:  # fmt: skip
        model.complete(
            request(
                max_tokens=7,
                stop=("##",),
                temperature=0.0,
                seed=4,
                json_schema=schema,
                prefix_key="doc-1",
                extra={"top_k": 6},
            )
        )
    assert server.records[0].body == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Who opened it?"},
        ],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 7,
        "stop": ["##"],
        "temperature": 0.0,
        "seed": 4,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "skeleton", "schema": schema, "strict": True},
        },
        "prompt_cache_key": "doc-1",
        "top_k": 6,
        "min_p": 0.1,
    }
    assert server.records[0].headers["authorization"] == f"Bearer {KEY}"
    assert server.records[0].headers["x-team"] == "harbour"


def test_nothing_else_is_sent(server: FaultServer) -> None:
    with OpenAIChat("m", base_url=server.base_url, include_usage=False, temperature=0.5) as model:
        model.complete(request(prefix_key="doc-1"))
    assert set(server.records[0].body) == {"model", "messages", "stream", "temperature"}
    assert server.records[0].body["temperature"] == 0.5


@pytest.mark.parametrize(
    ("style", "marks"),
    [("plain", {}), ("vllm", {"continue_final_message": True, "add_generation_prompt": False})],
)
def test_a_reply_is_begun_the_way_that_the_server_knows(
    server: FaultServer, style: Any, marks: dict[str, bool]
) -> None:
    messages = (Message("user", "Who?"), Message("assistant", "1. "))
    with OpenAIChat("m", base_url=server.base_url, prefill_style=style) as model:
        assert model.supports_prefill
        model.complete(ChatRequest(messages=messages, prefill=True))
        model.complete(ChatRequest(messages=messages))
        with pytest.raises(InputError, match="end with the assistant's"):
            model.complete(ChatRequest(messages=messages[:1], prefill=True))
    begun, plain = (record.body for record in server.records)
    assert begun["messages"][-1] == {"role": "assistant", "content": "1. "}
    assert begun == plain | marks


def test_a_reply_cannot_be_begun_unless_the_server_is_known_to_continue_it(chat: OpenAIChat) -> None:
    with pytest.raises(InputError, match="prefill_style"):
        chat.complete(ChatRequest(messages=(Message("assistant", "1. "),), prefill=True))


@pytest.mark.parametrize("field", ["stream_options", "seed", "prompt_cache_key", "temperature", "stream"])
def test_a_refused_field_is_left_out_from_then_on(
    server: FaultServer, field: str, caplog: pytest.LogCaptureFixture
) -> None:
    server.refuses = [field]
    with OpenAIChat("m", base_url=server.base_url, send_prefix_key=True) as model:
        asked = request(seed=1, prefix_key="k", temperature=0.0)
        assert [model.complete(asked).text for _ in range(3)] == [TEXT] * 3
    assert [field in record.body for record in server.records] == [True, False, False, False]
    assert [field in line for line in caplog.messages if "refuses" in line] == [True]


@pytest.mark.parametrize("refused", ["max_tokens", "max_completion_tokens"])
def test_the_limit_is_called_as_the_server_wants_it(server: FaultServer, refused: str) -> None:
    server.refuses = [refused]
    with OpenAIChat("m", base_url=server.base_url) as model:
        assert [model.complete(request(max_tokens=2)).text for _ in range(2)] == ["The harbour"] * 2
    assert len(server.records) == (3 if refused == "max_tokens" else 2)


def test_a_limit_is_never_left_out(server: FaultServer) -> None:
    server.refuses = ["max_tokens", "max_completion_tokens"]
    with OpenAIChat("m", base_url=server.base_url) as model:
        for _ in range(2):
            with pytest.raises(LLMRequestError, match="max_completion_tokens"):
                model.complete(request(max_tokens=2))
    with (
        OpenAIChat("m", base_url=server.base_url, max_tokens_field="max_tokens") as model,
        pytest.raises(LLMRequestError, match="max_tokens"),
    ):
        model.complete(request(max_tokens=2))


def test_fields_are_learnt_by_many_threads_at_once(server: FaultServer) -> None:
    server.refuses = ["stream_options", "max_tokens"]
    with OpenAIChat("m", base_url=server.base_url) as model, ThreadPoolExecutor(16) as pool:
        texts = list(pool.map(lambda i: model.complete(request(str(i), max_tokens=2)).text, range(64)))
        assert texts == ["The harbour"] * 64
        before = len(server.records)
        model.complete(request(max_tokens=2))
    assert len(server.records) == before + 1


# Failures

FAILURES: list[tuple[Any, type[LLMError], str, str]] = [
    ("rate_limit", LLMRateLimitError, "", "429.*Rate limit reached"),
    ("quota", LLMRequestError, "", "429.*quota is used up"),
    ("server_error", LLMServerError, "", "500.*had an error"),
    ("unavailable", LLMServerError, "", "503.*Come back"),
    ("overloaded", LLMServerError, "", "529.*Overloaded"),
    ("unauthorized", LLMRequestError, "", "401.*OPENAI_API_KEY"),
    ("context_length", LLMRequestError, "", "400.*more than the model's context"),
    ("reset", LLMConnectionError, "", "connection"),
    ("death", LLMConnectionError, "", "connection"),
    ("disconnect", LLMConnectionError, HALF, "broke off"),
    ("cut", LLMConnectionError, TEXT, "middle of the reply"),
    ("malformed", LLMResponseError, HALF, "no JSON"),
    ("error_event", LLMServerError, HALF, "500.*engine died"),
    ("empty_choices", LLMResponseError, "", "nothing that a model wrote"),
    ("content_filter", LLMContentFilterError, TEXT, "withheld"),
    ("refusal", LLMContentFilterError, TEXT, "cannot help with that"),
    ("tool_call", LLMResponseError, HALF, "called a tool"),
    ("function_call", LLMResponseError, HALF, "called a tool"),
]


@pytest.mark.parametrize(("fault", "kind", "partial", "words"), FAILURES, ids=[row[0] for row in FAILURES])
@all_ways
def test_failures_are_typed_and_keep_what_had_arrived(
    chat: OpenAIChat,
    server: FaultServer,
    way: Way,
    fault: Any,
    kind: type[LLMError],
    partial: str,
    words: str,
) -> None:
    server.script(fault)
    with pytest.raises(LLMError, match=rf"(?s){words}.*model 'm' at 127\.0\.0\.1:{server.port}") as caught:
        way(chat, request())
    assert type(caught.value) is kind
    assert caught.value.partial == partial
    assert len(server.records) == 1
    if fault != "death":
        assert way(chat, request()).text == TEXT


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("disconnect", LLMConnectionError),
        ("malformed", LLMResponseError),
        ("empty_choices", LLMResponseError),
        ("content_filter", LLMContentFilterError),
        ("refusal", LLMContentFilterError),
        ("tool_call", LLMResponseError),
        ("function_call", LLMResponseError),
        ("endless", LLMTimeoutError),
    ],
)
def test_failures_of_servers_that_do_not_stream(
    server: FaultServer, fault: Any, kind: type[LLMError]
) -> None:
    server.refuses = ["stream"]
    with OpenAIChat("m", base_url=server.base_url) as model:
        assert model.complete(request()).text == TEXT
        server.script(fault)
        with pytest.raises(kind):
            model.complete(request(timeout=0.2 if fault == "endless" else 10))
        assert model.complete(request()).text == TEXT


def test_a_finished_reply_does_not_wait_for_the_connections_end(
    chat: OpenAIChat, server: FaultServer
) -> None:
    server.script("no_end")
    reply = chat.complete(request())
    assert (reply.text, reply.finish_reason) == (TEXT, "stop")
    assert reply.usage is not None


def test_a_finished_reply_survives_its_connection(chat: OpenAIChat, server: FaultServer) -> None:
    server.refuses = ["stream_options"]
    chat.complete(request("learn to expect no usage"))
    server.script("no_end")
    chunks = chat.stream(request())
    text = "".join(next(chunks).text for _ in range(9))
    server.die()
    assert list(chunks) == [Chunk(finish_reason="stop", model="m")]
    assert text == TEXT


def test_a_page_that_is_no_chat_server_is_named(chat: OpenAIChat, server: FaultServer) -> None:
    with (
        OpenAIChat("m", base_url=server.base_url.removesuffix("/v1")) as model,
        pytest.raises(LLMRequestError, match=r"404.*base_url"),
    ):
        model.complete(request())


def test_a_server_that_dies_while_it_writes(chat: OpenAIChat, server: FaultServer) -> None:
    server.script("stall")
    chunks = chat.stream(request())
    text = "".join(next(chunks).text for _ in range(4))
    server.die()
    with pytest.raises(LLMConnectionError) as caught:
        list(chunks)
    assert text == caught.value.partial == HALF
    with pytest.raises(LLMConnectionError, match="ConnectError"):
        chat.complete(request())


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:10 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 10),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT", "date": "Wed, 21 Oct 2026 07:28:10 GMT"}, 0),
        ({"retry-after": "Thu, 01 Jan 1970 00:01:40 GMT"}, 90),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({}, None),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0.5s"}, 360.5),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "20ms"}, 0.02),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1h2m3s"}, 3723),
        ({"x-ratelimit-remaining-requests": "4", "x-ratelimit-reset-requests": "20s"}, None),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": ""}, None),
    ],
)
def test_the_server_says_when_to_come_back(headers: dict[str, str], seconds: float | None) -> None:
    found = retry_after(headers, now=10.0)
    assert found == (None if seconds is None else pytest.approx(seconds))


def test_errors_carry_when_to_come_back(chat: OpenAIChat, server: FaultServer) -> None:
    server.headers = {"Retry-After": "7"}
    for fault in ("rate_limit", "unavailable"):
        server.script(fault)  # type: ignore[arg-type]
        with pytest.raises(LLMError) as caught:
            chat.complete(request())
        assert caught.value.retry_after == 7


# Keys


def test_the_key_is_nowhere_to_be_seen(server: FaultServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    seen = []
    for model in (
        OpenAIChat("m", base_url=server.base_url, api_key=KEY),
        OpenAIChat("m", client=openai.OpenAI(base_url=server.base_url, api_key=KEY)),
    ):
        server.script("unauthorized")
        with pytest.raises(LLMRequestError) as caught:
            model.complete(request())
        seen += [repr(model), str(caught.value), "".join(traceback.format_exception(caught.value))]
        model.close()
    assert [record.headers["authorization"] for record in server.records] == [f"Bearer {KEY}"] * 2
    assert KEY not in "".join([*seen, *[line for line in caplog.messages if "lingua" in line]])


def test_a_missing_key_is_said_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    for url in (None, "http://models.internal:8000/v1"):
        with pytest.raises(InputError, match=r"api_key=.*OPENAI_API_KEY.*client"):
            OpenAIChat("m", base_url=url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert "api.openai.com" in repr(OpenAIChat("m"))


@pytest.mark.parametrize("url", ["http://localhost:1/v1", "http://[::1]:1/v1", "http://127.0.0.1:1"])
def test_a_server_on_this_machine_needs_no_key(url: str) -> None:
    OpenAIChat("m", base_url=url)


def test_url_and_key_come_from_the_environment(server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with OpenAIChat("m") as model:
        assert model.complete(request()).text == TEXT
    assert server.records[0].headers["authorization"] == f"Bearer {KEY}"


# Time


@pytest.mark.parametrize("fault", ["slow_start", "stall"])
@all_ways
def test_silence_ends_a_call(server: FaultServer, way: Way, fault: Any) -> None:
    server.script(fault)
    with OpenAIChat("m", base_url=server.base_url, timeout=0.3) as model:
        with pytest.raises(LLMTimeoutError, match=r"0\.3 s of silence") as caught:
            way(model, request(timeout=30))
        assert HALF.startswith(caught.value.partial)  # not all of it on a machine that is busy
        assert server.wait_for(lambda: server.disconnects == 1)


def test_a_call_that_was_too_slow_carries_what_had_arrived(chat: OpenAIChat, server: FaultServer) -> None:
    chat.complete(request())
    server.script("stall")
    with pytest.raises(LLMTimeoutError) as caught:
        chat.complete(request(timeout=1.0))
    assert caught.value.partial == HALF


@pytest.mark.parametrize("fault", ["slow_start", "stall", "endless"])
@all_ways
def test_a_call_ends_in_time_even_if_the_server_writes_for_ever(
    chat: OpenAIChat, server: FaultServer, way: Way, fault: Any
) -> None:
    server.piece_seconds = 0.01
    server.script(fault)
    started = time.monotonic()
    with pytest.raises(LLMTimeoutError, match=r"0\.3 s in all") as caught:
        way(chat, request(timeout=0.3))
    assert 0.3 <= time.monotonic() - started < 10
    text = caught.value.partial
    assert text.startswith(HALF) if len(text) > len(HALF) else HALF.startswith(text)
    assert server.wait_for(lambda: server.disconnects == 1)


# Cancellation


@pytest.mark.parametrize("fault", ["slow_start", "stall", "endless"])
@pytest.mark.parametrize("given_client", [False, True])
@all_ways
def test_cancellation_ends_the_call_and_its_connection(
    server: FaultServer, way: Way, fault: Any, given_client: bool
) -> None:
    if fault == "slow_start" and given_client:
        pytest.skip("a blocking client cannot be woken before the server answers")
    server.script(fault)
    cancellation = Cancellation()
    sdk = openai.OpenAI(base_url=server.base_url, api_key=KEY) if given_client else None
    model = OpenAIChat("m", client=sdk) if sdk else OpenAIChat("m", base_url=server.base_url)
    expected = 0 if fault == "slow_start" else 4

    def cancel() -> None:
        server.wait_for(lambda: bool(server.records) and server.records[0].sent >= expected)
        time.sleep(0.05)
        cancellation.cancel()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    reply = way(model, request(cancellation=cancellation))
    canceller.join()
    assert reply.finish_reason == "cancelled"
    assert reply.text.startswith(HALF if expected else "")
    assert server.wait_for(lambda: server.disconnects == 1)
    assert way(model, request()).text == TEXT
    model.close()
    if sdk is not None:
        sdk.close()


def test_a_blocking_client_gives_its_caller_back_before_the_server_answers(server: FaultServer) -> None:
    server.slow_seconds = 1
    server.script("slow_start")
    cancellation = Cancellation()
    with openai.OpenAI(base_url=server.base_url, api_key=KEY) as sdk:
        model = OpenAIChat("m", client=sdk)
        threading.Timer(0.1, cancellation.cancel).start()
        assert model.complete(request(cancellation=cancellation)).finish_reason == "cancelled"
        assert not server.records[0].finished
        assert server.wait_for(lambda: server.active == 0)
        model.close()


@all_ways
def test_what_was_cancelled_before_is_not_sent(chat: OpenAIChat, server: FaultServer, way: Way) -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    assert way(chat, request(cancellation=cancellation)) == Completion(text="", finish_reason="cancelled")
    assert server.records == []


def test_cancelling_afterwards_does_nothing(chat: OpenAIChat) -> None:
    cancellation = Cancellation()
    assert chat.complete(request(cancellation=cancellation)).text == TEXT
    asyncio.run(chat.acomplete(request(cancellation=cancellation)))
    cancellation.cancel()


def test_closing_the_iterator_ends_the_connection(chat: OpenAIChat, server: FaultServer) -> None:
    server.script("endless")
    chunks = chat.stream(request())
    next(chunks)
    chunks.close()
    assert server.wait_for(lambda: server.disconnects == 1)


async def test_closing_the_asynchronous_iterator_ends_the_connection(
    chat: OpenAIChat, server: FaultServer
) -> None:
    server.script("endless")
    chunks = chat.astream(request())
    await anext(chunks)
    await chunks.aclose()
    assert await asyncio.to_thread(server.wait_for, lambda: server.disconnects == 1)


@pytest.mark.parametrize("fault", ["slow_start", "stall"])
async def test_cancelling_the_task_ends_the_connection(
    chat: OpenAIChat, server: FaultServer, fault: Any
) -> None:
    server.script(fault)
    task = asyncio.create_task(chat.acomplete(request()))
    assert await asyncio.to_thread(server.wait_for, lambda: len(server.records) == 1)
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(server.wait_for, lambda: server.disconnects == 1)


async def test_a_callers_own_time_limit_is_the_callers(chat: OpenAIChat, server: FaultServer) -> None:
    server.script("stall")
    with pytest.raises(TimeoutError) as caught:
        async with asyncio.timeout(0.2):
            await chat.acomplete(request())
    assert not isinstance(caught.value, LLMError)


# Threads, loops, connections


def test_every_event_loop_is_served(chat: OpenAIChat, server: FaultServer) -> None:
    assert [asyncio.run(chat.acomplete(request())).text for _ in range(3)] == [TEXT] * 3
    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda _: asyncio.run(chat.acomplete(request())).text, range(8)))
    assert replies == [TEXT] * 8


async def test_synchronous_calls_work_inside_a_running_loop(chat: OpenAIChat) -> None:
    assert chat.complete(request()).text == TEXT
    assert (await chat.acomplete(request())).text == TEXT


def test_connections_are_used_again(chat: OpenAIChat, server: FaultServer) -> None:
    for _ in range(5):
        chat.complete(request())
    assert server.connections == 1

    async def five() -> None:
        for _ in range(5):
            await chat.acomplete(request())

    asyncio.run(five())
    assert server.connections == 2


async def test_many_calls_run_at_once(chat: OpenAIChat, server: FaultServer) -> None:
    server.start_seconds = 1.0
    replies = await asyncio.gather(*[chat.acomplete(request(str(i))) for i in range(40)])
    assert [reply.text for reply in replies] == [TEXT] * 40
    assert server.peak == 40


def test_many_threads_call_at_once(chat: OpenAIChat, server: FaultServer) -> None:
    server.start_seconds = 1.0
    with ThreadPoolExecutor(40) as pool:
        replies = list(pool.map(lambda i: chat.complete(request(str(i))).text, range(40)))
    assert replies == [TEXT] * 40
    assert server.peak == 40


def test_a_closed_model_opens_again(server: FaultServer) -> None:
    model = OpenAIChat("m", base_url=server.base_url)
    assert model.complete(request()).text == TEXT
    server.script("stall")
    chunks = model.stream(request())
    next(chunks)
    model.close()
    with pytest.raises(RuntimeError, match="closed"):
        list(chunks)
    assert server.wait_for(lambda: server.active == 0)
    assert model.complete(request()).text == TEXT
    model.close()


def test_a_model_that_nobody_holds_leaves_no_thread(server: FaultServer) -> None:
    before = threading.active_count()
    model = OpenAIChat("m", base_url=server.base_url)
    model.complete(request())
    assert threading.active_count() > before
    del model
    gc.collect()
    assert server.wait_for(lambda: threading.active_count() == before)


async def test_a_loop_may_close_its_client_early(chat: OpenAIChat, server: FaultServer) -> None:
    for _ in range(2):
        assert (await chat.acomplete(request())).text == TEXT
        await chat.aclose()
    await chat.aclose()
    assert server.connections == 2


def test_programs_that_close_nothing_end_without_a_warning(server: FaultServer) -> None:
    program = f"""
        import asyncio
        from lingua_core.llms import ChatRequest, Message, OpenAIChat

        chat = OpenAIChat("m", base_url={server.base_url!r})
        request = ChatRequest(messages=(Message("user", "Who?"),))

        async def main():
            await chat.acomplete(request)
            left = chat.astream(request)
            await anext(left)

        chat.complete(request)
        asyncio.run(main())
        asyncio.run(main())
        left = chat.stream(request)
        print(next(left).text)
    """
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", textwrap.dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    slow = "Executing <"  # what development mode says of a machine under load
    assert [line for line in done.stderr.splitlines() if not line.startswith(slow)] == []
    assert done.stdout == "The\n"
    assert done.returncode == 0


# A user's own clients


def test_a_synchronous_client_serves_threads_and_loops(server: FaultServer) -> None:
    with openai.OpenAI(base_url=server.base_url, api_key=KEY, max_retries=5) as sdk:
        with OpenAIChat("m", client=sdk) as model:
            for way in WAYS.values():
                assert way(model, request()).text == TEXT
                server.script("server_error")
                with pytest.raises(LLMServerError):
                    way(model, request())
        assert len(server.records) == 8  # the client's own retries are off
        assert not sdk.is_closed()


@pytest.mark.parametrize("fault", FATAL_FAULTS)
def test_failures_of_a_synchronous_client_are_the_same(
    server: FaultServer, chat: OpenAIChat, fault: Any
) -> None:
    failures: list[tuple[type[LLMError], str, str]] = []
    with openai.OpenAI(base_url=server.base_url, api_key=KEY) as sdk, OpenAIChat("m", client=sdk) as other:
        for model in (chat, other):
            server.script(fault)
            with pytest.raises(LLMError) as caught:
                model.complete(request())
            failures.append((type(caught.value), caught.value.partial, str(caught.value)))
    assert failures[0] == failures[1]


def test_an_asynchronous_client_serves_its_loop_alone(server: FaultServer) -> None:
    async def main() -> OpenAIChat:
        async with openai.AsyncOpenAI(base_url=server.base_url, api_key=KEY) as sdk:
            model = OpenAIChat("m", async_client=sdk)
            assert (await model.acomplete(request())).text == TEXT
            server.script("server_error")
            with pytest.raises(LLMServerError):
                await model.acomplete(request())
            return model

    model = asyncio.run(main())
    assert len(server.records) == 2
    with pytest.raises(InputError, match="another event loop"):
        asyncio.run(model.acomplete(request()))
    with pytest.raises(InputError, match="Only async_client"):
        model.complete(request())


def test_clients_of_the_wrong_kind_are_refused() -> None:
    sdk = openai.AsyncOpenAI(base_url="http://127.0.0.1:1", api_key=KEY)
    with pytest.raises(InputError, match="AsyncOpenAI"):
        OpenAIChat("m", client=sdk)
    with pytest.raises(InputError, match="belong to the client"):
        OpenAIChat("m", async_client=sdk, api_key=KEY)


# Arguments and packages


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": 0},
        {"timeout": float("nan")},
        {"timeout": "60"},
        {"prefill_style": "magic"},
        {"max_tokens_field": "tokens"},
        {"base_url": "localhost:8000"},
        {"base_url": "ftp://localhost"},
        {"model": ""},
    ],
)
def test_arguments_that_make_no_sense_are_refused(options: dict[str, Any]) -> None:
    arguments = {"model": "m", "base_url": "http://localhost:8000/v1"} | options
    with pytest.raises(InputError, match=next(iter(options))):
        OpenAIChat(**arguments)


def test_without_the_package_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai", None)
    with pytest.raises(MissingDependencyError, match=r"lingua-rag\[openai\]"):
        OpenAIChat("m")


def test_importing_the_models_does_not_import_the_package() -> None:
    program = "import sys, lingua_core.llms; print('openai' in sys.modules, 'httpx' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False False\n"


# The server that fails on request


def test_random_failures_repeat_whatever_the_order() -> None:
    def run(order: list[int]) -> dict[str, list[str]]:
        with (
            FaultServer(reply=TEXT, fault_rate=0.3, seed=7) as server,
            OpenAIChat("m", base_url=server.base_url) as model,
        ):

            def ask(i: int) -> tuple[str, list[str]]:
                outcomes = []
                for _ in range(3):
                    try:
                        outcomes.append(model.complete(request(str(i))).finish_reason)
                    except LLMError as error:
                        outcomes.append(type(error).__name__)
                return str(i), outcomes  # type: ignore[return-value]

            with ThreadPoolExecutor(8) as pool:
                return dict(pool.map(ask, order))

    first = run(list(range(30)))
    assert first == run(list(reversed(range(30))))
    failed = sum(outcome != "stop" for outcomes in first.values() for outcome in outcomes)
    assert 10 <= failed <= 45
