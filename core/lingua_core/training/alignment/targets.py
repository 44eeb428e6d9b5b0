"""Target models to be aligned to, several at once, and which of their answers are held out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from lingua_core.errors import InputError
from lingua_core.training.alignment.answers import Answer, read_answers

__all__ = ["Target", "digest_of", "read_targets", "split_targets"]

_SHORTEST_DIGEST = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A target model.

    Attributes:
        name: In tables; unique.
        answers: Its answers.
        weight: How often each of them comes in a pass; 0.5 is every other one, another half each time.
        empty: Records that were left out because their response is empty.

    Raises:
        InputError: If the weight is not a number above 0.
    """

    name: str
    answers: Sequence[Answer]
    weight: float = 1.0
    empty: int = 0

    def __post_init__(self) -> None:
        if not (isinstance(self.weight, int | float) and 0 < self.weight < math.inf):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise InputError(f"The weight of {self.name!r} must be a number above 0, got {self.weight!r}.")


def read_targets(files: Sequence[Path], weights: Sequence[float] = ()) -> list[Target]:
    """A target for each file, named after it.

    Args:
        files: Of `read_answers`.
        weights: One for each file, in their order; none for 1 each.

    Raises:
        InputError: If a file cannot be used, two have the same name, or the weights are not as many.
    """
    if not files:
        raise InputError("Give at least one file of answers.")
    if weights and len(weights) != len(files):
        raise InputError(f"Got {len(files)} files of answers but {len(weights)} weights; give one for each.")
    names = [file.name.removesuffix(".gz").removesuffix(".jsonl") for file in files]
    if len(set(names)) < len(names):
        raise InputError(f"Files of answers are told apart by their names, got {', '.join(names)}.")
    found: list[Target] = []
    for name, file, weight in zip(names, files, weights or [1.0] * len(files), strict=True):
        read = read_answers(file)
        found.append(Target(name=name, answers=read.answers, weight=weight, empty=read.empty))
    return found


def split_targets(targets: Sequence[Target], *, share: float, most: int) -> tuple[list[Target], list[Target]]:
    """Targets to learn from, and targets of what is held out.

    Prompts are held out, by their digest: all answers to one are on the same side, those of other targets
    too, and more data moves few of them.

    Args:
        targets: All.
        share: Of the prompts, above 0.
        most: Prompts that are held out.

    Raises:
        InputError: If there are too few prompts, or a target is left with nothing to learn from.
    """
    if not 0 < share < 1:
        raise InputError(f"held_out must be between 0 and 1, got {share!r}.")
    prompts = sorted({answer.prompt for target in targets for answer in target.answers})
    count = min(most, max(1, round(share * len(prompts))))
    held = set(prompts[:count])
    sides: tuple[list[Target], list[Target]] = ([], [])
    for target in targets:
        for side, is_held in zip(sides, (False, True), strict=True):
            answers = [answer for answer in target.answers if (answer.prompt in held) is is_held]
            if not answers and not is_held:
                raise InputError(
                    f"{target.name!r} has {len(target.answers)} answers to {len(prompts)} prompts, of which "
                    f"{count} are held out: too few to learn from. Give more answers to different prompts."
                )
            if answers:
                side.append(
                    Target(name=target.name, answers=answers, weight=target.weight, empty=target.empty)
                )
    return sides


def digest_of(targets: Sequence[Target]) -> str:
    """A digest of everything that is learnt from targets."""
    found = sha256()
    for target in targets:
        found.update(repr((target.name, target.weight)).encode())
        for answer in target.answers:
            found.update(repr((answer.messages, answer.response, answer.logprobs)).encode(errors="replace"))
    return found.hexdigest()[:_SHORTEST_DIGEST]
