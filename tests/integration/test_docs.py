"""Every code block of the README and the docs runs, and prints what the page says it prints.

A `python` block runs in the namespace of its page. A `console` block holds `$ lingua …` commands. A
`text` block right behind either is what it prints. Blocks of other kinds are for people, except that an
`sh` block may only hold the commands that CI runs from the README, or installs. A page that names
`my-causal-lm` finds a small model with random weights there.
"""

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from language_models import language_model

ROOT = Path(__file__).resolve().parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(?P<kind>\w*)[^\n]*\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE)


class Block(NamedTuple):
    kind: str
    body: str
    line: int
    prints: str | None


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    matches = list(BLOCK.finditer(text))
    found: list[Block] = []
    for i, match in enumerate(matches):
        prints = None
        if i + 1 < len(matches) and matches[i + 1]["kind"] == "text":
            between = text[match.end() : matches[i + 1].start()]
            prints = matches[i + 1]["body"] if not between.strip() else None
        found.append(Block(match["kind"], match["body"], text[: match.start()].count("\n") + 1, prints))
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
@pytest.mark.filterwarnings("ignore::DeprecationWarning:langchain_classic.*")
def test_code_blocks_run_and_print_what_the_page_says(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if "my-causal-lm" in page.read_text(encoding="utf-8"):
        pytest.importorskip("torch")
        for part in language_model():
            part.save_pretrained("my-causal-lm")
    namespace: dict[str, Any] = {"__name__": "__docs__"}
    for block in blocks_of(page):
        where = f"{page.relative_to(ROOT)}:{block.line}"
        if block.kind == "python":
            if "langchain" in block.body:
                pytest.importorskip("langchain_classic")
            if "langchain.agents" in block.body:
                pytest.importorskip(
                    "langchain.agents", reason="needs the extra: lingua-rag[langchain-agents]"
                )
            if "llama_index" in block.body:
                pytest.importorskip("llama_index.core")
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                exec(compile(block.body, where, "exec"), namespace)
            check_output(where, block.prints, out.getvalue())
        elif block.kind == "console":
            check_output(where, block.prints, run_console(block.body, where))
        elif block.kind == "sh":
            for line in block.body.strip().splitlines():
                assert re.match(r"(pip install|python3 -m venv|make |git clone)", line), (
                    f"{where}: {line!r} is not run"
                )
        else:
            assert block.kind in ("text", "json", "toml", ""), (
                f"{where}: a block of kind {block.kind!r} is not run"
            )


def run_console(body: str, where: str) -> str:
    lingua = shutil.which("lingua", path=str(Path(sys.executable).parent))
    if lingua is None:
        pytest.skip("the lingua script is not installed beside this Python")
    printed = ""
    environment = {
        **os.environ,
        "PATH": f"{Path(lingua).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "80",
    }
    for line in body.splitlines():
        assert line.startswith("$ "), f"{where}: a console block holds commands only, got {line!r}"
        done = subprocess.run(
            line[2:],
            shell=True,
            capture_output=True,
            text=True,
            env=environment,
            check=False,
            encoding="utf-8",
        )
        assert done.returncode == 0, f"{where}: {line}\n{done.stderr}"
        printed += done.stdout
    return printed


def check_output(where: str, expected: str | None, printed: str) -> None:
    if expected is not None:
        assert printed.rstrip() == expected.rstrip(), f"{where} prints something else:\n{printed}"


def test_links_between_pages_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
            if not target.startswith(("http:", "https:")):
                assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"
