"""From the log-probabilities of answers to distributions over the tokens of the model that learns."""

# transformers is partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from collections.abc import Mapping, Sequence
from typing import Any

from lingua_core.errors import InputError
from lingua_core.models.continuations import Ids
from lingua_core.training.alignment.examples import Example
from lingua_core.training.alignment.sparse_targets import SparseTargets
from lingua_core.training.alignment.teacher_tokens import teacher_positions
from lingua_core.training.alignment.vocabulary import VocabularyMap

__all__ = ["Teaching"]


class Teaching:
    """Maps what targets told of their tokens to the tokens of the model that learns.

    Args:
        tokenizer: Of the model that learns; a fast one of transformers.
        start: What it puts before every text.

    Raises:
        InputError: If its tokens do not say what bytes they stand for.
    """

    def __init__(self, tokenizer: Any, start: Ids) -> None:  # noqa: ANN401  # transformers'
        self._map = VocabularyMap(tokenizer.backend_tokenizer)
        self._before = len(start)

    def of(self, example: Example) -> SparseTargets | None:
        """Distributions for the tokens of an answer; None if nothing was told.

        Positions count the tokens of the whole example, with the beginning that stands before every text.

        Raises:
            InputError: If the log-probabilities are none; says of which answer.
        """
        if not example.answer.logprobs:
            return None
        try:
            told = teacher_positions([_of_endpoint(entry) for entry in example.answer.logprobs])
            found = self._map.distributions(told, example.ids.tolist())
        except InputError as error:
            raise InputError(
                f"The log-probabilities of answer {example.answer.id!r} of {example.target!r} cannot be "
                f"used: {error}"
            ) from error
        # Row j of the logits foretells token j + 1; nothing foretells a token with nothing before it.
        first_row = self._before + len(example.prefix) - 1
        usable = [distribution for distribution in found if first_row + distribution.position >= 0]
        targets = SparseTargets.from_distributions(usable, first_row=0)
        return targets.shifted(first_row) if len(targets) else None


def _of_endpoint(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """A token as endpoints tell of it, from what `lingua train collect` keeps of that: pairs in `top`."""
    if not isinstance(entry, Mapping) or "top" not in entry:  # pyright: ignore[reportUnnecessaryIsInstance]  # any JSON
        return entry
    pairs: object = entry["top"]
    if not isinstance(pairs, Sequence) or any(
        not isinstance(pair, Sequence) or len(pair) != 2 for pair in pairs
    ):
        raise InputError(f"Expected 'top' to be pairs of a token and its logarithm, got {pairs!r:.200}.")
    others = [
        {"token": token, "logprob": logprob}
        if isinstance(token, str)
        else {"token": "", "bytes": token, "logprob": logprob}
        for token, logprob in pairs
    ]
    return {**entry, "top_logprobs": others}
