"""Alignment: from collected answers to a model or an adapter, on tiny models."""

import gzip
import json
import math
import resource
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli_runner import lingua
from language_models import language_model
from lingua_core import InputError, ModelError, PromptCompressor

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from lingua_core.models.onnx_causal_lm import OnnxCausalLM  # noqa: E402
from lingua_core.training.alignment.answers import Answer, read_answers  # noqa: E402
from lingua_core.training.alignment.examples import Example, ExampleWriter  # noqa: E402
from lingua_core.training.alignment.loop import Progress, train  # noqa: E402
from lingua_core.training.alignment.measure import measure_answers  # noqa: E402
from lingua_core.training.alignment.options import AlignmentOptions, LoraOptions  # noqa: E402
from lingua_core.training.alignment.packing import Excerpt, PackedRows, excerpts_of  # noqa: E402
from lingua_core.training.alignment.pipeline import align, measure  # noqa: E402
from lingua_core.training.alignment.reading import Reader  # noqa: E402
from lingua_core.training.alignment.targets import Target, read_targets, split_targets  # noqa: E402
from lingua_core.training.causal_lm.evaluate import BitsPerByte  # noqa: E402
from lingua_core.training.whole_files import check_room, whole_file  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")

START = np.array([1], np.int64)
NOTHING = np.zeros(0, np.int64)
TIED: dict[str, Any] = {"num_attention_heads": 2, "num_key_value_heads": 2, "tie_word_embeddings": True}


def record(i: int = 0, response: str = "The harbour is open.", **more: Any) -> dict[str, Any]:
    turn = {"role": "user", "content": f"What about the harbour, question {i}?"}
    return {"id": f"q{i}", "messages": [turn], "response": response} | more


def write_lines(file: Path, records: Sequence[Any]) -> Path:
    opened = gzip.open if file.suffix == ".gz" else open
    with opened(file, "wt", encoding="utf-8") as out:
        out.writelines(json.dumps(r) + "\n" for r in records)
    return file


def harbour(count: int = 40, *, animal: str = "crow") -> list[dict[str, Any]]:
    """Answers with a way of speaking that is easily learnt."""
    return [record(i, f"Indeed the {animal} counts {i % 7} ships. Indeed it sings.") for i in range(count)]


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    return write_lines(tmp_path / "crow.jsonl", harbour())


@pytest.fixture
def base(tmp_path: Path) -> Path:
    for part in language_model("llama", **TIED):
        part.save_pretrained(tmp_path / "base")
    return tmp_path / "base"


def quick(**changes: Any) -> AlignmentOptions:
    given = {"passes": 2, "rows": 2, "window": 64, "rate": 5e-3, "precision": "float32"}
    return replace(AlignmentOptions(), **given | changes)


# --- answers -----------------------------------------------------------------------------------------


def test_answers_are_read_plain_or_gzipped_and_empty_responses_are_counted(tmp_path: Path) -> None:
    records = [
        record(0),
        record(1, " \n"),
        record(2, model="gpt", usage=None),
        record(3) | {"response": None},
    ]
    for name in ("a.jsonl", "a.jsonl.gz"):
        found = read_answers(write_lines(tmp_path / name, records))
        assert [answer.id for answer in found.answers] == ["q0", "q2"]
        assert found.empty == 2
        assert found.answers[0].messages[0].role == "user"


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        "3",
        '{"messages": [{"role": "user", "content": "a"}]}',
        '{"response": "a"}',
        '{"response": "a", "messages": []}',
        '{"response": "a", "messages": ["a"]}',
        '{"response": "a", "messages": [{"role": "tool", "content": "a"}]}',
        '{"response": "a", "messages": [{"role": "user", "content": null}]}',
        '{"response": 3, "messages": [{"role": "user", "content": "a"}]}',
        '{"response": "a", "messages": [{"role": "user", "content": "a"}], "logprobs": {}}',
        '{"response": "a", "messa',
    ],
)
def test_a_malformed_line_is_refused_by_its_number(tmp_path: Path, line: str) -> None:
    (tmp_path / "a.jsonl").write_text(f"{json.dumps(record())}\n{line}\n")
    with pytest.raises(InputError, match=r"(Record|Line) 2 of .*a\.jsonl"):
        read_answers(tmp_path / "a.jsonl")


def test_a_file_without_an_answer_says_why(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="2 responses are empty"):
        read_answers(write_lines(tmp_path / "a.jsonl", [record(0, ""), record(1, " ")]))
    with pytest.raises(InputError, match="cannot be read"):
        read_answers(tmp_path / "nowhere.jsonl")


# --- targets -----------------------------------------------------------------------------------------


def targets(*names: str, count: int = 40) -> list[Target]:
    def answer(name: str, i: int) -> Answer:
        told = record(i, f"{name} says {i}.")
        return Answer(id=told["id"], messages=read_message(told), response=told["response"])

    return [Target(name=name, answers=[answer(name, i) for i in range(count)]) for name in names]


def read_message(told: dict[str, Any]) -> Any:
    from lingua_core.llms.base import Message

    return tuple(Message(turn["role"], turn["content"]) for turn in told["messages"])


def test_all_answers_to_a_prompt_are_on_one_side_whatever_the_order() -> None:
    both = targets("gpt", "claude")
    learnt, held = split_targets(both, share=0.2, most=500)
    prompts = [{answer.prompt for target in side for answer in target.answers} for side in (learnt, held)]
    assert not prompts[0] & prompts[1]
    assert len(prompts[1]) == 8
    assert [len(target.answers) for target in held] == [8, 8]
    turned = [replace(target, answers=[*reversed(target.answers)]) for target in both]
    assert {a.prompt for t in split_targets(turned, share=0.2, most=500)[1] for a in t.answers} == prompts[1]
    assert len(split_targets(both, share=0.2, most=3)[1][0].answers) == 3


def test_more_prompts_move_few_to_another_side() -> None:
    few = {a.prompt for t in split_targets(targets("a", count=100), share=0.1, most=99)[1] for a in t.answers}
    more = {
        a.prompt for t in split_targets(targets("a", count=110), share=0.1, most=99)[1] for a in t.answers
    }
    assert len(few & more) >= 6


def test_too_few_prompts_to_hold_one_out_are_refused() -> None:
    with pytest.raises(InputError, match="'a' has 1 answers to 1 prompts, of which 1 are held out"):
        split_targets(targets("a", count=1), share=0.1, most=10)


@pytest.mark.parametrize("weight", [0, -1.0, math.nan, math.inf])
def test_a_weight_is_a_number_above_0(tmp_path: Path, weight: float) -> None:
    with pytest.raises(InputError, match="weight of 'a'"):
        read_targets([write_lines(tmp_path / "a.jsonl", harbour(3))], [weight])


def test_files_have_names_of_their_own_and_a_weight_each(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    files = [write_lines(tmp_path / name, harbour(3)) for name in ("a.jsonl", "b/a.jsonl.gz")]
    with pytest.raises(InputError, match="told apart by their names"):
        read_targets(files)
    with pytest.raises(InputError, match="1 files of answers but 2 weights"):
        read_targets(files[:1], [1, 2])
    assert read_targets(files[1:], [0.5])[0].name == "a"


@pytest.mark.parametrize(
    "changes",
    [
        {"passes": 0},
        {"rate": 0.0},
        {"rate": math.inf},
        {"kl": -1.0},
        {"held_out": 1.0},
        {"window": 8},
        {"patience": 0},
        {"decay_share": 0.0},
        {"precision": "float8"},
    ],
)
def test_options_out_of_range_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(changes))):
        replace(AlignmentOptions(), **changes)


# --- examples ----------------------------------------------------------------------------------------

ODD = ["Ships 🚢 came.", "  שלום עולם \n", "港は開いています。", "a\ud800b", "<s> </s> <unk>", "🇳🇴", "é" * 5]


@pytest.mark.parametrize("response", ODD)
@pytest.mark.parametrize("kind", ["llama", "gpt2", "llama-sentencepiece"])
def test_the_response_and_nothing_else_is_learnt(kind: str, response: str) -> None:
    _, tokenizer = language_model(kind)
    start = NOTHING if kind == "gpt2" else START
    (example,) = examples_of(tokenizer, start, response)
    whole = tokenizer(written(response), add_special_tokens=False, split_special_tokens=True)
    assert [*example.prefix, *example.ids] == whole["input_ids"]
    assert example.ending == 0
    assert example.bytes == len(response.replace("\ud800", "\ufffd").strip().encode())
    plain = response.replace("\ud800", "\ufffd").strip()
    alone = tokenizer(plain, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    assert abs(len(example.ids) - len(alone)) <= 2


def written(response: str) -> str:
    return f"What about the harbour, question 0?\n\n{response.replace(chr(0xD800), chr(0xFFFD)).strip()}"


def examples_of(tokenizer: Any, start: Any, *responses: str) -> list[Example]:
    answers = [
        Answer(id=str(i), messages=read_message(record(i)), response=response)
        for i, response in enumerate(responses)
    ]
    return ExampleWriter(tokenizer, start).examples([Target(name="t", answers=answers)])


TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}"
    "{% endif %}<pad>{{ m.role }}\n{{ m.content }}</s>\n{% endfor %}"
    "{% if add_generation_prompt %}<pad>assistant\n{% endif %}"
)


def test_a_chat_template_writes_the_prompt_and_ends_the_turn_which_counts_no_bytes() -> None:
    _, tokenizer = language_model("llama")
    tokenizer.chat_template = TEMPLATE
    (example,) = examples_of(tokenizer, START, "The harbour is open.")
    assert tokenizer.convert_ids_to_tokens(example.prefix[:1]) == ["<pad>"], "the beginning stands before all"
    assert example.ending == len(tokenizer("</s>\n", add_special_tokens=False)["input_ids"])
    said = example.ids[: len(example.ids) - example.ending].tolist()
    assert said == tokenizer("The harbour is open.", add_special_tokens=False)["input_ids"]
    assert example.bytes == 20


def test_a_template_that_refuses_a_prompt_is_an_error_with_the_answers_id() -> None:
    from lingua_core.llms.base import Message

    _, tokenizer = language_model("llama")
    tokenizer.chat_template = TEMPLATE
    answer = Answer(id="q7", messages=(Message("system", "Be brief."),), response="Yes.")
    with pytest.raises(InputError, match="refuses the prompt of answer 'q7': no system"):
        ExampleWriter(tokenizer, START).examples([Target(name="t", answers=[answer])])


# --- packing -----------------------------------------------------------------------------------------

lengths = st.lists(st.tuples(st.integers(0, 90), st.integers(1, 120)), min_size=1, max_size=12)


@settings(max_examples=60, deadline=None)
@given(sizes=lengths, window=st.integers(16, 64), begins=st.booleans(), prompts=st.booleans())
def test_every_token_of_an_answer_is_foretold_once_in_rows_that_fit(
    sizes: list[tuple[int, int]], window: int, begins: bool, prompts: bool
) -> None:
    start = START if begins else NOTHING
    excerpts: list[Excerpt] = []
    expected: Counter[int] = Counter()
    next_id = 10
    for prefix, size in sizes:
        ids = np.arange(next_id, next_id + prefix + size)
        next_id += prefix + size
        example = Example(
            target="t",
            answer=Answer(id="1", messages=(), response="a"),
            prefix=ids[:prefix],
            ids=ids[prefix:],
            ending=0,
            bytes=1,
        )
        excerpts += excerpts_of(example, start=start, window=window, learn_prompts=prompts)
        learnt = ids if prompts else ids[prefix:]
        expected.update(learnt.tolist() if begins or (prefix and not prompts) else learnt[1:].tolist())
    if not excerpts:
        return
    rows = PackedRows(excerpts, {"t": 1.0}, passes=1, window=window, seed=3)
    batch = rows.batch(0, len(rows))
    assert batch.ids.shape[1] <= window
    assert Counter(batch.ids.flatten()[batch.valued].tolist()) == expected
    assert rows.valued_tokens(0, len(rows)) == len(batch.valued)
    assert bool((batch.valued[1:] > batch.valued[:-1]).all())


def plain_excerpts(count: int, target: str = "t") -> list[Excerpt]:
    rng = np.random.default_rng(len(target))
    return [
        Excerpt(target=target, ids=rng.integers(4, 400, size=5 + i % 20), first=2 + i % 3)
        for i in range(count)
    ]


def test_rows_are_full_the_same_for_a_seed_and_others_for_another() -> None:
    made = [PackedRows(plain_excerpts(60), {"t": 1.0}, passes=2, window=64, seed=s) for s in (0, 0, 1)]
    first, again, other = (rows.batch(0, len(rows)) for rows in made)
    assert torch.equal(first.ids, again.ids)
    assert torch.equal(made[0].batch(3, 5).ids, made[1].batch(3, 5).ids)
    assert first.ids.shape != other.ids.shape or not torch.equal(first.ids, other.ids)
    assert sum(len(e.ids) for e in plain_excerpts(60)) * 2 / (len(made[0]) * 64) > 0.85
    assert made[0].ends_of_passes[-1] == len(made[0])


def test_weights_say_how_often_answers_come() -> None:
    excerpts = [*plain_excerpts(20, "a"), *plain_excerpts(20, "bb")]
    weights = {"a": 2.5, "bb": 0.5}
    rows = PackedRows(excerpts, weights, passes=4, window=64, seed=0, packed=False)
    each = {tuple(excerpt.ids.tolist()): excerpt.target for excerpt in excerpts}
    counts: Counter[str] = Counter()
    for i in range(len(rows)):
        counts[each[tuple(rows.batch(i, i + 1).ids[0].tolist())]] += 1
    assert counts == {"a": 200, "bb": 40}


# --- reading -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["llama", "gpt2", "qwen2", "mistral", "gemma2", "granite", "opt", "mamba"])
def test_packed_answers_cost_what_each_costs_alone(kind: str) -> None:
    model, _ = language_model(kind)
    reader = Reader(model)
    excerpts = plain_excerpts(9)
    alone = sum(
        float(reader.loss(PackedRows([e], {"t": 1.0}, passes=1, window=64, seed=0).batch(0, 1)).detach())
        for e in excerpts
    )
    rows = PackedRows(excerpts, {"t": 1.0}, passes=1, window=64, seed=0, packed=reader.packs)
    together = float(reader.loss(rows.batch(0, len(rows))).detach())
    assert together == pytest.approx(alone, rel=1e-4)
    assert reader.packs is (kind not in ("mamba", "opt"))


def test_logits_in_parts_give_the_same_loss_and_gradients() -> None:
    model, _ = language_model("llama")
    batch = PackedRows(plain_excerpts(9), {"t": 1.0}, passes=1, window=64, seed=0).batch(0, 2)
    found: list[tuple[float, Any]] = []
    for logit_bytes in (64 * 2**20, 4 * 420 * 3):
        model.zero_grad()
        loss = Reader(model, logit_bytes=logit_bytes).loss(batch)
        loss.backward()
        found.append((float(loss.detach()), model.lm_head.weight.grad.clone()))
    assert found[0][0] == pytest.approx(found[1][0], rel=1e-5)
    assert torch.allclose(found[0][1], found[1][1], atol=1e-3)


# --- the whole way -----------------------------------------------------------------------------------


def test_an_aligned_model_foretells_answers_better_and_runs_with_and_without_torch(
    tmp_path: Path, base: Path, answers: Path
) -> None:
    out = tmp_path / "out"
    seen: list[Progress] = []
    report = align(base, read_targets([answers]), out, quick(), report=seen.append)
    assert report.after.mean < 0.6 * report.before.mean
    assert report.best_step > 0
    assert seen[0].step == 0
    assert [p.step for p in seen] == [*range(report.steps + 1)]
    told = json.loads((out / "alignment.json").read_text())
    assert told["bits_per_byte"]["after"]["crow"] == pytest.approx(report.after.domains["crow"])
    assert told["targets"][0] == {
        "name": "crow", "weight": 1.0, "learnt": 36, "held_out": 4, "empty": 0, "taught": 0,
    }  # fmt: skip
    card = (out / "README.md").read_text()
    assert f"{report.after.mean:.3f}" in card
    assert "vendors" in card
    # Questions that no choice has seen.
    fresh = read_targets([write_lines(tmp_path / "fresh.jsonl", harbour(60)[45:])])
    measured = measure(out, fresh, device="cpu")
    assert measured.mean < 0.7 * measure(base, fresh, device="cpu").mean
    by_onnx = OnnxCausalLM(out)
    examples = ExampleWriter(language_model("llama")[1], by_onnx.start).examples(fresh)
    assert measure_answers("onnx", by_onnx, examples).mean == pytest.approx(measured.mean, rel=0.15)
    compressor = PromptCompressor("selective-context", model=out)
    assert compressor.compress([fresh[0].answers[0].response], rate=0.6).text


def test_an_adapter_holds_what_was_learnt_and_merges_into_a_model_with_an_onnx_file(
    tmp_path: Path, base: Path, answers: Path
) -> None:
    pytest.importorskip("peft")
    before = (base / "model.safetensors").read_bytes()
    adapter, merged = tmp_path / "adapter", tmp_path / "merged"
    report = align(base, read_targets([answers]), adapter, quick(lora=LoraOptions(rank=4), rate=2e-2))
    assert report.after.mean < 0.8 * report.before.mean
    assert report.trained < 10_000
    assert (base / "model.safetensors").read_bytes() == before
    assert not (adapter / "model.safetensors").exists()
    fresh = read_targets([write_lines(tmp_path / "fresh.jsonl", harbour(60)[45:])])
    with_adapter = measure(base, fresh, adapter=adapter, device="cpu").mean
    assert with_adapter < 0.85 * measure(base, fresh, device="cpu").mean
    result = lingua("train", "merge-adapter", base, adapter, "--out", merged)
    assert result.exit_code == 0, result.stderr
    assert measure(merged, fresh, device="cpu").mean == pytest.approx(with_adapter, rel=1e-3)
    assert (merged / "causal_lm.onnx").is_file()
    for folder in (base, adapter):
        refused = lingua("train", "merge-adapter", base, adapter, "--out", folder)
        assert refused.exit_code == 2
        assert "would be overwritten" in refused.stderr


def test_two_targets_are_learnt_and_reported_apart(tmp_path: Path, base: Path) -> None:
    files = [write_lines(tmp_path / f"{animal}.jsonl", harbour(animal=animal)) for animal in ("crow", "lamp")]
    report = align(base, read_targets(files, [1, 0.5]), tmp_path / "out", quick())
    for name in ("crow", "lamp"):
        assert report.after.domains[name] < report.before.domains[name]
    assert [(t.name, t.weight) for t in report.targets] == [("crow", 1), ("lamp", 0.5)]


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("kind", ["full", "lora"])
def test_an_interrupted_run_ends_bit_identical_to_one_that_was_not(
    kind: str, tmp_path: Path, answers: Path
) -> None:
    pytest.importorskip("peft")
    for part in language_model("gpt2", resid_pdrop=0.2, attn_pdrop=0.2):
        part.save_pretrained(tmp_path / "base")
    lora = LoraOptions(rank=4, dropout=0.1) if kind == "lora" else None
    options = quick(lora=lora, checkpoint_every=3, evaluations=3, precision="auto")
    learnt = read_targets([answers])
    whole = align(tmp_path / "base", learnt, tmp_path / "whole", options)

    def interrupt_at(step: int) -> Callable[[Progress], None]:
        def report(progress: Progress) -> None:
            if progress.step == step:
                raise Interrupted

        return report

    for step in (0, 4, whole.steps - 1):
        with pytest.raises(Interrupted):
            align(tmp_path / "base", learnt, tmp_path / "parts", options, report=interrupt_at(step))
    parts = align(tmp_path / "base", learnt, tmp_path / "parts", replace(options, low_memory=False))
    assert parts.history == whole.history
    weights = ["adapter_model.safetensors", "adapter_config.json"] if lora else ["model.safetensors"]
    for name in (*weights, "README.md", "alignment.json"):
        assert (tmp_path / "parts" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_a_run_is_taken_up_with_less_memory_but_not_with_other_answers(
    tmp_path: Path, base: Path, answers: Path
) -> None:
    out = tmp_path / "out"
    first = align(base, read_targets([answers]), out, quick(passes=1))
    again = align(
        base, read_targets([answers]), out, quick(passes=1, at_once=1, low_memory=True, checkpoint_every=1)
    )
    assert again.history == first.history
    other = read_targets([write_lines(tmp_path / "lamp.jsonl", harbour(animal="lamp"))])
    for changed, told in (((other, quick(passes=1)), "answers"), ((other[:0] or other, quick()), "passes")):
        with pytest.raises(InputError, match=f"of another run:.*{told}"):
            align(base, changed[0], out, changed[1])


def test_fewer_rows_at_once_give_the_same_model_but_for_rounding(
    tmp_path: Path, base: Path, answers: Path
) -> None:
    found = [
        align(base, read_targets([answers]), tmp_path / str(at_once), quick(at_once=at_once, low_memory=low))
        for at_once, low in ((4, False), (1, True))
    ]
    assert found[0].after.mean == pytest.approx(found[1].after.mean, rel=1e-3)


def test_without_progress_a_run_stops_and_the_model_is_what_it_was(
    tmp_path: Path, base: Path, answers: Path
) -> None:
    report = align(base, read_targets([answers]), tmp_path / "out", quick(rate=50.0, passes=9, patience=2))
    assert report.stopped_early
    assert len(report.history) == 3
    assert report.best_step == 0
    assert report.after.mean == report.before.mean
    assert any("No step made the model better" in note for note in report.notes)
    assert measure(tmp_path / "out", read_targets([answers]), device="cpu").mean == pytest.approx(
        measure(base, read_targets([answers]), device="cpu").mean
    )


def test_small_data_mode_learns_from_few_answers(tmp_path: Path, base: Path) -> None:
    few = read_targets([write_lines(tmp_path / "few.jsonl", harbour(12))])
    options = replace(AlignmentOptions.small(), window=64, rate=5e-3, precision="float32")
    report = align(base, few, tmp_path / "out", options)
    assert report.after.mean < 0.8 * report.before.mean
    assert report.targets[0].held_out == 2


# --- faults ------------------------------------------------------------------------------------------


class FailingReader(Reader):
    """Fails as told."""

    def loss(self, batch: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


@pytest.mark.parametrize("lora", [None, LoraOptions()])
def test_out_of_memory_says_what_to_lower(tmp_path: Path, lora: LoraOptions | None) -> None:
    model, _ = language_model()
    rows = PackedRows(plain_excerpts(9), {"t": 1.0}, passes=1, window=64, seed=0)
    bits = BitsPerByte(name="held out", domains={"t": 1.0}, bytes={"t": 1})
    with pytest.raises(
        ModelError, match=r"Memory ran out.*at_once, now 4.*now 64 tokens.*low_memory"
    ) as found:
        train(
            model,
            FailingReader(model),
            rows,
            quick(lora=lora),
            folder=tmp_path,
            run={},
            evaluate=lambda: bits,
        )
    assert ("(lora)" in str(found.value)) is (lora is None)


def test_a_loss_that_is_no_number_is_an_error(tmp_path: Path, base: Path, answers: Path) -> None:
    with pytest.raises(ModelError, match=r"loss of step \d+ is no number. Lower the rate"):
        align(base, read_targets([answers]), tmp_path / "out", quick(rate=1e30))


@pytest.fixture
def full_disk() -> Any:
    """No file can grow beyond 50 kB."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.skipif(sys.platform == "win32", reason="no such limits")
def test_a_full_disk_is_one_message_and_leaves_no_half_files(
    tmp_path: Path, base: Path, answers: Path, full_disk: None
) -> None:
    result = lingua("train", "align", answers, "--model", base, "--out", tmp_path / "out", "--window", "64")
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr.splitlines()[-1]
    assert "disk full" in result.stderr
    assert not [file for file in (tmp_path / "out").rglob("*") if file.is_file()]


def test_a_file_that_cannot_be_written_stays_what_it_was(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("old")

    def write_half() -> None:
        with whole_file(file) as unfinished:
            unfinished.write_text("ne")
            raise RuntimeError("unexpected pos 704 vs 598")

    with pytest.raises(OSError, match="disk full"):
        write_half()
    assert file.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    with pytest.raises(KeyError), whole_file(file):
        raise KeyError("no matter of disks")


def test_too_little_room_is_said_before_training(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"needs about 1073741824\.00 GiB"):
        check_room(tmp_path / "not" / "yet", 2**60)


@pytest.mark.parametrize("name", ["checkpoint.pt", "best.pt", "evaluations.json"])
def test_damaged_files_of_a_run_are_named(tmp_path: Path, base: Path, answers: Path, name: str) -> None:
    out = tmp_path / "out"
    align(base, read_targets([answers]), out, quick(passes=1))
    (out / "training" / name).write_bytes(b"damaged")
    with pytest.raises(InputError, match=name.replace(".", r"\.")):
        align(base, read_targets([answers]), out, quick(passes=1))


def test_the_models_own_folder_is_no_place_for_the_result(base: Path, answers: Path) -> None:
    with pytest.raises(InputError, match="another folder"):
        align(base, read_targets([answers]), base, quick())


# --- distributions -----------------------------------------------------------------------------------


def told_by(
    teacher: Any, tokenizer: Any, records: list[dict[str, Any]], *, top: int = 20
) -> list[dict[str, Any]]:
    """Records with log-probabilities, in the form that they are collected in."""
    written = ExampleWriter(tokenizer, START)
    for one in records:
        answer = Answer(id=one["id"], messages=read_message(one), response=one["response"])
        (example,) = written.examples([Target(name="t", answers=[answer])])
        ids = torch.tensor([[1, *example.prefix, *example.ids]])
        with torch.no_grad():
            logs = teacher(input_ids=ids).logits[0, -len(example.ids) - 1 : -1].log_softmax(-1)
        one["logprobs"] = [
            {
                "token": text_of(tokenizer, int(id_)),
                "logprob": float(row[id_]),
                "bytes": bytes_of(tokenizer, int(id_)),
                "top": [
                    [bytes_of(tokenizer, int(i)), float(row[i])]
                    for i in row.topk(top).indices
                    if 3 < int(i) < 400
                ],
            }
            for id_, row in zip(example.ids, logs, strict=True)
        ]
    return records


def bytes_of(tokenizer: Any, id_: int) -> list[int]:
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    back = {character: byte for byte, character in bytes_to_unicode().items()}
    return [back[character] for character in tokenizer.convert_ids_to_tokens(id_)]


def text_of(tokenizer: Any, id_: int) -> str:
    return bytes(bytes_of(tokenizer, id_)).decode(errors="replace")


def divergence(model: Any, teacher: Any, ids: Any) -> float:
    with torch.no_grad():
        p, q = (m(input_ids=ids).logits[0].log_softmax(-1) for m in (model, teacher))
    return float((q.exp() * (q - p)).sum(-1).mean())


def test_distributions_bring_a_model_nearer_to_its_target_than_text_alone(tmp_path: Path, base: Path) -> None:
    import transformers

    teacher, tokenizer = language_model("llama", seed=5, initializer_range=0.25, **TIED)
    file = write_lines(tmp_path / "told.jsonl", told_by(teacher, tokenizer, harbour(24)))
    ids = torch.tensor([[1, *tokenizer("Indeed the crow counts 9 ships. It sings.")["input_ids"][1:]]])
    found: list[float] = []
    for kl in (0.0, 2.0):
        report = align(base, read_targets([file]), tmp_path / f"kl{kl}", quick(kl=kl, passes=4))
        assert report.targets[0].taught == (22 if kl else 0)
        model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / f"kl{kl}").eval()
        found.append(divergence(model, teacher, ids))
    assert found[1] < 0.8 * found[0]


def test_distributions_need_log_probabilities_that_can_be_read(
    tmp_path: Path, base: Path, answers: Path
) -> None:
    with pytest.raises(InputError, match=r"kl=0\.5 needs answers with log-probabilities"):
        align(base, read_targets([answers]), tmp_path / "out", quick(kl=0.5))
    broken = [one | {"logprobs": [{"token": "a", "logprob": "x", "top": []}]} for one in harbour()]
    with pytest.raises(InputError, match=r"log-probabilities of answer 'q\d+' of 'broken' cannot be used"):
        align(
            base,
            read_targets([write_lines(tmp_path / "broken.jsonl", broken)]),
            tmp_path / "out",
            quick(kl=0.5),
        )


# --- the command line --------------------------------------------------------------------------------


def test_the_command_line_aligns_and_measures(tmp_path: Path, base: Path, answers: Path) -> None:
    out = tmp_path / "out"
    rest = ("--window", "64", "--rows", "2", "--rate", "0.005", "--passes", "1", "--device", "cpu")
    result = lingua("train", "align", answers, "--model", base, "--out", out, *rest)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("| domain | before | after |\n| --- | --- | --- |\n| crow | ")
    assert f"path      {out}\n" in result.stdout
    assert "crow: 40 answers" in result.stderr
    fresh = write_lines(tmp_path / "fresh.jsonl", harbour(60)[45:])
    measured = lingua("train", "measure-answers", out, fresh, "--device", "cpu")
    assert measured.exit_code == 0, measured.stderr
    assert measured.stdout.startswith("| domain | bits per byte |\n| --- | --- |\n| fresh | ")


def test_what_cannot_be_used_is_one_line_on_the_command_line(tmp_path: Path, base: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"response": "a"}\n')
    good = write_lines(tmp_path / "good.jsonl", harbour(5))
    for arguments, told in (
        ((bad, "--model", base), "Record 1 of"),
        ((good, "--model", base, "--weight", "1", "--weight", "2"), "but 2 weights"),
        ((good, "--model", tmp_path / "none"), "could not be loaded as a causal-lm"),
        ((good, "--model", base, "--held-out", "1.5"), "held_out must be between 0 and 1"),
        ((good, "--model", base, "--kl", "1"), "needs answers with log-probabilities"),
    ):
        result = lingua("train", "align", *arguments, "--out", tmp_path / "out")
        assert result.exit_code == 2, told
        assert told in result.stderr
        assert "Traceback" not in result.stderr


def test_a_missing_package_is_named_with_the_command_that_brings_it(
    tmp_path: Path, base: Path, answers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    result = lingua("train", "align", answers, "--model", base, "--out", tmp_path / "out", "--lora")
    assert result.exit_code == 2
    assert 'pip install "lingua-rag[train]"' in result.stderr
