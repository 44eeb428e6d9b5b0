"""`PromptCompressor`: the pipeline, and the only place where the pieces meet.

documents + query -> segment -> score (batched across all documents) -> allot -> select -> render.
"""

import logging
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, Literal, get_args

from lingua_core.budget import Budget, choose_budget
from lingua_core.documents import Document, as_documents
from lingua_core.errors import BudgetError, InputError, MissingQueryError, ScorerError
from lingua_core.fitting import fit
from lingua_core.models.readings import Readings
from lingua_core.preparation import Preparation
from lingua_core.protection import DEFAULT_PROTECT, Protection, as_pattern
from lingua_core.pruning.iterative import IterativePruner
from lingua_core.pruning.options import PruningOptions, as_options
from lingua_core.pruning.plan import Method, ModelSource, make_plan
from lingua_core.pruning.stages import document_shares
from lingua_core.request import Request
from lingua_core.results import CompressionResult, Note
from lingua_core.scorers import Scorer
from lingua_core.segmentation import Segmenter, TextSegmenter
from lingua_core.tokens import TokenCounter, resolve_token_counter

__all__ = ["Method", "Order", "PromptCompressor"]

_LOGGER = logging.getLogger(__name__)

Order = Literal["original", "relevance", "ends"]


class PromptCompressor:
    """Cuts retrieved documents to what matters for a question, verbatim.

    Holds no state between calls, and may be used from many threads and tasks at once.

    Args:
        method: "extract" (the embedded model; default) or "lexical" (BM25, no model) keep sentences.
            "llmlingua", "longllmlingua", "llmlingua2" and "selective-context" keep words or phrases, with a
            model of yours.
        model: What "extract" scores with: None for the embedded extractor, a local folder with an
            extractor (`lingua train extractor`) or a sentence encoder (`lingua train export-encoder`), or
            any object that satisfies `lingua_core.scorers.Scorer`. For the last four: the folder of a causal
            language model ("llmlingua2": of a token classifier), its name on the Hugging Face hub, or a pair
            of a loaded model and its tokenizer.
        options: Of the last four methods: `PruningOptions`, or the same as a mapping.
        device: "auto", "cpu", "cuda" (for ONNX models with an onnxruntime build that has it) or another of
            torch's. Never a GPU by default.
        token_counter: How the reading model counts: a function from text to int, the name of a
            tiktoken encoding or Hugging Face tokenizer, or None for the embedded tokenizer. Every
            token number in every result is this counter's.
        protect: What is never cut in half: names of built-in kinds ("numbers", "negations", "code",
            "urls", "quotes"), compiled patterns, or regular expressions as strings.
        always_keep: Regular expressions; a segment with a match is kept whatever its score.
        keep_headings: Keep what introduces a kept segment with it: the heading above, the header
            row of a table, the lead-in of a list; and no heading without anything below it.
        segmenter: Cuts text into sentences, list items, table rows, code blocks.
        separator: Joins the kept pieces of a document. None for a line break between sentences, and for
            words the white space that stands before each.
        document_separator: Joins the documents in the result's text.
        threads: How many windows of text are scored at once; None for all usable cores.

    Raises:
        InputError: If an option cannot be used; see the message.
    """

    def __init__(
        self,
        method: Method = "extract",
        *,
        model: ModelSource | None = None,
        options: PruningOptions | Mapping[str, Any] | None = None,
        device: str = "auto",
        token_counter: str | Callable[[str], int] | TokenCounter | None = None,
        protect: Collection[str | re.Pattern[str]] = DEFAULT_PROTECT,
        always_keep: Sequence[str | re.Pattern[str]] = (),
        keep_headings: bool = True,
        segmenter: Segmenter | None = None,
        separator: str | None = None,
        document_separator: str = "\n\n",
        threads: int | None = None,
    ) -> None:
        if not isinstance(always_keep, Sequence):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise InputError(f"always_keep must be a sequence of patterns, got {always_keep!r:.80}.")
        if segmenter is not None and not callable(getattr(segmenter, "segment", None)):
            raise InputError(f"segmenter must have a method segment(text), got {segmenter!r:.80}.")
        if isinstance(always_keep, str):
            raise InputError(
                f"always_keep must be a sequence of patterns, got the single str {always_keep!r}."
            )
        for name, value in (("separator", separator), ("document_separator", document_separator)):
            if not isinstance(value, str) and (value is not None or name != "separator"):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
                raise InputError(f"{name} must be a str, got {type(value).__name__}: {value!r:.80}.")
        if not isinstance(keep_headings, bool):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise InputError(f"keep_headings must be True or False, got {keep_headings!r:.80}.")
        self.method: Method = method
        self._plan = make_plan(
            method,
            model,
            as_options(options) if options is not None else None,
            device=device,
            threads=threads,
        )
        self._with_space = separator is None and self._plan.segmenter is not None
        separator = separator if separator is not None else ("" if self._with_space else "\n")
        self._counter = resolve_token_counter(token_counter)
        self._keep_headings = keep_headings
        self._separator = separator
        self._document_separator = document_separator
        self._preparation = Preparation(
            segmenter=segmenter if segmenter is not None else TextSegmenter(),
            protection=Protection(protect),
            required=[as_pattern(item, "always_keep") for item in always_keep],
            counter=self._counter,
            separator=separator,
        )

    @property
    def token_counter(self) -> TokenCounter:
        """The counter behind every token number."""
        return self._counter

    @property
    def scorer(self) -> Scorer | IterativePruner:
        """What values the text."""
        return self._plan.valuer

    def compress(
        self,
        documents: Sequence[str | Document],
        query: str | None = None,
        *,
        target_tokens: int | None = None,
        rate: float | None = None,
        threshold: float | None = None,
        instruction: str = "",
        order: Order = "original",
    ) -> CompressionResult:
        """Compress the documents of one prompt.

        Give at most one of `target_tokens`, `rate` and `threshold`; with none, the scorer's default
        threshold applies ("extract": how much is kept follows from the question), or a rate of 0.5 where
        its scores are not calibrated ("lexical", and "extract" without a query).

        Args:
            documents: Texts or documents. An empty sequence gives an empty result.
            query: The question; None keeps what is most informative by itself.
            target_tokens: The most tokens that the result's text may have.
            rate: The fraction of tokens to keep, 0 < rate <= 1; met within 0.02 where whole
                segments allow it.
            threshold: Keep every segment that scores at least this; for "extract" with a query, its
                probability of being evidence.
            instruction: What the reader is told to do, for methods that read the whole prompt;
                "extract" and "lexical" do not, and say so in the result's notes.
            order: Documents in input order, sorted by relevance, or the most relevant ones at both ends,
                where readers of long prompts look most ("two-stage" reordering).

        Raises:
            InputError: If an argument cannot be used; raised before any model runs.
            ProtectedOverBudgetError: If what may not be cut is larger than the budget.
        """
        return self.compress_batch(
            [documents],
            [query],
            target_tokens=target_tokens,
            rate=rate,
            threshold=threshold,
            instruction=instruction,
            order=order,
        )[0]

    async def acompress(
        self,
        documents: Sequence[str | Document],
        query: str | None = None,
        *,
        target_tokens: int | None = None,
        rate: float | None = None,
        threshold: float | None = None,
        instruction: str = "",
        order: Order = "original",
    ) -> CompressionResult:
        """`compress` without blocking the event loop; the same result."""
        import asyncio  # costs a third of the package's import time, and is loaded anyway where it is used

        return await asyncio.to_thread(
            partial(
                self.compress,
                documents,
                query,
                target_tokens=target_tokens,
                rate=rate,
                threshold=threshold,
                instruction=instruction,
                order=order,
            )
        )

    def compress_batch(
        self,
        batch: Sequence[Sequence[str | Document]],
        queries: Sequence[str | None] | None = None,
        *,
        target_tokens: int | None = None,
        rate: float | None = None,
        threshold: float | None = None,
        instruction: str = "",
        order: Order = "original",
    ) -> list[CompressionResult]:
        """Compress several prompts; all their documents are scored in one pass.

        Each result is what `compress` returns for its documents and query; the budget applies to
        each by itself.

        Args:
            batch: The documents of each prompt.
            queries: The query of each prompt; None for no queries.
            target_tokens: As in `compress`.
            rate: As in `compress`.
            threshold: As in `compress`.
            instruction: As in `compress`.
            order: As in `compress`.

        Raises:
            InputError: As `compress`, and if there are not as many queries as prompts.
        """
        with_query, without_query = (
            choose_budget(
                target_tokens=target_tokens, rate=rate, threshold=threshold, default_threshold=default
            )
            for default in (self._plan.valuer.default_threshold, None)
        )
        if self._plan.needs_share and with_query.kind == "threshold":
            raise BudgetError(
                f"Method {self.method!r} decides how much to keep of each stretch of text and has no scores "
                f"for a threshold, got threshold={threshold!r}. Give target_tokens or rate."
            )
        if order not in get_args(Order):
            raise InputError(f"order must be one of {', '.join(map(repr, get_args(Order)))}, got {order!r}.")
        requests = self._requests(batch, queries, instruction)
        budgets = [with_query if request.query is not None else without_query for request in requests]
        self._narrow(requests, budgets, instruction)
        self._score(requests, budgets, instruction)
        return [
            self._result(request, budget, order) for request, budget in zip(requests, budgets, strict=True)
        ]

    def _requests(
        self,
        batch: Sequence[Sequence[str | Document]],
        queries: Sequence[str | None] | None,
        instruction: str,
    ) -> list[Request]:
        if not _is_sequence(batch) or not (queries is None or _is_sequence(queries)):
            raise InputError(
                "compress_batch takes a sequence of document sequences and a sequence of queries, got "
                f"{type(batch).__name__} and {type(queries).__name__}."
            )
        prompts = [as_documents(documents) for documents in batch]
        asked = list(queries) if queries is not None else [None] * len(prompts)
        if len(asked) != len(prompts):
            raise InputError(f"Got {len(prompts)} prompts but {len(asked)} queries; pass one query for each.")
        noted = [self._checked_query(query) for query in asked]
        if not isinstance(instruction, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers may be untyped
            raise InputError(f"instruction must be a str, got {type(instruction).__name__}.")
        flat = iter(self._preparation.prepare([document for documents in prompts for document in documents]))
        requests: list[Request] = []
        readings = Readings() if self._plan.reads_twice else None
        for documents, (query, notes) in zip(prompts, noted, strict=True):
            if not documents:
                notes.append(Note(code="no_documents", message="There were no documents to compress."))
            if instruction:
                message = (
                    f"Method {self.method!r} scores by the query alone; the instruction had no influence."
                )
                notes.append(Note(code="unused_instruction", message=message))
            prepared = [next(flat) for _ in documents]
            requests.append(Request(prepared=prepared, query=query, notes=notes, readings=readings))
        return requests

    def _checked_query(self, query: str | None) -> tuple[str | None, list[Note]]:
        if query is not None and not isinstance(query, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers may be untyped
            raise InputError(f"query must be a str or None, got {type(query).__name__}: {query!r:.80}.")
        if query is not None and query.strip():
            return query, []
        if self._plan.valuer.requires_query:
            raise MissingQueryError(
                f"Scorer {self._plan.valuer.name!r} needs a query, got {query!r}. "
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
            if limit is not None and self._plan.segmenter is None:
                self._preparation.divide_oversized(request.prepared, limit)
        for stage in (self._plan.documents, self._plan.sentences):
            if stage is not None:
                stage.narrow(requests, allowances, instruction)
        if self._plan.segmenter is not None:
            every = [document for request in requests for document in request.prepared]
            self._preparation.refine(every, self._plan.segmenter, with_space=self._with_space)

    def _score(self, requests: Sequence[Request], budgets: Sequence[Budget], instruction: str) -> None:
        asked = [request for request in requests if request.has_text()]
        if not asked:
            return
        tasks = [request.task(instruction) for request in asked]
        valuer = self._plan.valuer
        if isinstance(valuer, IterativePruner):
            shares = {
                id(request): self._shares(request, budget)
                for request, budget in zip(requests, budgets, strict=True)
            }
            scores = [
                valuer.prune(task, shares[id(request)]) for request, task in zip(asked, tasks, strict=True)
            ]
        else:
            scores = valuer.score(tasks)
        if len(scores) != len(tasks) or any(
            len(s) != len(t.passages) for s, t in zip(scores, tasks, strict=False)
        ):
            raise ScorerError(
                f"Scorer {self._plan.valuer.name!r} must return one PassageScores for each passage."
            )
        for request, found in zip(asked, scores, strict=True):
            request.accept(found)

    def _shares(self, request: Request, budget: Budget) -> list[float]:
        allowance = budget.allowance(sum(document.tokens for document in request.prepared)) or 0
        left = sum(document.open_tokens for document in request.prepared)
        return document_shares(request, min(1.0, allowance / left) if left else 0.0, spread=self._plan.spread)

    def _result(self, request: Request, budget: Budget, order: Order) -> CompressionResult:
        in_order = _in_order(request, order)
        candidates = request.candidates(keep_headings=self._keep_headings)
        fitted = fit(
            request.prepared,
            candidates,
            budget,
            counter=self._counter,
            separator=self._separator,
            document_separator=self._document_separator,
            order=in_order,
        )
        notes = (*request.notes, *request.outcome_notes(budget, candidates, fitted))
        for note in notes:
            _LOGGER.info("%s: %s", note.code, note.message)
        documents = request.documents(candidates, fitted, separator=self._separator)
        kept = tuple(documents[i] for i in in_order if documents[i].spans)
        return CompressionResult(
            text=self._document_separator.join([document.text for document in kept]),
            documents=kept,
            dropped=tuple(document for document in documents if not document.spans),
            query=request.query,
            method=self.method,
            budget=budget,
            token_counter=self._counter.name,
            origin_tokens=sum(document.tokens for document in request.prepared),
            compressed_tokens=fitted.tokens,
            document_separator=self._document_separator,
            notes=notes,
        )


def _in_order(request: Request, order: Order) -> list[int]:
    """Indices of the documents as the reader will see them."""
    found = list(range(len(request.prepared)))
    if order == "original":
        return found
    # What an earlier stage has set aside takes no place between the others.
    found.sort(key=lambda i: (not request.prepared[i].is_open, -request.relevance(i)))
    return found if order == "relevance" else found[::2] + found[1::2][::-1]


def _is_sequence(value: object) -> bool:
    """Whether a caller's value is a sequence of several things, and no single text."""
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))
