"""`lingua bench speed --peer llmlingua`: the same weights, documents and threads on both sides, in turns."""

# torch is partly typed, and loaded by name.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import importlib
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lingua_core.bench.corpus import documents_of, load_texts
from lingua_core.bench.measuring import Figure, in_turns, peak_megabytes
from lingua_core.bench.peer import INSTALL, LONGLLMLINGUA, PeerProcess, start_llmlingua
from lingua_core.bench.peer_models import save_causal, save_classifier
from lingua_core.compression import PromptCompressor
from lingua_core.errors import InputError, LinguaError
from lingua_core.models.causal_lm import CausalLM
from lingua_core.models.continuations import Continuation
from lingua_core.models.hugging_face import DType
from lingua_core.scorers.causal import RESTRICTION, PerplexityRanker
from lingua_core.tokens import resolve_token_counter

__all__ = ["ARMS", "measure_beside_llmlingua"]

ARMS = ("longllmlingua", "vocabulary", "llmlingua2", "memory", "batch")
"""What can be measured; "batch" takes a CPU long."""

_QUESTION = "What is known about the climate and the population?"
_SMALL, _LARGE = 32_000, 150_000
_BATCH = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class _Setting:
    """What all arms share; `peer` is None where there is no environment for it."""

    folder: Path
    documents: Sequence[str]
    texts: Sequence[str]
    rate: float
    repeats: int
    threads: int
    device: str
    peer: PeerProcess | None
    why: str

    def named(self, what: str) -> str:
        return f"{what}, {len(self.documents)} documents at rate {self.rate:g}, {self.threads} threads"


def measure_beside_llmlingua(
    *,
    peer_python: Path | None,
    arms: Sequence[str] = ARMS,
    data: Path | None = None,
    rate: float = 0.25,
    repeats: int = 5,
    long_tokens: int = 50_000,
    threads: int = 2,
    device: str = "cpu",
) -> Iterator[Figure]:
    """Yield figures as they are measured; without the peer, those that need none, and how to get it.

    Args:
        peer_python: The interpreter of an environment with llmlingua 0.2.2; None for none.
        arms: Which parts to measure.
        data: JSON lines with a field `text`; None for the shipped demo documents.
        rate: The fraction that both sides keep.
        repeats: Rounds of each measurement.
        long_tokens: Tokens of the long document.
        threads: Of torch, on both sides; set for this process too.
        device: Where models run, on both sides.

    Raises:
        InputError: If an arm is unknown.
    """
    if unknown := [arm for arm in arms if arm not in ARMS]:
        raise InputError(f"Unknown arms {unknown}; expected some of {', '.join(ARMS)}.")
    torch: Any = importlib.import_module("torch")
    torch.set_num_threads(threads)
    texts = load_texts(data)
    documents = documents_of(texts, count=20, tokens=132, counter=resolve_token_counter(None))
    run: Mapping[str, Callable[[_Setting], Iterator[Figure]]] = {
        "longllmlingua": _longllmlingua,
        "vocabulary": _vocabulary,
        "llmlingua2": _llmlingua2,
        "memory": lambda setting: _memory(setting, data, long_tokens),
        "batch": _batch,
    }
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="shapes-")))
        peer, why = _started(peer_python, threads, stack)
        setting = _Setting(
            folder=folder, documents=documents, texts=texts, rate=rate, repeats=repeats, threads=threads,
            device=device, peer=peer, why=why,
        )  # fmt: skip
        for arm in arms:
            yield from run[arm](setting)


def _started(python: Path | None, threads: int, stack: ExitStack) -> tuple[PeerProcess | None, str]:
    if python is None:
        return None, f"not measured; needs: {INSTALL}"
    try:
        return stack.enter_context(start_llmlingua(python, threads)), ""
    except LinguaError as error:
        return None, f"not measured; {error}"


def _longllmlingua(setting: _Setting) -> Iterator[Figure]:
    """LongLLMLingua with 32,000 tokens: against the peer, and against one pass over the same tokens."""
    folder = save_causal(setting.folder / "small", vocabulary=_SMALL, texts=setting.texts)
    dtypes: list[DType] = ["float32", "int8", "bfloat16"] if setting.device == "cpu" else ["float32"]
    models: dict[DType, CausalLM] = {
        dtype: CausalLM(folder, device=setting.device, dtype=dtype) for dtype in dtypes
    }
    actions: dict[str, Callable[[], object]] = {
        dtype: _compressing(model, setting) for dtype, model in models.items()
    }
    own = models["float32"]
    ranker = PerplexityRanker(own)
    task = _task(setting)
    actions |= {
        "coarse": lambda: ranker.score([task]),
        "pass": _one_pass(own, setting, with_head=True),
        "body": _one_pass(own, setting, with_head=False),
    }
    seconds, note = _beside(folder, setting, actions, LONGLLMLINGUA)
    for dtype in dtypes:
        yield _figure(setting.named(f"longllmlingua, {dtype}"), seconds[dtype], seconds.get("peer"), note)
    floors = {"pass": "one unpadded pass over the same tokens", "body": "the same pass without its head"}
    for floor, name in floors.items():
        for action, what in (("coarse", "coarse stage"), ("float32", "all stages")):
            yield Figure(
                name=setting.named(f"longllmlingua, float32, {what}"),
                value=statistics.median(seconds[action]),
                unit="s",
                reference_name=name,
                reference=statistics.median(seconds[floor]),
            )
    yield from _differences(models, setting)


def _vocabulary(setting: _Setting) -> Iterator[Figure]:
    folder = save_causal(setting.folder / "large", vocabulary=_LARGE, texts=setting.texts)
    action = _compressing(CausalLM(folder, device=setting.device, dtype="float32"), setting)
    seconds, note = _beside(folder, setting, {"float32": action}, LONGLLMLINGUA)
    yield _figure(
        setting.named(f"longllmlingua, float32, {_LARGE:,} tokens of vocabulary"),
        seconds["float32"], seconds.get("peer"), note,
    )  # fmt: skip


def _llmlingua2(setting: _Setting) -> Iterator[Figure]:
    folder = save_classifier(setting.folder)
    compressor = PromptCompressor(
        "llmlingua2", model=folder, options={"dtype": "float32"}, device=setting.device
    )
    action = lambda: compressor.compress(setting.documents, rate=setting.rate)  # noqa: E731  # as the others
    settings: dict[str, Any] = {"use_context_level_filter": False}
    seconds, note = _beside(folder, setting, {"float32": action}, settings, classifier=True)
    yield _figure(
        setting.named("llmlingua2, float32, shape of mBERT base"),
        seconds["float32"], seconds.get("peer"), note,
    )  # fmt: skip


def _batch(setting: _Setting) -> Iterator[Figure]:
    """Prompts together, and the same one by one."""
    folder = setting.folder / "batch"
    save_causal(folder, vocabulary=_SMALL, texts=setting.texts)
    compressor = PromptCompressor(
        "longllmlingua", model=CausalLM(folder, device=setting.device, dtype="float32")
    )
    prompts = [list(setting.documents)] * _BATCH
    queries = [f"{_QUESTION} ({i})" for i in range(_BATCH)]

    def one_by_one() -> None:
        for documents, query in zip(prompts, queries, strict=True):
            compressor.compress(documents, query, rate=setting.rate)

    actions = {
        "together": lambda: compressor.compress_batch(prompts, queries, rate=setting.rate),
        "one by one": one_by_one,
    }
    seconds, note = _beside(folder, setting, actions, LONGLLMLINGUA)
    together = statistics.median(seconds["together"])
    name = setting.named(f"longllmlingua, {_BATCH} prompts")
    yield Figure(
        name=f"{name}: one by one, over together",
        value=statistics.median(seconds["one by one"]),
        unit="s",
        reference_name="together",
        reference=together,
    )
    peer = [_BATCH * value for value in seconds["peer"]] if "peer" in seconds else None
    yield _figure(name, seconds["together"], peer, note)


def _memory(setting: _Setting, data: Path | None, tokens: int) -> Iterator[Figure]:
    """Peak memory of a fresh process, against the limit: the model and 1 GB."""
    folder = setting.folder / "large"
    if not folder.exists():
        save_causal(folder, vocabulary=_LARGE, texts=setting.texts)
    prepare = (
        "from pathlib import Path\n"
        "import torch\n"
        "from lingua_core import PromptCompressor\n"
        "from lingua_core.bench.corpus import documents_of, load_texts\n"
        f"torch.set_num_threads({setting.threads})\n"
        f"compressor = PromptCompressor('longllmlingua', model={str(folder)!r})\n"
        f"texts = load_texts({f'Path({str(data)!r})' if data else None})\n"
    )
    size = sum(file.stat().st_size for file in folder.glob("*.safetensors")) / 1e6
    code = (
        f"{prepare}documents = documents_of(texts, count={max(1, tokens // 500)}, tokens={min(tokens, 500)}, "
        "counter=compressor.token_counter)\n"
        f"compressor.compress(documents, {_QUESTION!r}, rate={setting.rate})\n"
    )
    yield Figure(
        name=f"peak memory, longllmlingua, {tokens:,} tokens, {_LARGE:,} tokens of vocabulary",
        value=peak_megabytes(code),
        unit="MB",
        reference_name="the model's weights and 1,000 MB",
        reference=size + 1000,
        note=f"importing torch and transformers: {peak_megabytes('import torch, transformers'):,.0f} MB",
    )


def _compressing(model: CausalLM, setting: _Setting) -> Callable[[], object]:
    compressor = PromptCompressor("longllmlingua", model=model)
    return lambda: compressor.compress(setting.documents, _QUESTION, rate=setting.rate, order="relevance")


def _task(setting: _Setting) -> Any:  # noqa: ANN401  # a ScoringTask
    from lingua_core.scorers.base import Passage, ScoringTask
    from lingua_core.segmentation import TextSegmenter

    cut = TextSegmenter()
    passages = [Passage(text=text, title=None, segments=cut.segment(text)) for text in setting.documents]
    return ScoringTask(query=_QUESTION, passages=passages)


def _one_pass(model: CausalLM, setting: _Setting, *, with_head: bool) -> Callable[[], object]:
    """Each document with the question behind it through the model, one by one and so without padding."""
    texts = [f"{text}{_QUESTION}{RESTRICTION}" for text in setting.documents]
    rows = [np.concatenate([model.start, row.ids]) for row in model.tokenize(texts)]
    return lambda: [model.read(row, with_head=with_head) for row in rows]


def _beside(
    folder: Path,
    setting: _Setting,
    actions: Mapping[str, Callable[[], object]],
    settings: Mapping[str, Any],
    *,
    classifier: bool = False,
) -> tuple[dict[str, list[float]], str]:
    """Seconds of our actions and, where it can be had, the "peer"; and a note on it."""
    peer, note = setting.peer, setting.why
    every = dict(actions)
    if peer is not None:
        request = {
            "documents": list(setting.documents),
            "question": _QUESTION,
            "settings": {**settings, "rate": setting.rate},
        }
        try:
            versions = peer.ask(
                do="load", folder=str(folder), classifier=classifier, device=setting.device,
                threads=setting.threads,
            )  # fmt: skip
            peer.ask(do="compress", **request)
            note = f"transformers {versions.get('transformers')}, torch {versions.get('torch')}"
            every["peer"] = lambda: peer.ask(do="compress", **request)
        except LinguaError as error:
            note = f"not measured; {error}"
    return in_turns(every, repeats=setting.repeats), note


def _figure(name: str, own: list[float], peer: list[float] | None, note: str) -> Figure:
    """How many times faster: the peer's seconds over ours."""
    if peer is None:
        return Figure(name=name, value=statistics.median(own), unit="s", note=note)
    return Figure(
        name=f"{name}: llmlingua's time over ours",
        value=statistics.median(peer),
        unit="s",
        reference_name="ours",
        reference=statistics.median(own),
        note=note,
    )


def _differences(models: Mapping[DType, CausalLM], setting: _Setting) -> Iterator[Figure]:
    """What fewer bits change: in surprisals, and in the text that is kept."""
    nothing = np.zeros(0, np.int64)
    values: dict[str, np.ndarray[Any, np.dtype[np.float32]]] = {}
    kept: dict[str, set[tuple[int, int]]] = {}
    for dtype, model in models.items():
        rows = model.surprisals([Continuation(nothing, row.ids) for row in model.tokenize(setting.documents)])
        values[dtype] = np.concatenate([row[1:] for row in rows])
        result = PromptCompressor("longllmlingua", model=model).compress(
            setting.documents, _QUESTION, rate=setting.rate
        )
        kept[dtype] = {
            (setting.documents.index(document.source.text), i)
            for document in result.documents
            for span in document.spans
            for i in range(span.start, span.end)
        }
    for dtype in list(models)[1:]:
        difference = float(np.abs(values[dtype] - values["float32"]).mean())
        same = len(kept[dtype] & kept["float32"]) / max(1, len(kept["float32"]))
        yield Figure(
            name=f"{dtype} against float32: mean difference of surprisals",
            value=difference,
            unit="nats",
            reference_name="their standard deviation",
            reference=float(values["float32"].std()),
            note=f"{100 * same:.0f} % of the kept characters are the same; the weights are random",
        )
