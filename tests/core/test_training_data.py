"""From question-answering sets to training examples."""

import random
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingua_core import InputError
from lingua_core.segmentation import TextSegmenter
from lingua_core.training.data.assembly import assemble, calibration_examples, read_source
from lingua_core.training.data.distractors import Distractors
from lingua_core.training.data.evidence import SUPPORT, segment_targets
from lingua_core.training.data.examples import Example, LabelledPassage, Span
from lingua_core.training.data.sources import SOURCES, Source, labelled
from lingua_core.training.data.splits import document_name, held_out
from lingua_core.training.data.styles import keywords, lower, restyled, typos
from quality_questions import write_records

# Styles

QUESTION = "When was the Bridge at Varno not opened by Queen O'Hara?"


def test_lower_drops_capitals_and_the_question_mark() -> None:
    assert lower("Who is Ada?  ", random.Random(0)) == "who is ada"
    assert lower("who is ada", random.Random(0)) == "who is ada"


def test_keywords_keep_content_words_and_negation() -> None:
    found = {keywords(QUESTION, random.Random(seed)) for seed in range(40)}
    content = "bridge varno not opened queen o'hara"
    assert found == {content, f"when {content}"}


@pytest.mark.parametrize(
    ("question", "expected"),
    [("What is it?", "what is it"), ("", ""), ("What's the U-Bahn?", "what's u-bahn")],
)
def test_keywords_of_questions_with_few_words(question: str, expected: str) -> None:
    assert keywords(question, random.Random(1)) == expected


@given(st.text(max_size=80), st.integers(0, 1000))
def test_typos_slip_in_one_letter_of_twelve_at_most(question: str, seed: int) -> None:
    slipped = typos(question, random.Random(seed))
    slips = max(1, len(question) // 12)
    assert abs(len(slipped) - len(question)) <= slips
    if not any(a.isalpha() and b.isalpha() for a, b in pairwise(question)):
        assert slipped == question


def test_typos_change_letters_only() -> None:
    for seed in range(50):
        slipped = typos("In 1887, 12 km away?", random.Random(seed))
        assert [c for c in slipped if not c.isalpha()] == [
            c for c in "In 1887, 12 km away?" if not c.isalpha()
        ]
    assert len({typos(QUESTION, random.Random(seed)) for seed in range(50)}) > 40


def test_most_questions_stay_as_they_are() -> None:
    rng = random.Random(0)
    found = [restyled(QUESTION, rng) for _ in range(2000)]
    assert 0.78 < found.count(QUESTION) / 2000 < 0.88
    assert 0.03 < found.count(lower(QUESTION, rng)) / 2000 < 0.09
    assert sum(text.endswith("opened queen o'hara") for text in found) / 2000 == pytest.approx(0.06, abs=0.03)


@pytest.mark.parametrize("style", [lower, keywords, typos, restyled])
def test_styles_are_reproducible(style: Callable[[str, random.Random], str]) -> None:
    first, again = (
        [style(QUESTION, rng) for _ in range(30)] for rng in (random.Random("7"), random.Random("7"))
    )
    assert first == again


# Evidence


def spans(text: str, *parts: str) -> tuple[Span, ...]:
    return tuple((text.index(part), text.index(part) + len(part)) for part in parts)


def targets(text: str, *evidence: str, support: tuple[str, ...] = ()) -> dict[str, float]:
    given_passage = LabelledPassage(text=text, evidence=spans(text, *evidence), support=spans(text, *support))
    segments = TextSegmenter(language="en").segment(text)
    found = segment_targets(given_passage, segments)
    assert found.shape == (len(segments),)
    return {
        text[s.start : s.end].split("\n")[0]: float(value)
        for s, value in zip(segments, found, strict=True)
        if value
    }


def test_every_sentence_that_a_span_touches_is_evidence() -> None:
    text = "Tea is a drink. Milk is white. Rain is wet. Ice floats."
    assert targets(text, "Milk") == {"Milk is white.": 1.0}
    assert targets(text, "white. Rain") == {"Milk is white.": 1.0, "Rain is wet.": 1.0}
    assert targets(text, "Tea", "Ice floats.") == {"Tea is a drink.": 1.0, "Ice floats.": 1.0}
    assert targets(text) == {}


def test_a_sentence_that_evidence_refers_back_to_supports_it() -> None:
    text = "Rain fell. Ada Marsh was a chemist. She was born in Oslo. The end."
    assert targets(text, "Oslo") == {"Ada Marsh was a chemist.": SUPPORT, "She was born in Oslo.": 1.0}
    assert targets("She was born in Oslo. Rain fell.", "Oslo") == {"She was born in Oslo.": 1.0}
    # Not where the pronoun stands inside, nor is a word that begins like one a pronoun.
    assert targets("Rain fell. In Oslo she was born.", "Oslo") == {"In Oslo she was born.": 1.0}
    assert targets("Rain fell. Items come from Oslo.", "Oslo") == {"Items come from Oslo.": 1.0}


def test_what_introduces_evidence_supports_it() -> None:
    items = "You need:\n\n- a passport\n- two photos\n\nBring them."
    assert targets(items, "two photos") == {"You need:": SUPPORT, "- two photos": 1.0}
    table = "| Item | Price |\n|---|---|\n| Tea | 2 |\n| Milk | 1 |"
    assert targets(table, "Milk") == {"| Item | Price |": SUPPORT, "| Milk | 1 |": 1.0}
    headed = "# Opening hours\n\nWe open at nine. We close at five."
    assert targets(headed, "five") == {"# Opening hours": SUPPORT, "We close at five.": 1.0}


def test_named_support_counts_less_than_evidence_and_never_lowers_it() -> None:
    text = "Ada Marsh was a chemist. Rain fell. She was born in Oslo."
    assert targets(text, "Oslo", support=("Ada",)) == {
        "Ada Marsh was a chemist.": SUPPORT,
        "Rain fell.": SUPPORT,
        "She was born in Oslo.": 1.0,
    }
    assert targets(text, "Rain", "Oslo", support=("Rain fell. She",)) == {
        "Rain fell.": 1.0,
        "She was born in Oslo.": 1.0,
    }
    assert 0 < SUPPORT < 0.5


def test_the_evidence_of_nothing_is_nothing() -> None:
    assert segment_targets(LabelledPassage(text="", evidence=((0, 0),)), []).shape == (0,)


# Sources


def record(**fields: Any) -> dict[str, Any]:
    passages = [{"title": "Silver_Harbour", "text": "Ships come in. The harbour opened in 1887. It is deep."}]
    return {
        "id": "r1",
        "question": " When did it open? ",
        "passages": passages,
        "answers": ["1887"],
        **fields,
    }


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"answer_spans": [[0, 37, 41]], "gold": [0]}, ((37, 41),)),
        ({"evidence_sentences": [[0, 15, 42]], "answer_spans": [[0, 37, 41]]}, ((15, 42),)),
        ({"evidence_sentences": [], "answer_spans": [[0, 37, 41]]}, ((37, 41),)),
        ({"gold": [0]}, ((0, 54),)),
        ({"answer_spans": [[0, 37, 41], [0, 4, 8], [0, 37, 41]]}, ((4, 8), (37, 41))),
        ({"gold": []}, ()),
        ({}, ()),
    ],
)
def test_evidence_is_the_finest_label_that_there_is(labels: Any, expected: tuple[Span, ...]) -> None:
    (passage,) = labelled(record(**labels))
    assert passage.evidence == expected
    assert passage.title == "Silver Harbour"


def test_blank_passages_are_left_out_without_moving_evidence() -> None:
    passages = [{"title": "", "text": " \n"}, {"title": None, "text": "One."}, {"text": "Two."}]
    found = labelled({"passages": passages, "gold": [2]})
    assert [(p.text, p.title, bool(p.evidence)) for p in found] == [
        ("One.", None, False),
        ("Two.", None, True),
    ]


def source(name: str) -> Source:
    return next(source for source in SOURCES if source.name == name)


def examples(name: str, folder: Path, *records: dict[str, Any], seed: int = 0) -> list[Example]:
    subject = source(name)
    write_records(subject.file(folder), list(records))
    found = read_source(subject, folder, seed=seed)
    assert found == read_source(subject, folder, seed=seed)
    return found


# Titles on either side of the split, which is fixed for good.
KEPT, HELD = "Alpha", "Mu"


def test_the_split_is_fixed_by_name() -> None:
    assert not held_out(KEPT)
    assert held_out(HELD)
    assert held_out(f"  {HELD.upper()} ") == held_out(HELD)
    assert 0.14 < sum(held_out(f"Title {i}") for i in range(5000)) / 5000 < 0.16
    held_out("\ud800")


@pytest.mark.parametrize(
    ("passages", "name"),
    [
        ([{"title": "Alpha", "text": "One."}, {"title": "Alpha", "text": "Two."}], "Alpha"),
        ([{"title": "table", "text": "x" * 300}, {"title": "paragraph 1", "text": "Two."}], "x" * 200),
        ([{"title": "", "text": "One."}], "r1"),
        ([{"text": "One."}], "r1"),
        ([], "r1"),
    ],
)
def test_documents_are_told_apart_by_their_title_or_their_beginning(passages: Any, name: str) -> None:
    assert document_name({"id": "r1", "passages": passages}) == name


def test_squad_gives_questions_about_one_passage(tmp_path: Path) -> None:
    spans = {"answer_spans": [[0, 37, 41]], "gold": [0], "split": "train", "n_occ": 1}
    found = examples("squad11_train", tmp_path, record(**spans), record(id="r2", answers=[], gold=[]))
    assert [(e.id, e.source, e.question, e.answers) for e in found] == [
        ("r1", "squad11_train", "When did it open?", ("1887",))
    ]
    assert found[0].gold == list(found[0].passages)


def titled(title: str, **fields: Any) -> dict[str, Any]:
    passages = [{"title": title, "text": "Ships come in. The harbour opened in 1887. It is deep."}]
    return record(passages=passages, id=title, **fields)


def test_documents_held_out_for_measuring_are_never_read(tmp_path: Path) -> None:
    labels = {"evidence_sentences": [[0, 15, 42]], "answer_spans": [[0, 37, 41]], "gold": [0], "split": "dev"}
    both = [titled(KEPT, **labels), titled(HELD, **labels)]
    for name in ("qed_nq", "selqa_dev_test", "medquad", "doc2dial_val"):
        assert [e.id for e in examples(name, tmp_path, *both)] == [KEPT], name


def test_selqa_is_read_from_its_dev_split_only(tmp_path: Path) -> None:
    labels = {"evidence_sentences": [[0, 15, 42]], "gold": [0]}
    found = examples(
        "selqa_dev_test",
        tmp_path,
        titled(KEPT, **labels, split="test"),
        titled("Beta", **labels, split="dev"),
    )
    assert [e.id for e in found] == ["Beta"]
    assert found[0].gold[0].evidence == ((15, 42),)


def test_the_other_sections_of_a_document_are_the_distractors(tmp_path: Path) -> None:
    sections = [{"title": KEPT, "text": f"Section {i} is about thing {i}."} for i in range(9)]
    wide = record(passages=sections, gold=[2, 3, 4], answers=[], long_answer=True)
    bare = record(passages=sections, gold=[], answers=[], id="r2")
    (found,) = examples("medquad", tmp_path, wide, bare)
    assert len(found.passages) == 6
    assert len(found.gold) == 2
    assert {p.text for p in found.gold} <= {sections[i]["text"] for i in (2, 3, 4)}
    assert all(p.evidence == ((0, len(p.text)),) for p in found.gold)
    assert len({p.text for p in found.passages}) == 6
    assert found.source == "medquad"


def test_questions_of_a_conversation_come_with_its_last_turns(tmp_path: Path) -> None:
    sections = [{"title": KEPT, "text": "Renew it in May."}, {"title": KEPT, "text": "Pay at the desk."}]
    history = ["user: I lost my card", "agent: Do you have a photo?", "user: yes: two"]
    label = {"evidence_sentences": [[0, 0, 16]], "gold": [0], "passages": sections}
    long = {**label, "question": "When do I have to renew it?"}
    rows = [record(**long, history=history) | {"id": str(i)} for i in range(200)]
    found = [e.question for e in examples("doc2dial_val", tmp_path, *rows)]
    behind = "Do you have a photo? yes: two When do I have to renew it?"
    assert set(found) == {behind, "When do I have to renew it?"}
    assert 0.65 < found.count(behind) / 200 < 0.85
    alone = examples("doc2dial_val", tmp_path, record(**long, history=[]))
    assert [e.question for e in alone] == ["When do I have to renew it?"]
    short = [record(**label, question="When then?", history=history[:1]) | {"id": str(i)} for i in range(20)]
    assert {e.question for e in examples("doc2dial_val", tmp_path, *short)} == {"I lost my card When then?"}


def test_reports_come_with_their_table(tmp_path: Path) -> None:
    tables = [f" | 2019 | 201{i}\nFixed | 1 | {i}" for i in range(40)]
    kept = next(table for table in tables if not held_out(table[:200]))
    held = next(table for table in tables if held_out(table[:200]))

    def report(table: str, **fields: Any) -> dict[str, Any]:
        texts = [table, *(f"Paragraph {i} says {i} euros." for i in range(1, 9))]
        passages = [{"title": f"paragraph {i}", "text": text} for i, text in enumerate(texts)]
        return record(passages=passages, answer_spans=[[4, 17, 18]], gold=[4], **fields)

    (found,) = examples(
        "tatqa_text",
        tmp_path,
        report(kept, split="dev"),
        report(held, split="dev"),
        report(kept, split="test"),
    )
    assert [p.text for p in found.gold] == ["Paragraph 4 says 4 euros."]
    assert len(found.passages) == 6
    assert found.source == "tatqa_text"


def test_turns_of_a_meeting_are_joined_to_passages(tmp_path: Path) -> None:
    turns = [
        {"title": f"Speaker {i % 3}", "text": f"Turn {i}. " + "We talk and talk. " * 12} for i in range(30)
    ]
    train = record(passages=turns, gold=[7, 8, 20], answers=[], split="train")
    others = [
        record(passages=turns, gold=[1], split="val"),
        record(passages=turns, gold=[], split="train"),
        record(passages=turns * 5, gold=list(range(121)), split="train"),
    ]
    (found,) = examples("qmsum", tmp_path, train, *others)
    assert 1 <= len(found.gold) <= 2
    assert len(found.passages) == len(found.gold) + 4
    marked = [p.text[start:end] for p in found.gold for start, end in p.evidence]
    expected = {f"{turns[i]['title']}: {turns[i]['text']}" for i in (7, 8, 20)}
    assert marked
    assert set(marked) <= expected
    assert all(p.title is None and p.text.startswith("Speaker ") for p in found.passages)
    assert all("\nSpeaker " in p.text for p in found.passages)


def test_every_source_names_its_licence() -> None:
    assert len({s.name for s in SOURCES}) == len(SOURCES)
    assert all(s.licence for s in SOURCES)
    assert {s.name for s in SOURCES if s.composed} == {"squad11_train", "qed_nq"}


def test_the_development_data_reads_as_examples(shared_data: Path) -> None:
    for name in ("selqa_dev_test", "tatqa_text"):
        found = read_source(source(name), shared_data / "qa")
        assert len(found) > 500
        assert all(e.question and e.gold and e.source == name for e in found)
        for example in found[:200]:
            for p in example.gold:
                assert all(0 <= start < end <= len(p.text) for start, end in p.evidence)


# Distractors

GOLD = LabelledPassage(text="The harbour opened in 1887.", evidence=((0, 27),))
HARD = [LabelledPassage(text=f"Harbour {i} opened in 19{i:02}.") for i in range(10)]
POOL = [LabelledPassage(text=f"Cats number {i} sleep.") for i in range(30)]
ASKED = Example(id="1", source="s", question="When?", passages=(GOLD,), answers=("1887", ""))


def texts(example: Example) -> list[str]:
    return [passage.text for passage in example.passages]


def test_hard_and_easy_distractors_are_mixed_in_random_order() -> None:
    subject = Distractors({GOLD.text: HARD}, POOL, count=6, easy=1)
    found = [subject.added_to(ASKED, random.Random(seed)) for seed in range(30)]
    assert {len(e.passages) for e in found} == {6}
    assert {texts(e).index(GOLD.text) for e in found} == set(range(6))
    for e in found:
        assert e.gold == [GOLD]
        assert sum(text.startswith("Harbour") for text in texts(e)) == 4
        assert sum(text.startswith("Cats") for text in texts(e)) == 1
        assert (e.id, e.question, e.answers) == (ASKED.id, ASKED.question, ASKED.answers)
    assert subject.added_to(ASKED, random.Random(3)) == found[3]


def test_no_distractor_holds_an_answer_or_is_gold() -> None:
    telling = [LabelledPassage(text="It was 1887."), LabelledPassage(text=GOLD.text)]
    subject = Distractors({GOLD.text: [*telling, HARD[0]]}, telling, count=9, easy=5, fill=True)
    for seed in range(20):
        assert sorted(texts(subject.added_to(ASKED, random.Random(seed)))) == [HARD[0].text, GOLD.text]


def test_answers_are_found_in_any_case() -> None:
    example = Example(id="1", source="s", question="Who?", passages=(GOLD,), answers=("ada MARSH",))
    subject = Distractors({GOLD.text: [LabelledPassage(text="Then Ada Marsh came.")]}, [], count=3)
    assert texts(subject.added_to(example, random.Random(0))) == [GOLD.text]


def test_passages_with_most_words_of_a_long_answer_are_no_distractors() -> None:
    answer = "Ada Marsh, Tom Reed and Eve Stone"
    telling, other = (
        LabelledPassage(text="Reed, Tom; Marsh, Ada; Eve"),
        LabelledPassage(text="Tom and Eve sat."),
    )
    example = Example(id="1", source="s", question="Who?", passages=(GOLD,), answers=(answer,))
    found = Distractors({GOLD.text: [telling, other]}, [], count=3).added_to(example, random.Random(0))
    assert sorted(texts(found)) == sorted([GOLD.text, other.text])


def test_the_pool_fills_up_only_where_asked_to() -> None:
    few = {GOLD.text: HARD[:2]}
    filled = Distractors(few, POOL, count=8, easy=0, fill=True).added_to(ASKED, random.Random(0))
    assert len(filled.passages) == 8
    assert len(Distractors(few, POOL, count=8, easy=0).added_to(ASKED, random.Random(0)).passages) == 3
    assert len(Distractors({}, [], count=8, fill=True).added_to(ASKED, random.Random(0)).passages) == 1


def test_an_example_with_enough_passages_gets_none() -> None:
    full = Example(id="1", source="s", question="When?", passages=(GOLD, *HARD[:7]))
    found = Distractors({GOLD.text: HARD}, POOL, count=6, easy=2, fill=True).added_to(full, random.Random(0))
    assert sorted(texts(found)) == sorted(texts(full))


class Vectors:
    """Embeds a text as the count of its letters a and e."""

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        return np.array([[text.count("a"), text.count("e")] for text in texts], np.float32)


def test_half_of_the_hard_distractors_are_the_nearest_by_embedding() -> None:
    other = LabelledPassage(text="Another gold passage.")
    near = [LabelledPassage(text=f"{'e' * (20 + i)} {i}", title="e") for i in range(9)]
    subject = Distractors({GOLD.text: HARD, other.text: near}, POOL, count=6, easy=1).with_nearest(
        ["When?", "e", "When?"],
        encoder=Vectors(),  # type: ignore[arg-type]
        count=3,
    )
    found = [subject.added_to(ASKED, random.Random(seed)) for seed in range(30)]
    assert all(len(set(texts(e))) == 6 for e in found)
    nearest = {text for e in found for text in texts(e) if text.startswith("eee")}
    assert nearest == {p.text for p in near[-3:]}
    assert all(sum(text.startswith("eee") for text in texts(e)) == 2 for e in found)
    alone = Distractors({other.text: near}, [], count=9).with_nearest(["When?"], encoder=Vectors(), count=3)  # type: ignore[arg-type]
    assert len(alone.added_to(ASKED, random.Random(0)).passages) == 4


def test_no_distractor_comes_twice() -> None:
    subject = Distractors({GOLD.text: HARD[:2]}, [*POOL[:2], HARD[0]], count=6, easy=3, fill=True)
    for seed in range(30):
        found = texts(subject.added_to(ASKED, random.Random(seed)))
        assert len(found) == len(set(found))


def test_distractors_are_read_from_files(tmp_path: Path) -> None:
    rows = [
        {"pid": 0, "title": "Silver_Harbour", "text": GOLD.text},
        *({"pid": i, "title": "", "text": HARD[i].text} for i in range(1, 6)),
    ]
    passages = write_records(tmp_path / "passages.jsonl.gz", rows)
    negatives = write_records(
        tmp_path / "negatives.jsonl.gz",
        [
            {"id": "a", "set": "one", "pid": 0, "neg": [1, 2]},
            {"id": "b", "set": "one", "pid": 0, "neg": [2, 3]},
            {"id": "c", "set": "two", "pid": 0, "neg": [4]},
        ],
    )
    subject = Distractors.from_files(passages, negatives, sets=["one"], count=9, easy=0)
    found = subject.added_to(ASKED, random.Random(0))
    assert sorted(texts(found)) == sorted([GOLD.text, *(HARD[i].text for i in (1, 2, 3))])
    assert all(not p.evidence for p in found.passages if p != GOLD)


# Assembly

TOWNS = ["Varno", "Ulm", "Oslo", "Rome", "Lima", "Bern", "Cork", "Graz"]


def data_folder(folder: Path) -> Path:
    """A tiny one of every file that the shipped extractor is made from."""
    squad: list[dict[str, Any]] = []
    negatives: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    for i, town in enumerate(TOWNS):
        text = f"{town} is a town in the hills. The bridge at {town} was opened in 18{i + 10} by Ada Marsh."
        rows.append({"pid": i, "title": town, "text": text})
        at = text.index(f"18{i + 10}")
        for name in ("squad11_train", "squad11_dev"):
            negatives.append(
                {"id": f"{town}-{name}", "set": name, "pid": i, "neg": [(i + k) % 8 for k in range(1, 8)]}
            )
        squad.append(
            {
                "id": f"q{i}",
                "question": f"When was the bridge at {town} opened?",
                "passages": [{"title": town, "text": text}],
                "answers": [f"18{i + 10}"],
                "gold": [0],
                "answer_spans": [[0, at, at + 4]],
                "split": "train",
            }
        )
    label = {"evidence_sentences": [[0, 15, 42]], "gold": [0], "split": "dev"}
    table = next(text for i in range(99) if not held_out(text := f"a | {i} | {'b' * 50}"))
    parts = [{"title": "table", "text": table}, {"title": "paragraph 1", "text": "Sales rose."}]
    report = record(passages=parts, answer_spans=[[1, 0, 5]], gold=[1], split="dev")
    turns = [{"title": "A", "text": "We talk and talk. " * 30} for _ in range(6)]
    files = {
        "passages_wiki": rows,
        "hard_negatives": negatives,
        "squad11_train": squad,
        "squad11_dev": squad,
        "qed_nq": [titled(KEPT, **label)],
        "selqa_dev_test": [titled(KEPT, **label)],
        "medquad": [titled(KEPT, gold=[0])],
        "doc2dial_val": [titled(KEPT, **label, history=[])],
        "tatqa_text": [report],
        "qmsum": [record(passages=turns, gold=[1], split="train")],
    }
    for name, records in files.items():
        write_records(folder / f"{name}.jsonl.gz", records)
    return folder


def test_all_sources_are_assembled(tmp_path: Path) -> None:
    found, distractors = assemble(data_folder(tmp_path), seed=1)
    by_source = {s.name: [e for e in found if e.source == s.name] for s in SOURCES}
    assert {name: len(row) for name, row in by_source.items()} == {
        s.name: 8 if s.name == "squad11_train" else 1 for s in SOURCES
    }
    assert all(e.gold for e in found)
    example = distractors.added_to(by_source["squad11_train"][0], random.Random(0))
    assert len(example.passages) == 6
    assert len(example.gold) == 1
    assert assemble(tmp_path, seed=1)[0] == found


def test_missing_files_are_named_before_anything_is_read(tmp_path: Path) -> None:
    data_folder(tmp_path)
    for name in ("medquad", "hard_negatives"):
        (tmp_path / f"{name}.jsonl.gz").unlink()
    with pytest.raises(InputError, match=r"holds no hard_negatives\.jsonl\.gz, medquad\.jsonl\.gz\."):
        assemble(tmp_path)


def test_calibration_examples_stand_among_many_passages(tmp_path: Path) -> None:
    found = calibration_examples(data_folder(tmp_path), seed=2, limit=5, count=7)
    assert len(found) == 5
    assert len({e.id for e in found}) == 5
    for e in found:
        assert len(e.passages) == 7
        assert len(e.gold) == 1
        assert all(p.title for p in e.passages)
    assert calibration_examples(tmp_path, seed=2, limit=5, count=7) == found
    assert calibration_examples(tmp_path, seed=3, limit=5, count=7) != found
    (tmp_path / "squad11_dev.jsonl.gz").unlink()
    with pytest.raises(InputError, match="squad11_dev"):
        calibration_examples(tmp_path)
