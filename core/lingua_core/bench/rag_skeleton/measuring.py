"""What five ways to an answer over documents read, what reaches their points, and how soon they end."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from statistics import mean

from lingua_core.bench.quality.questions import Evidence
from lingua_core.bench.rag_skeleton.cases import UNNAMED, Case
from lingua_core.bench.rag_skeleton.ways import WAYS, Endpoint, Run, Spans, Way, run_way
from lingua_core.compression import PromptCompressor

__all__ = ["Measured", "Row", "measure"]

_DIRECT, _COMPRESSED = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One way; means over all questions. Coverages are per cent.

    Attributes:
        name: The way.
        prompt_tokens: Of all calls of an answer.
        cached_tokens: Of these, from a cache.
        cost: Of the prompts, in tokens at the full price.
        right: Evidence that a direct answer over the compressed documents sees and that reaches the point
            about its document; of a direct answer, that reaches it. None without any such evidence.
        right_named: The same for points that are named after their document.
        any_point: Evidence that reaches any point.
        all_evidence: The same of all evidence, whether a direct answer sees it or not.
        seconds: Until the end of the answer, with compressing for nothing.
        seconds_with_work: The same with the time that compressing took here.
    """

    name: str
    prompt_tokens: float
    cached_tokens: float
    cost: float
    right: float | None
    right_named: float | None
    any_point: float | None
    all_evidence: float
    seconds: float
    seconds_with_work: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """All ways.

    Attributes:
        rows: In the order of `WAYS`; the first is direct answering over all documents.
        questions: How many.
        points: Of all their plans together.
        evidence: Sentences with evidence.
        seen: Of these, those that a direct answer over the compressed documents sees.
        document_tokens: Mean tokens of the documents of a question.
        endpoint: What was simulated.
    """

    rows: tuple[Row, ...]
    questions: int
    points: int
    evidence: int
    seen: int
    document_tokens: float
    endpoint: Endpoint

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON."""
        return asdict(self)


def measure(
    cases: Sequence[Case],
    *,
    compressor: PromptCompressor,
    endpoint: Endpoint,
    progress: Callable[[int], None] = lambda done: None,
) -> Measured:
    """Answer every question by every way.

    Args:
        cases: The questions.
        compressor: Cuts documents and counts tokens.
        endpoint: Who answers.
        progress: Gets the number of questions done.
    """
    # The model loads on first use; that is no part of an answer.
    compressor.compress(cases[0].documents, cases[0].question, target_tokens=100)
    runs: list[list[tuple[Run, Run]]] = []
    for done, case in enumerate(cases, start=1):
        runs.append([_both(way, case, endpoint, compressor) for way in WAYS])
        progress(done)
    tokens = [sum(compressor.token_counter.count([d.text for d in case.documents])) for case in cases]
    seen = [_seen(case, row[_COMPRESSED][0].direct) for case, row in zip(cases, runs, strict=True)]
    return Measured(
        rows=tuple(_row(way, cases, seen, [row[i] for row in runs], endpoint) for i, way in enumerate(WAYS)),
        questions=len(cases),
        points=sum(len(case.points) for case in cases),
        evidence=sum(len(case.evidence) for case in cases),
        seen=sum(map(len, seen)),
        document_tokens=mean(tokens),
        endpoint=endpoint,
    )


def _both(way: Way, case: Case, endpoint: Endpoint, compressor: PromptCompressor) -> tuple[Run, Run]:
    """A run in which compressing takes no time, and one in which it takes its own."""
    simulated = run_way(way, case, endpoint, compressor, with_work=False)
    if way.contexts is None:
        return simulated, simulated
    return simulated, run_way(way, case, endpoint, compressor, with_work=True)


def _row(
    way: Way,
    cases: Sequence[Case],
    seen: Sequence[Sequence[Evidence]],
    runs: Sequence[tuple[Run, Run]],
    endpoint: Endpoint,
) -> Row:
    plain = [run for run, _ in runs]
    right: list[bool] = []
    named: list[bool] = []
    reaches: list[bool] = []
    everything: list[bool] = []
    for case, run, sentences in zip(cases, plain, seen, strict=True):
        read = list(run.points.values()) if way.is_skeleton else [run.direct]
        everything += [any(_holds(spans, sentence) for spans in read) for sentence in case.evidence]
        reaches += [any(_holds(spans, sentence) for spans in read) for sentence in sentences]
        for sentence in sentences:
            about = case.about[sentence[0]]
            own = run.points.get(about, {}) if way.is_skeleton else run.direct
            right.append(_holds(own, sentence))
            if case.points[about - 1] != UNNAMED:
                named.append(right[-1])
    prompt, cached = mean(r.prompt_tokens for r in plain), mean(r.cached_tokens for r in plain)
    return Row(
        name=way.name,
        prompt_tokens=prompt,
        cached_tokens=cached,
        cost=prompt - cached + cached * endpoint.cached_price,
        right=_per_cent(right),
        right_named=_per_cent(named),
        any_point=_per_cent(reaches),
        all_evidence=_per_cent(everything) or 0.0,
        seconds=mean(run.seconds for run in plain),
        seconds_with_work=mean(run.seconds for _, run in runs),
    )


def _seen(case: Case, spans: Spans) -> list[Evidence]:
    return [sentence for sentence in case.evidence if _holds(spans, sentence)]


def _holds(spans: Spans, sentence: Evidence) -> bool:
    document, start, end = sentence
    return any(a <= start and end <= b for a, b in spans.get(document, ()))


def _per_cent(found: Sequence[bool]) -> float | None:
    return 100 * sum(found) / len(found) if found else None
