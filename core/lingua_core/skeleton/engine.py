"""`SkeletonOfThought`: answers that are planned first and then written in parallel, on any language model."""

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from dataclasses import replace

from lingua_core.compression import PromptCompressor
from lingua_core.documents import Document, as_documents
from lingua_core.errors import InputError
from lingua_core.llms.base import LLM, Message
from lingua_core.llms.limits import ConcurrencyLimit
from lingua_core.llms.retrying import RetryPolicy
from lingua_core.skeleton.documents import ContextMode, ContextOptions, DocumentContexts
from lingua_core.skeleton.documents.accounting import accounting
from lingua_core.skeleton.documents.budgeting import PromptFrame
from lingua_core.skeleton.driver.accounting import CountTokens
from lingua_core.skeleton.driver.answering import Answering
from lingua_core.skeleton.driver.asking import Asking
from lingua_core.skeleton.driver.calls import Caller
from lingua_core.skeleton.driver.contexts import ContextProvider, FixedContext
from lingua_core.skeleton.driver.deciding import Deciding
from lingua_core.skeleton.driver.inputs import Question, as_conversation, checked_llm, checked_stop, counting
from lingua_core.skeleton.driver.options import Dependencies, DriverOptions, OnFailure, Repeats
from lingua_core.skeleton.driver.running import Emit, Run, astream_events, run_blocking, stream_events
from lingua_core.skeleton.driver.transport import Transport, on_the_loop, threaded
from lingua_core.skeleton.economy import Estimate, Lengths, Prices, Speeds, estimate
from lingua_core.skeleton.prompts import PresetName, SkeletonPrompts, get_prompts
from lingua_core.skeleton.rendering import AnswerStyle
from lingua_core.skeleton.routing import Router, RouterName, choose_router
from lingua_core.skeleton.types import Event, Point, Skeleton, SkeletonAnswer
from lingua_core.tokens import TokenCounter

__all__ = ["SkeletonOfThought"]


class SkeletonOfThought:
    """Answers questions by way of a skeleton whose points are written side by side (arXiv 2307.15337).

    The skeleton streams in; each point is launched when its line closes, and shown in the order of the
    answer while later ones run ahead. Questions for which that does not pay are answered directly.

    Nothing is shown before the skeleton is known to be one. From then on text is never taken back or shown
    twice: a point that breaks off is begun anew only if nothing of it was shown, and else continued where it
    ends. What was produced is never thrown away: an answer that is cut by a deadline or a failure holds it,
    and says so in `notes`, in each expansion's `status` and in `is_complete`; an `AnswerError` carries it.

    `answer` and `stream` may be called from any thread, also where an event loop runs; they call
    `LLM.stream` in threads of their own. `aanswer` and `astream` call `LLM.astream` in the caller's loop. No
    call, task or thread outlives the answer: ending a stream early, or cancelling its task, cancels all. An
    engine keeps nothing between answers, and many may be written at once.

    Args:
        llm: Who writes.
        router: Decides whether there is to be a skeleton: "auto", without a call; "llm", by a short call to
            `llm`; "always"; "never"; or an object.
        prompts: The name of a preset or templates of one's own; None for "chat".
        style: How points open in the answer.
        max_concurrency: Calls of one answer at once, of all kinds, retries included.
        limit: A further limit that several engines, threads and loops share.
        max_points: Of a skeleton; further ones are dropped.
        max_tokens: Of a direct answer; None for the model's own limit.
        max_tokens_per_point: Of each point; None for the model's own limit.
        skeleton_max_tokens: Of a skeleton.
        temperature: Of all calls but the router's.
        seed: Of all calls, and of the chance in the waits between attempts.
        stop: Ends points and direct answers.
        points_per_request: Points that one call writes. More than one saves prompt tokens and takes longer.
        dependencies: "none": points are written independently. "infer": a conclusion waits for the others.
            "model": the model says in the skeleton what builds on what. A point gets the text of those that
            it builds on; one that failed is left out, with a note.
        early_launch: Whether points are launched before the skeleton is complete, knowing of the others
            those that stand before them. Points for which there is no slot until then, and those that build
            on others, know the whole skeleton; otherwise all wait, and know it.
        on_failure: What becomes of points that fail for good: "fallback": one further call writes them;
            "mark": the answer says so in their place; "raise": all calls end with an `AnswerError`. A direct
            answer that breaks off is an error only with "raise".
        failure_mark: What "mark" writes.
        retry: When attempts are repeated; None for `RetryPolicy()`.
        idle_seconds: How long a call may send nothing; then the attempt has failed.
        point_deadline: Seconds for each call that writes points, from its first attempt on.
        deadline: Seconds for an answer; then it is returned as it is.
        hedge: Whether a direct answer is begun with the skeleton; whichever is first ready to be shown
            ends the other. Costs tokens, and saves the time of a fallback.
        route_alongside: Whether the skeleton is begun while the router's call ("llm") runs.
        stitch: Whether a last call writes transitions and removes repeats. All points but the first are then
            shown at the end.
        repeats: Whether sentences that repeat an earlier point are kept, noted, or removed. For removing
            them, all points but the first are shown at the end.
        compressor: Cuts documents for each call; None for the embedded extractor.
        contexts: How documents become contexts: options, or the name of a mode.
        token_counter: Counts tokens where the model does not say what it used: see
            `PromptCompressor(token_counter=...)`; None for an estimate by length.

    Raises:
        InputError: If an argument cannot be used.
    """

    def __init__(
        self,
        llm: LLM,
        *,
        router: RouterName | Router = "auto",
        prompts: PresetName | SkeletonPrompts | None = None,
        style: AnswerStyle = "numbered",
        max_concurrency: int = 8,
        limit: ConcurrencyLimit | None = None,
        max_points: int = 12,
        max_tokens: int | None = None,
        max_tokens_per_point: int | None = 256,
        skeleton_max_tokens: int = 512,
        temperature: float | None = None,
        seed: int | None = None,
        stop: Sequence[str] = (),
        points_per_request: int = 1,
        dependencies: Dependencies = "none",
        early_launch: bool = True,
        on_failure: OnFailure = "fallback",
        failure_mark: str = "[This point could not be written.]",
        retry: RetryPolicy | None = None,
        idle_seconds: float | None = 120.0,
        point_deadline: float | None = None,
        deadline: float | None = None,
        hedge: bool = False,
        route_alongside: bool = False,
        stitch: bool = False,
        repeats: Repeats = "note",
        compressor: PromptCompressor | None = None,
        contexts: ContextOptions | ContextMode | None = None,
        token_counter: str | Callable[[str], int] | TokenCounter | None = None,
    ) -> None:
        self.llm = checked_llm(llm)
        self._compressor = compressor
        self.contexts = (
            contexts if isinstance(contexts, ContextOptions) else ContextOptions(mode=contexts or "auto")
        )
        self.options = DriverOptions(
            max_concurrency=max_concurrency,
            max_points=max_points,
            max_tokens=max_tokens,
            max_tokens_per_point=max_tokens_per_point,
            skeleton_max_tokens=skeleton_max_tokens,
            temperature=temperature,
            seed=seed,
            stop=checked_stop(stop),
            points_per_request=points_per_request,
            dependencies=dependencies,
            early_launch=early_launch,
            on_failure=on_failure,
            failure_mark=failure_mark,
            style=style,
            retry=retry if retry is not None else RetryPolicy(),
            idle_seconds=idle_seconds,
            point_deadline=point_deadline,
            deadline=deadline,
            hedge=hedge,
            route_alongside=route_alongside,
            stitch=stitch,
            repeats=repeats,
            count_tokens=counting(token_counter),
        )
        self.prompts = prompts if isinstance(prompts, SkeletonPrompts) else get_prompts(prompts or "chat")
        self._router_spec: RouterName | Router = router
        self.router = choose_router(router, self.llm, max_tokens=max_tokens)
        self._limits = (limit,) if limit is not None else ()

    def answer(
        self,
        question: Question,
        *,
        history: Sequence[Message] = (),
        context: str | ContextProvider = "",
        documents: Sequence[str | Document] | None = None,
        max_tokens: int | None = None,
    ) -> SkeletonAnswer:
        """The answer, at its end.

        Args:
            question: What is asked.
            history: The conversation before: the questions and the final answers.
            context: What it is answered from: one text, or what gives each call its own.
            documents: Instead of `context`: documents to answer from and to cite. The skeleton is planned
                on a compressed view of them, and each point written from what bears on it; see `contexts`.
            max_tokens: Of a direct answer, instead of the engine's; "auto" answers directly if it is small.

        Raises:
            InputError: If an argument cannot be used.
            AnswerError: If there is no answer.
        """
        return run_blocking(
            self._prepare(question, history, self._source(context, documents), max_tokens, threaded)
        )

    async def aanswer(
        self,
        question: Question,
        *,
        history: Sequence[Message] = (),
        context: str | ContextProvider = "",
        documents: Sequence[str | Document] | None = None,
        max_tokens: int | None = None,
    ) -> SkeletonAnswer:
        """`answer` in the caller's event loop."""
        run = self._prepare(question, history, self._source(context, documents), max_tokens, on_the_loop)
        return await run(lambda event: None)

    def stream(
        self,
        question: Question,
        *,
        history: Sequence[Message] = (),
        context: str | ContextProvider = "",
        documents: Sequence[str | Document] | None = None,
        max_tokens: int | None = None,
    ) -> Generator[Event]:
        """The answer as it is written: `RouteChosen`, `SkeletonReady`, `PointDelta`s, `AnswerDone`.

        The deltas, joined, are the answer's text, also if an `AnswerError` ends the stream. A consumer that
        is slow holds nothing up. Arguments are those of `answer`, and are checked at once.
        """
        return stream_events(
            self._prepare(question, history, self._source(context, documents), max_tokens, threaded)
        )

    def astream(
        self,
        question: Question,
        *,
        history: Sequence[Message] = (),
        context: str | ContextProvider = "",
        documents: Sequence[str | Document] | None = None,
        max_tokens: int | None = None,
    ) -> AsyncGenerator[Event]:
        """`stream` in the caller's event loop."""
        return astream_events(
            self._prepare(question, history, self._source(context, documents), max_tokens, on_the_loop)
        )

    def estimate(
        self,
        question: str,
        *,
        context: str = "",
        lengths: Lengths | None = None,
        prices: Prices | None = None,
        speeds: Speeds | None = None,
    ) -> Estimate:
        """What an answer will cost and how long it will take, by way of a skeleton and directly.

        No call is made. The prompts are counted; what will be written has the lengths of the paper, or those
        given, except for `Lengths.instructions`.
        """
        count = self.options.count_tokens
        lengths = lengths or Lengths()
        own = count(question)
        return estimate(
            own,
            context_tokens=count(context),
            lengths=replace(lengths, instructions=self._instructions(question, own, lengths, count)),
            prices=prices,
            speeds=speeds,
            points_per_request=self.options.points_per_request,
            max_concurrency=self.options.max_concurrency,
        )

    def _instructions(
        self, question: str, own: int, lengths: Lengths, count: CountTokens
    ) -> tuple[int, int, int]:
        points = tuple(Point(index=i, text="-") for i in range(1, len(lengths.points) + 1))
        prompts = self.prompts
        requests = (
            prompts.skeleton_request(question, max_points=self.options.max_points).messages,
            prompts.point_request(question, Skeleton(points=points[:1]), points[:1]).messages,
            prompts.direct_request(question),
        )
        sums = [sum(count(message.content) for message in messages) for messages in requests]
        return max(0, sums[0] - own), max(0, sums[1] - own), max(0, sums[2] - own)

    def _prepare(
        self,
        question: Question,
        history: Sequence[Message],
        source: "str | ContextProvider | tuple[Document, ...]",
        max_tokens: int | None,
        transport: Transport,
    ) -> Run:
        text, turns = as_conversation(question, history)
        options, router = self.options, self.router
        if max_tokens is not None and max_tokens != options.max_tokens:
            options = replace(options, max_tokens=max_tokens)
            router = choose_router(self._router_spec, self.llm, max_tokens=max_tokens)
        prompts = self.prompts
        if isinstance(source, tuple):
            prompts = prompts.for_documents()
            provider: ContextProvider = self._document_contexts(source, text)
        else:
            provider = FixedContext(source) if isinstance(source, str) else source
        has_documents = provider != FixedContext("")
        asking = Asking(
            question=text,
            history=turns,
            context=provider,
            prompts=prompts,
            llm=self.llm,
            options=options,
        )
        asking.check()

        def credit(answer: SkeletonAnswer) -> SkeletonAnswer:
            if not isinstance(provider, DocumentContexts):
                return answer
            account = accounting(
                provider,
                asking.asked,
                answer=answer,
                direct=lambda context: prompts.direct_request(text, context=context, history=turns),
            )
            return replace(provider.credit(answer), accounting=account)

        async def run(emit: Emit) -> SkeletonAnswer:
            now = asyncio.get_running_loop().time()
            caller = Caller(
                transport=transport,
                limits=(ConcurrencyLimit(options.max_concurrency), *self._limits),
                retry=options.retry,
                idle_seconds=options.idle_seconds,
                ends_at=None if options.deadline is None else now + options.deadline,
                rng=random.Random(options.seed),
                count=options.count_tokens,
                started=now,
            )
            deciding = Deciding(router=router, question=text, has_documents=has_documents)
            return await Answering(
                llm=self.llm,
                caller=caller,
                asking=asking,
                deciding=deciding,
                options=options,
                emit=emit,
                credit=credit,
            ).run()

        return run

    def _source(
        self, context: str | ContextProvider, documents: Sequence[str | Document] | None
    ) -> "str | ContextProvider | tuple[Document, ...]":
        if documents is None:
            return context
        if context != "":
            raise InputError("Give context or documents, not both: add the context to the documents.")
        given = as_documents(documents)
        if not any(document.text.strip() for document in given):
            raise InputError(
                f"documents holds no text ({len(given)} documents). Leave it out to answer without."
            )
        return given

    def _document_contexts(self, documents: tuple[Document, ...], question: str) -> DocumentContexts:
        compressor = self._compressor or PromptCompressor()
        return DocumentContexts(documents, compressor, self.contexts, frame=self._frame(question, compressor))

    def _frame(self, question: str, compressor: PromptCompressor) -> PromptFrame:
        """What prompts over documents hold beside contexts."""
        prompts = self.prompts.for_documents()
        none = Skeleton(points=(Point(index=1, text="-"),))
        requests = (
            prompts.skeleton_request(question, context="-", max_points=self.options.max_points).messages,
            prompts.point_request(question, none, none.points, context="-", is_partial=True).messages,
            prompts.direct_request(question, context="-"),
        )
        count = compressor.token_counter.count
        skeleton, point, direct = (sum(count([m.content for m in messages])) for messages in requests)
        return PromptFrame(skeleton=skeleton - direct, point=point, title=Lengths().title)
