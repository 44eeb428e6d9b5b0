"""`lingua answer`, `lingua demo skeleton`, `lingua bench skeleton` and `lingua bench rag-skeleton`."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli_runner import lingua
from fault_server import FaultServer
from lingua_core.bench.rag_skeleton.cases import load_cases
from lingua_core.bench.skeleton.lengths import Latencies, Lengths
from lingua_core.bench.skeleton.simulated import measure_simulated
from lingua_core.cli.demo_skeleton import demo_answer
from lingua_core.errors import InputError
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


@pytest.fixture
def library(tmp_path: Path) -> Path:
    folder = tmp_path / "library"
    folder.mkdir()
    (folder / "cost.md").write_text(
        "# What bicycles cost\n\nA bicycle costs 500 crowns. A car costs 9,000.\n"
    )
    (folder / "health.txt").write_text("Cycling keeps the heart fit. Driving does not.\n")
    (folder / "space.txt").write_text("Ten bicycles stand where one car stands.\n")
    return folder


def cited(body: dict[str, Any]) -> str:
    text = said(body)
    return text if text == SKELETON else f"{text} [1] [7]"


@pytest.fixture
def citing_server() -> Any:
    pytest.importorskip("openai")
    with FaultServer(reply=cited) as running:
        yield running


def test_documents_are_read_and_the_cited_ones_listed_below(citing_server: Any, library: Path) -> None:
    result = answer(
        citing_server, "--router", "always", "--documents", str(library), "--context-tokens", "2000"
    )
    assert result.exit_code == 0, result.stderr
    assert "It is cheap. [1] [7]" in result.stdout
    assert f"[1] What bicycles cost - {library / 'cost.md'}\n" in result.stderr
    assert "[2] " not in result.stderr
    assert "note: Point 2 cites [7], which it was not given." in result.stderr
    assert "tokens of 3 documents read" in result.stderr
    prompts = [record.body["messages"][-1]["content"] for record in citing_server.records]
    assert all("[1] What bicycles cost\n" in prompt for prompt in prompts)
    assert all("[2] health\nCycling keeps the heart fit." in prompt for prompt in prompts)


def test_json_holds_citations_and_accounts(citing_server: Any, library: Path) -> None:
    files = [str(library / name) for name in ("cost.md", "space.txt")]
    result = lingua(
        "answer", "--base-url", citing_server.base_url, "--model", "m", "--router", "always", "--json",
        "--contexts", "per-point", "--context-tokens", "500", QUESTION, "--documents", *files,
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert [(c["number"], c["id"]) for c in found["citations"]] == list(enumerate(files, 1))
    assert found["expansions"][0]["cited"] == [1]
    assert found["accounting"]["context_tokens"] <= 500
    assert "[1] What bicycles cost" not in result.stderr


def test_the_timeline_says_what_each_point_was_written_from(
    citing_server: Any, library: Path, tmp_path: Path
) -> None:
    page = tmp_path / "t.html"
    result = answer(
        citing_server, "--router", "always", "--documents", str(library), "--context-tokens", "2000",
        "--timeline", str(page), "--quiet",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    text = page.read_text(encoding="utf-8")
    assert text.count('<ul class="sources">') == 4
    assert text.count('<li dir="auto" class=cited>[1] What bicycles cost <small>') == 4
    assert "Read, against one direct call" in text
    assert "note:" not in result.stderr


def test_documents_from_standard_input_may_be_json_lines(citing_server: Any) -> None:
    lines = '{"text": "Bicycles are cheap.", "id": "a", "title": "Cost"}\n'
    result = lingua(
        "answer", "--base-url", citing_server.base_url, "--model", "m", "--router", "never", QUESTION,
        "--documents", "-", "--jsonl", stdin=lines,
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert "[1] Cost - a\n" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["Why", "is", "it", "so?"], 2, "put the question in quotes"),
        (["Why?", "--context-tokens", "500"], 2, "are about --documents"),
        (["Why?", "--contexts", "shared"], 2, "are about --documents"),
        (["Why?", "--documents", "no/such/file.txt"], 3, "nothing was asked"),
        (["-", "--documents", "-"], 2, "either the question or a document"),
        (["Why?", "--documents", "x.txt", "--context-tokens", "20"], 2, "context_tokens=20"),
    ],
)
def test_what_cannot_be_used_is_said_before_anything_is_asked(
    arguments: list[str], code: int, message: str
) -> None:
    result = lingua("answer", "--model", "m", "--base-url", "http://127.0.0.1:9", *arguments)
    assert result.exit_code == code
    assert message in " ".join(result.stderr.split())


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


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    """Two questions with two passages of evidence each, among others."""
    subjects = ("Bridge", "Ferry", "Tunnel", "Canal", "Railway", "Airport")
    passages = [
        {
            "title": subject,
            "text": f"The {subject.lower()} was opened by person {i}. It is used by many every day. "
            + f"Nobody knows the number of stones of the {subject.lower()}. " * 6,
        }
        for i, subject in enumerate(subjects)
    ]
    records = [
        {
            "id": f"q{i}",
            "question": f"Who opened the {passages[i]['title']} and the {passages[j]['title']}?",
            "passages": passages,
            "answers": [f"person {i}"],
            "gold": [i, j],
            "evidence_sentences": [[p, 0, passages[p]["text"].index(".") + 1] for p in (i, j)],
        }
        for i, j in ((0, 3), (4, 1))
    ]
    file = tmp_path / "two.jsonl"
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    return file


def test_the_bench_of_answers_over_documents_compares_five_ways(questions: Path, tmp_path: Path) -> None:
    page = tmp_path / "p.html"
    result = lingua("bench", "rag-skeleton", "--data", str(questions), "--json", "--picture", str(page))
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    direct, compressed, full, shared, own = found["rows"]
    assert found["questions"] == 2
    assert found["evidence"] == 4
    assert direct["right"] == full["right"] == compressed["right"] == 100
    assert compressed["prompt_tokens"] <= direct["prompt_tokens"] < full["prompt_tokens"]
    assert own["prompt_tokens"] < full["prompt_tokens"]
    assert own["seconds"] < direct["seconds"]
    assert all(row["seconds_with_work"] >= row["seconds"] for row in found["rows"])
    assert shared["right"] == shared["any_point"]
    text = page.read_text(encoding="utf-8")
    assert text.count('<div class="line">') == 15
    assert "<script" not in text
    table = lingua("bench", "rag-skeleton", "--data", str(questions), "--questions", "1")
    assert table.exit_code == 0, table.stderr
    assert "seconds" in table.stdout
    assert "1.00x" in table.stdout


def test_plans_of_the_bench_name_documents_but_give_no_answer_away(questions: Path) -> None:
    cases = load_cases(questions)
    assert cases == load_cases(questions)
    assert len(cases) == 2
    for case in cases:
        assert 5 <= len(case.points) <= 9
        assert len(set(case.points)) == len(case.points)
        for document, start, end in case.evidence:
            assert case.documents[document].text[start:end].startswith("The ")
            assert case.points[case.about[document] - 1] == case.documents[document].title
    with pytest.raises(InputError, match="no hotpotqa_30"):
        load_cases(questions.parent)


def test_a_scripted_engine_streams_what_it_answers() -> None:
    _, written = demo_answer()
    engine = SkeletonOfThought(ScriptedLLM(written), router="always")
    assert (
        "".join(getattr(event, "text", "") for event in engine.stream("Why?")) == engine.answer("Why?").text
    )
    assert isinstance(Reply(text="x"), Reply)
