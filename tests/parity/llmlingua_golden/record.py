"""Records what llmlingua 0.2.2 computes on the tiny models, for tests that compare this project with it.

    python tests/parity/llmlingua_golden/record.py tests/parity/llmlingua_golden/golden.json

It runs in an environment of its own, since llmlingua 0.2.2 does not work with transformers 5 (it takes the
cache of keys and values apart as pairs, an error there):

    python3.11 -m venv reference
    reference/bin/pip install llmlingua==0.2.2 transformers==4.42.4 torch==2.13.0 "numpy<2"

llmlingua counts tokens with tiktoken's cl100k_base, which tiktoken downloads. Without a network, set
TIKTOKEN_CACHE_DIR to a folder that holds it, such as llama_index/core/_static/tiktoken_cache of an
environment with llama-index-core. Its filter of sentences needs nltk's punkt, which is downloaded too;
nothing here uses it.

README.md, beside this file, says what is recorded and where the reference is wrong. Nothing of the
reference is changed: methods of one compressor are wrapped to see what goes in and what comes out.
"""

import json
import math
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from llmlingua import PromptCompressor

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "support"))

from tiny_models import MAKERS  # its folder is on the path only now

PACKAGES = ("llmlingua", "transformers", "tokenizers", "torch", "numpy", "tiktoken", "nltk")

INSTRUCTION = "Answer the question in one sentence, using only the documents."
QUESTION = "Who paid for the lamp on Sand Point, and when was it first lit?"
DOCUMENTS = [
    "The road ends here.",
    "Fish is sold on Fridays at the old gate, and 36% of it goes north.",
    "The council of Sand Point met twice in 1884. It asked the harbour master for a plan, and he sent one "
    "within a week: a tower of 21 metres, built of brick.",
    "The lamp on Sand Point was first lit on 4 October 1887. It burned oil until 1931 and could be seen "
    "from 18 miles away. Ada Marsh, who owned three ships, paid 4,500 crowns for it; the town paid "
    "nothing.",
    "Bread needs flour, water, salt and time. Mix 500 g of flour with 350 g of water, wait for half an "
    "hour, and add the salt. Fold the dough every 30 minutes until it holds its form. Bake it at 230 "
    "degrees; if the crust is dark and the loaf sounds hollow, it is done. What could be simpler?",
    "Storms have shaped this coast. In 1903 the sea took the lower road and eleven houses; nobody was "
    "hurt, since the keeper had seen the waves and sent his son to wake the village. After the second "
    "great storm, in 1921, a wall was built along the beach. It cost twice what the council had expected, "
    "and it was paid for with a loan that ran for forty years.",
    "A lamp of this kind has a wick, a tank and a lens. The lens is the expensive part: it is made of "
    "rings of glass, each of which bends the light a little more than the one inside it, so that all of "
    "it leaves in one flat beam. The keeper cleaned it every morning with a soft cloth. He also wrote "
    "down each ship, its flag and its cargo. From these books we know that 1,204 ships passed in the "
    "summer of 1890, most of them with coal, wood or salt on board.",
    "Today the tower belongs to the museum of the town. It opens in May and closes in September, and a "
    "ticket is $6.50, or nothing for those who are under 12. On the first floor there are old maps, model "
    "ships and a bell that two divers found in 1956. On the second floor you can see how the light was "
    "turned by a clock whose weight had to be raised every four hours. The upper room is small, so only "
    "ten people may go up at a time. In strong wind it is closed. Last year about 27,000 people came, 12% "
    "more than in the year before; most of them asked the same question: who paid for all this?",
]  # fmt: skip
TRANSCRIPT = (
    "Chair: Good morning. Is everybody here?\n\nLund: Number 7 is ill, so we are 11 today.\n"
    "Chair: Then let us begin. Who wants to speak about the bridge?\n"
    "Lund: I do. It is 853 metres long?? No - 583 metres; the café in März paid €90.\n\n\n"
    "Chair: Thank you. Any questions? None? 😀 Then we close at 9:45."
)
EVERYTHING = list(range(len(DOCUMENTS)))

ERRORS = (AssertionError, IndexError, RuntimeError, TypeError, ValueError)

Json = dict[str, Any]


def documents(numbers: list[int]) -> list[str]:
    return [DOCUMENTS[number] for number in numbers]


def plain(value: Any) -> Any:
    """Plain Python values, with floats rounded to seven significant digits."""
    if isinstance(value, torch.Tensor):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float):
        return float(f"{value:.7g}") if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def bits(mask: Any) -> str:
    """A mask as a string of 0 and 1."""
    return "".join("1" if kept else "0" for kept in mask)


def described(error: Exception) -> str:
    """An error of the reference, in words. One of this script is raised again."""
    where = traceback.extract_tb(error.__traceback__)
    if where[-1].filename == __file__:
        raise error
    line = next(frame.lineno for frame in reversed(where) if frame.filename.endswith("prompt_compressor.py"))
    return f"{type(error).__name__} (line {line}): {error}"


def load(folder: Path, *, classifier: bool) -> Any:
    torch.set_num_threads(1)
    # Without a dictionary of our own, llmlingua changes the one that all its compressors share.
    return PromptCompressor(
        str(folder), device_map="cpu", model_config={"trust_remote_code": False}, use_llmlingua2=classifier
    )


# Causal models


def record_ppl(compressor: Any) -> list[Json]:
    records: list[Json] = []
    for number, text in enumerate(DOCUMENTS):
        records.append(
            {
                "document": number,
                "ids": compressor.tokenizer(text).input_ids,
                "losses": compressor.get_ppl(text, granularity="token"),
                "mean": compressor.get_ppl(text, granularity="sentence"),
            }
        )
    return records


def record_conditions(compressor: Any) -> list[Json]:
    records: list[Json] = []
    for number, text in enumerate(DOCUMENTS):
        for condition in ("none", "before", "after"):
            record = {
                "document": number,
                "condition": condition,
                "mean": compressor.get_condition_ppl(text, QUESTION, condition),
            }
            if number in (1, 3) and condition != "none":
                record["losses"] = compressor.get_condition_ppl(
                    text, QUESTION, condition, granularity="token"
                )
            records.append(record)
    return records


def record_ranks(compressor: Any) -> list[Json]:
    records: list[Json] = []
    lengths = [compressor.get_token_length(text) for text in DOCUMENTS]
    for method, condition in [
        ("llmlingua", "none"),
        ("longllmlingua", "none"),
        ("longllmlingua", "before"),
        ("longllmlingua", "after"),
    ]:
        ranked = compressor.get_rank_results(DOCUMENTS, QUESTION, method, condition, lengths)
        records.append(
            {
                "rank_method": method,
                "condition_in_question": condition,
                "order": [number for number, _ in ranked],
                "scores": [score for _, score in ranked],
            }
        )
    return records


BUDGETS: list[Json] = [
    {"target_token": 200, "context_budget": "+100"},
    {"target_token": 200, "context_budget": "*1.5", "rank_method": "llmlingua"},
    {"target_token": -5, "context_budget": "+100"},
    {"target_token": 150, "context_budget": "+0", "force_context_ids": [0, 4]},
    {"target_token": 150, "context_budget": "+0", "force_context_number": 2},
    {"target_token": 300, "dynamic_context_compression_ratio": 0.3, "reorder_context": "original"},
    {"target_token": 300, "dynamic_context_compression_ratio": 0.3, "reorder_context": "sort"},
    {"target_token": 300, "dynamic_context_compression_ratio": 0.3, "reorder_context": "two_stage"},
    {
        "target_token": 300,
        "dynamic_context_compression_ratio": 0.3,
        "reorder_context": "sort",
        "force_context_ids": [4, 0],
    },
]


def record_budgets(compressor: Any) -> list[Json]:
    records: list[Json] = []
    lengths = [compressor.get_token_length(text) for text in DOCUMENTS]
    for settings in BUDGETS:
        full = {"rank_method": "longllmlingua", **settings}
        condition = "none" if full["rank_method"] == "llmlingua" else "after"
        given = json.loads(json.dumps(full))  # the reference changes the list of forced documents
        _, ratios, used = compressor.control_context_budget(
            DOCUMENTS, lengths, question=QUESTION, condition_in_question=condition, **given
        )
        records.append(
            {"settings": full | {"condition_in_question": condition}, "documents": used, "ratios": ratios}
        )
    return records


class Trace:
    """What one call of `compress_prompt` did, token by token."""

    def __init__(self, *, losses: bool) -> None:
        self.with_losses = losses
        self.values: Json = {}
        self.iterations: list[Json] = []
        self.positions: list[int] = []  # in the joined prompt, of the tokens that are left
        self.threshold = math.nan
        self.iterating = False

    def budget(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        result = call(*args, **kwargs)
        self.values["context_used"], self.values["context_ratios"] = result[2], result[1]
        return result

    def iterate(
        self, call: Callable[..., Any], context: list[str], target_token: float, **kwargs: Any
    ) -> Any:
        self.values |= {"target_token": target_token, "start": kwargs["start"]}
        self.iterating = True
        try:
            return call(context, target_token, **kwargs)
        finally:
            self.iterating = False

    def plan(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self.values["plan"] = call(*args, **kwargs)
        return self.values["plan"]

    def ppl(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        result = call(*args, **kwargs)
        if self.iterating:
            past = kwargs["past_key_values"]
            read = [0 if past is None else past[0][0].shape[2], kwargs["end"]]
            if self.iterations and "own_read" not in self.iterations[-1] and not self.iterations[-1]["cuts"]:
                of = "own_"  # without the question, to compare with
            else:
                of = ""
                self.iterations.append({"cuts": []})
            self.iterations[-1][f"{of}read"] = read
            if self.with_losses:
                self.iterations[-1][f"{of}losses"] = result[0]
        return result

    def estimate(self, call: Callable[..., Any], *args: Any) -> Any:
        self.threshold = call(*args)
        return self.threshold

    def cut(
        self, call: Callable[..., Any], loss: Any, ids: Any, attention: Any, end: int, **kwargs: Any
    ) -> Any:
        count, end, size = ids.shape[1], int(end), kwargs["iterative_size"]  # a tensor is changed in place
        if not self.positions:
            self.positions = list(range(count))
            self.values["tokens"] = count
        # The front that no longer fits the model's positions was laid aside.
        aside = len(self.positions) - count
        # The same call with the tokens' places for their ids says which are kept.
        places = torch.arange(count)[None]
        given = dict(kwargs)
        if kwargs["self_loss"] is not None:
            given["self_input_ids"] = places[:, kwargs["start"] :]
        kept = call(loss, places, attention, end, **given)[0][0].tolist()
        mask = [place in set(kept) for place in range(count)]
        first, last = (max(end - size, 0), min(end, count)) if end > 0 else (0, count)
        if not all(mask[:first] + mask[last:]):
            raise RecordingError(f"a token outside of {first} to {last} was dropped")
        self.iterations[-1]["cuts"].append([first, self.threshold, bits(mask[first:last])])
        self.positions = self.positions[:aside] + [self.positions[aside + place] for place in kept]
        result = call(loss, ids, attention, end, **kwargs)
        if result[0][0].tolist() != ids[0, kept].tolist():
            raise RecordingError("other tokens were kept than recorded")
        return result

    def record(self) -> Json:
        left = set(self.positions)
        return self.values | {
            "iterations": self.iterations,
            "kept": bits(position in left for position in range(self.values.get("tokens", 0))),
        }


class RecordingError(Exception):
    """This script has misunderstood the reference."""


@contextmanager
def traced(compressor: Any, *, losses: bool) -> Iterator[Trace]:
    trace = Trace(losses=losses)
    wrappers: dict[str, Callable[..., Any]] = {
        "control_context_budget": trace.budget,
        "iterative_compress_prompt": trace.iterate,
        "get_dynamic_compression_ratio": trace.plan,
        "get_ppl": trace.ppl,
        "get_estimate_threshold_base_distribution": trace.estimate,
        "get_compressed_input": trace.cut,
    }

    def wrapped(wrapper: Callable[..., Any], call: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, **kwargs: wrapper(call, *args, **kwargs)

    with mock.patch.multiple(
        compressor,
        **{name: wrapped(wrapper, getattr(compressor, name)) for name, wrapper in wrappers.items()},
    ):
        yield trace


LONG: Json = {
    "rank_method": "longllmlingua",
    "condition_in_question": "after_condition",
    "reorder_context": "sort",
    "dynamic_context_compression_ratio": 0.3,
    "condition_compare": True,
}
OFF: Json = {"use_context_level_filter": False}


Case = tuple[list[int], bool, Json]
"""Documents, whether every loss is recorded, and settings."""


def cases(long: int) -> list[Case]:
    """For both models.

    Args:
        long: Size of long segments.
    """
    return [
        (EVERYTHING, True, {"rate": 0.5, "iterative_size": long, **OFF}),
        (EVERYTHING, False, {"rate": 0.3, "iterative_size": long}),
        (EVERYTHING, False, {"rate": 0.3, "iterative_size": 20, **OFF}),
        (EVERYTHING, False, {"rate": 0.3, "iterative_size": 20, **LONG}),
        (EVERYTHING, False, {"rate": 0.5, "iterative_size": long, **LONG, "condition_compare": False}),
        ([3], False, {"rate": 0.5, "iterative_size": 200}),
    ]


LLAMA_CASES: list[Case] = [
    (EVERYTHING, False, {"rate": 0.3, "iterative_size": 200, **OFF}),
    (EVERYTHING, False, {"rate": 0.5, "iterative_size": 200}),
    (EVERYTHING, False, {"rate": 0.5, "iterative_size": 20, **OFF}),
    (EVERYTHING, True, {"rate": 0.3, "iterative_size": 20}),
    (EVERYTHING, True, {"rate": 0.5, "iterative_size": 200, **LONG}),
    (EVERYTHING, False, {"rate": 0.3, "iterative_size": 200, **LONG}),
    (EVERYTHING, False, {"rate": 0.5, "iterative_size": 20, **LONG}),
    (EVERYTHING, False, {"rate": 0.5, "iterative_size": 200, **LONG, **OFF}),
    (EVERYTHING, False, {"rate": 0.3, "iterative_size": 200, "condition_compare": True, **OFF}),
    (EVERYTHING, False, {"target_token": 200, "iterative_size": 100}),
    (EVERYTHING, False, {"rate": 0.5, "iterative_size": 200, "keep_split": True, **OFF}),
    ([0], False, {"rate": 0.5, "iterative_size": 20}),
    ([6], False, {"rate": 0.5, "iterative_size": 200}),
    (EVERYTHING, False, {"rate": 0.5, "use_token_level_filter": False, "context_budget": "*1.5"}),
]
GPT2_CASES: list[Case] = [
    (EVERYTHING, True, {"rate": 0.3, "iterative_size": 100, **LONG}),
    # What is kept comes to more than the model's 512 positions.
    (EVERYTHING, False, {"rate": 0.9, "iterative_size": 100, **OFF}),
    (EVERYTHING, False, {"rate": 0.9, "iterative_size": 100, "condition_compare": True, **OFF}),
]


def record_compress(compressor: Any, given: list[Case]) -> list[Json]:
    records: list[Json] = []
    for numbers, losses, settings in given:
        record: Json = {"documents": numbers, "settings": settings}
        with traced(compressor, losses=losses) as trace:
            try:
                result = compressor.compress_prompt(documents(numbers), INSTRUCTION, QUESTION, **settings)
                record["result"] = {key: value for key, value in result.items() if key != "saving"}
            except ERRORS as error:
                record["error"] = described(error)
        records.append(record | {"trace": trace.record()})
    return records


def record_causal(folder: Path, given: list[Case]) -> Json:
    compressor = load(folder, classifier=False)
    return {
        "question_ids": compressor.tokenizer(QUESTION).input_ids,
        "ppl": record_ppl(compressor),
        "conditions": record_conditions(compressor),
        "ranks": record_ranks(compressor),
        "budgets": record_budgets(compressor),
        "compress": record_compress(compressor, given),
    }


# Token classifiers


class ClassifierTrace:
    """What the classifier's compressor saw and decided, chunk by chunk."""

    def __init__(self) -> None:
        self.chunks: list[Json] = []
        self.contexts: Json = {}

    def merge(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        given = dict(zip(("tokens", "token_probs"), args, strict=False)) | kwargs
        words, probabilities, unforced = call(*args, **kwargs)
        self.chunks.append(
            {
                "tokens": given["tokens"],
                "token_probabilities": given["token_probs"],
                "words": list(words),
                "parts": probabilities,
                "percentiles": [],
            }
        )
        return words, probabilities, unforced

    def choose(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        result = call(*args, **kwargs)
        self.chunks.clear()  # the same chunks come again when they are compressed
        self.contexts["probabilities"] = result[0]
        return result

    def percentile(self, call: Callable[..., Any], values: Any, percent: Any) -> Any:
        threshold = call(values, percent)
        if self.chunks:
            self.chunks[-1]["percentiles"].append([percent, threshold])
        else:
            self.contexts["percentile"] = [percent, threshold]
        return threshold


@contextmanager
def classifier_traced(compressor: Any) -> Iterator[ClassifierTrace]:
    trace = ClassifierTrace()
    merge_name, choose_name = "_PromptCompressor__merge_token_to_word", "_PromptCompressor__get_context_prob"
    merge, choose = getattr(compressor, merge_name), getattr(compressor, choose_name)
    percentile = np.percentile
    with (
        mock.patch.object(
            compressor, merge_name, lambda *args, **kwargs: trace.merge(merge, *args, **kwargs)
        ),
        mock.patch.object(
            compressor, choose_name, lambda *args, **kwargs: trace.choose(choose, *args, **kwargs)
        ),
        mock.patch.object(np, "percentile", lambda *args: trace.percentile(percentile, *args)),
    ):
        yield trace


def openai_tokens(compressor: Any, words: list[str]) -> list[int]:
    """How many tokens of cl100k_base each word has, by which words are weighted."""
    return [len(compressor.oai_tokenizer.encode(word)) for word in words]


def record_words(compressor: Any) -> list[Json]:
    """Words of each text and their probabilities, without anything forced."""
    records: list[Json] = []
    to_words = compressor._PromptCompressor__token_prob_to_word_prob
    for number, text in enumerate([*DOCUMENTS, TRANSCRIPT]):
        chunks = compressor._PromptCompressor__chunk_context(text, chunk_end_tokens={".", "\n"})
        with classifier_traced(compressor) as trace:
            compressor._PromptCompressor__compress([list(chunks)], reduce_rate=0.5)
        (seen,) = trace.chunks
        record = {
            "text": number if number < len(DOCUMENTS) else "transcript",
            "words": seen["words"],
            "openai_tokens": openai_tokens(compressor, seen["words"]),
            "mean": to_words(seen["parts"], convert_mode="mean"),
        }
        if number in (1, 3, len(DOCUMENTS)):
            record |= {
                "first": to_words(seen["parts"], convert_mode="first"),
                "tokens": seen["tokens"],
                "token_probabilities": seen["token_probabilities"],
            }
        records.append(record)
    return records


def record_contexts(compressor: Any) -> list[Json]:
    """The probability of each document as a whole, by which documents are chosen."""
    chunks = [
        compressor._PromptCompressor__chunk_context(text, chunk_end_tokens={".", "\n"}) for text in DOCUMENTS
    ]
    return [
        {
            "token_to_word": mode,
            "probabilities": compressor._PromptCompressor__get_context_prob(chunks, token_to_word=mode)[0],
        }
        for mode in ("mean", "first")
    ]


FORCED: Json = {"force_tokens": ["\n", "?"]}
CHOSEN: Json = {"use_context_level_filter": True}
SHORT = [1, 3, 4]
CLASSIFIER_CASES: list[tuple[str | list[int], Json]] = [
    (SHORT, {"rate": 0.5, **OFF}),
    (SHORT, {"rate": 0.33, **OFF}),
    (SHORT, {"rate": 0.33, "token_to_word": "first", **OFF}),
    (SHORT, {"rate": 0.33, "force_reserve_digit": True, **OFF}),
    ("transcript", {"rate": 0.5}),
    ("transcript", {"rate": 0.33, **FORCED}),
    ("transcript", {"rate": 0.33, **FORCED, "force_reserve_digit": True}),
    ("transcript", {"rate": 0.33, **FORCED, "drop_consecutive": True}),
    ("transcript", {"rate": 0.5, **FORCED, "force_reserve_digit": True, "drop_consecutive": True}),
    ("joined", {"rate": 0.5}),
    ("joined", {"rate": 0.33, **FORCED, "force_reserve_digit": True, "drop_consecutive": True}),
    (SHORT, {"rate": 0.5}),  # documents are chosen if nothing else is said
    (EVERYTHING, {"rate": 0.5, **CHOSEN}),
    (EVERYTHING, {"target_token": 120, **CHOSEN}),
    (EVERYTHING, {"target_token": 120, **OFF}),
    (EVERYTHING, {"rate": 0.33, **CHOSEN, "target_context": 3}),
    (SHORT, {"rate": 1.0, **OFF}),
    (SHORT, {"rate": 0.001, **OFF}),
    (SHORT, {"rate": 0.0, **OFF}),
]


def record_classifier_compress(compressor: Any, known: list[Json]) -> list[Json]:
    """What becomes of texts.

    Args:
        compressor: The compressor.
        known: What `record_words` returned.
    """
    records: list[Json] = []
    texts: dict[str, list[str]] = {"transcript": [TRANSCRIPT], "joined": ["\n".join(DOCUMENTS)]}
    to_words = compressor._PromptCompressor__token_prob_to_word_prob
    for source, settings in CLASSIFIER_CASES:
        context = texts[source] if isinstance(source, str) else documents(source)
        record: Json = {"texts": source, "settings": settings}
        with classifier_traced(compressor) as trace:
            try:
                result = compressor.compress_prompt(list(context), **settings, return_word_label=True)
            except ERRORS as error:
                records.append(record | {"error": described(error)})
                continue
        labelled = result.pop("fn_labeled_original_prompt").split("\t\t|\t\t")
        unwanted = ("compressed_prompt_list", "saving")
        record["result"] = {key: value for key, value in result.items() if key not in unwanted}
        if trace.contexts:
            record["contexts"] = trace.contexts
        words = [label.rsplit(" ", 1)[0] for label in labelled]
        numbers = {"transcript": [-1], "joined": EVERYTHING}[source] if isinstance(source, str) else source
        usual = words == [word.lstrip("▁") for number in numbers for word in known[number]["words"]]
        if not usual:
            record["words"] = words
        record["labels"] = bits(label.endswith(" 1") for label in labelled)
        record["chunks"] = []
        for chunk in trace.chunks:
            about: Json = {"words": len(chunk["words"]), "percentiles": chunk["percentiles"]}
            if not usual:
                about["openai_tokens"] = openai_tokens(compressor, chunk["words"])
            if source == "transcript" and "force_tokens" in settings:
                about["probabilities"] = to_words(chunk["parts"])
            record["chunks"].append(about)
        records.append(record)
    return records


def record_classifier(folder: Path) -> Json:
    compressor = load(folder, classifier=True)
    words = record_words(compressor)
    return {
        "special_tokens": sorted(compressor.special_tokens),
        "force_token_ids": compressor.tokenizer.convert_tokens_to_ids(["[NEW0]", "[NEW1]"]),
        "words": words,
        "contexts": record_contexts(compressor),
        "compress": record_classifier_compress(compressor, words),
    }


# The file


def lines(value: Any, depth: int, indent: str = "") -> str:
    """JSON with one entry a line down to a depth, and each entry on one line."""
    inner = indent + " "
    if depth and isinstance(value, dict):
        entries = [
            f"{inner}{json.dumps(key)}: {lines(item, depth - 1, inner)}" for key, item in value.items()
        ]
        return "{\n" + ",\n".join(entries) + f"\n{indent}}}"
    if depth and isinstance(value, list) and value and isinstance(value[0], dict | str):
        return "[\n" + ",\n".join(inner + lines(item, 0) for item in value) + f"\n{indent}]"
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def record() -> Json:
    golden: Json = {
        "versions": {"python": sys.version.split()[0], **{package: version(package) for package in PACKAGES}},
        "models": {},
        "texts": {
            "instruction": INSTRUCTION,
            "question": QUESTION,
            "documents": DOCUMENTS,
            "transcript": TRANSCRIPT,
        },
    }
    with tempfile.TemporaryDirectory(prefix="tiny-") as parent:
        for name, make in MAKERS.items():
            folder = make(Path(parent))
            golden["models"][name] = {
                file: sha256((folder / file).read_bytes()).hexdigest()
                for file in ("model.safetensors", "tokenizer.json", "config.json")
            }
            if name in ("tiny_mbert", "tiny_xlmr"):
                golden[name] = record_classifier(folder)
            elif name == "tiny_llama":
                golden[name] = record_causal(folder, cases(200) + LLAMA_CASES)
            else:
                golden[name] = record_causal(folder, cases(100) + GPT2_CASES)
    return plain(golden)


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(lines(record(), 3) + "\n", encoding="utf-8")
