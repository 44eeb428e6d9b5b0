"""A teacher's next-token distributions as distributions over a student's tokens.

With one vocabulary for both, every token is itself. With two, what they share is bytes. Each token that the
teacher lists is a beginning of what may come, and its probability goes to the token by which the student
would begin to write that; what several share adds up.

- A token that the teacher wrote is followed, through the teacher's next distributions, until it covers the
  student's token: p(" unbelievable") = p(" un") p("bel" | " un") ..., and on the way every listed branch is a
  beginning of its own.
- A token that it did not write, and that may be a part of a longer token of the student's, is set aside.
- Where a token of the student's begins inside one of the teacher's, the listed tokens that go through the
  same bytes, and that the student would write by the same tokens so far, are what can come; the others are
  ruled out, and the tail that is not listed is set aside.

This is the chain rule over byte strings along the path that was written. It is exact up to three
approximations: the teacher read its own tokens before the position, the student reads others for the same
bytes; a listed token that is a token of the student too is taken for it, though the teacher might have
gone on to a longer one, which is the rarer the larger the teacher's vocabulary is beside the student's; and a
tail that is not listed is taken to hold none of the mapped tokens. Other ways across vocabularies give up the
tokens' identity (Boizard et al., 2024, arXiv 2402.12030, compare sorted probabilities) or distributions
(Minixhofer et al., 2025, arXiv 2503.20083, compare likelihoods of chunks).
"""

import math
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tokenizers import Tokenizer

from lingua_core.training.alignment.beginnings import Beginnings
from lingua_core.training.alignment.common_text import CommonText, Starts
from lingua_core.training.alignment.teacher_tokens import Candidate, TeacherPosition
from lingua_core.training.alignment.token_bytes import TokenBytes

__all__ = ["MappedDistribution", "VocabularyMap", "share_vocabulary"]

_NO_COUNTERPART = -1
_FARTHEST = 256
"""Bytes of a teacher's token that are looked into; no vocabulary's words are longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MappedDistribution:
    """A teacher's distribution over a student's next token; `mapped + rest + unmapped` is 1.

    Attributes:
        position: Index of the token among the student's that is predicted.
        ids: Tokens of the student, the likeliest first, each once.
        probabilities: Of each.
        rest: Probability of what the teacher did not list.
        unmapped: Probability of what no token of the student can be told for.
        is_inside: Whether the token begins inside one of the teacher's, so that the distribution is what the
            teacher's leaves after the bytes before it.
    """

    position: int
    ids: tuple[int, ...]
    probabilities: tuple[float, ...]
    rest: float
    unmapped: float
    is_inside: bool

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
            the student's token that means the same: `dict.fromkeys(ENDS, 0)`. Others that are spelled so
            are set aside.

    Raises:
        InputError: If the student's tokens do not say what bytes they stand for, or `specials` names a token
            that it does not have.
    """

    def __init__(
        self, student: Tokenizer, *, is_shared: bool = False, specials: Mapping[str, int] | None = None
    ) -> None:
        self._tokens = TokenBytes(student)
        self._beginnings = Beginnings(self._tokens, is_shared=is_shared)
        for id_ in (specials or {}).values():
            self._tokens.of(id_)
        self._specials = {**(self._tokens.specials if is_shared else {}), **(specials or {})}

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
            One for each of the student's tokens that the teacher says something of, in their order.

        Raises:
            InputError: If an id is not in the student's vocabulary, or probabilities add up to more than 1.
        """
        return _Answer(self._tokens, self._beginnings, self._specials, positions, student_ids).mapped()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where a distribution is wanted.

    Attributes:
        position: Of the student's token.
        index: Of the teacher's token that holds its first byte.
        written: The bytes before it since the student's last border at or before that of the teacher's token.
        within: Those of them that are in the teacher's token.
        path: The student's tokens for `written`.
    """

    position: int
    index: int
    written: bytes = b""
    within: bytes = b""
    path: Sequence[int] = ()


class _Answer:
    """One answer in the tokens of both."""

    def __init__(
        self,
        tokens: TokenBytes,
        beginnings: Beginnings,
        specials: Mapping[str, int],
        positions: Sequence[TeacherPosition],
        student_ids: Sequence[int],
    ) -> None:
        self._beginnings = beginnings
        self._specials = specials
        self._positions = positions
        self._ids = [int(id_) for id_ in student_ids]
        theirs = [b"" if self._mark(p.observed) is not None else p.observed.data for p in positions]
        self._own = [tokens.of(id_) or b"" for id_ in self._ids]
        text, own_text = b"".join(theirs), b"".join(self._own)
        # The space that some tokenizers put before a text belongs to the first token of both.
        self._lead = b" " if own_text[:1] == b" " and text[:1] not in (b"", b" ") else b""
        if self._lead:
            theirs[0] = self._lead + theirs[0]
        self._theirs = theirs
        self._text = self._lead + text
        self._common = CommonText(self._text, own_text)

    def mapped(self) -> list[MappedDistribution]:
        starts = Starts(self._theirs)
        found: list[MappedDistribution] = []
        at = 0
        # Where the student's latest tokens begin: from the one that the teacher's token begins in.
        borders: deque[tuple[int, int]] = deque()
        for position, data in enumerate(self._own):
            place = self._common.place(at, at + len(data))
            at += len(data)
            if place is None or not data:
                borders.clear()
                if place == len(self._text) and (index := self._end(self._ids[position])) is not None:
                    found.append(self._distribution(_Place(position=position, index=index)))
                continue
            index, start = starts.covering(place)
            borders.append((place, position))
            while len(borders) > 1 and borders[1][0] <= start:
                borders.popleft()
            border, since = borders[0]
            if border <= start and place - border <= _FARTHEST:
                here = _Place(
                    position=position,
                    index=index,
                    written=self._text[border:place],
                    within=self._text[start:place],
                    path=self._ids[since:position],
                )
                found.append(self._distribution(here))
        return found

    def _end(self, id_: int) -> int | None:
        """Where the teacher wrote what the student's token, one without text, means: behind all text."""
        for index in range(len(self._positions) - 1, -1, -1):
            if self._theirs[index]:
                return None
            if self._mark(self._positions[index].observed) == id_:
                return index
        return None

    def _distribution(self, here: _Place) -> MappedDistribution:
        masses: defaultdict[int | None, list[float]] = defaultdict(list)
        rest: list[float] = []
        text, mass, skipped = b"", 1.0, here.within
        for index in range(here.index, len(self._positions)):
            shares = self._positions[index].shares()
            for candidate, share in shares.others:
                data = candidate.data if index else self._lead + candidate.data
                is_possible, target = self._target(
                    here, text, candidate=candidate, data=data, skipped=skipped
                )
                if is_possible:
                    masses[target].append(mass * share)
            (masses[None] if skipped else rest).append(mass * shares.rest)
            mass *= shares.observed
            text += self._theirs[index][len(skipped) :]
            skipped = b""
            mark = self._mark(self._positions[index].observed)
            if mark is not None:
                masses[self._at_end(text, mark)].append(mass)
                break
            if len(text) >= len(self._own[here.position]):
                masses[self._ids[here.position]].append(mass)
                break
        else:
            masses[None].append(mass)
        return _summed(here, masses, rest)

    def _target(
        self, here: _Place, before: bytes, *, candidate: Candidate, data: bytes, skipped: bytes
    ) -> tuple[bool, int | None]:
        """Whether a listed token could have come, and the student's token for it if one can be told.

        Args:
            here: Where.
            before: The bytes from there on that were written before the listed token.
            candidate: The listed token.
            data: Its bytes.
            skipped: The bytes with which it must begin, as the one in whose place it is did.
        """
        mark = self._mark(candidate)
        if mark is not None:
            return not skipped, self._at_end(before, mark)
        if not data.startswith(skipped):
            return skipped.startswith(data), None
        text = before + data[len(skipped) :]
        if here.path and not self._beginnings.leads_through(here.path, here.written + text):
            return False, None
        return True, self._beginnings.first(text)

    def _at_end(self, before: bytes, mark: int) -> int | None:
        """The student's token for some bytes and a mark behind them."""
        if before:
            return self._beginnings.first(before, is_complete=True)
        return mark if mark != _NO_COUNTERPART else None

    def _mark(self, candidate: Candidate) -> int | None:
        """The student's token that means what a token without text does; None for a token with text."""
        names = (candidate.token, candidate.data.decode(errors="replace")) if self._specials else ()
        for name in names:
            if name in self._specials:
                return self._specials[name]
        return _NO_COUNTERPART if candidate.is_mark else None


def _summed(
    here: _Place, masses: Mapping[int | None, Sequence[float]], rest: Sequence[float]
) -> MappedDistribution:
    sums = {id_: math.fsum(parts) for id_, parts in masses.items()}
    # Inside a token of the teacher's, what was ruled out is missing, which may be everything.
    total = math.fsum([*sums.values(), *rest]) if here.within else 1.0
    if not total:
        sums, total = {None: 1.0}, 1.0
    unmapped = sums.pop(None, 0.0)
    tokens = sorted(
        ((share, id_) for id_, share in sums.items() if id_ is not None), key=lambda pair: (-pair[0], pair[1])
    )
    return MappedDistribution(
        position=here.position,
        ids=tuple(id_ for _, id_ in tokens),
        probabilities=tuple(share / total for share, _ in tokens),
        rest=math.fsum(rest) / total,
        unmapped=unmapped / total,
        is_inside=bool(here.within),
    )
