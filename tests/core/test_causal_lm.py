"""Surprisals of any causal language model, against the plain forward pass."""

import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from language_models import TEXT, language_model
from lingua_core import InputError, ModelError, ScorerError
from lingua_core.models import causal_lm
from lingua_core.models.causal_context import CausalContext
from lingua_core.models.causal_lm import CausalLM
from lingua_core.models.continuations import Continuation
from lingua_core.models.hugging_face import HuggingFaceModel

torch = pytest.importorskip("torch")

KINDS = ["llama", "llama-sentencepiece", "gpt2", "gemma2", "granite", "opt"]
SENTENCES = [f"{s}." for s in TEXT.split(". ")]
TEXTS = [" ".join(SENTENCES[:n]) for n in (1, 4, 2, 3, 1)]
NOTHING = np.zeros(0, np.int64)
_MODELS: dict[str, tuple[Any, Any]] = {}


def pair(kind: str) -> tuple[Any, Any]:
    if kind not in _MODELS:
        _MODELS[kind] = language_model(kind)
    return _MODELS[kind]


def expected(model: Any, ids: np.ndarray) -> np.ndarray:
    """Surprisals of all tokens but the first, from one forward pass without tricks."""
    row = torch.tensor(ids)
    with torch.inference_mode():
        logits = model(input_ids=row[None, :], use_cache=False).logits[0].float()
    logs = logits.log_softmax(-1)
    return -logs[torch.arange(len(ids) - 1), row[1:]].numpy()


def check(found: np.ndarray, model: Any, start: np.ndarray, prefix: np.ndarray, ids: np.ndarray) -> None:
    whole = np.concatenate([start, prefix, ids])
    wanted = expected(model, whole)[-len(ids) :] if len(whole) > 1 else np.zeros(0, np.float32)
    if len(wanted) < len(ids):
        assert np.isnan(found[0])
        found = found[1:]
    np.testing.assert_allclose(found, wanted, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("question", ["", "Who had built two bridges before the harbour was opened?"])
def test_surprisals_are_those_of_the_plain_forward_pass(kind: str, question: str) -> None:
    model, tokenizer = pair(kind)
    subject = CausalLM((model, tokenizer))
    tokens = subject.tokenize([*TEXTS, question])
    prefix = tokens.pop().ids
    found = subject.surprisals([Continuation(prefix, row.ids) for row in tokens])
    for values, row in zip(found, tokens, strict=True):
        check(values, model, subject.start, prefix, row.ids)
    alone = [subject.surprisals([Continuation(prefix, row.ids)])[0] for row in tokens]
    for values, single in zip(found, alone, strict=True):
        np.testing.assert_allclose(values, single, atol=1e-4)


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_tokenizers_side_of_padding_does_not_matter(side: str) -> None:
    model, tokenizer = language_model("llama")
    tokenizer.padding_side = side
    subject = CausalLM((model, tokenizer))
    rows = subject.tokenize(TEXTS)
    for values, row in zip(
        subject.surprisals([Continuation(NOTHING, r.ids) for r in rows]), rows, strict=True
    ):
        check(values, model, subject.start, NOTHING, row.ids)


def test_no_matrix_of_tokens_and_vocabulary_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    model, tokenizer = language_model("llama")
    monkeypatch.setattr(causal_lm, "_LOGIT_BYTES", 4 * 420 * 3)
    rows: list[int] = []
    model.lm_head.register_forward_hook(lambda _, inputs, output: rows.append(output.shape[-2]))
    subject = CausalLM((model, tokenizer))
    (tokens,) = subject.tokenize([TEXTS[1]])
    subject.surprisals([Continuation(NOTHING, NOTHING)])
    rows.clear()
    (values,) = subject.surprisals([Continuation(tokens.ids[:20], tokens.ids[20:])])
    # The first call compares head and body with the whole model on six tokens.
    assert max(rows[2:] or rows) <= 6
    assert sum(rows[-len(rows) + 2 :]) <= len(tokens.ids) + 6  # the prefix needs no logits
    check(values, model, subject.start, tokens.ids[:20], tokens.ids[20:])


@pytest.mark.parametrize("kind", ["llama", "gpt2", "gemma2"])
def test_long_texts_are_read_in_windows_that_overlap(kind: str) -> None:
    model, tokenizer = pair(kind)
    subject = CausalLM((model, tokenizer), window=64)
    tokens = subject.tokenize([TEXT, SENTENCES[0]])
    long, prefix = tokens[0].ids, tokens[1].ids[:10]
    assert len(long) > 128
    (values,) = subject.surprisals([Continuation(prefix, long)])
    room = 64 - len(subject.start) - 10
    check(values[:room], model, subject.start, prefix, long[:room])
    end = room
    while end < len(long):
        first, end = end, min(len(long), end + room - room // 2)
        whole = np.concatenate([subject.start, prefix, long[end - room : end]])
        np.testing.assert_allclose(values[first:end], expected(model, whole)[first - end :], atol=1e-4)


def test_a_prefix_longer_than_half_the_window_loses_its_beginning() -> None:
    model, tokenizer = pair("llama")
    subject = CausalLM((model, tokenizer), window=32)
    ids = subject.tokenize([TEXT])[0].ids
    (values,) = subject.surprisals([Continuation(ids[:40], ids[40:50])])
    check(values, model, subject.start, ids[40 - 15 : 40], ids[40:50])


def test_a_model_that_does_more_than_apply_its_head_is_run_as_a_whole(
    caplog: pytest.LogCaptureFixture,
) -> None:
    model, tokenizer = language_model("llama")
    plain = model.forward

    def forward(*arguments: Any, **options: Any) -> Any:
        found = plain(*arguments, **options)
        found.logits = found.logits * 1.7
        return found

    model.forward = forward
    subject = CausalLM((model, tokenizer))
    row = subject.tokenize([TEXTS[1]])[0].ids
    (values,) = subject.surprisals([Continuation(row[:12], row[12:])])
    check(values, model, subject.start, row[:12], row[12:])
    assert "does more than apply its head" in caplog.text


@pytest.mark.parametrize("kind", ["llama", "gpt2", "opt", "gemma2"])
@pytest.mark.parametrize("question", ["", "Who built the harbour of Varno?"])
def test_a_context_with_a_cache_says_the_same_as_one_without(kind: str, question: str) -> None:
    subject = CausalLM(pair(kind))
    question_ids, ids = (row.ids for row in subject.tokenize([question, TEXT]))
    rng = np.random.default_rng(0)
    cached, plain = CausalContext(subject, question_ids), CausalContext(subject, question_ids, cached=False)
    for at in range(0, len(ids), 37):
        part = ids[at : at + 37]
        one, other = cached.surprisals(part), plain.surprisals(part)
        np.testing.assert_allclose(one, other, atol=1e-4)
        kept = part[rng.random(len(part)) < 0.5]
        cached.keep(kept)
        plain.keep(kept)


def test_nothing_that_was_kept_is_read_twice() -> None:
    model, tokenizer = language_model("llama")
    subject = CausalLM((model, tokenizer))
    ids = subject.tokenize([TEXT])[0].ids[:120]
    context = CausalContext(subject, ids[:10])
    read: list[int] = []
    context.surprisals(ids[10:12])
    model.model.register_forward_hook(
        lambda *_: read.append(_[2][0].shape[1]), with_kwargs=False, always_call=False
    )
    for at in range(12, 112, 20):
        context.surprisals(ids[at : at + 20])
        context.keep(ids[at : at + 8])
    # Each time the eight that were kept, the candidate, and the last token before it.
    assert all(size <= 20 + 8 + 1 for size in read)


def test_a_context_that_outgrows_the_window_forgets_its_oldest_half() -> None:
    model, tokenizer = pair("llama")
    subject = CausalLM((model, tokenizer), window=64)
    ids = np.concatenate([subject.tokenize([TEXT])[0].ids] * 2)
    for cached in (True, False):
        context = CausalContext(subject, ids[:8], cached=cached)
        kept = NOTHING
        for at in range(8, 200, 16):
            part = ids[at : at + 16]
            values = context.surprisals(part)
            if 1 + 8 + len(kept) + 16 > 64:
                kept = kept[len(kept) - min(64 - 25, len(kept)) // 2 :]
            check(values, model, subject.start, np.concatenate([ids[:8], kept]), part)
            context.keep(part)
            kept = np.concatenate([kept, part])


# Errors


def test_numbers_that_are_none_are_an_error() -> None:
    model, tokenizer = language_model("llama")
    with torch.no_grad():
        model.lm_head.weight[7] = float("nan")
    subject = CausalLM((model, tokenizer))
    row = subject.tokenize([TEXTS[0]])[0].ids
    with pytest.raises(ScorerError, match=r"no numbers for text 0 of 1.*float32"):
        subject.surprisals([Continuation(NOTHING, row)])


def test_out_of_memory_halves_the_batch_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    model, tokenizer = language_model("llama")
    subject = CausalLM((model, tokenizer))
    # Of about one length, so that they make one batch.
    rows = subject.tokenize(SENTENCES[:5])
    asked = [Continuation(NOTHING, row.ids[:20]) for row in rows]
    wanted = subject.surprisals(asked)
    plain, most = model.model.forward, 2

    def forward(*arguments: Any, **options: Any) -> Any:
        if len(options["input_ids"]) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return plain(*arguments, **options)

    model.model.forward = forward
    for one, other in zip(subject.surprisals(asked), wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
    assert "batches of" in caplog.text
    most = 0
    with pytest.raises(ModelError, match="Memory ran out for one window"):
        subject.surprisals(asked)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 3}, "window must be at least 16"),
        ({"batch_tokens": 0}, "batch_tokens must be at least 1"),
        ({"dtype": "int3"}, "dtype must be one of auto, float32"),
        ({"device": 3}, "device must be a str"),
    ],
)
def test_bad_options_are_clear_errors(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        CausalLM("nowhere", **options)


@pytest.mark.parametrize(
    ("device", "message"),
    [("tpu9", "Unknown device"), ("cuda:97", "not available to torch"), ("meta", "not supported")],
)
def test_devices_that_are_not_there_are_clear_errors(device: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        CausalLM("nowhere", device=device).tokenize(["a"])


def test_a_folder_without_a_model_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="could not be loaded as a causal-lm"):
        CausalLM(tmp_path).tokenize(["a"])
    with pytest.raises(InputError, match="must be a folder"):
        CausalLM(7)  # type: ignore[arg-type]


def test_a_model_without_its_head_is_a_clear_error(tmp_path: Path) -> None:
    import transformers as hf

    sizes = {"vocab_size": 30, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    hf.BertModel(hf.BertConfig(**sizes, intermediate_size=8)).save_pretrained(tmp_path)
    pair("llama")[1].save_pretrained(tmp_path)
    with pytest.raises(ModelError, match=r"lacks classifier\.bias.*random numbers would stand in"):
        HuggingFaceModel(tmp_path, kind="token-classifier").load()
    with pytest.raises(InputError, match="must be a folder"):
        HuggingFaceModel((1, 2), kind="causal-lm")


def test_special_tokens_in_a_text_are_text() -> None:
    subject = CausalLM(pair("llama"))
    (row,) = subject.tokenize(["a </s> b"])
    assert 2 not in row.ids
    assert row.ends[-1] == 8


def test_a_tokenizer_without_offsets_is_a_clear_error() -> None:
    class Slow:
        is_fast = False

    with pytest.raises(ModelError, match="does not say which characters"):
        CausalLM((pair("llama")[0], Slow())).tokenize(["a"])


def test_a_missing_torch_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r'pip install "lingua-rag\[transformers\]"'):
        CausalLM("nowhere").tokenize(["a"])


def test_a_saved_model_is_loaded_once_by_many_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import transformers

    model, tokenizer = pair("llama")
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    subject = CausalLM(tmp_path)
    loads: list[int] = []
    load = transformers.AutoModelForCausalLM.from_pretrained

    def counted(*arguments: Any, **options: Any) -> Any:
        loads.append(1)
        return load(*arguments, **options)

    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", counted)
    found: list[np.ndarray] = []

    def run() -> None:
        row = subject.tokenize([TEXTS[0]])[0]
        found.append(subject.surprisals([Continuation(NOTHING, row.ids)])[0])

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len(loads) == 1
    check(found[0], model, subject.start, NOTHING, subject.tokenize([TEXTS[0]])[0].ids)


def test_lone_surrogates_and_odd_texts_are_read() -> None:
    subject = CausalLM(pair("llama"))
    for text in ("\ud800 a", "\x00\u200b", "é" * 30, "中文字", ""):
        (row,) = subject.tokenize([text])
        (values,) = subject.surprisals([Continuation(NOTHING, row.ids)])
        assert len(values) == len(row.ids)
        assert np.isfinite(values).all()
