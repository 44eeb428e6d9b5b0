"""A tool that gives an agent the original of a shortened tool result."""

from collections.abc import Sequence
from typing import Any, cast

from langchain.tools import ToolRuntime
from langchain_core.tools import BaseTool, StructuredTool, ToolException

from langchain_lingua.originals import Content, Originals, OriginalsStore
from lingua_core import InputError

__all__ = ["TOOL_NAME", "get_original_tool"]

TOOL_NAME = "get_original"

_DESCRIPTION = (
    "Returns the whole of a tool result that was shortened, by the id that stands above it. Use it only if "
    "what you need is missing in the shortened result. A very long one comes in parts: offset is the "
    "character to begin at."
)


def get_original_tool(
    store: OriginalsStore = None, *, name: str = TOOL_NAME, max_characters: int = 40_000
) -> BaseTool:
    """A tool for agents: the original of a shortened tool result, by its id.

    `CompressToolResultsMiddleware` brings one. Beside `CompressToolResultsEdit`, pass it to the agent
    yourself, and an edit whose `note` names the `{id}`.

    Args:
        store: Where the originals are, as for the middleware; None for the agent's messages, which are also
            searched if the store has none of that id.
        name: The tool's name.
        max_characters: The most characters of text that one call returns.

    Raises:
        lingua_core.InputError: If an argument cannot be used.
    """
    if not isinstance(max_characters, int) or max_characters < 1:  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
        raise InputError(f"max_characters must be a whole number of at least 1, got {max_characters!r:.80}.")
    originals = Originals(store)

    def get_original(id: str, runtime: ToolRuntime[Any, Any], offset: int = 0) -> Content:
        return _part(originals.find(id, runtime), id, offset, max_characters)

    async def aget_original(id: str, runtime: ToolRuntime[Any, Any], offset: int = 0) -> Content:
        return _part(await originals.afind(id, runtime), id, offset, max_characters)

    return StructuredTool.from_function(
        get_original, aget_original, name=name, description=_DESCRIPTION, handle_tool_error=True
    )


def _part(content: Content | None, id: str, offset: int, most: int) -> Content:
    if content is None:
        raise ToolException(f"There is no original with the id {id!r}. Ids stand above shortened results.")
    text = _text_of(content)
    if text is None:
        return content
    end = max(0, offset) + most
    rest = f"\n[{len(text) - end} characters are left: offset={end}.]" if end < len(text) else ""
    return text[max(0, offset) : end] + rest


def _text_of(content: Content) -> str | None:
    """The content as a text; None if it holds something else, such as an image."""
    if isinstance(content, str):
        return content
    blocks = cast(Sequence[object], content)
    texts = [
        cast("dict[str, Any]", block).get("text") if isinstance(block, dict) else block for block in blocks
    ]
    return "\n".join(cast("list[str]", texts)) if all(isinstance(text, str) for text in texts) else None
