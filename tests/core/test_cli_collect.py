"""`lingua train collect` against a real HTTP server: in this process, killed, interrupted, out of disk."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from cli_runner import lingua
from fault_server import FaultServer

pytest.importorskip("openai", reason="needs the extra 'openai'")
pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])

COLLECT = [sys.executable, "-m", "lingua_core.cli", "train", "collect"]
PRICES = ("--price-in", "1", "--price-out", "10")


def reply(body: Mapping[str, Any]) -> str:
    return f"Answer to {body['messages'][-1]['content']} 日本 🙂"


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer(reply=reply) as running:
        yield running


@pytest.fixture
def asked(tmp_path: Path) -> Path:
    return write(tmp_path / "prompts.jsonl", 20)


def write(path: Path, count: int) -> Path:
    path.write_text("".join(json.dumps({"id": f"{i:03}", "prompt": f"Q{i:03}"}) + "\n" for i in range(count)))
    return path


def collect(asked: Path, server: FaultServer, *options: str) -> Result:
    return lingua("train", "collect", asked, "--base-url", server.base_url, "--model", "m", *options)


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def responses(asked: Path) -> list[dict[str, Any]]:
    return records(asked.with_name("prompts.responses.jsonl"))


def questions(server: FaultServer) -> Counter[str]:
    return Counter(record.messages for record in server.records)


def assert_complete(asked: Path, count: int) -> None:
    found = responses(asked)
    assert [record["id"] for record in found] == [f"{i:03}" for i in range(count)]
    assert all(record["response"] == f"Answer to Q{record['id']} 日本 🙂" for record in found)
    assert not asked.with_name("prompts.responses.failures.jsonl").exists()


# One run


def test_replies_and_logprobs_are_gathered_in_the_order_of_the_prompts(
    asked: Path, server: FaultServer
) -> None:
    server.start_seconds = 0.02
    result = collect(asked, server, "--top-logprobs", "2", *PRICES)
    assert result.exit_code == 0, result.stderr
    assert_complete(asked, 20)
    first = responses(asked)[0]
    assert (first["model"], first["finish_reason"]) == ("m", "stop")
    assert first["usage"] == {"prompt_tokens": 1, "completion_tokens": 5, "cached_tokens": 0}
    assert first["logprobs"][3] == {
        "token": " 日本",
        "logprob": -0.25,
        "top": [[" 日本", -0.25], [" 日本1", -1.25]],
    }
    assert "".join(token["token"] for token in first["logprobs"]) == first["response"]
    assert "answered   20 of 20 (20 now)" in result.stdout
    assert "cost       0.0010" in result.stdout
    assert "20 to ask, 0 answered before" in result.stderr
    assert server.peak <= 8
    assert set(questions(server).values()) == {1}


def test_concurrency_does_not_show_in_the_file(asked: Path, server: FaultServer, tmp_path: Path) -> None:
    files = [tmp_path / "one.jsonl", tmp_path / "many.jsonl"]
    for out, concurrency in zip(files, ("1", "16"), strict=True):
        assert collect(asked, server, "--out", str(out), "--concurrency", concurrency).exit_code == 0
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_dry_run_estimates_and_sends_nothing(asked: Path, server: FaultServer, tmp_path: Path) -> None:
    result = collect(asked, server, "--dry-run", *PRICES, "--max-cost", "0.01", "--max-tokens", "100")
    assert result.exit_code == 0
    assert "20 to ask" in result.stdout
    assert "at most 2,000 tokens to write" in result.stdout
    assert "cost       at most 0.02" in result.stdout
    assert "0.0100 in all, may not be enough" in result.stdout
    assert server.records == []
    assert list(tmp_path.iterdir()) == [asked]


def test_an_endpoint_that_refuses_logprobs_is_asked_once_and_then_without(
    asked: Path, server: FaultServer
) -> None:
    server.refuses = ["logprobs"]
    result = collect(asked, server)
    assert result.exit_code == 0
    assert "no log-probabilities" in result.stderr
    assert [bool(record.body.get("logprobs")) for record in server.records] == [True] + [False] * 20
    assert responses(asked)[0]["logprobs"] is None


def test_required_logprobs_end_the_run_at_once_where_there_are_none(asked: Path, server: FaultServer) -> None:
    server.refuses = ["logprobs"]
    result = collect(asked, server, "--require-logprobs")
    assert result.exit_code == 2
    assert "gives no log-probabilities, and they are required" in result.stderr
    assert len(server.records) == 2
    assert responses(asked) == []


def test_a_wrong_key_ends_the_run_without_asking_everything(asked: Path, server: FaultServer) -> None:
    server.fault_for = lambda _: "unauthorized"
    result = collect(asked, server, "--give-up-after", "3")
    assert result.exit_code == 4
    assert "3 prompts have failed in a row" in result.stderr
    assert "OPENAI_API_KEY" in result.stderr
    assert len(server.records) == 3


def test_the_cap_ends_the_run_and_raising_it_goes_on(asked: Path, server: FaultServer) -> None:
    small = ("--max-tokens", "10", *PRICES)
    stopped = collect(asked, server, *small, "--max-cost", "0.001")
    assert stopped.exit_code == 4
    spent = sum(r["usage"]["prompt_tokens"] + 10 * r["usage"]["completion_tokens"] for r in responses(asked))
    assert 0 < len(responses(asked)) < 20
    assert spent / 1e6 <= 0.001
    assert "raise --max-cost" in stopped.stderr
    assert collect(asked, server, *small, "--max-cost", "1").exit_code == 0
    assert_complete(asked, 20)
    assert set(questions(server).values()) == {1}


# Input


def test_malformed_prompts_are_listed_and_nothing_is_sent(asked: Path, server: FaultServer) -> None:
    asked.write_text('{"prompt": "Q000", "id": "000"}\n{"promt": "x"}\nnot json\n')
    result = collect(asked, server)
    assert result.exit_code == 2
    assert "2 lines are no prompt" in result.stderr
    assert "line 2: expected one of 'prompt' and 'messages'" in result.stderr
    assert "line 3: not valid JSON" in result.stderr
    assert server.records == []
    result = collect(asked, server, "--skip-malformed")
    assert result.exit_code == 0
    assert "left out" in result.stderr
    assert_complete(asked, 1)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--price-in", "1"), "belong together"),
        (("--max-cost", "1"), "needs --price-in and --price-out"),
        (("--require-logprobs", "--top-logprobs", "0"), "at least 1"),
        (("--out", "prompts.txt"), "file of JSON lines"),
        (("--out", "/dev/full"), "file of JSON lines"),
        (("--token-counter", "no such thing"), "no such thing"),
        (("--base-url", "nonsense"), "must be a URL"),
    ],
)
def test_options_that_cannot_be_used_are_refused_before_anything_is_sent(
    asked: Path, server: FaultServer, options: tuple[str, ...], words: str
) -> None:
    result = collect(asked, server, *options)
    assert result.exit_code == 2
    assert words in result.stderr
    assert server.records == []
    assert list(asked.parent.iterdir()) == [asked]


def test_the_prompts_cannot_be_written_over(asked: Path, server: FaultServer) -> None:
    result = collect(asked, server, "--out", str(asked))
    assert result.exit_code == 2
    assert "the replies need one of their own" in result.stderr


def test_other_options_for_the_same_file_are_refused(asked: Path, server: FaultServer) -> None:
    assert collect(asked, server).exit_code == 0
    result = collect(asked, server, "--temperature", "0.5", "--model", "n")
    assert result.exit_code == 2
    assert "model 'm' there, 'n' here; temperature None there, 0.5 here" in result.stderr
    assert len(server.records) == 20


# Faults


def test_an_endpoint_that_dies_half_way_leaves_a_file_to_go_on_from(asked: Path, server: FaultServer) -> None:
    server.fault_for = lambda record: "death" if len(server.records) >= 10 else None
    server.start_seconds = 0.01
    result = collect(asked, server, "--attempts", "1", "--give-up-after", "4", "--concurrency", "3")
    assert result.exit_code == 4
    assert "4 prompts have failed in a row" in result.stderr
    kept = responses(asked)
    assert 5 <= len(kept) <= 10
    with FaultServer(reply=reply) as another:
        assert collect(asked, another).exit_code == 0
        assert_complete(asked, 20)
        assert not questions(another).keys() & {f"Q{record['id']}" for record in kept}


def test_faults_at_random_are_repeated_until_all_is_there(asked: Path, server: FaultServer) -> None:
    server.fault_rate, server.seed = 0.3, 5
    server.faults = ("rate_limit", "server_error", "reset", "disconnect", "content_filter", "malformed")
    for _ in range(12):
        result = collect(asked, server, "--attempts", "3", "--give-up-after", "50")
        if result.exit_code == 0:
            break
    assert_complete(asked, 20)


def test_empty_replies_are_failures_that_the_next_run_asks_again(asked: Path, server: FaultServer) -> None:
    server.reply = lambda body: " " if body["messages"][-1]["content"].endswith("7") else reply(body)
    result = collect(asked, server)
    assert result.exit_code == 4
    assert "failed     2" in result.stdout
    lost = records(asked.with_name("prompts.responses.failures.jsonl"))
    assert [failure["id"] for failure in lost] == ["007", "017"]
    assert "empty" in lost[0]["message"]
    server.reply = reply
    assert collect(asked, server).exit_code == 0
    assert_complete(asked, 20)
    assert questions(server)["Q007"] == 2
    assert questions(server)["Q006"] == 1


# The program's end


def start(asked: Path, server: FaultServer, *options: str) -> "subprocess.Popen[bytes]":
    command = [*COLLECT, str(asked), "--base-url", server.base_url, "--model", "m", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def wait_for_replies(out: Path, count: int) -> None:
    end = time.monotonic() + 60
    while not out.exists() or out.read_bytes().count(b"\n") < count:
        assert time.monotonic() < end, "no replies"
        time.sleep(0.01)


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_killed_runs_that_go_on_gather_the_same_and_ask_again_only_what_was_in_flight(
    tmp_path: Path, server: FaultServer
) -> None:
    asked, out = write(tmp_path / "prompts.jsonl", 60), tmp_path / "prompts.responses.jsonl"
    server.start_seconds = 0.05
    kills = 2
    for killed in range(kills):
        with start(asked, server, "--concurrency", "4") as process:
            wait_for_replies(out, 15 * (killed + 1))
            process.send_signal(signal.SIGKILL)
            process.communicate()
        assert server.wait_for(lambda: server.active == 0)
    with start(asked, server, "--concurrency", "4") as process:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said.decode()
    assert_complete(asked, 60)
    times = questions(server)
    assert set(times) == {f"Q{i:03}" for i in range(60)}
    assert sum(times.values()) - 60 <= 4 * kills


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_an_interrupt_lets_calls_finish_and_says_how_to_go_on(tmp_path: Path, server: FaultServer) -> None:
    asked, out = write(tmp_path / "prompts.jsonl", 60), tmp_path / "prompts.responses.jsonl"
    server.start_seconds = 0.1
    with start(asked, server, "--concurrency", "4") as process:
        wait_for_replies(out, 10)
        process.send_signal(signal.SIGINT)
        said, told = (stream.decode() for stream in process.communicate(timeout=60))
    assert process.returncode == 130
    assert "Traceback" not in told
    assert "Finishing the calls under way" in told
    again = told.splitlines()[-1].strip()
    assert again.startswith(f"lingua train collect {asked}")
    assert f"answered   {len(responses(asked))} of 60" in said
    assert len(server.records) == len(responses(asked))  # what was asked was kept
    server.start_seconds = 0
    assert lingua(*again.split()[1:]).exit_code == 0
    assert_complete(asked, 60)
    assert set(questions(server).values()) == {1}


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_a_second_interrupt_ends_the_calls_under_way(tmp_path: Path, server: FaultServer) -> None:
    asked, out = write(tmp_path / "prompts.jsonl", 9), tmp_path / "prompts.responses.jsonl"
    server.fault_for = lambda _: "slow_start" if len(server.records) >= 2 else None
    with start(asked, server, "--concurrency", "4") as process:
        wait_for_replies(out, 1)
        assert server.wait_for(lambda: server.active == 4)
        process.send_signal(signal.SIGINT)
        time.sleep(1)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Traceback" not in told
    assert b"Interrupted; every reply that had come is in" in told
    assert len(responses(asked)) >= 1
    server.fault_for = None
    assert collect(asked, server).exit_code == 0
    assert_complete(asked, 9)


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs limits on the sizes of files")
def test_a_full_disk_is_one_message_and_nothing_is_torn(asked: Path, server: FaultServer) -> None:
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000));"
        "from lingua_core.cli import main; main()"
    )
    arguments = ["train", "collect", str(asked), "--base-url", server.base_url, "--model", "m"]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        timeout=120,
        check=False,
        env=os.environ,
    )
    told = done.stderr.decode()
    assert done.returncode == 2, told
    assert "Traceback" not in told
    assert "File too large" in told
    assert "Once there is room on the disk" in told
    kept = responses(asked)
    assert 0 < len(kept) < 20
    assert asked.with_name("prompts.responses.jsonl").read_bytes().endswith(b"\n")
    assert collect(asked, server).exit_code == 0
    assert_complete(asked, 20)
