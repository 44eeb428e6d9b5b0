"""All running rows in one batch: they join, go on by a token together, and leave."""

# torch and transformers are partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import inspect
import logging
import time
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from lingua_core.errors import LLMResponseError
from lingua_core.llms.huggingface.attention import Attention
from lingua_core.llms.huggingface.cache import Aim, SlotCache
from lingua_core.llms.huggingface.kept import KeptPrompts
from lingua_core.llms.huggingface.prefixes import common_length, groups_of_like_length, shared_parts
from lingua_core.llms.huggingface.row import Row
from lingua_core.llms.huggingface.statistics import DecodingStatistics
from lingua_core.models.hugging_face import Loaded, is_out_of_memory

__all__ = ["BatchDecoder"]

_LOGGER = logging.getLogger(__name__)

_SHORTEST_SHARED = 16
"""Fewer tokens cost less to compute again than a forward pass of their own."""
_SLACK = 64
"""Positions of padding that cost about as much as one more forward pass, which reads all weights."""
_MOST_POSITIONS = 4096
_MOST_MASK = 2**25
"""Bounds of a forward pass over prompts; longer ones are read in pieces."""


class _Source(NamedTuple):
    """Where the beginning of a prompt can be copied from: a slot, or the number of a kept prompt."""

    length: int
    slot: int | None = None
    kept: int | None = None


class BatchDecoder:
    """Decodes rows of any length together.

    Row i lies in slot i of the cache, from column 0 on; its last token is not in the cache yet, but what
    the next step begins with. That holds for a new row, too: its prompt is read up to the last token, which
    then joins the step of all others.

    Args:
        loaded: The model and its tokenizer.
        attention: What its layers look at.
        share_prefixes: Whether what prompts have in common is computed once.
    """

    def __init__(self, loaded: Loaded, attention: Attention, *, share_prefixes: bool) -> None:
        self.rows: list[Row] = []
        self.statistics = DecodingStatistics()
        self._model = loaded.model
        self._device = loaded.device
        self._attention = attention
        self._shares = share_prefixes
        self._cache = SlotCache(loaded.model.config)
        self._kept = KeptPrompts()
        forward = inspect.signature(loaded.model.forward).parameters
        self._options = {"logits_to_keep": 1} if "logits_to_keep" in forward else {}

    def agrees_with_model(self) -> bool:
        """Whether rows of two lengths give the logits that the model gives for each alone.

        Models differ in how they take masks and positions, and code that comes with a model may do
        anything; so what it does is tried, once, rather than guessed from its name.
        """
        size = int(self._model.config.get_text_config(decoder=True).vocab_size)
        rows = [[(7 + 13 * i + 101 * n) % size for i in range(n)] for n in (7, 4)]
        try:
            with torch.inference_mode():
                alone = [
                    self._model(input_ids=self._tensor([row]), use_cache=False).logits[0, -1] for row in rows
                ]
                self._read_columns([row[:-1] for row in rows], [0, 0], 0)
                columns = self._tensor([[len(row) - 1] for row in rows])
                aim = Aim(0, 2, columns, 7)
                together = self._forward(self._tensor([row[-1:] for row in rows]), aim, columns)[:, -1]
            wanted = torch.stack(alone).float()
            allowed = 1e-3 if self._model.dtype == torch.float32 else 5e-2
            difference = (together.float() - wanted).abs().max() / wanted.abs().max().clamp(min=1e-6)
            return bool(difference <= allowed)
        except (TypeError, ValueError, AttributeError, KeyError, IndexError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and is_out_of_memory(error):
                raise
            _LOGGER.debug("%s does not run in a batch of ours: %r", type(self._model).__name__, error)
            return False
        finally:
            self.release()
            self.statistics = DecodingStatistics()

    @property
    def most_rows(self) -> int | None:
        """How many rows fit: as many as memory allows."""
        return None

    def admit(self, rows: Sequence[Row]) -> None:
        """Read prompts, what they share with each other or with what is known once only."""
        if not rows:
            return
        started = time.perf_counter()
        with torch.inference_mode():
            self._read(list(rows))
        self._synchronize()
        self.statistics += DecodingStatistics(
            read_seconds=time.perf_counter() - started, most_rows=len(self.rows)
        )

    def step(self) -> None:
        """One more token for every row; those at their end leave."""
        if not self.rows:
            return
        started = time.perf_counter()
        with torch.inference_mode():
            columns = [len(row.ids) - 1 for row in self.rows]
            aim = Aim(0, len(columns), self._tensor([[c] for c in columns]), max(columns) + 1)
            logits = self._forward(self._tensor([row.ids[-1:] for row in self.rows]), aim, aim.columns)
            tokens = self._choose(logits[:, -1])
        decoded = time.perf_counter()
        # Before anyone is told, so that who has a reply finds it counted.
        self.statistics += DecodingStatistics(
            steps=1,
            written_tokens=sum(isinstance(token, int) for token in tokens),
            write_seconds=decoded - started,
        )
        for row, token in zip(self.rows, tokens, strict=True):
            _advance(row, token)
        self.remove_ended()
        self.statistics += DecodingStatistics(write_seconds=time.perf_counter() - decoded)

    @torch.inference_mode()
    def remove_ended(self) -> None:
        """Free the slots of rows at their end; the last row moves into the gap."""
        for slot in reversed(range(len(self.rows))):
            row = self.rows[slot]
            if not row.is_ended:
                continue
            last = self.rows.pop()
            if self._shares:
                self._keep(row, slot)
            if last is not row:
                self.rows[slot] = last
                self._cache.copy(len(self.rows), slot, 0, len(last.ids) - 1)

    def release(self) -> list[Row]:
        """Give all memory back; the rows that were running must be admitted again to go on."""
        rows, self.rows = self.rows, []
        self._cache.release()
        self._kept.clear()
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        return rows

    def _read(self, rows: list[Row]) -> None:
        known_to_all = len(self.rows)
        prompts = [row.ids[:-1] for row in rows]
        sources = [self._source(prompt) for prompt in prompts]
        known = [source.length for source in sources]
        parts = list(shared_parts(prompts, known, shortest=_SHORTEST_SHARED)) if self._shares else []
        # Rows with much left to read lie side by side, so that they are read as one batch.
        order = sorted(range(len(rows)), key=lambda i: known[i] - len(prompts[i]))
        slots = {i: known_to_all + place for place, i in enumerate(order)}
        self.rows += [rows[i] for i in order]
        self._cache.make_room(len(self.rows), max(len(row.ids) for row in self.rows) + 1)
        for i, source in enumerate(sources):
            self._copy(source, slots[i])
        for leader, start, end, followers in parts:
            self._read_columns([prompts[leader][start:end]], [start], slots[leader])
            for follower, first in followers:
                self._cache.copy(slots[leader], slots[follower], first, end)
        read_by_leader = [0] * len(rows)
        for leader, start, end, _ in parts:
            read_by_leader[leader] += end - start
        left = [prompts[i][known[i] :] for i in order]
        for first, last in groups_of_like_length([len(ids) for ids in left], slack=_SLACK):
            self._read_columns(left[first:last], [known[i] for i in order[first:last]], known_to_all + first)
        for i, row in enumerate(rows):
            reused = known[i] - read_by_leader[i]
            self.statistics += DecodingStatistics(reused_tokens=reused)
            if row.reused is None:
                row.reused = reused

    def _source(self, prompt: list[int]) -> _Source:
        """Whatever begins most like the prompt."""
        if not self._shares:
            return _Source(0)
        found = [_Source(common_length(row.ids[:-1], prompt), slot=i) for i, row in enumerate(self.rows)]
        found += [_Source(common_length(ids, prompt), kept=i) for i, ids in enumerate(self._kept.prompts)]
        best = max(found, key=lambda source: source.length, default=_Source(0))
        return best if best.length >= _SHORTEST_SHARED else _Source(0)

    def _copy(self, source: _Source, slot: int) -> None:
        if source.slot is not None:
            self._cache.copy(source.slot, slot, 0, source.length)
        elif source.kept is not None:
            self._cache.put_in(self._kept.stored(source.kept), slot, source.length)

    def _keep(self, row: Row, slot: int) -> None:
        """Keep the prompt of a row that leaves, unless one that is kept or runs begins like it."""
        prompt = row.job.prompt[:-1]
        others = [other.ids for other in self.rows if other is not row]
        if len(prompt) >= _SHORTEST_SHARED:
            self._kept.offer(prompt, others, lambda: self._cache.take_out(slot, len(prompt)))

    def _read_columns(self, rows: list[list[int]], starts: list[int], first: int) -> None:
        """Run tokens of neighbouring slots through the model, longest first, each from its own column on."""
        longest = len(rows[0])
        at = 0
        while at < longest:
            live = sum(len(row) > at for row in rows)
            width = max(starts[:live]) + longest
            step = max(1, min(_MOST_POSITIONS // live, _MOST_MASK // (live * width)))
            pieces = [row[at : at + step] for row in rows[:live]]
            size = len(pieces[0])
            ids = [piece + [0] * (size - len(piece)) for piece in pieces]
            columns = self._tensor([[start + at + j for j in range(size)] for start in starts[:live]])
            # Padding is written behind the row's end, where nobody looks, but must not have positions that
            # the model does not know.
            ends = self._tensor(
                [[start + len(row) - 1] for start, row in zip(starts, rows[:live], strict=False)]
            )
            aim = Aim(first, first + live, columns, int(columns.max()) + 1)
            self._forward(self._tensor(ids), aim, torch.minimum(columns, ends))
            read = sum(map(len, pieces))
            self.statistics += DecodingStatistics(read_tokens=read, padding_tokens=size * live - read)
            at += size

    def _forward(self, ids: Tensor, aim: Aim, positions: Tensor) -> Tensor:
        """Logits of the last position at least. Shape (slots, positions, vocabulary)."""
        self._cache.aim(aim)
        return self._model(
            input_ids=ids,
            attention_mask=self._attention.masks(aim, self._model.dtype),
            position_ids=positions,
            past_key_values=self._cache.for_model,
            use_cache=True,
            **self._options,
        ).logits

    def _choose(self, logits: Tensor) -> list[int | LLMResponseError]:
        """The next token of each row, or why there is none. `logits` has the shape (rows, vocabulary)."""
        best = logits.max(-1)
        # A NaN is the maximum wherever there is one.
        largest: list[float] = best.values.float().tolist()
        tokens: list[int] = best.indices.tolist()
        chosen: list[int | LLMResponseError] = []
        for slot, row in enumerate(self.rows):
            if not abs(largest[slot]) < float("inf"):
                chosen.append(
                    LLMResponseError(
                        f"The model returned logits that are no numbers after {row.written} tokens. Half "
                        "precision overflows in some models: try dtype='float32' or 'bfloat16'."
                    )
                )
            elif row.job.sampler.is_plain:
                chosen.append(tokens[slot])
            else:
                chosen.append(row.job.sampler.choose(logits[slot], row.ids))
        return chosen

    def _tensor(self, values: list[list[int]]) -> Tensor:
        return torch.tensor(values, dtype=torch.long, device=self._device)

    def _synchronize(self) -> None:
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


def _advance(row: Row, token: int | LLMResponseError) -> None:
    """Tell a row its next token. What goes wrong for one row ends only that row."""
    if isinstance(token, LLMResponseError):
        row.fail(token)
        return
    try:
        row.take(token)
    except Exception as error:  # a tokenizer's own, of any kind
        row.fail(error)
