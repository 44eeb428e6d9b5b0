"""A token classifier that says for each token of a sequence how likely it is to be kept."""

# torch and transformers are partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lingua_core.errors import InputError, ModelError
from lingua_core.models.batches import rows_at_once
from lingua_core.models.hugging_face import HuggingFaceModel, Loaded, TokenizedText, is_out_of_memory

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SequenceFrame", "TokenClassifier"]

_LOGGER = logging.getLogger(__name__)

_LONGEST_SEQUENCE = 512

Ids = NDArray[np.int64]
Probabilities = NDArray[np.float32]


class SequenceFrame(NamedTuple):
    """What a sequence needs besides its own tokens.

    Attributes:
        before: Special tokens that the tokenizer puts before a text.
        after: Special tokens that it puts behind one.
        room: How many tokens of a text fit in between.
    """

    before: list[int]
    after: list[int]
    room: int


class TokenClassifier:
    """Probabilities of one label, for tokens in sequences. Loads on first use; safe to share between threads.

    Args:
        model: The model; its batches are of our own making, so its tokenizer's padding does not matter.
        keep_label: The label whose probability is asked for, by id or by name (`config.id2label`). None
            means label 1 of two, as in the published LLMLingua-2 models.
        batch_tokens: Tokens of a batch, padding and special tokens included. A longer sequence is a batch
            of its own.

    Raises:
        InputError: If an argument cannot be used.
    """

    def __init__(
        self, model: HuggingFaceModel, *, keep_label: str | int | None = None, batch_tokens: int = 4096
    ) -> None:
        if not (keep_label is None or isinstance(keep_label, (str, int))) or isinstance(keep_label, bool):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise InputError(f"keep_label must be a label's name, its id or None, got {keep_label!r:.80}.")
        if not isinstance(batch_tokens, int) or isinstance(batch_tokens, bool) or batch_tokens < 1:  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise InputError(f"batch_tokens must be an int of at least 1, got {batch_tokens!r:.80}.")
        self._model = model
        self._keep_label = keep_label
        self._batch_tokens = batch_tokens

    @property
    def name(self) -> str:
        """The model's folder or name."""
        return self._model.name

    def tokenize(self, texts: Sequence[str]) -> list[TokenizedText]:
        """Tokens of each text, without special ones, with the characters that they stand for."""
        return self._model.tokenize(texts)

    def frame(self) -> SequenceFrame:
        """The special tokens around each sequence, and how long it may be.

        Raises:
            ModelError: If the model cannot be loaded, lacks the label, or has no room for a text.
        """
        loaded = self._model.load()
        _keep_index(loaded.model, self._keep_label, self.name)
        before, after = self._model.added_tokens
        if not before and not after:
            # One made from a bare vocabulary has lost its template, and the model has not.
            cls, sep = loaded.tokenizer.cls_token_id, loaded.tokenizer.sep_token_id
            before, after = ([], []) if cls is None or sep is None else ([cls], [sep])
        longest = min(_LONGEST_SEQUENCE, _positions(loaded.model))
        room = longest - len(before) - len(after)
        if room < 1:
            raise ModelError(
                f"{self.name!r} reads {longest} tokens at once, which leaves no room for a text between "
                f"{len(before) + len(after)} special tokens. Expected at least one more; use another model."
            )
        return SequenceFrame(before, after, room)

    def probabilities(self, sequences: Sequence[Ids]) -> list[Probabilities]:
        """The label's probability for each token of each sequence; NaN where the logits are not finite.

        Sequences are sorted by length, batched with those of about their length, and padded to the longest of
        their batch; so the results depend on the other sequences by rounding only. When memory runs out, the
        rest goes on in smaller batches.

        Args:
            sequences: Token ids without special ones; none empty, none longer than `frame().room`.

        Raises:
            ModelError: If the model is no token classifier, or memory runs out for a single sequence.
        """
        found = [np.zeros(0, np.float32)] * len(sequences)
        frame = self.frame()
        device = self._model.load().device.type
        longest_first = sorted(range(len(sequences)), key=lambda i: -len(sequences[i]))
        lengths = [len(sequences[i]) + len(frame.before) + len(frame.after) for i in longest_first]
        limit, at, warned = self._batch_tokens, 0, False
        while at < len(longest_first):
            width = lengths[at]
            batch = longest_first[at : at + rows_at_once(lengths[at:], limit=limit, device=device)]
            rows = self._run([sequences[i] for i in batch], frame)
            if isinstance(rows, RuntimeError):
                if len(batch) == 1:
                    raise ModelError(
                        f"Memory ran out for a single sequence of {width} tokens with {self.name!r}: {rows} "
                        "Free memory, or choose a smaller model, dtype='bfloat16' or device='cpu'."
                    ) from rows
                limit = len(batch) // 2 * width
                if not warned:
                    _LOGGER.warning("Out of memory with batches of %d sequences: halving them.", len(batch))
                warned = True
                continue
            for i, row in zip(batch, rows, strict=True):
                found[i] = row
            at += len(batch)
        return found

    def _run(self, batch: Sequence[Ids], frame: SequenceFrame) -> list[Probabilities] | RuntimeError:
        """The probabilities, or the error that says that memory ran out."""
        import torch

        loaded = self._model.load()
        try:
            values = self._forward(loaded, batch, frame)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            # The traceback would keep the tensors of the failed pass alive.
            failure = error.with_traceback(None)
        else:
            first = len(frame.before)
            return [row[first : first + len(ids)] for row, ids in zip(values, batch, strict=True)]
        if loaded.device.type == "cuda":
            torch.cuda.empty_cache()
        return failure

    def _forward(self, loaded: Loaded, batch: Sequence[Ids], frame: SequenceFrame) -> Probabilities:
        """Shape (sequences, longest sequence)."""
        import torch

        from lingua_core.models.cpu_linear import fast_linear

        label = _keep_index(loaded.model, self._keep_label, self.name)
        ids, mask = _padded(batch, frame, _pad_id(loaded))
        with torch.inference_mode(), fast_linear(loaded.device):
            output = loaded.model(
                input_ids=torch.from_numpy(ids).to(loaded.device),
                attention_mask=torch.from_numpy(mask).to(loaded.device),
            )
            logits: Tensor | None = getattr(output, "logits", None)
            expected = (*ids.shape, len(_labels(loaded.model)))
            if logits is None or tuple(logits.shape) != expected:
                shape = "none" if logits is None else f"of shape {tuple(logits.shape)}"
                raise ModelError(
                    f"{self.name!r} ({type(loaded.model).__name__}) returned logits {shape}, expected "
                    f"{expected} (sequences, tokens, labels). Use an AutoModelForTokenClassification."
                )
            logits = logits.float()
            kept = logits.softmax(-1)[..., label] if logits.shape[2] > 1 else logits[..., 0].sigmoid()
            values = kept.masked_fill(~logits.isfinite().all(-1), torch.nan).cpu()
        return values.numpy()


def _padded(batch: Sequence[Ids], frame: SequenceFrame, pad: int) -> tuple[Ids, Ids]:
    """Token ids with special and padding tokens, and the attention mask. Shape (sequences, longest)."""
    before, after = np.array(frame.before, np.int64), np.array(frame.after, np.int64)
    width = max(len(ids) for ids in batch) + len(before) + len(after)
    padded = np.full((len(batch), width), pad, np.int64)
    mask = np.zeros((len(batch), width), np.int64)
    for row, ids in enumerate(batch):
        whole = np.concatenate([before, ids, after])
        padded[row, : len(whole)] = whole
        mask[row, : len(whole)] = 1
    return padded, mask


def _positions(model: Any) -> int:  # noqa: ANN401  # any classifier
    """How many tokens the model has positions for.

    RoBERTa and its kin count positions from behind the padding token's, and so have fewer than the table
    has rows.
    """
    import torch

    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, torch.nn.Embedding):
            unused = 0 if module.padding_idx is None else module.padding_idx + 1
            return module.num_embeddings - unused
    longest = getattr(model.config, "max_position_embeddings", None)
    # XLNet says -1 for "any number".
    return longest if isinstance(longest, int) and longest > 0 else _LONGEST_SEQUENCE


def _pad_id(loaded: Loaded) -> int:
    """Masked, so that any id would do; but RoBERTa tells positions from the model's own padding id."""
    vocabulary = loaded.model.get_input_embeddings().num_embeddings
    for owner in (loaded.model.config, loaded.tokenizer):
        found = getattr(owner, "pad_token_id", None)
        if isinstance(found, int) and 0 <= found < vocabulary:
            return found
    return 0


def _keep_index(model: Any, keep_label: str | int | None, name: str) -> int:  # noqa: ANN401  # any classifier
    labels = _labels(model)
    if keep_label is None:
        if len(labels) == 2:
            return 1
        raise ModelError(
            f"{name!r} has {len(labels)} labels, {labels}. Expected two, of which 1 means 'keep'; name the "
            "one that does with keep_label."
        )
    found = [i for i, label in labels.items() if keep_label in (i, label)]
    if len(found) != 1:
        raise ModelError(
            f"{name!r} has no label {keep_label!r}. Its labels are {labels}: use an id or a name."
        )
    return found[0]


def _labels(model: Any) -> dict[int, str]:  # noqa: ANN401  # any classifier
    named: Any = getattr(model.config, "id2label", None) or {}
    return {int(i): str(label) for i, label in named.items()}
