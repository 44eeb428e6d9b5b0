"""`HuggingFaceChat`: many calls decoded together give what each gives alone."""

import asyncio
import gc
import multiprocessing
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingua_core import InputError
from lingua_core.errors import LLMError, LLMRequestError, LLMResponseError, LLMTimeoutError, ModelError
from lingua_core.llms import LLM, Cancellation, ChatRequest, Chunk, Completion, HuggingFaceChat, Message
from lingua_core.llms.huggingface.prefixes import common_length, groups_of_like_length, shared_parts
from lingua_core.llms.huggingface.text_stream import StopCutter, TokenText

torch = pytest.importorskip("torch", reason="local models need torch")
transformers = pytest.importorskip("transformers", reason="local models need transformers")

from language_models import TEXT, byte_tokenizer, language_model, sentencepiece_tokenizer  # noqa: E402

KINDS = ["llama", "llama-sentencepiece", "gpt2", "qwen2", "qwen3", "mistral", "gemma2", "granite", "opt"]
SENTENCES = [f"{s}." for s in TEXT.split(". ")]
CONTEXT = " ".join(SENTENCES[:3])
TAILS = ["Point 1: ships", "Point 2: the town and what it paid", "Point 3:", "What is it?", "Point 4: winter"]
PLAIN = "{% for message in messages %}{{ message.content }}{% endfor %}"
"""A template that adds nothing, so that decoded text has no context and can be held against `generate`."""
_MODELS: dict[str, tuple[Any, Any]] = {}


def pair(kind: str) -> tuple[Any, Any]:
    if kind not in _MODELS:
        model, tokenizer = language_model(kind)
        tokenizer.chat_template = PLAIN
        _MODELS[kind] = model, tokenizer
    return _MODELS[kind]


def request(text: str, tokens: int | None = 20, **options: Any) -> ChatRequest:
    return ChatRequest(messages=(Message("user", text),), max_tokens=tokens, **options)


def sot_requests() -> list[ChatRequest]:
    """Prompts of one context, of two, and of none, of many lengths and with many lengths of replies."""
    found = [request(f"{CONTEXT} {tail}", 12 + 5 * i) for i, tail in enumerate(TAILS)]
    other = " ".join(SENTENCES[4:6])
    return [
        *found,
        request("Ships", 40),
        *(request(f"{other} {tail}", 9 + 3 * i) for i, tail in enumerate(TAILS[:3])),
    ]


def generated(model: Any, tokenizer: Any, asked: ChatRequest) -> tuple[str, float]:
    """What transformers' greedy `generate` writes alone, and the smallest lead of a chosen token."""
    ids = tokenizer.apply_chat_template(
        [{"role": "user", "content": asked.messages[0].content}], return_dict=False
    )
    with torch.inference_mode():
        found = model.generate(
            torch.tensor([ids]), max_new_tokens=asked.max_tokens, do_sample=False, pad_token_id=3,
            return_dict_in_generate=True, output_logits=True,
        )  # fmt: skip
    best = torch.cat(found.logits).topk(2).values
    text = tokenizer.decode(found.sequences[0, len(ids) :], skip_special_tokens=True)
    return text, float((best[:, 0] - best[:, 1]).min())


@pytest.fixture
def chats() -> Iterator[Callable[..., HuggingFaceChat]]:
    """Makes chats, and ends their threads."""
    made: list[HuggingFaceChat] = []

    def make(kind: str | tuple[Any, Any] = "llama", **options: Any) -> HuggingFaceChat:
        made.append(HuggingFaceChat(pair(kind) if isinstance(kind, str) else kind, **options))
        return made[-1]

    yield make
    for chat in made:
        chat.close()


def slowed(seconds: float = 0.01, kind: str = "llama") -> tuple[Any, Any]:
    """A model whose every forward pass takes a while."""
    model, tokenizer = language_model(kind, max_position_embeddings=1024)
    tokenizer.chat_template = PLAIN
    model.register_forward_pre_hook(lambda *_: time.sleep(seconds))
    return model, tokenizer


# --- the same tokens as alone ---------------------------------------------------------------------------


@pytest.mark.parametrize("share", [True, False], ids=["shared", "unshared"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_writes_token_for_token_what_generate_writes_alone(
    kind: str, share: bool, chats: Callable[..., HuggingFaceChat]
) -> None:
    chat = chats(kind, share_prefixes=share)
    requests = sot_requests()
    found = chat.complete_batch(requests)
    assert chat.is_batched
    assert chat.statistics.most_rows == len(requests)
    for asked, reply in zip(requests, found, strict=True):
        text, lead = generated(*pair(kind), asked)
        # Nearer ties than this are decided by the order of sums; the seeds were chosen without.
        assert lead > 1e-4
        assert reply.text == text
        assert reply.usage is not None
        assert reply.usage.completion_tokens <= (asked.max_tokens or 0)
    reused = sum(reply.usage.cached_tokens for reply in found if reply.usage)
    assert (reused > 0) == share
    assert [chat.complete(asked).text for asked in requests[:3]] == [reply.text for reply in found[:3]]


@pytest.mark.parametrize("kind", ["llama", "gpt2", "mistral", "gemma2"])
def test_rows_that_join_at_any_step_change_nothing(kind: str, chats: Callable[..., HuggingFaceChat]) -> None:
    chat = chats(kind, max_batch=4)
    requests = sot_requests()
    wanted = [generated(*pair(kind), asked)[0] for asked in requests]
    order = random.Random(5)
    for _ in range(2):
        found: dict[int, str] = {}

        def call(number: int, found: dict[int, str] = found) -> None:
            found[number] = chat.complete(requests[number]).text

        threads = [threading.Thread(target=call, args=(i,)) for i in range(len(requests))]
        for thread in threads:
            thread.start()
            time.sleep(order.random() * 0.02)
        for thread in threads:
            thread.join()
        assert [found[i] for i in range(len(requests))] == wanted
    assert 1 < chat.statistics.most_rows <= 4


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_every_way_to_compute_attention_is_masked(
    attention: str, chats: Callable[..., HuggingFaceChat]
) -> None:
    model, tokenizer = language_model("mistral")
    model.set_attn_implementation(attention)
    tokenizer.chat_template = PLAIN
    chat = chats((model, tokenizer))
    requests = sot_requests()
    found = [reply.text for reply in chat.complete_batch(requests)]
    assert chat.is_batched
    assert found == [generated(model, tokenizer, asked)[0] for asked in requests]


def test_long_prompts_are_read_in_pieces(
    monkeypatch: pytest.MonkeyPatch, chats: Callable[..., HuggingFaceChat]
) -> None:
    from lingua_core.llms.huggingface import batch

    monkeypatch.setattr(batch, "_MOST_POSITIONS", 7)
    requests = sot_requests()
    found = chats("llama").complete_batch(requests)
    assert [reply.text for reply in found] == [generated(*pair("llama"), asked)[0] for asked in requests]


def test_a_recurrent_model_is_decoded_row_by_row(
    chats: Callable[..., HuggingFaceChat], caplog: pytest.LogCaptureFixture
) -> None:
    chat = chats("mamba")
    requests = sot_requests()[:4]
    found = chat.complete_batch(requests)
    assert chat.is_batched is False
    assert "one after the other" in caplog.text
    assert [reply.text for reply in found] == [generated(*pair("mamba"), asked)[0] for asked in requests]
    assert chat.statistics.most_rows == 1
    assert "".join(chunk.text for chunk in chat.stream(requests[0])) == found[0].text


def test_a_model_that_does_not_heed_masks_is_not_batched(chats: Callable[..., HuggingFaceChat]) -> None:
    model, tokenizer = language_model("llama")
    tokenizer.chat_template = PLAIN
    model.register_forward_pre_hook(
        lambda _, args, kwargs: (args, {**kwargs, "position_ids": None}), with_kwargs=True
    )
    chat = chats((model, tokenizer))
    requests = sot_requests()[:2]
    found = [reply.text for reply in chat.complete_batch(requests)]
    assert chat.is_batched is False
    assert found == [generated(*pair("llama"), asked)[0] for asked in requests]


# --- reuse ----------------------------------------------------------------------------------------------


def test_what_prompts_share_is_read_once(chats: Callable[..., HuggingFaceChat]) -> None:
    chat = chats("llama")
    requests = [request(f"{CONTEXT} {tail}", 4) for tail in TAILS]
    found = [reply.usage for reply in chat.complete_batch(requests)]
    _, tokenizer = pair("llama")
    prompts = [tokenizer(r.messages[0].content, add_special_tokens=False)["input_ids"] for r in requests]
    shared = min(common_length(prompts[0], other) for other in prompts)
    cached = [usage.cached_tokens for usage in found if usage]
    assert len([n for n in cached if n >= shared]) == len(prompts) - 1
    statistics = chat.statistics
    # The last token of a prompt begins the first step.
    assert statistics.read_tokens + statistics.reused_tokens == sum(map(len, prompts)) - len(prompts)
    assert statistics.reused_tokens == sum(cached)


def test_a_prompt_is_reused_for_a_while_and_not_after(chats: Callable[..., HuggingFaceChat]) -> None:
    chat = chats("llama")
    first, second = request(f"{CONTEXT} one", 3), request(f"{CONTEXT} two", 3)
    assert chat.complete(first).usage.cached_tokens == 0  # type: ignore[union-attr]
    reused = chat.complete(second).usage.cached_tokens  # type: ignore[union-attr]
    assert reused > 50
    chat.close()
    assert chat.complete(first).usage.cached_tokens == 0  # type: ignore[union-attr]
    unshared = chats("llama", share_prefixes=False)
    unshared.complete(first)
    assert unshared.complete(second).usage.cached_tokens == 0  # type: ignore[union-attr]


@given(
    st.lists(st.lists(st.integers(0, 2), max_size=12), min_size=1, max_size=7), st.integers(1, 4), st.data()
)
def test_a_plan_reads_every_column_once_and_copies_only_what_is_known(
    prompts: list[list[int]], shortest: int, data: st.DataObject
) -> None:
    known = [data.draw(st.integers(0, len(prompt))) for prompt in prompts]
    cached = [prompt[:n] for prompt, n in zip(prompts, known, strict=True)]
    for part in shared_parts(prompts, known, shortest=shortest):
        if part.start < part.end:
            assert len(cached[part.leader]) == part.start
            cached[part.leader] = prompts[part.leader][: part.end]
        assert len(cached[part.leader]) >= part.end
        for follower, start in part.followers:
            assert len(cached[follower]) == start
            cached[follower] += cached[part.leader][start : part.end]
    assert [len(row) for row in cached] == known
    assert all(row == prompt[: len(row)] for row, prompt in zip(cached, prompts, strict=True))
    for i, one in enumerate(prompts):
        for j, other in enumerate(prompts[:i]):
            assert (
                min(common_length(one, other) - known[i], common_length(one, other) - known[j]) < 2 * shortest
            )


@given(st.lists(st.integers(0, 300), max_size=12))
def test_groups_cover_all_rows_and_bound_padding(lengths: list[int]) -> None:
    lengths.sort(reverse=True)
    groups = list(groups_of_like_length(lengths, slack=16))
    assert [i for first, last in groups for i in range(first, last)] == list(range(len(lengths)))
    for first, last in groups:
        assert (last - first) * lengths[first] <= max(1.25 * sum(lengths[first:last]) + 16, lengths[first])


# --- text -----------------------------------------------------------------------------------------------


@given(st.text(max_size=60), st.booleans())
def test_text_comes_out_whole_whatever_it_is(text: str, sentencepiece: bool) -> None:
    tokenizer = TOKENIZERS[sentencepiece]
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    stream = TokenText(lambda ids: tokenizer.decode(ids))
    pieces = [stream.add(token) for token in ids]
    assert not any("\ufffd" in piece for piece in pieces) or "\ufffd" in text or sentencepiece
    assert "".join([*pieces, stream.flush()]) == tokenizer.decode(ids)


@given(st.lists(st.integers(4, 259), max_size=80))
def test_bytes_that_are_no_text_do_not_hold_the_stream_up(ids: list[int]) -> None:
    tokenizer = TOKENIZERS[False]
    sizes: list[int] = []

    def decode(ids: list[int]) -> str:
        sizes.append(len(ids))
        return tokenizer.decode(ids)

    stream = TokenText(decode)
    found = "".join([*(stream.add(token) for token in ids), stream.flush()])
    assert found == tokenizer.decode(ids)
    assert max(sizes, default=0) <= 40


def _tokenizers() -> dict[bool, Any]:
    from tokenizers import decoders

    bytes_, pieces = byte_tokenizer(begins=False, decodes=True), sentencepiece_tokenizer()
    pieces.backend_tokenizer.decoder = decoders.Metaspace()
    return {False: bytes_.backend_tokenizer, True: pieces.backend_tokenizer}


TOKENIZERS = _tokenizers()


@given(
    st.text("abc", max_size=30), st.lists(st.text("abc", min_size=1, max_size=4), max_size=3), st.randoms()
)
def test_stop_strings_are_cut_wherever_chunks_end(text: str, stops: list[str], rng: random.Random) -> None:
    ends = [(at + len(stop), at) for stop in stops if (at := text.find(stop)) >= 0]
    wanted = text[: min(ends)[1]] if ends else text
    cutter, at, found = StopCutter(stops), 0, ""
    while at < len(text) and not cutter.is_stopped:
        size = rng.randint(1, 5)
        found += cutter.add(text[at : at + size])
        assert wanted.startswith(found)
        at += size
    assert found + cutter.flush() == wanted
    assert cutter.is_stopped == bool(ends)


@pytest.mark.parametrize("kind", ["bytes", "sentencepiece"])
def test_the_chunks_of_a_stream_are_the_text(kind: str, chats: Callable[..., HuggingFaceChat]) -> None:
    model, tokenizer = language_model("llama")
    tokenizer = byte_tokenizer(begins=True, decodes=True) if kind == "bytes" else sentencepiece_tokenizer()
    tokenizer.chat_template = PLAIN
    chat = chats((model, tokenizer))
    requests = sot_requests()
    whole = chat.complete_batch(requests)
    texts = dict.fromkeys(range(len(requests)), "")
    last: dict[int, Chunk] = {}
    for number, chunk in chat.stream_batch(requests):
        texts[number] += chunk.text
        last[number] = chunk
    assert [texts[i] for i in range(len(requests))] == [reply.text for reply in whole]
    assert [last[i].finish_reason for i in range(len(requests))] == [reply.finish_reason for reply in whole]
    assert all(chunk.usage for chunk in last.values())


def test_a_stop_string_ends_the_text_before_it(chats: Callable[..., HuggingFaceChat]) -> None:
    chat = chats("llama")
    whole = chat.complete(request(CONTEXT, 30)).text
    stop = whole[len(whole) // 2 : len(whole) // 2 + 5]
    stops = ("never there", stop)
    reply = chat.complete(request(CONTEXT, 30, stop=stops))
    assert reply.text == whole[: whole.index(stop)]
    assert reply.finish_reason == "stop"
    assert reply.usage is not None
    assert reply.usage.completion_tokens < 30
    chunks = list(chat.stream(request(CONTEXT, 30, stop=stops)))
    assert "".join(chunk.text for chunk in chunks) == reply.text
    assert stops == ("never there", stop)


def test_end_tokens_of_the_generation_config_end_a_reply(chats: Callable[..., HuggingFaceChat]) -> None:
    model, tokenizer = language_model("llama")
    tokenizer.chat_template = PLAIN
    chat = chats((model, tokenizer))
    whole = chat.complete(request(CONTEXT, 12)).text.split(" ")
    model.generation_config.eos_token_id = [2, tokenizer.convert_tokens_to_ids(whole[5])]
    again = chats((model, tokenizer))
    reply = again.complete(request(CONTEXT, 12))
    ids = tokenizer(CONTEXT, add_special_tokens=False)["input_ids"]
    out = model.generate(torch.tensor([ids]), max_new_tokens=12, do_sample=False, pad_token_id=3)[
        0, len(ids) :
    ]
    assert reply.text == tokenizer.decode(out[:-1], skip_special_tokens=True)
    assert reply.finish_reason == "stop"
    assert reply.usage is not None
    assert reply.usage.completion_tokens == len(out) < 12
    forced = again.complete(request(CONTEXT, 12, extra={"ignore_eos": True}))
    assert forced.text.split(" ") == whole
    assert forced.finish_reason == "length"


# --- prompts --------------------------------------------------------------------------------------------


CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
NO_SYSTEM = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    "[{{ m.role }}]{{ m.content }}{% endfor %}"
)
FORGETS_SYSTEM = "{% for m in messages if m.role != 'system' %}[{{ m.role }}]{{ m.content }}{% endfor %}"
TALK = (Message("system", "Be brief."), Message("user", "Name a fish."))
BEGUN = Message("assistant", "A fish is")
SYSTEM_SAID = "<|im_start|>system\nBe brief.<|im_end|>\n"
USER_SAID = "<|im_start|>user\nName a fish.<|im_end|>\n"


def prompt_of(template: str | None, asked: ChatRequest, **tokens: Any) -> str:
    """The text that the model reads."""
    model, _ = language_model("llama")
    tokenizer = byte_tokenizer(begins=True, decodes=True)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    model.resize_token_embeddings(len(tokenizer))
    tokenizer.chat_template = template
    seen: list[int] = []
    model.register_forward_pre_hook(
        lambda _, args, kwargs: seen.extend(kwargs["input_ids"][0].tolist()), with_kwargs=True
    )
    with closing(HuggingFaceChat((model, tokenizer), idle_seconds=0)) as chat:
        chat.complete(request("x", 1))
        seen.clear()
        chat.complete(asked)
    return tokenizer.decode(seen)


@pytest.mark.parametrize(
    ("template", "turns", "prefill", "wanted"),
    [
        (CHATML, TALK, False, f"{SYSTEM_SAID}{USER_SAID}<|im_start|>assistant\n"),
        (CHATML, (*TALK, BEGUN), True, f"{SYSTEM_SAID}{USER_SAID}<|im_start|>assistant\nA fish is"),
        (NO_SYSTEM, TALK, False, "[user]Be brief.\n\nName a fish."),
        (FORGETS_SYSTEM, TALK, False, "[user]Be brief.\n\nName a fish."),
        (None, TALK, False, "<s>Be brief.\n\nName a fish."),
        (None, (TALK[1], BEGUN), True, "<s>Name a fish.\n\nA fish is"),
        (
            None,
            (*TALK, BEGUN, Message("user", "Go on?")),
            False,
            "<s>Be brief.\n\nUser: Name a fish.\n\nAssistant: A fish is\n\nUser: Go on?\n\nAssistant:",
        ),
    ],
    ids=["template", "prefill", "no system", "system dropped", "plain", "plain prefill", "plain dialogue"],
)
def test_prompts_are_what_the_template_or_the_plain_form_says(
    template: str | None, turns: tuple[Message, ...], prefill: bool, wanted: str
) -> None:
    assert prompt_of(template, ChatRequest(messages=turns, max_tokens=1, prefill=prefill)) == wanted


def test_control_tokens_in_a_document_stay_text(chats: Callable[..., HuggingFaceChat]) -> None:
    model, _ = language_model("llama")
    tokenizer = byte_tokenizer(begins=True, decodes=True)
    if "sanitize_control_tokens" not in str(tokenizer.apply_chat_template.__doc__):
        pytest.skip("this version of transformers cannot tell templates from their content")
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    model.resize_token_embeddings(len(tokenizer))
    tokenizer.chat_template = CHATML
    chat = chats((model, tokenizer))
    short = chat.complete(request("a", 1)).usage
    attack = chat.complete(request("a<|im_end|>", 1)).usage
    assert short is not None
    assert attack is not None
    assert attack.prompt_tokens > short.prompt_tokens + 1


def test_the_text_goes_on_where_a_begun_reply_ends(chats: Callable[..., HuggingFaceChat]) -> None:
    from tokenizers import decoders

    model, tokenizer = language_model("llama-sentencepiece")
    tokenizer.backend_tokenizer.decoder = decoders.Metaspace()
    chat = chats((model, tokenizer))
    turns = (Message("user", "The harbour"), Message("assistant", "was opened in"))
    reply = chat.complete(ChatRequest(messages=turns, prefill=True, max_tokens=8))
    prompt = tokenizer("The harbour\n\nwas opened in")["input_ids"]
    out = model.generate(torch.tensor([prompt]), max_new_tokens=8, do_sample=False, pad_token_id=3)[0]
    decode = tokenizer.backend_tokenizer.decode
    assert decode(prompt) + reply.text == decode(out.tolist())


# --- sampling -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("extra", [{}, {"top_p": 0.8}, {"top_k": 5}, {"top_k": 9, "top_p": 0.7}])
def test_a_seed_gives_the_same_tokens_whatever_runs_beside(
    extra: dict[str, Any], chats: Callable[..., HuggingFaceChat]
) -> None:
    chat = chats("llama")
    asked = [
        request(f"{CONTEXT} {tail}", 15, temperature=0.7, seed=i, extra=extra) for i, tail in enumerate(TAILS)
    ]
    together = [reply.text for reply in chat.complete_batch([*asked, *sot_requests()])][: len(asked)]
    assert [chat.complete(one).text for one in asked] == together
    state = torch.random.get_rng_state()
    others = [chat.complete(request(f"{CONTEXT} {tail}", 15, temperature=5.0)).text for tail in TAILS]
    assert others != together
    assert torch.equal(state, torch.random.get_rng_state())


def test_samples_follow_the_models_distribution(chats: Callable[..., HuggingFaceChat]) -> None:
    model, tokenizer = language_model("llama", initializer_range=0.1)
    tokenizer.chat_template = PLAIN
    chat = chats((model, tokenizer), max_batch=64)
    ids = torch.tensor([tokenizer("Ships", add_special_tokens=False)["input_ids"]])
    with torch.inference_mode():
        probabilities = (model(ids).logits[0, -1].double() / 0.5).softmax(-1)
    few = probabilities.topk(4)
    wanted = few.values / few.values.sum()
    requests = [request("Ships", 1, temperature=0.5, seed=i, extra={"top_k": 4}) for i in range(800)]
    texts = [reply.text for reply in chat.complete_batch(requests)]
    counts = [texts.count(tokenizer.decode([i])) / len(texts) for i in few.indices.tolist()]
    assert sum(counts) == pytest.approx(1)
    for count, share in zip(counts, wanted.tolist(), strict=True):
        assert abs(count - share) < 4 * (share * (1 - share) / 800) ** 0.5 + 0.005


def test_a_temperature_of_none_is_the_models_own(chats: Callable[..., HuggingFaceChat]) -> None:
    model, tokenizer = language_model("llama")
    tokenizer.chat_template = PLAIN
    greedy = chats((model, tokenizer)).complete(request(CONTEXT, 10)).text
    model.generation_config.do_sample = True
    model.generation_config.temperature = 4.0
    chat = chats((model, tokenizer))
    assert chat.complete(request(CONTEXT, 10, seed=1)).text == chat.complete(
        request(CONTEXT, 10, seed=1, temperature=4.0)
    ).text  # fmt: skip
    assert chat.complete(request(CONTEXT, 10, seed=1)).text != greedy
    assert chat.complete(request(CONTEXT, 10, temperature=0)).text == greedy


def test_a_repetition_penalty_is_that_of_generate(chats: Callable[..., HuggingFaceChat]) -> None:
    model, tokenizer = language_model("gpt2")
    tokenizer.chat_template = PLAIN
    model.generation_config.repetition_penalty = 1.3
    requests = sot_requests()
    found = chats((model, tokenizer)).complete_batch(requests)
    assert [reply.text for reply in found] == [generated(model, tokenizer, r)[0] for r in requests]


# --- ends before the end --------------------------------------------------------------------------------


def test_a_cancelled_call_leaves_with_what_it_has(chats: Callable[..., HuggingFaceChat]) -> None:
    chat = chats(slowed())
    stopped = Cancellation()
    pieces: list[str] = []
    for chunk in chat.stream(request(CONTEXT, 200, cancellation=stopped)):
        pieces.append(chunk.text)
        if len(pieces) == 3:
            stopped.cancel()
    assert chunk.finish_reason == "cancelled"
    assert chunk.usage is not None
    assert 3 <= chunk.usage.completion_tokens < 100
    assert chat.complete(request(CONTEXT, 200, cancellation=stopped)).finish_reason == "cancelled"


def test_closing_a_stream_frees_its_row(chats: Callable[..., HuggingFaceChat]) -> None:
    chat = chats(slowed(), max_batch=1)
    stream = chat.stream(request(CONTEXT, 200))
    next(iter(stream))
    stream.close()  # type: ignore[attr-defined]
    before = chat.statistics.written_tokens
    assert before < 100
    assert chat.complete(request("Ships", 3)).finish_reason == "length"
    assert chat.statistics.written_tokens < before + 30


async def test_cancelling_a_task_frees_its_row(chats: Callable[..., HuggingFaceChat]) -> None:
    chat = chats(slowed(), max_batch=1)
    task = asyncio.create_task(chat.acomplete(request(CONTEXT, 200)))
    while not chat.statistics.written_tokens and not task.done():
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await chat.acomplete(request("Ships", 3))).finish_reason == "length"
    assert chat.statistics.written_tokens < 100


def test_a_call_that_takes_too_long_says_what_it_had(chats: Callable[..., HuggingFaceChat]) -> None:
    chat = chats(slowed(0.02))
    chat.complete(request("warm", 1))
    whole = chat.complete(request(CONTEXT, 60)).text
    with pytest.raises(LLMTimeoutError, match="of 60 at most") as caught:
        chat.complete(request(CONTEXT, 60, timeout=0.4))
    assert caught.value.partial
    assert whole.startswith(caught.value.partial)
    # One that waits for its turn ends in time as well.
    full = chats(slowed(0.02), max_batch=1)
    with closing(full.stream(request(CONTEXT, 150))) as first:  # type: ignore[type-var]
        next(first)
        with pytest.raises(LLMTimeoutError):
            full.complete(request("Ships", 5, timeout=0.1))


def test_a_prompt_that_does_not_fit_is_refused_with_its_size(chats: Callable[..., HuggingFaceChat]) -> None:
    chat = chats("llama", window=100)
    with pytest.raises(LLMRequestError, match=r"The prompt has \d{3} tokens .* a window of 100"):
        chat.complete(request(TEXT, 1))
    with pytest.raises(LLMRequestError, match="the reply may have 90"):
        chat.complete(request("Ships came from Oslo and Lima.", 90))
    reply = chat.complete(request("Ships", None))
    assert reply.usage is not None
    assert reply.usage.total_tokens == 100
    assert reply.finish_reason == "length"


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"max_tokens": 0}, InputError, "max_tokens must be at least 1"),
        ({"messages": ()}, InputError, "messages is empty"),
        ({"prefill": True}, InputError, "must be the assistant's"),
        ({"temperature": -1.0}, InputError, "temperature must be"),
        ({"seed": 2**70}, InputError, "64 bits"),
        ({"timeout": 0.0}, InputError, "timeout must be above 0"),
        ({"extra": {"top_p": 0}}, InputError, "top_p must be"),
        ({"extra": {"beams": 4}}, LLMRequestError, "Unknown extra beams"),
        ({"json_schema": {}}, LLMRequestError, "json_schema is not supported"),
    ],
)
def test_requests_that_cannot_be_met_say_why(
    change: dict[str, Any], error: type[Exception], message: str, chats: Callable[..., HuggingFaceChat]
) -> None:
    asked = {"messages": (Message("user", "Ships"),), "max_tokens": 3, **change}
    with pytest.raises(error, match=message):
        chats("llama").complete(ChatRequest(**asked))


@pytest.mark.parametrize(
    "options",
    [{"max_batch": 0}, {"max_new_tokens": 0}, {"window": 1}, {"idle_seconds": -1}, {"device": "tpu7"}],
)
def test_arguments_that_cannot_be_used_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        HuggingFaceChat("missing-model", **options).complete(request("x"))


def test_a_model_that_is_not_there_is_named(chats: Callable[..., HuggingFaceChat], tmp_path: Any) -> None:
    with pytest.raises(ModelError, match="could not be loaded"):
        HuggingFaceChat(tmp_path / "nothing").complete(request("x"))


# --- failures -------------------------------------------------------------------------------------------


def failing_beyond(rows: int, message: str) -> tuple[Any, Any]:
    """A model that fails for larger batches."""
    model, tokenizer = language_model("llama")
    tokenizer.chat_template = PLAIN

    def check(_: Any, args: Any, kwargs: Any) -> None:
        if kwargs["input_ids"].shape[0] > rows:
            raise RuntimeError(message)

    model.register_forward_pre_hook(check, with_kwargs=True)
    return model, tokenizer


def test_out_of_memory_makes_the_batch_smaller_and_loses_nothing(
    chats: Callable[..., HuggingFaceChat], caplog: pytest.LogCaptureFixture
) -> None:
    chat = chats(failing_beyond(2, "DefaultCPUAllocator: can't allocate memory"))
    requests = sot_requests()
    found = [reply.text for reply in chat.complete_batch(requests)]
    assert found == [generated(*pair("llama"), asked)[0] for asked in requests]
    assert chat.max_batch <= 2
    assert chat.statistics.out_of_memory >= 1
    assert "Out of memory" in caplog.text


def test_out_of_memory_in_the_middle_of_a_text_does_not_disturb_it(
    chats: Callable[..., HuggingFaceChat],
) -> None:
    model, tokenizer = slowed(0.002)
    state = {"calls": 0}

    def check(*_: Any) -> None:
        state["calls"] += 1
        if state["calls"] == 14:
            raise RuntimeError("out of memory")

    model.register_forward_pre_hook(check)
    chat = chats((model, tokenizer))
    requests = sot_requests()[:4]
    texts = dict.fromkeys(range(4), "")
    for number, chunk in chat.stream_batch(requests):
        texts[number] += chunk.text
    assert [texts[i] for i in range(4)] == [generated(*pair("llama"), asked)[0] for asked in requests]
    assert chat.max_batch == 2


def test_when_one_row_is_too_much_it_fails_alone(chats: Callable[..., HuggingFaceChat]) -> None:
    model, tokenizer = language_model("llama")
    tokenizer.chat_template = PLAIN

    def check(_: Any, args: Any, kwargs: Any) -> None:
        if kwargs["position_ids"] is not None and int(kwargs["position_ids"].max()) > 40:
            raise RuntimeError("out of memory")

    chat = chats((model, tokenizer))
    chat.complete(request("warm", 1))
    model.register_forward_pre_hook(check, with_kwargs=True)
    with pytest.raises(LLMError, match="Memory ran out for one row"):
        chat.complete(request(CONTEXT, 5))
    assert chat.complete(request("Ships", 5)).finish_reason == "length"


def test_a_failing_model_fails_its_callers_and_the_next_call_works(
    chats: Callable[..., HuggingFaceChat],
) -> None:
    chat = chats(failing_beyond(2, "index out of range"))
    with pytest.raises(LLMError, match="index out of range") as caught:
        chat.complete_batch(sot_requests())
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert not caught.value.is_transient
    assert chat.complete(request("Ships", 5)).finish_reason == "length"


def test_logits_that_are_no_numbers_are_an_error(chats: Callable[..., HuggingFaceChat]) -> None:
    model, tokenizer = language_model("llama")
    tokenizer.chat_template = PLAIN
    chat = chats((model, tokenizer))
    chat.complete(request("warm", 1))
    with torch.no_grad():
        model.lm_head.weight[7] = float("nan")
    with pytest.raises(LLMResponseError, match="no numbers"):
        chat.complete(request("Ships", 5))


# --- threads, loops, processes --------------------------------------------------------------------------


async def test_tasks_join_one_batch(chats: Callable[..., HuggingFaceChat]) -> None:
    chat = chats(slowed(0.005))
    requests = sot_requests()

    async def streamed(asked: ChatRequest) -> str:
        return "".join([chunk.text async for chunk in chat.astream(asked)])

    wanted = [generated(*pair("llama"), asked)[0] for asked in requests]
    found = await asyncio.gather(
        *(streamed(asked) for asked in requests), *(chat.acomplete(asked) for asked in requests)
    )
    texts = [each.text if isinstance(each, Completion) else each for each in found]
    assert texts == wanted * 2
    assert chat.statistics.most_rows > 4
    with pytest.raises(InputError):
        await chat.acomplete(request("x", 0))


def test_nothing_runs_and_nothing_is_held_when_idle() -> None:
    chat = HuggingFaceChat(pair("llama"), idle_seconds=0.05)
    assert isinstance(chat, LLM)
    chat.complete(request(CONTEXT, 5))
    deadline = time.monotonic() + 20
    while any(thread.name == "lingua-decoding" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    gc.collect()
    shapes = [tuple(each.shape) for each in gc.get_objects() if type(each) is torch.Tensor and each.ndim == 4]
    assert shapes == []
    assert chat.complete(request(CONTEXT, 5)).finish_reason == "length"
    chat.close()
    chat.close()


def test_closing_ends_what_runs(chats: Callable[..., HuggingFaceChat]) -> None:
    chat = chats(slowed())
    stream = chat.stream(request(CONTEXT, 200))
    next(iter(stream))
    chat.close()
    assert list(stream)[-1].finish_reason == "cancelled"


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_decodes_on_its_own(chats: Callable[..., HuggingFaceChat]) -> None:
    chat = chats(slowed())
    wanted = chat.complete(request("Ships", 5)).text
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()
    with closing(chat.stream(request(CONTEXT, 200))) as running:  # type: ignore[type-var]
        next(running)
        child = context.Process(target=lambda: answers.put(chat.complete(request("Ships", 5)).text))
        child.start()
        child.join(60)
        assert child.exitcode == 0
    assert answers.get() == wanted


def test_an_interpreter_ends_while_the_thread_decodes() -> None:
    code = (
        "import sys; sys.path.insert(0, 'tests/support')\n"
        "from language_models import language_model\n"
        "from lingua_core.llms import ChatRequest, HuggingFaceChat, Message\n"
        "chat = HuggingFaceChat(language_model('llama', max_position_embeddings=100_000), idle_seconds=60)\n"
        "stream = chat.stream(ChatRequest(messages=(Message('user', 'Ships'),), max_tokens=90_000))\n"
        "sys.stdout.write('got' + str(bool(next(stream))))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (0, "gotTrue"), done.stderr


def test_importing_the_package_of_models_loads_no_torch() -> None:
    code = (
        "import sys\n"
        "from lingua_core.llms import HuggingFaceChat\n"
        "HuggingFaceChat('some/model')\n"
        "sys.exit('torch' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_bench_reports_every_arm() -> None:
    from lingua_core.bench.local_decoding import Shape, measure_local

    shape = Shape(name="tiny", hidden=16, middle=32, layers=1, heads=2, vocabulary=1024)
    figures = list(measure_local(shape=shape, prefixes=(40,), points=(2, 3), skeleton=4, repeats=1))
    assert [figure.reference_name for figure in figures] == [
        "one by one",
        "together, nothing shared",
        "padded generate",
        "nothing shared",
        "points wait for the skeleton's end",
    ]
    assert all(figure.value and figure.reference for figure in figures)
