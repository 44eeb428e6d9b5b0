"""`PromptCompressor`: what users call; `pipeline` does it."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, get_args

from lingua_core.budget import Budget, choose_budget
from lingua_core.documents import Document, as_documents
from lingua_core.errors import BudgetError, InputError
from lingua_core.pipeline import Order, Pipeline, Prompt
from lingua_core.preparation import Preparation
from lingua_core.protection import DEFAULT_PROTECT, Protection, as_pattern
from lingua_core.pruning.iterative import IterativePruner
from lingua_core.pruning.options import PruningOptions, as_options
from lingua_core.pruning.plan import Method, ModelSource, make_plan
from lingua_core.removed.note import RemovalNoteOptions, as_note_options
from lingua_core.removed.noting import Noting
from lingua_core.removed.store import RemovedStore, checked_store
from lingua_core.repeated_selection import RepeatedSelection
from lingua_core.results import CompressionResult
from lingua_core.scorers import Scorer
from lingua_core.segmentation import Segmenter, TextSegmenter
from lingua_core.tokens import TokenCounter, resolve_token_counter

__all__ = ["Method", "Order", "PromptCompressor"]


class PromptCompressor:
    """Cuts retrieved documents to what matters for a question, verbatim.

    Holds no state between calls, and may be used from many threads and tasks at once.

    Args:
        method: "extract" (the embedded model; default) or "lexical" (BM25, no model) keep sentences.
            "llmlingua", "longllmlingua" and "selective-context" keep words or phrases, with the embedded
            language model or one of yours; "llmlingua2" with a token classifier of yours.
        model: What "extract" scores with: None for the embedded extractor, a local folder with an
            extractor (`lingua train extractor`) or a sentence encoder (`lingua train export-encoder`), or
            any object that satisfies `lingua_core.scorers.Scorer`. For methods that keep words: None for the
            embedded language model, the folder of a causal language model ("llmlingua2": of a token
            classifier), its name on the Hugging Face hub, or a pair of a loaded model and its tokenizer.
        adapter: The folder of a low-rank adapter (`lingua train align --lora`, or peft's) for a causal
            language model that is given by folder or name.
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
        removal_note: Whether the result's text ends with a note of what was removed: the number of passages
            and what they are about. It counts towards the budget. True for the defaults of
            `RemovalNoteOptions`, these, or the same as a mapping.
        removed_store: Where what was removed is kept, to be asked for by id: an
            `lingua_core.removed.InMemoryStore`, a `SQLiteStore`, or your own. None: nothing is kept anywhere.

    Raises:
        InputError: If an option cannot be used; see the message.
    """

    def __init__(
        self,
        method: Method = "extract",
        *,
        model: ModelSource | None = None,
        adapter: str | Path | None = None,
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
        removal_note: bool | RemovalNoteOptions | Mapping[str, Any] = False,
        removed_store: RemovedStore | None = None,
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
        plan = make_plan(
            method,
            model,
            as_options(options) if options is not None else None,
            adapter=adapter,
            device=device,
            threads=threads,
        )
        with_space = separator is None and plan.segmenter is not None
        separator = separator if separator is not None else ("" if with_space else "\n")
        counter = resolve_token_counter(token_counter)
        self._pipeline = Pipeline(
            method=method,
            plan=plan,
            preparation=Preparation(
                segmenter=segmenter if segmenter is not None else TextSegmenter(),
                protection=Protection(protect),
                required=[as_pattern(item, "always_keep") for item in always_keep],
                counter=counter,
                separator=separator,
            ),
            counter=counter,
            keep_headings=keep_headings,
            with_space=with_space,
            separator=separator,
            document_separator=document_separator,
            noting=Noting(
                options=as_note_options(removal_note),
                store=checked_store(removed_store),
                counter=counter,
                document_separator=document_separator,
            ),
        )

    @property
    def removed_store(self) -> RemovedStore | None:
        """Where what was removed is kept."""
        return self._pipeline.noting.store

    @property
    def token_counter(self) -> TokenCounter:
        """The counter behind every token number."""
        return self._pipeline.counter

    @property
    def scorer(self) -> Scorer | IterativePruner:
        """What values the text."""
        return self._pipeline.plan.valuer

    @property
    def keeps_segments(self) -> bool:
        """Whether sentences and the like are kept whole, and `repeated_selection` can be used."""
        return self._pipeline.plan.keeps_segments

    @property
    def separator(self) -> str:
        """What joins the kept pieces of a document."""
        return self._pipeline.separator

    def repeated_selection(self, documents: Sequence[str | Document], *, largest: int) -> RepeatedSelection:
        """Prepare documents to be scored and selected from more than once.

        Args:
            documents: Texts or documents.
            largest: Segments of more tokens are divided: the smallest budget, or near it.

        Raises:
            InputError: If the method does not keep whole segments.
        """
        return RepeatedSelection(self._pipeline, as_documents(documents), largest=largest)

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
        queries = _checked_batch(batch, queries)
        budgets = self._budgets(target_tokens=target_tokens, rate=rate, threshold=threshold)
        prompts = [
            Prompt(documents=documents, query=query, budgets=(budgets[_is_asked(query)],))
            for documents, query in zip(batch, queries, strict=True)
        ]
        return self._pipeline.run(prompts, instruction=instruction, order=_checked_order(order))

    def compress_rates(
        self,
        documents: Sequence[str | Document],
        query: str | None = None,
        *,
        rates: Sequence[float],
        instruction: str = "",
        order: Order = "original",
    ) -> list[CompressionResult]:
        """Compress one prompt to several rates at once: what each `compress` would return.

        Documents are prepared once, and everything that does not depend on the rate is scored once: all of
        it for methods that keep sentences; ranks of documents, and scores of the same documents. What
        iterative compression reads after what it kept is read for each rate.

        Args:
            documents: As in `compress`.
            query: As in `compress`.
            rates: The fractions of tokens to keep; at least one.
            instruction: As in `compress`.
            order: As in `compress`.

        Returns:
            A result for each rate, in their order.

        Raises:
            InputError: As `compress`, and if there are no rates.
        """
        if not _is_sequence(rates) or not rates:
            raise InputError(f"rates must be a sequence of at least one rate, got {rates!r:.80}.")
        budgets = tuple(choose_budget(rate=rate) for rate in rates)
        prompt = Prompt(documents=documents, query=query, budgets=budgets)
        return self._pipeline.run([prompt], instruction=instruction, order=_checked_order(order))

    def _budgets(
        self, *, target_tokens: int | None, rate: float | None, threshold: float | None
    ) -> tuple[Budget, Budget]:
        """The budget of prompts without a query, and of those with one."""
        plan = self._pipeline.plan
        without_query, with_query = (
            choose_budget(
                target_tokens=target_tokens, rate=rate, threshold=threshold, default_threshold=default
            )
            for default in (None, plan.default_threshold)
        )
        if plan.threshold_problem and with_query.kind == "threshold":
            raise BudgetError(
                f"{plan.threshold_problem}, got threshold={threshold!r}. Give target_tokens or rate."
            )
        return without_query, with_query


def _checked_batch(
    batch: Sequence[Sequence[str | Document]], queries: Sequence[str | None] | None
) -> list[str | None]:
    """The queries, one for each prompt."""
    if not _is_sequence(batch) or not (queries is None or _is_sequence(queries)):
        raise InputError(
            "compress_batch takes a sequence of document sequences and a sequence of queries, got "
            f"{type(batch).__name__} and {type(queries).__name__}."
        )
    asked: list[str | None] = list(queries) if queries is not None else [None] * len(batch)
    if len(asked) != len(batch):
        raise InputError(f"Got {len(batch)} prompts but {len(asked)} queries; pass one query for each.")
    return asked


def _checked_order(order: Order) -> Order:
    if order not in get_args(Order):
        raise InputError(f"order must be one of {', '.join(map(repr, get_args(Order)))}, got {order!r}.")
    return order


def _is_asked(query: str | None) -> bool:
    return isinstance(query, str) and bool(query.strip())


def _is_sequence(value: object) -> bool:
    """Whether a caller's value is a sequence of several things, and no single text."""
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))
