"""Nothing is read twice, with the same result, and batches waste little."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from language_models import TEXT, language_model
from lingua_core import PromptCompressor
from lingua_core.models.batches import rows_at_once
from lingua_core.models.causal_lm import CausalLM
from lingua_core.models.continuations import Continuation
from lingua_core.models.readings import Readings

torch = pytest.importorskip("torch")

NOTHING = np.zeros(0, np.int64)
SENTENCES = [f"{s}." for s in TEXT.split(". ")]
DOCUMENTS = [" ".join(SENTENCES[n : n + 3]) for n in range(0, 9, 3)]


def reading(model: Any) -> list[int]:
    """The tokens of each pass from now on."""
    sizes: list[int] = []
    plain = model.model.forward

    def forward(*arguments: Any, **options: Any) -> Any:
        sizes.append(int(options["input_ids"].numel()))
        return plain(*arguments, **options)

    model.model.forward = forward
    return sizes


@pytest.mark.parametrize("kind", ["llama", "llama-sentencepiece", "gpt2", "gemma2"])
def test_a_prefix_that_was_read_is_valued_without_reading_it_again(kind: str) -> None:
    model, tokenizer = language_model(kind)
    subject, readings = CausalLM((model, tokenizer)), Readings()
    rows = [row.ids for row in subject.tokenize(DOCUMENTS)]
    question = subject.tokenize(["Who came first?"])[0].ids
    wanted = subject.surprisals([Continuation(NOTHING, row) for row in rows])
    plain = subject.surprisals([Continuation(row, question) for row in rows])
    noted = subject.surprisals([Continuation(row, question) for row in rows], readings=readings)
    for one, other in zip(noted, plain, strict=True):
        np.testing.assert_array_equal(one, other)
    if hasattr(model, "model"):
        sizes = reading(model)
        found = subject.surprisals([Continuation(NOTHING, row) for row in rows], readings=readings)
        assert sizes == []
    else:
        found = subject.surprisals([Continuation(NOTHING, row) for row in rows], readings=readings)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_what_lost_its_beginning_or_was_another_models_is_read_again() -> None:
    pair = language_model("llama")
    subject, other, readings = CausalLM(pair, window=64), CausalLM(pair), Readings()
    ids = subject.tokenize([TEXT])[0].ids
    subject.surprisals([Continuation(ids[:60], ids[60:70])], readings=readings)
    assert readings.get(subject, ids[:60]) is None
    subject.surprisals([Continuation(ids[:20], ids[20:30])], readings=readings)
    assert readings.get(subject, ids[:20]) is not None
    assert readings.get(other, ids[:20]) is None


def test_notes_end_where_their_room_ends() -> None:
    model, readings = object(), Readings(limit=4 * 10 * 8)
    first, second, third = (np.arange(n, dtype=np.int64) for n in (8, 9, 2))
    for ids in (first, second, third):
        readings.put(model, ids, torch.zeros(len(ids), 10))
    assert readings.get(model, first) is not None
    assert readings.get(model, second) is None
    assert readings.get(model, third) is None


def test_the_stages_of_longllmlingua_read_each_document_once_and_change_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, tokenizer = language_model("llama")
    compressor = PromptCompressor("longllmlingua", model=CausalLM((model, tokenizer)))
    sizes = reading(model)

    def compressed() -> tuple[str, int]:
        sizes.clear()
        return compressor.compress(DOCUMENTS, "Who opened the harbour?", rate=0.6).text, sum(sizes)

    compressed()
    text, tokens = compressed()
    monkeypatch.setattr(Readings, "get", lambda *_: None)
    same_text, more_tokens = compressed()
    assert text == same_text
    assert more_tokens - tokens >= sum(
        len(row.ids) for row in CausalLM((model, tokenizer)).tokenize(DOCUMENTS)
    )


@given(
    lengths=st.lists(st.integers(1, 600), min_size=1, max_size=40),
    limit=st.integers(1, 5000),
    device=st.sampled_from(["cpu", "cuda"]),
)
def test_batches_hold_what_fits_and_are_never_empty(lengths: list[int], limit: int, device: str) -> None:
    lengths.sort(reverse=True)
    rows = rows_at_once(lengths, limit=limit, device=device)
    assert 1 <= rows <= len(lengths)
    assert rows == 1 or rows * lengths[0] <= limit
    padding = sum(lengths[0] - length for length in lengths[:rows])
    assert padding <= {"cpu": 16, "cuda": 1024}[device] + lengths[0] * rows / 16


def test_rows_of_one_length_fill_an_accelerators_batch_and_not_a_cpus() -> None:
    assert rows_at_once([100] * 64, limit=4096, device="cuda") == 40
    assert rows_at_once([100] * 64, limit=4096, device="cpu") == 5
