"""A prompt of instruction, demonstrations and question, each with its own ratio.

The budget controller of LLMLingua (arXiv 2310.05736, section 4.1, equation 2): instruction and question,
which the answer depends on most, keep a ratio of their own, and demonstrations share what that leaves of the
budget.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lingua_core.budget import choose_budget
from lingua_core.compression import PromptCompressor
from lingua_core.errors import InputError
from lingua_core.structured.parts import (
    CompressedPart,
    Counted,
    Part,
    Structure,
    as_it_is,
    check_compressor,
    compress_parts,
    placed_notes,
)

__all__ = ["PromptResult", "compress_prompt"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptResult(Counted):
    """A prompt after compression; tokens are those of the whole text.

    Attributes:
        text: Instruction, demonstrations and question, with `separator` between those that are not empty.
        instruction: The instruction's part.
        demonstrations: Every demonstration's part, in order; one that was dropped has an empty text.
        question: The question's part.
    """

    text: str
    instruction: CompressedPart
    demonstrations: tuple[CompressedPart, ...]
    question: CompressedPart

    @property
    def parts(self) -> tuple[CompressedPart, ...]:
        """Instruction, demonstrations, question: what `Note.document` counts."""
        return (self.instruction, *self.demonstrations, self.question)


def compress_prompt(
    demonstrations: Sequence[str],
    compressor: PromptCompressor,
    *,
    instruction: str = "",
    question: str = "",
    target_tokens: int | None = None,
    rate: float | None = None,
    instruction_rate: float = 1.0,
    question_rate: float = 1.0,
    separator: str = "\n\n",
) -> PromptResult:
    """Compress a prompt to a budget that all of it shares.

    Demonstrations are the documents of one compression: a method that ranks documents drops whole ones first.
    The question is the query of all of it. The paper's ratios are 0.85 for the instruction and 0.9 for the
    question; by default both stay as they are. A method that keeps sentences cannot shorten a single one.

    Args:
        demonstrations: Examples, or documents.
        compressor: Compresses; every number of tokens is its counter's.
        instruction: What the reader is to do.
        question: What it is asked; empty for none.
        target_tokens: The most tokens that the whole may have. Give this or `rate`; with neither, half of the
            tokens are kept.
        rate: The fraction of the whole's tokens to keep, 0 < rate <= 1.
        instruction_rate: The fraction of the instruction's tokens to keep.
        question_rate: The same of the question's.
        separator: Joins instruction, demonstrations and question.

    Raises:
        InputError: If an argument cannot be used.
        ProtectedOverBudgetError: If instruction and question leave too little of the budget.
    """
    check_compressor(compressor)
    _check_texts(demonstrations, instruction=instruction, question=question, separator=separator)
    texts = [instruction, *demonstrations, question]
    rates = [
        _checked_rate("instruction_rate", instruction_rate),
        *(None for _ in demonstrations),
        _checked_rate("question_rate", question_rate),
    ]
    chosen = [i for i, rate in enumerate(rates) if rate != 1]
    counter = compressor.token_counter

    def whole(new: Sequence[str]) -> str:
        placed = list(texts)
        for i, text in zip(chosen, new, strict=True):
            placed[i] = text
        return separator.join([text for text in placed if text])

    (origin,) = counter.count([whole([texts[i] for i in chosen])])
    budget = choose_budget(target_tokens=target_tokens, rate=rate)
    found, notes = compress_parts(
        [Part(text=texts[i], rate=rates[i]) for i in chosen],
        compressor,
        question or None,
        structure=Structure(
            tokens=lambda new: counter.count([whole(new)])[0], bounded="the whole prompt", nothing=""
        ),
        target_tokens=budget.allowance(origin) or 1,
        rate=None,
        threshold=None,
    )
    done = dict(zip(chosen, found, strict=True))
    parts = [done.get(i) or as_it_is(Part(text=text)) for i, text in enumerate(texts)]
    text = whole([part.text for part in found])
    return PromptResult(
        text=text,
        instruction=parts[0],
        demonstrations=tuple(parts[1:-1]),
        question=parts[-1],
        origin_tokens=origin,
        compressed_tokens=counter.count([text])[0],
        token_counter=counter.name,
        notes=placed_notes(notes, chosen),
    )


def _checked_rate(name: str, rate: float) -> float:
    if isinstance(rate, bool | str) or not 0 < rate <= 1:
        raise InputError(f"{name} is the kept fraction and must be in (0, 1], got {rate!r}.")
    return float(rate)


def _check_texts(demonstrations: Sequence[str], **texts: str) -> None:
    if isinstance(demonstrations, str) or not isinstance(demonstrations, Sequence):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
        raise InputError(f"demonstrations must be a sequence of str, got {type(demonstrations).__name__}.")
    named = {f"demonstrations[{i}]": text for i, text in enumerate(demonstrations)} | texts
    for name, text in named.items():
        if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise InputError(f"{name} must be a str, got {type(text).__name__}: {text!r:.80}.")
