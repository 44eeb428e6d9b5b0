"""`lingua removed`, and what `lingua compress` says and stores of what it removes."""

import json
import re
from pathlib import Path

import pytest

from cli_runner import as_json, compress, lingua

MANUAL = (
    "# Installing\n\nInstall it with pip. It needs Python 3.11. Windows users need the build tools.\n\n"
    "# Prices\n\nThe basic plan costs 10 dollars a month. Students pay half the price of it.\n\n"
) * 2


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    (tmp_path / "manual.md").write_text(MANUAL, encoding="utf-8")
    store = tmp_path / "removed.db"
    result = compress(
        tmp_path / "manual.md", "-q", "students", "--rate", "0.4", "--removal-note", "--removed-store", store
    )
    assert result.exit_code == 0, result.stderr
    return store


def test_the_note_ends_the_text(tmp_path: Path) -> None:
    (tmp_path / "manual.md").write_text(MANUAL * 3, encoding="utf-8")
    result = compress(tmp_path / "manual.md", "-q", "students", "--target-tokens", "150", "--removal-note")
    assert re.search(r"\n\n\[Removed \d+ passages? \([\d,]+ tokens\).*\]\n\Z", result.stdout)
    found = as_json(tmp_path / "manual.md", "-q", "students", "--target-tokens", "150", "--removal-note")
    assert found["text"].endswith(found["removal_note"])
    assert found["compressed_tokens"] <= 150


def test_listed_passages_can_be_shown(filled: Path) -> None:
    listed = lingua("removed", "list", "--store", filled)
    assert listed.exit_code == 0
    ids = re.findall(r"^(r\d{9}) ", listed.stdout, re.MULTILINE)
    assert ids
    assert "manual.md" in listed.stdout or "Installing" in listed.stdout
    shown = lingua("removed", "show", ids[0], "--store", filled)
    assert shown.exit_code == 0
    assert shown.stdout.strip()
    assert shown.stdout.strip() in MANUAL
    whole = lingua("removed", "show", ids[0], "--document", "--store", filled)
    assert whole.stdout.strip() == MANUAL.strip()


def test_json_has_all_of_a_passage(filled: Path) -> None:
    data = json.loads(lingua("removed", "list", "--store", filled, "--json").stdout)
    for part in data:
        assert "".join(MANUAL[start:end] for start, end in part["spans"]) in part["text"] or part["text"]
        assert json.loads(lingua("removed", "show", part["id"], "--store", filled, "--json").stdout) == [part]


def test_search_finds_or_says_that_it_does_not(filled: Path) -> None:
    found = lingua("removed", "search", "windows build tools", "--store", filled)
    assert found.exit_code == 0
    assert "Installing" in found.stdout
    nothing = lingua("removed", "search", "zebra", "--store", filled)
    assert nothing.exit_code == 1
    assert nothing.stdout == ""


def test_clear_asks_and_forgets(filled: Path) -> None:
    assert lingua("removed", "clear", "--store", filled, stdin="n\n").exit_code == 1
    assert lingua("removed", "list", "--store", filled).stdout
    assert lingua("removed", "clear", "--store", filled, "--yes").exit_code == 0
    empty = lingua("removed", "list", "--store", filled)
    assert empty.stdout == ""
    assert "empty" in empty.stderr


def test_more_than_asked_for_is_told(filled: Path) -> None:
    listed = lingua("removed", "list", "--store", filled, "--most", "1")
    assert len(listed.stdout.splitlines()) == 1
    assert "--most" in listed.stderr


def test_unknown_ids_and_files_are_errors(filled: Path, tmp_path: Path) -> None:
    unknown = lingua("removed", "show", "r000000000", "--store", filled)
    assert unknown.exit_code == 2
    assert "There is no removed part with the id 'r000000000'" in unknown.stderr
    missing = lingua("removed", "list", "--store", tmp_path / "no.db")
    assert missing.exit_code == 2
    assert "does not exist" in missing.stderr
    assert not (tmp_path / "no.db").exists()


def test_a_store_that_is_an_input_or_another_file_stays_as_it_is(tmp_path: Path) -> None:
    text = tmp_path / "a.txt"
    text.write_text("One thing. Another thing.", encoding="utf-8")
    same = compress(text, "--rate", "0.5", "--removed-store", text)
    assert same.exit_code == 2
    assert "is one of the inputs" in same.stderr
    other = tmp_path / "b.txt"
    other.write_text("not a database " * 100, encoding="utf-8")
    refused = compress(text, "--rate", "0.5", "--removed-store", other)
    assert refused.exit_code == 2
    assert "no store of removed parts" in refused.stderr
    assert other.read_text(encoding="utf-8") == "not a database " * 100
