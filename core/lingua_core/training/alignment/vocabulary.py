"""A teacher's next-token distributions as distributions over a student's tokens.

With one vocabulary for both, every token is itself. With two, positions are mapped at which a token of
both begins at the same byte. There each token that the teacher lists is a beginning of what may come, and
its probability goes to the token by which the student would begin to write that; what several share adds up.

Two kinds of beginnings do not say which token of the student they are. A token that the teacher wrote is
followed, through the teacher's next distributions, until it covers the student's token:
p(" unbelievable") = p(" un") p("bel" | " un") ..., and on the way every listed branch is a beginning of its
own. A token that it did not write, and that may be a part of a longer token of the student's, is set aside.

What this is: the chain rule over byte strings along the path that was written. It is exact up to three
approximations: the teacher read its own tokens before the position, the student reads others for the same
bytes; a listed token that is a token of the student too is taken for it, though the teacher might have
gone on to a longer one; and a tail that is not listed is taken to hold none of the mapped tokens. Other ways
across vocabularies give up the tokens' identity (Boizard et al., 2024, arXiv 2402.12030, compare sorted
probabilities) or distributions (Minixhofer et al., 2025, arXiv 2503.20083, compare likelihoods of chunks).
"""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer

from lingua_core.training.alignment.teacher_tokens import Candidate, TeacherPosition
from lingua_core.training.alignment.token_bytes import TokenBytes

__all__ = ["MappedDistribution", "VocabularyMap", "share_vocabulary"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedDistribution:
    """A teacher's distribution over a student's next token; `mapped + rest + unmapped` is 1.

    Attributes:
        position: Index of the token among the student's that is predicted.
        ids: Tokens of the student, the likeliest first, each once.
        probabilities: Of each.
        rest: Probability of what the teacher did not list.
        unmapped: Probability of what it listed but no token of the student can be told for.
    """

    position: int
    ids: tuple[int, ...]
    probabilities: tuple[float, ...]
    rest: float
    unmapped: float

    @property
    def mapped(self) -> float:
        """Probability of all of `ids`."""
        return math.fsum(self.probabilities)


def share_vocabulary(teacher: Tokenizer, student: Tokenizer) -> bool:
    """Whether two tokenizers have the same tokens under the same ids."""
    return teacher.get_vocab(with_added_tokens=True) == student.get_vocab(with_added_tokens=True)


class VocabularyMap:
    """Maps what teachers say of their tokens to a student's tokens. Safe to share between threads.

    Args:
        student: The student's tokenizer; for one of transformers its `backend_tokenizer`.
        is_shared: Whether the teacher has the same vocabulary: each token is then the student's of the same
            bytes, or the special one of the same name, at every position.
        specials: For a token of the teacher's that stands for no text, as the server spells it, the id of
            the student's token that means the same: `{"<|im_end|>": 0}`.

    Raises:
        InputError: If the student's tokens do not say what bytes they stand for, or `specials` names a token
            that it does not have.
    """

    def __init__(
        self, student: Tokenizer, *, is_shared: bool = False, specials: Mapping[str, int] | None = None
    ) -> None:
        self._student = TokenBytes(student)
        self._is_shared = is_shared
        for id_ in (specials or {}).values():
            self._student.of(id_)
        self._specials = {**(self._student.specials if is_shared else {}), **(specials or {})}
        self._begun: dict[bytes, int | None] = {}

    def distributions(
        self, positions: Sequence[TeacherPosition], student_ids: Sequence[int]
    ) -> list[MappedDistribution]:
        """Map an answer's distributions to the student's tokens of the same answer.

        Where the two texts differ (a tokenizer that changes what it reads), only what they have in common at
        both ends is mapped; a space that the student's tokenizer puts before the answer is allowed for.

        Args:
            positions: The answer as the teacher wrote it.
            student_ids: Its tokens for the student; tokens that stand for no text may be among them.

        Returns:
            One for each of the student's tokens that begins where a token of the teacher's does, ascending.

        Raises:
            InputError: If an id is not in the student's vocabulary, or probabilities add up to more than 1.
        """
        return _Alignment(self, positions, student_ids).distributions()

    def special(self, candidate: Candidate) -> int | None:
        """The student's token that means what a token without text means, or None."""
        if not self._specials:
            return None
        found = self._specials.get(candidate.token)
        return found if found is not None else self._specials.get(candidate.data.decode(errors="replace"))

    def token_bytes(self, id_: int) -> bytes | None:
        """The bytes of a token of the student's; None for one that stands for no text."""
        return self._student.of(id_)

    def begins(self, data: bytes, *, is_complete: bool = False) -> int | None:
        """The token by which the student begins to write a text.

        Args:
            data: How the text begins, behind a border between tokens.
            is_complete: Whether it ends there.

        Returns:
            A token; None where what follows decides, or nothing of the vocabulary can write it.
        """
        if is_complete:
            return self._first(data)
        if data not in self._begun:
            self._begun[data] = self._student.id_of(data) if self._is_shared else self._open_first(data)
        return self._begun[data]

    def _open_first(self, data: bytes) -> int | None:
        first = self._first(data)
        if first is None:
            return None
        is_all = self._student.of(first) == data and _ends_a_character(data)
        return first if is_all or not self._student.has_longer(data) else None

    def _first(self, data: bytes) -> int | None:
        for id_ in self._student.ids(data)[:1]:
            own = self._student.of(id_)
            # A normalizer may have changed it, an unknown token may stand for anything.
            return id_ if own and data.startswith(own) else None
        return None


class _Alignment:
    """One answer in the tokens of both."""

    def __init__(
        self, map_: VocabularyMap, positions: Sequence[TeacherPosition], student_ids: Sequence[int]
    ) -> None:
        self._map = map_
        self._positions = positions
        self._ids = student_ids
        theirs = [b"" if map_.special(p.observed) is not None else p.observed.data for p in positions]
        own = [map_.token_bytes(id_) or b"" for id_ in student_ids]
        teacher_text, student_text = b"".join(theirs), b"".join(own)
        # The space that some tokenizers put before a text belongs to the first token of both.
        self._lead = b" " if student_text[:1] == b" " and teacher_text[:1] not in (b"", b" ") else b""
        if self._lead:
            theirs[0] = self._lead + theirs[0]
        self._theirs, self._own = theirs, own
        self._shift = _Shift(self._lead + teacher_text, student_text)

    def distributions(self) -> list[MappedDistribution]:
        texts: dict[int, int] = {}
        ends: dict[tuple[int, int | None], int] = {}
        start = 0
        for index, data in enumerate(self._theirs):
            if data:
                texts[start] = index
            else:
                ends[start, self._map.special(self._positions[index].observed)] = index
            start += len(data)
        found: list[MappedDistribution] = []
        at = 0
        for position, (id_, data) in enumerate(zip(self._ids, self._own, strict=True)):
            place = self._shift.place(at, at + len(data))
            if place is not None:
                index = texts.get(place) if data else ends.get((place, id_))
                if index is not None:
                    found.append(self._mapped(position, index))
            at += len(data)
        return found

    def _mapped(self, position: int, index: int) -> MappedDistribution:
        found: defaultdict[int | None, list[float]] = defaultdict(list)
        rest: list[float] = []
        before, mass = b"", 1.0
        for depth, teacher in enumerate(self._positions[index:]):
            shares = teacher.shares()
            lead = self._lead if index + depth == 0 else b""
            for candidate, share in shares.others:
                found[self._target(before + lead, candidate)].append(mass * share)
            rest.append(mass * shares.rest)
            mass *= shares.observed
            before += self._theirs[index + depth]
            ended = self._map.special(teacher.observed)
            if ended is not None:
                found[ended if not before else self._map.begins(before, is_complete=True)].append(mass)
                break
            if len(before) >= len(self._own[position]):
                found[self._ids[position]].append(mass)
                break
        else:
            found[None].append(mass)
        sums = sorted(
            ((math.fsum(parts), id_) for id_, parts in found.items() if id_ is not None),
            key=lambda pair: (-pair[0], pair[1]),
        )
        return MappedDistribution(
            position=position,
            ids=tuple(id_ for _, id_ in sums),
            probabilities=tuple(share for share, _ in sums),
            rest=math.fsum(rest),
            unmapped=math.fsum(found.get(None, ())),
        )

    def _target(self, before: bytes, candidate: Candidate) -> int | None:
        special = self._map.special(candidate)
        if special is None:
            return self._map.begins(before + candidate.data)
        return special if not before else self._map.begins(before, is_complete=True)


class _Shift:
    """Where bytes of one text are in another that may differ from it in the middle."""

    def __init__(self, there: bytes, here: bytes) -> None:
        shorter = min(len(there), len(here))
        self._same_until = _common(there, here, shorter)
        same_end = _common(there[::-1], here[::-1], shorter - self._same_until)
        self._same_from = len(here) - same_end
        self._shift = len(there) - len(here)

    def place(self, start: int, end: int) -> int | None:
        """Where a piece of `here` begins `there`; None if it is not there."""
        if end <= self._same_until:
            return start
        return start + self._shift if start >= self._same_from else None


def _common(one: bytes, other: bytes, longest: int) -> int:
    """Length of the common beginning."""
    low, high = 0, longest
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _ends_a_character(data: bytes) -> bool:
    """Whether the last character is whole, as far as its beginning is there."""
    for length, byte in enumerate(reversed(data[-4:]), start=1):
        if byte & 0xC0 != 0x80:
            return length >= 1 + (byte >= 0xC0) + (byte >= 0xE0) + (byte >= 0xF0)
    return True
