"""`lingua bench speed` measures what it says; no time is judged here."""

import json
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lingua_core import InputError, LinguaError
from lingua_core.bench import speed
from lingua_core.bench.cli import app
from lingua_core.bench.corpus import documents_of, load_texts
from lingua_core.bench.measuring import Figure, in_turns, peak_megabytes, process_seconds
from lingua_core.tokens import resolve_token_counter


def test_the_speed_report_holds_every_figure_and_its_floor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "is_installed", lambda: False)
    done = CliRunner().invoke(app, ["speed", "--repeats", "1", "--long-tokens", "1000", "--json"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    names = " | ".join(figure["name"] for figure in report["figures"])
    for part in (
        "import lingua_core",
        "cold start",
        "extract",
        "outside the model",
        "embedding (bi-encoder)",
        "lexical",
        "stub",
        "longllmlingua, embedded language model",
        "memory",
    ):
        assert part in names
    assert all(figure["value"] > 0 for figure in report["figures"] if figure["value"] is not None)
    assert all(figure["note"] for figure in report["figures"] if figure["value"] is None)
    assert all(figure["ratio"] > 0 for figure in report["figures"] if figure["reference"])
    assert report["machine"]["cores"] >= 1


def test_the_speed_table_is_shown_and_says_what_a_missing_peer_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(speed, "is_installed", lambda: False)
    monkeypatch.setenv("COLUMNS", "300")
    done = CliRunner().invoke(app, ["speed", "--repeats", "1", "--long-tokens", "1000"])
    assert done.exit_code == 0
    assert "ratio" in done.stdout
    assert "pip install llmlingua" in done.stdout


def test_a_peer_that_fails_is_a_row_and_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("no encoding")

    monkeypatch.setattr(speed, "is_installed", lambda: True)
    monkeypatch.setattr(speed, "load_llmlingua2", broken)
    (figure,) = speed._beside_llmlingua2("x", ["A text."], resolve_token_counter(None), 1)
    assert figure.value is None
    assert "no encoding" in figure.note


def test_a_peer_is_measured_on_the_same_documents_in_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []

    def peer(documents: list[str], rate: float) -> str:
        seen.append(list(documents))
        return ""

    monkeypatch.setattr(speed, "is_installed", lambda: True)
    monkeypatch.setattr(speed, "load_llmlingua2", lambda: peer)
    documents = ["One thing. Another.", "A third."]
    figures = list(speed._beside_llmlingua2("x", documents, resolve_token_counter(None), 1))
    assert [("list" in f.reference_name, "one text" in f.reference_name) for f in figures] == [
        (True, False),
        (False, True),
    ]
    assert seen[:2] == [documents, ["One thing. Another.\n\nA third."]]


def test_actions_take_turns_and_the_first_round_does_not_count() -> None:
    order: list[str] = []
    seconds = in_turns({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, repeats=2)
    assert order == ["a", "b"] * 3
    assert [len(v) for v in seconds.values()] == [2, 2]


def test_slower_is_reported_as_slower() -> None:
    seconds = in_turns({"fast": lambda: None, "slow": lambda: time.sleep(0.05)}, repeats=2)
    assert min(seconds["slow"]) >= 0.05 > min(seconds["fast"])


def test_peak_memory_is_that_of_the_code_and_not_of_this_process() -> None:
    ballast = bytearray(400_000_000)
    small = peak_megabytes("pass")
    large = peak_megabytes("x = b'1' * 200_000_000")
    assert len(ballast) > small * 1e6
    assert 190 < large - small < 250


def test_failing_commands_are_clear_errors() -> None:
    with pytest.raises(LinguaError, match="failed with"):
        process_seconds({"bad": ["python3", "-c", "raise SystemExit(3)"]}, repeats=1)


def test_documents_have_the_size_asked_for() -> None:
    counter = resolve_token_counter(None)
    documents = documents_of(load_texts(None), count=5, tokens=150, counter=counter)
    assert all(150 <= tokens < 350 for tokens in counter.count(documents))


@pytest.mark.parametrize("content", ["not json", '{"no": "text"}', "", '{"text": "  "}'])
def test_bad_data_is_a_clear_error(tmp_path: Path, content: str) -> None:
    file = tmp_path / "data.jsonl"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(InputError):
        load_texts(file)


def test_a_ratio_needs_a_reference() -> None:
    assert Figure(name="x", value=1, unit="s").ratio is None
    assert Figure(name="x", value=1, unit="s", reference=2).ratio == 0.5
    assert Figure(name="x", value=None, unit="s", reference=2).ratio is None


def test_missing_data_ends_with_a_message_and_no_traceback() -> None:
    done = CliRunner().invoke(app, ["speed", "--data", "nowhere.jsonl"])
    assert done.exit_code == 2
    assert "lingua: error:" in done.stderr
    assert "Traceback" not in done.output
