"""Keys and values of all rows of a batch in one buffer, so that rows come and go without copying the rest."""

# torch and transformers are partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportMissingTypeArgument=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false, reportMissingParameterType=false

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import Cache, CacheLayerMixin, DynamicLayer

__all__ = ["Aim", "SlotCache", "Stored"]

_COLUMN_STEP = 256
"""Columns are added in such steps: copying all of them then costs little beside computing them."""

Stored = list[tuple[Tensor, Tensor]]
"""Keys and values of one row by layer. Shapes (heads, columns, width)."""


class Aim(NamedTuple):
    """Where the next forward pass writes, and what it sees.

    Attributes:
        first: First slot.
        last: Slot behind the last.
        columns: Where keys and values go. Shape (slots, tokens).
        width: Columns that are looked at; all that were written lie before.
    """

    first: int
    last: int
    columns: Tensor
    width: int


@dataclass(slots=True)
class _Shape:
    """What every layer has room for, and where all of them write next."""

    rows: int = 0
    columns: int = 0
    aim: Aim | None = None


class _SlotLayer(CacheLayerMixin):
    """One layer: a row of the buffer for each slot, a column for each position.

    Columns behind a row's last token hold what other rows left there; masks keep it out of sight. They are
    finite at all times, as a hidden NaN would still spoil sums.
    """

    is_sliding = False
    is_compileable = False

    def __init__(self, shape: _Shape) -> None:
        super().__init__()
        self._shape = shape

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor | None = None) -> None:
        """Nothing is known before the first keys and values come."""
        self.is_initialized = True

    def update(
        self,
        key_states: Tensor,
        value_states: Tensor,
        *_: Any,  # noqa: ANN401  # what some models add
        **__: Any,  # noqa: ANN401
    ) -> tuple[Tensor, Tensor]:
        """Write what is new; give back all that the rows concerned may look at."""
        aim = self._shape.aim
        assert aim is not None, "the cache is aimed before the model runs"
        self.keys = self._fitting(self.keys, key_states)
        self.values = self._fitting(self.values, value_states)
        self.is_initialized = True
        rows = torch.arange(aim.first, aim.last, device=key_states.device)[:, None]
        columns = aim.columns.to(key_states.device)  # layers may lie on several devices
        # Indexed dimensions come first: (slots, tokens, heads, width).
        self.keys[rows, :, columns] = key_states.transpose(1, 2)
        self.values[rows, :, columns] = value_states.transpose(1, 2)
        seen = slice(aim.first, aim.last), slice(None), slice(0, aim.width)
        return self.keys[seen], self.values[seen]

    def get_seq_length(self) -> int:
        """Columns before those that are written next."""
        aim = self._shape.aim
        return 0 if aim is None else aim.width - aim.columns.shape[1]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Columns that are looked at, and the first of them."""
        aim = self._shape.aim
        return (query_length if aim is None else aim.width), 0

    def get_max_length(self) -> int:
        """There is none."""
        return -1

    def get_max_cache_shape(self) -> int:
        """`get_max_length`, as transformers called it before 5.3."""
        return -1

    def _fitting(self, buffer: Tensor | None, states: Tensor) -> Tensor:
        """The buffer, with at least the rows and columns that are asked for."""
        rows, columns = self._shape.rows, self._shape.columns
        if buffer is not None and buffer.shape[0] >= rows and buffer.shape[2] >= columns:
            return buffer
        if buffer is not None:
            rows, columns = max(rows, buffer.shape[0]), max(columns, buffer.shape[2])
        grown = states.new_zeros((rows, states.shape[1], columns, states.shape[3]))
        if buffer is not None:
            grown[: buffer.shape[0], :, : buffer.shape[2]] = buffer
        return grown


class SlotCache:
    """The cache of a batch whose rows lie in slots 0, 1, 2, … and begin in column 0 each.

    No row is padded, so one may join or leave at any step: it takes the slot behind the last, or the last
    one moves into its place. What rows have in common is copied from slot to slot.

    Args:
        config: The model's.
    """

    def __init__(self, config: Any) -> None:  # noqa: ANN401  # transformers' own
        self._shape = _Shape()
        # Layers that keep nothing, as they use another layer's keys and values, stay what they are.
        layers = DynamicCache(config=config).layers
        self._layers = [_SlotLayer(self._shape) for _ in layers]
        own = iter(self._layers)
        self.for_model = Cache(
            layers=[next(own) if isinstance(layer, DynamicLayer) else layer for layer in layers]
        )

    def aim(self, aim: Aim) -> None:
        """Say where the next forward pass writes, and make room for it."""
        self._shape.aim = aim
        self._shape.rows = max(self._shape.rows, aim.last)
        furthest = max(aim.width, int(aim.columns.max()) + 1)
        if furthest > self._shape.columns:
            self._shape.columns = -(-furthest // _COLUMN_STEP) * _COLUMN_STEP

    def make_room(self, rows: int, columns: int) -> None:
        """Grow once for what is known to come."""
        self._shape.rows = max(self._shape.rows, rows)
        self._shape.columns = max(self._shape.columns, -(-columns // _COLUMN_STEP) * _COLUMN_STEP)
        for layer in self._filled():
            layer.keys = layer._fitting(layer.keys, layer.keys)
            layer.values = layer._fitting(layer.values, layer.values)

    def copy(self, source: int, target: int, first: int, last: int) -> None:
        """Copy columns `first` to `last` of one slot to another."""
        for layer in self._filled():
            for buffer in (layer.keys, layer.values):
                buffer[target, :, first:last] = buffer[source, :, first:last]

    def take_out(self, slot: int, columns: int) -> Stored:
        """A copy of a slot's first columns."""
        return [
            (layer.keys[slot, :, :columns].clone(), layer.values[slot, :, :columns].clone())
            for layer in self._filled()
        ]

    def put_in(self, stored: Stored, slot: int, columns: int) -> None:
        """Write the first columns of what was taken out into a slot."""
        for layer, (keys, values) in zip(self._filled(), stored, strict=True):
            layer.keys[slot, :, :columns] = keys[:, :columns]
            layer.values[slot, :, :columns] = values[:, :columns]

    def release(self) -> None:
        """Free the buffers."""
        self._shape.rows = self._shape.columns = 0
        self._shape.aim = None
        for layer in self._layers:
            layer.keys = layer.values = None
            layer.is_initialized = False

    def _filled(self) -> list[Any]:
        return [layer for layer in self._layers if layer.is_initialized]
