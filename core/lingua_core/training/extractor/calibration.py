"""From logits to probabilities, and the defaults that follow: found on data the model was not trained on."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lingua_core.errors import InputError
from lingua_core.models.extractor_settings import EarlyExit, ExtractorSettings, SecondLook
from lingua_core.scorers import ExtractorScorer, Passage, ScoringTask
from lingua_core.segmentation import TextSegmenter
from lingua_core.training.data.evidence import segment_targets
from lingua_core.training.data.examples import Example
from lingua_core.training.platt import fit_platt

__all__ = ["FEWEST_EXAMPLES", "calibrate"]

FEWEST_EXAMPLES = 20
_ANSWERS_KEPT = 0.996
_LEAVING_WITH_EVIDENCE = 0.001
_FEWEST_LEAVING = 50
_SEGMENTER = TextSegmenter()
_BATCH = 16

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Seen:
    """Logits with what they should say.

    Attributes:
        by_example: Of each example, the logits of its segments and which of them are evidence.
        passage_of: Of each segment of all examples, its passage's number.
        relevance: Logits of all passages.
        holds: Which passages hold evidence.
    """

    by_example: list[tuple[Floats, NDArray[np.bool_]]]
    passage_of: NDArray[np.int64]
    relevance: Floats
    holds: NDArray[np.bool_]

    @property
    def segments(self) -> Floats:
        """Logits of the segments of all examples."""
        return np.concatenate([logits for logits, _ in self.by_example])

    @property
    def evidence(self) -> NDArray[np.bool_]:
        """Which of them are evidence."""
        return np.concatenate([evidence for _, evidence in self.by_example])


def calibrate(
    folder: Path,
    examples: Sequence[Example],
    *,
    second_look: SecondLook | None,
    early_exit: bool = False,
    threads: int | None = None,
) -> ExtractorSettings:
    """Settings for the exported model in `folder`, which are saved there.

    - `early_exit`, if asked for: at most 0.1 % of the passages with evidence leave in the middle of the
      model; least squares say what the whole model would have made of those that leave. None where few
      would leave. It holds for passages like the examples only: among much that has nothing to do with the
      question, a window with one sentence of evidence may leave.
    - `scale`, `offset`: Platt scaling of segment logits; the same for relevance.
    - `threshold`: 99.6 % of the examples keep a segment of their evidence, a margin above the 99 % that
      the default promises.

    Args:
        folder: As `export_extractor` writes it.
        examples: With distractors as in use; at least 20 with evidence.
        second_look: Taken over.
        early_exit: Whether windows may leave.
        threads: As for `ExtractorScorer`.

    Raises:
        InputError: If there are too few examples.
    """
    gold = sum(bool(example.gold) for example in examples)
    if gold < FEWEST_EXAMPLES:
        raise InputError(f"Calibration needs at least {FEWEST_EXAMPLES} examples with evidence, got {gold}.")
    way_out: EarlyExit | None = None
    if early_exit:
        all_leave = ExtractorSettings(early_exit=EarlyExit(cutoff=np.inf))
        middle = _logits(folder, examples, all_leave, threads)
        way_out = _early_exit(middle, _logits(folder, examples, ExtractorSettings(), threads))
    settings = ExtractorSettings(early_exit=way_out, second_look=second_look)
    seen = _logits(folder, examples, settings, threads)
    scale, offset = fit_platt(seen.segments, seen.evidence)
    relevance_scale, relevance_offset = fit_platt(seen.relevance, seen.holds)
    best = np.array([row[evidence].max() for row, evidence in seen.by_example if evidence.any()])
    lowest = float(np.quantile(best, 1 - _ANSWERS_KEPT, method="lower"))
    settings = replace(
        settings,
        scale=scale,
        offset=offset,
        relevance_scale=relevance_scale,
        relevance_offset=relevance_offset,
        threshold=round(float(1 / (1 + np.exp(-(scale * lowest + offset)))), 4),
    )
    settings.save(folder)
    return settings


def _early_exit(middle: _Seen, whole: _Seen) -> EarlyExit | None:
    cutoff = float(np.quantile(middle.relevance[middle.holds], _LEAVING_WITH_EVIDENCE, method="lower"))
    leaving = middle.relevance < cutoff
    if leaving.sum() < _FEWEST_LEAVING:
        return None
    segments = leaving[middle.passage_of]
    scale, offset = np.polyfit(middle.segments[segments], whole.segments[segments], 1)
    relevance_scale, relevance_offset = np.polyfit(middle.relevance[leaving], whole.relevance[leaving], 1)
    return EarlyExit(
        cutoff=cutoff,
        scale=float(scale),
        offset=float(offset),
        relevance_scale=float(relevance_scale),
        relevance_offset=float(relevance_offset),
    )


def _logits(
    folder: Path, examples: Sequence[Example], settings: ExtractorSettings, threads: int | None
) -> _Seen:
    scorer = ExtractorScorer(folder, settings=settings, threads=threads)
    rows: list[tuple[Floats, NDArray[np.bool_]]] = []
    passage_of: list[int] = []
    relevance: list[float] = []
    holds: list[bool] = []
    for at in range(0, len(examples), _BATCH):
        part = examples[at : at + _BATCH]
        tasks = [_task(example) for example in part]
        for example, task, looks in zip(part, tasks, scorer.logits(tasks), strict=True):
            targets = [
                segment_targets(passage, given.segments) == 1
                for passage, given in zip(example.passages, task.passages, strict=True)
            ]
            logits = np.concatenate([look.segments for look in looks]).astype(np.float64)
            rows.append((logits, np.concatenate(targets)))
            for look in looks:
                passage_of += [len(relevance)] * len(look.segments)
                relevance.append(look.relevance)
            holds += [bool(target.any()) for target in targets]
    return _Seen(rows, np.array(passage_of, np.int64), np.array(relevance), np.array(holds))


def _task(example: Example) -> ScoringTask:
    passages = [
        Passage(text=p.text, title=p.title, segments=_SEGMENTER.segment(p.text)) for p in example.passages
    ]
    return ScoringTask(query=example.question, passages=passages)
