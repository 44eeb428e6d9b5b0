"""Giving a pruned answer its words back: subsequence recovery.

A reader that saw "opened Varno 1887" may answer in those words. LongLLMLingua (arXiv 2310.06839, section 4.4)
replaces what an answer took from the compressed prompt by the shortest stretch of the original that holds
the same words in the same order.
"""

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence

__all__ = ["recover_subsequences"]

_WORD = re.compile(r"\S+")
_WIDEST_GAP = 10
"""Words of the original between two of the answer's."""


def recover_subsequences(original: str, compressed: str, response: str) -> str:
    """The response, with what it quotes of the compressed prompt as the original has it.

    Runs of at least two words that stand like that in the compressed prompt, but not in the original, are
    replaced. White space between the response's words stays.

    Args:
        original: The prompt before compression.
        compressed: The prompt that the reader saw.
        response: What the reader wrote.
    """
    words = list(_WORD.finditer(response))
    pieces = [match.group() for match in _WORD.finditer(original)]
    starts = [match.span() for match in _WORD.finditer(original)]
    places: dict[str, list[int]] = {}
    for i, piece in enumerate(pieces):
        places.setdefault(piece, []).append(i)
    seen = f" {' '.join(_WORD.findall(compressed))} "
    found: list[str] = []
    done = at = 0
    while at < len(words):
        end = at + 1
        while end < len(words) and f" {_joined(words[at : end + 1])} " in seen:
            end += 1
        window = _window([w.group() for w in words[at:end]], places) if end - at > 1 else None
        if window is not None:
            first, last = window
            found.append(response[done : words[at].start()])
            found.append(original[starts[first][0] : starts[last][1]])
            done = words[end - 1].end()
        at = end
    return "".join(found) + response[done:]


def _joined(words: Sequence[re.Match[str]]) -> str:
    return " ".join(word.group() for word in words)


def _window(run: Sequence[str], places: Mapping[str, Sequence[int]]) -> tuple[int, int] | None:
    """First and last word of the shortest stretch of the original with all words of a run in order."""
    best: tuple[int, int] | None = None
    for start in places.get(run[0], ()):
        at = start
        for word in run[1:]:
            there = places.get(word, ())
            i = bisect_right(there, at)
            if i == len(there) or there[i] - at > _WIDEST_GAP + 1:
                break
            at = there[i]
        else:
            if best is None or at - start < best[1] - best[0]:
                best = (start, at)
    return best
