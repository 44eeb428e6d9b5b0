"""Numbers in brackets, by which answers cite documents."""

import re

__all__ = ["cited_numbers"]

_MARK = re.compile(r"\[(\d{1,4}(?:\s*[,;]\s*\d{1,4})*)\]")


def cited_numbers(text: str) -> tuple[int, ...]:
    """The numbers in brackets in a text, each once, in the order in which they first stand there."""
    found = (int(n) for mark in _MARK.finditer(text) for n in re.findall(r"\d+", mark[1]))
    return tuple(dict.fromkeys(found))
