"""Doing for several threads at once what is cheaper done together."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

__all__ = ["SharedPasses"]

Asked = TypeVar("Asked")
Found = TypeVar("Found")


@dataclass(slots=True, eq=False)
class _Request(Generic[Asked, Found]):
    asked: Asked
    found: tuple[Found] | None = None
    error: BaseException | None = None

    @property
    def is_done(self) -> bool:
        return self.found is not None or self.error is not None


class SharedPasses(Generic[Asked, Found]):
    """Answers requests; those that wait are taken together.

    While one thread works, others line up; the first of them takes all that wait into the next pass. If a
    pass fails, its requests are answered one by one, so that only those fail that cannot be answered.

    Args:
        answer: Answers some requests, in their order. One thread at a time calls it.
    """

    def __init__(self, answer: Callable[[Sequence[Asked]], Sequence[Found]]) -> None:
        self._answer = answer
        self._changed = threading.Condition()
        self._waiting: list[_Request[Asked, Found]] = []
        self._is_busy = False

    @property
    def waiting(self) -> int:
        """How many requests wait for the next pass."""
        return len(self._waiting)

    def get(self, asked: Asked) -> Found:
        """The answer to one request; raises what answering it by itself raises."""
        request: _Request[Asked, Found] = _Request(asked)
        with self._changed:
            self._waiting.append(request)
            while self._is_busy and not request.is_done:
                self._changed.wait()
            batch: list[_Request[Asked, Found]] = []
            if not request.is_done:
                batch, self._waiting, self._is_busy = self._waiting, [], True
        if batch:
            try:
                self._run(batch)
            finally:
                with self._changed:
                    self._is_busy = False
                    self._changed.notify_all()
        if request.found is None:
            assert request.error is not None
            raise request.error
        return request.found[0]

    def _run(self, batch: Sequence[_Request[Asked, Found]]) -> None:
        try:
            found = self._answer([request.asked for request in batch])
            for request, one in zip(batch, found, strict=True):
                request.found = (one,)
        except Exception as error:
            if len(batch) == 1:
                batch[0].error = error
                return
            for request in batch:
                request.found = None
                self._run([request])
        except BaseException as error:
            # Who interrupts this thread ends the requests of all others, too: none may wait for ever.
            for request in batch:
                request.error = error
            raise
