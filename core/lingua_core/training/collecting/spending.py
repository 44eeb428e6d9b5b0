"""What a collection costs: an estimate before it, an account during it, and a cap that holds."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from lingua_core.errors import InputError
from lingua_core.llms.base import Usage
from lingua_core.tokens import TokenCounter
from lingua_core.training.collecting.prompts import Prompt

__all__ = ["Estimate", "Prices", "Spending", "Tokens", "estimate", "most_tokens"]

_MILLION = 1_000_000
_OF_A_MESSAGE = 4
_MOST_OF_A_MESSAGE = 16
_MOST_OF_A_REQUEST = 128
"""Chat templates write roles and marks, some a system message of their own."""


class Tokens(NamedTuple):
    """Tokens read and written; `completion` is None for as many as the model likes."""

    prompt: int = 0
    completion: int | None = 0

    def plus(self, other: "Tokens") -> "Tokens":
        """The sum."""
        known = self.completion is not None and other.completion is not None
        written = (self.completion or 0) + (other.completion or 0)
        return Tokens(self.prompt + other.prompt, written if known else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What tokens cost, in whatever currency.

    Attributes:
        prompt: A million tokens read.
        completion: A million tokens written.

    Raises:
        InputError: If a price is below 0.
    """

    prompt: float
    completion: float

    def __post_init__(self) -> None:
        for name in ("prompt", "completion"):
            price = getattr(self, name)
            if not 0 <= price < float("inf"):
                raise InputError(
                    f"The price of {name} tokens must be a number from 0 on, a million tokens, got {price!r}."
                )

    def cost(self, tokens: Tokens) -> float:
        """Of these tokens; without a limit, the completion counts nothing."""
        return (tokens.prompt * self.prompt + (tokens.completion or 0) * self.completion) / _MILLION


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What prompts will take, before any is sent.

    Attributes:
        prompts: How many.
        prompt_tokens: Read, as the counter counts, and a few a message for its frame.
        most_completion_tokens: Written if every reply runs to its limit; None if some have none.
        likely_completion_tokens: Written at the mean of the replies that there are; None without any.
        counter: What counted.
    """

    prompts: int
    prompt_tokens: int
    most_completion_tokens: int | None
    likely_completion_tokens: int | None
    counter: str

    @property
    def most(self) -> Tokens:
        """If every reply runs to its limit."""
        return Tokens(self.prompt_tokens, self.most_completion_tokens)

    @property
    def likely(self) -> Tokens | None:
        """At the mean so far."""
        written = self.likely_completion_tokens
        return None if written is None else Tokens(self.prompt_tokens, written)


def estimate(
    prompts: Iterable[Prompt], counter: TokenCounter, *, mean_completion: float | None = None
) -> Estimate:
    """What prompts will take.

    Args:
        prompts: Those still to be asked.
        counter: Counts as the target model does, or nearly.
        mean_completion: Tokens of a reply, of those that there are.
    """
    asked = [prompt.request for prompt in prompts]
    texts = [message.content for request in asked for message in request.messages]
    limits = [request.max_tokens for request in asked]
    return Estimate(
        prompts=len(asked),
        prompt_tokens=sum(counter.count(texts)) + _OF_A_MESSAGE * len(texts),
        most_completion_tokens=None if None in limits else sum(limit or 0 for limit in limits),
        likely_completion_tokens=None if mean_completion is None else round(mean_completion * len(asked)),
        counter=counter.name,
    )


def most_tokens(prompt: Prompt) -> Tokens:
    """What a prompt can cost at most, whatever the tokenizer: no token is shorter than a byte."""
    messages = prompt.request.messages
    size = sum(len(message.content.encode(errors="replace")) for message in messages)
    return Tokens(size + _MOST_OF_A_MESSAGE * len(messages) + _MOST_OF_A_REQUEST, prompt.request.max_tokens)


class Spending:
    """An account that calls are entered in before they are made, at the most that they can cost.

    So the cap holds whatever the calls in flight turn out to cost, as long as the endpoint obeys the limits
    of tokens that it is given.

    Args:
        prices: None if nobody asks for costs.
        cap: The most to spend; None for no limit.
        spent: By earlier runs.

    Raises:
        InputError: If there is a cap without prices, or one that is no amount.
    """

    def __init__(self, prices: Prices | None, *, cap: float | None = None, spent: Tokens = Tokens()) -> None:  # noqa: B008  # immutable
        if cap is not None and not 0 <= cap < float("inf"):
            raise InputError(f"The cap on costs must be an amount from 0 on, got {cap!r}.")
        if cap is not None and prices is None:
            raise InputError("A cap on costs needs the prices of tokens read and written.")
        self._prices = prices
        self._cap = cap
        self._reserved = Tokens()
        self._beyond = 0
        self.spent = spent

    @property
    def cost(self) -> float | None:
        """Of what was spent; None without prices."""
        return None if self._prices is None else self._prices.cost(self.spent)

    def most(self, prompt: Prompt) -> Tokens:
        """`most_tokens`, and what replies so far have shown to come on top."""
        return most_tokens(prompt).plus(Tokens(self._beyond))

    def reserve(self, most: Tokens) -> bool:
        """Enter a call; False if it might go beyond the cap, now."""
        after = self._reserved.plus(most)
        if self._prices is not None and self._cap is not None:
            if most.completion is None:
                raise InputError("A cap on costs needs a limit of tokens for every reply.")
            if self._prices.cost(self.spent.plus(after)) > self._cap:
                return False
        self._reserved = after
        return True

    def settle(self, most: Tokens, spent: Tokens) -> None:
        """Enter what a reserved call has cost in its place."""
        self._reserved = Tokens(
            self._reserved.prompt - most.prompt,
            (self._reserved.completion or 0) - (most.completion or 0),
        )
        self.spent = self.spent.plus(spent)
        self._beyond += max(0, spent.prompt - most.prompt)

    @staticmethod
    def of_reply(usage: Usage | None, most: Tokens) -> Tokens:
        """What a reply has cost: what the endpoint says, or else the most that it can be."""
        if usage is None or not usage.prompt_tokens + usage.completion_tokens:
            return Tokens(most.prompt, most.completion or 0)
        return Tokens(usage.prompt_tokens, usage.completion_tokens)
