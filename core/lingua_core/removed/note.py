"""A note for the reader of a compressed prompt: what was removed, in a few words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from operator import index as as_index
from typing import TYPE_CHECKING, Any, Literal, get_args

from lingua_core.errors import InputError
from lingua_core.removed.parts import RemovedPart
from lingua_core.tokens import TokenCounter

if TYPE_CHECKING:
    from lingua_core.removed.topics import Topic

__all__ = ["HINT", "RemovalNoteOptions", "as_note_options", "written_note"]

HINT = "get_removed(id) returns one."
"""What the note says of ids, unless it is told otherwise."""

_MOST_TOPICS = 12

Per = Literal["prompt", "document"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RemovalNoteOptions:
    """How long a note of what was removed may be, and where it stands.

    Attributes:
        max_tokens: The most tokens of all notes of a prompt together.
        max_share: The most of a budget that they take, from 0 to 1; where a threshold decides, there is none.
        per: One note behind the whole "prompt"; or one behind each "document" of which something was kept,
            and one behind all for those of which nothing was.
        hint: What the note says of the ids in it; ids are written if there is a store to ask. None for a hint
            at `lingua_core.removed.removed_tool` under its own name.

    Raises:
        InputError: If an option is out of range.
    """

    max_tokens: int = 64
    max_share: float = 0.1
    per: Per = "prompt"
    hint: str | None = None

    def __post_init__(self) -> None:
        try:
            valid = not isinstance(self.max_tokens, bool) and as_index(self.max_tokens) >= 1
        except TypeError:
            valid = False
        if not valid:
            raise InputError(f"max_tokens must be a whole number of at least 1, got {self.max_tokens!r:.80}.")
        share = self.max_share
        if isinstance(share, bool | str) or not 0 < share <= 1:
            raise InputError(f"max_share must be a number in (0, 1], got {self.max_share!r:.80}.")
        if self.per not in get_args(Per):
            raise InputError(f"per must be 'prompt' or 'document', got {self.per!r:.80}.")
        if self.hint is not None and not isinstance(self.hint, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise InputError(f"hint must be a str or None, got {self.hint!r:.80}.")

    def limit(self, allowance: int | None) -> int:
        """The most tokens of notes in a budget."""
        return self.max_tokens if allowance is None else min(self.max_tokens, int(self.max_share * allowance))


def as_note_options(given: "bool | RemovalNoteOptions | Mapping[str, Any]") -> RemovalNoteOptions | None:
    """The options that a user's choice stands for; None for no note.

    Raises:
        InputError: If it is no such choice, or an option is unknown or out of range.
    """
    if isinstance(given, bool):
        return RemovalNoteOptions() if given else None
    if isinstance(given, RemovalNoteOptions):
        return given
    if not isinstance(given, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
        raise InputError(
            f"removal_note must be True, False, RemovalNoteOptions or a mapping, got {given!r:.80}."
        )
    known = [option.name for option in fields(RemovalNoteOptions)]
    if unknown := [name for name in given if name not in known]:
        raise InputError(f"Unknown options {unknown} of removal_note; expected some of {', '.join(known)}.")
    return RemovalNoteOptions(**given)


def written_note(
    parts: Sequence[RemovedPart],
    about: "Sequence[Topic]",
    *,
    limit: int,
    counter: TokenCounter,
    hint: str | None,
) -> str:
    """The note with as many topics as fit, those of most tokens first; "" if not even the numbers fit.

    Args:
        parts: What was removed.
        about: The topics of the parts.
        limit: The most tokens of the note.
        counter: Counts them.
        hint: What to say of ids; None to write no ids.
    """
    if not parts:
        return ""
    most = min(len(about), _MOST_TOPICS)
    ranked = sorted(range(len(about)), key=lambda i: (-about[i].tokens, i))
    # That more is named is worth more than that it is named at length.
    drafts = [
        _draft(parts, about, sorted(ranked[:n]), phrases, hint)
        for n in range(most, 0, -1)
        for phrases in ((6, 4, 3, 2, 1) if n == most else (2, 1))
    ]
    drafts.append(_draft(parts, about, [], 0, hint))
    counts = counter.count(drafts)
    return next((draft for draft, count in zip(drafts, counts, strict=True) if count <= limit), "")


def _draft(
    parts: Sequence[RemovedPart],
    about: "Sequence[Topic]",
    chosen: Sequence[int],
    phrases: int,
    hint: str | None,
) -> str:
    tokens = sum(part.tokens for part in parts)
    passages = "1 passage" if len(parts) == 1 else f"{len(parts):,} passages"
    head = f"Removed {passages} ({tokens:,} token{'' if tokens == 1 else 's'})"
    if not chosen:
        return f"[{head}.]"
    named = [
        ", ".join(about[i].phrases[:phrases]) + (f" ({about[i].parts[0].id})" if hint is not None else "")
        for i in chosen
    ]
    if len(chosen) < len(about):
        named.append(f"{len(about) - len(chosen)} more")
    listed = "; ".join(named)
    return f"[{head}: {listed}. {hint}]" if hint else f"[{head}: {listed}]"
