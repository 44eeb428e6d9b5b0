"""The router that ships in the package: a small trained classifier, offline, on a CPU."""

from pathlib import Path

import numpy as np

from lingua_core.errors import InputError
from lingua_core.models.answer_forms import FORMS, POINTS
from lingua_core.models.onnx_router import OnnxRouter, RouterReading
from lingua_core.skeleton.types import RouteDecision
from lingua_core.weights import ROUTER

__all__ = ["EmbeddedRouter"]


class EmbeddedRouter:
    """Reads the question and estimates whether its answer is a list of points that stand for themselves.

    Trained on questions of our own by the criterion of arXiv 2307.15337, section 4: a strong answer is a
    list of parallel points, each with enough detail, which can be written independently. Wrong yeses cost
    more than wrong noes, and the default threshold is set accordingly. The model card beside the weights
    holds the figures, also those for languages other than English, of which it knows little.

    Loads on first use, a few milliseconds a question after that; deterministic; may be shared by threads.
    Of long questions it reads the beginning and the end. Documents that come with a question change
    nothing: what the answer looks like is the question's affair.

    Args:
        threshold: The least probability for which a skeleton is used, from 0 to 1; None for the one that
            was found in training.
        model: Folder that `lingua train router` has written; None for the embedded router.

    Raises:
        InputError: If the threshold is out of range.
    """

    def __init__(self, threshold: float | None = None, *, model: Path | str | None = None) -> None:
        given: object = threshold
        number = isinstance(given, int | float) and not isinstance(given, bool)
        if given is not None and not (number and 0 <= given <= 1):  # pyright: ignore[reportOperatorIssue]  # a number here
            raise InputError(f"threshold must be a probability from 0 to 1, or None; got {threshold!r}.")
        self._threshold = threshold
        self._model = OnnxRouter(Path(model) if model is not None else ROUTER.folder)

    @property
    def threshold(self) -> float:
        """The least probability for which a skeleton is used."""
        return self._model.settings.threshold if self._threshold is None else self._threshold

    def route(self, question: str, *, has_documents: bool = False) -> RouteDecision:
        """The decision, its probability, and what kind of answer is expected.

        Raises:
            InputError: If the question is no text.
            ModelError: If the weights are missing or damaged.
        """
        if not isinstance(question, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise InputError(f"The question must be text, got {type(question).__name__}.")
        if not question.strip():
            return RouteDecision(use_skeleton=False, probability=0.0, reason="the question is empty")
        reading = self._model.read(question)
        settings = self._model.settings
        probability = float(1 / (1 + np.exp(-(settings.scale * reading.points + settings.offset))))
        use = probability >= self.threshold
        return RouteDecision(
            use_skeleton=use,
            probability=probability,
            reason=_reason(reading, probability, use=use, threshold=self.threshold),
        )


def _reason(reading: RouterReading, probability: float, *, use: bool, threshold: float) -> str:
    likely = f"the answer looks like {FORMS[POINTS]} ({probability:.0%})"
    if use:
        return likely
    other = _likeliest_other(reading)
    if probability >= 0.5:
        return f"{likely}, less than the {threshold:.0%} asked for"
    return f"the answer looks like {other}; points that stand for themselves: {probability:.0%}"


def _likeliest_other(reading: RouterReading) -> str:
    """The likeliest form of an answer that is no list of points."""
    logits = {name: float(logit) for name, logit in zip(FORMS, reading.forms, strict=True) if name != POINTS}
    return FORMS[max(logits, key=lambda name: logits[name])]
