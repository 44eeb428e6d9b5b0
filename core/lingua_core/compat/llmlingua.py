"""`llmlingua.PromptCompressor` 0.2.2 on this package's methods: migrate by changing one import.

```
from lingua_core.compat.llmlingua import PromptCompressor
```

Same constructor, methods, parameters and result keys. What is different on purpose is listed in
`docs/how-to/from-llmlingua.md`.
"""

import gzip
import logging
import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from hashlib import sha1
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from lingua_core import compression
from lingua_core.errors import InputError
from lingua_core.models.causal_lm import CausalLM
from lingua_core.models.continuations import Continuation
from lingua_core.models.hugging_face import DType
from lingua_core.pruning.options import PruningOptions
from lingua_core.pruning.plan import Method
from lingua_core.pruning.recovery import recover_subsequences
from lingua_core.scorers import (
    EmbeddingScorer,
    ExtractorScorer,
    LexicalScorer,
    PassageScores,
    Scorer,
    ScoringTask,
)
from lingua_core.scorers.base import Passage
from lingua_core.scorers.causal import Condition, PerplexityRanker
from lingua_core.scorers.token_classifier import TokenClassifierScorer
from lingua_core.segmentation import Segment
from lingua_core.structured.json_rules import Rule
from lingua_core.structured.json_values import compress_json
from lingua_core.structured.tagged import compress_tagged
from lingua_core.tokens import TokenCounter, resolve_token_counter

__all__ = ["PromptCompressor"]

_LOGGER = logging.getLogger(__name__)

_GONE = {"openai", "voyageai", "cohere"}
_WITHOUT_EFFECT = {
    "force_context_number": None,
    "keep_split": False,
    "keep_sentence_number": 0,
    "high_priority_bonus": 100,
    "add_instruction": False,
    "strict_preserve_uncompressed": True,
}
_ORDERS: dict[str, compression.Order] = {"original": "original", "sort": "relevance", "two_stage": "ends"}
_DOLLARS = 0.06 / 1000

Result = dict[str, Any]


class PromptCompressor:
    """The interface of `llmlingua.PromptCompressor`, without its state between calls.

    Nothing is loaded or fetched before it is needed. Token counts are those of cl100k_base where tiktoken
    has it at hand, else of the embedded tokenizer.

    Args:
        model_name: A folder, or a name on the Hugging Face hub.
        device_map: "cuda", "cpu" or "mps". Without a GPU, "cuda" runs on the CPU, and says so.
        model_config: "torch_dtype" ("float32", torch.bfloat16, ...) and "trust_remote_code" (False unless
            given); "pad_to_left" is accepted and makes no difference.
        open_api_config: Accepted, unused.
        use_llmlingua2: Whether the model is a token classifier.
        llmlingua2_config: "max_batch_size" and "max_force_token" are accepted and make no difference.

    Raises:
        lingua_core.InputError: If an option is unknown.
    """

    def __init__(
        self,
        model_name: str = "NousResearch/Llama-2-7b-hf",
        device_map: str = "cuda",
        model_config: Mapping[str, Any] | None = None,
        open_api_config: Mapping[str, Any] | None = None,
        use_llmlingua2: bool = False,
        llmlingua2_config: Mapping[str, Any] | None = None,
    ) -> None:
        config = dict(model_config or {})
        config.pop("pad_to_left", None)
        trust = bool(config.pop("trust_remote_code", False))
        dtype = str(config.pop("torch_dtype", config.pop("dtype", "auto"))).removeprefix("torch.")
        if config:
            raise InputError(
                f"model_config holds {sorted(config)}; expected torch_dtype, trust_remote_code, pad_to_left. "
                "Load the model yourself for other options, and pass it to lingua_core.PromptCompressor."
            )
        del open_api_config, llmlingua2_config
        self.model_name = model_name
        self.use_llmlingua2 = use_llmlingua2
        self._device_map = device_map
        self._options: dict[str, Any] = {"dtype": _dtype(dtype), "trust_remote_code": trust}

    def __call__(self, *args: Any, **kwargs: Any) -> Result:  # noqa: ANN401  # as compress_prompt
        """`compress_prompt`."""
        return self.compress_prompt(*args, **kwargs)

    def compress_prompt(
        self,
        context: str | Sequence[str],
        instruction: str = "",
        question: str = "",
        rate: float = 0.5,
        target_token: float = -1,
        iterative_size: int = 200,
        force_context_ids: Sequence[int] | None = None,
        force_context_number: int | None = None,
        use_sentence_level_filter: bool = False,
        use_context_level_filter: bool = True,
        use_token_level_filter: bool = True,
        keep_split: bool = False,
        keep_first_sentence: int = 0,
        keep_last_sentence: int = 0,
        keep_sentence_number: int = 0,
        high_priority_bonus: int = 100,
        context_budget: str = "+100",
        token_budget_ratio: float = 1.4,
        condition_in_question: str = "none",
        reorder_context: str = "original",
        dynamic_context_compression_ratio: float = 0.0,
        condition_compare: bool = False,
        add_instruction: bool = False,
        rank_method: str = "llmlingua",
        concate_question: bool = True,
        context_segs: Sequence[Sequence[str]] | None = None,
        context_segs_rate: Sequence[Sequence[float]] | None = None,
        context_segs_compress: Sequence[Sequence[bool]] | None = None,
        target_context: int = -1,
        context_level_rate: float = 1.0,
        context_level_target_token: int = -1,
        return_word_label: bool = False,
        word_sep: str = "\t\t|\t\t",
        label_sep: str = " ",
        token_to_word: str = "mean",
        force_tokens: Sequence[str] = (),
        force_reserve_digit: bool = False,
        drop_consecutive: bool = False,
        chunk_end_tokens: Sequence[str] = (".", "\n"),
        strict_preserve_uncompressed: bool = True,
    ) -> Result:
        """Compress contexts between an instruction and a question.

        Parameters as in llmlingua 0.2.2; see the page on differences.

        Returns:
            "compressed_prompt", "origin_tokens", "compressed_tokens", "ratio" ("2.0x"), "rate" ("50.0%"),
            "saving"; with a token classifier also "compressed_prompt_list" and, if asked for,
            "fn_labeled_original_prompt".

        Raises:
            lingua_core.InputError: If a parameter cannot be used.
        """
        given = locals()
        _warn_without_effect([name for name, value in _WITHOUT_EFFECT.items() if given[name] != value])
        if any(value is not None for value in (context_segs, context_segs_rate, context_segs_compress)):
            raise InputError("context_segs is no parameter here; use structured_compress_prompt with tags.")
        if self.use_llmlingua2:
            return self.compress_prompt_llmlingua2(
                context,
                instruction=instruction,
                question=question,
                concate_question=concate_question,
                rate=rate,
                target_token=target_token,
                use_context_level_filter=use_context_level_filter,
                use_token_level_filter=use_token_level_filter,
                target_context=target_context,
                context_level_rate=context_level_rate,
                context_level_target_token=context_level_target_token,
                force_context_ids=force_context_ids,
                return_word_label=return_word_label,
                word_sep=word_sep,
                label_sep=label_sep,
                token_to_word=token_to_word,
                force_tokens=force_tokens,
                force_reserve_digit=force_reserve_digit,
                drop_consecutive=drop_consecutive,
                chunk_end_tokens=chunk_end_tokens,
            )
        contexts = _contexts(context)
        condition = _condition(condition_in_question, rank_method, question)
        ranker = self._ranker(rank_method, condition) if use_context_level_filter else False
        slack, extra = _context_budget(context_budget)
        compressor = self._compressor(
            "longllmlingua" if rank_method == "longllmlingua" else "llmlingua",
            self._causal,
            PruningOptions(
                unit="word" if use_token_level_filter else "sentence",
                ranker=ranker,
                document_slack=slack,
                document_extra=extra,
                forced_documents=tuple(force_context_ids or ()),
                document_spread=abs(dynamic_context_compression_ratio),
                sentence_slack=token_budget_ratio if use_sentence_level_filter else None,
                keep_first_sentences=keep_first_sentence,
                keep_last_sentences=keep_last_sentence,
                contrast=condition_compare,
                whole_numbers=False,
                stretch=iterative_size,
            ),
        )
        order = _ORDERS.get(reorder_context)
        if order is None:
            raise InputError(f"reorder_context must be one of {', '.join(_ORDERS)}, got {reorder_context!r}.")
        around = [part for part in (instruction, question if concate_question else "") if part]
        result = compressor.compress(
            contexts,
            question or None,
            target_tokens=self._target(contexts, around, instruction, question, rate, target_token),
            instruction=instruction,
            order=order,
        )
        return self._counted(contexts, instruction, question, concate_question, result.text)

    def compress_prompt_llmlingua2(
        self,
        context: str | Sequence[str],
        rate: float = 0.5,
        target_token: float = -1,
        use_context_level_filter: bool = False,
        use_token_level_filter: bool = True,
        target_context: int = -1,
        context_level_rate: float = 1.0,
        context_level_target_token: int = -1,
        force_context_ids: Sequence[int] | None = None,
        return_word_label: bool = False,
        word_sep: str = "\t\t|\t\t",
        label_sep: str = " ",
        token_to_word: str = "mean",
        force_tokens: Sequence[str] = (),
        force_reserve_digit: bool = False,
        drop_consecutive: bool = False,
        chunk_end_tokens: Sequence[str] = (".", "\n"),
        *,
        instruction: str = "",
        question: str = "",
        concate_question: bool = True,
    ) -> Result:
        """Compress contexts with a token classifier; see `compress_prompt`."""
        del chunk_end_tokens
        contexts = _contexts(context)
        scorer = self._classifier(token_to_word)
        tokens = sum(self._counter.count(contexts))
        line = context_level_target_token if context_level_target_token > 0 else None
        if line is None and context_level_rate < 1:
            line = round(context_level_rate * tokens)
        compressor = self._compressor(
            "llmlingua2",
            scorer,
            PruningOptions(
                unit="word" if use_token_level_filter else "sentence",
                ranker=scorer if use_context_level_filter and line is not None else False,
                document_slack=0.0,
                document_extra=line or 0,
                forced_documents=tuple(force_context_ids or ()),
                drop_consecutive=drop_consecutive,
            ),
            always_keep=[
                *(re.compile(re.escape(token)) for token in force_tokens if token.strip()),
                *([re.compile(r"\d")] if force_reserve_digit else []),
            ],
        )
        _warn_without_effect(["target_context"] if target_context > 0 else [])
        result = compressor.compress(contexts, question or None, **_budget(rate, target_token))
        found = self._counted(contexts, instruction, question, concate_question, result.text)
        texts = {document.index: document.text for document in result.documents}
        found["compressed_prompt_list"] = [texts[i] for i in sorted(texts)]
        if return_word_label:
            rows = sorted([*result.documents, *result.dropped], key=lambda document: document.index)
            found["fn_labeled_original_prompt"] = word_sep.join(
                f"{d.source.text[s.start : s.end]}{label_sep}{int(s.kept)}" for d in rows for s in d.segments
            )
        return found

    def structured_compress_prompt(
        self,
        structured_context: str | Sequence[str],
        instruction: str = "",
        question: str = "",
        rate: float = 0.5,
        target_token: float = -1,
        concate_question: bool = True,
        **options: Any,  # noqa: ANN401  # as compress_prompt
    ) -> Result:
        """Compress contexts with `<llmlingua, rate=0.4, compress=True>` tags; text outside of tags stays.

        Raises:
            lingua_core.InputError: If a tag is malformed, or an option cannot be used.
        """
        _warn_without_effect(options)
        text = "\n\n".join(_contexts(structured_context))
        found = compress_tagged(
            text,
            self._plain(),
            question or None,
            **_budget(rate, target_token),
        )
        plain = "".join(text[p.section.span.start : p.section.span.end] for p in found.parts)
        return self._counted([plain], instruction, question, concate_question, found.text)

    def compress_json(
        self,
        json_data: Mapping[str, Any],
        json_config: Mapping[str, Any],
        instruction: str = "",
        question: str = "",
        rate: float = 0.5,
        target_token: float = -1,
        concate_question: bool = False,
        **options: Any,  # noqa: ANN401  # as compress_prompt
    ) -> Result:
        """Compress a JSON object by rules for its keys; kept values are not touched.

        Raises:
            lingua_core.InputError: If the configuration cannot be read; a path to a YAML file is none.
        """
        if not isinstance(json_config, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise InputError(
                f"json_config must be a mapping, got {json_config!r:.80}. Load YAML yourself: "
                "yaml.safe_load(open(path))."
            )
        _warn_without_effect(options)
        found = compress_json(
            dict(json_data),
            Rule.from_llmlingua(json_config),
            self._plain(),
            question or None,
            **_budget(rate, target_token),
        )
        result = self._counted([], instruction, question, concate_question, found.text)
        result["origin_tokens"] = found.origin_tokens
        return result

    def recover(self, original_prompt: str, compressed_prompt: str, response: str) -> str:
        """The response with what it quotes of the compressed prompt as the original has it."""
        return recover_subsequences(original_prompt, compressed_prompt, response)

    def get_ppl(
        self,
        text: str,
        granularity: str = "sentence",
        *,
        condition_mode: str = "none",
        condition_pos_id: int = 0,
    ) -> float | np.ndarray:
        """Mean surprisal of a text's tokens in nats, or with granularity "token" each by itself.

        llmlingua calls it perplexity; it is its logarithm.
        """
        (tokens,) = self._causal.tokenize([text])
        (values,) = self._causal.surprisals([Continuation(np.zeros(0, np.int64), tokens.ids)])
        values = values[~np.isnan(values)]
        if condition_mode == "before":
            values = values[:condition_pos_id]
        elif condition_mode == "after":
            values = values[condition_pos_id:]
        return values if granularity == "token" else float(values.mean())

    def get_condition_ppl(
        self, text: str, question: str, condition_in_question: str = "none", granularity: str = "sentence"
    ) -> float | np.ndarray:
        """Mean surprisal of a text, of a text after a question ("before"), or the reverse ("after")."""
        if condition_in_question == "none":
            return self.get_ppl(text, granularity)
        first, second = (question, text) if condition_in_question == "before" else (text, question)
        known = len(self._causal.tokenize([first])[0].ids)
        if not len(self._causal.start):
            known -= 1
        return self.get_ppl(first + second, granularity, condition_mode="after", condition_pos_id=known)

    def get_token_length(
        self, text: str, add_special_tokens: bool = True, use_oai_tokenizer: bool = False
    ) -> int:
        """Tokens of a text, for the model or for its reader."""
        if use_oai_tokenizer:
            return self._counter.count([text])[0]
        if self.use_llmlingua2:
            raise InputError("get_token_length counts a causal model's tokens; pass use_oai_tokenizer=True.")
        special = len(self._causal.start) if add_special_tokens else 0
        return len(self._causal.tokenize([text])[0].ids) + special

    def get_rank_results(
        self,
        context: Sequence[str],
        question: str,
        rank_method: str,
        condition_in_question: str,
        context_tokens_length: Sequence[int] | None = None,
    ) -> list[tuple[int, float]]:
        """Contexts by rank, best first: index, and the value that decided.

        For "llmlingua" and "longllmlingua" the mean surprisal as in llmlingua, else a relevance.
        """
        del context_tokens_length
        contexts = _contexts(context)
        condition = condition_in_question.replace("_condition", "")
        ranker = self._ranker(rank_method, _checked_condition(condition))
        passages = [
            Passage(text=text, title=None, segments=[Segment(0, len(text))] if text else [])
            for text in contexts
        ]
        (scores,) = ranker.score([ScoringTask(query=question or None, passages=passages)])
        values = [row.relevance for row in scores]
        order = sorted(range(len(values)), key=lambda i: -values[i])
        sign = -1.0 if isinstance(ranker, PerplexityRanker) and condition != "none" and question else 1.0
        return [(i, sign * values[i]) for i in order]

    @cached_property
    def _causal(self) -> CausalLM:
        if self.use_llmlingua2:
            raise InputError("A token classifier has no perplexity; leave out use_llmlingua2.")
        return CausalLM(self.model_name, device=self._device, **self._options)

    @cached_property
    def _device(self) -> str:
        if self._device_map in ("cuda", "auto", "balanced", "balanced_low_0"):
            import torch

            if not torch.cuda.is_available():
                _LOGGER.warning(
                    "device_map=%r, but torch finds no GPU: running on the CPU.", self._device_map
                )
                return "cpu"
            return "cuda"
        return self._device_map

    @cached_property
    def _counter(self) -> TokenCounter:
        if not _has_openai_encoding():
            _LOGGER.info("tiktoken's file of cl100k_base is not at hand; the embedded tokenizer counts.")
            return resolve_token_counter(None)
        return resolve_token_counter("cl100k_base")

    def _classifier(self, word_score: str) -> TokenClassifierScorer:
        if word_score not in ("mean", "first"):
            raise InputError(f"token_to_word must be 'mean' or 'first', got {word_score!r}.")
        key = f"_classifier_{word_score}"
        if key not in self.__dict__:
            self.__dict__[key] = TokenClassifierScorer(
                self.model_name,
                device=self._device,
                word_score="first" if word_score == "first" else "mean",
                **self._options,
            )
        return self.__dict__[key]

    def _ranker(self, rank_method: str, condition: Condition) -> Scorer:
        if rank_method in ("llmlingua", "longllmlingua"):
            return PerplexityRanker(self._causal, condition=condition)
        if rank_method == "bm25":
            return LexicalScorer()
        if rank_method == "gzip":
            return _GzipRanker()
        if rank_method == "bge_reranker":
            return ExtractorScorer()
        if rank_method in ("sentbert", "bge", "bge_llmembedder", "jinza"):
            return EmbeddingScorer()
        where = "a service that is no longer called" if rank_method in _GONE else "unknown"
        raise InputError(
            f"rank_method={rank_method!r} is {where}. Expected llmlingua, longllmlingua, bm25, gzip, "
            "sentbert, bge, bge_llmembedder, jinza or bge_reranker."
        )

    def _plain(self) -> compression.PromptCompressor:
        if self.use_llmlingua2:
            return self._compressor("llmlingua2", self._classifier("mean"), PruningOptions(ranker=False))
        return self._compressor("llmlingua", self._causal, PruningOptions(ranker=False, whole_numbers=False))

    def _compressor(
        self,
        method: Method,
        model: CausalLM | Scorer,
        options: PruningOptions,
        always_keep: Sequence[re.Pattern[str]] = (),
    ) -> compression.PromptCompressor:
        return compression.PromptCompressor(
            method, model=model, options=options, token_counter=self._counter, always_keep=always_keep
        )

    def _target(
        self,
        contexts: Sequence[str],
        around: Sequence[str],
        instruction: str,
        question: str,
        rate: float,
        target_token: float,
    ) -> int:
        """Tokens for the contexts: of everything, what the rate leaves beside instruction and question."""
        if target_token > 0:
            return int(target_token)
        everything = sum(self._counter.count([*contexts, instruction, question]))
        return max(1, round(everything * _checked_rate(rate) - sum(self._counter.count(list(around)))))

    def _counted(
        self,
        contexts: Sequence[str],
        instruction: str,
        question: str,
        concate_question: bool,
        compressed: str,
    ) -> Result:
        parts = [instruction, compressed if compressed.strip() else "", question if concate_question else ""]
        prompt = "\n\n".join(part for part in parts if part)
        whole = "\n\n".join([instruction, *contexts, question]).strip()
        origin, now = self._counter.count([whole, prompt])
        ratio = origin / now if now else 1.0
        return {
            "compressed_prompt": prompt,
            "origin_tokens": origin,
            "compressed_tokens": now,
            "ratio": f"{ratio:.1f}x",
            "rate": f"{100 / ratio if ratio else 100:.1f}%",
            "saving": f", Saving ${(origin - now) * _DOLLARS:.1f} in GPT-4.",
        }


class _GzipRanker:
    """Normalised compression distance between question and passage, negated."""

    name = "gzip"
    requires_query = True
    default_threshold: float | None = None

    def score(self, tasks: Sequence[ScoringTask]) -> list[list[PassageScores]]:
        return [[self._passage(passage, task.query or "") for passage in task.passages] for task in tasks]

    def _passage(self, passage: Passage, query: str) -> PassageScores:
        one, other, both = (_size(text) for text in (passage.text, query, f"{passage.text} {query}"))
        value = (min(one, other) - both) / max(one, other)
        keep = np.full(len(passage.segments), value, np.float32)
        return PassageScores.of_segments(passage.segments, keep, relevance=value)


def _has_openai_encoding() -> bool:
    """Whether tiktoken can count without fetching anything: it names cached files by their address."""
    if find_spec("tiktoken") is None:
        return False
    folders = (os.environ.get(name) for name in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"))
    folder = next(filter(None, folders), str(Path(tempfile.gettempdir()) / "data-gym-cache"))
    address = "https://openaipublic.blob.core.windows.net/encodings/cl100k_base.tiktoken"
    return (Path(folder) / sha1(address.encode(), usedforsecurity=False).hexdigest()).is_file()


def _warn_without_effect(names: Iterable[str]) -> None:
    if listed := ", ".join(names):
        _LOGGER.warning("Without effect here: %s; see docs/how-to/from-llmlingua.md.", listed)


def _size(text: str) -> int:
    return len(gzip.compress(text.encode(errors="replace"), mtime=0))


def _contexts(context: str | Sequence[str]) -> list[str]:
    if isinstance(context, str):
        return [context]
    contexts = list(context)
    if bad := [item for item in contexts if not isinstance(item, str)]:  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
        raise InputError(f"context must be a str or a list of them, got {bad[0]!r:.80} in it.")
    return contexts


def _condition(given: str, rank_method: str, question: str) -> Condition:
    """What is foretold, as llmlingua derives it from two parameters."""
    condition = _checked_condition(given.replace("_condition", ""))
    if rank_method == "longllmlingua":
        if not question:
            raise InputError("rank_method='longllmlingua' needs a question.")
        return "after" if condition == "none" else condition
    return "none" if rank_method == "llmlingua" else condition


def _checked_condition(condition: str) -> Condition:
    if condition == "none":
        return "none"
    if condition == "before":
        return "before"
    if condition == "after":
        return "after"
    raise InputError(
        f"condition_in_question must be none, before or after, perhaps with '_condition', got {condition!r}."
    )


def _context_budget(given: str) -> tuple[float, int]:
    """Slack and extra tokens of "+100", "*1.5" and the like; nothing else is understood, or run."""
    match = re.fullmatch(r"\s*([*+])\s*(\d+(?:\.\d+)?)\s*", given)
    if not match:
        raise InputError(f"context_budget must be like '+100' or '*1.5', got {given!r}.")
    value = float(match[2])
    return (value, 0) if match[1] == "*" else (1.0, int(value))


def _budget(rate: float, target_token: float) -> dict[str, Any]:
    return {"target_tokens": int(target_token)} if target_token > 0 else {"rate": _checked_rate(rate)}


def _checked_rate(rate: float) -> float:
    if not 0 < rate <= 1:
        raise InputError(f"rate is the fraction to keep and must be in (0, 1], got {rate!r}.")
    return rate


def _dtype(name: str) -> DType:
    if name in ("auto", "float32", "bfloat16", "float16"):
        return name  # pyright: ignore[reportReturnType]  # one of the four
    raise InputError(f"torch_dtype must be auto, float32, bfloat16 or float16, got {name!r}.")
