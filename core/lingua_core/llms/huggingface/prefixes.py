"""Which beginnings prompts have in common, and in what order to read them so that each is read once."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

__all__ = ["SharedPart", "common_length", "groups_of_like_length", "shared_parts"]

Ids = Sequence[int]


class SharedPart(NamedTuple):
    """A part of several prompts that one of them reads for all.

    Attributes:
        leader: Index of the prompt that reads.
        start: First column that it reads.
        end: Column behind the last.
        followers: Index of each prompt that copies, and the column from which on.
    """

    leader: int
    start: int
    end: int
    followers: tuple[tuple[int, int], ...]


def common_length(one: Ids, other: Ids) -> int:
    """How many tokens two lists begin with in common."""
    low, high = 0, min(len(one), len(other))
    # Slices are compared far faster than tokens one by one.
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def shared_parts(prompts: Sequence[list[int]], known: list[int], *, shortest: int) -> Iterator[SharedPart]:
    """What to read once, outer parts before the parts that go on from them.

    Prompts that begin alike form a tree: all points of an answer share its context, those of one question
    also its skeleton. Each inner node is one part.

    Args:
        prompts: Tokens of each prompt.
        known: How many tokens at the beginning of each are in the cache already; brought up to date.
        shortest: Fewer tokens than this are not worth a forward pass of their own.
    """
    order = sorted(range(len(prompts)), key=lambda i: prompts[i])
    alike = [common_length(prompts[one], prompts[other]) for one, other in pairwise(order)]
    nodes = [(0, len(order), 0)]
    while nodes:
        first, last, above = nodes.pop()
        if last - first < 2:
            continue
        depth = min(alike[first : last - 1])
        if depth - above >= shortest:
            yield from _part(order[first:last], depth, known)
            above = depth
        start = first
        for at in range(first, last):
            if at == last - 1 or alike[at] < above + shortest:
                nodes.append((start, at + 1, above))
                start = at + 1


def _part(members: list[int], end: int, known: list[int]) -> Iterator[SharedPart]:
    leader = max(members, key=lambda i: known[i])
    followers = tuple((i, known[i]) for i in members if i != leader and known[i] < end)
    if followers:
        yield SharedPart(leader, min(known[leader], end), end, followers)
        for i in members:
            known[i] = max(known[i], end)


def groups_of_like_length(lengths: Sequence[int], *, slack: int) -> Iterator[tuple[int, int]]:
    """Ranges of a descending list that are read in one batch, so that little of it is padding.

    Args:
        lengths: Tokens of each row, longest first.
        slack: Positions of padding that are cheaper than a further forward pass.
    """
    first = 0
    while first < len(lengths):
        last = first + 1
        total = lengths[first]
        while last < len(lengths):
            wider = total + lengths[last]
            if (last + 1 - first) * lengths[first] > 1.25 * wider + slack:
                break
            last, total = last + 1, wider
        yield first, last
        first = last
