"""Compressing several pieces of one prompt where they stand, within one budget.

What tagged prompts, JSON data and chat messages have in common: some texts are compressed, the rest is
rendered around them by a function that only the caller knows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from operator import index as as_index

from lingua_core.budget import choose_budget
from lingua_core.compression import PromptCompressor
from lingua_core.documents import Document, Span
from lingua_core.errors import InputError, ProtectedOverBudgetError
from lingua_core.results import CompressedDocument, CompressionResult, Note, Savings

__all__ = [
    "CompressedPart",
    "Counted",
    "Part",
    "Structure",
    "as_it_is",
    "check_compressor",
    "compress_parts",
    "placed_notes",
    "whole_number",
]

_FIXED = "What does not share that budget (text that stays, parts with a rate of their own)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted(Savings):
    """The statistics that every result of a structured compression has.

    Attributes:
        origin_tokens: Tokens before.
        compressed_tokens: Tokens after.
        token_counter: Name of the counter behind both.
        notes: What did not go the plain way; `document` is an index into the result's `parts`.
    """

    origin_tokens: int
    compressed_tokens: int
    token_counter: str
    notes: tuple[Note, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A text to compress.

    Attributes:
        text: The text; the white space at its ends stays.
        rate: Kept fraction of this part alone; None to share the budget of the whole.
        group: Parts with a rate and the same group meet it together; None to meet it alone.
        id: The id of the part's document in the compressor's result.
    """

    text: str
    rate: float | None = None
    group: str | None = None
    id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressedPart:
    """A part after compression.

    Attributes:
        text: What stands in its place.
        spans: What was kept: sorted, disjoint character spans into the part's text.
        document: The compressor's verdict; None if there was nothing to decide, because the part is blank
            or the whole is within the target as it is.
        result: The compression that the part was in, alone or with others; None as above.
    """

    text: str
    spans: tuple[Span, ...]
    document: CompressedDocument | None
    result: CompressionResult | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Structure:
    """What is around the parts.

    Attributes:
        tokens: Counts what `target_tokens` bounds, given the text of every part.
        bounded: What that is, for error messages.
        nothing: What stands for a part of which nothing was kept; None for the white space at its ends.
    """

    tokens: Callable[[Sequence[str]], int]
    bounded: str
    nothing: str | None = None


def compress_parts(
    parts: Sequence[Part],
    compressor: PromptCompressor,
    query: str | None,
    *,
    structure: Structure,
    target_tokens: int | None,
    rate: float | None,
    threshold: float | None,
) -> tuple[list[CompressedPart], tuple[Note, ...]]:
    """Compress the parts: those with a rate to their rate, the others together within the budget.

    Parts of equal budgets are scored in one batch. A target is met as `structure` counts it, which may
    take more than one round where tokens join across the borders of parts.

    Returns:
        The parts in order, and the compressor's notes with `document` as an index into the parts.

    Raises:
        InputError: If the query or the budget cannot be used.
        ProtectedOverBudgetError: If what is not compressed exceeds the target, or nothing fits into
            what is left of it.
    """
    budget = choose_budget(target_tokens=target_tokens, rate=rate, threshold=threshold)
    if query is not None and not isinstance(query, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
        raise InputError(f"query must be a str or None, got {type(query).__name__}: {query!r:.80}.")
    work = _Work(parts, compressor, query, structure)
    if budget.kind != "target_tokens":
        if budget.is_default or budget.kind == "threshold":
            work.run([work.shared], threshold=threshold)
        work.run_rates(rate)
    else:
        work.run_rates(None)
        work.meet_target(int(budget.value))
    return work.done, work.notes()


class _Work:
    """The parts of one prompt on their way; lives for one call."""

    def __init__(
        self,
        parts: Sequence[Part],
        compressor: PromptCompressor,
        query: str | None,
        structure: Structure,
    ) -> None:
        self._parts = parts
        self._compressor = compressor
        self._query = query
        self._structure = structure
        self.done = [as_it_is(part) for part in parts]
        self.shared = [i for i, part in enumerate(parts) if part.rate is None and part.text.strip()]

    def run_rates(self, rate: float | None) -> None:
        """Compress what has a rate of its own and, if given, the shared parts to theirs."""
        groups: dict[float, dict[object, list[int]]] = {}
        if rate is not None:
            groups[rate] = {None: self.shared}
        for i, part in enumerate(self._parts):
            if part.rate is not None and part.text.strip():
                key = i if part.group is None else part.group
                groups.setdefault(part.rate, {}).setdefault(key, []).append(i)
        for value, grouped in groups.items():
            self.run(list(grouped.values()), rate=value)

    def run(
        self,
        groups: Sequence[Sequence[int]],
        *,
        target_tokens: int | None = None,
        rate: float | None = None,
        threshold: float | None = None,
    ) -> None:
        """Compress groups of parts in one batch, each group to the same budget."""
        groups = [group for group in groups if group]
        if not groups:
            return
        results = self._compressor.compress_batch(
            [[Document(self._parts[i].text.strip(), id=self._parts[i].id) for i in g] for g in groups],
            [self._query] * len(groups),
            target_tokens=target_tokens,
            rate=rate,
            threshold=threshold,
        )
        for group, result in zip(groups, results, strict=True):
            for document in (*result.documents, *result.dropped):
                i = group[document.index]
                self.done[i] = _compressed(self._parts[i], document, result, self._structure.nothing)

    def meet_target(self, target: int) -> None:
        """Compress the shared parts until the whole is within the target."""
        counter = self._compressor.token_counter
        whole = self._tokens()
        if whole <= target:
            return
        fixed = self._tokens(without=set(self.shared))
        if fixed > target:
            raise ProtectedOverBudgetError(
                f"target_tokens={target} is for {self._structure.bounded}. {_FIXED} is {fixed} tokens "
                f"({counter.name}) by itself. Raise target_tokens, or let more be compressed."
            )
        # Inside the structure the same text may cost more: JSON escapes its line breaks and quotes.
        alone = sum(counter.count([self._parts[i].text for i in self.shared]))
        left = target - fixed
        allowance = max(min(left, 1), int(left * min(1.0, alone / max(1, whole - fixed))))
        step = 1
        while allowance >= 1:
            self._run_shared(allowance, target=target, fixed=fixed)
            over = self._tokens() - target
            if over <= 0:
                return
            allowance -= max(over, step)
            step *= 2
        raise ProtectedOverBudgetError(
            f"target_tokens={target} is for {self._structure.bounded}. {_FIXED} is {fixed} tokens "
            f"({counter.name}), which leaves too few for any of the rest. Raise target_tokens."
        )

    def _run_shared(self, allowance: int, *, target: int, fixed: int) -> None:
        try:
            self.run([self.shared], target_tokens=allowance)
        except ProtectedOverBudgetError as error:
            raise ProtectedOverBudgetError(
                f"target_tokens={target} is for {self._structure.bounded}. {_FIXED} is {fixed} tokens, "
                f"which leaves about {allowance} for the rest. {error}"
            ) from error

    def _tokens(self, without: "set[int] | frozenset[int]" = frozenset()) -> int:
        # Without what may stand for nothing: it does only where nothing is kept.
        return self._structure.tokens(
            [
                _emptied(self._parts[i].text, None) if i in without else done.text
                for i, done in enumerate(self.done)
            ]
        )

    def notes(self) -> tuple[Note, ...]:
        """The notes of all compressions, about parts instead of documents, each once."""
        members: dict[int, list[int]] = {}
        results: dict[int, CompressionResult] = {}
        for i, done in enumerate(self.done):
            if done.result is not None:
                members.setdefault(id(done.result), []).append(i)
                results[id(done.result)] = done.result
        return tuple(
            dict.fromkeys(
                _note_about(note, members[key]) for key, result in results.items() for note in result.notes
            )
        )


def placed_notes(notes: Sequence[Note], places: Sequence[int]) -> tuple[Note, ...]:
    """Notes about some of a structure's pieces, as notes about places among all of them."""
    return tuple(
        note if note.document is None else replace(note, document=places[note.document]) for note in notes
    )


def _note_about(note: Note, parts: Sequence[int]) -> Note:
    if note.document is not None:
        return replace(note, document=parts[note.document])
    if len(parts) == 1 and note.code != "blank_query":
        return replace(note, document=parts[0])
    return note


def as_it_is(part: Part) -> CompressedPart:
    """A part of which all is kept, without a verdict."""
    spans = (Span(0, len(part.text)),) if part.text else ()
    return CompressedPart(text=part.text, spans=spans, document=None, result=None)


def _compressed(
    part: Part, document: CompressedDocument, result: CompressionResult, nothing: str | None
) -> CompressedPart:
    text = part.text
    start = len(text) - len(text.lstrip())
    end = start + len(document.source.text)
    if document.spans:
        new = text[:start] + document.noted_text + text[end:]
        spans = tuple(Span(start + a, start + b) for a, b in document.spans)
    else:
        new, spans = _emptied(text, nothing), ()
    return CompressedPart(text=new, spans=spans, document=document, result=result)


def _emptied(text: str, nothing: str | None) -> str:
    if nothing is not None:
        return nothing
    return text[: len(text) - len(text.lstrip())] + text[len(text.rstrip()) :]


def check_compressor(compressor: PromptCompressor) -> None:
    """Raise InputError if it is no compressor."""
    if not isinstance(compressor, PromptCompressor):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
        raise InputError(
            f"compressor must be a PromptCompressor, got {type(compressor).__name__}: {compressor!r:.80}. "
            "Make one: PromptCompressor()."
        )


def whole_number(name: str, value: int) -> int:
    """The value, if it is a whole number of at least 0; else raise InputError."""
    try:
        number = as_index(value)
    except TypeError as error:
        raise InputError(f"{name} must be a whole number, got {value!r:.80}.") from error
    if isinstance(value, bool) or number < 0:
        raise InputError(f"{name} must be a whole number of at least 0, got {value!r}.")
    return number
