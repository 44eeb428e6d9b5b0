"""Counting: by function, by name, by the embedded tokenizer."""

import sys
from pathlib import Path

import pytest

from lingua_core import MissingDependencyError, PromptCompressor, TokenCounterError
from lingua_core.scorers import FixedScorer
from lingua_core.tokens import TokenCounter, resolve_token_counter
from lingua_core.weights import ENCODER


def test_the_default_is_the_embedded_tokenizer_and_results_name_it() -> None:
    result = PromptCompressor(model=FixedScorer()).compress(["One two three. Four."], "q", rate=0.9)
    assert result.token_counter == "all-MiniLM-L6-v2 (embedded)"
    assert result.origin_tokens == 6


def test_a_function_counts_and_is_named() -> None:
    def count_words(text: str) -> int:
        return len(text.split())

    counter = resolve_token_counter(count_words)
    assert counter.count(["a b", "", "c"]) == [2, 0, 1]
    assert counter.name.endswith("count_words")


def test_a_function_is_not_called_for_empty_texts() -> None:
    assert resolve_token_counter(lambda text: 1 // len(text) + 7).count(["", "xx"]) == [0, 7]


def test_a_counter_object_is_used() -> None:
    class Words:
        name = "words"

        def count(self, texts: list[str]) -> list[int]:
            return [len(t.split()) for t in texts]

    words = Words()
    assert isinstance(words, TokenCounter)
    counter = resolve_token_counter(words)
    assert (counter.name, counter.count(["a b", ""])) == ("words", [2, 0])


@pytest.mark.parametrize("counts", [[], None, [1.5], [-1], [10**400], 3])
def test_a_counter_object_that_does_not_count_is_a_clear_error(counts: object) -> None:
    class Broken:
        name = "broken"

        def count(self, texts: list[str]) -> object:
            return counts

    with pytest.raises(TokenCounterError, match="broken"):
        resolve_token_counter(Broken()).count(["a"])  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["", ".", "x" * 5000, "cl100k-base", "two words"])
def test_a_name_that_can_be_none_is_a_clear_error_at_once(name: str) -> None:
    with pytest.raises(TokenCounterError, match="no tiktoken encoding"):
        resolve_token_counter(name)


def test_a_tokenizer_file_or_folder_counts_like_the_embedded_one() -> None:
    texts = ["Counting tokens, isn't it?", "日本語", "long " * 6000]
    expected = resolve_token_counter(None).count(texts)
    assert resolve_token_counter(str(ENCODER.folder)).count(texts) == expected
    assert resolve_token_counter(str(ENCODER.folder / "tokenizer.json")).count(texts) == expected


def test_a_damaged_tokenizer_file_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(Exception, match="cannot be read"):
        resolve_token_counter(str(tmp_path))


@pytest.fixture
def tiktoken_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """tiktoken's encodings as llama-index-core carries them; nothing is downloaded."""
    pytest.importorskip("tiktoken")
    core = pytest.importorskip("llama_index.core")
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(Path(core.__file__).parent / "_static" / "tiktoken_cache"))


@pytest.mark.usefixtures("tiktoken_cache")
@pytest.mark.parametrize("name", ["cl100k_base", "gpt-4"])
def test_tiktoken_encodings_and_models_by_name(name: str) -> None:
    counter = resolve_token_counter(name)
    assert counter.name == "cl100k_base (tiktoken)"
    assert counter.count(["tiktoken is great!", "<|endoftext|>", "\ud800"])[0] == 6
    assert counter.count(["<|endoftext|>"])[0] > 1


@pytest.mark.usefixtures("tiktoken_cache")
def test_a_megabyte_of_white_space_is_counted() -> None:
    assert resolve_token_counter("cl100k_base").count(["a" + " " * 1_000_000 + "b"])[0] > 1000


@pytest.mark.usefixtures("tiktoken_cache")
def test_budgets_hold_for_a_tokenizer_that_joins_across_white_space() -> None:
    text = "  The plan, as of 2024, is: don't go!\n\n\n- one\n- two\n\n" * 40
    compressor = PromptCompressor(model=FixedScorer(), token_counter="cl100k_base")
    for target in (7, 20, 55, 130, 400):
        result = compressor.compress([text, text], "q", target_tokens=target)
        assert 0.5 * target < result.compressed_tokens <= target
    for rate in (0.1, 0.5, 0.8):
        assert abs(compressor.compress([text, text], "q", rate=rate).rate - rate) <= 0.02


def test_an_unknown_name_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(TokenCounterError, match="no tiktoken encoding"):
        resolve_token_counter("no-such-tokenizer-anywhere")


def test_a_missing_tiktoken_names_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    monkeypatch.setattr("lingua_core.tokens.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r'pip install "lingua-rag\[tiktoken\]"'):
        resolve_token_counter("cl100k_base")
