"""A growing context that a causal language model reads on from."""

# torch and transformers are partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportPrivateUsage=false

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lingua_core.models.continuations import Continuation
from lingua_core.models.language_model import LanguageModel

__all__ = ["CausalContext"]

Ids = NDArray[np.int64]


class CausalContext:
    """What has been kept so far, and how surprising a candidate is after it.

    Keys and values of what was kept are computed once: together with the candidate that follows, so that
    nothing is read for their sake alone. A model whose state cannot be cut back (recurrent layers, sliding
    windows) reads the context anew for each candidate, with the same result.

    When context and candidate exceed the model's window, the oldest half of what was kept is forgotten and
    the rest read again at its new positions; the prefix stays.

    Args:
        model: The language model.
        prefix: What stays in front of everything, such as a question. Shape (tokens,).
        cached: Whether to keep keys and values; None for wherever the model allows it.
    """

    def __init__(self, model: LanguageModel, prefix: Ids, *, cached: bool | None = None) -> None:
        self._model = model
        room = max(0, model.window // 2 - len(model.start))
        self._prefix = prefix[len(prefix) - min(len(prefix), room) :]
        self._kept = np.zeros(0, np.int64)
        can = model.has_cuttable_cache
        self._cached = can if cached is None else cached and can
        self._cache: Any = None
        self._read = 0

    def surprisals(self, ids: Ids) -> NDArray[np.float32]:
        """Surprisal, in nats, of each token after the context. Shape (tokens,).

        A first token with nothing before it has none: NaN.
        """
        self._make_room(len(ids))
        before = np.concatenate([self._prefix, self._kept])
        if not self._cached:
            return self._model.surprisals([Continuation(before, ids)], keep_prefix=True)[0]
        whole = np.concatenate([self._model.start, before, ids])
        known = len(whole) - len(ids)
        values, self._cache = self._model.read_on(self._cache, whole, read=self._read, valued=len(ids))
        # What was a candidate only is forgotten again.
        if len(ids):
            self._cache.crop(-len(ids))
        self._read = known
        return values

    def keep(self, ids: Ids) -> None:
        """Add tokens to the context."""
        self._kept = np.concatenate([self._kept, ids])

    def _make_room(self, tokens: int) -> None:
        fixed = len(self._model.start) + len(self._prefix)
        if fixed + len(self._kept) + tokens <= self._model.window:
            return
        left = min(max(0, self._model.window - fixed - tokens), len(self._kept)) // 2
        self._kept = self._kept[len(self._kept) - left :]
        self._cache, self._read = None, 0
