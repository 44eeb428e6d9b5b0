"""What a trained router says of itself: how its logits become a decision."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from lingua_core.errors import ModelError

__all__ = ["RouterSettings"]

_FILE = "router.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterSettings:
    """Found on development data by `lingua train router`, and kept beside the model.

    Attributes:
        scale: The probability that a skeleton helps is sigmoid(scale * logit + offset): Platt scaling.
        offset: See `scale`.
        threshold: The least probability for which a skeleton is used.
        lower: SHA-256 of the sentence encoder's `lower.onnx` whose states the model was trained on; with
            other states it says nothing.
    """

    scale: float = 1.0
    offset: float = 0.0
    threshold: float = 0.5
    lower: str

    @classmethod
    def load(cls, folder: Path) -> "RouterSettings":
        """Read `router.json`.

        Raises:
            ModelError: If it is missing or not what this version writes.
        """
        file = folder / _FILE
        try:
            values: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            lower = str(values.pop("lower"))
            return cls(**{name: float(value) for name, value in values.items()}, lower=lower)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            names = ", ".join(field.name for field in fields(cls))
            raise ModelError(
                f"{str(file)!r} cannot be read as a router's settings ({names}): {error}. "
                "Reinstall lingua-rag, or make the folder with `lingua train router`."
            ) from error

    def save(self, folder: Path) -> None:
        """Write `router.json`."""
        (folder / _FILE).write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
