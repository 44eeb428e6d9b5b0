"""`lingua bench speed`: what compression costs, against floors measured in the same run."""

import statistics
import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from lingua_core.bench.corpus import documents_of, load_texts
from lingua_core.bench.llmlingua2 import INSTALL, is_installed, load_llmlingua2
from lingua_core.bench.measuring import Figure, in_turns, peak_megabytes, process_seconds
from lingua_core.compression import PromptCompressor
from lingua_core.models.continuations import Continuation
from lingua_core.models.onnx_causal_lm import OnnxCausalLM
from lingua_core.models.onnx_encoder import OnnxEncoder
from lingua_core.models.onnx_extractor import OnnxExtractor
from lingua_core.scorers import EmbeddingScorer, FixedScorer
from lingua_core.tokens import TokenCounter, resolve_token_counter
from lingua_core.weights import LANGUAGE_MODEL

__all__ = ["QUERY", "measure_speed"]

QUERY = "What is known about the climate and the population?"
_RATE = 0.25
_MODELS = ((OnnxEncoder, "map"), (OnnxExtractor, "read"))
"""What runs models, and the method that does."""


class _ModelClock:
    """Adds up the wall time in models, whichever scorer runs them."""

    def __init__(self) -> None:
        self.seconds = 0.0

    @contextmanager
    def running(self) -> Generator[None]:
        """Watch all models while the context is open."""
        self.seconds = 0.0
        with ExitStack() as stack:
            for model, method in _MODELS:
                stack.enter_context(patch.object(model, method, self._timed(getattr(model, method))))
            yield

    def _timed(self, run: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401  # any model's
            started = time.perf_counter()
            try:
                return run(*arguments, **options)
            finally:
                self.seconds += time.perf_counter() - started

        return timed


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
    short_name = f"20 documents of {_about(short, counter)} tokens"
    yield from _throughput(short_name, short, counter, repeats)
    yield from _throughput(_long_name(long, counter), long, counter, repeats)
    yield from _keeping_words(short_name, short, counter, repeats)
    yield from _beside_llmlingua2(short_name, short, counter, repeats)
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
    extract = PromptCompressor("extract")
    embedding = PromptCompressor(model=EmbeddingScorer())
    stub = PromptCompressor(model=FixedScorer())
    lexical = PromptCompressor("lexical")
    tokens = sum(counter.count(documents))
    clock = _ModelClock()
    inside: list[float] = []

    def run_extract() -> None:
        with clock.running():
            extract.compress(documents, QUERY, rate=_RATE)
        inside.append(clock.seconds)

    seconds = in_turns(
        {
            "extract": run_extract,
            "embedding": lambda: embedding.compress(documents, QUERY, rate=_RATE),
            "lexical": lambda: lexical.compress(documents, QUERY, rate=_RATE),
            "stub": lambda: stub.compress(documents, QUERY, rate=_RATE),
            "tokenizer": lambda: counter.count(documents),
        },
        repeats=repeats,
    )
    shares = [1 - m / t for m, t in zip(inside[1:], seconds["extract"], strict=True)]

    def per_second(action: str) -> float:
        return tokens / statistics.median(seconds[action])

    yield Figure(
        name=f"extract, {name}",
        value=per_second("extract"),
        unit="tokens/s",
        reference_name="its model alone",
        reference=tokens / statistics.median(inside[1:]),
    )
    yield Figure(
        name=f"time outside the model, {name}",
        value=100 * statistics.median(shares),
        unit="%",
        note="segmenting, tokenizing, counting, selecting, rendering",
    )
    yield Figure(
        name=f"embedding (bi-encoder), {name}",
        value=per_second("embedding"),
        unit="tokens/s",
        reference_name="extract",
        reference=per_second("extract"),
    )
    for action, label in (("lexical", "lexical"), ("stub", "model replaced by a stub")):
        yield Figure(
            name=f"{label}, {name}",
            value=per_second(action),
            unit="tokens/s",
            reference_name="tokenizing once",
            reference=per_second("tokenizer"),
        )


def _keeping_words(
    name: str, documents: Sequence[str], counter: TokenCounter, repeats: int
) -> Iterator[Figure]:
    """The methods that keep words with the embedded language model, against its one pass over the text."""
    model = OnnxCausalLM(LANGUAGE_MODEL)
    nothing = np.zeros(0, np.int64)
    tokens = sum(counter.count(documents))
    actions: dict[str, Callable[[], object]] = {
        method: partial(PromptCompressor(method).compress, documents, QUERY, rate=_RATE)
        for method in ("llmlingua", "longllmlingua", "selective-context")
    }
    actions["pass"] = lambda: model.surprisals(
        [Continuation(nothing, row.ids) for row in model.tokenize(documents)]
    )
    seconds = in_turns(actions, repeats=repeats)
    for method in list(actions)[:-1]:
        yield Figure(
            name=f"{method}, embedded language model, {name}",
            value=tokens / statistics.median(seconds[method]),
            unit="tokens/s",
            reference_name="one pass of the model",
            reference=tokens / statistics.median(seconds["pass"]),
        )


def _beside_llmlingua2(
    name: str, documents: Sequence[str], counter: TokenCounter, repeats: int
) -> Iterator[Figure]:
    """`extract` against LLMLingua-2 on the documents as a list, and as one text, which needs less padding."""
    title = f"extract beside LLMLingua-2, {name}"
    if not is_installed():
        yield Figure(name=title, value=None, unit="", note=f"not measured; needs: {INSTALL}")
        return
    try:
        peer = load_llmlingua2()
    except Exception as error:  # the package's own, of any kind
        yield Figure(name=title, value=None, unit="", note=f"not measured; llmlingua failed: {error!r:.200}")
        return
    extract = PromptCompressor("extract")
    tokens = sum(counter.count(documents))
    seconds = in_turns(
        {
            "extract": lambda: extract.compress(documents, QUERY, rate=_RATE),
            "as a list": lambda: peer(documents, _RATE),
            "as one text": lambda: peer(["\n\n".join(documents)], _RATE),
        },
        repeats=repeats,
    )
    for way in ("as a list", "as one text"):
        yield Figure(
            name=title,
            value=tokens / statistics.median(seconds["extract"]),
            unit="tokens/s",
            reference_name=f"llmlingua, a model of mBERT base size, documents {way}",
            reference=tokens / statistics.median(seconds[way]),
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
