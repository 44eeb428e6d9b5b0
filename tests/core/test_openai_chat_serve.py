"""`OpenAIChat` against `transformers serve`, with a model that the test builds."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lingua_core.errors import LLMRequestError
from lingua_core.llms import Cancellation, ChatRequest, Message, OpenAIChat
from tiny_models import make_tiny_llama

pytest.importorskip("openai", reason="needs the extra 'openai'")
pytest.importorskip("transformers", reason="needs the extra 'transformers'")
pytest.importorskip("torch", reason="needs the extra 'transformers'")
pytest.importorskip("accelerate", reason="`transformers serve` needs accelerate")
pytest.importorskip("fastapi", reason="`transformers serve` needs fastapi")
pytest.importorskip("uvicorn", reason="`transformers serve` needs uvicorn")
pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

TEMPLATE = (
    "{% for message in messages %}{{ message.role }}: {{ message.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)
START_SECONDS = 120
# The machine's proxies are not for the loopback.
plain_http = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_tiny_llama(tmp_path_factory.mktemp("models"))
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8")) | {"chat_template": TEMPLATE}
    path.write_text(json.dumps(config), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def base_url(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("serve") / "log.txt"
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(model_folder)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "2"}
    with log.open("w") as output:
        server = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
    try:
        wait_until_it_answers(f"http://127.0.0.1:{port}/health", server, log)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def wait_until_it_answers(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and server.poll() is None:
        try:
            plain_http.open(url, timeout=5).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"transformers serve did not start:\n{log.read_text(encoding='utf-8')[-2000:]}")


@pytest.fixture
def chat(base_url: str, model_folder: Path) -> Iterator[OpenAIChat]:
    with OpenAIChat(str(model_folder), base_url=base_url, temperature=0) as model:
        yield model


def request(text: str = "Tell me about the harbour.", **options: Any) -> ChatRequest:
    return ChatRequest(messages=(Message("user", text),), **({"max_tokens": 24} | options))


def not_streamed(base_url: str, model: Path, text: str) -> dict[str, Any]:
    body = {"model": str(model), "messages": [{"role": "user", "content": text}], "max_tokens": 24}
    data = json.dumps(body | {"temperature": 0, "stream": False}).encode()
    headers = {"content-type": "application/json"}
    post = urllib.request.Request(f"{base_url}/chat/completions", data=data, headers=headers)
    with plain_http.open(post, timeout=60) as response:
        return json.load(response)


@pytest.mark.parametrize("text", ["Tell me about the harbour.", "Who lit the lamp?", "1901"])
def test_streamed_or_not_threaded_or_not_the_text_is_the_same(
    chat: OpenAIChat, base_url: str, model_folder: Path, text: str
) -> None:
    async def streamed() -> str:
        return "".join([chunk.text async for chunk in chat.astream(request(text))])

    expected = not_streamed(base_url, model_folder, text)["choices"][0]["message"]["content"]
    assert expected.strip()
    assert chat.complete(request(text)).text == expected
    assert "".join(chunk.text for chunk in chat.stream(request(text))) == expected
    assert asyncio.run(streamed()) == expected
    assert asyncio.run(chat.acomplete(request(text))).text == expected


def test_a_stream_comes_in_several_pieces(chat: OpenAIChat) -> None:
    assert len([chunk for chunk in chat.stream(request()) if chunk.text]) > 3


def test_the_limit_is_obeyed_and_said(chat: OpenAIChat, base_url: str, model_folder: Path) -> None:
    reply = chat.complete(request(max_tokens=5))
    assert reply.finish_reason == "length"
    assert reply.usage is not None
    assert reply.usage.completion_tokens == 5
    counted = not_streamed(base_url, model_folder, "Tell me about the harbour.")["usage"]
    assert reply.usage.prompt_tokens == counted["prompt_tokens"] > 0
    assert not reply.usage.estimated


def test_stopping_texts_end_the_reply(chat: OpenAIChat) -> None:
    whole = chat.complete(request()).text
    stop = whole[len(whole) // 2 : len(whole) // 2 + 2]
    cut = chat.complete(request(stop=(stop,))).text
    assert len(cut) < len(whole)
    assert whole.startswith(cut.removesuffix(stop))


def test_calls_may_run_side_by_side(chat: OpenAIChat) -> None:
    async def both() -> list[str]:
        replies = await asyncio.gather(*[chat.acomplete(request(text)) for text in ("one", "two", "one")])
        return [reply.text for reply in replies]

    first, second, again = asyncio.run(both())
    assert first == again == chat.complete(request("one")).text
    assert second == chat.complete(request("two")).text


def test_a_cancelled_call_ends_and_the_server_serves_on(chat: OpenAIChat) -> None:
    cancellation = Cancellation()
    chunks = chat.stream(request(max_tokens=900, cancellation=cancellation))
    next(chunks)
    cancellation.cancel()
    assert list(chunks)[-1].finish_reason == "cancelled"
    assert chat.complete(request(max_tokens=2)).usage is not None


def test_another_model_is_refused(base_url: str) -> None:
    with (
        OpenAIChat("another", base_url=base_url) as model,
        pytest.raises(LLMRequestError, match="requested 'another'"),
    ):
        model.complete(request())
