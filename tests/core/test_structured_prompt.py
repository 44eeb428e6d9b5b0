"""Prompts of instruction, demonstrations and question, each with its own ratio."""

from typing import Any

import pytest

from lingua_core import InputError, PromptCompressor, ProtectedOverBudgetError
from lingua_core.structured import compress_prompt

INSTRUCTION = "Read all of the following examples. Then answer the question in the same way, step by step."
QUESTION = "A farmer has 12 hens. Each lays 5 eggs a week. How many eggs are there after three weeks?"
EXAMPLES = [
    "Question: Ann has 3 apples and buys 4 more. How many has she? Answer: She starts with 3. She buys 4. "
    "3 + 4 = 7. The answer is 7.",
    "Question: Sam reads 20 pages a day. How many does he read in 6 days? Answer: He reads 20 pages each "
    "day. 20 * 6 = 120. The answer is 120.",
    "Question: A coat costs 80 crowns, and a hat a quarter of it. What does the hat cost? Answer: A quarter "
    "of 80 is 20. The answer is 20.",
]


@pytest.fixture(scope="module")
def compressor() -> PromptCompressor:
    return PromptCompressor("lexical")


@pytest.mark.parametrize("rate", [0.6, 0.8, 1.0])
def test_the_whole_meets_the_budget_and_ends_stay(compressor: PromptCompressor, rate: float) -> None:
    found = compress_prompt(EXAMPLES, compressor, instruction=INSTRUCTION, question=QUESTION, rate=rate)
    assert found.compressed_tokens <= round(rate * found.origin_tokens)
    assert found.text.startswith(INSTRUCTION)
    assert found.text.endswith(QUESTION)
    assert found.compressed_tokens == compressor.token_counter.count([found.text])[0]
    assert len(found.demonstrations) == len(EXAMPLES)
    pieces = [part.text for part in found.parts if part.text]
    assert found.text == "\n\n".join(pieces)
    for part, source in zip(found.parts, [INSTRUCTION, *EXAMPLES, QUESTION], strict=True):
        assert part.text == "\n".join(source[a:b] for a, b in part.spans)
    if rate == 1.0:
        assert found.text == "\n\n".join([INSTRUCTION, *EXAMPLES, QUESTION])


def test_ratios_of_their_own_hold_whatever_the_rest_keeps(compressor: PromptCompressor) -> None:
    found = compress_prompt(
        EXAMPLES,
        compressor,
        instruction=INSTRUCTION,
        question=QUESTION,
        target_tokens=60,
        instruction_rate=0.4,
        question_rate=0.7,
    )
    assert found.compressed_tokens <= 60
    counter = compressor.token_counter
    for part, source, rate in ((found.instruction, INSTRUCTION, 0.4), (found.question, QUESTION, 0.7)):
        assert part.result is not None
        kept, origin = counter.count([part.text, source])
        assert 0 < kept < origin
        assert abs(kept / origin - rate) < 0.35  # whole sentences


def test_what_is_empty_leaves_no_separator(compressor: PromptCompressor) -> None:
    found = compress_prompt(EXAMPLES, compressor, rate=1.0)
    assert found.text == "\n\n".join(EXAMPLES)
    assert (
        compress_prompt([], compressor, instruction="Go.", question="Where?", rate=1.0).text
        == "Go.\n\nWhere?"
    )
    assert compress_prompt([], compressor).text == ""


def test_a_demonstration_that_goes_is_empty_and_keeps_its_place(compressor: PromptCompressor) -> None:
    found = compress_prompt(EXAMPLES, compressor, question="What does the hat cost?", target_tokens=30)
    texts = [part.text for part in found.demonstrations]
    assert "" in texts
    assert texts[2]
    assert found.text.count("\n\n") == sum(map(bool, texts))


def test_too_small_a_budget_names_what_is_fixed(compressor: PromptCompressor) -> None:
    with pytest.raises(ProtectedOverBudgetError, match="target_tokens=10 is for the whole prompt"):
        compress_prompt(EXAMPLES, compressor, instruction=INSTRUCTION, question=QUESTION, target_tokens=10)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"demonstrations": "one"}, "demonstrations must be a sequence of str, got str"),
        ({"demonstrations": [1]}, r"demonstrations\[0\] must be a str"),
        ({"instruction": None}, "instruction must be a str"),
        ({"question_rate": 0}, "question_rate is the kept fraction"),
        ({"instruction_rate": "half"}, "instruction_rate is the kept fraction"),
        ({"rate": 0.5, "target_tokens": 9}, "at most one of"),
        ({"compressor": None}, "must be a PromptCompressor"),
    ],
)
def test_bad_input_is_a_clear_error(
    compressor: PromptCompressor, arguments: dict[str, Any], message: str
) -> None:
    given = {"demonstrations": EXAMPLES, "compressor": compressor} | arguments
    with pytest.raises(InputError, match=message):
        compress_prompt(given.pop("demonstrations"), given.pop("compressor"), **given)
