"""`lingua answer`, `lingua demo skeleton` and `lingua bench skeleton`."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli_runner import lingua
from fault_server import FaultServer
from lingua_core.bench.skeleton.lengths import Latencies, Lengths
from lingua_core.bench.skeleton.simulated import measure_simulated
from lingua_core.cli.demo_skeleton import demo_answer
from lingua_core.llms import Reply, ScriptedLLM
from lingua_core.llms.scripts import tokens_of
from lingua_core.skeleton import SkeletonOfThought

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

QUESTION = "What are the advantages of a bicycle over a car in a city?"
SKELETON = "1. Cost\n2. Health\n3. Space\n"


def said(body: dict[str, Any]) -> str:
    """What the server's model says: a skeleton, a point, or the whole."""
    asked = body["messages"][-1]["content"]
    if "First plan the answer" in asked:
        return SKELETON
    for i, text in enumerate(("It is cheap.", "It keeps one fit.", "It needs little room."), 1):
        if f"Write point {i} " in asked:
            return text
    return "A bicycle is cheap, healthy and small."


@pytest.fixture
def server() -> Any:
    pytest.importorskip("openai")
    with FaultServer(reply=said) as running:
        yield running


def answer(server: Any, *arguments: str) -> Any:
    return lingua("answer", "--base-url", server.base_url, "--model", "m", *arguments, QUESTION)


def test_the_answer_goes_to_stdout_and_everything_else_to_stderr(server: Any) -> None:
    result = answer(server, "--router", "always", "--show-skeleton")
    assert result.exit_code == 0, result.stderr
    assert result.stdout == (
        "1. **Cost**: It is cheap.\n\n2. **Health**: It keeps one fit.\n\n"
        "3. **Space**: It needs little room.\n"
    )
    assert SKELETON in result.stderr
    assert "3 points in parallel" in result.stderr
    assert "in 4 calls" in result.stderr
    assert "route: skeleton" in result.stderr


def test_a_direct_answer_says_so(server: Any) -> None:
    result = answer(server, "--router", "never")
    assert result.stdout == "A bicycle is cheap, healthy and small.\n"
    assert "directly" in result.stderr
    assert "in 1 call\n" in result.stderr


def test_json_holds_the_whole_answer(server: Any) -> None:
    result = answer(server, "--router", "always", "--json", "--quiet")
    found = json.loads(result.stdout)
    assert [e["text"] for e in found["expansions"]] == [
        "It is cheap.", "It keeps one fit.", "It needs little room.",
    ]  # fmt: skip
    assert found["route"] == "skeleton"
    assert len(found["timings"]["calls"]) == found["usage"]["calls"] == 4
    assert result.stderr == ""


def test_the_timeline_is_written_whole_or_not_at_all(server: Any, tmp_path: Path) -> None:
    result = answer(server, "--router", "always", "--timeline", str(tmp_path / "t.html"))
    page = (tmp_path / "t.html").read_text(encoding="utf-8")
    assert "point 2: Health" in page
    assert "t.html" in result.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["t.html"]
    wrong = answer(server, "--timeline", str(tmp_path / "no" / "t.html"))
    assert wrong.exit_code == 2
    assert "--timeline" in wrong.stderr
    assert "does not exist" in wrong.stderr


def test_an_answer_that_breaks_off_is_printed_as_far_as_it_goes(server: Any) -> None:
    server.script(*["disconnect"] * 20)
    result = answer(server, "--router", "never")
    assert result.exit_code in (2, 4)
    assert result.stderr
    if result.exit_code == 4:
        assert result.stdout.strip()


def test_the_question_may_come_from_standard_input(server: Any) -> None:
    result = lingua(
        "answer", "--base-url", server.base_url, "--model", "m", "--router", "never", "-", stdin=QUESTION
    )
    assert result.exit_code == 0, result.stderr
    assert QUESTION in server.records[-1].body["messages"][-1]["content"]


def test_without_a_model_it_says_how_to_name_one() -> None:
    result = lingua("answer", QUESTION)
    assert result.exit_code == 2
    for way in ("OPENAI_API_KEY", "--base-url URL", "--local FOLDER", "lingua demo skeleton"):
        assert way in result.stderr
    both = lingua("answer", "--local", "x", "--model", "y", QUESTION)
    assert both.exit_code == 2
    assert "leave out --model" in both.stderr


def test_an_answer_without_any_text_is_an_error(monkeypatch: pytest.MonkeyPatch, server: Any) -> None:
    result = answer(server, "--router", "never", "--max-tokens", "0")
    assert result.exit_code == 2
    assert "max_tokens" in result.stderr


def test_the_demo_says_that_no_model_runs_and_shows_the_calls(tmp_path: Path) -> None:
    result = lingua("demo", "skeleton", "--speed", "100", "--timeline", tmp_path / "t.html")
    assert result.exit_code == 0, result.stderr
    question, written = demo_answer()
    assert "No model runs here" in result.stderr
    assert question in result.stderr
    assert all(text in result.stdout for _, text in written.points)
    assert "computed, not run" in result.stderr
    assert "7 points in parallel" in result.stderr
    assert (tmp_path / "t.html").is_file()


def test_lengths_are_the_papers_and_the_critical_path_bounds_every_schedule() -> None:
    figures = {figure.name.rsplit(",", 2)[0]: figure for figure in measure_simulated(questions=25)}
    ratios = {name: figure.ratio or 0.0 for name, figure in figures.items()}
    assert ratios["direct answering"] > 1.7
    assert ratios["the paper's schedule"] > 1.05
    assert ratios["direct answering, 2 calls at once"] < ratios["direct answering, 4 calls at once"]
    assert ratios["direct answering, one point as long as it"] < 1
    assert 0.999 < ratios["Skeleton-of-Thought"] <= 1.03


def test_the_lengths_of_scripted_answers_are_those_that_were_drawn() -> None:
    import random

    chance = random.Random(3)
    for _ in range(10):
        lengths = Lengths.of_paper(chance)
        written = lengths.written(chance)
        assert [len(tokens_of(text)) for _, text in written.points] == list(lengths.points)
        assert 45 <= sum(lengths.titles) <= 55
        assert 300 <= lengths.direct <= 380
        assert lengths.critical_seconds(Latencies()) > Latencies().of(sum(lengths.titles))


def test_the_bench_prints_its_figures_as_json() -> None:
    result = lingua("bench", "skeleton", "--questions", "3", "--repeats", "1", "--json")
    assert result.exit_code == 0, result.stderr
    names = [figure["name"] for figure in json.loads(result.stdout)["figures"]]
    assert any("the paper's schedule" in name for name in names)
    assert any("takes no time" in name for name in names)


def test_a_scripted_engine_streams_what_it_answers() -> None:
    _, written = demo_answer()
    engine = SkeletonOfThought(ScriptedLLM(written), router="always")
    assert (
        "".join(getattr(event, "text", "") for event in engine.stream("Why?")) == engine.answer("Why?").text
    )
    assert isinstance(Reply(text="x"), Reply)
