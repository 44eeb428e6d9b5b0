"""Making a selection meet its budget, as counted over the text that is returned.

Costs of segments are estimates, unless the counter's tokens never span white space: a tokenizer may
join tokens across borders, separators cost something, and a user's counter may do anything. So the
rendered text is counted, and the selection corrected until the count holds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lingua_core.budget import RATE_ENFORCED_FROM, RATE_TOLERANCE, Budget
from lingua_core.documents import Span
from lingua_core.errors import ProtectedOverBudgetError
from lingua_core.preparation import PreparedDocument
from lingua_core.rendering import kept_spans, render
from lingua_core.selection import Candidates, best_in_window, fill, select_above, thin_out
from lingua_core.tokens import SPACES, TokenCounter, adds_up

__all__ = ["Fitted", "fit"]

_ROUNDS = 8
_TRIES = 50
Selection = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A selection that meets the budget.

    Attributes:
        spans: Kept spans of each document, in input order.
        kept: Verdict on each segment, all documents in one row.
        tokens: Tokens of the rendered whole.
        document_tokens: Tokens of each document's rendered text.
    """

    spans: list[tuple[Span, ...]]
    kept: Selection
    tokens: int
    document_tokens: list[int]


@dataclass(slots=True)
class _Fitter:
    prepared: Sequence[PreparedDocument]
    candidates: Candidates
    counter: TokenCounter
    separator: str
    document_separator: str
    order: Sequence[int]
    headings: Sequence[str] = ()
    adds_up: bool = field(init=False)
    _heading_tokens: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.adds_up = adds_up(self.counter, self.document_separator) and all(
            heading[-1:] in SPACES for heading in self.headings
        )
        self._heading_tokens = self.counter.count(self.headings) if self.headings else []

    def everything(self) -> Fitted:
        """All texts as they are, with the white space at their ends: nothing is to be cut."""
        spans = [(Span(0, len(d.document.text)),) if d.segments else () for d in self.prepared]
        kept = np.ones(len(self.candidates.scores), np.bool_)
        return self._counted(spans, kept, [document.tokens for document in self.prepared])

    def measure(self, kept: Selection) -> Fitted:
        """Render and count; the only place that decides what a selection costs."""
        spans: list[tuple[Span, ...]] = []
        sums: list[int] = []
        verdicts: list[bool] = kept.tolist()
        at = 0
        for document in self.prepared:
            row = verdicts[at : at + len(document.segments)]
            spans.append(kept_spans(document.segments, row, with_space=document.with_space))
            sums.append(sum([cost for cost, keep in zip(document.costs, row, strict=True) if keep]))
            at += len(row)
        return self._counted(spans, kept, sums)

    def _counted(self, spans: list[tuple[Span, ...]], kept: Selection, sums: list[int]) -> Fitted:
        texts = {
            i: render(document.document.text, spans[i], self.separator)
            for i, document in enumerate(self.prepared)
            if spans[i] and not (document.exact and self.adds_up)
        }
        if self.adds_up:
            counted = dict(zip(texts, self.counter.count(list(texts.values())), strict=True))
            tokens = [counted.get(i, sums[i]) for i in range(len(sums))]
            above = sum(n for n, row in zip(self._heading_tokens, spans, strict=False) if row)
            return Fitted(spans=spans, kept=kept, tokens=sum(tokens) + above, document_tokens=tokens)
        headings = self.headings or [""] * len(spans)
        whole = self.document_separator.join([headings[i] + texts[i] for i in self.order if spans[i]])
        # One kept document makes up the whole: count each text once.
        different = list(dict.fromkeys([whole, *texts.values()]))
        counts = dict(zip(different, self.counter.count(different), strict=True))
        tokens = [counts[texts[i]] if i in texts else 0 for i in range(len(sums))]
        return Fitted(spans=spans, kept=kept, tokens=counts[whole], document_tokens=tokens)

    def at_most(self, ceiling: int, goal: int, start: Selection) -> Fitted:
        """The best selection of at most `ceiling` tokens, filled up from `start` towards `goal`."""
        self.check_required(ceiling)
        kept = fill(self.candidates, start, goal - int(self.candidates.costs[start].sum()))
        banned = np.zeros_like(kept)
        best: Fitted | None = None
        for _ in range(_ROUNDS):
            now = self.measure(kept)
            if now.tokens > ceiling:
                smaller = thin_out(self.candidates, kept, now.tokens - ceiling)
                banned |= kept & ~smaller
                larger = smaller
            else:
                if best is None or now.tokens > best.tokens:
                    best = now
                larger = fill(self.candidates, kept, goal - now.tokens, banned=banned)
            if (larger == kept).all():
                break
            kept = larger
        if best is None:
            best = self._until_it_holds(kept, ceiling)
        return best if best.kept.any() else self._any_that_fits(ceiling, best)

    def _until_it_holds(self, kept: Selection, ceiling: int) -> Fitted:
        while (now := self.measure(kept)).tokens > ceiling:
            smaller = thin_out(self.candidates, kept, max(1, now.tokens - ceiling))
            if (smaller == kept).all():
                smaller = self.candidates.start()
                if (smaller == kept).all():
                    break
            kept = smaller
        return now

    def _any_that_fits(self, ceiling: int, nothing: Fitted) -> Fitted:
        """The best single segment within the ceiling: costs may have been far off."""
        for i in self.candidates.ranking[:_TRIES]:
            kept = self.candidates.start()
            self.candidates.keep(kept, [i])
            alone = self.measure(kept)
            if 0 < alone.tokens <= ceiling:
                return alone
        return nothing

    def check_required(self, ceiling: int) -> None:
        """Raise if what must be kept does not fit."""
        start = self.candidates.start()
        if not start.any():
            return
        tokens = self.measure(start).tokens
        if tokens > ceiling:
            raise ProtectedOverBudgetError(
                f"What always_keep matches is {tokens} tokens ({self.counter.name}) in {int(start.sum())} "
                f"pieces, but the budget allows {ceiling}. Raise the budget or narrow the patterns."
            )


def fit(
    prepared: Sequence[PreparedDocument],
    candidates: Candidates,
    budget: Budget,
    *,
    counter: TokenCounter,
    separator: str,
    document_separator: str,
    order: Sequence[int],
    headings: Sequence[str] = (),
) -> Fitted:
    """Select segments so that the rendered text meets the budget.

    Headings, one for each document, stand above what is kept of it, and count towards the budget.

    For "target_tokens" the count never exceeds the target. For "rate" it is brought within
    `RATE_TOLERANCE` of the rate wherever some choice of segments is, else near it; at least the best
    segment is kept.

    Raises:
        ProtectedOverBudgetError: If what must be kept is larger than the budget, or nothing fits
            "target_tokens" because every piece may not be cut and is larger.
    """
    fitter = _Fitter(prepared, candidates, counter, separator, document_separator, order, headings)
    if budget.kind == "threshold":
        return fitter.measure(select_above(candidates, budget.value))
    origin = sum(document.tokens for document in prepared)
    allowance = budget.allowance(origin) or 0
    if allowance >= origin:
        everything = fitter.everything()
        if everything.tokens <= allowance or budget.kind == "rate":
            return everything
    if budget.kind == "rate":
        return _fit_rate(fitter, budget.value, origin)
    fitted = fitter.at_most(allowance, allowance, candidates.start())
    if not fitted.kept.any():
        # Better a sentence without its heading than nothing.
        fitter.candidates = candidates.alone()
        fitted = fitter.at_most(allowance, allowance, candidates.start())
    if not fitted.kept.any():
        _explain_nothing(candidates, allowance, counter)
    return fitted


def _fit_rate(fitter: _Fitter, rate: float, origin: int) -> Fitted:
    candidates = fitter.candidates
    ceiling = int((rate + RATE_TOLERANCE) * origin)
    floor = -int(-(rate - RATE_TOLERANCE) * origin // 1)
    goal = min(ceiling, round(rate * origin))
    fitter.check_required(max(ceiling, 1))
    start = candidates.start()
    candidates.keep(start, candidates.ranking[:1])
    greedy = fitter.measure(start)
    if greedy.tokens <= goal:
        greedy = fitter.at_most(ceiling, goal, start)
    if floor <= greedy.tokens <= ceiling:
        return greedy
    if origin < RATE_ENFORCED_FROM:
        return _nearest(fitter, [greedy], rate * origin)
    # The costs of segments are estimates; what counts is the measured result.
    drift = greedy.tokens - int(candidates.costs[greedy.kept].sum())
    measured = [greedy]
    for bound in (start, candidates.start()):
        adjusted = best_in_window(candidates, bound=bound, lower=floor - drift, upper=ceiling - drift)
        if adjusted is not None:
            measured.append(fitter.measure(adjusted))
            if floor <= measured[-1].tokens <= ceiling:
                return measured[-1]
    return _nearest(fitter, measured, rate * origin)


def _nearest(fitter: _Fitter, measured: Sequence[Fitted], wanted: float) -> Fitted:
    """Of the selections, and the first with the best segment that is left added, the nearest."""
    left = [i for i in fitter.candidates.ranking if not measured[0].kept[i]][:1]
    larger = measured[0].kept.copy()
    fitter.candidates.keep(larger, left)
    return min((*measured, fitter.measure(larger)), key=lambda fitted: abs(fitted.tokens - wanted))


def _explain_nothing(candidates: Candidates, allowance: int, counter: TokenCounter) -> None:
    """Raise if nothing was kept only because no piece may be cut small enough."""
    costs = candidates.costs[candidates.selectable]
    if len(costs) and int(costs.min()) > allowance:
        raise ProtectedOverBudgetError(
            f"Nothing fits the budget of {allowance} tokens ({counter.name}): the smallest piece that may "
            f"not be cut (a protected piece, or a single word) is {int(costs.min())} tokens. "
            "Raise the budget, or protect less."
        )
