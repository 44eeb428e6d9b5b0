"""Bits per byte of answers, each behind its prompt: how well a model foretells what a target wrote."""

from collections.abc import Sequence
from typing import Protocol

from lingua_core.models.continuations import Continuation, Surprisals
from lingua_core.training.alignment.examples import Example
from lingua_core.training.causal_lm.evaluate import BitsPerByte, bits_of

__all__ = ["AnswerModel", "measure_answers"]


class AnswerModel(Protocol):
    """What is needed of a language model; `CausalLM` is one."""

    def surprisals(self, continuations: Sequence[Continuation]) -> list[Surprisals]:
        """Surprisal, in nats, of every token."""
        ...


def measure_answers(name: str, model: AnswerModel, examples: Sequence[Example]) -> BitsPerByte:
    """Bits per byte of the responses of each target; what a template writes around them is left out.

    Args:
        name: Of the result.
        model: The model.
        examples: Made with its tokenizer.
    """
    asked = [Continuation(e.prefix, e.ids[: len(e.ids) - e.ending]) for e in examples]
    rows = model.surprisals(asked)
    domains: dict[str, float] = {}
    sizes: dict[str, int] = {}
    for target in dict.fromkeys(example.target for example in examples):
        own = [i for i, example in enumerate(examples) if example.target == target]
        sizes[target] = sum(examples[i].bytes for i in own)
        domains[target] = bits_of(rows[i] for i in own) / sizes[target]
    return BitsPerByte(name=name, domains=domains, bytes=sizes)
