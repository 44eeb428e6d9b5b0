"""An OpenAI-compatible chat server on loopback that fails on request.

```python
with FaultServer(reply=lambda body: "1. Where it lies\n2. Who built it") as server:
    server.script("rate_limit", None, "disconnect")      # for the next three requests; then all is well
    model = OpenAIChat("any", base_url=server.base_url)
    ...
    assert [record.fault for record in server.records] == ["rate_limit", None, "disconnect"]
    assert server.peak <= 8 and server.wait_for(lambda: server.disconnects == 1)
```

- What it writes: `reply` is a text, or a function from a request's body to a text; words are its tokens.
  `max_tokens`, `max_completion_tokens`, `stop`, `stream` and `stream_options` are obeyed.
- When: `start_seconds` before the headers, `piece_seconds` before each word (of a whole reply: for all).
- How it fails: `script(...)` for the next requests, in the order of arrival; else `fault_for(record)`, a
  function; else at random with `fault_rate`, out of `faults`. Chance depends on the seed, on the request's
  messages and on how often they came before, not on the order of arrival: runs with many threads repeat.
  `fault_replies.Fault` has the kinds; `refuses` are fields of a request that are answered with `refusal`.
- What it saw: `records` (body, headers, fault, how many words were sent, whether the client left early),
  `active`, `peak` (most requests at once), `connections` (ever opened), `disconnects`.
- `die()` aborts all connections and closes the door: whoever connects later is refused.

Sockets must be allowed to "127.0.0.1": `pytestmark = pytest.mark.allow_hosts(["127.0.0.1"])`.
"""

import asyncio
import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from fault_replies import ERRORS, FATAL_FAULTS, Fault, chunks, completion

_STATUS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests"}


@dataclass(slots=True)
class Record:
    """One request, and what became of it."""

    body: dict[str, Any]
    headers: dict[str, str]
    attempt: int
    fault: Fault | None = None
    sent: int = 0
    finished: bool = False
    disconnected: bool = False

    @property
    def messages(self) -> str:
        """The conversation as one text, to tell requests apart by."""
        return "\n".join(str(message["content"]) for message in self.body["messages"])


@dataclass(slots=True, kw_only=True)
class FaultServer:
    """See the module's docstring; a context manager that may be used from any thread."""

    reply: str | Callable[[Mapping[str, Any]], str] = "The harbour was opened in 1887 by Ada Marsh."
    fault_for: Callable[[Record], Fault | None] | None = None
    fault_rate: float = 0.0
    faults: Sequence[Fault] = FATAL_FAULTS
    seed: int = 0
    refuses: Sequence[str] = ()
    refusal: tuple[int, str] = (400, "Unrecognized request argument supplied: {field}")
    headers: Mapping[str, str] = field(default_factory=lambda: {"retry-after": "0"})
    """Go with every error."""
    start_seconds: float = 0.0
    slow_seconds: float = 60.0
    """How long "slow_start", "stall" and "no_end" take."""
    piece_seconds: float = 0.0
    cached_tokens: int = 0
    records: list[Record] = field(init=False, default_factory=list)
    active: int = field(init=False, default=0)
    peak: int = field(init=False, default=0)
    connections: int = field(init=False, default=0)
    port: int = field(init=False, default=0)
    _script: list[Fault | None] = field(init=False, default_factory=list)
    _attempts: Counter[str] = field(init=False, default_factory=Counter)
    _open: "set[_Connection]" = field(init=False, default_factory=set)
    _loop: asyncio.AbstractEventLoop = field(init=False)
    _stop: asyncio.Event = field(init=False)
    _listener: asyncio.Server = field(init=False)
    _thread: threading.Thread = field(init=False)

    @property
    def base_url(self) -> str:
        """What to give to a client."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def disconnects(self) -> int:
        """Requests whose client left before the end."""
        return sum(record.disconnected for record in self.records)

    def script(self, *faults: Fault | None) -> None:
        """Have the next requests fail like this, one each; None is a good reply."""
        self._script.extend(faults)

    def wait_for(self, condition: Callable[[], bool], seconds: float = 10) -> bool:
        """Whether the condition holds before the time is over."""
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                return False
            time.sleep(0.005)
        return True

    def die(self) -> None:
        """Abort all connections, and listen no longer."""
        done = threading.Event()
        self._loop.call_soon_threadsafe(lambda: (self.abort_all(), done.set()))
        done.wait(10)

    def abort_all(self) -> None:
        """`die`, within the server's thread."""
        self._listener.close()
        for connection in tuple(self._open):
            connection.transport.abort()

    def __enter__(self) -> Self:
        ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._main(ready)), daemon=True)
        self._thread.start()
        assert ready.wait(10), "the server did not start"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _main(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._listener = await self._loop.create_server(
            lambda: _Connection(self), "127.0.0.1", 0, backlog=1024
        )
        self.port = self._listener.sockets[0].getsockname()[1]
        ready.set()
        await self._stop.wait()
        self.abort_all()
        while self._open:
            await asyncio.sleep(0.001)

    def choose(self, record: Record) -> Fault | None:
        """How this request fails."""
        if self._script:
            return self._script.pop(0)
        if self.fault_for is not None:
            return self.fault_for(record)
        chance = random.Random(f"{self.seed}|{record.attempt}|{record.messages}")
        return chance.choice(self.faults) if chance.random() < self.fault_rate else None

    def text_for(self, body: Mapping[str, Any]) -> str:
        """What the model writes."""
        return self.reply if isinstance(self.reply, str) else self.reply(body)

    def begin(self, body: dict[str, Any], headers: dict[str, str]) -> Record:
        """Note a request."""
        record = Record(body, headers, 0)
        self._attempts[record.messages] += 1
        record.attempt = self._attempts[record.messages]
        record.fault = self.choose(record)
        self.records.append(record)
        self.active += 1
        self.peak = max(self.peak, self.active)
        return record


class _Connection(asyncio.Protocol):
    """One client: parses requests, runs one reply at a time, and notices at once when the client leaves."""

    def __init__(self, server: FaultServer) -> None:
        self.server = server
        self.buffer = b""
        self.task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.server.connections += 1
        self.server._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.server._open.discard(self)
        if self.task is not None:
            self.task.cancel()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, mark, rest = self.buffer.partition(b"\r\n\r\n")
        if not mark:
            return
        first, *lines = head.decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        length = int(headers.get("content-length", 0))
        if len(rest) < length:
            return
        self.buffer = rest[length:]
        if not first.startswith("POST /v1/chat/completions "):
            self.send_json(404, {"error": {"message": f"No such thing: {first}"}})
            return
        record = self.server.begin(json.loads(rest[:length]), headers)
        self.task = asyncio.get_running_loop().create_task(self.answer(record))

    async def answer(self, record: Record) -> None:
        try:
            await self.reply(record)
            record.finished = True
        except asyncio.CancelledError:
            record.disconnected = record.fault not in ("reset", "disconnect", "death")
        finally:
            self.server.active -= 1

    async def reply(self, record: Record) -> None:
        server, body, fault = self.server, record.body, record.fault
        await asyncio.sleep(server.slow_seconds if fault == "slow_start" else server.start_seconds)
        if fault in ("reset", "death"):
            if fault == "death":
                server.abort_all()
            self.transport.abort()
        elif fault in ERRORS:
            status, details, message = ERRORS[fault]
            message = message.format(key=record.headers.get("authorization", "").removeprefix("Bearer "))
            self.send_json(status, {"error": {"message": message, **details}}, server.headers)
        elif refused := next((name for name in server.refuses if name in body), None):
            status, words = server.refusal
            param = refused if "{field}" in words else None
            self.send_json(status, {"error": {"message": words.format(field=refused), "param": param}})
        elif body.get("stream") and fault != "not_streamed":
            await self.stream(record)
        else:
            await self.whole(record)

    async def whole(self, record: Record) -> None:
        server, fault = self.server, record.fault
        text = server.text_for(record.body)
        if fault in ("endless", "stall"):
            await asyncio.sleep(server.slow_seconds)
        whole = completion(record.body, text, fault=fault, cached=server.cached_tokens)
        await asyncio.sleep(server.piece_seconds * whole.get("usage", {}).get("completion_tokens", 0))
        if fault in ("disconnect", "malformed", "cut"):
            data = json.dumps(whole).encode()[:-20]
            self.send_head(200, {"content-type": "application/json", "content-length": str(len(data) + 20)})
            self.transport.write(data + (b"}" * 20 if fault == "malformed" else b""))
            if fault != "malformed":
                self.transport.close()
            return
        self.send_json(200, whole)

    async def stream(self, record: Record) -> None:
        server, fault = self.server, record.fault
        self.send_head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})
        text = server.text_for(record.body)
        half = max(1, len(text.split()) // 2)
        for event in chunks(record.body, text, fault=fault, cached=server.cached_tokens):
            is_text = isinstance(event, dict) and event.get("choices", [{}])[:1] != []
            if is_text and record.sent == half and fault in ("disconnect", "stall"):
                if fault == "disconnect":
                    self.transport.close()
                    return
                await asyncio.sleep(server.slow_seconds)
            await asyncio.sleep(server.piece_seconds)
            self.send_event(event)
            if isinstance(event, dict) and any(c["delta"].get("content") for c in event.get("choices", [])):
                record.sent += 1
            while fault == "endless" and record.sent >= half:
                await asyncio.sleep(max(server.piece_seconds, 0.0005))
                if self.transport.get_write_buffer_size() < 1 << 16:
                    self.send_event(event)
                    record.sent += 1
        if fault == "no_end":
            await asyncio.sleep(server.slow_seconds)
        if fault not in ("no_done", "cut"):
            self.send_event("[DONE]")
        self.transport.write(b"0\r\n\r\n")

    def send_event(self, event: dict[str, Any] | str) -> None:
        data = event if isinstance(event, str) else json.dumps(event, ensure_ascii=False)
        line = f"data: {data}\n\n".encode()
        self.transport.write(b"%x\r\n%s\r\n" % (len(line), line))

    def send_json(self, status: int, value: Any, headers: Mapping[str, str] | None = None) -> None:
        data = json.dumps(value).encode()
        plain = {"content-type": "application/json", "content-length": str(len(data))}
        self.send_head(status, plain | dict(headers or {}))
        self.transport.write(data)

    def send_head(self, status: int, headers: Mapping[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} {_STATUS.get(status, 'Error')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        self.transport.write(("\r\n".join(lines) + "\r\n\r\n").encode())
