"""`lingua compress` through typer's runner: outputs, options, exit codes."""

import json
from pathlib import Path

import pytest

from cli_runner import as_json, compress, lingua
from lingua_core import __version__
from lingua_core.weights import ENCODER


def test_text_goes_to_stdout_and_statistics_to_stderr(folder: Path) -> None:
    result = compress(folder / "rome.txt", folder / "paris.md", "-q", "river Tiber", "--target-tokens", "12")
    assert result.exit_code == 0
    assert result.stdout == "Rome lies on the river Tiber.\n"
    assert "tokens" in result.stderr
    assert "(embedded)" in result.stderr
    assert f"1 of 2 documents kept; dropped: {folder / 'paris.md'}" in result.stderr


def test_quiet_prints_the_text_alone(folder: Path) -> None:
    (folder / ".hidden").write_text("secret")
    result = compress(folder, "-q", "river", "--quiet")
    assert result.exit_code == 0
    assert result.stderr == ""


def test_default_method_is_the_embedded_model(folder: Path) -> None:
    result = lingua(
        "compress", folder / "rome.txt", "-q", "When do dogs bark?", "--target-tokens", "8", "--json"
    )
    found = json.loads(result.stdout)
    assert found["method"] == "extract"
    assert "Dogs bark at night." in found["text"]


def test_without_a_budget_the_question_decides_how_much_is_kept(folder: Path) -> None:
    asked = lingua("compress", folder, "-q", "What do dogs do at night?", "--json")
    blank = lingua("compress", folder, "--json")
    budgets = [json.loads(result.stdout)["budget"] for result in (asked, blank)]
    assert [budget["kind"] for budget in budgets] == ["threshold", "rate"]
    assert all(budget["is_default"] for budget in budgets)


def test_a_model_is_taken_from_its_folder(folder: Path) -> None:
    arguments = ["compress", folder / "rome.txt", "-q", "What do dogs do?", "--json", "--model"]
    found = json.loads(lingua(*arguments, ENCODER.folder).stdout)
    assert found["budget"]["kind"] == "rate"
    missing = lingua(*arguments, folder / "nowhere")
    assert missing.exit_code == 2
    assert missing.stderr.startswith("lingua: error: model=")
    lexical = compress(folder, "--model", ENCODER.folder)
    assert lexical.exit_code == 2
    assert "'lexical' uses no model" in lexical.stderr


def test_without_a_budget_half_is_kept_and_without_a_query_that_is_said(folder: Path) -> None:
    result = compress(folder / "rome.txt")
    assert result.exit_code == 0
    assert "no question given" in result.stderr


def test_json_is_the_whole_result(folder: Path) -> None:
    result = compress(folder, "-q", "river", "--rate", "0.5", "--json")
    found = json.loads(result.stdout)
    assert result.stdout.count("\n") == 1
    assert found["compressed_tokens"] <= found["origin_tokens"]
    assert found["query"] == "river"


def test_json_stays_utf8_with_lone_surrogates() -> None:
    line = '{"id": "a\\ud800", "text": "Rome \\udfff lies on the Tiber.", "note": "\\ud83d"}'
    result = compress("--jsonl", "--json", "-q", "Rome \ud801", "--rate", "1", stdin=line)
    found = json.loads(result.stdout_bytes.decode("utf-8"))
    assert found["documents"][0]["id"] == "a\ud800"
    assert found["documents"][0]["metadata"] == {"note": "\ud83d"}
    assert found["text"] == "Rome \udfff lies on the Tiber."
    text = compress("--jsonl", "--rate", "1", stdin=line)
    assert text.stdout_bytes.decode("utf-8") == "Rome \ufffd lies on the Tiber.\n"
    assert "U+FFFD" in text.stderr


def test_the_report_never_overwrites_an_input(folder: Path) -> None:
    name = folder / "precious.md"
    name.write_text("Rome lies on the Tiber.", encoding="utf-8")
    for inputs in (name, folder):
        result = compress(inputs, "-q", "Rome", "--html", name)
        assert result.exit_code == 2
        assert "one of the inputs" in result.stderr
    assert name.read_text(encoding="utf-8") == "Rome lies on the Tiber."
    assert compress(name, "-q", "Rome", "--html", "-").exit_code == 2


def test_json_lines_read_as_text_are_pointed_out() -> None:
    result = compress("-q", "Rome", stdin='{"text": "Rome lies on the Tiber."}\n')
    assert "looks like JSON Lines" in result.stderr


def test_nothing_kept_is_exit_code_1_with_valid_json(folder: Path) -> None:
    result = compress(folder, "-q", "zebra", "--threshold", "1000000", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["text"] == ""
    assert "lingua: nothing was kept." in result.stderr
    assert compress(folder, "-q", "zebra", "--threshold", "1000000").stdout == ""


@pytest.mark.parametrize(
    "options",
    [
        ["--rate", "0"],
        ["--rate", "1.5"],
        ["--rate", "nan"],
        ["--target-tokens", "0"],
        ["--rate", "0.5", "--target-tokens", "10"],
        ["--token-counter", "./no/such/tokenizer.json"],
    ],
)
def test_options_that_cannot_be_used_are_one_message_and_exit_code_2(
    folder: Path, options: list[str]
) -> None:
    result = compress(folder, "-q", "river", *options)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.count("lingua: error: ") == 1
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("options", [["--rate", "much"], ["--method", "magic"], ["--nonsense"]])
def test_malformed_options_are_usage_errors(folder: Path, options: list[str]) -> None:
    assert compress(folder, *options).exit_code == 2


def test_documents_can_be_ordered_by_relevance(folder: Path) -> None:
    paths = (folder / "rome.txt", folder / "paris.md")
    found = as_json(*paths, "-q", "Seine in Paris", "--rate", "1", "--order", "relevance")
    assert [document["index"] for document in found["documents"]] == [1, 0]


def test_html_report_is_written_whole_beside_the_text(folder: Path) -> None:
    report = folder / "report.html"
    report.write_text("old")
    result = compress(folder / "rome.txt", "-q", "<b>river</b>", "--html", report)
    assert result.exit_code == 0
    html = report.read_text(encoding="utf-8")
    assert html.startswith("<!DOCTYPE html>")
    assert "&lt;b&gt;river" in html
    assert sorted(path.name for path in folder.iterdir()) == ["paris.md", "report.html", "rome.txt"]


def test_html_into_a_missing_folder_or_over_a_folder_fails_before_any_work(folder: Path) -> None:
    for target in (folder / "no" / "report.html", folder):
        result = compress(folder / "rome.txt", "-q", "river", "--html", target)
        assert result.exit_code == 2
        assert result.stdout == ""
        assert "--html" in result.stderr


def test_html_through_a_link_keeps_the_link(folder: Path) -> None:
    (folder / "link.html").symlink_to(folder / "real.html")
    assert compress(folder / "rome.txt", "--html", folder / "link.html").exit_code == 0
    assert (folder / "link.html").is_symlink()
    assert (folder / "real.html").is_file()


def test_a_megabyte_on_one_line_works(tmp_path: Path) -> None:
    path = tmp_path / "line.txt"
    path.write_text("word " * 200_000, encoding="utf-8")
    result = compress(path, "-q", "word", "--target-tokens", "100")
    assert result.exit_code == 0
    assert 0 < len(result.stdout) < 1000


def test_version_and_help() -> None:
    assert lingua("--version").stdout == f"lingua {__version__}\n"
    text = lingua("compress", "--help").stdout
    for expected in ("Exit codes", "--target-tokens", "--skip-unreadable", "--json"):
        assert expected in text


def test_every_command_is_listed() -> None:
    listed = lingua("--help").stdout
    assert all(command in listed for command in ("compress", "demo", "bench", "train"))
