"""What the extractor learns from: a question, passages, and which sentences of them are evidence."""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Example", "LabelledPassage", "Span"]

Span = tuple[int, int]
"""Character offsets into a passage's text: start, and end behind the last character."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledPassage:
    """A passage with what of it a reader needs for the question.

    Attributes:
        text: The passage.
        title: Its title, or None.
        evidence: Spans that answer the question, or a hop of it. Every sentence that one touches is
            evidence.
        support: Spans that help to understand the evidence: a list's lead-in, a pronoun's referent.
    """

    text: str
    title: str | None = None
    evidence: tuple[Span, ...] = ()
    support: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One question with passages of which some hold evidence.

    Attributes:
        id: Unique in its source.
        source: The data set.
        question: The question.
        passages: At least one; those without evidence are what must be dropped.
        known: Evidence that has been found already, as a second look at the passages has it: text that
            the model reads with the question. Empty for a first look.
        answers: Strings that no distractor may hold.
    """

    id: str
    source: str
    question: str
    passages: tuple[LabelledPassage, ...]
    known: str = ""
    answers: tuple[str, ...] = ()

    @property
    def gold(self) -> Sequence[LabelledPassage]:
        """The passages with evidence."""
        return [passage for passage in self.passages if passage.evidence]
