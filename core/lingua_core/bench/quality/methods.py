"""What can be compared: Lingua's scorers, baselines, and the frameworks' own parts."""

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from lingua_core.bench.quality.frameworks import LangChainFilter, LlamaIndexOptimizer
from lingua_core.bench.quality.questions import Question
from lingua_core.bench.quality.sentence_embedding import SentenceEmbeddingScorer
from lingua_core.compression import PromptCompressor
from lingua_core.documents import Span
from lingua_core.errors import ProtectedOverBudgetError
from lingua_core.results import CompressionResult
from lingua_core.scorers import (
    EmbeddingScorer,
    FixedScorer,
    LexicalScorer,
    PassageScores,
    Scorer,
    ScoringTask,
)
from lingua_core.scorers.choice import choose_scorer
from lingua_core.tokens import TokenCounter, resolve_token_counter

__all__ = [
    "METHODS",
    "SCORERS",
    "CompressorMethod",
    "Kept",
    "Method",
    "ScorerMethod",
    "kept_of",
    "make_method",
]


class Kept(NamedTuple):
    """What a method keeps of a question's documents.

    Attributes:
        text: The text.
        tokens: How many tokens it has.
        spans: Where it comes from, by index of the document; None where the method does not say.
    """

    text: str
    tokens: int
    spans: Mapping[int, Sequence[Span]] | None


class Method(Protocol):
    """A way to make the documents of a question smaller."""

    @property
    def counter(self) -> TokenCounter:
        """Counts the tokens."""
        ...

    def kept(self, question: Question, target: int) -> Kept:
        """What is kept in at most `target` tokens."""
        ...


class CompressorMethod:
    """A compressor of Lingua's."""

    def __init__(self, compressor: PromptCompressor) -> None:
        self.compressor = compressor
        self.counter = compressor.token_counter

    def kept(self, question: Question, target: int) -> Kept:
        """What is kept in at most `target` tokens: nothing, if no piece that may not be cut fits."""
        try:
            return kept_of(self.compressor.compress(question.documents, question.text, target_tokens=target))
        except ProtectedOverBudgetError:
            return Kept("", 0, {})


class ScorerMethod(CompressorMethod):
    """A scorer in Lingua's pipeline, so that only the scores differ."""

    def __init__(self, scorer: Scorer, counter: TokenCounter) -> None:
        super().__init__(PromptCompressor(model=_Remembering(scorer), token_counter=counter))


def kept_of(result: CompressionResult) -> Kept:
    """What a result keeps."""
    spans = {document.index: document.spans for document in result.documents}
    return Kept(result.text, result.compressed_tokens, spans)


class _Framework(Protocol):
    def kept_text(self, question: Question, target: int) -> str: ...


class _FrameworkMethod:
    def __init__(self, make: Callable[[TokenCounter], _Framework], counter: TokenCounter) -> None:
        self._framework = make(counter)
        self.counter = counter

    def kept(self, question: Question, target: int) -> Kept:
        text = self._framework.kept_text(question, target)
        return Kept(text, self.counter.count([text])[0], None)


class _Remembering:
    """A scorer that scores the same task once, for one question is compressed at several ratios."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer
        self._key: object = None
        self._scores: Sequence[Sequence[PassageScores]] = ()
        self.name = scorer.name
        self.requires_query = scorer.requires_query
        self.default_threshold = scorer.default_threshold

    def score(self, tasks: Sequence[ScoringTask]) -> Sequence[Sequence[PassageScores]]:
        key = [(task.query, [(p.text, p.title, list(p.segments)) for p in task.passages]) for task in tasks]
        if key != self._key:
            self._scores = self._scorer.score(tasks)
            self._key = key
        return self._scores


def _random_score(query: str | None, text: str) -> float:
    return int.from_bytes(sha256(f"{query}\0{text}".encode(errors="replace")).digest()[:4]) / 2**32


SCORERS: Mapping[str, Callable[[Path | None], Scorer]] = {
    "random": lambda _: FixedScorer(_random_score),
    "lexical": lambda _: LexicalScorer(),
    "sentence-embedding": lambda _: SentenceEmbeddingScorer(),
    "embedding": lambda _: EmbeddingScorer(),
    "extract": lambda model: choose_scorer("extract", model, "auto", None),
}
"""Scorers by the name of their method: random segments as the floor, BM25, each sentence embedded by
itself, each sentence embedded within its passage, and what Lingua does by default."""

_FRAMEWORKS: Mapping[str, Callable[[TokenCounter], _Framework]] = {
    "llamaindex-optimizer": LlamaIndexOptimizer,
    "langchain-filter": LangChainFilter,
}

_PRUNING: Final = ("llmlingua", "longllmlingua", "selective-context")

METHODS = (*SCORERS, *_PRUNING, *_FRAMEWORKS)
"""Names of all methods."""


def make_method(
    name: str,
    counter: str | TokenCounter | None = None,
    *,
    model: Path | None = None,
    language_model: Path | None = None,
) -> Method:
    """A method by its name.

    Args:
        name: One of `METHODS`.
        counter: As for `PromptCompressor`.
        model: Folder of the model behind "extract"; None for the embedded one.
        language_model: Folder of the model behind the methods that keep words; None for the embedded one.

    Raises:
        InputError: If there is no model in the folder.
        MissingDependencyError: If the method needs a package that is not installed.
    """
    resolved = resolve_token_counter(counter)
    if name in SCORERS:
        return ScorerMethod(SCORERS[name](model), resolved)
    if name in _PRUNING:
        return CompressorMethod(PromptCompressor(name, model=language_model, token_counter=resolved))
    return _FrameworkMethod(_FRAMEWORKS[name], resolved)
