"""What `lingua compress` reads: files, folders, standard input, JSON Lines; and what it refuses."""

import json
import os
from pathlib import Path

import pytest

from cli_runner import PARIS, ROME, as_json, compress, ids


def test_standard_input_alone_or_as_a_dash() -> None:
    assert (
        compress("-q", "Tiber", "--target-tokens", "8", stdin=ROME).stdout
        == "Rome lies on the river Tiber.\n"
    )
    assert ids(as_json("-", "-q", "Tiber", stdin=ROME)) == ["-"]


def test_dash_can_be_mixed_with_files_but_not_repeated(folder: Path) -> None:
    rome = str(folder / "rome.txt")
    assert ids(as_json(rome, "-", "-q", "river", "--rate", "1", stdin=PARIS)) == [rome, "-"]
    assert compress("-", "-", stdin=ROME).exit_code == 2


def test_titles_come_from_the_first_markdown_heading_or_the_file_name(folder: Path) -> None:
    found = as_json(folder / "rome.txt", folder / "paris.md", "-q", "river", "--rate", "1")
    assert [document["title"] for document in found["documents"]] == ["rome", "The city of Paris"]


def test_json_lines_keep_ids_titles_and_metadata(tmp_path: Path) -> None:
    path = tmp_path / "documents.jsonl"
    lines = [
        {"id": "r", "text": ROME, "title": "Rome", "metadata": {"page": 3}, "source": "web"},
        {"text": PARIS, "metadata": None},
        {"id": 7, "text": "A line\u2028with a strange separator in Rome."},
    ]
    dumped = "\r\n".join(json.dumps(line, ensure_ascii=False) for line in lines)
    path.write_bytes(b"\xef\xbb\xbf" + f"{dumped}\n\n".encode())
    found = as_json(path, "-q", "river", "--rate", "1")
    assert ids(found) == ["r", f"{path}:2", "7"]
    assert found["documents"][0]["title"] == "Rome"
    assert found["documents"][0]["metadata"] == {"page": 3, "source": "web"}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{not json}", "not valid JSON"),
        ("[1, 2]", "expected a JSON object"),
        ('{"id": "x"}', "'text' must be a string, got nothing"),
        ('{"text": 3}', "'text' must be a string, got 3"),
        ('{"text": "x", "title": 3}', "'title' must be a string"),
        ('{"text": "x", "metadata": [1]}', "'metadata' must be an object"),
        ('{"text": "x", "id": {"a": 1}}', "'id' must be a string or a number"),
        ('{"text": "x", "a": 1, "metadata": {"a": 2}}', "'a' stands both"),
        ('{"text": "x", "score": NaN}', "NaN"),
        ("[" * 100_000, "not valid JSON"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "documents.jsonl"
    path.write_text(json.dumps({"text": ROME}) + "\n" + line + "\n", encoding="utf-8")
    result = compress(path, "-q", "river")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr.startswith(f"lingua: error: {path}:2: ")
    assert said in result.stderr


def test_folders_are_read_below_in_sorted_order_with_notes_on_what_is_passed_over(folder: Path) -> None:
    (folder / "b").mkdir()
    (folder / "b" / "note.txt").write_text("A note on the river.")
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text("secret")
    (folder / ".env").write_text("secret")
    (folder / "photo.dat").write_bytes(b"\x00\x01\x02")
    (folder / "paper").write_bytes(b"%PDF-1.7 text without zero bytes")
    result = compress(folder, "-q", "river", "--rate", "1", "--json")
    assert ids(json.loads(result.stdout)) == [
        str(folder / "paris.md"),
        str(folder / "rome.txt"),
        str(folder / "b" / "note.txt"),
    ]
    for name in (".git", ".env", "photo.dat", "paper"):
        assert f"note: passed over {folder / name}" in result.stderr
    assert "secret" not in result.stdout


def test_a_file_is_read_once_however_often_it_is_named(folder: Path) -> None:
    result = compress(
        folder / "rome.txt", folder, folder / "rome.txt", "-q", "river", "--rate", "1", "--json"
    )
    assert len(ids(json.loads(result.stdout))) == 2
    assert result.stderr.count("read already") == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"Rome\x00lies on the Tiber", "a binary file"),
        (b"%PDF-1.7 Rome", "a binary file"),
        ("Rome, café".encode("latin-1"), "not UTF-8 text (byte 0xe9 at offset 9)"),
        (b"\xff\xfeR\x00o", "not UTF-16-LE text"),
    ],
)
def test_what_is_no_text_fails_the_whole_run(folder: Path, content: bytes, said: str) -> None:
    bad = folder / "bad.bin"
    bad.write_bytes(content)
    result = compress(folder / "rome.txt", bad, "-q", "river")
    assert result.exit_code == 3
    assert result.stdout == ""
    assert f"{bad}: {said}" in result.stderr
    assert "--skip-unreadable" in result.stderr


def test_all_unreadable_inputs_are_listed_at_once(folder: Path) -> None:
    result = compress(folder / "rome.txt", folder / "gone.txt", folder / "lost.txt", "-q", "river")
    assert result.exit_code == 3
    assert "2 inputs could not be read" in result.stderr
    assert "gone.txt: No such file or directory" in result.stderr
    assert "lost.txt: No such file or directory" in result.stderr


def test_skip_unreadable_goes_on_and_warns_even_when_quiet(folder: Path) -> None:
    result = compress(folder / "rome.txt", folder / "gone.txt", "-q", "river", "--skip-unreadable", "--quiet")
    assert result.exit_code == 0
    assert "Tiber" in result.stdout
    assert result.stderr.splitlines() == [
        f"warning: left out {folder / 'gone.txt'}: No such file or directory"
    ]


def test_skip_unreadable_with_nothing_left_is_an_error(folder: Path) -> None:
    result = compress(folder / "gone.txt", "--skip-unreadable", "-q", "river")
    assert result.exit_code == 3
    assert "None of the inputs could be read" in result.stderr


def test_text_of_another_encoding_in_a_folder_is_not_passed_over(folder: Path) -> None:
    (folder / "old.txt").write_bytes("Der Fluß in Rom".encode("latin-1"))
    assert compress(folder, "-q", "river").exit_code == 3


def test_broken_link_in_a_folder_is_unreadable(folder: Path) -> None:
    (folder / "link.txt").symlink_to(folder / "nowhere.txt")
    result = compress(folder, "-q", "river")
    assert result.exit_code == 3
    assert "link.txt: No such file" in result.stderr


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_marks_are_understood_and_removed(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "rome.txt"
    path.write_bytes("Rome lies on the Tiber – 罗马.".encode(encoding))
    assert compress(path, "--rate", "1").stdout == "Rome lies on the Tiber – 罗马.\n"


def test_line_ends_are_kept_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "rome.txt"
    path.write_bytes(b"Rome lies here.\r\n\r\nParis lies there.\r\n")
    assert compress(path, "--rate", "1").stdout_bytes == path.read_bytes()


@pytest.mark.parametrize("stdin", ["", " \n\t"])
def test_empty_standard_input_is_a_usage_error_with_a_hint(stdin: str) -> None:
    result = compress("-q", "river", stdin=stdin)
    assert result.exit_code == 2
    assert "Standard input is empty" in result.stderr
    assert "lingua compress notes.txt" in result.stderr


def test_files_without_text_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").touch()
    result = compress(tmp_path / "empty.txt", "-q", "river")
    assert result.exit_code == 2
    assert "hold no text" in result.stderr


def test_folder_without_text_files_is_an_error(tmp_path: Path) -> None:
    (tmp_path / ".hidden").write_text("x")
    result = compress(tmp_path, "-q", "river")
    assert result.exit_code == 3
    assert f"{tmp_path}: the folder holds no text files" in result.stderr


def test_names_cannot_send_control_characters_to_the_terminal(tmp_path: Path) -> None:
    name = tmp_path / "bad\x1b[31m\nname.txt"
    result = compress(name, "-q", "river")
    assert result.exit_code == 3
    assert "\x1b" not in result.stderr
    assert os.fspath(name) not in result.stderr
