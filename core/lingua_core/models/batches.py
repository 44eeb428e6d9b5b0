"""How many sequences go through a model at once."""

from collections.abc import Sequence

__all__ = ["rows_at_once"]

# What starting one pass costs, in tokens of padding that cost as much: an accelerator waits for Python.
_PASS_COST = {"cpu": 16}
_PASS_COST_ELSEWHERE = 1024
_PADDING = 1 / 16
# A CPU gains nothing from batches beyond this, and its caches lose the activations: a fifth slower.
_CPU_TOKENS = 512


def rows_at_once(lengths: Sequence[int], *, limit: int, device: str) -> int:
    """How many of the next sequences to batch, at least one: padding must cost less than another pass.

    Args:
        lengths: In tokens, longest first; not empty.
        limit: Tokens of a batch, padding included.
        device: "cpu" or another of torch's kinds of device.
    """
    width = max(1, lengths[0])
    most = max(1, (min(limit, _CPU_TOKENS) if device == "cpu" else limit) // width)
    pass_cost = _PASS_COST.get(device, _PASS_COST_ELSEWHERE)
    padding = 0
    for row, length in enumerate(lengths[:most]):
        padding += width - length
        if padding > pass_cost + _PADDING * width * row:
            return max(1, row)
    return min(most, len(lengths))
