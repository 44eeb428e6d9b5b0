"""`lingua bench numbers`: what is left of numbers and operators."""

import json
from pathlib import Path

import pytest

from cli_runner import lingua
from language_models import language_model
from lingua_core import PromptCompressor
from lingua_core.bench.kept_numbers.measuring import kept_signs
from lingua_core.bench.kept_numbers.problems import DEMONSTRATIONS


def test_signs_are_counted_where_they_are_kept_and_whole() -> None:
    compressor = PromptCompressor("lexical")
    texts = ["They bring 72 * 3 = $216.", "Nobody knows what else there is to say of the matter at hand."]
    assert kept_signs(compressor, [texts], 1.0).numbers == 1.0
    assert kept_signs(compressor, [texts], 1.0).operators == 1.0
    nothing = kept_signs(compressor, [["No sum at all.", "And none here."]], 2.0)
    assert (nothing.numbers, nothing.operators) == (0.0, 0.0)
    assert 0 < nothing.tokens < 1


def test_every_demonstration_ends_with_the_result_that_it_computes() -> None:
    for text in DEMONSTRATIONS:
        steps, answer = text.rsplit("\nThe answer is ", 1)
        assert answer.rstrip(".") in steps


def test_the_command_prints_a_row_for_each_ratio(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    for part in language_model():
        part.save_pretrained(tmp_path / "model")
    file = tmp_path / "texts.jsonl"
    file.write_text(json.dumps({"response": DEMONSTRATIONS[0]}) + "\n")
    result = lingua("bench", "numbers", tmp_path / "model", "--texts", file, "--ratio", "2")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[2].startswith("| 2x | ")
    file.write_text('{"text": 3}\n')
    result = lingua("bench", "numbers", tmp_path / "model", "--texts", file)
    assert result.exit_code == 2
    assert "Line 1 of" in result.stderr
