"""The same questions as other people would type them."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from lingua_core.bench.quality.questions import Question
from lingua_core.training.data.styles import keywords, lower, typos

__all__ = ["PERTURBATIONS", "perturbed", "upper"]


def upper(question: str, rng: random.Random) -> str:
    """In capitals."""
    del rng
    return question.upper()


PERTURBATIONS: Mapping[str, Callable[[str, random.Random], str]] = {
    "upper": upper,
    "lower": lower,
    "typos": typos,
    "keywords": keywords,
}
"""From a question and a source of chance to the question in another style."""


def perturbed(questions: Sequence[Question], style: str, *, seed: int = 0) -> list[Question]:
    """The questions in another style, the documents as they were.

    Args:
        questions: The questions.
        style: A key of `PERTURBATIONS`.
        seed: For the styles that leave something to chance.
    """
    change = PERTURBATIONS[style]
    return [
        replace(question, text=change(question.text, random.Random(f"{seed} {style} {question.id}")))
        for question in questions
    ]
