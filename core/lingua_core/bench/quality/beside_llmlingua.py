"""llmlingua 0.2.2 with the weights of a small language model, as one more method."""

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lingua_core.bench.peer import LONGLLMLINGUA, PeerProcess, start_llmlingua
from lingua_core.bench.peer_models import for_transformers_4
from lingua_core.bench.quality.methods import Kept
from lingua_core.bench.quality.questions import Question
from lingua_core.tokens import TokenCounter
from lingua_core.training.causal_lm.restoring import restore_causal_lm

__all__ = ["PEERS", "LLMLinguaPeer", "PeerMethod"]

PEERS: Mapping[str, Mapping[str, Any]] = {
    "llmlingua-0.2.2": {},
    "longllmlingua-0.2.2": LONGLLMLINGUA,
}
"""Settings of the peer by the name of the method."""


class LLMLinguaPeer:
    """The peer's process, which all of its methods share; started on entering the context.

    It is told the ratio as a rate of its own tokens, and its text's tokens are counted as everyone's: they
    may be more than asked for, which the figure "rate" shows.

    Args:
        python: Interpreter of an environment with llmlingua 0.2.2.
        counter: Counts what comes out.
        model: Folder of an exported language model; None for the embedded one.
        threads: Of torch.
    """

    def __init__(
        self, python: Path, counter: TokenCounter, *, model: Path | None = None, threads: int = 2
    ) -> None:
        self._python, self._model, self._threads = python, model, threads
        self.counter = counter
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lingua-peer-")))
            restore_causal_lm(folder, source=self._model)
            for_transformers_4(folder)
            self._process: PeerProcess = stack.enter_context(start_llmlingua(self._python, self._threads))
            self._process.ask(
                do="load", folder=str(folder), classifier=False, device="cpu", threads=self._threads
            )
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def compress(self, documents: Sequence[str], question: str, settings: Mapping[str, Any]) -> str:
        """The text that the peer makes of the documents.

        Raises:
            LinguaError: If the peer fails.
        """
        answer = self._process.ask(
            do="compress",
            documents=list(documents),
            question=question,
            settings={"concate_question": False, **settings},
        )
        return str(answer["text"])


class PeerMethod:
    """One way of the peer's.

    Args:
        peer: Started.
        settings: Of its `compress_prompt`.
    """

    def __init__(self, peer: LLMLinguaPeer, settings: Mapping[str, Any]) -> None:
        self._peer, self._settings = peer, settings
        self.counter = peer.counter

    def kept(self, question: Question, target: int) -> Kept:
        """What it keeps where it is asked for as large a share as `target` is of all tokens."""
        texts = [document.text for document in question.documents if document.text.strip()]
        rate = min(1.0, target / max(1, sum(self.counter.count(texts))))
        text = self._peer.compress(texts, question.text, {**self._settings, "rate": rate})
        return Kept(text, self.counter.count([text])[0], None)
