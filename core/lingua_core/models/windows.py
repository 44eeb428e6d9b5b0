"""Windows over texts that are longer than a model."""

from typing import NamedTuple

__all__ = ["Window", "windows"]


class Window(NamedTuple):
    """Positions `start:end` go into the model; `first:last` of them are taken from its output."""

    start: int
    end: int
    first: int
    last: int


def windows(length: int, *, size: int, overlap: int) -> list[Window]:
    """Cover `length` positions with windows of at most `size` that overlap by about `overlap`.

    Every position is taken from exactly one window: the one in which it has the most context on its
    poorer side. The windows are of nearly equal size, so that none is a small rest.

    Raises:
        ValueError: If `overlap` is negative or not smaller than `size`.
    """
    if not 0 <= overlap < size:
        raise ValueError(f"overlap must be in [0, size), got overlap={overlap}, size={size}.")
    if length <= size:
        return [Window(0, length, 0, length)]
    count = -(-(length - overlap) // (size - overlap))
    starts = [round(i * (length - size) / (count - 1)) for i in range(count)]
    borders = [0, *((starts[i] + size + starts[i + 1]) // 2 for i in range(count - 1)), length]
    return [Window(start, start + size, borders[i], borders[i + 1]) for i, start in enumerate(starts)]
