"""What the driver needs of a language model, and nothing else.

An `LLM` turns a `ChatRequest` into text, whole or in chunks, from threads or from an event loop. Frameworks'
models, HTTP endpoints, local weights and test doubles all look like this. Retrying, concurrency, deadlines
and ordering are the driver's; a model makes one attempt, and says by the class of its error whether another
one may help.
"""

import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

from lingua_core.llms.logprobs import TokenLogprob

__all__ = [
    "LLM",
    "Cancellation",
    "ChatRequest",
    "Chunk",
    "Completion",
    "FinishReason",
    "Message",
    "Role",
    "Usage",
]

Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length", "content_filter", "cancelled"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation.

    Attributes:
        role: Who speaks.
        content: What is said.
    """

    role: Role
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens that were spent, as the model's own tokenizer counts them.

    Attributes:
        prompt_tokens: Read, those from a cache included.
        completion_tokens: Written.
        cached_tokens: Of the prompt's, those that came from a cache.
        calls: Requests, failed and cancelled ones included.
        estimated: Whether some of it is an estimate, for the model did not say, or the call was cut short.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    calls: int = 0
    estimated: bool = False

    @property
    def total_tokens(self) -> int:
        """Read and written."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: "Usage") -> "Usage":
        """The sum; an estimate if one of both is."""
        return Usage(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            calls=self.calls + other.calls,
            estimated=self.estimated or other.estimated,
        )


class Cancellation:
    """Tells a call that its result is no longer wanted; threads and event loops may share one.

    A model that can abort at once (close a connection, leave a batch) registers how with `on_cancel`; one
    that cannot looks at `is_cancelled` between chunks, or is simply not read any further.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._event = threading.Event()
        self._actions: list[Callable[[], None]] = []

    @property
    def is_cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._event.is_set()

    def cancel(self) -> None:
        """Cancel; actions registered run now, once. Calling again does nothing."""
        with self._lock:
            if self._event.is_set():
                return
            self._event.set()
            actions, self._actions = self._actions, []
        for action in actions:
            action()

    def on_cancel(self, action: Callable[[], None]) -> Callable[[], None]:
        """Have `action` run on `cancel`, from whatever thread calls it, or at once if that was before.

        Returns:
            A function that withdraws the action.
        """
        with self._lock:
            is_late = self._event.is_set()
            if not is_late:
                self._actions.append(action)
        if is_late:
            action()

        def withdraw() -> None:
            with self._lock:
                if action in self._actions:
                    self._actions.remove(action)

        return withdraw


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """One call.

    Attributes:
        messages: The conversation. With `prefill`, the last one is the assistant's, to be continued; what
            comes back is the continuation alone.
        max_tokens: The most tokens to write; None for the model's own limit.
        stop: The text ends before the first of these; they are not part of it.
        temperature: 0 for the most likely token always; None for the model's own.
        seed: For models that sample reproducibly.
        prefill: Whether the last message is the beginning of the reply. Only for models that allow it.
        json_schema: The reply is to be JSON of this schema. Only for models that allow it.
        top_logprobs: Tell the log-probability of each token, and of this many likely ones in its place; None
            for none. Models that cannot leave `Completion.logprobs` None.
        timeout: Seconds that the call may take in all; None for the model's own limit.
        cancellation: Fires when the result is no longer wanted.
        tag: What the call is for ("skeleton", "point 3", "direct"): for traces, logs and test doubles.
        prefix_key: Requests with one key begin alike (context, question, skeleton), for servers and engines
            that are told what to keep in a cache.
        extra: Passed on to the model as it is.
    """

    messages: tuple[Message, ...]
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    temperature: float | None = None
    seed: int | None = None
    prefill: bool = False
    json_schema: Mapping[str, Any] | None = None
    top_logprobs: int | None = None
    timeout: float | None = None
    cancellation: Cancellation = field(default_factory=Cancellation, compare=False)
    tag: str = ""
    prefix_key: str | None = None
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A piece of a reply.

    Attributes:
        text: What is new; may be empty.
        usage: Of the whole call, in the last chunk of models that tell.
        finish_reason: In the last chunk.
        logprobs: Of the whole reply, in the last chunk of models that were asked for them and tell.
        model: In the last chunk: what wrote it, as the endpoint names it, if it does.
    """

    text: str = ""
    usage: Usage | None = None
    finish_reason: FinishReason | None = None
    logprobs: tuple[TokenLogprob, ...] | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Completion:
    """A whole reply.

    Attributes:
        text: What was written.
        usage: Of the call; None if the model does not tell.
        finish_reason: Why it ended.
        logprobs: Of its tokens, for requests that ask for them; None if the model does not tell.
        model: What wrote it, as the endpoint names it; None if it does not.
    """

    text: str
    usage: Usage | None = None
    finish_reason: FinishReason = "stop"
    logprobs: tuple[TokenLogprob, ...] | None = None
    model: str | None = None


@runtime_checkable
class LLM(Protocol):
    """A language model.

    Several threads and tasks may call at once. A call makes one attempt, and raises an `LLMError`, with the
    text that had arrived, whose class says whether it is worth repeating. Closing the iterator of a stream,
    or cancelling the task that awaits it, ends the call. The chunks of a stream, joined, are the text that
    `complete` returns.
    """

    @property
    def name(self) -> str:
        """For people; appears in results and traces."""
        ...

    @property
    def supports_prefill(self) -> bool:
        """Whether a reply can be begun for the model: `ChatRequest.prefill`."""
        ...

    @property
    def supports_json_schema(self) -> bool:
        """Whether replies can be held to a schema: `ChatRequest.json_schema`."""
        ...

    def complete(self, request: ChatRequest) -> Completion:
        """The reply, at its end."""
        ...

    async def acomplete(self, request: ChatRequest) -> Completion:
        """`complete` without blocking the event loop."""
        ...

    def stream(self, request: ChatRequest) -> Iterator[Chunk]:
        """The reply as it is written."""
        ...

    def astream(self, request: ChatRequest) -> AsyncIterator[Chunk]:
        """`stream` without blocking the event loop."""
        ...
