"""Iterative token-level compression: each stretch of text is valued after what was kept of those before.

LLMLingua (arXiv 2310.05736, section 4.2, algorithm 1), and with `contrast` the question-aware form of
LongLLMLingua (arXiv 2310.06839, section 4.2).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lingua_core.errors import InputError
from lingua_core.models.causal_context import CausalContext
from lingua_core.models.continuations import Continuation
from lingua_core.models.hugging_face import TokenizedText
from lingua_core.models.language_model import LanguageModel
from lingua_core.models.readings import Readings
from lingua_core.scorers.base import PassageScores, ScoringTask
from lingua_core.scorers.causal import RESTRICTION, passage_tokens

__all__ = ["IterativePruner"]

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stream:
    """The tokens of all passages of a prompt, one behind the other.

    Attributes:
        ids: Shape (tokens,).
        unit: The segment that each belongs to, numbered over the prompt; -1 for what stands between
            passages. Shape (tokens,).
        share: The fraction to be kept where each stands. Shape (tokens,).
        passage: The passage of each token; -1 for what stands between them. Shape (tokens,).
        weight: What each token counts in its segment's mean: 1, or 0 if it goes with the next one of its
            number. Shape (tokens,).
    """

    ids: Ids
    unit: Ids
    share: Floats
    passage: Ids
    weight: Floats


class IterativePruner:
    """Values segments (words, as a rule) for a share that is to be kept.

    The text is read in stretches of `stretch` tokens. In each, the most surprising words are kept, so many
    that the shares of all stretches so far are met together: rounding and long words do not add up. The last
    stretch is cut like the others, and a text shorter than one stretch is one. A word's keep score is its
    distance from its stretch's verdict: above 0 for what is kept, so that scores of different stretches can
    be compared.

    Args:
        model: The language model.
        stretch: Tokens of a stretch.
        contrast: With a query, value a token by how much more likely the question makes it, in nats, not by
            its surprisal alone.
        restriction: What follows the question.
        between: What the reader will see between passages; read, and not valued.
        cached: Whether to keep keys and values of what was kept; None for wherever the model allows it.
        whole_numbers: Whether digits that are tokens of their own count as one token of their joint
            surprisal. Else "1871" is worth as much as one of its digits, and numbers go before words do. What
            the papers do is False.

    Raises:
        InputError: If `stretch` is no positive number.
    """

    name = "llmlingua"
    requires_query = False
    default_threshold: float | None = None

    def __init__(
        self,
        model: LanguageModel,
        *,
        stretch: int = 200,
        contrast: bool = False,
        restriction: str = RESTRICTION,
        between: str = "\n\n",
        cached: bool | None = None,
        whole_numbers: bool = False,
    ) -> None:
        if stretch < 1:
            raise InputError(f"stretch must be at least 1 token, got {stretch!r}.")
        self._model = model
        self._stretch = stretch
        self._contrast = contrast
        self._restriction = restriction
        self._between = between
        self._cached = cached
        self._whole_numbers = whole_numbers

    @property
    def contrast(self) -> bool:
        """Whether each passage is valued by itself too."""
        return self._contrast

    def asks(self, query: str | None) -> bool:
        """Whether words are valued by what a question makes of them."""
        return self._contrast and query is not None

    def prune(
        self,
        task: ScoringTask,
        shares: Sequence[float],
        *,
        beside: Sequence[Floats] | None = None,
    ) -> list[PassageScores]:
        """Scores of every passage; the units are the passages' segments.

        Args:
            task: The prompt's passages, in the order in which the reader sees them.
            shares: The fraction of its tokens to keep of each passage, from 0 to 1.
            beside: What is added to the value of each segment of each passage, in standard deviations of the
                values in its stretch.
        """
        stream = self._stream(task, shares)
        contrast = self.asks(task.query)
        prefix = np.zeros(0, np.int64)
        if contrast:
            prefix = self._model.tokenize([f"{task.query}{self._restriction}"])[0].ids
        elif task.instruction:
            prefix = self._model.tokenize([task.instruction])[0].ids
        alone = self._alone(stream, task.readings) if contrast else None
        context = CausalContext(self._model, prefix, cached=self._cached)
        units = sum(len(passage.segments) for passage in task.passages)
        margins = np.full(units, -np.inf, np.float32)
        added = np.concatenate([np.zeros(0, np.float32), *beside]) if beside is not None else None
        wanted = kept = 0.0
        for at, end in self._stretches(stream):
            ids, unit = stream.ids[at:end], stream.unit[at:end]
            values = context.surprisals(ids)
            if alone is not None:
                values = alone[at:end] - values
            inside = unit >= 0
            if not inside.any():
                context.keep(ids)
                continue
            wanted += float(stream.share[at:end][inside].sum())
            own, means, sizes = _means(unit[inside], values[inside], stream.weight[at:end][inside])
            if added is not None:
                means += added[own] * np.float32(means.std())
            verdict, keep = _verdict(means, sizes, wanted - kept)
            margins[own] = means - verdict
            kept += float(sizes[keep].sum())
            context.keep(ids[~inside | np.isin(unit, own[keep])])
        return self._scores(task, margins)

    def _stream(self, task: ScoringTask, shares: Sequence[float]) -> _Stream:
        rows = passage_tokens(self._model, task.passages)
        (between,) = self._model.tokenize([self._between])
        ids, units, passages = ([np.zeros(0, np.int64)] for _ in range(3))
        weights = [np.zeros(0, np.float32)]
        first = 0
        for p, (passage, tokens) in enumerate(zip(task.passages, rows, strict=True)):
            ends = np.fromiter((s.end for s in passage.segments), np.int64, len(passage.segments))
            if p:
                ids.append(between.ids)
                units.append(np.full(len(between.ids), -1))
                passages.append(np.full(len(between.ids), -1))
                weights.append(np.ones(len(between.ids), np.float32))
            ids.append(tokens.ids)
            units.append(first + np.searchsorted(ends, tokens.starts, side="right"))
            passages.append(np.full(len(tokens.ids), p))
            weights.append(self._weights(passage.text, tokens, units[-1]))
            first += len(passage.segments)
        passage_of = np.concatenate(passages)
        # What stands between two passages goes with the one behind it.
        share_of = np.asarray([*shares, 0.0], np.float32)[_next_known(passage_of, len(shares))]
        return _Stream(
            ids=np.concatenate(ids),
            unit=np.concatenate(units),
            share=share_of,
            passage=passage_of,
            weight=np.concatenate(weights),
        )

    def _weights(self, text: str, tokens: TokenizedText, unit: Ids) -> Floats:
        """0 for digits, and for white space before them, that are followed by a digit of the same segment."""
        weights = np.ones(len(unit), np.float32)
        if self._whole_numbers and len(unit) > 1:
            pieces = [text[a:b].strip() for a, b in zip(tokens.starts, tokens.ends, strict=True)]
            digit = np.array([len(piece) == 1 and piece.isdigit() for piece in pieces])
            blank = np.array([not piece for piece in pieces])
            goes_on = digit[1:] & (unit[1:] == unit[:-1])
            weights[:-1][goes_on & (digit | blank)[:-1]] = 0
        return weights

    def _alone(self, stream: _Stream, readings: Readings | None) -> Floats:
        """Surprisals without the question, each passage by itself."""
        nothing = np.zeros(0, np.int64)
        own = [stream.passage == p for p in range(int(stream.passage.max(initial=-1)) + 1)]
        values = self._model.surprisals(
            [Continuation(nothing, stream.ids[mask]) for mask in own], readings=readings
        )
        found = np.full(len(stream.ids), np.nan, np.float32)
        for mask, row in zip(own, values, strict=True):
            found[mask] = row
        return found

    def _stretches(self, stream: _Stream) -> list[tuple[int, int]]:
        """Where stretches begin and end: about as long as asked for, of one share, never inside a word."""
        found: list[tuple[int, int]] = []
        # With a word that goes on, at most half of the window: the question may take the other half.
        size, at = min(self._stretch, max(1, self._model.window // 4)), 0
        while at < len(stream.ids):
            end = min(at + size, len(stream.ids))
            other = np.flatnonzero(stream.share[at:end] != stream.share[at])
            end = at + int(other[0]) if len(other) else end
            while end < len(stream.ids) and end - at < 2 * size and stream.unit[end] == stream.unit[end - 1]:
                end += 1
            found.append((at, end))
            at = end
        return found

    def _scores(self, task: ScoringTask, margins: Floats) -> list[PassageScores]:
        # A word without tokens is what no model can read: it goes first.
        known = margins[np.isfinite(margins)]
        margins = np.where(np.isfinite(margins), margins, known.min() if len(known) else 0.0)
        found: list[PassageScores] = []
        at = 0
        for passage in task.passages:
            own = margins[at : at + len(passage.segments)].astype(np.float32)
            at += len(own)
            relevance = float(own.mean()) if len(own) else 0.0
            found.append(PassageScores.of_segments(passage.segments, own, relevance=relevance))
        return found


def _next_known(passage: Ids, otherwise: int) -> Ids:
    """Each token's passage; for what stands between passages, the one behind it."""
    found = passage.copy()
    following = otherwise
    for i in range(len(found) - 1, -1, -1):
        following = int(found[i]) if found[i] >= 0 else following
        found[i] = following
    return found


def _means(unit: Ids, values: Floats, weights: Floats) -> tuple[Ids, Floats, Ids]:
    """The units in a stretch, their mean values, and how many tokens each has there.

    What weighs nothing adds to the sum, not to the number that it is divided by.

    A token without a value, the very first one, gets the mean of the others.
    """
    known = values[~np.isnan(values)]
    values = np.where(np.isnan(values), known.mean() if len(known) else np.float32(0), values)
    own, index = np.unique(unit, return_inverse=True)
    sizes = np.bincount(index)
    counted = np.maximum(np.bincount(index, weights=weights), 1)
    return own, (np.bincount(index, weights=values) / counted).astype(np.float32), sizes


def _verdict(means: Floats, sizes: Ids, wanted: float) -> tuple[np.float32, NDArray[np.bool_]]:
    """The value between what is kept and what is not, and which units are kept: about `wanted` tokens."""
    order = np.argsort(-means, kind="stable")
    total = np.cumsum(sizes[order])
    # A unit belongs to what is kept if at least half of it fits.
    count = int(np.searchsorted(total - sizes[order] / 2, wanted, side="right"))
    keep = np.zeros(len(means), np.bool_)
    keep[order[:count]] = True
    if count == 0:
        return np.float32(means[order[0]] + 1e-3), keep
    if count == len(means):
        return np.float32(means[order[-1]] - 1e-3), keep
    return np.float32((means[order[count - 1]] + means[order[count]]) / 2), keep
