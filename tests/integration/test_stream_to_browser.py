"""The example with a web page: what a browser shows, from the skeleton to the citations."""

import importlib.util
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")
uvicorn = pytest.importorskip("uvicorn")
httpx = pytest.importorskip("httpx")

pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])


@pytest.fixture
def address(repository: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    file = repository / "docs" / "examples" / "stream_to_browser.py"
    spec = importlib.util.spec_from_file_location("stream_to_browser", file)
    assert spec is not None
    assert spec.loader is not None
    example: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    server = uvicorn.Server(uvicorn.Config(example.make_app(), port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive()
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


def test_events_come_in_order_and_end_with_the_citations(address: str) -> None:
    with httpx.Client() as client:
        with client.stream("GET", f"{address}/answer", params={"question": "Why work at home?"}) as reply:
            kinds = re.findall(r"^event: (\w+)$", reply.read().decode(), re.MULTILINE)
        assert kinds[:2] == ["route", "skeleton"]
        assert set(kinds[2:-1]) == {"text"}
        assert kinds[-1] == "done"
        assert "No key is set" in client.get(f"{address}/model").json()


def test_a_browser_shows_skeleton_points_and_sources(address: str, tmp_path: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("needs Chromium")
    done = subprocess.run(
        [
            chromium,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            f"--user-data-dir={tmp_path}",
            "--virtual-time-budget=30000",
            "--dump-dom",
            f"{address}/?question=Why%20work%20at%20home%3F",
        ],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    page = re.sub(r"<script>.*?</script>", "", done.stdout, flags=re.DOTALL)
    assert "<title>answered</title>" in page, done.stderr[-2000:]
    points = re.findall(r"<li class=\"\"><b>(.*?)</b><span>(.*?)</span></li>", page, re.DOTALL)
    assert [title for title, _ in points] == ["No commute", "Quiet", "Company"]
    assert [text.count(f"[{i}]") for i, (_, text) in enumerate(points, start=1)] == [1, 1, 1]
    assert re.findall(r"<li>(\[\d\] \w+)</li>", page) == ["[1] Travel", "[2] Noise", "[3] Loneliness"]
    assert "No key is set" in page
    assert re.search(r"4 calls, \d", page)
