"""The prompts that were read last, so that the next one that begins alike need not be read whole."""

from collections.abc import Callable, Sequence
from typing import Any

from lingua_core.llms.huggingface.prefixes import common_length

__all__ = ["KeptPrompts"]

_MOST_PROMPTS = 4
_MOST_TOKENS = 8192


class KeptPrompts:
    """Keys and values of the last prompts, at most 4 and at most 8192 tokens together, the newest first."""

    def __init__(self) -> None:
        self._entries: list[tuple[list[int], Any]] = []

    @property
    def prompts(self) -> list[list[int]]:
        """The tokens of each."""
        return [prompt for prompt, _ in self._entries]

    def stored(self, number: int) -> Any:  # noqa: ANN401  # tensors
        """Keys and values of one."""
        return self._entries[number][1]

    def offer(self, prompt: list[int], running: Sequence[Sequence[int]], take_out: Callable[[], Any]) -> None:
        """Keep a prompt, unless half of it at least is the beginning of one that is there anyway."""
        half = len(prompt) / 2
        there = [*self.prompts, *running]
        if len(prompt) > _MOST_TOKENS or any(common_length(ids, prompt) >= half for ids in there):
            return
        self._entries.insert(0, (prompt, take_out()))
        del self._entries[_MOST_PROMPTS:]
        while sum(map(len, self.prompts)) > _MOST_TOKENS:
            self._entries.pop()

    def clear(self) -> None:
        """Forget all."""
        self._entries.clear()
