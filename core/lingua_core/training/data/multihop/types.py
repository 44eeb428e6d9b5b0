"""What the examples are composed of, and between: hops, clues and bridges."""

from dataclasses import dataclass

from lingua_core.training.data.examples import Span

__all__ = ["SOURCE", "Bridge", "Clue", "SingleHop"]

SOURCE = "multihop"
"""What the examples name as their source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleHop:
    """A question that one passage answers.

    Attributes:
        id: Unique among the questions.
        question: As a sentence, or in lower case as search engines get it.
        title: The passage's title.
        text: The passage.
        answer: The answer, as the passage has it.
        evidence: The sentence with the answer.
    """

    id: str
    question: str
    title: str
    text: str
    answer: str
    evidence: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Clue:
    """A sentence that tells which entity a phrase describes."""

    id: str
    entity: str
    phrase: str
    title: str
    text: str
    evidence: Span
    defines: bool = False


@dataclass(frozen=True, slots=True)
class Bridge:
    """A question, the clue that replaces an entity in it, and the question composed of both."""

    question: SingleHop
    clue: Clue
    composed: str
    key: str
