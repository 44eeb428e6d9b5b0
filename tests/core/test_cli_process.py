"""The `lingua` script as other programs meet it: streams, pipes, signals."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pty = pytest.importorskip("pty")  # not on Windows

LINGUA = [sys.executable, "-m", "lingua_core.cli"]
TEXT = "Rome lies on the river Tiber. Dogs bark at night. Cats sleep all day long in the sun.\n"


def run(
    *arguments: str, stdin: bytes | None = None, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*LINGUA, *arguments],
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        env={**os.environ, **(environment or {})},
        timeout=120,
        check=False,
    )


def test_streams_are_separate_and_the_model_runs() -> None:
    done = run("compress", "-q", "Which river?", "--target-tokens", "8", stdin=TEXT.encode())
    assert done.returncode == 0
    assert done.stdout == b"Rome lies on the river Tiber.\n"
    assert b"tokens" in done.stderr
    assert b"\x1b" not in done.stderr


def test_script_is_installed() -> None:
    script = Path(sys.executable).with_name("lingua")
    if not script.exists():
        pytest.skip("the package is not installed with its scripts")
    done = subprocess.run([script, "--version"], capture_output=True, timeout=60, check=True)
    assert done.stdout.startswith(b"lingua ")


def test_output_is_utf8_whatever_the_locale() -> None:
    environment = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    done = run(
        "compress",
        "-q",
        "罗马",
        "--rate",
        "1",
        "--json",
        stdin="罗马在河边。".encode(),
        environment=environment,
    )
    assert done.returncode == 0
    assert json.loads(done.stdout.decode("utf-8"))["text"] == "罗马在河边。"
    assert "┃ ".encode() in run("demo", environment=environment).stdout


def test_closed_pipe_ends_quietly(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    path.write_text(TEXT * 4000, encoding="utf-8")
    with subprocess.Popen(
        [*LINGUA, "compress", str(path), "--method", "lexical", "--rate", "1", "--quiet"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        said = process.stderr.read()
        assert process.wait(timeout=60) == 141
    assert said == b""


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_streams_closed_by_the_shell_are_no_crash(closed: int) -> None:
    done = subprocess.run(
        [
            "sh",
            "-c",
            f'exec "$@" {closed}>&-',
            "sh",
            *LINGUA,
            "compress",
            "-q",
            "river",
            "--method",
            "lexical",
        ],
        input=TEXT.encode(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == (0 if closed == 2 else 2)
    assert b"Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_is_one_message() -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*LINGUA, "compress", "--method", "lexical"],
            input=TEXT.encode(),
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr.startswith(b"lingua: error: No space left on device")
    assert b"Traceback" not in done.stderr


def test_interrupt_ends_with_130_and_no_traceback() -> None:
    # Programs that are started in the background ignore interrupts, and so do those that they start.
    heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    run = f"{heed}; from lingua_core.cli import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", run, "compress", "-q", "river"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        time.sleep(3)  # it waits for the end of its standard input
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        said = process.stderr.read()
        assert process.wait(timeout=60) == 130
    assert b"Traceback" not in said


def test_input_from_a_terminal_is_a_usage_error_with_a_hint() -> None:
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            [*LINGUA, "compress", "-q", "river"], stdin=theirs, capture_output=True, timeout=60, check=False
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 2
    assert b"Nothing to compress. Name files" in done.stderr


@pytest.mark.parametrize(("no_color", "decorated"), [("", True), ("1", False)])
def test_statistics_are_coloured_on_a_terminal_unless_no_color_is_set(no_color: str, decorated: bool) -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "NO_COLOR": no_color}
    if not no_color:
        del environment["NO_COLOR"]
    with subprocess.Popen(
        [*LINGUA, "compress", "-q", "river", "--method", "lexical"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=environment,
    ) as process:
        os.close(theirs)
        out, _ = process.communicate(TEXT.encode(), timeout=60)
    said = b""
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:
            break
        if not chunk:
            break
        said += chunk
    os.close(ours)
    assert process.returncode == 0
    assert b"\x1b" not in out
    assert b"tokens" in said
    assert (b"\x1b[1;32m" in said) == decorated


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_file_without_permission_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "secret.txt"
    path.write_text(TEXT)
    path.chmod(0)
    done = run("compress", str(path))
    assert done.returncode == 3
    assert b"Permission denied" in done.stderr


def test_process_substitution_like_paths_can_be_read() -> None:
    read, write = os.pipe()
    os.write(write, TEXT.encode())
    os.close(write)
    done = subprocess.run(
        [*LINGUA, "compress", f"/dev/fd/{read}", "-q", "river", "--method", "lexical"],
        pass_fds=[read],
        capture_output=True,
        timeout=60,
        check=False,
    )
    os.close(read)
    assert done.returncode == 0, done.stderr
    assert b"Tiber" in done.stdout


def test_help_loads_no_model_and_no_report() -> None:
    program = (
        "import sys; sys.argv = ['lingua', '--help']\n"
        "from lingua_core.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'onnxruntime', 'lingua_core.report.compression_html', 'onnx'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
