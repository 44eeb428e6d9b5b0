"""Local Hugging Face models as an `LLM` whose calls are decoded together."""

# transformers is partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import asyncio
import logging
import math
import queue
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Mapping, Sequence
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any, NamedTuple

from lingua_core.errors import InputError, LLMRequestError
from lingua_core.llms.base import ChatRequest, Chunk, Completion
from lingua_core.llms.huggingface.engine import Decoder, DecodingEngine
from lingua_core.llms.huggingface.prompts import ChatPrompts
from lingua_core.llms.huggingface.row import Delivery, Job, Row
from lingua_core.llms.huggingface.sampling import Sampler, Sampling
from lingua_core.llms.huggingface.statistics import DecodingStatistics
from lingua_core.models.hugging_face import DType, HuggingFaceModel

__all__ = ["HuggingFaceChat"]

_LOGGER = logging.getLogger(__name__)

_EXTRA = ("chat_template_kwargs", "ignore_eos", "repetition_penalty", "top_k", "top_p")


class _Ready(NamedTuple):
    """What is known once the model is loaded.

    Attributes:
        prompts: Writes prompts.
        decode: Text of tokens.
        stop_ids: Tokens that end a reply.
        sampling: How the model was saved to be sampled.
        window: Tokens that fit, prompt and reply together; None for any number.
    """

    prompts: ChatPrompts
    decode: Callable[[list[int]], str]
    stop_ids: frozenset[int]
    sampling: Sampling
    window: int | None


class HuggingFaceChat:
    """A causal language model of the Hugging Face hub or a local folder, decoded in this process.

    All calls, from whatever threads and tasks, join one running batch: a call begins at the next step, is
    streamed on its own, and leaves the batch when its text ends. What prompts have in common at their
    beginning (context, question, skeleton) is computed once, and its keys and values are copied. In
    float32, greedy replies are those that the model writes alone, but for ties in the last bits.

    Nothing runs between calls: the thread that decodes ends `idle_seconds` after the last reply, and the
    buffers go with it. Until then the keys and values of up to 4 prompts and 8192 tokens are kept for
    prompts that begin alike (`Usage.cached_tokens` says how many tokens that saved); `share_prefixes=False`
    switches all reuse off. A request's `prefix_key` is not needed: tokens are compared.

    A request's `temperature` of None stands for what the model was saved with (`generation_config.json`:
    greedy, unless it says `do_sample`), 0 for greedy. With a `seed`, the same request gets the same tokens
    whatever runs beside it. `ChatRequest.extra` may hold `top_p`, `top_k`, `repetition_penalty`,
    `ignore_eos` (write `max_tokens` in any case) and `chat_template_kwargs` (variables of the chat template,
    such as `enable_thinking`). A cancelled call ends with what it has, as "cancelled". Prompts are never
    cut: one that does not fit the model's window is refused, with both sizes.

    Models that keep other states than keys and values, such as recurrent ones, are decoded one call after
    the other by transformers' `generate`; `is_batched` tells.

    Args:
        source: As for `HuggingFaceModel`.
        device: As for `HuggingFaceModel`.
        dtype: As for `HuggingFaceModel`.
        max_batch: Calls that are decoded at once; more wait. Halved, for good, when memory runs out: then
            what was written is kept, and goes on when there is room.
        max_new_tokens: For requests without `max_tokens`, if the model's window has room for them.
        window: Tokens that a prompt and its reply may have together; None for what the model was made for.
        share_prefixes: Whether what prompts have in common is computed once.
        idle_seconds: How long the thread waits for another call before it ends.
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
        max_batch: int = 16,
        max_new_tokens: int = 512,
        window: int | None = None,
        share_prefixes: bool = True,
        idle_seconds: float = 1.0,
        trust_remote_code: bool = False,
    ) -> None:
        for name, value in (("max_batch", max_batch), ("max_new_tokens", max_new_tokens)):
            if value < 1:
                raise InputError(f"{name} must be at least 1, got {value!r}.")
        if window is not None and window < 2:
            raise InputError(f"window must be at least 2 tokens, got {window!r}.")
        if not (math.isfinite(idle_seconds) and idle_seconds >= 0):
            raise InputError(f"idle_seconds must be a number of at least 0, got {idle_seconds!r}.")
        self._model = HuggingFaceModel(
            source, kind="causal-lm", device=device, dtype=dtype, trust_remote_code=trust_remote_code
        )
        self._max_new_tokens = max_new_tokens
        self._window = window
        self._share_prefixes = share_prefixes
        self._engine = DecodingEngine(self._decoder, most_rows=max_batch, idle_seconds=idle_seconds)
        self._lock = threading.Lock()
        self._ready: _Ready | None = None
        self._is_batched: bool | None = None

    @property
    def name(self) -> str:
        """The model's folder or name."""
        return self._model.name

    @property
    def supports_prefill(self) -> bool:
        """Yes: a reply is a continuation like any other."""
        return True

    @property
    def supports_json_schema(self) -> bool:
        """No."""
        return False

    @property
    def is_batched(self) -> bool | None:
        """Whether calls are decoded together; None before the first."""
        return self._is_batched

    @property
    def max_batch(self) -> int:
        """Calls that are decoded at once, as far as memory has allowed."""
        return self._engine.most_rows

    @property
    def statistics(self) -> DecodingStatistics:
        """What decoding has done, and how long it took."""
        return self._engine.statistics

    def close(self) -> None:
        """End the thread now, and calls that run as cancelled. Another call starts it again."""
        self._engine.close()

    def complete(self, request: ChatRequest) -> Completion:
        """The reply, at its end.

        Raises:
            InputError: If a value of the request is out of range.
            ModelError: If the model cannot be loaded.
            LLMError: If the request does not fit the model (`LLMRequestError`), takes too long
                (`LLMTimeoutError`), or the model fails.
        """
        return self.complete_batch([request])[0]

    def complete_batch(self, requests: Sequence[ChatRequest]) -> list[Completion]:
        """The replies to several requests, in their order; all begin at the same step.

        Raises:
            LLMError: As `complete`, for the first request that fails; the others are then cancelled.
        """
        found: dict[int, Completion] = {}
        with closing(self._deliveries(requests, streams=False)) as deliveries:
            for number, delivery in deliveries:
                if isinstance(delivery, Completion):
                    found[number] = delivery
        return [found[number] for number in range(len(requests))]

    def stream(self, request: ChatRequest) -> Iterator[Chunk]:
        """The reply as it is written; closing the iterator ends the call. Raises as `complete`."""
        with closing(self.stream_batch([request])) as chunks:
            for _, chunk in chunks:
                yield chunk

    def stream_batch(self, requests: Sequence[ChatRequest]) -> Generator[tuple[int, Chunk]]:
        """The replies to several requests as they are written, each chunk with its request's number.

        Raises:
            LLMError: As `complete`, for the first request that fails; the others are then cancelled.
        """
        with closing(self._deliveries(requests, streams=True)) as deliveries:
            for number, delivery in deliveries:
                yield number, _chunk(delivery)

    async def acomplete(self, request: ChatRequest) -> Completion:
        """`complete` without blocking the event loop; cancelling the task ends the call."""
        async with aclosing(self._adeliveries(request, streams=False)) as deliveries:
            async for delivery in deliveries:
                if isinstance(delivery, Completion):
                    return delivery
        raise AssertionError("a call ends with its completion or an error")

    async def astream(self, request: ChatRequest) -> AsyncIterator[Chunk]:
        """`stream` without blocking the event loop; cancelling the task ends the call."""
        async with aclosing(self._adeliveries(request, streams=True)) as deliveries:
            async for delivery in deliveries:
                yield _chunk(delivery)

    def _deliveries(
        self, requests: Sequence[ChatRequest], *, streams: bool
    ) -> Generator[tuple[int, str | Completion]]:
        started = time.monotonic()
        arrived: queue.SimpleQueue[tuple[int, Delivery]] = queue.SimpleQueue()

        def teller(number: int) -> Callable[[Delivery], None]:
            return lambda delivery: arrived.put((number, delivery))

        rows = [Row(self._job(r, started), teller(i), streams=streams) for i, r in enumerate(requests)]
        withdrawals = [r.cancellation.on_cancel(row.cancel) for r, row in zip(requests, rows, strict=True)]
        try:
            self._engine.submit(rows)
            left = len(rows)
            while left:
                number, delivery = arrived.get()
                if isinstance(delivery, Exception):
                    raise delivery
                left -= isinstance(delivery, Completion)
                yield number, delivery
        finally:
            for row, withdraw in zip(rows, withdrawals, strict=True):
                withdraw()
                row.cancel()

    async def _adeliveries(self, request: ChatRequest, *, streams: bool) -> AsyncGenerator[str | Completion]:
        started = time.monotonic()
        loop = asyncio.get_running_loop()
        arrived: asyncio.Queue[Delivery] = asyncio.Queue()

        def tell(delivery: Delivery) -> None:
            try:
                loop.call_soon_threadsafe(arrived.put_nowait, delivery)
            except RuntimeError:  # the loop was closed: nobody waits any more
                row.cancel()

        # Loading a model, or tokenizing a long prompt, would hold the loop up.
        row = Row(await asyncio.to_thread(self._job, request, started), tell, streams=streams)
        withdraw = request.cancellation.on_cancel(row.cancel)
        try:
            self._engine.submit([row])
            while True:
                delivery = await arrived.get()
                if isinstance(delivery, Exception):
                    raise delivery
                yield delivery
                if isinstance(delivery, Completion):
                    return
        finally:
            withdraw()
            row.cancel()

    def _job(self, request: ChatRequest, started: float) -> Job:
        """Check a request, and turn it into tokens."""
        _check(request)
        ready = self._load()
        extra = request.extra
        prompt = ready.prompts.write(
            request.messages, prefill=request.prefill, options=extra.get("chat_template_kwargs") or {}
        )
        return Job(
            prompt=prompt.ids,
            context=prompt.context,
            most_tokens=self._most_tokens(len(prompt.ids), request.max_tokens, ready.window),
            stop_ids=frozenset() if extra.get("ignore_eos") else ready.stop_ids,
            stops=request.stop,
            sampler=Sampler(_sampling(request, ready.sampling), request.seed),
            decode=ready.decode,
            timeout=request.timeout,
            started=started,
        )

    def _most_tokens(self, prompt: int, asked: int | None, window: int | None) -> int:
        wanted = asked or self._max_new_tokens
        if window is None:
            return wanted
        if prompt + (asked or 1) > window:
            raise LLMRequestError(
                f"The prompt has {prompt} tokens and the reply may have {asked or 1}, but "
                f"{self.name!r} has a window of {window}. Shorten the prompt or lower max_tokens."
            )
        return min(wanted, window - prompt)

    def _load(self) -> _Ready:
        with self._lock:
            if self._ready is None:
                self._ready = self._loaded()
            return self._ready

    def _loaded(self) -> _Ready:
        model, tokenizer, _ = self._model.load()
        generation: Any = getattr(model, "generation_config", None)
        ends: Any = getattr(generation, "eos_token_id", None)
        stop_ids = {
            int(end) for end in (ends if isinstance(ends, (list, tuple)) else [ends]) if end is not None
        }
        if tokenizer.eos_token_id is not None:
            stop_ids.add(int(tokenizer.eos_token_id))
        backend = tokenizer.backend_tokenizer
        config: Any = model.config.get_text_config(decoder=True)
        longest: int | None = self._window or getattr(config, "max_position_embeddings", None)

        def decode(ids: list[int]) -> str:
            return backend.decode(ids, skip_special_tokens=True)

        sampling = Sampling.of_model(generation)
        return _Ready(ChatPrompts(self._model), decode, frozenset(stop_ids), sampling, longest)

    def _decoder(self) -> Decoder:
        from lingua_core.llms.huggingface.attention import Attention
        from lingua_core.llms.huggingface.batch import BatchDecoder
        from lingua_core.llms.huggingface.solo import SoloDecoder

        loaded = self._model.load()
        attention = Attention.of_model(loaded.model)
        if attention is not None:
            decoder = BatchDecoder(loaded, attention, share_prefixes=self._share_prefixes)
            if decoder.agrees_with_model():
                self._is_batched = True
                return decoder
        self._is_batched = False
        _LOGGER.warning(
            "%s keeps states that rows of different lengths cannot share: calls run one after the other.",
            type(loaded.model).__name__,
        )
        return SoloDecoder(loaded)


def _check(request: ChatRequest) -> None:
    if request.json_schema is not None:
        raise LLMRequestError("json_schema is not supported. Ask for JSON in the prompt, or use another LLM.")
    if unknown := sorted(set(request.extra) - set(_EXTRA)):
        raise LLMRequestError(f"Unknown extra {', '.join(unknown)}. Expected some of {', '.join(_EXTRA)}.")
    if request.max_tokens is not None and request.max_tokens < 1:
        raise InputError(f"max_tokens must be at least 1, got {request.max_tokens!r}.")
    if request.seed is not None and not -(2**63) <= request.seed < 2**64:
        raise InputError(f"seed must have at most 64 bits, got {request.seed!r}.")
    if request.timeout is not None and not request.timeout > 0:
        raise InputError(f"timeout must be above 0 seconds, got {request.timeout!r}.")


def _sampling(request: ChatRequest, own: Sampling) -> Sampling:
    """What a request asks for; what it leaves open is as the model was saved."""
    extra: Mapping[str, Any] = request.extra
    return Sampling(
        temperature=own.temperature if request.temperature is None else request.temperature,
        top_p=extra.get("top_p", own.top_p),
        top_k=extra.get("top_k", own.top_k),
        repetition_penalty=extra.get("repetition_penalty", own.repetition_penalty),
    )


def _chunk(delivery: str | Completion) -> Chunk:
    if isinstance(delivery, Completion):
        return Chunk(usage=delivery.usage, finish_reason=delivery.finish_reason)
    return Chunk(text=delivery)
