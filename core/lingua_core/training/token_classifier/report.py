"""What a training run tells of itself: `report.json` for programs, `README.md` for people."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lingua_core.training.token_classifier.evaluate import TokenFigures
from lingua_core.training.token_classifier.train import TrainingOptions

__all__ = ["PairCounts", "TrainingReport", "save_report"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairCounts:
    """What became of the pairs.

    Attributes:
        empty: Left out: their compression is blank.
        cut_off: Left out: their compression is not whole.
        varied: Left out for their variation rate.
        gaping: Left out for their alignment gap.
        learnt: To learn from.
        validation: To decide when to stop by.
        test: To measure on.
        most_variation: The highest variation rate that was let through.
        widest_gap: The widest alignment gap that was let through.
    """

    empty: int
    cut_off: int
    varied: int
    gaping: int
    learnt: int
    validation: int
    test: int
    most_variation: float
    widest_gap: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingReport:
    """How a classifier was made, and what it is worth.

    Attributes:
        start: Name of the model that it was trained from.
        pairs: What it was trained on.
        options: How.
        validation_losses: Behind each pass; the weights are those of the lowest.
        test: Its figures on held-out pairs.
        baselines: Those of what needs no training, on the same pairs.
    """

    start: str
    pairs: PairCounts
    options: TrainingOptions
    validation_losses: Sequence[float]
    test: TokenFigures
    baselines: Mapping[str, TokenFigures]


def save_report(report: TrainingReport, target: Path) -> None:
    """Write both files to a folder."""
    values = json.dumps(asdict(report), indent=2) + "\n"
    (target / "report.json").write_text(values, encoding="utf-8")
    (target / "README.md").write_text(_card(report), encoding="utf-8")


def _card(report: TrainingReport) -> str:
    pairs, options = report.pairs, report.options
    named = {"this model": report.test, **report.baselines}
    rows = "\n".join(
        f"| {name} | {f.f1:.3f} | {f.precision:.3f} | {f.recall:.3f} | {f.auc:.3f} | {f.rate:.3f} |"
        for name, f in named.items()
    )
    best = min(range(len(report.validation_losses)), key=lambda i: report.validation_losses[i])
    return f"""\
# Token classifier for prompt compression

Says of each token how likely it is to be kept, whatever the question (LLMLingua-2, arXiv 2403.12968). Trained
by Lingua from `{report.start}`.

```python
from lingua_core import PromptCompressor

compressor = PromptCompressor(method="llmlingua2", model="path/to/this/folder")
```

## Data

Pairs of a text and its compression: {pairs.learnt:,} to learn from, {pairs.validation:,} to stop by,
{pairs.test:,} to measure on; no document is in two of these parts. Left out: {pairs.empty:,} with an empty
compression; {pairs.cut_off:,} with one that was cut off; {pairs.varied:,} for their variation rate (at most
{pairs.most_variation:.3f} was let through); {pairs.gaping:,} for their alignment gap (at most
{pairs.widest_gap:.3f}).

## Held-out figures

On {report.test.tokens:,} tokens, of which {report.test.rate_of_labels:.1%} are to be kept; a token is kept
from probability 0.5.

| | F1 | precision | recall | AUC | rate |
|---|---|---|---|---|---|
{rows}

They say how well the model does what was done in the pairs, not how well answers from compressed text are.

## Training

{len(report.validation_losses)} of at most {options.passes} passes; the weights are those of pass {best + 1}.
{options.rows} rows a step, learning rate {options.rate:g}, seed {options.seed}.

## Licence

That of `{report.start}` goes on. If a provider's model made the compressions, its terms say whether a model
may be trained on them, and who may use it; the texts have terms of their own. Fill in what holds for you.
"""
