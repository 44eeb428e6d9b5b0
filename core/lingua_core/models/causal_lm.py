"""A causal language model that says how surprising each token is.

Surprisal is -ln p(token | what comes before), in nats; the exponential of its mean is the perplexity.
"""

# torch and transformers are partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lingua_core.errors import InputError, ModelError, ScorerError
from lingua_core.models.hugging_face import DType, HuggingFaceModel, TokenizedText, is_out_of_memory

if TYPE_CHECKING:
    import torch
    from torch import Tensor

__all__ = ["CausalLM", "Continuation"]

_LOGGER = logging.getLogger(__name__)

_LONGEST_WINDOW = 4096
_LOGIT_BYTES = 64 * 2**20
"""Of the float32 logits that exist at one time: rows are taken in chunks of this size."""
_SHORTEST_SHARED = 8

Ids = NDArray[np.int64]
Surprisals = NDArray[np.float32]


class Continuation(NamedTuple):
    """Tokens to be valued, and the tokens that they follow.

    Attributes:
        prefix: What the model reads before, behind its own beginning-of-text token. Shape (prefix,).
        ids: What is valued. Shape (tokens,).
    """

    prefix: Ids
    ids: Ids


@dataclass(slots=True)
class _Piece:
    """A window: a prefix, context that is not valued, and tokens that are.

    Attributes:
        owner: Index of the continuation.
        prefix: Read first; often shared by many.
        ids: Read behind it.
        skip: How many of `ids` are context only.
        at: Index in the continuation of the first valued token.
    """

    owner: int
    prefix: tuple[int, ...]
    ids: Ids
    skip: int
    at: int


class _Body(NamedTuple):
    """How to compute logits row by row.

    Attributes:
        states: From input to the last hidden states.
        logits: From hidden states to logits.
    """

    states: Callable[..., Any]
    logits: "Callable[[Tensor], Tensor]"


class CausalLM:
    """Token surprisals from any `AutoModelForCausalLM`. Loads on first use; safe to share between threads.

    Padding is on the right and of our own making, so the tokenizer's side does not matter; texts are
    sorted by length, so that there is little of it. The model's head runs over chunks of positions, and
    only over those that are valued: no matrix of tokens x vocabulary ever exists.

    Args:
        source: As for `HuggingFaceModel`.
        device: As for `HuggingFaceModel`.
        dtype: As for `HuggingFaceModel`.
        window: Tokens that the model reads at once; None for what it was made for, at most 4096. Longer
            texts are read in windows that overlap by half, each token valued with the most context.
        batch_tokens: Tokens of a batch, padding included; halved, for good, when memory runs out.
        trust_remote_code: As for `HuggingFaceModel`.

    Raises:
        InputError: If an argument cannot be used.
    """

    def __init__(
        self,
        source: str | Path | tuple[Any, Any],
        *,
        device: str = "auto",
        dtype: DType = "auto",
        window: int | None = None,
        batch_tokens: int = 4096,
        trust_remote_code: bool = False,
    ) -> None:
        if window is not None and window < 16:
            raise InputError(f"window must be at least 16 tokens, got {window}.")
        if batch_tokens < 1:
            raise InputError(f"batch_tokens must be at least 1, got {batch_tokens}.")
        self._model = HuggingFaceModel(
            source, kind="causal-lm", device=device, dtype=dtype, trust_remote_code=trust_remote_code
        )
        self._asked_window = window
        self._batch_tokens = batch_tokens
        self._lock = threading.Lock()
        self._body: _Body | None = None

    @property
    def name(self) -> str:
        """The model's folder or name."""
        return self._model.name

    @property
    def start(self) -> Ids:
        """What the tokenizer puts before every text: the beginning-of-text token, or nothing."""
        return np.array(self._model.added_tokens[0], np.int64)

    @property
    def window(self) -> int:
        """Tokens that are read at once."""
        config: Any = self._model.load().model.config
        text_config = config.get_text_config() if hasattr(config, "get_text_config") else config
        longest = getattr(text_config, "max_position_embeddings", None) or _LONGEST_WINDOW
        wanted = self._asked_window if self._asked_window is not None else _LONGEST_WINDOW
        return min(int(longest), wanted)

    def tokenize(self, texts: Sequence[str]) -> list[TokenizedText]:
        """Tokens of each text, without special ones, with the characters that they stand for."""
        return self._model.tokenize(texts)

    @property
    def has_cuttable_cache(self) -> bool:
        """Whether keys and values can be kept and cut back: attention over everything, no other state."""
        config: Any = self._model.load().model.config
        kinds = getattr(config, "layer_types", None) or ["full_attention"]
        return set(kinds) <= {"full_attention"} and not getattr(config, "sliding_window", None)

    def surprisals(
        self, continuations: Sequence[Continuation], *, keep_prefix: bool = False
    ) -> list[Surprisals]:
        """Surprisal, in nats, of every token of each continuation.

        Equal up to rounding for every batch size. A token with nothing before it (the first of a text, for
        a tokenizer that adds no beginning) has none: NaN.

        Args:
            continuations: What to value.
            keep_prefix: Whether prefixes may fill the window; else those longer than half of it lose their
                beginning.

        Raises:
            ModelError: If the model cannot be loaded, or memory runs out even for one window.
            ScorerError: If the model returns numbers that are none.
        """
        found = [np.full(len(c.ids), np.nan, np.float32) for c in continuations]
        start, window = self.start, self.window
        pieces = [p for i, c in enumerate(continuations) for p in _windows(i, c, start, window, keep_prefix)]
        by_prefix: dict[tuple[int, ...], list[_Piece]] = {}
        for piece in pieces:
            by_prefix.setdefault(piece.prefix, []).append(piece)
        can_share = self.has_cuttable_cache
        alone: list[_Piece] = []
        for prefix, own in by_prefix.items():
            if can_share and len(own) > 1 and len(prefix) >= _SHORTEST_SHARED:
                self._run(own, prefix, found)
            else:
                alone += own
        self._run(alone, (), found)
        self._check(found)
        return found

    def read_on(
        self,
        cache: Any,  # noqa: ANN401  # transformers' own
        ids: Ids,
        *,
        read: int,
        valued: int,
    ) -> tuple[Surprisals, Any]:
        """Read the tokens behind those that are in a cache, and value the last ones.

        Args:
            cache: Keys and values of the first `read` tokens; None for none. It is changed.
            ids: All tokens, the model's beginning included. Shape (tokens,).
            read: How many are in the cache.
            valued: How many at the end are valued.

        Returns:
            Surprisals, NaN for a token with nothing before it, shape (valued,); and the cache, with all
            tokens in it.
        """
        import torch
        from transformers import DynamicCache

        loaded = self._model.load()
        body = self._loaded_body()
        if cache is None:
            cache = DynamicCache(config=loaded.model.config)
        # The last state before the valued tokens is needed: read at least one token anew.
        first = min(read, len(ids) - valued - 1) if len(ids) > valued else 0
        if first < read:
            cache.crop(first - read)
        row = torch.from_numpy(ids[first:])[None, :].to(loaded.device)
        with torch.inference_mode():
            states = body.states(input_ids=row, past_key_values=cache, use_cache=True)[0][0]
            known = max(1, len(ids) - valued)
            part = states[known - 1 - first : len(ids) - 1 - first]
            values = self._losses(body, part, row[0, known - first :])
        missing = np.full(valued - len(values), np.nan, np.float32)
        found = np.concatenate([missing, values])
        self._check([found])
        return found, cache

    def _check(self, found: Sequence[Surprisals]) -> None:
        for i, row in enumerate(found):
            if np.isnan(row[1:]).any() or np.isinf(row).any():
                raise ScorerError(
                    f"{self.name!r} returned logits that are no numbers for text {i} of {len(found)}. "
                    "Half precision overflows in some models: try dtype='float32'."
                )

    def _run(self, pieces: Sequence[_Piece], prefix: tuple[int, ...], found: list[Surprisals]) -> None:
        """Value pieces of one shared prefix, longest first; without one, each reads its own."""
        order = sorted(pieces, key=lambda piece: -len(piece.ids) - len(piece.prefix))
        at = 0
        while at < len(order):
            longest = len(order[at].ids) + len(order[at].prefix)
            size = max(1, self._batch_tokens // max(1, longest))
            batch = order[at : at + size]
            try:
                values = self._values(batch, prefix)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                self._shrink(len(batch), error)
                continue
            for piece, value in zip(batch, values, strict=True):
                first = piece.at + len(piece.ids) - piece.skip - len(value)
                found[piece.owner][first : first + len(value)] = value
            at += len(batch)

    def _values(self, batch: Sequence[_Piece], prefix: tuple[int, ...]) -> list[Surprisals]:
        """Surprisals of each piece's valued tokens; one fewer where the first has nothing before it."""
        import torch

        device = self._model.load().device
        rows = [piece.ids if prefix else np.concatenate([piece.prefix, piece.ids]) for piece in batch]
        rows = [np.asarray(row, np.int64) for row in rows]
        skips = [piece.skip + (0 if prefix else len(piece.prefix)) for piece in batch]
        width = max(len(row) for row in rows)
        ids = torch.zeros((len(rows), width), dtype=torch.long)
        mask = torch.zeros((len(rows), len(prefix) + width), dtype=torch.long)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.from_numpy(row)
            mask[i, : len(prefix) + len(row)] = 1
        ids, mask = ids.to(device), mask.to(device)
        body = self._loaded_body()
        with torch.inference_mode():
            if prefix:
                cache, last = self._prefix_cache(prefix, len(rows))
                states = body.states(
                    input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=True
                )[0]
                states = torch.cat([last.expand(len(rows), -1, -1), states], dim=1)
            else:
                states = body.states(input_ids=ids, attention_mask=mask, use_cache=False)[0]
            # Row j of the states predicts token j + shift.
            shift = 0 if prefix else 1
            picked: list[Tensor] = []
            targets: list[Tensor] = []
            sizes: list[int] = []
            for i, (row, skip) in enumerate(zip(rows, skips, strict=True)):
                first = max(skip, shift)
                picked.append(states[i, first - shift : len(row) - shift])
                targets.append(ids[i, first : len(row)])
                sizes.append(max(0, len(row) - first))
            flat = self._losses(body, torch.cat(picked), torch.cat(targets))
        return np.split(flat, np.cumsum(sizes)[:-1])

    def _losses(self, body: _Body, states: "Tensor", targets: "Tensor") -> Surprisals:
        import torch

        found = torch.empty(len(targets), dtype=torch.float32)
        at, rows = 0, 1
        while at < len(targets):
            logits = body.logits(states[at : at + rows]).float()
            part = targets[at : at + rows]
            chosen = logits.gather(1, part[:, None])[:, 0]
            found[at : at + len(part)] = (torch.logsumexp(logits, dim=-1) - chosen).cpu()
            at += len(part)
            rows = max(1, _LOGIT_BYTES // (4 * logits.shape[-1]))
        return found.numpy()

    def _prefix_cache(self, prefix: tuple[int, ...], rows: int) -> "tuple[Any, Tensor]":
        """Keys and values of a prefix for a batch, and its last state. Shape (1, 1, width)."""
        import torch
        from transformers import DynamicCache

        loaded = self._model.load()
        cache = DynamicCache(config=loaded.model.config)
        ids = torch.tensor([prefix], device=loaded.device)
        states = self._loaded_body().states(input_ids=ids, past_key_values=cache, use_cache=True)[0]
        if rows > 1:
            cache.batch_repeat_interleave(rows)
        return cache, states[:, -1:]

    def _shrink(self, rows: int, error: RuntimeError) -> None:
        if rows == 1:
            raise ModelError(
                f"Memory ran out for one window of {self.window} tokens: {error}. Choose a smaller window, a "
                "smaller model, or another dtype or device."
            ) from error
        with self._lock:
            self._batch_tokens = max(1, self._batch_tokens // 2)
        _LOGGER.warning("Out of memory: batches of %d tokens from now on.", self._batch_tokens)

    def _loaded_body(self) -> _Body:
        model: Any = self._model.load().model
        with self._lock:
            if self._body is None:
                self._body = _body_of(model, self._model.load().device)
            return self._body


def _windows(
    owner: int, continuation: Continuation, start: Ids, window: int, keep_prefix: bool
) -> Iterator[_Piece]:
    """A continuation in pieces that the model can read; each token is valued in one of them."""
    ids = np.asarray(continuation.ids, np.int64)
    longest = max(0, (window - 1 if keep_prefix else window // 2) - len(start))
    own = continuation.prefix[len(continuation.prefix) - min(longest, len(continuation.prefix)) :]
    prefix = tuple(np.concatenate([start, own]).astype(np.int64).tolist())
    room = window - len(prefix)
    if len(ids) <= room:
        if len(ids):
            yield _Piece(owner, prefix, ids, 0, 0)
        return
    context = room // 2
    end = room
    yield _Piece(owner, prefix, ids[:end], 0, 0)
    while end < len(ids):
        first, end = end, min(len(ids), end + room - context)
        yield _Piece(owner, prefix, ids[end - room : end], first - (end - room), first)


def _body_of(model: Any, device: "torch.device") -> _Body:  # noqa: ANN401  # any causal LM
    """The model's body and head apart, if together they give its logits; else the model as a whole."""
    import torch

    config = model.config.get_text_config() if hasattr(model.config, "get_text_config") else model.config
    head: Any = model.get_output_embeddings()
    if head is None:
        raise ModelError(f"{type(model).__name__} has no output embeddings: it gives no token probabilities.")
    scale = float(getattr(config, "logit_scale", None) or 1.0)
    scale /= float(getattr(config, "logits_scaling", None) or 1.0)
    cap = getattr(config, "final_logit_softcapping", None)

    def logits(states: "Tensor") -> "Tensor":
        found = head(states)
        if scale != 1.0:
            found = found * scale
        return torch.tanh(found / cap) * cap if cap else found

    apart = _Body(model.base_model, logits)
    vocabulary = int(head.weight.shape[0])
    ids = torch.arange(1, 7, device=device)[None, :] * max(1, vocabulary // 8) % vocabulary
    with torch.inference_mode():
        whole = model(input_ids=ids, use_cache=False).logits.float()
        try:
            parts = apart.logits(apart.states(input_ids=ids, use_cache=False)[0]).float()
            same = whole.shape == parts.shape and bool(
                (whole - parts).abs().max() <= 1e-2 * whole.abs().max().clamp(min=1e-6)
            )
        except (RuntimeError, TypeError, AttributeError, IndexError):
            same = False
    if same:
        return apart
    _LOGGER.warning(
        "%s does more than apply its head to its last states; all its logits are computed, which takes "
        "more memory.",
        type(model).__name__,
    )

    def all_logits(**inputs: Any) -> "tuple[Tensor]":  # noqa: ANN401  # whatever the model takes
        return (model(**inputs).logits,)

    def unchanged(states: "Tensor") -> "Tensor":
        return states

    return _Body(all_logits, unchanged)
