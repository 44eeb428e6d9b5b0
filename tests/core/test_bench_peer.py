"""`lingua bench speed --peer`: what a peer is asked, and what becomes of one that fails."""

import ast
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lingua_core import InputError, LinguaError
from lingua_core.bench import beside_llmlingua
from lingua_core.bench import peer as peer_module
from lingua_core.bench.beside_llmlingua import measure_beside_llmlingua
from lingua_core.bench.cli import app
from lingua_core.bench.measuring import Figure
from lingua_core.bench.peer import SCRIPT, PeerProcess

ECHO = """
import json, sys
for line in sys.stdin:
    request = json.loads(line)
    print(json.dumps({"ok": True, "was": request}), flush=True)
"""


def peer(code: str, **options: Any) -> PeerProcess:
    return PeerProcess([sys.executable, "-c", code], **options)


def test_requests_are_answered_in_order() -> None:
    with peer(ECHO) as process:
        for text in ("one", "zwei — 二", "line\nbreak"):
            assert process.ask(do="compress", documents=[text])["was"]["documents"] == [text]


def test_a_peer_that_says_that_it_failed_is_an_error_and_can_be_asked_again() -> None:
    code = ECHO.replace('{"ok": True', '{"ok": request["do"] == "load", "error": "no model"')
    with peer(code) as process:
        with pytest.raises(LinguaError, match="failed to 'compress': no model"):
            process.ask(do="compress")
        assert process.ask(do="load")["ok"]


def test_a_peer_that_crashes_is_an_error_with_its_last_words() -> None:
    with peer("import sys; sys.stdin.readline(); raise RuntimeError('out of luck')") as process:
        with pytest.raises(LinguaError, match=r"ended while asked to 'load'.*out of luck"):
            process.ask(do="load")
        with pytest.raises(LinguaError, match="ended"):
            process.ask(do="load")


@pytest.mark.parametrize("line", ["Loading...", "[]", "3", '{"fine": true}'])
def test_an_answer_of_another_form_is_an_error_that_shows_it(line: str) -> None:
    code = f"import sys\nsys.stdin.readline()\nprint({line!r}, flush=True)\nsys.stdin.readline()"
    with peer(code) as process, pytest.raises(LinguaError, match="no JSON object with 'ok'"):
        process.ask(do="load")


def test_a_peer_that_does_not_answer_is_given_up() -> None:
    with peer("import time; time.sleep(60)", patience=0.2) as process:
        with pytest.raises(LinguaError, match=r"did not answer 'load' in 0\.2 s"):
            process.ask(do="load")


def test_a_python_that_is_not_there_is_an_error() -> None:
    with pytest.raises(LinguaError, match="cannot be started"), PeerProcess(["/nowhere/python"]):
        pass


def test_the_workers_script_needs_nothing_of_this_package() -> None:
    tree = ast.parse(SCRIPT.read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} <= sys.stdlib_module_names


def test_the_workers_script_answers_and_keeps_what_is_printed_out_of_it(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("def set_num_threads(n): print('threads', n)\n", encoding="utf-8")
    (tmp_path / "llmlingua.py").write_text(
        "class PromptCompressor:\n"
        "    def __init__(self, folder, **options):\n"
        "        print('loading', folder)\n"
        "        if folder == 'none': raise OSError('no such folder')\n"
        "    def compress_prompt(self, documents, question, rate):\n"
        "        print('working')\n"
        "        tokens = {'origin_tokens': len(documents), 'compressed_tokens': rate}\n"
        "        return {**tokens, 'compressed_prompt': 'b'}\n",
        encoding="utf-8",
    )
    for name in ("torch", "llmlingua", "transformers"):
        folder = tmp_path / f"{name}-1.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n", encoding="utf-8")
    environment = {"PYTHONPATH": str(tmp_path)}
    load = {"do": "load", "classifier": False, "device": "cpu", "threads": 1}
    with PeerProcess([sys.executable, str(SCRIPT)], environment=environment) as process:
        with pytest.raises(LinguaError, match="OSError: no such folder"):
            process.ask(**load, folder="none")
        assert process.ask(**load, folder="some")["transformers"] == "1.0"
        answer = process.ask(do="compress", documents=["a", "b"], question="?", settings={"rate": 0.5})
    assert answer == {"ok": True, "origin_tokens": 2, "compressed_tokens": 0.5, "text": "b"}


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Models of the same kinds that take no time."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from lingua_core.bench import peer_models

    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    monkeypatch.setattr(peer_models, "_LLAMA", {**sizes, "max_position_embeddings": 4096})
    monkeypatch.setattr(beside_llmlingua, "_LARGE", 33_000)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def started(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    """Let another script stand for the worker's."""

    def process(command: list[str], *, environment: Mapping[str, str]) -> PeerProcess:
        return PeerProcess([sys.executable, "-c", code], environment=environment)

    monkeypatch.setattr(peer_module, "PeerProcess", process)


def measured(arms: list[str], python: Path | None = None) -> list[Figure]:
    return list(measure_beside_llmlingua(peer_python=python, arms=arms, repeats=1, threads=1, rate=0.3))


@pytest.mark.usefixtures("small")
def test_without_a_peer_our_side_is_measured_and_the_note_says_how_to_get_one() -> None:
    figures = measured(["longllmlingua"])
    assert {f.note for f in figures if f.unit == "s" and not f.reference_name} == {
        f"not measured; needs: {beside_llmlingua.INSTALL}"
    }
    names = " | ".join(f.name for f in figures)
    for part in ("float32", "int8", "bfloat16", "coarse stage", "all stages", "surprisals"):
        assert part in names
    assert all(f.value is not None and f.value >= 0 for f in figures)


@pytest.mark.usefixtures("small")
def test_both_sides_get_the_same_documents_rate_and_model(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl"
    code = ECHO.replace(
        "    print(", f"    open({str(log)!r}, 'a', encoding='utf-8').write(line); request = None\n    print("
    )
    started(monkeypatch, code)
    figures = measured(["vocabulary"], tmp_path / "python")
    assert [f.reference_name for f in figures] == ["ours"]
    assert "llmlingua's time over ours" in figures[0].name
    requests = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    assert [r["do"] for r in requests] == ["load", "compress", "compress", "compress"]
    assert requests[0]["threads"] == 1
    assert not Path(requests[0]["folder"]).exists()  # it was there while it was needed
    assert len(requests[1]["documents"]) == 20
    assert requests[1]["settings"]["rate"] == 0.3
    assert requests[1]["settings"]["condition_compare"]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise SystemExit('broken environment')", "broken environment"),
        ("import sys; sys.stdin.readline(); print('hello', flush=True); sys.stdin.readline()", "hello"),
    ],
)
def test_a_peer_that_fails_is_a_note_and_no_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: str, said: str
) -> None:
    started(monkeypatch, code)
    (figure,) = measured(["vocabulary"], tmp_path / "python")
    assert figure.value is not None
    assert figure.reference is None
    assert said in figure.note


def test_unknown_arms_are_an_error_before_any_work() -> None:
    with pytest.raises(InputError, match=r"Unknown arms \['legs'\]; expected some of longllmlingua"):
        next(measure_beside_llmlingua(peer_python=None, arms=["legs"]))


def test_a_peers_python_without_a_peer_is_an_error() -> None:
    done = CliRunner().invoke(app, ["speed", "--peer-python", "python"])
    assert done.exit_code == 2
    assert "needs --peer llmlingua" in done.stderr


@pytest.mark.usefixtures("small")
def test_the_language_models_tokenizer_gives_texts_back(tmp_path: Path) -> None:
    from lingua_core.bench.peer_models import save_causal
    from lingua_core.models.causal_lm import CausalLM

    text = "The first text, of 1887.\n\nAnd a line more."
    model = CausalLM(save_causal(tmp_path / "model", vocabulary=400, texts=[text]))
    (tokens,) = model.tokenize([text])
    assert model._model.load().tokenizer.decode(tokens.ids) == text
    assert len(model.start) == 1
    assert len(model.surprisals([])) == 0
