"""The example scripts run as a newcomer runs them: without a key, offline, as processes of their own."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from fault_server import FaultServer

NEEDS = {
    "rag_langchain": ["langchain_core"],
    "rag_llamaindex": ["llama_index"],
    "long_answers_langchain": ["langchain_core"],
    "long_answers_llamaindex": ["llama_index"],
    "agent_langchain": ["langchain"],
}
ANSWER = "any unused travel comp time will be forfeited."
SAYS = {
    "rag_langchain": ["5 pages were retrieved. Of 3114 tokens,", ANSWER],
    "rag_llamaindex": ["5 nodes were retrieved. Of 3114 tokens,", ANSWER],
    "long_answers_langchain": ["1. **Annual leave**: ", "cites [10]", "[10] Annual and award leave"],
    "long_answers_llamaindex": ["1. **Annual leave**: ", "[10] Annual and award leave: read for points [1]"],
    "agent_langchain": ["[Shortened from 1140 to ", "The original, 5233 characters,", ANSWER],
}
CLIENTS = {"langchain": "langchain_openai", "llamaindex": "llama_index.llms.openai_like"}


def run(example: str, **environment: str) -> list[str]:
    for module in NEEDS[example]:
        pytest.importorskip(module)
    folder = Path(__file__).parent.parent.parent / "docs" / "examples"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "MODEL"))}
    done = subprocess.run(
        [sys.executable, str(folder / f"{example}.py")],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**clean, "PYTHONIOENCODING": "utf-8", **environment},
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("example", NEEDS)
def test_it_runs_without_a_key_and_says_so_first(example: str) -> None:
    first, *lines = run(example)
    assert first.startswith("OPENAI_API_KEY is not set: a script ")
    printed = "\n".join(lines)
    for text in SAYS[example]:
        assert text in printed


@pytest.mark.parametrize("example", NEEDS)
@pytest.mark.allow_hosts(["127.0.0.1"])
def test_with_a_key_it_asks_the_server(example: str) -> None:
    client = CLIENTS[example.split("_")[-1]]
    try:
        found = find_spec(client)
    except ModuleNotFoundError:
        found = None
    if found is None:
        pytest.skip(f"needs {client}")
    with FaultServer(reply=lambda body: "Said by the server.") as server:
        first, *lines = run(
            example, OPENAI_API_KEY="any", MODEL="gpt-4.1-mini", OPENAI_BASE_URL=server.base_url
        )
        assert first == "gpt-4.1-mini answers."
        assert "Said by the server." in "\n".join(lines)
        assert server.records
        assert all(record.body["model"] == "gpt-4.1-mini" for record in server.records)
