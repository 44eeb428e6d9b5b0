"""The router in ONNX: own layers on top of the sentence encoder's lower half, which ships anyway."""

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lingua_core.errors import ModelError
from lingua_core.models.onnx_session import LazySession
from lingua_core.models.router_settings import RouterSettings
from lingua_core.models.tokenization import load_tokenizer, special_id, token_ids
from lingua_core.weights import ENCODER

__all__ = ["LONGEST", "OnnxRouter", "RouterReading", "lower_digest", "question_states", "question_tokens"]

LONGEST = 128
"""Tokens that are read of a question, `[CLS]` and `[SEP]` among them: its beginning and its end."""

_CHARACTERS = 24 * LONGEST


class RouterReading(NamedTuple):
    """What the model says of a question.

    Attributes:
        points: Logit of the answer being points that can be written independently; not calibrated.
        forms: Logits of the answer's forms, in the order of `FORMS`. Shape (forms,).
    """

    points: float
    forms: NDArray[np.float32]


class OnnxRouter:
    """Logits of questions. Loads on first use; safe to share between threads.

    Args:
        folder: Holds `router.onnx` (input `states`, shape (1, tokens, width), from the
            sentence encoder's `lower.onnx`; output `logits`, shape (1, 1 + forms)) and `router.json`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lower = LazySession(ENCODER.folder / "lower.onnx", "cpu")
        self._upper = LazySession(folder / "router.onnx", "cpu")
        self._settings: RouterSettings | None = None

    @property
    def settings(self) -> RouterSettings:
        """How logits become a decision.

        Raises:
            ModelError: If they cannot be read, or the model stands on another encoder.
        """
        if self._settings is None:
            settings = RouterSettings.load(self.folder)
            if settings.lower != lower_digest():
                raise ModelError(
                    f"The router in {str(self.folder)!r} was trained on top of another sentence "
                    "encoder than the one that is installed. Train it again with `lingua train router`."
                )
            self._settings = settings
        return self._settings

    def read(self, question: str) -> RouterReading:
        """What the model says of a question; of long ones it reads the beginning and the end."""
        states = _states(self._lower, question_tokens(question))
        logits = self._upper().run(["logits"], {"states": states})[0][0]
        return RouterReading(float(logits[0]), logits[1:])


def question_tokens(question: str) -> list[int]:
    """Token ids of at most `LONGEST` tokens: all, or as many from the beginning as from the end."""
    tokenizer = load_tokenizer(ENCODER.folder)
    cls, sep = special_id(tokenizer, "[CLS]"), special_id(tokenizer, "[SEP]")
    half = (LONGEST - 2) // 2
    if len(question) > 2 * _CHARACTERS:
        # Nothing between can be read, so that the time does not grow with what is pasted.
        head, tail = token_ids(tokenizer, [question[:_CHARACTERS], question[-_CHARACTERS:]])
        return [cls, *head[:half], *tail[-half:], sep]
    (ids,) = token_ids(tokenizer, [question])
    if len(ids) > 2 * half:
        ids = ids[:half] + ids[-half:]
    return [cls, *ids, sep]


def question_states(questions: list[str]) -> list[NDArray[np.float32]]:
    """States of each question after the sentence encoder's lower half. Each of shape (tokens, width)."""
    session = LazySession(ENCODER.folder / "lower.onnx", "cpu")
    return [_states(session, question_tokens(question))[0] for question in questions]


def lower_digest() -> str:
    """SHA-256 of the sentence encoder's lower half, in hex."""
    file = ENCODER.folder / "lower.onnx"
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(f"No model at {str(file)!r}: {error}. Reinstall lingua-rag.") from error


def _states(lower: LazySession, ids: list[int]) -> NDArray[np.float32]:
    array = np.asarray(ids, np.int64)[None, :]
    return lower().run(["states"], {"input_ids": array})[0]
