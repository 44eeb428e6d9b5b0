"""One thread that decodes what many threads and tasks ask for, in one running batch."""

import atexit
import logging
import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from lingua_core.errors import LLMError
from lingua_core.llms.huggingface.row import Row
from lingua_core.llms.huggingface.statistics import DecodingStatistics

__all__ = ["Decoder", "DecodingEngine"]

_LOGGER = logging.getLogger(__name__)


_ENGINES: "weakref.WeakSet[DecodingEngine]" = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """A thread that is inside torch when the interpreter goes away would bring it down."""
    for engine in list(_ENGINES):
        engine.close()


class Decoder(Protocol):
    """What turns rows into text. Used from one thread.

    Attributes:
        rows: Those that run.
        statistics: What has been done.
    """

    rows: list[Row]
    statistics: DecodingStatistics

    @property
    def most_rows(self) -> int | None:
        """How many rows it can run at once; None for any number."""
        ...

    def admit(self, rows: Sequence[Row]) -> None:
        """Read the rows' prompts."""
        ...

    def step(self) -> None:
        """Write at least one token of every row."""
        ...

    def remove_ended(self) -> None:
        """Let go of the rows that are at their end."""
        ...

    def release(self) -> list[Row]:
        """Give all memory back, and the rows that were running."""
        ...


class DecodingEngine:
    """Runs a batch that rows join between two steps, and leave when they are at their end.

    The thread that does so is started by the first row and ends when there has been none for a while, and
    with it go the buffers. A child process after a fork, and an interpreter at its end, have nothing to do
    with it.

    Args:
        decoder: Makes the decoder, on the thread that uses it, when the first row comes.
        most_rows: Rows that run at once; more wait their turn.
        idle_seconds: How long the thread waits for more rows.
    """

    def __init__(self, decoder: Callable[[], Decoder], *, most_rows: int, idle_seconds: float) -> None:
        self._make_decoder = decoder
        self._decoder: Decoder | None = None
        self._most_rows = most_rows
        self._idle_seconds = idle_seconds
        self._out_of_memory = 0
        self._begin_anew()

    @property
    def statistics(self) -> DecodingStatistics:
        """What has been done so far."""
        done = self._decoder.statistics if self._decoder else DecodingStatistics()
        return done + DecodingStatistics(out_of_memory=self._out_of_memory)

    @property
    def most_rows(self) -> int:
        """Rows that run at once; halved, for good, when memory runs out."""
        return self._most_rows

    def submit(self, rows: Sequence[Row]) -> None:
        """Have rows join as soon as there is room; all of them at the same step if there is enough."""
        if os.getpid() != self._process:
            self._begin_anew()
        if not rows:
            return
        with self._changed:
            if self._thread is None:
                self._closing = False
                thread = threading.Thread(target=self._work, name="lingua-decoding", daemon=True)
                thread.start()  # fails when the interpreter is about to end
                self._thread = thread
                _ENGINES.add(self)
            self._waiting.extend(rows)
            self._changed.notify()

    def close(self) -> None:
        """End the thread at the next step, and its rows as cancelled. A later row starts it again."""
        if os.getpid() != self._process:
            return
        with self._changed:
            thread, self._closing = self._thread, True
            self._changed.notify()
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _begin_anew(self) -> None:
        """Threads and who waited for them stay behind in the parent process."""
        self._process = os.getpid()
        self._changed = threading.Condition()
        self._waiting: deque[Row] = deque()
        self._thread: threading.Thread | None = None
        self._closing = False
        if self._decoder is not None:
            self._decoder.release()

    def _work(self) -> None:
        while self._is_needed():
            joining: list[Row] = []
            try:
                if self._decoder is None:
                    self._decoder = self._make_decoder()
                joining = self._next_rows(self._decoder)
                self._run(self._decoder, joining)
            except Exception as error:  # whatever a model raises: its callers get it
                self._fail(joining, error)

    def _is_needed(self) -> bool:
        """Wait for something to do; False if the thread is to end, which it has then said."""
        with self._changed:
            running = bool(self._decoder and self._decoder.rows)
            if not running and not self._waiting and not self._closing:
                self._changed.wait_for(lambda: self._waiting or self._closing, self._idle_seconds)
            if not self._closing and (running or self._waiting):
                return True
            left = [*self._waiting, *(self._decoder.release() if self._decoder else ())]
            self._waiting.clear()
            self._thread = None
        for row in left:
            row.cancel()
            row.look_up()
        return False

    def _next_rows(self, decoder: Decoder) -> list[Row]:
        """End rows whose time is over, running or not, and fill the batch up."""
        for row in decoder.rows:
            row.look_up()
        decoder.remove_ended()
        most = self._most_rows if decoder.most_rows is None else min(self._most_rows, decoder.most_rows)
        with self._changed:
            self._waiting = deque(row for row in self._waiting if row.look_up())
            count = min(len(self._waiting), most - len(decoder.rows))
            return [self._waiting.popleft() for _ in range(count)]

    def _run(self, decoder: Decoder, joining: list[Row]) -> None:
        try:
            decoder.admit(joining)
            decoder.step()
        except RuntimeError as error:
            from lingua_core.models.hugging_face import is_out_of_memory

            if not is_out_of_memory(error):
                raise
            self._shrink(decoder, joining, error)

    def _shrink(self, decoder: Decoder, joining: list[Row], error: RuntimeError) -> None:
        """Begin again with half as many rows; the others wait, and keep what they have written."""
        rows = [row for row in dict.fromkeys([*decoder.release(), *joining]) if not row.is_ended]
        self._out_of_memory += 1
        if len(rows) == 1:
            rows[0].fail(
                LLMError(
                    f"Memory ran out for one row of {len(rows[0].ids)} tokens: {error}. Choose a smaller "
                    "model, another dtype or device, or a shorter prompt."
                )
            )
            return
        self._most_rows = max(1, len(rows) // 2)
        _LOGGER.warning("Out of memory with %d rows: %d at most from now on.", len(rows), self._most_rows)
        with self._changed:
            self._waiting.extendleft(reversed(rows))

    def _fail(self, joining: list[Row], error: Exception) -> None:
        """Tell everyone who was in the batch; those who wait may have more luck."""
        rows = [*joining, *(self._decoder.release() if self._decoder else ())]
        if self._decoder is None:
            with self._changed:
                rows += self._waiting
                self._waiting.clear()
        for row in dict.fromkeys(rows):
            wrapped = LLMError(f"The model failed after {row.written} tokens: {error!r:.500}")
            wrapped.__cause__ = error
            row.fail(error if isinstance(error, LLMError) and len(rows) == 1 else wrapped)
