"""Documents, prompts, an endpoint, pairs, a classifier: each command reads what the one before wrote."""

import json
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from cli_runner import lingua
from fault_server import FaultServer
from lingua_core import PromptCompressor
from lingua_core.training.token_classifier.instruction import INSTRUCTION, text_of_request

pytest.importorskip("openai", reason="needs the extra 'openai'")
pytest.importorskip("torch", reason="training needs the extra 'train'")
pytest.importorskip("transformers", reason="training needs the extra 'train'")
pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

NOUNS = "bridge harbour storm bell museum river train bread oven glass".split()


def shortened(body: Mapping[str, Any]) -> str:
    """Does as it is told, but for one text, which it refuses."""
    text = text_of_request(body["messages"])
    assert text is not None
    if "museum bell" in text:
        return "I cannot help with that."
    return " ".join(word for word in text.split() if word.lower() not in ("the", "was", "by", "of"))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with FaultServer(reply=shortened) as running:
        yield running


def documents(folder: Path) -> Path:
    rng = random.Random(0)
    folder.mkdir()
    for i in range(12):
        sentences = [
            f"The {rng.choice(NOUNS)} of the {rng.choice(NOUNS)} was seen by the {rng.choice(NOUNS)}."
            for _ in range(8)
        ]
        (folder / f"{i:02}.txt").write_text(" ".join(sentences), encoding="utf-8")
    (folder / "12.txt").write_text("The museum bell was old.", encoding="utf-8")
    return folder


def test_a_classifier_is_trained_on_what_an_endpoint_made_of_documents(
    tmp_path: Path, server: FaultServer
) -> None:
    tiny = pytest.importorskip("tiny_models").make_tiny_mbert(tmp_path / "start")
    prompts, replies, out = (tmp_path / name for name in ("prompts.jsonl", "replies.jsonl", "model"))
    docs = documents(tmp_path / "docs")
    made = lingua("train", "token-classifier-prompts", docs, "--out", prompts, "--longest", "40")
    assert made.exit_code == 0, made.stderr
    asked = [json.loads(line) for line in prompts.read_text().splitlines()]
    assert made.stdout.splitlines()[-1] == f"prompts    {len(asked)}"
    assert len(asked) > 30
    got = lingua(
        *("train", "collect", prompts, "--out", replies, "--base-url", server.base_url, "--model", "m"),
        *("--top-logprobs", "0"),
    )
    assert got.exit_code == 0, got.stderr
    assert all(record.body["messages"][0]["content"] == INSTRUCTION for record in server.records)
    trained = lingua(
        *("train", "token-classifier", replies, "--model", tiny, "--out", out),
        *("--passes", "6", "--rows", "8", "--rate", "2e-3", "--most-variation", "0.2"),
    )
    assert trained.exit_code == 0, trained.stderr
    assert "1 for their variation rate" in trained.stderr
    report = json.loads((out / "report.json").read_text())
    assert report["test"]["f1"] > 0.95
    compressor = PromptCompressor(method="llmlingua2", model=str(out))
    kept = compressor.compress([(docs / "03.txt").read_text()], threshold=0.5).text.split()
    assert sum(word.strip(".") in (*NOUNS, "seen") for word in kept) / len(kept) > 0.9
