"""A peer in an environment of its own: a process that answers lines of JSON."""

import json
import os
import queue
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lingua_core.errors import LinguaError

__all__ = ["INSTALL", "LONGLLMLINGUA", "SCRIPT", "PeerProcess", "start_llmlingua"]

SCRIPT = Path(__file__).with_name("peer_llmlingua.py")

INSTALL = (
    "python -m venv peer && peer/bin/pip install llmlingua==0.2.2 transformers==4.42.4 torch 'numpy<2', then "
    "--peer-python peer/bin/python"
)
"""How to make the environment: llmlingua 0.2.2 does not run with transformers 5."""

LONGLLMLINGUA: Mapping[str, Any] = {
    "rank_method": "longllmlingua",
    "condition_in_question": "after_condition",
    "reorder_context": "sort",
    "dynamic_context_compression_ratio": 0.3,
    "condition_compare": True,
}
"""llmlingua's settings for its paper's LongLLMLingua."""

_PATIENCE = 600.0


class PeerProcess:
    """Starts a worker on entering the context, asks it, and ends it on leaving.

    Args:
        command: What to run.
        patience: Seconds to wait for an answer.
        environment: The process's environment; None for this one's.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        patience: float = _PATIENCE,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._command = list(command)
        self._patience = patience
        self._environment = dict(environment) if environment is not None else None

    def __enter__(self) -> Self:
        self._errors = tempfile.TemporaryFile(mode="w+b")
        try:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                text=True,
                encoding="utf-8",
                env=self._environment,
            )
        except OSError as error:
            self._errors.close()
            raise LinguaError(f"The peer {self._command[0]!r} cannot be started: {error}") from error
        self._answers: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:  # what was not read is of no use to a process that has ended
                    continue
        self._errors.close()

    def ask(self, **request: object) -> dict[str, Any]:
        """The answer to a request.

        Raises:
            LinguaError: If the worker says that it failed, has ended, answers no JSON object, or not in time.
        """
        stdin = self._process.stdin
        assert stdin is not None  # for the type checker: asked for when the process was started
        try:
            stdin.write(json.dumps(request) + "\n")
            stdin.flush()
            line = self._answers.get(timeout=self._patience)
        except queue.Empty as error:
            raise LinguaError(f"The peer did not answer {request['do']!r} in {self._patience} s.") from error
        except OSError as error:
            raise LinguaError(f"The peer has ended: {self._said()}") from error
        if not line:
            raise LinguaError(f"The peer ended while asked to {request['do']!r}: {self._said()}")
        try:
            answer: dict[str, Any] = json.loads(line)
            is_ok = bool(answer["ok"])
        except (ValueError, TypeError, KeyError) as error:
            raise LinguaError(f"The peer's answer is no JSON object with 'ok': {line!r:.200}") from error
        if not is_ok:
            raise LinguaError(f"The peer failed to {request['do']!r}: {answer.get('error')}")
        return answer

    def _read(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None  # as above
        for line in stdout:
            self._answers.put(line)
        self._answers.put("")

    def _said(self) -> str:
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "it closed its output."
        self._errors.seek(0)
        said = " ".join(self._errors.read().decode("utf-8", errors="replace").split())
        return said[-300:] or "it said nothing."


def start_llmlingua(python: Path, threads: int) -> PeerProcess:
    """A process with llmlingua, to be entered.

    Args:
        python: Interpreter of an environment with llmlingua 0.2.2.
        threads: Of its products.
    """
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": str(threads)}
    # Its packages are those of its environment.
    environment.pop("PYTHONPATH", None)
    return PeerProcess([str(python), str(SCRIPT)], environment=environment)
