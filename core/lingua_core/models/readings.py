"""What a language model has read by the way, for whoever asks next."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Readings"]

_BYTES = 256 * 2**20


class Readings:
    """The last hidden states of texts that a model read at the beginning of a sequence.

    A causal model's states do not depend on what follows: a document that was read with a question behind it
    need not be read again to be valued by itself, only the head has to run. One object serves one call in one
    thread, and goes with it.

    Args:
        limit: Bytes of states that are held; what comes after is not noted, and will be read again.
    """

    def __init__(self, limit: int = _BYTES) -> None:
        self._left = limit
        self._states: dict[tuple[int, bytes], Tensor] = {}

    def put(self, model: object, ids: NDArray[np.int64], states: "Tensor") -> None:
        """Take note of a text.

        Args:
            model: Which model has read it; models do not read each other's notes.
            ids: Its tokens, without the model's own beginning. Shape (tokens,).
            states: Those that predict its tokens, or all but the first. Shape (predicted, width).
        """
        key, size = (id(model), ids.tobytes()), states.numel() * states.element_size()
        if key in self._states or size > self._left or not len(ids):
            return
        self._left -= size
        # A view would keep the whole batch alive.
        self._states[key] = states.clone()

    def get(self, model: object, ids: NDArray[np.int64]) -> "Tensor | None":
        """The states that a model noted for a text, or None."""
        return self._states.get((id(model), ids.tobytes()))
