"""From examples to the tensors of one training step."""

# torch, transformers and onnx are partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportIndexIssue=false

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from lingua_core.models.pairs import Pair, PairWindow, pair_windows
from lingua_core.segmentation import Segment, TextSegmenter
from lingua_core.training.data.evidence import segment_targets
from lingua_core.training.data.examples import Example
from lingua_core.training.data.styles import restyled

__all__ = ["Batch", "make_batch"]

_WITHOUT_TITLE = 0.25
_MISLED = 0.08
_SEGMENTER = TextSegmenter(language="en")


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One step's windows, and what the heads shall say of them.

    Attributes:
        windows: What the model reads, one window of each passage.
        window_question: Which question each window belongs to. Shape (windows,).
        window_target: 1 if the window holds evidence. Shape (windows,).
        token_window: Window of each answered token. Shape (tokens,).
        token_position: Its position in the window. Shape (tokens,).
        token_segment: Its segment, numbered over the batch. Shape (tokens,).
        segment_window: Window of each segment. Shape (segments,).
        segment_target: 1 for evidence, less for support, 0 for the rest. Shape (segments,).
        questions: How many.
    """

    windows: list[PairWindow]
    window_question: Tensor
    window_target: Tensor
    token_window: Tensor
    token_position: Tensor
    token_segment: Tensor
    segment_window: Tensor
    segment_target: Tensor
    questions: int

    @property
    def segment_question(self) -> Tensor:
        """Which question each segment belongs to. Shape (segments,)."""
        return self.window_question[self.segment_window]


def make_batch(
    examples: Sequence[Example], tokenizer: Tokenizer, rng: random.Random, *, longest: int
) -> Batch:
    """Tokenize examples; of a passage in several windows, take one, with evidence if it has any.

    Questions are typed in other ways now and then, and titles left out, so that the model knows both.
    """
    pairs: list[Pair] = []
    targets: list[np.ndarray] = []
    question_of: list[int] = []
    for number, example in enumerate(examples):
        question = restyled(example.question, rng)
        titled = rng.random() >= _WITHOUT_TITLE
        known = example.known or _misleading(example, rng)
        for passage in example.passages:
            segments = _SEGMENTER.segment(passage.text)
            title = passage.title if titled else None
            pairs.append(
                Pair(question=question, known=known, title=title, text=passage.text, segments=segments)
            )
            targets.append(segment_targets(passage, segments))
            question_of.append(number)
    chosen = _one_each(pair_windows(tokenizer, pairs, longest=longest), targets, rng)
    return _assembled(chosen, targets, question_of, len(examples))


def _misleading(example: Example, rng: random.Random) -> str:
    """Now and then a sentence without evidence as what is known: the first look errs too."""
    besides = [passage for passage in example.passages if not passage.evidence]
    if not besides or rng.random() >= _MISLED:
        return ""
    text = rng.choice(besides).text
    segment = rng.choice(_SEGMENTER.segment(text) or [Segment(0, len(text))])
    return text[segment.start : segment.end]


def _one_each(windows: list[PairWindow], targets: list[np.ndarray], rng: random.Random) -> list[PairWindow]:
    rows: dict[int, list[PairWindow]] = {}
    for window in windows:
        if len(window.owners):
            rows.setdefault(window.pair, []).append(window)
    chosen: list[PairWindow] = []
    for pair, row in rows.items():
        with_evidence = [window for window in row if (targets[pair][window.owners] == 1).any()]
        chosen.append(rng.choice(with_evidence or row))
    return chosen


def _assembled(
    windows: list[PairWindow], targets: list[np.ndarray], question_of: list[int], questions: int
) -> Batch:
    token_window: list[np.ndarray] = []
    token_position: list[np.ndarray] = []
    token_segment: list[np.ndarray] = []
    segment_window: list[np.ndarray] = []
    segment_target: list[np.ndarray] = []
    at = 0
    for i, window in enumerate(windows):
        own, local = np.unique(window.owners, return_inverse=True)
        token_window.append(np.full(len(local), i))
        token_position.append(window.first + np.arange(len(local)))
        token_segment.append(at + local)
        segment_window.append(np.full(len(own), i))
        segment_target.append(targets[window.pair][own])
        at += len(own)
    held = [bool((target == 1).any()) for target in segment_target]
    return Batch(
        windows=windows,
        window_question=torch.tensor([question_of[window.pair] for window in windows]),
        window_target=torch.tensor(held, dtype=torch.float32),
        token_window=torch.from_numpy(np.concatenate(token_window)),
        token_position=torch.from_numpy(np.concatenate(token_position)),
        token_segment=torch.from_numpy(np.concatenate(token_segment)),
        segment_window=torch.from_numpy(np.concatenate(segment_window)),
        segment_target=torch.from_numpy(np.concatenate(segment_target)),
        questions=questions,
    )
