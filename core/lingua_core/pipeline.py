"""The way of prompts through all stages: where the pieces meet.

documents + query -> segment -> narrow -> score (batched across all documents) -> allot -> select -> render.
"""

import logging
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Literal

from lingua_core.budget import Budget
from lingua_core.documents import Document, as_documents
from lingua_core.errors import InputError, MissingQueryError, ScorerError
from lingua_core.fitting import Fitted, fit
from lingua_core.models.readings import Readings
from lingua_core.preparation import Preparation, PreparedDocument
from lingua_core.pruning.iterative import IterativePruner
from lingua_core.pruning.plan import Method, Plan
from lingua_core.pruning.repeats import repeats
from lingua_core.pruning.stages import document_shares
from lingua_core.removed.noting import Noting, Selected
from lingua_core.request import Request
from lingua_core.results import CompressionResult, Note, joined
from lingua_core.scorers.base import PassageScores, Scorer, ScoringTask, score_once
from lingua_core.scorers.combined import with_signals
from lingua_core.selection import Candidates
from lingua_core.tokens import TokenCounter

__all__ = ["Order", "Pipeline", "Prompt"]

_LOGGER = logging.getLogger(__name__)

Order = Literal["original", "relevance", "ends"]
_ROUNDS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What a user wants compressed.

    Attributes:
        documents: As they were given.
        query: The question, or None.
        budgets: One result for each.
    """

    documents: Sequence[str | Document]
    query: str | None
    budgets: tuple[Budget, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """All that a compressor is made of.

    Attributes:
        method: For messages and results.
        plan: Who values text, in what units, after which stages.
        preparation: Segments, protects and counts.
        counter: Counts what the reader will see.
        keep_headings: Whether what introduces a segment is kept with it.
        with_space: Whether kept pieces begin with the white space before them.
        separator: Joins the kept pieces of a document.
        document_separator: Joins documents.
        noting: Writes and stores what was removed.
    """

    method: Method
    plan: Plan
    preparation: Preparation
    counter: TokenCounter
    keep_headings: bool
    with_space: bool
    separator: str
    document_separator: str
    noting: Noting

    def run(self, prompts: Sequence[Prompt], *, instruction: str, order: Order) -> list[CompressionResult]:
        """A result for each budget of each prompt, in that order; what several need is scored once."""
        requests, budgets = self._requests(prompts, instruction)
        self._narrow(requests, budgets, instruction)
        self._score(requests, budgets, instruction)
        return [
            self._result(request, budget, order) for request, budget in zip(requests, budgets, strict=True)
        ]

    def _requests(self, prompts: Sequence[Prompt], instruction: str) -> tuple[list[Request], list[Budget]]:
        rows = [as_documents(prompt.documents) for prompt in prompts]
        noted = [self._checked_query(prompt.query) for prompt in prompts]
        if not isinstance(instruction, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers may be untyped
            raise InputError(f"instruction must be a str, got {type(instruction).__name__}.")
        flat = iter(self.preparation.prepare([document for documents in rows for document in documents]))
        requests: list[Request] = []
        readings = Readings() if self.plan.reads_twice else None
        for documents, prompt, (query, notes) in zip(rows, prompts, noted, strict=True):
            if not documents:
                notes.append(Note(code="no_documents", message="There were no documents to compress."))
            if instruction and not self.plan.reads_instruction(query):
                message = (
                    f"Method {self.method!r} scores by the query alone; the instruction had no influence."
                )
                notes.append(Note(code="unused_instruction", message=message))
            prepared = [next(flat) for _ in documents]
            requests += [
                Request(prepared=own, query=query, notes=notes, readings=readings)
                for own in _for_each(prepared, len(prompt.budgets))
            ]
        return requests, [budget for prompt in prompts for budget in prompt.budgets]

    def _checked_query(self, query: str | None) -> tuple[str | None, list[Note]]:
        if query is not None and not isinstance(query, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers may be untyped
            raise InputError(f"query must be a str or None, got {type(query).__name__}: {query!r:.80}.")
        if query is not None and query.strip():
            return query, []
        if self.plan.valuer.requires_query:
            raise MissingQueryError(
                f"Scorer {self.plan.valuer.name!r} needs a query, got {query!r}. "
                "Pass the user's question, or use a method that works without one."
            )
        if query is None:
            return None, []
        message = f"The query {query!r} is blank; segments were scored by informativeness instead."
        return None, [Note(code="blank_query", message=message)]

    def _narrow(self, requests: Sequence[Request], budgets: Sequence[Budget], instruction: str) -> None:
        """From documents to the segments that selection decides about."""
        allowances: list[int | None] = []
        for request, budget in zip(requests, budgets, strict=True):
            origin = sum(document.tokens for document in request.prepared)
            allowances.append(budget.allowance(origin))
            limit = budget.segment_limit(origin)
            if limit is not None and self.plan.segmenter is None:
                self.preparation.divide_oversized(request.prepared, limit)
        for stage in (self.plan.documents, self.plan.sentences):
            if stage is not None:
                stage.narrow(requests, allowances, instruction)
        if self.plan.signals is not None:
            self._listen(requests, self.plan.signals, instruction)
        if self.plan.segmenter is not None:
            every = [document for request in requests for document in request.prepared]
            self.preparation.refine(every, self.plan.segmenter, with_space=self.with_space)

    def _listen(self, requests: Sequence[Request], signals: Scorer, instruction: str) -> None:
        """Value sentences by what is to count beside the method's own scores."""
        asked = [request for request in requests if request.has_text()]
        tasks = [request.task(instruction) for request in asked]
        for request, found in zip(asked, _scored(signals, tasks), strict=True):
            request.hear(found)

    def _score(self, requests: Sequence[Request], budgets: Sequence[Budget], instruction: str) -> None:
        asked = [request for request in requests if request.has_text()]
        valuer = self.plan.valuer
        if not isinstance(valuer, IterativePruner):
            tasks = [request.task(instruction) for request in asked]
            for request, task, found in zip(asked, tasks, _scored(valuer, tasks), strict=True):
                beside = request.heard()
                request.accept(found if beside is None else with_signals(task, found, beside))
            return
        for request, budget in zip(requests, budgets, strict=True):
            if request.has_text():
                shares = self._shares(request, budget)
                request.accept(valuer.prune(request.task(instruction), shares, beside=request.heard()))

    def _shares(self, request: Request, budget: Budget) -> list[float]:
        allowance = budget.allowance(sum(document.tokens for document in request.prepared)) or 0
        left = sum(document.open_tokens for document in request.prepared)
        return document_shares(request, min(1.0, allowance / left) if left else 0.0, spread=self.plan.spread)

    def _fitted(
        self, request: Request, candidates: Candidates, budget: Budget, order: Sequence[int]
    ) -> Fitted:
        fitted = self._fit(request, candidates, budget, order)
        for _ in range(_ROUNDS if self.plan.drop_consecutive else 0):
            again = repeats(request.prepared, fitted.kept)
            if not again.any():
                break
            # What they cost goes to the next best.
            candidates = candidates.without(again)
            fitted = self._fit(request, candidates, budget, order)
        return fitted

    def _fit(self, request: Request, candidates: Candidates, budget: Budget, order: Sequence[int]) -> Fitted:
        return fit(
            request.prepared,
            candidates,
            budget,
            counter=self.counter,
            separator=self.separator,
            document_separator=self.document_separator,
            order=order,
        )

    def _result(self, request: Request, budget: Budget, order: Order) -> CompressionResult:
        in_order = _in_order(request, order)
        candidates = request.candidates(keep_headings=self.keep_headings)

        def select(within: Budget) -> Selected:
            fitted = self._fitted(request, candidates, within, in_order)
            documents = request.documents(candidates, fitted, separator=self.separator)
            return Selected(fitted=fitted, documents=documents, order=in_order)

        origin = sum(document.tokens for document in request.prepared)
        found = self.noting.select(select, budget, origin)
        fitted = found.fitted
        notes = (*request.notes, *request.outcome_notes(budget, candidates, fitted), *found.notes)
        for note in notes:
            _LOGGER.info("%s: %s", note.code, note.message)
        kept = found.kept()
        return CompressionResult(
            text=joined(kept, found.note, self.document_separator),
            documents=kept,
            dropped=tuple(document for document in found.documents if not document.spans),
            query=request.query,
            method=self.method,
            budget=budget,
            token_counter=self.counter.name,
            origin_tokens=origin,
            compressed_tokens=fitted.tokens,
            document_separator=self.document_separator,
            notes=notes,
            removal_note=found.note,
        )


def _for_each(prepared: list[PreparedDocument], number: int) -> list[list[PreparedDocument]]:
    """Prepared documents for each budget; stages exchange the lists in them, and never change one."""
    return [prepared, *([copy(document) for document in prepared] for _ in range(number - 1))][:number]


def _scored(scorer: Scorer, tasks: Sequence[ScoringTask]) -> list[Sequence[PassageScores]]:
    """Scores of all tasks, of the right number."""
    found = score_once(scorer, tasks)
    if len(found) != len(tasks) or any(
        len(scores) != len(task.passages) for scores, task in zip(found, tasks, strict=False)
    ):
        raise ScorerError(f"Scorer {scorer.name!r} must return one PassageScores for each passage.")
    return found


def _in_order(request: Request, order: Order) -> list[int]:
    """Indices of the documents as the reader will see them."""
    found = list(range(len(request.prepared)))
    if order == "original":
        return found
    # What an earlier stage has set aside takes no place between the others.
    found.sort(key=lambda i: (not request.prepared[i].is_open, -request.relevance(i)))
    return found if order == "relevance" else found[::2] + found[1::2][::-1]
