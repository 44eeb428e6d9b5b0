"""One request that is being decoded, as the rows of a batch see it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lingua_core.errors import LLMError, LLMTimeoutError
from lingua_core.llms.base import Completion, FinishReason, Usage
from lingua_core.llms.huggingface.sampling import Sampler
from lingua_core.llms.huggingface.text_stream import StopCutter, TokenText

__all__ = ["Delivery", "Job", "Row"]

Delivery = str | Completion | Exception
"""New text, or at the end the whole reply or what went wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be written.

    Attributes:
        prompt: Token ids; at least one.
        most_tokens: The most to write.
        stop_ids: Tokens that end the reply and are no part of it.
        stops: Strings that do.
        sampler: How tokens are chosen.
        decode: Text of tokens.
        context: The prompt's last tokens, if the reply goes on in the middle of a text.
        timeout: Seconds from `started` on, or None.
        started: When the call began, on the monotonic clock.
    """

    prompt: list[int]
    most_tokens: int
    stop_ids: frozenset[int]
    stops: tuple[str, ...]
    sampler: Sampler
    decode: Callable[[list[int]], str]
    context: Sequence[int]
    timeout: float | None
    started: float


class Row:
    """A job, what has been written of it, and who is told.

    Everything but `cancel` is called from one thread.

    Args:
        job: What is to be written.
        tell: Gets new text while it is written, if `streams`, and at the end the outcome, once.
        streams: Whether new text is told.
    """

    def __init__(self, job: Job, tell: Callable[[Delivery], None], *, streams: bool) -> None:
        self.job = job
        self.ids = list(job.prompt)
        """All tokens, the prompt's first."""
        self.reused: int | None = None
        """Tokens of the prompt whose keys and values came from another row; None before the first time."""
        self._tell = tell
        self._streams = streams
        self._tokens = TokenText(job.decode, job.context)
        self._cutter = StopCutter(job.stops)
        self._pieces: list[str] = []
        self._is_cancelled = False
        self.is_ended = False

    @property
    def written(self) -> int:
        """Tokens written, one that ended the reply included."""
        return len(self.ids) - len(self.job.prompt)

    def cancel(self) -> None:
        """Have the row end at the next step; any thread may call."""
        self._is_cancelled = True

    def take(self, token: int) -> None:
        """Go on by one token."""
        self.ids.append(token)
        if token in self.job.stop_ids:
            self._finish("stop")
            return
        self._add(self._tokens.add(token))
        if self._cutter.is_stopped:
            self._end("stop")
        elif self.written >= self.job.most_tokens:
            self._finish("length")

    def look_up(self) -> bool:
        """End the row if it was cancelled or its time is over; whether it goes on."""
        if self.is_ended:
            return False
        if self._is_cancelled:
            self._finish("cancelled")
        elif self.job.timeout is not None and time.monotonic() - self.job.started >= self.job.timeout:
            self.fail(
                LLMTimeoutError(
                    f"{self.written} tokens, of {self.job.most_tokens} at most, were written in the "
                    f"{self.job.timeout:g} s that the call was given. Allow more, or ask for fewer tokens.",
                    partial=self._flushed(),
                )
            )
        return not self.is_ended

    def fail(self, error: Exception) -> None:
        """End the row with an error; it gets the text that was written, unless it has its own."""
        if self.is_ended:
            return
        self.is_ended = True
        if isinstance(error, LLMError) and not error.partial:
            error.partial = self._flushed()
        self._tell(error)

    def _finish(self, reason: FinishReason) -> None:
        self._flush()
        self._end("stop" if self._cutter.is_stopped else reason)

    def _end(self, reason: FinishReason) -> None:
        self.is_ended = True
        usage = Usage(
            prompt_tokens=len(self.job.prompt),
            completion_tokens=self.written,
            cached_tokens=self.reused or 0,
            calls=1,
        )
        self._tell(Completion(text="".join(self._pieces), usage=usage, finish_reason=reason))

    def _flushed(self) -> str:
        self._flush()
        return "".join(self._pieces)

    def _flush(self) -> None:
        self._add(self._tokens.flush())
        self._add(self._cutter.flush(), is_cut=True)

    def _add(self, text: str, *, is_cut: bool = False) -> None:
        piece = text if is_cut else self._cutter.add(text)
        if piece:
            self._pieces.append(piece)
            if self._streams:
                self._tell(piece)
