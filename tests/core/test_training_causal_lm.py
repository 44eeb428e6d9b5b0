"""Training of a language model from nothing: data, loop, checkpoints, on tiny models."""

import gzip
import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lingua_core import InputError
from lingua_core.models.causal_lm import Continuation
from lingua_core.models.hugging_face import TokenizedText
from lingua_core.training.causal_lm.corpus import CORPUS, Text, is_held_out, own_texts, read_corpus
from lingua_core.training.causal_lm.evaluate import (
    bits_by_compressor,
    bits_by_model,
    bits_per_byte,
    compressors,
    held_out_sample,
    table,
)
from lingua_core.training.causal_lm.ngrams import NGramModel
from lingua_core.training.causal_lm.questions import asked_passages, question_texts
from lingua_core.training.causal_lm.schedule import Schedule
from lingua_core.training.causal_lm.shape import ModelShape
from lingua_core.training.causal_lm.stream import TokenStream, write_tokens
from lingua_core.training.causal_lm.tokenizer import make_tokenizer

ANIMALS = "fox crow swan frog bear wolf deer hare".split()
PROSE = [
    f"The {animal} saw {i} apples, and the {ANIMALS[i % 8]} ate them." for i, animal in enumerate(ANIMALS * 9)
]
SHAPE = ModelShape(vocabulary=320, width=16, layers=2, heads=2, inner=24)


def texts(count: int = 60, source: str = "prose") -> list[Text]:
    return [
        Text(source=source, document=f"{source} {i}", text=" ".join(PROSE[i % 60 : i % 60 + 6]))
        for i in range(count)
    ]


# --- texts -------------------------------------------------------------------------------------------


def test_about_two_in_a_hundred_documents_are_held_out_whatever_the_case_of_their_names() -> None:
    names = [f"document {i}" for i in range(5000)]
    held = [name for name in names if is_held_out(name)]
    assert 60 < len(held) < 140
    assert [name for name in names if is_held_out(f" {name.upper()} ")] == held


def record(title: str = "Foxes", question: str = "Where do foxes live?", **more: Any) -> dict[str, Any]:
    passages = [{"title": title, "text": f"{title} live in dens under {question[:9]} hedges."}]
    return {"id": "1", "question": question, "passages": passages, "gold": [0], "answers": ["dens"]} | more


def test_questions_of_one_passage_come_together_each_exactly_once() -> None:
    passage = [{"title": "Foxes", "text": "Foxes live in dens."}]
    records = [record(question=f"Question number {i}?") | {"passages": passage} for i in range(10)]
    groups = list(asked_passages(records))
    assert Counter(q for group in groups for q in group.questions) == Counter(r["question"] for r in records)
    assert all(1 <= len(group.questions) <= 3 for group in groups)
    for _, text in question_texts(records):
        assert "Foxes live in dens." in text
        assert "Question number" in text


def test_passages_are_rendered_the_same_every_time_and_in_many_forms() -> None:
    records = [record(title=f"Title {i}") for i in range(200)]
    rendered = list(question_texts(records))
    assert rendered == list(question_texts(records))
    bodies = [text for _, text in rendered]
    assert 0.1 < np.mean([text.startswith("Where") for text in bodies]) < 0.35
    assert any("Answer: dens" in text for text in bodies)
    assert any("given documents" in text for text in bodies)
    assert any(text.startswith("Document [") for text in bodies)


def test_what_cannot_be_answered_and_titles_that_name_no_document_are_left_out() -> None:
    assert not list(asked_passages([record(unanswerable=True), record(gold=[]), record(gold=[7])]))
    two = [{"title": "table", "text": "1 | 2"}, {"title": "paragraph 2", "text": "Sums."}]
    (asked,) = asked_passages([record() | {"passages": two, "gold": [1]}])
    assert asked.title is None
    assert asked.document == "1 | 2"


def write_lines(file: Path, records: Sequence[Any]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    opened = gzip.open if file.suffix == ".gz" else open
    with opened(file, "wt", encoding="utf-8") as out:
        out.writelines(json.dumps(r) + "\n" for r in records)
    return file


@pytest.fixture
def data_sets(tmp_path: Path) -> Path:
    """A folder like that of the data sets, with a few records each."""
    for source in CORPUS:
        if source.file.startswith("qa/"):
            own = [
                record(title=f"{source.name} {i}", split=split) for i in range(4) for split in ("dev", "test")
            ]
        else:
            own = [{"id": f"{source.name}:{i}", "text": f"Text {i} of {source.name}."} for i in range(4)]
        write_lines(tmp_path / source.file, own)
    return tmp_path


def test_the_corpus_has_texts_of_every_source_and_none_of_what_is_measured_on(data_sets: Path) -> None:
    wiki = data_sets / "text" / "wikipedia_passages.jsonl.gz"
    write_lines(
        wiki, [{"id": f"{o}:A", "text": o} for o in ("squadshifts_new_wiki", "selqa_dev_test", "2wiki")]
    )
    found = list(read_corpus(data_sets, CORPUS))
    assert {text.source for text in found} == {source.name for source in CORPUS}
    assert [text.text for text in found if text.source == "wikipedia_passages"] == ["2wiki"]


def test_a_missing_set_is_named_before_anything_is_read(data_sets: Path) -> None:
    (data_sets / "text" / "news_open.jsonl.gz").unlink()
    with pytest.raises(InputError, match=r"no text/news_open\.jsonl\.gz"):
        next(read_corpus(data_sets, CORPUS))


@pytest.mark.parametrize("line", ["{}", '{"text": 3}', "[]"])
def test_a_line_without_text_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "own.jsonl").write_text(f'{{"text": "fine"}}\n{line}\n')
    with pytest.raises(InputError, match="Line 2"):
        own_texts(tmp_path / "own.jsonl")


def test_a_file_of_blank_texts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no text to learn from"):
        own_texts(write_lines(tmp_path / "own.jsonl", [{"text": "  "}]))


# --- tokenizer ---------------------------------------------------------------------------------------

TOKENIZER = make_tokenizer(PROSE, vocabulary=SHAPE.vocabulary)


@given(st.text())
def test_every_text_is_its_tokens(text: str) -> None:
    encoding = TOKENIZER.encode(text, add_special_tokens=False)
    assert TOKENIZER.decode(encoding.ids, skip_special_tokens=False) == text
    covered = {i for start, end in encoding.offsets for i in range(start, end)}
    assert covered == set(range(len(text)))


def test_digits_are_tokens_of_their_own_and_a_text_begins_with_the_start_token() -> None:
    tokenizer = make_tokenizer(["In 2024 and 2024, 20244 of 2024."] * 50, vocabulary=300)
    encoding = tokenizer.encode("2024")
    assert encoding.tokens == ["<|text|>", "2", "0", "2", "4"]
    assert encoding.ids[0] == 0


def test_a_vocabulary_without_room_for_the_bytes_is_refused() -> None:
    with pytest.raises(InputError, match="at least 257"):
        make_tokenizer(PROSE, vocabulary=256)


# --- rows --------------------------------------------------------------------------------------------


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    write_tokens([*texts(), *texts(20, "other")], TOKENIZER, tmp_path / "tokens")
    return tmp_path / "tokens"


def test_rows_depend_on_their_place_alone(tokens: Path) -> None:
    stream = TokenStream(tokens, {}, longest=16, seed=1)
    count = 2 * stream.rows_of_a_pass
    whole = stream.batch(0, count)
    again = TokenStream(tokens, {}, longest=16, seed=1)
    for first in (count - 3, 0, 5):
        assert (again.batch(first, 3) == whole[first : first + 3]).all()
    assert (whole != TokenStream(tokens, {}, longest=16, seed=2).batch(0, count)).any()
    assert (whole[:, 0] == 0).all()
    assert whole.shape == (count, 17)


def test_a_pass_reads_each_part_of_a_source_as_often_as_its_weight_says(tmp_path: Path) -> None:
    numbers = [Text(source="numbers", document="", text=" ".join(str(i) for i in range(10_000, 10_600)))]
    write_tokens([*numbers, *texts()], TOKENIZER, tmp_path)

    def seen(weight: float) -> Counter[tuple[int, ...]]:
        stream = TokenStream(tmp_path, {"prose": 0.0, "numbers": weight}, longest=48, seed=1)
        return Counter(map(tuple, stream.batch(0, stream.rows_of_a_pass)[:, 1:].tolist()))

    once, half, more = seen(1.0), seen(0.5), seen(2.5)
    (whole,) = (TOKENIZER.encode(text.text).ids for text in numbers)
    assert set(once.values()) == {1}
    assert sum(once.values()) >= len(whole) // 48 - 1
    joined = " ".join(map(str, whole))
    assert all(" ".join(map(str, row)) in joined for row in once)
    assert sum(half.values()) == len(half) == sum(once.values()) // 2
    assert set(more.values()) == {2, 3}
    assert len(more) == len(once)


def test_too_little_text_for_one_row_is_refused(tmp_path: Path) -> None:
    write_tokens(texts(1), TOKENIZER, tmp_path)
    with pytest.raises(InputError, match="less text than one row of 4096"):
        TokenStream(tmp_path, {}, longest=4096, seed=0)


# --- schedule ----------------------------------------------------------------------------------------


@given(st.integers(0, 50), st.integers(60, 200), st.integers(1, 100))
def test_the_rate_rises_stays_and_falls(warmup: int, start: int, length: int) -> None:
    schedule = Schedule(warmup=warmup, decay_from=start, decay_steps=length)
    shares = [schedule.share(step) for step in range(start + length)]
    assert shares[:warmup] == sorted(shares[:warmup])
    assert set(shares[warmup:start]) == {1.0}
    falling = shares[start - 1 :]
    assert falling == sorted(falling, reverse=True)
    assert 0 < falling[-1] <= 1 - math.sqrt(length / (length + 1)) + 1e-9
    assert shares[:start] == [Schedule(warmup=warmup).share(step) for step in range(start)]


def test_a_schedule_that_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="at least one step"):
        Schedule(warmup=1, decay_from=3)
    with pytest.raises(InputError, match="negative"):
        Schedule(warmup=-1)


@pytest.mark.parametrize("change", [{"width": 0}, {"heads": 3}, {"width": 18}, {"theta": -1.0}])
def test_sizes_that_do_not_fit_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(change))):
        replace(SHAPE, **change)


# --- bits per byte -----------------------------------------------------------------------------------


def test_kneser_ney_probabilities_sum_to_one_after_seen_and_unseen_contexts() -> None:
    tokens = np.random.default_rng(0).integers(0, 6, 400) // 2 * 2
    model = NGramModel(tokens, vocabulary=7, order=3)
    for context in ([], [0], [2, 4], [1, 1], [4, 4]):
        total = sum(math.exp(-model.surprisals([*context, token])[-1]) for token in range(7))
        assert total == pytest.approx(1.0)


def test_kneser_ney_counts_contexts_not_occurrences_below_the_highest_order() -> None:
    # "b" is frequent but only ever follows "a"; "c" is rare but follows everything.
    text = "ababababxcycacbc"
    tokens = np.array([ord(c) - 97 for c in text])
    model = NGramModel(tokens, vocabulary=26, order=2)
    b, c = (math.exp(-model.surprisals([25, ord(letter) - 97])[1]) for letter in "bc")
    assert c > 2 * b


def test_longer_contexts_foretell_more() -> None:
    tokens = np.array([i for encoding in TOKENIZER.encode_batch(PROSE) for i in encoding.ids])
    held = TOKENIZER.encode("The swan saw 2 apples, and the hare ate them.").ids
    means = [NGramModel(tokens, vocabulary=320, order=n).surprisals(held)[2:].mean() for n in (1, 2, 3)]
    assert means[0] > means[1] > means[2]


@pytest.mark.parametrize(("order", "count"), [(0, 50), (99, 50), (3, 2)])
def test_ngrams_that_cannot_be_counted_are_refused(order: int, count: int) -> None:
    with pytest.raises(InputError):
        NGramModel(np.zeros(count, np.int64), vocabulary=100, order=order)


class Uniform:
    """A language model for which all 256 bytes are alike."""

    def tokenize(self, texts: Sequence[str]) -> list[TokenizedText]:
        rows = [np.frombuffer(text.encode(), np.uint8).astype(np.int64) for text in texts]
        return [TokenizedText(row, np.arange(len(row)), np.arange(len(row)) + 1) for row in rows]

    def surprisals(self, continuations: Sequence[Continuation]) -> list[NDArray[np.float32]]:
        return [np.full(len(c.ids), np.log(256), np.float32) for c in continuations]


def test_bits_per_byte_are_those_of_the_whole_text() -> None:
    sample = {"a": ["é" * 30, "x"], "b": ["yz" * 5]}
    uniform = bits_per_byte("uniform", bits_by_model(Uniform()), sample)
    assert uniform.domains == pytest.approx({"a": 8.0, "b": 8.0})
    assert uniform.bytes == {"a": 61, "b": 10}
    copied = bits_per_byte("copied", bits_by_compressor(lambda data: data + b"!"), {"a": ["12345"]})
    assert copied.mean == pytest.approx(8 * 6 / 5)
    for name, bits in compressors().items():
        assert bits_per_byte(name, bits, {"a": ["word " * 500]}).mean < 0.3


def test_the_table_has_a_row_for_each_domain_and_one_for_all() -> None:
    sample = {"b": ["yz"], "a": ["x"]}
    shown = table([bits_per_byte("uniform", bits_by_model(Uniform()), sample)])
    assert shown.splitlines() == [
        "| domain | uniform |",
        "| --- | --- |",
        "| a | 8.000 |",
        "| b | 8.000 |",
        "| all | 8.000 |",
    ]


def test_the_sample_is_of_held_out_documents_and_of_the_size_asked_for() -> None:
    own = texts(400)
    sample = held_out_sample(own, domain_bytes=500)
    held = {text.text for text in own if text.held_out}
    assert sum(map(len, sample["prose"])) == 500
    assert all(any(whole.startswith(text) for whole in held) for text in sample["prose"])
    assert sum(map(len, held_out_sample(own[:3], all_texts=True)["prose"])) == sum(
        len(t.text) for t in own[:3]
    )
