"""The whole way from pairs to a folder that `PromptCompressor(method="llmlingua2", model=...)` reads."""

# torch and transformers are partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lingua_core.errors import InputError
from lingua_core.models.token_classifier import TokenClassifier
from lingua_core.training.token_classifier.alignment import Alignment, align
from lingua_core.training.token_classifier.evaluate import Baseline, TokenFigures, evaluate, figures
from lingua_core.training.token_classifier.filters import Choice, QualityFilters, choose
from lingua_core.training.token_classifier.labels import LabelledRow, labelled_rows
from lingua_core.training.token_classifier.model import Start, load_start, save_classifier
from lingua_core.training.token_classifier.pairs import CompressionPair, Split, split_pairs
from lingua_core.training.token_classifier.report import PairCounts, TrainingReport, save_report
from lingua_core.training.token_classifier.train import Progress, TrainingOptions, train

__all__ = ["AlignedPairs", "aligned", "train_token_classifier"]

_TEXTS_AT_ONCE = 256


class AlignedPairs(NamedTuple):
    """Pairs that passed the filters.

    Attributes:
        pairs: What is left, in input order.
        alignments: One a pair.
        empty: How many were left out because their compression is blank.
        cut_off: How many were left out because their compression is not whole.
        choice: How many were left out for their quality.
    """

    pairs: list[CompressionPair]
    alignments: list[Alignment]
    empty: int
    cut_off: int
    choice: Choice


def aligned(pairs: Sequence[CompressionPair], filters: QualityFilters) -> AlignedPairs:
    """Align pairs, and leave out those from which nothing right could be learnt.

    Raises:
        InputError: If nothing is left, or a text is too long; says of which pair.
    """
    filled = [pair for pair in pairs if pair.compressed.strip() and not pair.cut_off]
    empty = sum(not pair.compressed.strip() for pair in pairs)
    if not filled:
        raise InputError(
            f"Of the {len(pairs)} compressions {empty} are empty and the rest are cut off: there is nothing "
            "to learn. Look at what the endpoint answered."
        )
    alignments = [_aligned(pair) for pair in filled]
    choice = choose(alignments, filters)
    if not choice.kept:
        raise InputError(
            f"The filters let none of the {len(filled)} pairs through: {choice.varied} vary too much from "
            f"their texts, {choice.gaping} have too wide a gap. Raise the limits, or look at the pairs."
        )
    return AlignedPairs(
        [filled[i] for i in choice.kept],
        [alignments[i] for i in choice.kept],
        empty,
        len(pairs) - len(filled) - empty,
        choice,
    )


def train_token_classifier(
    pairs: AlignedPairs,
    start: str | Path,
    target: Path,
    options: TrainingOptions,
    *,
    report: Callable[[Progress], Any] = lambda progress: None,
) -> TrainingReport:
    """Train, measure on held-out pairs, and write the model with `report.json` and a model card to `target`.

    Checkpoints are kept in `target/training`, where the same call goes on after an interruption; the folder
    is removed in the end.

    Args:
        pairs: Of `aligned`.
        start: An encoder or a token classifier: a folder, or a name on the hub.
        target: Folder for the model.
        options: How.
        report: Called after each step.

    Raises:
        InputError: If there are too few pairs, `target` is `start`, or what is in `target/training` is of
            another run.
        ModelError: If the start cannot be loaded, or the training goes astray.
        OSError: If something cannot be written; what was there before stays.
    """
    if Path(start).is_dir() and target.is_dir() and Path(start).samefile(target):
        raise InputError(
            f"The model would be written over the one it starts from, {str(start)!r}. Give another folder."
        )
    split = split_pairs(pairs.pairs)
    beginning = load_start(start, seed=options.seed)
    rows = _rows(beginning.classifier, pairs, split)
    baselines = _baselines(beginning, rows, options.seed)
    losses = train(
        beginning.model,
        rows.learnt,
        rows.validation,
        beginning.classifier.frame(),
        options,
        has_new_head=beginning.has_new_head,
        folder=target / "training",
        report=report,
    )
    found = TrainingReport(
        start=Path(start).name if Path(start).is_dir() else str(start),
        pairs=PairCounts(
            empty=pairs.empty,
            cut_off=pairs.cut_off,
            varied=pairs.choice.varied,
            gaping=pairs.choice.gaping,
            learnt=len(split.learnt),
            validation=len(split.validation),
            test=len(split.test),
            most_variation=pairs.choice.most_variation,
            widest_gap=pairs.choice.widest_gap,
        ),
        options=options,
        validation_losses=losses,
        test=evaluate(beginning.classifier, rows.test),
        baselines=baselines,
    )
    save_classifier(beginning, target)
    save_report(found, target)
    shutil.rmtree(target / "training")
    return found


class _Rows(NamedTuple):
    learnt: list[LabelledRow]
    validation: list[LabelledRow]
    test: list[LabelledRow]


def _aligned(pair: CompressionPair) -> Alignment:
    try:
        return align(pair.origin, pair.compressed)
    except InputError as error:
        raise InputError(f"Pair {pair.id!r:.80}: {error}") from error


def _rows(classifier: TokenClassifier, pairs: AlignedPairs, split: Split) -> _Rows:
    room = classifier.frame().room
    of_pair: dict[str, list[LabelledRow]] = {}
    for first in range(0, len(pairs.pairs), _TEXTS_AT_ONCE):
        part = slice(first, first + _TEXTS_AT_ONCE)
        tokens = classifier.tokenize([pair.origin for pair in pairs.pairs[part]])
        for pair, alignment, own in zip(pairs.pairs[part], pairs.alignments[part], tokens, strict=True):
            of_pair[pair.id] = labelled_rows(pair.origin, alignment, own, room=room)
    return _Rows(*([row for pair in part for row in of_pair[pair.id]] for part in split))


def _baselines(start: Start, rows: _Rows, seed: int) -> dict[str, TokenFigures]:
    """Figures of what needs no training, on the same tokens."""
    by_token = Baseline(rows.learnt).probabilities(rows.test)
    rate = float(np.mean([label == 1 for row in rows.learnt for label in row.labels]))
    rng = np.random.default_rng(seed)
    # As many reach one half as are to be kept.
    chance = [0.5 + (rate - rng.random(len(row.ids))) / 2 for row in rows.test]
    return {
        "before training": evaluate(start.classifier, rows.test),
        "most frequent label of the token": figures(by_token, rows.test),
        "chance, at the rate of the labels": figures(chance, rows.test),
        "keep everything": figures([np.ones(len(row.ids)) for row in rows.test], rows.test),
    }
