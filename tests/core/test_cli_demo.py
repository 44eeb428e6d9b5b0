"""`lingua demo` and its documents."""

import json
from importlib.resources import files
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from lingua_core import PromptCompressor
from lingua_core.cli import app
from lingua_core.cli.demo import QUESTION, TARGET_TOKENS
from lingua_core.cli.demo_view import demo_documents

SENTENCE = "If you leave GSA, any unused travel comp time will be forfeited."


def demo(*arguments: str) -> Result:
    return CliRunner().invoke(app(), ["demo", *arguments])


def test_answer_survives_about_eight_times_compression() -> None:
    result = PromptCompressor().compress(demo_documents(), QUESTION, target_tokens=TARGET_TOKENS)
    assert 7.5 <= result.ratio <= 10
    assert SENTENCE in result.text
    assert result.dropped


def test_output_is_plain_text_of_at_most_80_columns_with_all_parts() -> None:
    result = demo()
    assert result.exit_code == 0, result.stderr
    assert "\x1b" not in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    for expected in (QUESTION, "times smaller", "┃ ", "tokens dropped]", "After: what the model reads"):
        assert expected in result.stdout
    answer = result.stdout[result.stdout.index("Answer  ") :]
    assert "Source  Compensation for working extra hours" in answer
    assert SENTENCE in answer


def test_another_question_and_budget() -> None:
    result = demo("-q", "How many weeks of paid parental leave are there?", "--target-tokens", "200")
    assert result.exit_code == 0
    assert "12 weeks" in result.stdout
    assert "Source  " in result.stdout


def test_html_report(tmp_path: Path) -> None:
    result = demo("--html", str(tmp_path / "demo.html"))
    assert result.exit_code == 0
    assert SENTENCE in (tmp_path / "demo.html").read_text(encoding="utf-8")
    assert "demo.html" in result.stderr


@pytest.mark.parametrize("options", [["--target-tokens", "0"], ["--html", "no/such/folder/x.html"]])
def test_options_that_cannot_be_used(options: list[str]) -> None:
    result = demo(*options)
    assert result.exit_code == 2
    assert result.stderr.startswith("lingua: error: ")


def test_every_document_has_its_source_and_licence_and_is_attributed() -> None:
    attribution = files("lingua_core").joinpath("demo", "ATTRIBUTION.md").read_text(encoding="utf-8")
    documents = demo_documents()
    assert 8 <= len(documents) <= 15
    assert len({document.id for document in documents}) == len(documents)
    for document in documents:
        assert document.title
        assert document.metadata["source"].startswith("https://")
        assert document.metadata["licence"].startswith("CC0")
        assert f"| {document.id} |" in attribution
        assert not set(document.text) & set("\ufffd\u200b\t\r<>\\")
    assert json.dumps([document.text for document in documents])
