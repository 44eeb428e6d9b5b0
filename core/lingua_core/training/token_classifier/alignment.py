"""Which words of a text its compression kept: the words of both, aligned (section 3.2 of the paper).

The paper walks through the compression and looks for each word in a window around the last one found
(algorithm 1). What is found first there takes words away from later ones, so here the longest common sequence
comes first, and only what it leaves over, moved or changed words, is looked for in the window.
"""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lingua_core.errors import InputError
from lingua_core.segmentation.words import WordSegmenter
from lingua_core.training.token_classifier.inflection import stem
from lingua_core.unicode import WORD

__all__ = ["Alignment", "align"]

_MOST_CELLS = 50_000_000
_CHANGED = 12
"""A word of another form is taken if it is this many words nearer than one of the same form."""

_CORE = re.compile(rf"(?:[^\W\d_]\.){{2,}}[^\W\d_]?|\d+(?:[.,:]\d+)*|{WORD}(?:['’]{WORD})*")
_INNER = re.compile("['’]|(?<=[^0-9])[.]")
_NEVER = -(2**40)

Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Alignment:
    """What a compression kept of a text.

    Attributes:
        starts: Where the text's words begin: runs of characters without white space, or, in scripts that
            are written without spaces, letters. Shape (words,).
        ends: Offsets behind them. Shape (words,).
        kept: Whether at least half of each is in the compression. Shape (words,).
        variation_rate: Share of the compression's words that are not in the text in any form; 0 for an
            empty compression.
        matching_rate: Words of the text that were found in the compression, by words of the text.
        hitting_rate: Words of the compression that are somewhere in the text, by words of the text.
    """

    starts: Ids
    ends: Ids
    kept: NDArray[np.bool_]
    variation_rate: float
    matching_rate: float
    hitting_rate: float

    @property
    def alignment_gap(self) -> float:
        """What was there and yet not found, by words of the text; never negative, 0 if all was found."""
        return self.hitting_rate - self.matching_rate


class _Words(NamedTuple):
    """What is compared: letters and digits without the marks around them, or a run of marks alone.

    Attributes:
        exact: As they stand.
        keys: In lower case and one spelling.
        stems: Without endings.
        owners: The run that each is in.
        lengths: In characters.
    """

    exact: list[str]
    keys: list[str]
    stems: list[str]
    owners: list[int]
    lengths: list[int]


def align(origin: str, compressed: str, *, window: int = 150) -> Alignment:
    """Align a compression with its text.

    As many words as possible are found in their order; among equally many, those that stand together in
    both. A word that is left over is looked for near where the word before it was found, in both directions,
    in any form. No word of the text is found twice.

    Args:
        origin: The text; not blank.
        compressed: The shorter text.
        window: How many words away from the last one a word that is out of order is looked for.

    Raises:
        InputError: If the texts are too long for their words to be compared one by one.
    """
    runs = WordSegmenter().segment(origin)
    words, shorter = _words(origin), _words(compressed)
    if len(words.keys) * len(shorter.keys) > _MOST_CELLS:
        raise InputError(
            f"A text of {len(words.keys):,} words and a compression of {len(shorter.keys):,} are too long to "
            f"be aligned ({origin.strip()!r:.60}). Cut the text into pieces, and compress each."
        )
    stems = set(words.stems)
    hits = sum(word in stems for word in shorter.stems)
    places = _common_sequence(words, shorter)
    _find_the_rest(words, shorter, places, window)
    found = np.zeros(len(words.keys), np.bool_)
    found[[place for place in places if place >= 0]] = True
    lengths = np.array(words.lengths, np.int64)
    total = np.bincount(words.owners, lengths, minlength=len(runs))
    in_both = np.bincount(words.owners, lengths * found, minlength=len(runs))
    return Alignment(
        starts=np.array([run.start for run in runs], np.int64),
        ends=np.array([run.end for run in runs], np.int64),
        kept=2 * in_both >= np.maximum(total, 1),
        variation_rate=1 - hits / len(shorter.keys) if shorter.keys else 0.0,
        matching_rate=float(found.sum()) / max(1, len(found)),
        hitting_rate=hits / max(1, len(found)),
    )


def _words(text: str) -> _Words:
    found = _Words([], [], [], [], [])
    for number, run in enumerate(WordSegmenter().segment(text)):
        whole = text[run.start : run.end]
        for exact in _CORE.findall(whole) or [whole]:
            key = _INNER.sub("", unicodedata.normalize("NFKC", exact).casefold()) or exact
            found.exact.append(exact)
            found.keys.append(key)
            found.stems.append(stem(key))
            found.owners.append(number)
            found.lengths.append(len(exact))
    return found


def _common_sequence(words: _Words, shorter: _Words) -> list[int]:
    """For each word of the compression, its place in the text in the best common sequence, or -1.

    The best one has most words; then, most neighbours that are neighbours in both, and most words of the
    same case; then it is the earliest.
    """
    ids = {key: number for number, key in enumerate(dict.fromkeys(words.keys))}
    keys = np.array([ids[key] for key in words.keys], np.int64)
    exact = np.array(words.exact, np.object_)
    known = [j for j, key in enumerate(shorter.keys) if key in ids]
    a_word = 4 * (len(known) + 1)  # more than all neighbours together
    shape = (len(known), len(keys) + 1)
    left, up, joined = (np.zeros(shape, np.bool_) for _ in range(3))
    best = np.zeros(len(keys) + 1, np.int64)
    ending = np.full(len(keys) + 1, _NEVER, np.int64)  # the best that ends with a match at this place
    for row, j in enumerate(known):
        same = keys == ids[shorter.keys[j]]
        go_on, begin = ending[:-1] + 2, best[:-1]
        joined[row, 1:] = go_on > begin
        score = np.maximum(go_on, begin) + a_word
        score[same] += exact[same] == shorter.exact[j]
        ending = np.append(_NEVER, np.where(same, score, _NEVER))
        better = np.maximum.accumulate(np.maximum(best, ending))
        left[row, 1:] = better[1:] == better[:-1]
        up[row] = better == best
        best = better
    return _walked_back(known, len(shorter.keys), left, up, joined)


def _walked_back(
    known: Sequence[int],
    count: int,
    left: NDArray[np.bool_],
    up: NDArray[np.bool_],
    joined: NDArray[np.bool_],
) -> list[int]:
    places = [-1] * count
    row, column = len(known) - 1, left.shape[1] - 1
    is_match = False
    while row >= 0 and column > 0:
        if not is_match and left[row, column]:
            column -= 1
        elif not is_match and up[row, column]:
            row -= 1
        else:
            places[known[row]] = column - 1
            is_match = bool(joined[row, column])
            row, column = row - 1, column - 1
    return places


def _find_the_rest(words: _Words, shorter: _Words, places: list[int], window: int) -> None:
    """Fill in places of words that were moved or changed, near the word before them."""
    free: dict[str, list[int]] = {}
    taken = {place for place in places if place >= 0}
    for place, word in enumerate(words.stems):
        if place not in taken:
            free.setdefault(word, []).append(place)
    previous = -1
    for j, place in enumerate(places):
        if place < 0:
            near = _within(free.get(shorter.stems[j], []), previous, window)
            if not near:
                continue
            place = min(
                near,
                key=lambda p: (
                    abs(p - previous) + _CHANGED * (words.keys[p] != shorter.keys[j]),
                    p < previous,
                ),
            )
            free[shorter.stems[j]].remove(place)
            places[j] = place
        previous = place


def _within(places: list[int], center: int, window: int) -> list[int]:
    return places[bisect_left(places, center - window) : bisect_left(places, center + window + 1)]
