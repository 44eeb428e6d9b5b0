"""Scoring documents for several points in one pass, however their requests arrive."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from lingua_core.compression import PromptCompressor
from lingua_core.documents import Document
from lingua_core.results import CompressionResult

__all__ = ["SharedPasses"]


@dataclass(slots=True, eq=False)
class _Request:
    query: str
    tokens: int
    result: CompressionResult | None = None
    error: Exception | None = None

    @property
    def is_done(self) -> bool:
        return self.result is not None or self.error is not None


class SharedPasses:
    """Compresses the same documents for many queries; those that wait are taken together.

    While one thread scores, others line up; the first of them takes all that wait into the next pass.

    Args:
        compressor: Does it.
        documents: For all queries.
    """

    def __init__(self, compressor: PromptCompressor, documents: Sequence[Document]) -> None:
        self._compressor = compressor
        self._documents = documents
        self._changed = threading.Condition()
        self._waiting: list[_Request] = []
        self._is_busy = False

    def compress(self, query: str, tokens: int) -> CompressionResult:
        """What bears on the query, in at most so many tokens.

        Raises:
            LinguaError: As the compressor does.
        """
        request = _Request(query, tokens)
        with self._changed:
            self._waiting.append(request)
            while self._is_busy and not request.is_done:
                self._changed.wait()
            batch: list[_Request] = []
            if not request.is_done:
                batch, self._waiting, self._is_busy = self._waiting, [], True
        if batch:
            try:
                self._run(batch)
            finally:
                with self._changed:
                    self._is_busy = False
                    self._changed.notify_all()
        if request.error is not None:
            raise request.error
        assert request.result is not None
        return request.result

    def _run(self, batch: Sequence[_Request]) -> None:
        for tokens in dict.fromkeys(request.tokens for request in batch):
            alike = [request for request in batch if request.tokens == tokens]
            try:
                results = self._compressor.compress_batch(
                    [self._documents] * len(alike),
                    [request.query for request in alike],
                    target_tokens=tokens,
                )
            except Exception as error:
                for request in alike:
                    request.error = error
                continue
            for request, result in zip(alike, results, strict=True):
                request.result = result
