"""Coarse to fine: whole documents, then whole sentences, before a method looks inside sentences.

The budget controller of LLMLingua (arXiv 2310.05736, section 4.1) and the coarse stage of LongLLMLingua
(arXiv 2310.06839, section 4.1). Every stage leaves somewhat more than the budget, for the next to choose
from.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lingua_core.errors import InputError
from lingua_core.request import Request
from lingua_core.scorers.base import PassageScores, Scorer, pool, score_once

__all__ = ["DocumentStage", "SentenceStage", "document_shares"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentStage:
    """Sets whole documents aside.

    Attributes:
        ranker: Its relevance decides; higher is better.
        slack: Documents are taken in order of rank until they reach this many times the budget,
        extra: and this many tokens more; the one that crosses the line is taken whole.
        forced: Indices of documents that are always taken.
    """

    ranker: Scorer
    slack: float = 1.0
    extra: int = 100
    forced: tuple[int, ...] = ()

    def narrow(self, requests: Sequence[Request], allowances: Sequence[int | None], instruction: str) -> None:
        """Rank the documents of each prompt, and set aside what lies behind the line.

        Raises:
            InputError: If a forced document does not exist.
        """
        for request in requests:
            if bad := [i for i in self.forced if not 0 <= i < len(request.prepared)]:
                raise InputError(
                    f"forced_documents holds {bad}, but there are {len(request.prepared)} documents, counted "
                    "from 0."
                )
        scores = _scored(requests, self.ranker, instruction)
        for request, allowance in zip(requests, allowances, strict=True):
            if id(request) in scores:
                request.rank([found.relevance for found in scores[id(request)]])
                if allowance is not None:
                    self._set_aside(request, allowance * self.slack + self.extra)

    def _set_aside(self, request: Request, line: float) -> None:
        ranked = sorted(range(len(request.prepared)), key=lambda i: (-request.relevance(i), i))
        taken = set(self.forced)
        tokens = sum(request.prepared[i].tokens for i in taken)
        for i in ranked:
            if tokens >= line:
                break
            if i not in taken and request.prepared[i].segments:
                taken.add(i)
                tokens += request.prepared[i].tokens
        for i, document in enumerate(request.prepared):
            if i not in taken and not any(document.required):
                document.barred = [True] * len(document.segments)


@dataclass(frozen=True, slots=True, kw_only=True)
class SentenceStage:
    """Sets whole sentences aside.

    Attributes:
        scorer: Values sentences.
        slack: Sentences are kept, best first, until they reach this many times the budget.
        first: Sentences at the beginning of each document that are kept whatever their score.
        last: The same at the end.
    """

    scorer: Scorer
    slack: float = 1.4
    first: int = 0
    last: int = 0

    def narrow(self, requests: Sequence[Request], allowances: Sequence[int | None], instruction: str) -> None:
        """Score the sentences that are left, and set aside what lies behind the line."""
        scores = _scored(requests, self.scorer, instruction)
        for request, allowance in zip(requests, allowances, strict=True):
            if id(request) in scores and allowance is not None:
                self._set_aside(request, scores[id(request)], allowance * self.slack)

    def _set_aside(self, request: Request, scores: Sequence[PassageScores], line: float) -> None:
        pooled = iter(scores)
        ranked: list[tuple[float, int, int]] = []
        tokens = 0
        for d, document in enumerate(request.prepared):
            if not document.is_open:
                continue
            keep = pool(next(pooled), document.open_segments)
            places = [i for i, barred in enumerate(document.barred) if not barred]
            fixed = {*places[: self.first], *(places[-self.last :] if self.last else ())}
            fixed |= {i for i in places if document.required[i]}
            document.barred = list(document.barred)  # other budgets of the prompt may share it
            tokens += sum(document.costs[i] for i in fixed)
            ranked += [(-float(s), d, i) for s, i in zip(keep, places, strict=True) if i not in fixed]
        for _, d, i in sorted(ranked):
            document = request.prepared[d]
            document.barred[i] = tokens >= line
            tokens += document.costs[i]


def _scored(
    requests: Sequence[Request], scorer: Scorer, instruction: str
) -> dict[int, Sequence[PassageScores]]:
    """Scores of the requests that have text left, by the request's identity."""
    asked = [request for request in requests if request.has_text()]
    if not asked:
        return {}
    return dict(zip(map(id, asked), score_once(scorer, [r.task(instruction) for r in asked]), strict=True))


def document_shares(request: Request, share: float, *, spread: float) -> list[float]:
    """The fraction of its tokens to keep of each document that is left, more for those ranked higher.

    LongLLMLingua's equation 5 (arXiv 2310.06839): from share + spread for the first to share - spread for
    the last, in equal steps, within 0 and 1; then all are moved together until their mean over the tokens is
    the share again.

    Args:
        request: With its documents ranked.
        share: The fraction to be kept of all tokens that are left.
        spread: 0 treats all alike.
    """
    rows = [i for i, document in enumerate(request.prepared) if document.is_open]
    order = {i: rank for rank, i in enumerate(sorted(rows, key=lambda i: (-request.relevance(i), i)))}
    sizes = [request.prepared[i].open_tokens for i in rows]
    steps = [spread * (1 - 2 * order[i] / max(1, len(rows) - 1)) if len(rows) > 1 else 0.0 for i in rows]
    low, high = -1.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        kept = sum(n * min(1.0, max(0.0, share + middle + s)) for n, s in zip(sizes, steps, strict=True))
        low, high = (middle, high) if kept < share * sum(sizes) else (low, middle)
    return [min(1.0, max(0.0, share + high + step)) for step in steps]
