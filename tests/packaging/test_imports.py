"""Dependencies point inward, and imports are honest."""

import ast
import importlib
import json
import pkgutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import lingua_core

FRAMEWORKS = (
    "langchain",
    "langchain_core",
    "langchain_classic",
    "llama_index",
    "langchain_lingua",
    "llamaindex_lingua",
)
HEAVY = (*FRAMEWORKS, "torch", "transformers", "onnx", "tiktoken", "safetensors", "openai", "ray", "pandas")
OF_AN_EXTRA = (
    "lingua_core.training.alignment.",
    "lingua_core.training.causal_lm.",
    "lingua_core.training.checkpoint_file",
    "lingua_core.training.extractor.",
    "lingua_core.training.router.",
    "lingua_core.training.token_classifier.",
    "lingua_core.llms.huggingface.",
)
"""What needs torch when it is imported; nothing else imports it before it is used."""

OF_AGENTS = [f"langchain_lingua.{name}" for name in ("agents", "middleware", "original_tool", "originals")]


def modules_after(code: str) -> set[str]:
    report = "\nimport json, sys; sys.stdout.write(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code + report], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {name.split(".")[0] for name in json.loads(done.stdout)}


@pytest.mark.parametrize(
    "code",
    [
        "import lingua_core",
        "import lingua_core.cli",
        "from lingua_core import PromptCompressor\n"
        "for method in ('extract', 'lexical', 'llmlingua', 'longllmlingua', 'selective-context'):\n"
        "    PromptCompressor(method).compress(['One thing. Another.'], 'which?', rate=0.5)",
    ],
    ids=["import", "cli", "compress"],
)
def test_the_core_loads_no_framework(code: str) -> None:
    assert not modules_after(code) & set(HEAVY)


def test_importing_the_core_loads_nothing_that_finds_topics_of_what_was_removed() -> None:
    code = "import sys, lingua_core; assert 'lingua_core.removed.phrases' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_importing_the_core_loads_no_model_runtime() -> None:
    assert not modules_after("import lingua_core") & {"onnxruntime", "bm25s", "rich", "typer"}


def test_importing_the_core_loads_no_event_loop_before_an_answer_is_asked_for() -> None:
    assert "asyncio" not in modules_after("import lingua_core")
    assert "asyncio" not in modules_after("import lingua_core.cli")
    assert "asyncio" in modules_after("from lingua_core import SkeletonOfThought")
    with pytest.raises(AttributeError, match="has no attribute 'SkeletonOfDoubt'"):
        _ = lingua_core.SkeletonOfDoubt


def test_no_module_of_the_core_names_a_framework() -> None:
    folder = Path(lingua_core.__file__).parent
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not {name.split(".")[0] for name in names} & set(FRAMEWORKS), file


@pytest.mark.parametrize("package", ["lingua_core", "langchain_lingua", "llamaindex_lingua"])
def test_every_module_says_what_is_public(package: str) -> None:
    if package != "lingua_core":
        pytest.importorskip("langchain_core" if package == "langchain_lingua" else "llama_index.core")
    root = importlib.import_module(package)
    for info in pkgutil.walk_packages(root.__path__, f"{package}."):
        if info.name.endswith("__main__"):
            continue
        if info.name.startswith(OF_AN_EXTRA) and find_spec("torch") is None:
            continue
        if info.name in OF_AGENTS and find_spec("langchain") is None:
            continue  # of the extra "langchain-agents"
        module = importlib.import_module(info.name)
        public = getattr(module, "__all__", None)
        if public is None:
            # Only a package that is a mere folder may do without.
            assert info.ispkg, f"{info.name} has no __all__"
            continue
        assert list(public) == sorted(public, key=lambda n: (not n.isupper(), n[0].islower(), n)), info.name
        missing = [name for name in public if not hasattr(module, name)]
        assert not missing, f"{info.name}.__all__ names {missing}"


def test_the_public_surface_is_the_contract() -> None:
    promised = {
        "Document",
        "PromptCompressor",
        "CompressionResult",
        "CompressedDocument",
        "Span",
        "LinguaError",
    }
    assert promised <= set(lingua_core.__all__)
    for name in lingua_core.__all__:
        assert getattr(lingua_core, name) is not None
    assert lingua_core.__doc__


@pytest.mark.parametrize(
    ("package", "dependency", "extra"),
    [("langchain_lingua", "langchain_core", "langchain"), ("llamaindex_lingua", "llama_index", "llamaindex")],
)
def test_an_adapter_without_its_framework_names_the_command_that_installs_it(
    package: str, dependency: str, extra: str
) -> None:
    code = f"import sys; sys.modules[{dependency!r}] = None\nimport {package}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f'pip install "lingua-rag[{extra}]"' in done.stderr.splitlines()[-1]


def test_agents_without_langchain_name_the_command_that_installs_it() -> None:
    pytest.importorskip("langchain_core", reason="needs the extra: lingua-rag[langchain]")
    code = (
        "import sys; sys.modules['langchain'] = None\nimport langchain_lingua\nimport langchain_lingua.agents"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert 'pip install "lingua-rag[langchain-agents]"' in done.stderr.splitlines()[-1]


def test_the_langchain_adapter_loads_no_agents() -> None:
    pytest.importorskip("langchain_core", reason="needs the extra: lingua-rag[langchain]")
    assert not modules_after("import langchain_lingua") & {"langchain", "langchain_classic", "langgraph"}


def test_the_core_folder_is_no_package(repository: Path) -> None:
    assert not (repository / "core" / "__init__.py").exists()
