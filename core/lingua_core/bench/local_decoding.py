"""What decoding an answer's points together saves on a local model, beside its plain alternatives.

The model has random weights, built in the run: what matters is its shape. Replies are forced to the lengths
of the Skeleton-of-Thought paper's points, so every arm writes the same number of tokens.
"""

# torch and transformers are partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import statistics
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lingua_core.bench.measuring import Figure, in_turns
from lingua_core.llms.base import ChatRequest, Message
from lingua_core.llms.huggingface import HuggingFaceChat
from lingua_core.models.hugging_face import DType

__all__ = ["LLAMA_LARGE", "LLAMA_SMALL", "PAPER_POINTS", "Shape", "measure_local"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The sizes of a Llama.

    Attributes:
        name: For figures.
        hidden: Width of the states.
        middle: Width inside the feed-forward layers.
        layers: How many.
        heads: Of attention.
        vocabulary: Tokens; at least 1024.
    """

    name: str
    hidden: int
    middle: int
    layers: int
    heads: int
    vocabulary: int = 32_000


LLAMA_SMALL = Shape(name="100M parameters", hidden=640, middle=1792, layers=12, heads=10)
LLAMA_LARGE = Shape(name="7B parameters", hidden=4096, middle=11_008, layers=32, heads=32)
PAPER_POINTS = (62, 68, 75, 83, 92, 104, 118)
"""Tokens of seven points, within the paper's range."""
_SKELETON = 50
_OWN = 24
"""Tokens at the end of a point's prompt that no other has."""


def measure_local(
    *,
    shape: Shape = LLAMA_SMALL,
    device: str = "auto",
    dtype: DType = "auto",
    prefixes: Sequence[int] = (600, 100),
    points: Sequence[int] = PAPER_POINTS,
    skeleton: int = _SKELETON,
    repeats: int = 3,
) -> Iterator[Figure]:
    """Yield figures as they are measured.

    Args:
        shape: Of the model.
        device: As for `HuggingFaceModel`.
        dtype: As for `HuggingFaceModel`.
        prefixes: Tokens that the prompts of all points share; one set of figures for each.
        points: Tokens that each point is forced to.
        skeleton: Tokens that the skeleton is forced to, where points join while it is written.
        repeats: Rounds of each measurement.
    """
    model, tokenizer = _random_model(shape, device, dtype)
    for prefix in prefixes:
        arms = _Arms(model, tokenizer, prefix=prefix, points=points, skeleton=skeleton)
        yield from _points(arms, shape, repeats)
        yield from _joining(arms, shape, repeats)


class _Arms:
    """The ways to write the points of one answer.

    Args:
        model: The model.
        tokenizer: Whose words are its tokens.
        prefix: Tokens that all prompts share.
        points: Tokens of each point.
        skeleton: Tokens of the skeleton.
    """

    def __init__(
        self,
        model: Any,  # noqa: ANN401  # transformers' own
        tokenizer: Any,  # noqa: ANN401
        *,
        prefix: int,
        points: Sequence[int],
        skeleton: int,
    ) -> None:
        self.prefix, self.points, self.skeleton = prefix, tuple(points), skeleton
        self._model = model
        shared = _words(prefix, 0)
        self.prompts = [shared + _words(_OWN, i + 1) for i in range(len(points))]
        self._lengths = dict(zip(self.prompts, points, strict=True))
        self._skeleton_prompt = shared + _words(_OWN, len(points) + 1)
        self._ids = [list(map(int, tokenizer(prompt)["input_ids"])) for prompt in self.prompts]
        self._chat = HuggingFaceChat((model, tokenizer), idle_seconds=60)
        self._unshared = HuggingFaceChat((model, tokenizer), share_prefixes=False, idle_seconds=60)
        self.read_shares: dict[bool, list[float]] = {True: [], False: []}

    def request(self, prompt: str, tokens: int) -> ChatRequest:
        """A greedy request of a forced length."""
        return ChatRequest(
            messages=(Message("user", prompt),),
            max_tokens=tokens,
            temperature=0.0,
            extra={"ignore_eos": True},
        )

    def one_by_one(self) -> None:
        """The points in turn, none of which knows of the others, as a plain loop over `generate` would."""
        for prompt, tokens in self._lengths.items():
            self._unshared.complete(self.request(prompt, tokens))

    def together(self, *, shared: bool = True) -> None:
        """All points in our batch."""
        chat = self._chat if shared else self._unshared
        chat.close()  # forgets what the last round has read
        before = chat.statistics
        chat.complete_batch([self.request(prompt, tokens) for prompt, tokens in self._lengths.items()])
        after = chat.statistics
        read = after.read_seconds - before.read_seconds
        write = after.write_seconds - before.write_seconds
        self.read_shares[shared].append(100 * read / (read + write))

    def padded_generate(self) -> None:
        """All points through transformers' `generate`, padded on the left, until the longest is done."""
        import torch

        width = max(map(len, self._ids))
        ids = torch.tensor([[0] * (width - len(row)) + row for row in self._ids], device=self._model.device)
        mask = torch.tensor(
            [[0] * (width - len(row)) + [1] * len(row) for row in self._ids], device=self._model.device
        )
        longest = max(self.points)
        self._model.generate(
            input_ids=ids,
            attention_mask=mask,
            max_new_tokens=longest,
            min_new_tokens=longest,
            do_sample=False,
            pad_token_id=0,
        )

    def answer(self, *, joining: bool) -> None:
        """Skeleton and points; points start as their line is written, or all when the skeleton is."""
        self._chat.close()
        starts = [round((i + 1) * self.skeleton / len(self.points)) for i in range(len(self.points))]
        threads = [
            threading.Thread(target=self._chat.complete, args=(self.request(prompt, tokens),))
            for prompt, tokens in self._lengths.items()
        ]
        waiting = list(zip(starts, threads, strict=True))
        for written, _ in enumerate(self._chat.stream(self.request(self._skeleton_prompt, self.skeleton)), 1):
            while joining and waiting and waiting[0][0] <= written:
                waiting.pop(0)[1].start()
        for _, thread in waiting:
            thread.start()
        for thread in threads:
            thread.join()

    def close(self) -> None:
        """End the threads."""
        self._chat.close()
        self._unshared.close()


def _points(arms: _Arms, shape: Shape, repeats: int) -> Iterator[Figure]:
    actions: dict[str, Callable[[], object]] = {
        "one by one": arms.one_by_one,
        "together": arms.together,
        "together, nothing shared": lambda: arms.together(shared=False),
        "padded generate": arms.padded_generate,
    }
    seconds = in_turns(actions, repeats=repeats)
    arms.close()
    what = f"{len(arms.points)} points, {arms.prefix} tokens shared, {shape.name}"
    ours = statistics.median(seconds["together"])
    notes = {
        "one by one": "every point read and written alone",
        "together, nothing shared": "the same batch with share_prefixes=False",
        "padded generate": "transformers' generate, left padding, all rows until the longest is done",
    }
    for name, note in notes.items():
        ratios = [other / own for other, own in zip(seconds[name], seconds["together"], strict=True)]
        yield Figure(
            name=f"points written together, {what}",
            value=ours,
            unit="s",
            reference_name=name,
            reference=statistics.median(seconds[name]),
            note=f"{statistics.median(ratios):.2f}x faster (median of rounds); {note}",
        )
    # The first round is not counted in the times either.
    shares = {shared: statistics.median(found[1:]) for shared, found in arms.read_shares.items()}
    yield Figure(
        name=f"share of time for reading prompts, {what}",
        value=shares[True],
        unit="%",
        reference_name="nothing shared",
        reference=shares[False],
    )


def _joining(arms: _Arms, shape: Shape, repeats: int) -> Iterator[Figure]:
    seconds = in_turns(
        {"joining": lambda: arms.answer(joining=True), "waiting": lambda: arms.answer(joining=False)},
        repeats=repeats,
    )
    arms.close()
    ratios = [other / own for other, own in zip(seconds["waiting"], seconds["joining"], strict=True)]
    yield Figure(
        name=f"skeleton and points that join the running batch, {arms.prefix} tokens shared, {shape.name}",
        value=statistics.median(seconds["joining"]),
        unit="s",
        reference_name="points wait for the skeleton's end",
        reference=statistics.median(seconds["waiting"]),
        note=f"{statistics.median(ratios):.2f}x faster (median of rounds)",
    )


def _words(count: int, seed: int) -> str:
    """A text of so many tokens; texts of two seeds differ from the first on."""
    return "".join(f"w{(seed * 97 + i * 31) % 900} " for i in range(count))


def _random_model(shape: Shape, device: str, dtype: DType) -> tuple[Any, Any]:
    """A Llama of a shape, and a tokenizer whose tokens are words."""
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    config = transformers.LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.middle,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.heads,
        max_position_embeddings=4096,
        bos_token_id=1,
        eos_token_id=2,
    )
    number_type = torch.float32 if dtype == "auto" else getattr(torch, dtype)
    with torch.device("cpu" if device == "auto" else device), torch.random.fork_rng():
        torch.manual_seed(0)
        model = transformers.AutoModelForCausalLM.from_config(config, dtype=number_type).eval()
    vocabulary = {f"w{i}": i for i in range(shape.vocabulary)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="w0"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return model, transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer)
