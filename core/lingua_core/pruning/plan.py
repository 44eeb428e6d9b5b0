"""From a method's name, model and options to the stages that a prompt goes through."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal, cast, get_args

from lingua_core.errors import InputError
from lingua_core.models.causal_lm import CausalLM
from lingua_core.models.language_model import LanguageModel
from lingua_core.models.onnx_causal_lm import OnnxCausalLM, is_exported_language_model
from lingua_core.models.onnx_session import Device
from lingua_core.pruning.iterative import IterativePruner
from lingua_core.pruning.options import PruningOptions, Unit
from lingua_core.pruning.stages import DocumentStage, SentenceStage
from lingua_core.scorers.base import Scorer
from lingua_core.scorers.causal import Condition, PerplexityRanker, SurprisalScorer
from lingua_core.scorers.choice import choose_scorer
from lingua_core.scorers.combined import CombinedScorer
from lingua_core.scorers.embedding import EmbeddingScorer
from lingua_core.scorers.ranking import RankingScorer
from lingua_core.scorers.token_classifier import TokenClassifierScorer
from lingua_core.segmentation import Segmenter
from lingua_core.segmentation.words import PhraseSegmenter, WordSegmenter
from lingua_core.weights import LANGUAGE_MODEL

__all__ = ["Method", "ModelSource", "Plan", "make_plan"]

Method = Literal["extract", "lexical", "llmlingua", "longllmlingua", "llmlingua2", "selective-context"]
ModelSource = str | Path | Scorer | CausalLM | OnnxCausalLM | tuple[Any, Any]

_Shipped = Callable[[str], Scorer]
"""Scorers that come with the package, by name."""

_UNITS: dict[Unit, Segmenter | None] = {
    "word": WordSegmenter(),
    "phrase": PhraseSegmenter(),
    "sentence": None,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What happens to a prompt between preparation and selection.

    Attributes:
        valuer: Values what is left in the end: a scorer, or a pruner, which has to know how much is to be
            kept.
        documents: Sets whole documents aside first; None for no such stage.
        sentences: Then whole sentences.
        segmenter: Cuts what is left into smaller segments; None to select among sentences.
        spread: How much more is kept of documents ranked higher; for a pruner.
        signals: What counts beside the valuer's scores, of sentences; None for nothing.
        drop_consecutive: Whether a word that would follow on the same word is left out.
        threshold_problem: Why there can be no threshold; None if there can.
    """

    valuer: Scorer | IterativePruner
    documents: DocumentStage | None = None
    sentences: SentenceStage | None = None
    segmenter: Segmenter | None = None
    spread: float = 0.0

    signals: Scorer | None = None
    drop_consecutive: bool = False
    threshold_problem: str | None = None

    @property
    def default_threshold(self) -> float | None:
        """The threshold that applies to prompts with a query and without a budget."""
        return None if self.threshold_problem else self.valuer.default_threshold

    @property
    def keeps_segments(self) -> bool:
        """Whether whole segments are kept, by scores that no budget has an influence on."""
        stages = (self.documents, self.sentences, self.segmenter, self.signals)
        return not isinstance(self.valuer, IterativePruner) and all(stage is None for stage in stages)

    def reads_instruction(self, query: str | None) -> bool:
        """Whether what the reader is told to do has an influence on scores."""
        return isinstance(self.valuer, IterativePruner) and not self.valuer.asks(query)

    @property
    def reads_twice(self) -> bool:
        """Whether one stage reads documents of which another asks the surprisals by themselves."""
        return (
            self.documents is not None and isinstance(self.valuer, IterativePruner) and self.valuer.contrast
        )


def make_plan(
    method: Method,
    model: ModelSource | None,
    options: PruningOptions | None,
    *,
    adapter: str | Path | None,
    device: str,
    threads: int | None,
) -> Plan:
    """The stages of a method.

    Raises:
        InputError: If the method is unknown, or model or options do not fit it.
    """
    if method not in get_args(Method):
        raise InputError(f"Unknown method {method!r}. Available: {', '.join(map(repr, get_args(Method)))}.")
    if adapter is not None and (method in _WITHOUT_ADAPTER or not isinstance(model, str | Path)):
        raise InputError(
            f"adapter={str(adapter)!r:.200} goes with a causal language model given by folder or name, got "
            f"method={method!r} and model={model!r:.80}. `lingua train restore-causal-lm` makes a folder of "
            "the embedded one."
        )
    if method in ("extract", "lexical"):
        if options is not None:
            raise InputError(f"Method {method!r} keeps whole sentences and has no options; leave them out.")
        if isinstance(model, CausalLM | OnnxCausalLM | tuple):
            raise InputError(f"Method {method!r} cannot use a causal language model; got {model!r:.80}.")
        return Plan(valuer=choose_scorer(method, model, cast("Device", device), threads))
    options = options or PruningOptions()
    # Stages that ask for the same scorer share one, and so its model.
    shipped: _Shipped = cache(partial(_named, threads=threads))
    if method == "llmlingua2":
        if model is None:
            raise InputError(_NEEDS_CLASSIFIER)
        return _classifier_plan(model, options, shipped, device)
    if model is None and method == "longllmlingua":
        options = _helped_by_the_extractor(options)
    if isinstance(model, CausalLM | OnnxCausalLM):
        language_model: LanguageModel = model
    elif isinstance(model, Scorer):
        raise InputError(f"Method {method!r} needs a causal language model, got the scorer {model.name!r}.")
    else:
        language_model = _causal(model, options, adapter, device, threads)
    if method == "selective-context":
        return Plan(
            valuer=SurprisalScorer(language_model),
            documents=_document_stage(options, None, language_model, "none", shipped),
            sentences=_sentence_stage(options, SurprisalScorer(language_model)),
            segmenter=_UNITS[options.unit or "phrase"],
            signals=_signals(options, language_model, shipped),
            drop_consecutive=options.drop_consecutive,
            threshold_problem=_STANDARDISED if options.signals else None,
        )
    is_long = method == "longllmlingua"
    pruner = IterativePruner(
        language_model,
        stretch=options.stretch,
        contrast=options.contrast if options.contrast is not None else is_long,
        whole_numbers=options.whole_numbers,
    )
    condition: Condition = options.condition or ("after" if is_long else "none")
    spread = options.document_spread
    return Plan(
        valuer=pruner,
        documents=_document_stage(options, "perplexity", language_model, condition, shipped),
        sentences=_sentence_stage(options, SurprisalScorer(language_model)),
        segmenter=_UNITS[options.unit or "word"],
        spread=spread if spread is not None else (0.3 if is_long else 0.0),
        signals=_signals(options, language_model, shipped),
        drop_consecutive=options.drop_consecutive,
        threshold_problem=(
            f"Method {method!r} decides how much to keep of each stretch of text and has no scores for a "
            "threshold"
        ),
    )


_STANDARDISED = "Scores with signals added are standard deviations, which no threshold fits"

_WITHOUT_ADAPTER = ("extract", "lexical", "llmlingua2")

_NEEDS_CLASSIFIER = (
    "Method 'llmlingua2' needs a model: a folder or a name on the Hugging Face hub, for instance "
    "'microsoft/llmlingua-2-bert-base-multilingual-cased-meetingbank'."
)

_EXTRACTOR_WEIGHT = 2.0


def _helped_by_the_extractor(options: PruningOptions) -> PruningOptions:
    """Options for the embedded language model: of documents and sentences the extractor knows far more."""
    return replace(
        options,
        ranker="extract" if options.ranker is None else options.ranker,
        signals={"extract": _EXTRACTOR_WEIGHT} if options.signals is None else options.signals,
    )


def _causal(
    model: str | Path | tuple[Any, Any] | None,
    options: PruningOptions,
    adapter: str | Path | None,
    device: str,
    threads: int | None,
) -> LanguageModel:
    exported = LANGUAGE_MODEL if model is None else None
    if isinstance(model, str | Path) and is_exported_language_model(model):
        if adapter is None:
            exported = Path(model)
        elif not any(Path(model).glob("*.safetensors")):
            raise InputError(
                f"{str(model)!r} holds an exported model only, whose weights no adapter can be merged into. "
                "Get weights with `lingua train restore-causal-lm`, or merge the adapter into the model that "
                "was exported with `lingua train merge-adapter`."
            )
    if exported is not None:
        return OnnxCausalLM(exported, device=cast("Device", device), window=options.window, threads=threads)
    assert model is not None  # for the type checker: the embedded one is exported
    return CausalLM(
        model,
        device=device,
        dtype=options.dtype,
        window=options.window,
        batch_tokens=options.batch_tokens,
        trust_remote_code=options.trust_remote_code,
        adapter=adapter,
    )


def _classifier_plan(model: ModelSource, options: PruningOptions, shipped: _Shipped, device: str) -> Plan:
    if isinstance(model, CausalLM | OnnxCausalLM):
        raise InputError("Method 'llmlingua2' needs a token classifier, got a causal language model.")
    scorer: Scorer
    if isinstance(model, str | Path | tuple):
        scorer = TokenClassifierScorer(
            model,
            device=device,
            dtype=options.dtype,
            batch_tokens=options.batch_tokens,
            trust_remote_code=options.trust_remote_code,
        )
    else:
        scorer = model
    if options.ranker == "perplexity":
        raise InputError("ranker='perplexity' needs a causal language model; 'llmlingua2' has none.")
    return Plan(
        valuer=scorer,
        documents=_document_stage(options, None, None, "none", shipped),
        sentences=_sentence_stage(options, scorer),
        segmenter=_UNITS[options.unit or "word"],
        signals=_signals(options, None, shipped),
        drop_consecutive=options.drop_consecutive,
        threshold_problem=_STANDARDISED if options.signals else None,
    )


def _document_stage(
    options: PruningOptions,
    default: Literal["perplexity"] | None,
    model: LanguageModel | None,
    condition: Condition,
    shipped: _Shipped,
) -> DocumentStage | None:
    chosen = options.ranker if options.ranker is not None else default
    if chosen is None or chosen is False:
        return None
    if chosen == "perplexity":
        if model is None:
            raise InputError("ranker='perplexity' needs a causal language model.")
        ranker: Scorer = PerplexityRanker(model, condition=options.condition or condition)
    elif isinstance(chosen, str):
        ranker = shipped(chosen)
    elif isinstance(chosen, Scorer):
        ranker = chosen
    else:
        ranker = RankingScorer(chosen)
    return DocumentStage(
        ranker=ranker,
        slack=options.document_slack,
        extra=options.document_extra,
        forced=options.forced_documents,
    )


def _sentence_stage(options: PruningOptions, scorer: Scorer) -> SentenceStage | None:
    if options.sentence_slack is None:
        return None
    return SentenceStage(
        scorer=scorer,
        slack=options.sentence_slack,
        first=options.keep_first_sentences,
        last=options.keep_last_sentences,
    )


def _signals(options: PruningOptions, model: LanguageModel | None, shipped: _Shipped) -> Scorer | None:
    weighted = [(name, weight) for name, weight in (options.signals or {}).items() if weight]
    if not weighted:
        return None
    if "surprisal" in dict(weighted) and model is None:
        raise InputError("The signal 'surprisal' needs a causal language model; 'llmlingua2' has none.")
    return CombinedScorer(
        [
            (
                SurprisalScorer(model) if name == "surprisal" and model is not None else shipped(name),
                weight,
            )
            for name, weight in weighted
        ]
    )


def _named(name: str, *, threads: int | None) -> Scorer:
    """A scorer that comes with the package."""
    if name == "embedding":
        return EmbeddingScorer(threads=threads)
    return choose_scorer("lexical" if name == "lexical" else "extract", None, "auto", threads)
