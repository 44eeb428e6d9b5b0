"""Selections with a note of what they leave out.

The note has to fit the budget too, and what it says depends on the selection.

Room for the note is set aside, the rest is filled, the note is written about what is left out then, and what
it does not need is given back. The rendered whole is counted, and the note gives way until the count holds.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from lingua_core.budget import RATE_TOLERANCE, Budget
from lingua_core.errors import ProtectedOverBudgetError, RemovedStoreError
from lingua_core.fitting import Fitted
from lingua_core.removed.note import HINT, RemovalNoteOptions, written_note
from lingua_core.removed.parts import OriginalDocument, RemovedPart, removed_parts
from lingua_core.removed.store import RemovedStore
from lingua_core.results import CompressedDocument, Note, joined
from lingua_core.tokens import TokenCounter, adds_up

__all__ = ["Noting", "Selected"]

_LOGGER = logging.getLogger(__name__)
_WORTH_GIVING_BACK = 8
"""Tokens; less is not worth another selection."""
_LEAST = 6
"""Tokens that no note is shorter than."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """A selection, rendered.

    Attributes:
        fitted: The selection; its `tokens` are those of the whole, with the notes.
        documents: Every document, in input order, each with its note.
        order: Indices of the documents as the reader will see them.
        note: What stands behind all of them.
        notes: What did not go the plain way.
    """

    fitted: Fitted
    documents: Sequence[CompressedDocument]
    order: Sequence[int]
    note: str = ""
    notes: tuple[Note, ...] = ()

    def kept(self) -> tuple[CompressedDocument, ...]:
        """The documents of which something was kept, in the order of the prompt."""
        return tuple(self.documents[i] for i in self.order if self.documents[i].spans)


Select = Callable[[Budget], Selected]


@dataclass(frozen=True, slots=True, kw_only=True)
class Noting:
    """Writes notes of what was removed, and hands what was removed to a store.

    Attributes:
        options: How long notes may be; None for no notes.
        store: Takes what was removed; None for nobody.
        counter: Counts what the reader will see.
        document_separator: Joins documents, and the last one and the note.
    """

    options: RemovalNoteOptions | None
    store: RemovedStore | None
    counter: TokenCounter
    document_separator: str

    def select(self, select: Select, budget: Budget, origin_tokens: int) -> Selected:
        """The selection for a budget that holds with its note; what was removed is stored."""
        found = self._noted(select, budget, origin_tokens)
        if self.store is None:
            return found
        parts = removed_parts(found.documents)
        if not parts:
            return found
        try:
            touched = {part.document for part in parts}
            sources = [document.source for document in found.documents if document.index in touched]
            self.store.put(parts, [OriginalDocument.of(source) for source in sources])
        except RemovedStoreError as error:
            # The compression is done and paid for; what fails is the way back.
            note = Note(code="not_stored", message=f"What was removed could not be stored: {error}")
            found = replace(found, notes=(*found.notes, note))
            return replace(self, store=None)._without_ids(found) if self.options is not None else found
        return found

    def _noted(self, select: Select, budget: Budget, origin_tokens: int) -> Selected:
        if self.options is None:
            return select(budget)
        allowance = budget.allowance(origin_tokens)
        limit = self.options.limit(allowance)
        if allowance is None:
            plain = select(budget)
            return self._with_note(plain, limit, None) or _noteless(plain)
        if allowance < origin_tokens and limit >= _LEAST:
            found = self._within(select, budget, origin_tokens, limit)
            if found is not None:
                return found
        plain = select(budget)
        return _noteless(plain) if removed_parts(plain.documents) else plain

    def _within(self, select: Select, budget: Budget, origin_tokens: int, limit: int) -> Selected | None:
        """The selection with its note within the budget; None if there is no room for both."""
        room = limit
        while (first := self._in_room(select, budget, origin_tokens, room)) is None:
            room //= 2  # too much of a small budget may leave none for the documents
            if room < _LEAST:
                return None
        needed = self._note_tokens(first)
        if room - needed < _WORTH_GIVING_BACK:
            return first
        second = self._in_room(select, budget, origin_tokens, needed)
        return second if second is not None and second.fitted.tokens >= first.fitted.tokens else first

    def _in_room(self, select: Select, budget: Budget, origin_tokens: int, room: int) -> Selected | None:
        try:
            found = select(_lessened(budget, room, origin_tokens))
        except ProtectedOverBudgetError:
            return None
        ceiling = int(budget.value)
        if budget.kind == "rate":
            ceiling = int((budget.value + RATE_TOLERANCE) * origin_tokens)
        return self._with_note(found, room, ceiling) if found.fitted.kept.any() else None

    def _with_note(self, found: Selected, limit: int, ceiling: int | None) -> Selected | None:
        """The selection with notes of at most `limit` tokens, and `ceiling` in all; None if none fits."""
        parts = removed_parts(found.documents)
        if not parts:
            return found
        # A note that is longer than what it is about saves nobody anything.
        limit = min(limit, sum(part.tokens for part in parts))
        while limit >= _LEAST:
            noted = self._written(found, parts, limit)
            if not noted.note and not any(document.removal_note for document in noted.documents):
                return None
            over = 0 if ceiling is None else noted.fitted.tokens - ceiling
            if over <= 0:
                return noted
            limit = min(limit, self._note_tokens(noted)) - over
        return None

    def _written(self, found: Selected, parts: Sequence[RemovedPart], limit: int) -> Selected:
        # Whoever wants no notes need not load what finds topics.
        from lingua_core.removed.topics import topics

        assert self.options is not None
        hint = None if self.store is None else (HINT if self.options.hint is None else self.options.hint)
        kept = {document.index: document.text for document in found.documents if document.spans}
        own: dict[int | None, list[RemovedPart]] = {}
        for part in parts:
            is_own = self.options.per == "document" and part.document in kept
            own.setdefault(part.document if is_own else None, []).append(part)
        texts = {
            index: written_note(
                group, topics(group, kept=kept), limit=limit // len(own), counter=self.counter, hint=hint
            )
            for index, group in own.items()
        }
        documents = [
            replace(document, removal_note=texts.get(document.index, "")) for document in found.documents
        ]
        noted = replace(found, documents=documents, note=texts.get(None, ""))
        return self._counted(noted, found.fitted.tokens)

    def _counted(self, noted: Selected, plain_tokens: int) -> Selected:
        """The selection with the tokens of the whole, notes and all."""
        written = [note for note in (*(d.removal_note for d in noted.documents), noted.note) if note]
        if not written:
            return noted
        if adds_up(self.counter, self.document_separator):
            tokens = plain_tokens + sum(self.counter.count(written))
        else:
            whole = joined(noted.kept(), noted.note, self.document_separator)
            (tokens,) = self.counter.count([whole])
        return replace(noted, fitted=replace(noted.fitted, tokens=tokens))

    def _note_tokens(self, noted: Selected) -> int:
        return sum(self.counter.count([*(d.removal_note for d in noted.documents), noted.note]))

    def _without_ids(self, found: Selected) -> Selected:
        """The same selection with notes that promise no ids."""
        assert self.options is not None
        bare = [replace(document, removal_note="") for document in found.documents]
        plain = replace(found, documents=bare, note="")
        (tokens,) = self.counter.count([joined(plain.kept(), "", self.document_separator)])
        plain = replace(plain, fitted=replace(found.fitted, tokens=tokens))
        return self._with_note(plain, self._note_tokens(found), found.fitted.tokens) or plain


def _lessened(budget: Budget, room: int, origin_tokens: int) -> Budget:
    """The budget without the room for the note."""
    if budget.kind == "target_tokens":
        return replace(budget, value=max(1, budget.value - room))
    return replace(budget, value=max(1 / origin_tokens, budget.value - room / origin_tokens))


def _noteless(found: Selected) -> Selected:
    if not removed_parts(found.documents):
        return found
    message = "There was no room in the budget for a note of what was removed."
    return replace(found, notes=(*found.notes, Note(code="no_removal_note", message=message)))
