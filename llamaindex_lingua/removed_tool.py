"""A tool that gives an agent what a compression removed from its nodes."""

import asyncio
from collections.abc import Callable, Iterable

from llama_index.core.tools import FunctionTool

from lingua_core import RemovedPart, TokenCounter
from lingua_core.removed import RemovedStore, removed_tool
from lingua_core.removed.tool import TOOL_NAME

__all__ = ["get_removed_tool"]


def get_removed_tool(
    store: RemovedStore,
    *,
    name: str = TOOL_NAME,
    max_tokens: int = 1000,
    token_counter: str | Callable[[str], int] | TokenCounter | None = None,
    only: Iterable[RemovedPart] | None = None,
) -> FunctionTool:
    """A tool for agents: a passage that was removed, by its id, or removed passages about a query.

    Args:
        store: The `removed_store` of the postprocessor.
        name: The tool's name; the `hint` of the note should say the same.
        max_tokens: The most tokens of text that one call returns.
        token_counter: Counts them: None for the embedded tokenizer, the name of one, or a function.
        only: The parts that may be asked for; None for all in the store. Where several users share a store,
            this is what keeps them apart.

    Raises:
        lingua_core.InputError: If an argument cannot be used.
    """
    tool = removed_tool(store, name=name, max_tokens=max_tokens, token_counter=token_counter, only=only)

    def get_removed(id: str = "", query: str = "", offset: int = 0) -> str:
        return tool(id, query, offset)

    async def aget_removed(id: str = "", query: str = "", offset: int = 0) -> str:
        return await asyncio.to_thread(tool, id, query, offset)

    return FunctionTool.from_defaults(
        get_removed, name=name, description=tool.description, async_fn=aget_removed
    )
