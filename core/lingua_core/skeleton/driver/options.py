"""How answers are written: everything that is fixed for an engine."""

import math
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from lingua_core.errors import InputError
from lingua_core.llms.retrying import RetryPolicy
from lingua_core.skeleton.driver.accounting import CountTokens, estimate_tokens
from lingua_core.skeleton.rendering import AnswerStyle

__all__ = ["Dependencies", "DriverOptions", "OnFailure", "Repeats"]

Dependencies = Literal["none", "infer", "model"]
OnFailure = Literal["fallback", "mark", "raise"]
Repeats = Literal["keep", "note", "remove"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverOptions:
    """Settings of a `SkeletonOfThought`; its docstring says what they mean.

    Raises:
        InputError: If a value cannot be used.
    """

    max_concurrency: int = 8
    max_points: int = 12
    max_tokens: int | None = None
    max_tokens_per_point: int | None = 256
    skeleton_max_tokens: int = 512
    temperature: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    points_per_request: int = 1
    dependencies: Dependencies = "none"
    early_launch: bool = True
    on_failure: OnFailure = "fallback"
    failure_mark: str = "[This point could not be written.]"
    style: AnswerStyle = "numbered"
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    idle_seconds: float | None = 120.0
    point_deadline: float | None = None
    deadline: float | None = None
    hedge: bool = False
    route_alongside: bool = False
    stitch: bool = False
    repeats: Repeats = "note"
    count_tokens: CountTokens = estimate_tokens

    def __post_init__(self) -> None:
        for name in ("max_concurrency", "max_points", "skeleton_max_tokens", "points_per_request"):
            _check_count(name, getattr(self, name))
        for name in ("max_tokens", "max_tokens_per_point"):
            if getattr(self, name) is not None:
                _check_count(name, getattr(self, name))
        for name in ("idle_seconds", "point_deadline", "deadline"):
            _check_seconds(name, getattr(self, name))
        _check_choice("dependencies", self.dependencies, get_args(Dependencies))
        _check_choice("on_failure", self.on_failure, get_args(OnFailure))
        _check_choice("style", self.style, get_args(AnswerStyle))
        _check_choice("repeats", self.repeats, get_args(Repeats))
        if self.max_points < 2:
            raise InputError(
                f"max_points must be at least 2, for one point is no skeleton; got {self.max_points!r}."
            )

    @property
    def holds_back(self) -> bool:
        """Whether points after the first are shown only when all are written."""
        return self.stitch or self.repeats == "remove"


def _check_count(name: str, value: Any) -> None:  # noqa: ANN401  # it is the check
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InputError(f"{name} must be a whole number from 1 on, got {value!r}.")


def _check_seconds(name: str, value: Any) -> None:  # noqa: ANN401  # it is the check
    if value is None:
        return
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value) or value <= 0:
        raise InputError(f"{name} must be a number of seconds greater than 0, or None; got {value!r}.")


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise InputError(f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}.")
