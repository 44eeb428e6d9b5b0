"""What methods need of a causal language model, whatever runs it."""

from collections.abc import Sequence
from typing import Any, Protocol

from lingua_core.models.continuations import Continuation, Ids, Surprisals
from lingua_core.models.hugging_face import TokenizedText
from lingua_core.models.readings import Readings

__all__ = ["LanguageModel"]


class LanguageModel(Protocol):
    """Says how surprising tokens are, in nats. Several threads may call at once."""

    @property
    def name(self) -> str:
        """For people."""
        ...

    @property
    def start(self) -> Ids:
        """What stands before every text: a beginning-of-text token, or nothing."""
        ...

    @property
    def window(self) -> int:
        """Tokens that are read at once."""
        ...

    @property
    def has_cuttable_cache(self) -> bool:
        """Whether `read_on` goes on from a cache that was cut back."""
        ...

    def tokenize(self, texts: Sequence[str]) -> list[TokenizedText]:
        """Tokens of each text, without special ones, with the characters that they stand for."""
        ...

    def surprisals(
        self,
        continuations: Sequence[Continuation],
        *,
        keep_prefix: bool = False,
        readings: Readings | None = None,
    ) -> list[Surprisals]:
        """Surprisal of every token of each continuation; NaN for one with nothing before it."""
        ...

    def read_on(self, cache: Any, ids: Ids, *, read: int, valued: int) -> tuple[Surprisals, Any]:  # noqa: ANN401  # the model's own
        """Read the tokens behind those in a cache, value the last ones, and return the longer cache."""
        ...
