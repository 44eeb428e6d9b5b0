"""`lingua bench speed`: what compression costs, against floors measured in the same run."""

import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from lingua_core.bench.corpus import documents_of, load_texts
from lingua_core.bench.measuring import Figure, in_turns, peak_megabytes, process_seconds
from lingua_core.compression import PromptCompressor
from lingua_core.models.onnx_encoder import OnnxEncoder
from lingua_core.scorers import EmbeddingScorer, FixedScorer
from lingua_core.tokens import TokenCounter, resolve_token_counter
from lingua_core.weights import ENCODER

__all__ = ["QUERY", "measure_speed"]

QUERY = "What is known about the climate and the population?"
_RATE = 0.25
_TURN = TypeVar("_TURN")


class TimedEncoder(OnnxEncoder):
    """The embedded encoder, adding up the wall time that it takes."""

    seconds = 0.0

    def map(
        self,
        function: Callable[[int, NDArray[np.float32]], _TURN],
        sequences: Sequence[Sequence[int] | NDArray[np.int64]],
    ) -> list[_TURN]:
        """As the encoder's."""
        started = time.perf_counter()
        try:
            return super().map(function, sequences)
        finally:
            self.seconds += time.perf_counter() - started


def measure_speed(
    *, data: Path | None = None, repeats: int = 5, long_tokens: int = 50_000
) -> Iterator[Figure]:
    """Yield figures as they are measured.

    Args:
        data: JSON lines with a field `text`; None for the shipped demo documents.
        repeats: Rounds of each measurement.
        long_tokens: Tokens of the long document.
    """
    counter = resolve_token_counter(None)
    texts = load_texts(data)
    short = documents_of(texts, count=20, tokens=150, counter=counter)
    long = documents_of(texts, count=1, tokens=long_tokens, counter=counter)
    yield from _start_up(short, repeats)
    for name, documents in (
        (f"20 documents of {_about(short, counter)} tokens", short),
        (_long_name(long, counter), long),
    ):
        yield from _throughput(name, documents, counter, repeats)
    yield from _memory(data, long_tokens)


def _about(documents: Sequence[str], counter: TokenCounter) -> int:
    return round(statistics.mean(counter.count(documents)))


def _long_name(documents: Sequence[str], counter: TokenCounter) -> str:
    return f"one document of {_about(documents, counter):,} tokens"


def _start_up(documents: Sequence[str], repeats: int) -> Iterator[Figure]:
    python = sys.executable
    seconds = process_seconds(
        {
            "python": [python, "-c", "pass"],
            "numpy": [python, "-c", "import numpy"],
            "lingua_core": [python, "-c", "import lingua_core"],
        },
        repeats=repeats,
    )
    bare = seconds["python"]
    yield Figure(
        name="import lingua_core",
        value=seconds["lingua_core"] - bare,
        unit="s",
        reference_name="import numpy",
        reference=seconds["numpy"] - bare,
        note="beyond the interpreter's own start",
    )
    command = [python, "-m", "lingua_core.cli", "compress", "--query", QUERY, "--rate", str(_RATE), "-"]
    cold = process_seconds(
        {"compress": command, "python": [python, "-c", "pass"]}, repeats=repeats, stdin=documents[0]
    )
    yield Figure(
        name="cold start: lingua compress, one short document",
        value=cold["compress"],
        unit="s",
        reference_name="python -c pass",
        reference=cold["python"],
        note="whole process, model loaded from disk",
    )


def _throughput(name: str, documents: Sequence[str], counter: TokenCounter, repeats: int) -> Iterator[Figure]:
    encoder = TimedEncoder(ENCODER.folder)
    extract = PromptCompressor(model=EmbeddingScorer(encoder=encoder))
    stub = PromptCompressor(model=FixedScorer())
    lexical = PromptCompressor("lexical")
    tokens = sum(counter.count(documents))
    inside: list[float] = []

    def run_extract() -> None:
        encoder.seconds = 0.0
        extract.compress(documents, QUERY, rate=_RATE)
        inside.append(encoder.seconds)

    seconds = in_turns(
        {
            "extract": run_extract,
            "lexical": lambda: lexical.compress(documents, QUERY, rate=_RATE),
            "stub": lambda: stub.compress(documents, QUERY, rate=_RATE),
            "tokenizer": lambda: counter.count(documents),
        },
        repeats=repeats,
    )
    model = statistics.median(inside[1:])
    total = statistics.median(seconds["extract"])
    shares = [1 - m / t for m, t in zip(inside[1:], seconds["extract"], strict=True)]

    def per_second(action: str) -> float:
        return tokens / statistics.median(seconds[action])

    yield Figure(
        name=f"extract, {name}",
        value=tokens / total,
        unit="tokens/s",
        reference_name="its model alone",
        reference=tokens / model,
    )
    yield Figure(
        name=f"time outside the model, {name}",
        value=100 * statistics.median(shares),
        unit="%",
        note="segmenting, tokenizing, counting, selecting, rendering",
    )
    for action, label in (("lexical", "lexical"), ("stub", "model replaced by a stub")):
        yield Figure(
            name=f"{label}, {name}",
            value=per_second(action),
            unit="tokens/s",
            reference_name="tokenizing once",
            reference=per_second("tokenizer"),
        )


def _memory(data: Path | None, long_tokens: int) -> Iterator[Figure]:
    base = peak_megabytes("import numpy, onnxruntime, tokenizers")
    prepare = (
        "from pathlib import Path\n"
        "from lingua_core import PromptCompressor\n"
        "from lingua_core.bench.corpus import documents_of, load_texts\n"
        "compressor = PromptCompressor()\n"
        f"texts = load_texts({f'Path({str(data)!r})' if data else None})\n"
    )
    for name, count, tokens in (
        ("20 documents of 150 tokens", 20, 150),
        (f"{long_tokens:,} tokens", 1, long_tokens),
    ):
        code = (
            f"{prepare}documents = documents_of(texts, count={count}, tokens={tokens}, "
            f"counter=compressor.token_counter)\n"
            f"compressor.compress(documents, {QUERY!r}, rate={_RATE})\n"
        )
        yield Figure(
            name=f"peak memory, extract, {name}",
            value=peak_megabytes(code),
            unit="MB",
            reference_name="importing numpy, onnxruntime, tokenizers",
            reference=base,
        )
