"""A small causal language model in ONNX: token surprisals on a CPU without torch."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lingua_core.errors import InputError, ModelError, ScorerError
from lingua_core.models.continuations import Continuation, Ids, Piece, Surprisals, pieces_of
from lingua_core.models.hugging_face import TokenizedText
from lingua_core.models.onnx_session import Device, LazySession, check_threads, map_longest_first
from lingua_core.models.readings import Readings
from lingua_core.models.tokenization import load_tokenizer
from lingua_core.unicode import encodable
from lingua_core.weights import ShippedModel

__all__ = ["KeyValueCache", "OnnxCausalLM", "is_exported_language_model"]

Array = NDArray[np.float32]

_SHORTEST_SHARED = 8
_SETTINGS = ("window", "start", "layers", "heads", "head_width")


class KeyValueCache:
    """Keys and values of the tokens that were read: two arrays a layer, (1, heads, tokens, head width).

    Args:
        arrays: In the order of the model's inputs.
    """

    def __init__(self, arrays: Sequence[Array]) -> None:
        self.arrays = list(arrays)

    @property
    def tokens(self) -> int:
        """How many tokens were read."""
        return self.arrays[0].shape[2]

    def crop(self, tokens: int) -> None:
        """Forget the last `-tokens` tokens; a positive number says how many stay."""
        stay = tokens if tokens >= 0 else max(0, self.tokens + tokens)
        self.arrays = [array[:, :, :stay] for array in self.arrays]


class OnnxCausalLM:
    """Token surprisals from an exported language model. Loads on first use; safe to share between threads.

    Each window is read by itself on one thread, several at once. Activations are quantised token by token,
    so a window's values depend neither on what else is read nor on how much of it came from a cache.

    Args:
        source: A folder of `export_causal_lm`, or a model that Lingua ships.
        device: "auto" and "cpu" run on the CPU; "cuda" needs an onnxruntime build with that provider.
        window: Tokens that the model reads at once; None for what it was made for.
        threads: How many windows run at once; None for the number of usable cores.

    Raises:
        InputError: If an argument cannot be used.
        ModelError: If the folder holds no such model.
    """

    has_cuttable_cache = True

    def __init__(
        self,
        source: Path | ShippedModel,
        *,
        device: Device = "auto",
        window: int | None = None,
        threads: int | None = None,
    ) -> None:
        if window is not None and window < 16:
            raise InputError(f"window must be at least 16 tokens, got {window}.")
        self._folder = source.folder if isinstance(source, ShippedModel) else Path(source)
        settings = _read_settings(self._folder)
        self.name = source.name if isinstance(source, ShippedModel) else str(source)
        self.window = min(settings["window"], window or settings["window"])
        self._start = settings["start"]
        empty = np.zeros((1, settings["heads"], 0, settings["head_width"]), np.float32)
        self._nothing = [empty] * (2 * settings["layers"])
        parts = [(i, part) for i in range(settings["layers"]) for part in ("key", "value")]
        self._past = [f"past.{i}.{part}" for i, part in parts]
        self._present = [f"present.{i}.{part}" for i, part in parts]
        self._session = LazySession(self._folder / "causal_lm.onnx", device)
        self._threads = check_threads(threads)

    @property
    def start(self) -> Ids:
        """The beginning-of-text token, which stands before every text."""
        return np.array([self._start], np.int64)

    def tokenize(self, texts: Sequence[str]) -> list[TokenizedText]:
        """Tokens of each text, without special ones, with the characters that they stand for."""
        tokenizer = load_tokenizer(self._folder)
        # What looks like a special token in a text is text.
        tokenizer.encode_special_tokens = True
        encodings = tokenizer.encode_batch([encodable(text) for text in texts], add_special_tokens=False)
        borders = [np.array(e.offsets, np.int64).reshape(-1, 2) for e in encodings]
        return [
            TokenizedText(np.array(e.ids, np.int64), ends[:, 0].copy(), ends[:, 1].copy())
            for e, ends in zip(encodings, borders, strict=True)
        ]

    def surprisals(
        self,
        continuations: Sequence[Continuation],
        *,
        keep_prefix: bool = False,
        readings: Readings | None = None,
    ) -> list[Surprisals]:
        """Surprisal, in nats, of every token of each continuation.

        Args:
            continuations: What to value.
            keep_prefix: Whether prefixes may fill the window; else those longer than half of it lose their
                beginning.
            readings: Without influence: hidden states stay inside the model.

        Raises:
            ModelError: If the model cannot be loaded.
            ScorerError: If the model returns numbers that are none.
        """
        found = [np.zeros(len(c.ids), np.float32) for c in continuations]
        pieces = [
            piece
            for i, c in enumerate(continuations)
            for piece in pieces_of(i, c, self.start, self.window, keep_prefix)
        ]
        prefixes = self._shared_prefixes(pieces)

        def run(i: int) -> Surprisals:
            return self._value(pieces[i], prefixes.get(pieces[i].prefix))

        lengths = [
            len(piece.ids) + (0 if piece.prefix in prefixes else len(piece.prefix)) for piece in pieces
        ]
        values = map_longest_first(run, lengths, threads=self._threads)
        for piece, value in zip(pieces, values, strict=True):
            found[piece.owner][piece.at : piece.at + len(value)] = value
        self._check(found)
        return found

    def read_on(
        self, cache: KeyValueCache | None, ids: Ids, *, read: int, valued: int
    ) -> tuple[Surprisals, KeyValueCache]:
        """Read the tokens behind those that are in a cache, and value the last ones.

        Args:
            cache: Keys and values of the first `read` tokens; None for none. It is not changed.
            ids: All tokens, the model's beginning included. Shape (tokens,).
            read: How many are in the cache.
            valued: How many at the end are valued.

        Returns:
            Surprisals, NaN for a token with nothing before it, shape (valued,); and a cache with all
            tokens in it.
        """
        # The last state before the valued tokens is needed: read at least one token anew.
        first = min(read, len(ids) - valued - 1) if len(ids) > valued else 0
        before = KeyValueCache(self._nothing if cache is None else cache.arrays)
        before.crop(first)
        known = max(1, len(ids) - valued)
        values, after = self._run(ids[first:], before, known - first, keep=True)
        missing = np.full(valued - len(values), np.nan, np.float32)
        found = np.concatenate([missing, values])
        self._check([found])
        assert after is not None
        return found, after

    def _shared_prefixes(self, pieces: Sequence[Piece]) -> dict[tuple[int, ...], KeyValueCache]:
        """What is read of prefixes that several windows begin with: all but their last token."""
        counts: dict[tuple[int, ...], int] = {}
        for piece in pieces:
            counts[piece.prefix] = counts.get(piece.prefix, 0) + 1
        shared = [p for p, count in counts.items() if count > 1 and len(p) >= _SHORTEST_SHARED]

        def run(i: int) -> KeyValueCache:
            ids = np.array(shared[i][:-1], np.int64)
            cache = self._run(ids, KeyValueCache(self._nothing), len(ids), keep=True)[1]
            assert cache is not None
            return cache

        caches = map_longest_first(run, [len(prefix) for prefix in shared], threads=self._threads)
        return dict(zip(shared, caches, strict=True))

    def _value(self, piece: Piece, prefix: KeyValueCache | None) -> Surprisals:
        """Surprisals of a piece's valued tokens."""
        own = np.array(piece.prefix if prefix is None else piece.prefix[-1:], np.int64)
        ids = np.concatenate([own, piece.ids])
        past = KeyValueCache(self._nothing) if prefix is None else prefix
        return self._run(ids, past, len(own) + piece.skip, keep=False)[0]

    def _run(
        self, ids: Ids, past: KeyValueCache, first: int, *, keep: bool
    ) -> tuple[Surprisals, KeyValueCache | None]:
        """Read tokens behind a cache; value those from `first` on, each by the state before it."""
        places = np.arange(first - 1, len(ids) - 1, dtype=np.int64)
        valued = len(places)
        inputs: dict[str, Any] = {
            "input_ids": ids[None, :],
            # onnxruntime's product of no rows with a matrix has a wrong shape: there is at least one.
            "places": places if valued else np.zeros(1, np.int64),
            "targets": ids[first:] if valued else np.zeros(1, np.int64),
            **{
                name: np.ascontiguousarray(array) for name, array in zip(self._past, past.arrays, strict=True)
            },
        }
        outputs: list[Any] = self._session().run(["surprisals", *(self._present if keep else ())], inputs)
        return outputs[0][:valued], KeyValueCache(outputs[1:]) if keep else None

    def _check(self, found: Sequence[Surprisals]) -> None:
        for i, row in enumerate(found):
            if not np.isfinite(row[1:]).all():
                raise ScorerError(
                    f"{self.name!r} returned numbers that are none for text {i} of {len(found)}."
                )


def is_exported_language_model(source: str | Path) -> bool:
    """Whether it is a folder with an exported language model."""
    return len(str(source)) <= 1000 and (Path(source) / "causal_lm.onnx").is_file()


def _read_settings(folder: Path) -> dict[str, int]:
    file = folder / "causal_lm.json"
    try:
        settings: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return {name: int(settings[name]) for name in _SETTINGS}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{str(folder)!r} holds no exported language model ({error}). Make one with "
            "`lingua train causal-lm`."
        ) from error
