"""What the wheel holds, and what it does not."""

import email
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    pytest.importorskip("build")
    pytest.importorskip("hatchling")
    target = tmp_path_factory.mktemp("wheel")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "build",
            "--wheel",
            "--no-isolation",
            "--outdir",
            str(target),
            str(repository),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return zipfile.ZipFile(next(target.glob("*.whl")))


def test_the_wheel_holds_exactly_the_three_packages(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {
        "langchain_lingua",
        "lingua_core",
        "llamaindex_lingua",
    }


@pytest.mark.parametrize(
    "name",
    [
        "lingua_core/py.typed",
        "langchain_lingua/py.typed",
        "llamaindex_lingua/py.typed",
        "lingua_core/weights/minilm/lower.onnx",
        "lingua_core/weights/minilm/upper.onnx",
        "lingua_core/weights/minilm/tokenizer.json",
        "lingua_core/weights/minilm/MODEL_CARD.md",
        "lingua_core/weights/minilm/LICENSE",
        "lingua_core/weights/extractor/lower.onnx",
        "lingua_core/weights/extractor/upper.onnx",
        "lingua_core/weights/extractor/extractor.json",
        "lingua_core/weights/extractor/tokenizer.json",
        "lingua_core/weights/language_model/causal_lm.onnx",
        "lingua_core/weights/language_model/causal_lm.json",
        "lingua_core/weights/language_model/config.json",
        "lingua_core/weights/language_model/tokenizer.json",
        "lingua_core/weights/language_model/MODEL_CARD.md",
        "lingua_core/weights/router/router.onnx",
        "lingua_core/weights/router/router.json",
        "lingua_core/weights/router/MODEL_CARD.md",
        "lingua_core/weights/router/LICENSE",
        "lingua_core/training/data/router/questions.jsonl",
        "lingua_core/training/data/router/README.md",
        "lingua_core/demo/documents.jsonl",
        "lingua_core/demo/ATTRIBUTION.md",
    ],
)
def test_the_wheel_holds_what_the_packages_need(wheel: zipfile.ZipFile, name: str) -> None:
    assert name in wheel.namelist()


def test_the_wheel_holds_no_rubbish_and_stays_small(wheel: zipfile.ZipFile) -> None:
    assert not [n for n in wheel.namelist() if "__pycache__" in n or n.endswith((".pyc", ".unfinished"))]
    assert sum(info.compress_size for info in wheel.infolist()) < 60_000_000


def test_the_base_requirements_are_small_and_free_of_frameworks(wheel: zipfile.ZipFile) -> None:
    name = next(n for n in wheel.namelist() if n.endswith("METADATA"))
    metadata = email.message_from_string(wheel.read(name).decode())
    requirements = metadata.get_all("Requires-Dist") or []
    base = {r.split(">")[0].split("<")[0].split("=")[0] for r in requirements if "extra ==" not in r}
    assert base == {"numpy", "onnxruntime", "tokenizers", "sentencex", "bm25s", "typer", "rich"}
    extras = set(metadata.get_all("Provides-Extra") or [])
    declared = "langchain langchain-agents llamaindex tiktoken train openai transformers ray all"
    assert extras == set(declared.split())
    assert metadata["License-Expression"] == "MIT"


def test_the_version_is_one(wheel: zipfile.ZipFile) -> None:
    import lingua_core

    assert Path(wheel.filename or "").name.startswith(f"lingua_rag-{lingua_core.__version__}-")
