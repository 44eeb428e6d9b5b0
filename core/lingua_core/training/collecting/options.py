"""How a collection goes about it, and what it says of itself."""

from dataclasses import dataclass, field
from typing import Literal

from lingua_core.errors import InputError
from lingua_core.llms.retrying import RetryPolicy
from lingua_core.training.collecting.spending import Prices, Spending, Tokens

__all__ = ["CollectingOptions", "Ending", "Outcome", "Progress"]

Ending = Literal["complete", "interrupted", "cost", "failures", "logprobs", "disk"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectingOptions:
    """How a collection goes about it; none of this shows in the records.

    Attributes:
        concurrency: Calls at once.
        retry: When a failed call is repeated.
        give_up_after: Prompts that fail one after the other, with no reply in between, until the run ends.
        prices: For costs.
        max_cost: The most that all runs of the collection may cost together; None for no limit.
        require_logprobs: A reply without log-probabilities is a failure.

    Raises:
        InputError: If a value cannot be used.
    """

    concurrency: int = 8
    retry: RetryPolicy = field(
        default_factory=lambda: RetryPolicy(
            max_attempts=5, base_seconds=1.0, max_seconds=30.0, max_retry_after=300.0
        )
    )
    give_up_after: int = 10
    prices: Prices | None = None
    max_cost: float | None = None
    require_logprobs: bool = False

    def __post_init__(self) -> None:
        for name in ("concurrency", "give_up_after"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1, got {getattr(self, name)!r}.")
        Spending(self.prices, cap=self.max_cost)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is.

    Attributes:
        total: Prompts, each once.
        answered: Those with a record, from earlier runs as well.
        failed: Those given up in this run.
        running: Calls under way, or waiting for another attempt.
        spent: Tokens, from earlier runs as well.
        cost: Of them; None without prices.
    """

    total: int
    answered: int
    failed: int
    running: int
    spent: Tokens
    cost: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended. Every record and failure is on the disk, unless `ending` is "disk".

    Attributes:
        ending: "complete" if every prompt was tried; else what ended the run before.
        reason: In words; empty if complete.
        progress: At the end.
        answered_now: Records of this run.
        with_logprobs: Of them, those with log-probabilities.
    """

    ending: Ending
    reason: str
    progress: Progress
    answered_now: int
    with_logprobs: int

    @property
    def is_complete(self) -> bool:
        """Whether every prompt has a record."""
        return self.progress.answered == self.progress.total
