"""LLMLingua-2 (arXiv 2403.12968): a token classifier says which words carry the text.

The model, an encoder with a head over each token, was distilled from a large model's extractive summaries.
It reads no question: one pass over the text in both directions gives each token's probability of being
kept, and a word's is the mean over its tokens (section 4.2 of the paper, and its code).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from lingua_core.errors import InputError, ScorerError
from lingua_core.models.hugging_face import DType, HuggingFaceModel, TokenizedText
from lingua_core.models.token_classifier import TokenClassifier
from lingua_core.models.token_words import TokenWords, chunk_starts, words_of_tokens
from lingua_core.scorers.base import PassageScores, Scorer, ScoringTask

__all__ = ["TokenClassifierScorer", "WordScore"]

WordScore = Literal["mean", "first"]


class TokenClassifierScorer:
    """Probability of each word being kept, from 0 to 1, whatever the question.

    The units are words: runs of characters without white space, so that punctuation belongs to the word
    that it stands beside. In scripts that are written without spaces, each token of the model is a word.
    A threshold of 0.5 keeps what the model would keep; how much that is depends on the text.

    Texts longer than the model reads at once (at most 512 tokens) are cut into chunks at sentence ends, else
    between words, and inside a word only if it alone is longer. Equal texts are scored once.

    Args:
        model: A token classifier: a folder, a name on the hub (fetched on first use), a `HuggingFaceModel` of
            kind "token-classifier", or a pair of a loaded model and its tokenizer.
        device: "auto" and "cpu" run on the CPU; "cuda", "cuda:1", "mps" on what they name.
        dtype: "auto" is float32 on a CPU, and what the model was saved in elsewhere.
        keep_label: The label that means "keep", by id or name; None for label 1 of two, as in the published
            models.
        word_score: A word's score: the "mean" over its tokens, or that of its "first" token.
        batch_tokens: Tokens that go through the model at once, padding included.
        document_ranker: Says how relevant each passage is when there is a query (question-aware use: rank
            with one model, prune with this one). Without it, or without a query, a passage is as relevant as
            the mean of its words.
        trust_remote_code: Whether to run code that comes with the model.

    Raises:
        InputError: If an argument cannot be used.
    """

    name = "llmlingua2"
    requires_query = False
    default_threshold: float | None = None

    def __init__(
        self,
        model: str | Path | HuggingFaceModel | tuple[Any, Any],
        *,
        device: str = "auto",
        dtype: DType = "auto",
        keep_label: str | int | None = None,
        word_score: WordScore = "mean",
        batch_tokens: int = 4096,
        document_ranker: Scorer | None = None,
        trust_remote_code: bool = False,
    ) -> None:
        if word_score not in get_args(WordScore):
            raise InputError(f"word_score must be 'mean' or 'first', got {word_score!r:.80}.")
        if document_ranker is not None and not isinstance(document_ranker, Scorer):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise InputError(
                f"document_ranker must be a lingua_core.scorers.Scorer or None, got {document_ranker!r:.80}."
            )
        if isinstance(model, HuggingFaceModel):
            if (device, dtype, trust_remote_code) != ("auto", "auto", False):
                raise InputError(
                    "device, dtype and trust_remote_code are those of the HuggingFaceModel that was given. "
                    f"Leave them out, or set them there; got {device!r}, {dtype!r}, {trust_remote_code!r}."
                )
        else:
            model = HuggingFaceModel(
                model,
                kind="token-classifier",
                device=device,
                dtype=dtype,
                trust_remote_code=trust_remote_code,
            )
        self._classifier = TokenClassifier(model, keep_label=keep_label, batch_tokens=batch_tokens)
        self._word_score: WordScore = word_score
        self._document_ranker = document_ranker

    def score(self, tasks: Sequence[ScoringTask]) -> list[list[PassageScores]]:
        """Word scores of every passage of every task, from one pass over all of them.

        Words that the tokenizer drops (control characters, say) get their passage's lowest probability. A
        passage without words has no units, and relevance 0.

        Raises:
            ModelError: If the model cannot be loaded, has no label to keep by, or does not fit in memory.
            ScorerError: If it returns logits that are not finite; the message names the document.
        """
        places: dict[str, tuple[int, int]] = {}
        for t, task in enumerate(tasks):
            for p, passage in enumerate(task.passages):
                places.setdefault(passage.text, (t, p))
        scored = dict(zip(places, self._score_texts(list(places), list(places.values())), strict=True))
        relevance = self._ranks(tasks)
        return [
            [
                _of_words(*scored[passage.text], relevance.get((t, p)))
                for p, passage in enumerate(task.passages)
            ]
            for t, task in enumerate(tasks)
        ]

    def _score_texts(
        self, texts: Sequence[str], places: Sequence[tuple[int, int]]
    ) -> list[tuple[TokenWords, NDArray[np.float32]]]:
        """The words of each text with their probabilities. `places` are for the message of an error."""
        if not any(text.strip() for text in texts):
            return [(words_of_tokens(text, _NO_TOKENS), np.zeros(0, np.float32)) for text in texts]
        room = self._classifier.frame().room
        tokens = self._classifier.tokenize(texts)
        words = [words_of_tokens(text, found) for text, found in zip(texts, tokens, strict=True)]
        cuts = [chunk_starts(text, own, room) for text, own in zip(texts, words, strict=True)]
        chunks = [
            ids
            for found, own in zip(tokens, cuts, strict=True)
            for ids in np.split(found.ids, own)
            if len(ids)
        ]
        kept = iter(self._classifier.probabilities(chunks))
        scores: list[tuple[TokenWords, NDArray[np.float32]]] = []
        for found, own, cut, place in zip(tokens, words, cuts, places, strict=True):
            parts = [next(kept) for _ in range(len(cut) + 1)] if len(found.ids) else []
            probabilities = np.concatenate(parts) if parts else np.zeros(0, np.float32)
            self._check(probabilities, place)
            scores.append((own, _word_scores(own, found, probabilities, self._word_score)))
        return scores

    def _check(self, probabilities: NDArray[np.float32], place: tuple[int, int]) -> None:
        bad = int(np.isnan(probabilities).sum())
        if bad:
            raise ScorerError(
                f"{self._classifier.name!r} returned logits that are NaN or infinite for {bad} of the "
                f"{len(probabilities)} tokens of document {place[1]} of task {place[0]} (counted from 0). "
                "Half precision overflows in some models: try dtype='float32'. Else its weights are damaged."
            )

    def _ranks(self, tasks: Sequence[ScoringTask]) -> dict[tuple[int, int], float]:
        """The ranker's relevance of passages, by task and passage; nothing without a ranker or a query."""
        asked = [t for t, task in enumerate(tasks) if task.query is not None]
        if self._document_ranker is None or not asked:
            return {}
        found = self._document_ranker.score([tasks[t] for t in asked])
        lengths = [len(scores) for scores in found]
        if lengths != [len(tasks[t].passages) for t in asked]:
            raise ScorerError(
                f"document_ranker {self._document_ranker.name!r} returned scores for {lengths} passages of "
                f"{len(asked)} tasks with {[len(tasks[t].passages) for t in asked]}. Expected one for each."
            )
        return {
            (t, p): float(of_passage.relevance)
            for t, scores in zip(asked, found, strict=True)
            for p, of_passage in enumerate(scores)
        }


_NO_TOKENS = TokenizedText(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.int64))


def _of_words(words: TokenWords, keep: NDArray[np.float32], relevance: float | None) -> PassageScores:
    if relevance is None:
        relevance = float(keep.mean()) if len(keep) else 0.0
    # Equal passages must not share arrays that a caller may change.
    return PassageScores(
        relevance=relevance, starts=words.starts.copy(), ends=words.ends.copy(), keep=keep.copy()
    )


def _word_scores(
    words: TokenWords, tokens: TokenizedText, probabilities: NDArray[np.float32], word_score: WordScore
) -> NDArray[np.float32]:
    """Shape (words,)."""
    number = len(words.starts)
    if not len(probabilities):
        return np.zeros(number, np.float32)
    first = np.searchsorted(words.owners, np.arange(number), side="left")
    count = np.searchsorted(words.owners, np.arange(number), side="right") - first
    if word_score == "first":
        scores = probabilities[np.minimum(first, len(probabilities) - 1)]
    else:
        total = np.bincount(words.owners, probabilities, minlength=number)[:number]
        scores = (total / np.maximum(count, 1)).astype(np.float32)
    # A token may reach over several words; else the tokenizer dropped the word.
    covering = np.maximum(np.searchsorted(tokens.starts, words.starts, side="right") - 1, 0)
    is_covered = (tokens.starts[covering] <= words.starts) & (tokens.ends[covering] > words.starts)
    scores = np.where((count == 0) & is_covered, probabilities[covering], scores)
    dropped = (count == 0) & ~is_covered
    if dropped.any():
        scores[dropped] = scores[~dropped].min() if not dropped.all() else 0.0
    return scores.astype(np.float32)
