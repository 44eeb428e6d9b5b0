"""Five ways to answer a question over documents, each run by the driver on a simulated endpoint.

Prompts are the real ones. What is written is scripted with the lengths of the paper, so that all ways write
the same; what is read, when, and from which prefix of an earlier prompt is what the driver does.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lingua_core.bench.rag_skeleton.cases import Case
from lingua_core.bench.skeleton.lengths import Latencies, Lengths, words
from lingua_core.compression import PromptCompressor
from lingua_core.documents import Span
from lingua_core.llms import ChatRequest, Reply, ScriptedLLM, WrittenAnswer
from lingua_core.llms.simulation import run_simulated
from lingua_core.skeleton import ContextMode, ContextOptions, Expansion, SkeletonAnswer, SkeletonOfThought
from lingua_core.skeleton.documents.selection import numbered, whole
from lingua_core.skeleton.economy import Prices
from lingua_core.skeleton.prompts import get_prompts

__all__ = ["WAYS", "Endpoint", "Run", "Way", "run_way"]

Spans = Mapping[int, Sequence[Span]]
"""What a call has read: spans of documents, by index."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way to an answer.

    Attributes:
        name: For people.
        is_skeleton: Whether its points are written side by side.
        contexts: How documents are cut; None for all documents as they are.
    """

    name: str
    is_skeleton: bool
    contexts: ContextMode | None


WAYS = (
    Way(name="direct, all documents", is_skeleton=False, contexts=None),
    Way(name="direct, compressed", is_skeleton=False, contexts="per-point"),
    Way(name="skeleton, all documents in every call", is_skeleton=True, contexts=None),
    Way(name="skeleton, one compressed context", is_skeleton=True, contexts="shared"),
    Way(name="skeleton, a context for each point", is_skeleton=True, contexts="per-point"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A simulated endpoint.

    Attributes:
        latencies: Of calls whose prompts take no time.
        per_prompt_token: Seconds that each token of a prompt adds, if it is not cached.
        cached_price: What a cached token of a prompt costs, as a share of another's price.
        cache_from: The shortest prefix that is cached, in tokens.
        concurrency: Calls at once.
    """

    latencies: Latencies = field(default_factory=Latencies)
    per_prompt_token: float = 0.0002
    cached_price: float = 0.1
    cache_from: int = 1024
    concurrency: int = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One answer by one way.

    Attributes:
        prompt_tokens: Of all calls.
        cached_tokens: Of these, in a prefix that an earlier call had read.
        direct: What a direct answer was written from.
        points: The same of each point, by number.
        seconds: Until the end.
    """

    prompt_tokens: int
    cached_tokens: int
    direct: Spans
    points: Mapping[int, Spans]
    seconds: float


def run_way(
    way: Way, case: Case, endpoint: Endpoint, compressor: PromptCompressor, *, with_work: bool
) -> Run:
    """Answer a question.

    Args:
        way: How.
        case: What is asked.
        endpoint: Who answers.
        compressor: Cuts documents, and counts all tokens.
        with_work: Whether compressing takes the time that it really takes, or none.
    """
    reads = _Reads(endpoint, compressor, _written(case))
    llm = ScriptedLLM(reads, token_seconds=endpoint.latencies.each, max_concurrency=endpoint.concurrency)
    prices = Prices(prompt=1.0, cached=endpoint.cached_price, cache_from=endpoint.cache_from)
    is_cut = way.contexts is not None
    engine = SkeletonOfThought(
        llm,
        router="always" if way.is_skeleton else "never",
        max_concurrency=endpoint.concurrency,
        prompts=None if is_cut else get_prompts().for_documents(),
        compressor=compressor,
        contexts=ContextOptions(mode=way.contexts or "per-point", prices=prices),
        max_tokens_per_point=None,
    )
    answer = run_simulated(
        engine.aanswer(case.question, documents=case.documents)
        if is_cut
        else engine.aanswer(case.question, context=numbered(whole(case.documents))),
        with_work=with_work,
    )
    return Run(
        prompt_tokens=reads.prompt_tokens,
        cached_tokens=reads.cached_tokens,
        direct=_everything(case) if not is_cut else _spans(answer),
        points={
            expansion.point.index: _everything(case) if not is_cut else _spans(expansion)
            for expansion in answer.expansions
        },
        seconds=answer.timings.total,
    )


def _written(case: Case) -> WrittenAnswer:
    """Texts of the paper's lengths for the points of a case, and for a direct answer."""
    chance = random.Random(f"lengths {case.id}")
    lengths = Lengths.of_paper(chance, count=len(case.points))
    texts = [words(length, chance) for length in lengths.points]
    return WrittenAnswer(
        points=tuple(zip(case.points, texts, strict=True)), direct=words(lengths.direct, chance)
    )


class _Reads:
    """Replies as scripted, after the time that reading the prompt takes; counts what is read."""

    def __init__(self, endpoint: Endpoint, compressor: PromptCompressor, written: WrittenAnswer) -> None:
        self._endpoint, self._written = endpoint, written
        self._count = compressor.token_counter.count
        self._prompts: list[str] = []
        self.prompt_tokens = self.cached_tokens = 0

    def __call__(self, request: ChatRequest) -> Reply:
        """The reply to a request."""
        prompt = "\n".join(message.content for message in request.messages)
        tokens, cached = self._count([prompt])[0], self._cached(prompt)
        self._prompts.append(prompt)
        self.prompt_tokens += tokens
        self.cached_tokens += cached
        reading = (tokens - cached) * self._endpoint.per_prompt_token
        return Reply(
            text=self._written(request), first_token_seconds=self._endpoint.latencies.first + reading
        )

    def _cached(self, prompt: str) -> int:
        longest = max((_common(prompt, other) for other in self._prompts), default=0)
        tokens = self._count([prompt[:longest]])[0]
        return tokens if tokens >= self._endpoint.cache_from else 0


def _common(one: str, other: str) -> int:
    """The length of the prefix that two texts have in common."""
    return next(
        (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def _spans(source: SkeletonAnswer | Expansion) -> Spans:
    return {citation.number - 1: citation.spans for citation in source.citations}


def _everything(case: Case) -> Spans:
    return {i: (Span(0, len(document.text)),) for i, document in enumerate(case.documents)}
