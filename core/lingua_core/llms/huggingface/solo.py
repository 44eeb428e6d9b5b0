"""Any model, one row after the other, through transformers' own `generate`."""

# torch and transformers are partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from lingua_core.errors import LLMResponseError
from lingua_core.llms.huggingface.row import Row
from lingua_core.llms.huggingface.statistics import DecodingStatistics
from lingua_core.models.hugging_face import Loaded

__all__ = ["SoloDecoder"]


class SoloDecoder:
    """Decodes the rows of models whose state cannot be cut, copied or padded: recurrent ones, for example.

    One row runs at a time and the others wait; the tokens are the same as in a batch.

    Args:
        loaded: The model and its tokenizer.
    """

    def __init__(self, loaded: Loaded) -> None:
        self.rows: list[Row] = []
        self.statistics = DecodingStatistics()
        self._loaded = loaded

    @property
    def most_rows(self) -> int | None:
        """One."""
        return 1

    def admit(self, rows: Sequence[Row]) -> None:
        """Take the next row."""
        self.rows += rows
        for row in rows:
            row.reused = 0
            self.statistics += DecodingStatistics(most_rows=1, read_tokens=len(row.job.prompt))

    def step(self) -> None:
        """Decode the row to its end."""
        for row in self.rows:
            started = time.perf_counter()
            before = row.written
            settings = GenerationConfig(
                max_new_tokens=row.job.most_tokens - row.written,
                do_sample=False,
                use_cache=True,
                pad_token_id=0,
            )
            ids = torch.tensor([row.ids], device=self._loaded.device)
            with torch.inference_mode():
                self._loaded.model.generate(
                    inputs=ids,
                    attention_mask=torch.ones_like(ids),
                    generation_config=settings,
                    logits_processor=LogitsProcessorList([_Choice(row)]),
                    stopping_criteria=[_Ended(row)],
                )
            written = row.written - before
            self.statistics += DecodingStatistics(
                steps=written, written_tokens=written, write_seconds=time.perf_counter() - started
            )
        self.rows.clear()

    def remove_ended(self) -> None:
        """Forget rows at their end."""
        self.rows = [row for row in self.rows if not row.is_ended]

    def release(self) -> list[Row]:
        """Let go of the row."""
        rows, self.rows = self.rows, []
        return rows


class _Choice(LogitsProcessor):
    """Lets nothing but the row's own choice through."""

    def __init__(self, row: Row) -> None:
        self._row = row

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        if not bool(scores.max().isfinite()):
            raise LLMResponseError(
                f"The model returned logits that are no numbers after {self._row.written} tokens. Half "
                "precision overflows in some models: try dtype='float32' or 'bfloat16'."
            )
        token = self._row.job.sampler.choose(scores[0], self._row.ids)
        return torch.full_like(scores, -float("inf")).index_fill_(
            1, torch.tensor([token], device=scores.device), 0.0
        )


class _Ended:
    """Ends generation when the row does."""

    def __init__(self, row: Row) -> None:
        self._row = row

    def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Tensor:  # noqa: ANN401  # transformers' own
        if self._row.look_up():
            self._row.take(int(input_ids[0, -1]))
        return torch.full((1,), self._row.is_ended, dtype=torch.bool, device=input_ids.device)
