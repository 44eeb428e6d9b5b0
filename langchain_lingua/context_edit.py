"""`CompressToolResultsEdit`: shorter tool results in what an agent's model is sent."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from langchain_core.messages import AnyMessage, BaseMessage, ToolMessage

from langchain_lingua.compressor import LinguaCompressor
from langchain_lingua.tool_results import NOTE, QuerySource, ToolResultCompressor, asked_before
from lingua_core import InputError

__all__ = ["CompressToolResultsEdit"]


@dataclass(frozen=True, kw_only=True)
class CompressToolResultsEdit:
    """Compresses tool results in what the model is sent: an edit for `ContextEditingMiddleware`.

    The agent's state keeps the originals. Each result is compressed by itself, for what its call was made
    for, so that it is the same in every request.

    Attributes:
        compressor: Compresses, each result within its budget; None for the defaults.
        trigger: Nothing is done before the messages have more tokens than this.
        keep: So many of the last results stay as they are. With more than 0, the one that falls out changes
            after the model has seen it, and a provider's cache ends there.
        query: What decides: the "question" of the last human message before the call, the call's
            "arguments", or "both".
        min_tokens: Results of fewer tokens stay as they are.
        exclude_tools: Names of tools whose results stay as they are.
        note: What is written above a shortened result; may name `{id}`, `{origin_tokens}` and
            `{compressed_tokens}`. Empty for nothing.

    Raises:
        lingua_core.InputError: If an option cannot be used.
    """

    compressor: LinguaCompressor | None = None
    trigger: int = 0
    keep: int = 0
    query: QuerySource = "both"
    min_tokens: int = 200
    exclude_tools: Collection[str] = ("get_original",)
    note: str = NOTE
    _results: ToolResultCompressor = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name, value in (("trigger", self.trigger), ("keep", self.keep)):
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
                raise InputError(f"{name} must be a whole number of at least 0, got {value!r:.80}.")
        results = ToolResultCompressor(
            self.compressor,
            query=self.query,
            min_tokens=self.min_tokens,
            exclude_tools=self.exclude_tools,
            note=self.note,
        )
        object.__setattr__(self, "_results", results)

    def apply(
        self, messages: list[AnyMessage], *, count_tokens: Callable[[Sequence[BaseMessage]], int]
    ) -> None:
        """Put shorter messages in the place of long tool results; the messages themselves are not changed.

        Args:
            messages: What the model is to be sent; changed in place.
            count_tokens: Counts the tokens of messages, for `trigger`.
        """
        if self.trigger and count_tokens(messages) <= self.trigger:
            return
        results = [(i, m) for i, m in enumerate(messages) if isinstance(m, ToolMessage)]
        for i, message in results[: max(0, len(results) - self.keep)]:
            asked = asked_before(messages[:i], message.tool_call_id)
            messages[i] = self._results.compress(message, asked)
