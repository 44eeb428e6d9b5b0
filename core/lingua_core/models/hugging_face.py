"""Models of the Hugging Face hub or a local folder: loading, devices, and tokens with their characters."""

# transformers is partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from lingua_core.errors import InputError, MissingDependencyError, ModelError
from lingua_core.models.low_rank import check_adapter, merge_adapter
from lingua_core.unicode import encodable

if TYPE_CHECKING:
    import torch

__all__ = [
    "DType",
    "HuggingFaceModel",
    "Loaded",
    "ModelKind",
    "TokenizedText",
    "is_out_of_memory",
    "without_progress_bars",
]

DType = Literal["auto", "float32", "bfloat16", "float16", "int8"]
ModelKind = Literal["causal-lm", "token-classifier"]

_CLASSES = {
    "causal-lm": "AutoModelForCausalLM",
    "token-classifier": "AutoModelForTokenClassification",
}


class TokenizedText(NamedTuple):
    """A text's tokens, without special ones.

    Attributes:
        ids: Shape (tokens,).
        starts: Character offset at which each token begins; white space before a word may be part of its
            token or of none. Ascending. Shape (tokens,).
        ends: Character offset behind each token. Shape (tokens,).
    """

    ids: NDArray[np.int64]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]


class Loaded(NamedTuple):
    """A model in evaluation mode on its device, and its tokenizer."""

    model: Any
    tokenizer: Any
    device: "torch.device"


class HuggingFaceModel:
    """A model that is loaded when it is first used; safe to share between threads.

    Args:
        source: A folder, a name on the hub (fetched on first use if it is not in the local cache), or a
            pair of a loaded model and its tokenizer, which stay where they are.
        kind: What the model must be.
        device: "auto" and "cpu" run on the CPU; "cuda", "cuda:1", "mps" on what they name. Never a GPU by
            default.
        dtype: "auto" is float32 on a CPU, and what the model was saved in elsewhere. "int8", on a CPU only,
            makes linear layers of 8 bits and leaves the rest float32: less exact, and faster.
        trust_remote_code: Whether to run code that comes with the model.
        adapter: The folder of a low-rank adapter, which is merged into the model when it is loaded.

    Raises:
        InputError: If an argument cannot be used.
    """

    def __init__(
        self,
        source: str | Path | tuple[Any, Any],
        *,
        kind: ModelKind,
        device: str = "auto",
        dtype: DType = "auto",
        trust_remote_code: bool = False,
        adapter: str | Path | None = None,
    ) -> None:
        if dtype not in get_args(DType):
            raise InputError(f"dtype must be one of {', '.join(get_args(DType))}, got {dtype!r}.")
        if not isinstance(device, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise InputError(f"device must be a str such as 'cpu' or 'cuda:0', got {device!r:.80}.")
        is_pair = isinstance(source, tuple) and len(source) == 2 and hasattr(source[0], "parameters")
        if not isinstance(source, (str, Path)) and not is_pair:
            raise InputError(
                f"model must be a folder, a name on the hub or a pair (model, tokenizer), got {source!r:.80}."
            )
        if dtype == "int8" and (is_pair or device not in ("auto", "cpu")):
            given = "a loaded model, which stays as it is" if is_pair else f"device={device!r}"
            raise InputError(
                f"dtype='int8' makes a model of its own on the CPU; got {given}. Give a folder or a name, "
                "and device='cpu'."
            )
        if adapter is not None and is_pair:
            raise InputError(
                "An adapter is merged into a model that is loaded for it; got a loaded model, which stays as "
                "it is. Give a folder or a name."
            )
        self._adapter = check_adapter(adapter) if adapter is not None else None
        self._source = source
        self._kind: ModelKind = kind
        self._device = device
        self._dtype: DType = dtype
        self._trust = trust_remote_code
        self._lock = threading.Lock()
        self._loaded: Loaded | None = None

    @property
    def name(self) -> str:
        """The folder or name, with its adapter's; or the class of a loaded model."""
        if isinstance(self._source, tuple):
            return type(self._source[0]).__name__
        return str(self._source) if self._adapter is None else f"{self._source} with {self._adapter}"

    def load(self) -> Loaded:
        """The model and its tokenizer.

        Raises:
            MissingDependencyError: If torch or transformers is not installed.
            ModelError: If there is no such model, or it is of another kind.
            InputError: If the device is not there.
        """
        with self._lock:
            if self._loaded is None:
                self._loaded = self._load()
        return self._loaded

    @cached_property
    def added_tokens(self) -> tuple[list[int], list[int]]:
        """The special tokens that the tokenizer itself puts before and behind a text, if any."""
        tokenizer = self.load().tokenizer
        plain: list[int] = tokenizer("a", add_special_tokens=False)["input_ids"]
        whole: list[int] = tokenizer("a", add_special_tokens=True)["input_ids"]
        for at in range(len(whole)):
            if plain and whole[at : at + len(plain)] == plain:
                return whole[:at], whole[at + len(plain) :]
        return [], []

    def tokenize(self, texts: Sequence[str]) -> list[TokenizedText]:
        """Tokens of each text with the characters that they stand for."""
        tokenizer = self.load().tokenizer
        if not texts:
            return []
        found = tokenizer(
            [encodable(text) for text in texts],
            add_special_tokens=False,
            return_offsets_mapping=True,
            return_attention_mask=False,
            return_token_type_ids=False,
            truncation=False,
            split_special_tokens=True,
            verbose=False,
        )
        return [
            TokenizedText(np.asarray(ids, np.int64), *_borders(offsets))
            for ids, offsets in zip(found["input_ids"], found["offset_mapping"], strict=True)
        ]

    def _load(self) -> Loaded:
        try:
            import torch
            import transformers
        except ImportError as error:
            raise MissingDependencyError.for_extra(
                str(error.name), extra="transformers", purpose=f"A {self._kind} such as {self.name!r}"
            ) from error
        device = _device(self._device)
        if isinstance(self._source, tuple):
            model, tokenizer = self._source
            device = next(model.parameters()).device
        else:
            dtype = self._dtype
            if dtype == "int8" or (dtype == "auto" and device.type == "cpu"):
                dtype = "float32"
            common: dict[str, Any] = {"trust_remote_code": self._trust}
            try:
                tokenizer = transformers.AutoTokenizer.from_pretrained(self._source, **common)
                model_class: Any = getattr(transformers, _CLASSES[self._kind])
                with without_progress_bars():
                    model, loading = model_class.from_pretrained(
                        self._source,
                        dtype=dtype if dtype == "auto" else getattr(torch, dtype),
                        output_loading_info=True,
                        **common,
                    )
            except Exception as error:  # what hub, safetensors and configuration raise shares no base class
                raise ModelError(
                    f"{self.name!r} could not be loaded as a {self._kind}: {error} Expected the folder of "
                    "such a model (config.json, model.safetensors, tokenizer.json), or its name on the hub."
                ) from error
            if missing := sorted(loading["missing_keys"]):
                raise ModelError(
                    f"{self.name!r} lacks {', '.join(missing[:4])}: it was saved without what makes it a "
                    f"{self._kind}, and random numbers would stand in. Use a model that was trained as one."
                )
            if self._adapter is not None:
                merge_adapter(model, self._adapter)
            model = model.to(device)
            if self._dtype == "int8":
                from lingua_core.models.cpu_linear import quantize_linear_layers

                quantize_linear_layers(model)
        if not getattr(tokenizer, "is_fast", False):
            raise ModelError(
                f"The tokenizer of {self.name!r} ({type(tokenizer).__name__}) does not say which characters "
                "a token stands for. Use a fast tokenizer: a folder with tokenizer.json."
            )
        return Loaded(model.eval(), tokenizer, device)


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch ran out of memory, on a GPU or on the CPU."""
    import torch

    text = str(error).lower()
    # The last two are what the CPU allocator says.
    return isinstance(error, torch.OutOfMemoryError) or any(
        phrase in text for phrase in ("out of memory", "can't allocate memory", "not enough memory")
    )


@contextmanager
def without_progress_bars() -> Generator[None]:
    """Transformers' bar for the weights would come out of the middle of a service."""
    from transformers.utils import logging

    if not logging.is_progress_bar_enabled():
        yield
        return
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.enable_progress_bar()


def _device(name: str) -> "torch.device":
    import torch

    if name == "auto":
        return torch.device("cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"Unknown device {name!r}. Expected 'cpu', 'cuda', 'cuda:0' or 'mps'.") from error
    there = {
        "cpu": lambda: True,
        "cuda": lambda: (device.index or 0) < torch.cuda.device_count(),
        "mps": torch.backends.mps.is_available,
    }
    if device.type not in there:
        raise InputError(f"Device {name!r} is not supported. Expected 'cpu', 'cuda', 'cuda:0' or 'mps'.")
    if not there[device.type]():
        raise InputError(f"Device {name!r} is not available to torch here. Use device='cpu'.")
    return device


def _borders(offsets: Sequence[tuple[int, int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    table = np.asarray(offsets, np.int64).reshape(-1, 2)
    return table[:, 0].copy(), table[:, 1].copy()
