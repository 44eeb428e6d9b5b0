"""Options of the methods that look inside sentences."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from math import isfinite
from typing import Any, Literal, get_args

from lingua_core.errors import InputError
from lingua_core.models.hugging_face import DType
from lingua_core.scorers.base import Scorer
from lingua_core.scorers.causal import Condition
from lingua_core.scorers.ranking import RankingFunction

__all__ = ["PruningOptions", "Ranker", "Signal", "Unit", "as_options"]

Unit = Literal["word", "phrase", "sentence"]
Ranker = Literal["perplexity", "extract", "lexical", "embedding"]
Signal = Literal["surprisal", "extract", "lexical", "embedding"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PruningOptions:
    """How "llmlingua", "longllmlingua", "llmlingua2" and "selective-context" go about it.

    None stands for what the method's paper does; for `ranker` and `signals` of "longllmlingua" with the
    embedded language model, which is too small to rank documents, for the embedded extractor.

    Attributes:
        unit: What is kept or dropped as a whole: words, phrases or sentences.
        ranker: What ranks documents before any is looked into: "perplexity" (of the method's own model),
            "extract", "lexical", "embedding", a `Scorer`, a function from the query and the documents' texts
            to a number for each, or False to look into all of them.
        condition: With "perplexity": what is foretold, the question "after" each document, each document
            "before" which the question stands, or each document by itself ("none": the least foreseeable
            comes first).
        document_slack: Documents are taken in order of rank until they reach this many times the budget,
        document_extra: and this many tokens more.
        forced_documents: Indices of documents that are always looked into.
        document_spread: How much more of the first than of the last document in rank is kept, as a fraction;
            0 treats all alike. LongLLMLingua's dynamic compression ratio.
        sentence_slack: With a number, whole sentences are dropped first, until what is left is this many
            times the budget.
        keep_first_sentences: How many sentences at the start of each document the sentence stage leaves.
        keep_last_sentences: The same at the end.
        contrast: With a query, value words by how much more likely the question makes them.
        signals: What counts beside the method's own scores, with its weight: sentences valued by
            "surprisal", "extract", "lexical" or "embedding". Both are counted in standard deviations, and the
            method's own has the weight 1. An empty mapping for nothing.
        drop_consecutive: Whether a word is left out that would follow on the same word.
        whole_numbers: Whether the digits of a number count as one token of their joint surprisal in iterative
            compression, where the model has a token for each. Papers count each by itself, and lose numbers.
        stretch: Tokens of the model that are valued at a time by iterative compression.
        window: Tokens that the model reads at once; None for what it was made for, at most 4096.
        batch_tokens: Tokens of a batch.
        dtype: Of a model that is loaded; "int8" makes its linear layers smaller and faster, on a CPU.
        trust_remote_code: Whether to run code that comes with the model.

    Raises:
        InputError: If an option is out of range.
    """

    unit: Unit | None = None
    ranker: Ranker | Scorer | RankingFunction | Literal[False] | None = None
    condition: Condition | None = None
    document_slack: float = 1.0
    document_extra: int = 100
    forced_documents: tuple[int, ...] = ()
    document_spread: float | None = None
    sentence_slack: float | None = None
    keep_first_sentences: int = 0
    keep_last_sentences: int = 0
    contrast: bool | None = None
    signals: Mapping[Signal, float] | None = field(default=None, hash=False)
    drop_consecutive: bool = False
    whole_numbers: bool = True
    stretch: int = 200
    window: int | None = None
    batch_tokens: int = 4096
    dtype: DType = "auto"
    trust_remote_code: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "forced_documents", tuple(self.forced_documents))
        _check_choice("unit", self.unit, (None, *get_args(Unit)))
        _check_choice("condition", self.condition, (None, *get_args(Condition)))
        if isinstance(self.ranker, str):
            _check_choice("ranker", self.ranker, get_args(Ranker))
        elif self.ranker not in (None, False) and not (
            isinstance(self.ranker, Scorer) or callable(self.ranker)
        ):
            raise InputError(
                f"ranker must be {', '.join(map(repr, get_args(Ranker)))}, False, a Scorer or a function, "
                f"got {self.ranker!r:.80}."
            )
        if self.signals is not None:
            object.__setattr__(self, "signals", _checked_signals(self.signals))
        if not isinstance(self.whole_numbers, bool):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise InputError(f"whole_numbers must be True or False, got {self.whole_numbers!r:.80}.")
        for name, least in (
            ("document_slack", 0), ("document_extra", 0), ("document_spread", 0), ("sentence_slack", 1),
            ("keep_first_sentences", 0), ("keep_last_sentences", 0), ("stretch", 1), ("window", 16),
            ("batch_tokens", 1),
        ):  # fmt: skip
            value: float | None = getattr(self, name)
            if value is not None and (isinstance(value, bool | str) or not value >= least):
                raise InputError(f"{name} must be a number of at least {least}, got {value!r}.")


def as_options(given: "PruningOptions | Mapping[str, Any] | None") -> PruningOptions:
    """The options, from keyword arguments where they came as plain data.

    Raises:
        InputError: If one is unknown, or out of range.
    """
    if given is None:
        return PruningOptions()
    if isinstance(given, PruningOptions):
        return given
    if not isinstance(given, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
        raise InputError(f"options must be PruningOptions or a mapping, got {given!r:.80}.")
    known = [option.name for option in fields(PruningOptions)]
    if unknown := [name for name in given if name not in known]:
        raise InputError(f"Unknown options {unknown}; expected some of {', '.join(known)}.")
    return PruningOptions(**given)


def _checked_signals(signals: Mapping[Signal, float]) -> dict[Signal, float]:
    if not isinstance(signals, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
        raise InputError(f"signals must be a mapping from names to weights, got {signals!r:.80}.")
    for name, weight in signals.items():
        _check_choice("The name of a signal", name, get_args(Signal))
        if isinstance(weight, bool | str) or not isfinite(weight):
            raise InputError(f"The weight of the signal {name!r} must be a finite number, got {weight!r}.")
    return dict(signals)


def _check_choice(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        raise InputError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r:.80}.")
