"""llmlingua as a method of `lingua bench quality`: what it is asked, and what becomes of its answers."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("onnx", reason="the peer gets weights by the extra 'train'")
pytest.importorskip("safetensors", reason="the peer gets weights by the extra 'train'")

from cli_runner import lingua
from lingua_core import LinguaError
from lingua_core.bench import peer as peer_module
from lingua_core.bench.peer import PeerProcess
from lingua_core.bench.quality.beside_llmlingua import PEERS, LLMLinguaPeer, PeerMethod
from lingua_core.bench.quality.questions import Question
from lingua_core.documents import Document
from lingua_core.tokens import resolve_token_counter

KEEPS_THE_FIRST = """
import json, sys
for line in sys.stdin:
    request = json.loads(line)
    open({log!r}, "a", encoding="utf-8").write(line)
    print(json.dumps({{"ok": True, "text": (request.get("documents") or [""])[0]}}), flush=True)
"""
QUESTION = Question(
    id="q",
    text="What colour is the fox?",
    documents=(Document("The fox is red."), Document("  "), Document("Stones are hard. Rain is wet.")),
    answers=("red",),
)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Lets another script stand for the peer's, which keeps the first document; the file of its requests."""
    file = tmp_path / "log.jsonl"

    def process(command: list[str], *, environment: Mapping[str, str]) -> PeerProcess:
        code = KEEPS_THE_FIRST.format(log=str(file))
        return PeerProcess([sys.executable, "-c", code], environment=environment)

    monkeypatch.setattr(peer_module, "PeerProcess", process)
    return file


def requests(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]


def test_the_peer_is_asked_for_a_share_of_the_tokens_and_its_text_is_counted_as_ours(log: Path) -> None:
    counter = resolve_token_counter(None)
    with LLMLinguaPeer(Path("python"), counter) as peer:
        method = PeerMethod(peer, PEERS["longllmlingua-0.2.2"])
        kept = method.kept(QUESTION, 3)
        folder = Path(requests(log)[0]["folder"])
        assert (folder / "model.safetensors").is_file()
        merges = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["merges"]
        assert all(isinstance(pair, str) for pair in merges)  # as transformers 4 reads them
    assert not folder.exists()
    assert kept == ("The fox is red.", counter.count(["The fox is red."])[0], None)
    asked = requests(log)[1]
    assert asked["documents"] == ["The fox is red.", "Stones are hard. Rain is wet."]
    assert asked["settings"]["concate_question"] is False
    assert asked["settings"]["condition_compare"] is True
    assert asked["settings"]["rate"] == pytest.approx(3 / sum(counter.count(asked["documents"])))


def test_the_command_sets_the_peer_beside_our_methods(log: Path, tmp_path: Path) -> None:
    data = tmp_path / "data.jsonl"
    record = {
        "id": "q",
        "question": QUESTION.text,
        "answers": ["red"],
        "passages": [{"title": None, "text": d.text} for d in QUESTION.documents if d.text.strip()],
        "gold": [0],
    }
    data.write_text(json.dumps(record), encoding="utf-8")
    done = lingua(
        "bench", "quality", data, "--methods", "lexical,llmlingua-0.2.2", "--ratios", "2",
        "--peer-python", "python", "--json",
    )  # fmt: skip
    assert done.exit_code == 0, done.stderr
    rows = {row["method"]: row for row in json.loads(done.stdout)["rows"]}
    assert rows.keys() == {"lexical", "llmlingua-0.2.2"}
    assert len(requests(log)) == 2


def test_a_peer_without_its_environment_is_an_error_that_says_how_to_make_one(tmp_path: Path) -> None:
    done = lingua("bench", "quality", tmp_path / "data.jsonl", "--methods", "llmlingua-0.2.2")
    assert done.exit_code == 2
    assert "llmlingua==0.2.2" in " ".join(done.stderr.split())


def test_a_peer_that_does_not_start_is_an_error(tmp_path: Path) -> None:
    counter = resolve_token_counter(None)
    with pytest.raises(LinguaError, match="cannot be started"):
        LLMLinguaPeer(tmp_path / "nothing", counter).__enter__()
