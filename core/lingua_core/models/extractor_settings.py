"""What a trained extractor says of itself: how its logits become probabilities, and its defaults."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from lingua_core.errors import ModelError

__all__ = ["EarlyExit", "ExtractorSettings", "SecondLook"]

_FILE = "extractor.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondLook:
    """How much words count that a segment shares with the question and the best segments found so far.

    Attributes:
        segments: How many of the best segments are each added to the question.
        weight: What the mean of the BM25 scores (0 to 1) adds to a segment's logit, at most.
    """

    segments: int
    weight: float


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyExit:
    """Which windows leave in the middle of the model, and what the whole model would have said of them.

    The heads in the middle are on a scale of their own. Their logits become those that the whole model
    would have given, as far as a straight line tells, so that the rest is compared with its like.

    Attributes:
        cutoff: Windows whose relevance logit in the middle is below this leave there.
        scale: Their segments' logits are scale * logit + offset.
        offset: See `scale`.
        relevance_scale: The same for their relevance.
        relevance_offset: See `relevance_scale`.
    """

    cutoff: float
    scale: float = 1.0
    offset: float = 0.0
    relevance_scale: float = 1.0
    relevance_offset: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractorSettings:
    """Found on development data by `lingua train extractor`, and kept beside the model.

    Attributes:
        scale: A segment's probability of being evidence is sigmoid(scale * logit + offset): Platt scaling.
        offset: See `scale`.
        relevance_scale: The same for a passage's probability of holding evidence.
        relevance_offset: See `relevance_scale`.
        threshold: The least probability that a segment is kept with when no budget is given.
        early_exit: None if every window goes through the whole model.
        second_look: None for no second look.
    """

    scale: float = 1.0
    offset: float = 0.0
    relevance_scale: float = 1.0
    relevance_offset: float = 0.0
    threshold: float = 0.1
    early_exit: EarlyExit | None = None
    second_look: SecondLook | None = None

    @classmethod
    def load(cls, folder: Path) -> "ExtractorSettings":
        """Read `extractor.json`.

        Raises:
            ModelError: If it is missing or not what this version writes.
        """
        file = folder / _FILE
        try:
            values: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            early, second = values.pop("early_exit", None), values.pop("second_look", None)
            return cls(
                **_numbers(values),
                early_exit=EarlyExit(**_numbers(early)) if early is not None else None,
                second_look=_second_look(**second) if second is not None else None,
            )
        except (OSError, ValueError, TypeError, AttributeError) as error:
            names = ", ".join(field.name for field in fields(cls))
            raise ModelError(
                f"{str(file)!r} cannot be read as an extractor's settings ({names}): {error}. "
                "Reinstall lingua-rag, or make the folder with `lingua train extractor`."
            ) from error

    def save(self, folder: Path) -> None:
        """Write `extractor.json`."""
        (folder / _FILE).write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")


def _numbers(values: dict[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}


def _second_look(segments: int, weight: float) -> SecondLook:
    return SecondLook(segments=int(segments), weight=float(weight))
