"""Gradients of a batch, its parts side by side.

Several threads in one product wait for each other thousands of times a step, and most of all where other
programs use the same cores. Here each thread has a part of the batch, and they meet once a step.
"""

# torch is partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

import torch
from torch import Tensor

from lingua_core.training.causal_lm.model import CausalTransformer

__all__ = ["GradientPool"]


class GradientPool:
    """Threads that compute gradients; a context manager.

    The parts' gradients are added in their order, so the sum does not depend on which was ready first.

    Args:
        workers: How many parts at once; with 1, no thread is started and torch's own are used.
        part: Tokens of a part.
    """

    def __init__(self, workers: int, *, part: int) -> None:
        self._part = part
        self._threads = torch.get_num_threads()
        self._pool: ThreadPoolExecutor | None = None
        if workers > 1:
            # torch's number of threads is that of the thread that sets it, and of those it starts.
            self._pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))

    def __enter__(self) -> "GradientPool":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown()
            torch.set_num_threads(self._threads)

    def add_gradients(self, model: CausalTransformer, batch: Tensor) -> float:
        """Set the gradients of the mean loss of a batch; returns the loss.

        Args:
            model: Its parameters' gradients are replaced.
            batch: Shape (rows, tokens).
        """
        parameters = list(model.parameters())

        def run(part: Tensor) -> tuple[float, tuple[Tensor, ...]]:
            with torch.autocast(batch.device.type, dtype=torch.bfloat16):
                loss = model.loss(part) * (len(part) / len(batch))
            return float(loss.detach()), torch.autograd.grad(loss, parameters)

        parts = batch.split(max(1, self._part // (batch.shape[1] - 1)))
        done: Iterable[tuple[float, tuple[Tensor, ...]]] = (
            map(run, parts) if self._pool is None else self._pool.map(run, parts)
        )
        total = 0.0
        for number, (loss, gradients) in enumerate(done):
            total += loss
            for parameter, gradient in zip(parameters, gradients, strict=True):
                if number:
                    assert parameter.grad is not None
                    parameter.grad += gradient
                else:
                    parameter.grad = gradient
        return total
