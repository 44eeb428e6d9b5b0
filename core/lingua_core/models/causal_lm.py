"""A causal language model that says how surprising each token is.

Surprisal is -ln p(token | what comes before), in nats; the exponential of its mean is the perplexity.
"""

# torch and transformers are partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import copy
import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lingua_core.errors import InputError, ModelError, ScorerError
from lingua_core.models.batches import rows_at_once
from lingua_core.models.causal_body import Body, body_of
from lingua_core.models.continuations import Continuation, Ids, Piece, Surprisals, pieces_of
from lingua_core.models.hugging_face import DType, HuggingFaceModel, TokenizedText, is_out_of_memory
from lingua_core.models.readings import Readings

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["CausalLM"]

_LOGGER = logging.getLogger(__name__)

_LONGEST_WINDOW = 4096
_LOGIT_BYTES = 64 * 2**20
"""Of the float32 logits that exist at one time: rows are taken in chunks of this size."""
_SHORTEST_SHARED = 8


class _Shared(NamedTuple):
    """A prefix that has been read: its keys and values, and its last state, of shape (1, 1, width)."""

    prefix: tuple[int, ...]
    cache: Any
    last: "Tensor"


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
        adapter: As for `HuggingFaceModel`.

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
        adapter: str | Path | None = None,
    ) -> None:
        if window is not None and window < 16:
            raise InputError(f"window must be at least 16 tokens, got {window}.")
        if batch_tokens < 1:
            raise InputError(f"batch_tokens must be at least 1, got {batch_tokens}.")
        self._model = HuggingFaceModel(
            source,
            kind="causal-lm",
            device=device,
            dtype=dtype,
            trust_remote_code=trust_remote_code,
            adapter=adapter,
        )
        self._asked_window = window
        self._batch_tokens = batch_tokens
        self._lock = threading.Lock()
        self._body: Body | None = None

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
        self,
        continuations: Sequence[Continuation],
        *,
        keep_prefix: bool = False,
        readings: Readings | None = None,
    ) -> list[Surprisals]:
        """Surprisal, in nats, of every token of each continuation.

        Equal up to rounding for every batch size. A token with nothing before it (the first of a text, for
        a tokenizer that adds no beginning) has none: NaN.

        Args:
            continuations: What to value.
            keep_prefix: Whether prefixes may fill the window; else those longer than half of it lose their
                beginning.
            readings: Takes note of the prefixes that are read, and spares reading what it has note of.

        Raises:
            ModelError: If the model cannot be loaded, or memory runs out even for one window.
            ScorerError: If the model returns numbers that are none.
        """
        found = [np.full(len(c.ids), np.nan, np.float32) for c in continuations]
        start, window = self.start, self.window
        pieces: list[Piece] = []
        for i, asked in enumerate(continuations):
            states = None
            if readings is not None and not len(asked.prefix) and len(start) + len(asked.ids) <= window:
                states = readings.get(self, asked.ids)
            if states is not None:
                found[i] = self._known(asked.ids, states)
            else:
                pieces += pieces_of(i, asked, start, window, keep_prefix)
        by_prefix: dict[tuple[int, ...], list[Piece]] = {}
        for piece in pieces:
            by_prefix.setdefault(piece.prefix, []).append(piece)
        can_share = self.has_cuttable_cache
        alone: list[Piece] = []
        for prefix, own in by_prefix.items():
            if can_share and len(own) > 1 and len(prefix) >= _SHORTEST_SHARED:
                self._run(own, prefix, found, readings)
            else:
                alone += own
        self._run(alone, (), found, readings)
        self._check(found)
        return found

    def read(self, ids: Ids, *, with_head: bool = True) -> None:
        """Run the model over tokens and drop what comes out: the time that nothing can go below.

        Args:
            ids: Shape (tokens,).
            with_head: Whether to compute the logits of every token too, as the model does by itself.
        """
        import torch

        from lingua_core.models.cpu_linear import fast_linear

        loaded, body = self._model.load(), self._loaded_body()
        with torch.inference_mode(), fast_linear(loaded.device):
            states = body.states(input_ids=torch.from_numpy(ids)[None].to(loaded.device), use_cache=False)[0]
            if with_head:
                body.logits(states)

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

        from lingua_core.models.cpu_linear import fast_linear

        loaded = self._model.load()
        body = self._loaded_body()
        if cache is None:
            cache = DynamicCache(config=loaded.model.config)
        # The last state before the valued tokens is needed: read at least one token anew.
        first = min(read, len(ids) - valued - 1) if len(ids) > valued else 0
        if first < read:
            cache.crop(first - read)
        row = torch.from_numpy(ids[first:])[None, :].to(loaded.device)
        with torch.inference_mode(), fast_linear(loaded.device):
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

    def _run(
        self,
        pieces: Sequence[Piece],
        prefix: tuple[int, ...],
        found: list[Surprisals],
        readings: Readings | None,
    ) -> None:
        """Value pieces of one shared prefix, longest first; without one, each reads its own."""
        if not pieces:
            return
        shared: _Shared | None = None
        order = sorted(pieces, key=lambda piece: -piece.length(prefix))
        lengths = [piece.length(prefix) for piece in order]
        device = self._model.load().device
        at = 0
        while at < len(order):
            rows = rows_at_once(lengths[at:], limit=self._batch_tokens, device=device.type)
            batch = order[at : at + rows]
            try:
                if prefix and shared is None:
                    shared = self._read_prefix(prefix)
                values = self._values(batch, shared, readings)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                self._shrink(len(batch), lengths[at], error)
                continue
            for piece, value in zip(batch, values, strict=True):
                first = piece.at + len(piece.ids) - piece.skip - len(value)
                found[piece.owner][first : first + len(value)] = value
            at += len(batch)

    def _values(
        self, batch: Sequence[Piece], shared: "_Shared | None", readings: Readings | None
    ) -> list[Surprisals]:
        """Surprisals of each piece's valued tokens; one fewer where the first has nothing before it."""
        import torch

        from lingua_core.models.cpu_linear import fast_linear

        loaded, body = self._model.load(), self._loaded_body()
        rows = [piece.ids if shared else np.concatenate([piece.prefix, piece.ids]) for piece in batch]
        rows = [np.asarray(row, np.int64) for row in rows]
        skips = [piece.skip + (0 if shared else len(piece.prefix)) for piece in batch]
        ids, mask = _padded(rows, len(shared.prefix) if shared else 0)
        ids, mask = ids.to(loaded.device), None if mask is None else mask.to(loaded.device)
        with torch.inference_mode(), fast_linear(loaded.device):
            if shared:
                cache = copy.deepcopy(shared.cache)
                if len(rows) > 1:
                    cache.batch_repeat_interleave(len(rows))
                states = body.states(
                    input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=True
                )[0]
                states = torch.cat([shared.last.expand(len(rows), -1, -1), states], dim=1)
            else:
                states = body.states(input_ids=ids, attention_mask=mask, use_cache=False)[0]
            # Row j of the states predicts token j + shift.
            shift = 0 if shared else 1
            picked: list[Tensor] = []
            targets: list[Tensor] = []
            sizes: list[int] = []
            for i, (row, skip) in enumerate(zip(rows, skips, strict=True)):
                first = max(skip, shift)
                picked.append(states[i, first - shift : len(row) - shift])
                targets.append(ids[i, first : len(row)])
                sizes.append(max(0, len(row) - first))
            flat = self._losses(body, torch.cat(picked), torch.cat(targets))
            if readings is not None and not shared:
                for piece, own in zip(batch, states, strict=True):
                    if piece.is_whole_prefix:
                        read = np.array(piece.prefix[len(self.start) :], np.int64)
                        readings.put(self, read, own[max(0, len(self.start) - 1) : len(piece.prefix) - 1])
        return np.split(flat, np.cumsum(sizes)[:-1])

    def _known(self, ids: Ids, states: "Tensor") -> Surprisals:
        """Surprisals of a text of which the states are there."""
        import torch

        from lingua_core.models.cpu_linear import fast_linear

        targets = torch.from_numpy(ids[len(ids) - len(states) :]).to(states.device)
        with torch.inference_mode(), fast_linear(states.device):
            values = self._losses(self._loaded_body(), states, targets)
        return np.concatenate([np.full(len(ids) - len(values), np.nan, np.float32), values])

    def _losses(self, body: Body, states: "Tensor", targets: "Tensor") -> Surprisals:
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

    def _read_prefix(self, prefix: tuple[int, ...]) -> "_Shared":
        import torch
        from transformers import DynamicCache

        from lingua_core.models.cpu_linear import fast_linear

        loaded = self._model.load()
        cache = DynamicCache(config=loaded.model.config)
        ids = torch.tensor([prefix], device=loaded.device)
        with torch.inference_mode(), fast_linear(loaded.device):
            states = self._loaded_body().states(input_ids=ids, past_key_values=cache, use_cache=True)[0]
        return _Shared(prefix, cache, states[:, -1:])

    def _shrink(self, rows: int, width: int, error: RuntimeError) -> None:
        if rows == 1:
            raise ModelError(
                f"Memory ran out for one window of {self.window} tokens: {error}. Choose a smaller window, a "
                "smaller model, or another dtype or device."
            ) from error
        with self._lock:
            self._batch_tokens = max(1, min(self._batch_tokens, rows * width) // 2)
        _LOGGER.warning("Out of memory: batches of %d tokens from now on.", self._batch_tokens)

    def _loaded_body(self) -> Body:
        model: Any = self._model.load().model
        with self._lock:
            if self._body is None:
                self._body = body_of(model, self._model.load().device)
            return self._body


def _padded(rows: Sequence[Ids], before: int) -> "tuple[Tensor, Tensor | None]":
    """Rows of one length, and which tokens count, `before` earlier ones included; None if all do."""
    import torch

    width = max(len(row) for row in rows)
    ids = torch.zeros((len(rows), width), dtype=torch.long)
    mask = torch.ones((len(rows), before + width), dtype=torch.long)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.from_numpy(row)
        mask[i, before + len(row) :] = 0
    return ids, None if all(len(row) == width for row in rows) else mask
