"""Generators that always run in the context where they were made, whoever reads them, and when."""

import asyncio
import contextvars
from collections.abc import AsyncGenerator, Generator
from typing import Any, TypeVar

__all__ = ["ain_context", "in_context"]

Item = TypeVar("Item")
_END = object()


def in_context(generator: Generator[Item], context: contextvars.Context) -> Generator[Item]:
    """The items, each made in `context`, so that spans and events of a stream nest whenever it is read."""
    try:
        while (item := context.run(next, generator, _END)) is not _END:
            yield item  # pyright: ignore[reportReturnType]  # the end is not one
    finally:
        context.run(generator.close)


async def ain_context(generator: AsyncGenerator[Item], context: contextvars.Context) -> AsyncGenerator[Item]:
    """`in_context` on the event loop."""
    try:
        while (item := await _run(anext(generator, _END), context)) is not _END:
            yield item  # pyright: ignore[reportReturnType]  # the end is not one
    finally:
        await _run(generator.aclose(), context)


async def _run(awaitable: Any, context: contextvars.Context) -> Any:  # noqa: ANN401  # whatever it gives
    async def wait() -> Any:  # noqa: ANN401
        return await awaitable

    return await asyncio.create_task(wait(), context=context)
