"""Training of the extractor, on a tiny model and a toy task."""

import gzip
import json
import random
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs the extra 'train'")
pytest.importorskip("transformers", reason="training needs the extra 'train'")
pytest.importorskip("onnx", reason="training needs the extra 'train'")

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from cli_runner import lingua
from lingua_core import InputError, ModelError, PromptCompressor
from lingua_core.models.extractor_settings import ExtractorSettings, SecondLook
from lingua_core.models.onnx_extractor import OnnxExtractor
from lingua_core.models.pairs import Pair, PairWindow, pair_windows
from lingua_core.models.tokenization import load_tokenizer
from lingua_core.scorers import ExtractorScorer, Passage, ScoringTask
from lingua_core.segmentation import TextSegmenter
from lingua_core.training.data.distractors import Distractors
from lingua_core.training.data.evidence import SUPPORT
from lingua_core.training.data.examples import Example, LabelledPassage
from lingua_core.training.extractor import loss as loss_module
from lingua_core.training.extractor import pipeline
from lingua_core.training.extractor import reader as reader_module
from lingua_core.training.extractor.batches import make_batch
from lingua_core.training.extractor.calibration import FEWEST_EXAMPLES, calibrate
from lingua_core.training.extractor.export import export_extractor
from lingua_core.training.extractor.loss import batch_loss, segment_logits
from lingua_core.training.extractor.model import Extractor, make_encoder, pad
from lingua_core.training.extractor.pipeline import Material, read_examples, train_extractor
from lingua_core.training.extractor.reader import TorchReader
from lingua_core.training.extractor.restore import restore_extractor
from lingua_core.training.extractor.train import Progress, TrainingOptions, train
from lingua_core.training.platt import fit_platt
from lingua_core.weights import EXTRACTOR, ShippedModel

ANIMALS = "fox crow swan frog bear wolf deer hare mole lynx seal toad newt wren kite crab".split()
COLOURS = "red black white green brown grey".split()
FILLERS = ["Rain fell all day.", "Nobody came to see it.", "The market was closed.", "A train left late."]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
WORDS = sorted(
    {
        *ANIMALS,
        *COLOURS,
        *" ".join(FILLERS).lower().replace(".", "").split(),
        *"what colour is the . ?".split(),
    }
)
SIZES = {
    "vocab_size": len(SPECIAL) + len(WORDS),
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": 256,
}
OPTIONS = TrainingOptions(
    steps=12, questions=4, rate=2e-3, head_rate=1e-2, average=0.9, longest=128, checkpoint_every=4
)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Any:
    """Sums in one order only."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def tokenizer_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = {word: i for i, word in enumerate([*SPECIAL, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    file = tmp_path_factory.mktemp("toy") / "tokenizer.json"
    tokenizer.save(str(file))
    return file


@pytest.fixture(scope="module")
def tokenizer(tokenizer_file: Path) -> Tokenizer:
    return load_tokenizer(tokenizer_file)


def animal_example(number: int) -> Example:
    """A question about one of three animals; the sentence that names it is the evidence."""
    rng = random.Random(f"animal {number}")
    passages: list[LabelledPassage] = []
    animals = rng.sample(ANIMALS, 3)
    for animal in animals:
        fact = f"The {animal} is {rng.choice(COLOURS)}."
        sentences = [*rng.sample(FILLERS, 2), fact]
        rng.shuffle(sentences)
        text = " ".join(sentences)
        evidence = ((text.index(fact), text.index(fact) + len(fact)),) if animal == animals[0] else ()
        passages.append(LabelledPassage(text=text, evidence=evidence))
    rng.shuffle(passages)
    question = f"What colour is the {animals[0]}?"
    return Example(id=str(number), source="toy", question=question, passages=tuple(passages))


EXAMPLES = [animal_example(i) for i in range(60)]
NO_DISTRACTORS = Distractors({}, [], count=0)


def tiny(seed: int = 0) -> Extractor:
    torch.manual_seed(seed)
    return Extractor(make_encoder(**SIZES))


def trained_weights(
    folder: Path, tokenizer: Tokenizer, options: TrainingOptions = OPTIONS, **more: Any
) -> dict[str, Any]:
    model = train(tiny(), EXAMPLES, NO_DISTRACTORS, tokenizer, options, folder=folder, **more)
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.fixture(scope="module")
def losses() -> list[float]:
    """What the training of `trained` reports."""
    return []


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, tokenizer: Tokenizer, losses: list[float]) -> Extractor:
    options = replace(OPTIONS, steps=70, questions=8, checkpoint_every=1000)
    folder = tmp_path_factory.mktemp("trained")
    return train(
        tiny(), EXAMPLES[:40], NO_DISTRACTORS, tokenizer, options,
        folder=folder, report=lambda progress: losses.append(progress.loss),
    )  # fmt: skip


@pytest.fixture(scope="module")
def exported(trained: Extractor, tokenizer_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported")
    export_extractor(trained, tokenizer_file, folder)
    return folder


@pytest.fixture(scope="module")
def published(tokenizer_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny encoder's folder as one downloads it."""
    folder = tmp_path_factory.mktemp("published")
    torch.manual_seed(5)
    make_encoder(**SIZES).save_pretrained(folder)  # type: ignore[operator]
    (folder / "tokenizer.json").write_bytes(tokenizer_file.read_bytes())
    return folder


def windows_of(examples: Sequence[Example], tokenizer: Tokenizer, *, longest: int = 256) -> list[PairWindow]:
    segmenter = TextSegmenter()
    pairs = [
        Pair(question=e.question, title=None, text=p.text, segments=segmenter.segment(p.text))
        for e in examples
        for p in e.passages
    ]
    return pair_windows(tokenizer, pairs, longest=longest)


# Batches


def test_a_batch_says_what_is_evidence(tokenizer: Tokenizer) -> None:
    batch = make_batch(EXAMPLES[:5], tokenizer, random.Random(1), longest=256)
    assert (batch.questions, len(batch.windows)) == (5, 15)
    assert batch.window_question.tolist() == [i // 3 for i in range(15)]
    assert batch.window_target.tolist() == [float(bool(p.evidence)) for e in EXAMPLES[:5] for p in e.passages]
    assert (batch.segment_target == 1).sum() == 5
    assert batch.segment_question.tolist() == [w // 3 for w in batch.segment_window.tolist()]
    names = [tokenizer.id_to_token(i) for i in range(tokenizer.get_vocab_size())]
    for segment in range(len(batch.segment_target)):
        own = batch.token_segment == segment
        (window,) = set(batch.token_window[own].tolist())
        assert window == batch.segment_window[segment]
        ids = [batch.windows[window].ids[p] for p in batch.token_position[own].tolist()]
        text = " ".join(names[i] for i in ids)
        asked = EXAMPLES[window // 3].question.rstrip("?").split()[-1]
        target = float(batch.segment_target[segment])
        assert (target == 1) == (f"the {asked} is" in text), text
        assert target in (0.0, SUPPORT, 1.0)


def test_of_a_long_passage_one_window_is_taken_with_evidence_if_there_is_some(tokenizer: Tokenizer) -> None:
    fact = "The fox is red."
    text = " ".join([*FILLERS * 20, fact, *FILLERS * 20])
    gold = LabelledPassage(text=text, evidence=((text.index(fact), text.index(fact) + len(fact)),))
    plain = LabelledPassage(text=" ".join(FILLERS * 30))
    example = Example(id="1", source="toy", question="What colour is the fox?", passages=(gold, plain))
    for seed in range(8):
        batch = make_batch([example], tokenizer, random.Random(seed), longest=128)
        assert batch.window_target.tolist() == [1.0, 0.0]
        assert all(len(w.ids) <= 128 for w in batch.windows)


def test_passages_without_tokens_are_left_out(tokenizer: Tokenizer) -> None:
    example = replace(EXAMPLES[0], passages=(*EXAMPLES[0].passages, LabelledPassage(text=" \n")))
    batch = make_batch([example], tokenizer, random.Random(0), longest=256)
    assert len(batch.windows) == 3


def test_questions_with_known_evidence_are_read_with_it(tokenizer: Tokenizer) -> None:
    example = replace(EXAMPLES[0], known="The crow is black.")
    batch = make_batch([example], tokenizer, random.Random(0), longest=256)
    sep = tokenizer.token_to_id("[SEP]")
    assert all(w.ids.count(sep) == 3 for w in batch.windows)
    # Now and then a first look's mistake is there.
    misled = sum(
        w.ids.count(sep) == 3
        for seed in range(100)
        for w in make_batch(EXAMPLES[:1], tokenizer, random.Random(seed), longest=256).windows[:1]
    )
    assert 1 <= misled <= 25


def test_lone_surrogates_do_not_stop_training(tokenizer: Tokenizer) -> None:
    passage = LabelledPassage(text="The \ud800 fox.", title="\udfff", evidence=((0, 5),))
    example = Example(id="1", source="toy", question="fox \ud800?", known="\ud800", passages=(passage,))
    assert make_batch([example], tokenizer, random.Random(0), longest=256).window_target.tolist() == [1.0]


# Model and loss


def test_padding_does_not_change_what_the_model_says(tokenizer: Tokenizer) -> None:
    model = tiny().eval()
    windows = windows_of([EXAMPLES[0]], tokenizer)
    windows[1] = windows[1]._replace(ids=windows[1].ids[:12])
    with torch.inference_mode():
        together = model(pad(windows))
        for i, window in enumerate(windows):
            for depth, alone in zip(together, model(pad([window])), strict=True):
                own = depth.keep[i, : len(window.ids)]
                torch.testing.assert_close(own, alone.keep[0], atol=1e-5, rtol=1e-4)
                torch.testing.assert_close(depth.relevance[i], alone.relevance[0], atol=1e-5, rtol=1e-4)


def test_the_attention_is_that_of_transformers(tokenizer: Tokenizer) -> None:
    model = tiny().eval()
    padded = pad(windows_of(EXAMPLES[:1], tokenizer))
    with torch.inference_mode():
        ours = model(padded)
        model.encoder.set_attn_implementation("eager")  # type: ignore[operator]
        theirs = model(padded)
    for mine, other in zip(ours, theirs, strict=True):
        real = padded.mask.bool()
        torch.testing.assert_close(mine.keep[real], other.keep[real], atol=1e-5, rtol=1e-4)


def test_question_and_passage_are_told_apart(tokenizer: Tokenizer) -> None:
    padded = pad(windows_of(EXAMPLES[:1], tokenizer))
    window = windows_of(EXAMPLES[:1], tokenizer)[0]
    assert padded.types[0].tolist() == [int(i >= window.question) for i in range(padded.types.shape[1])]
    model = tiny().eval()
    with torch.inference_mode():
        one, other = model(padded)[1], model(padded._replace(types=1 - padded.types))[1]
    assert not torch.allclose(one.relevance, other.relevance)


def test_a_segments_logit_is_its_tokens_mean_and_its_windows_relevance(tokenizer: Tokenizer) -> None:
    batch = make_batch(EXAMPLES[:2], tokenizer, random.Random(0), longest=256)
    tokens = torch.randn(len(batch.token_segment))
    relevance = torch.randn(len(batch.windows))
    found = segment_logits(batch, tokens, relevance)
    for i in range(len(found)):
        expected = tokens[batch.token_segment == i].mean() + relevance[batch.segment_window[i]]
        torch.testing.assert_close(found[i], expected)


def test_the_loss_does_not_depend_on_how_a_batch_is_divided(
    tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny()
    batch = make_batch(EXAMPLES[:4], tokenizer, random.Random(0), longest=256)
    whole = batch_loss(model, batch)
    monkeypatch.setattr(loss_module, "_TOKENS_A_PART", 60)
    torch.testing.assert_close(batch_loss(model, batch), whole, atol=1e-4, rtol=1e-4)
    assert torch.isfinite(whole)


def test_a_question_without_evidence_has_a_finite_loss(tokenizer: Tokenizer) -> None:
    passages = tuple(replace(p, evidence=()) for p in EXAMPLES[0].passages)
    batch = make_batch([replace(EXAMPLES[0], passages=passages)], tokenizer, random.Random(0), longest=256)
    model = tiny()
    loss = batch_loss(model, batch)
    loss.backward()
    assert torch.isfinite(loss)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_nothing_is_dropped_out_while_training() -> None:
    assert {m.p for m in tiny().train().modules() if isinstance(m, torch.nn.Dropout)} == {0.0}


# The loop


def test_the_loss_goes_down(trained: Extractor, losses: list[float]) -> None:
    assert len(losses) == 70
    assert np.isfinite(losses).all()
    assert np.mean(losses[-10:]) < 0.75 * np.mean(losses[:5])
    assert not trained.training


def best_texts(scorer: ExtractorScorer, examples: Sequence[Example]) -> list[tuple[str, str]]:
    """Of each example, the sentence that scores best, and the evidence."""
    segmenter = TextSegmenter()
    found: list[tuple[str, str]] = []
    for e in examples:
        passages = [Passage(text=p.text, title=None, segments=segmenter.segment(p.text)) for p in e.passages]
        (scores,) = scorer.score([ScoringTask(query=e.question, passages=passages)])
        best = max(
            (float(keep), p.text[s.start : s.end])
            for p, row in zip(passages, scores, strict=True)
            for s, keep in zip(p.segments, row.keep, strict=True)
        )
        (gold,) = e.gold
        found.append((best[1], gold.text[slice(*gold.evidence[0])]))
    return found


def test_what_was_learnt_holds_for_new_questions(trained: Extractor, exported: Path) -> None:
    scorer = ExtractorScorer(exported, reader=TorchReader(trained), settings=ExtractorSettings())
    pairs = best_texts(scorer, EXAMPLES[40:])
    # No filler is taken for an answer any more.
    assert np.mean([" is " in found for found, _ in pairs]) > 0.9


def test_training_is_reproducible_and_goes_on_where_it_was_interrupted(
    tmp_path: Path, tokenizer: Tokenizer
) -> None:
    reported: list[Progress] = []
    whole = trained_weights(tmp_path / "whole", tokenizer, report=reported.append)
    assert [p.step for p in reported] == list(range(1, 13))

    def interrupt(progress: Progress) -> None:
        if progress.step == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained_weights(tmp_path / "part", tokenizer, report=interrupt)
    resumed: list[Progress] = []
    model = train(
        tiny(),
        EXAMPLES,
        NO_DISTRACTORS,
        tokenizer,
        OPTIONS,
        folder=tmp_path / "part",
        report=resumed.append,
    )
    assert resumed == reported[4:]
    assert model.state_dict().keys() == whole.keys()
    for name, value in model.state_dict().items():
        assert torch.equal(value, whole[name]), name
    assert not list((tmp_path / "part").glob("*.unfinished"))


def test_a_finished_run_is_not_trained_again(tmp_path: Path, tokenizer: Tokenizer) -> None:
    options = replace(OPTIONS, steps=2)
    first = trained_weights(tmp_path, tokenizer, options)

    def fail(progress: Progress) -> None:
        raise AssertionError(progress)

    again = trained_weights(tmp_path, tokenizer, options, report=fail)
    assert all(torch.equal(value, again[name]) for name, value in first.items())


def test_another_seed_trains_another_model(tmp_path: Path, tokenizer: Tokenizer) -> None:
    options = replace(OPTIONS, steps=2)
    one, other = (
        trained_weights(tmp_path / str(seed), tokenizer, replace(options, seed=seed)) for seed in (0, 1)
    )
    assert not all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_training_runs_on_a_gpu(tmp_path: Path, tokenizer: Tokenizer) -> None:
    model = train(tiny(), EXAMPLES, NO_DISTRACTORS, tokenizer, OPTIONS, folder=tmp_path)
    assert next(model.parameters()).is_cuda


# Export, and back


@pytest.mark.parametrize("cutoff", [-np.inf, np.inf])
def test_the_exported_model_says_what_the_torch_model_says(
    trained: Extractor, exported: Path, tokenizer: Tokenizer, cutoff: float
) -> None:
    windows = windows_of(EXAMPLES[40:], tokenizer)
    expected = TorchReader(trained).read(windows, cutoff=cutoff)
    found = OnnxExtractor(exported, threads=1).read(windows, cutoff=cutoff)
    assert {r.left_early for r in found} == {r.left_early for r in expected} == {cutoff > 0}
    for a, b in (
        (np.concatenate([r.keep for r in found]), np.concatenate([r.keep for r in expected])),
        (np.array([r.relevance for r in found]), np.array([r.relevance for r in expected])),
    ):
        assert a.shape == b.shape
        assert np.corrcoef(a, b)[0, 1] > 0.995
        assert np.abs(a - b).max() < 0.05 * max(1.0, float(np.ptp(b)))


def test_the_exported_files_are_whole_and_reproducible(
    trained: Extractor, exported: Path, tokenizer_file: Path, tmp_path: Path
) -> None:
    export_extractor(trained, tokenizer_file, tmp_path / "new" / "folder")
    names = ["lower.onnx", "tokenizer.json", "upper.onnx"]
    assert sorted(file.name for file in (tmp_path / "new" / "folder").iterdir()) == names
    for name in names:
        assert (tmp_path / "new" / "folder" / name).read_bytes() == (exported / name).read_bytes()


def test_readers_give_every_window_its_own_in_input_order(
    trained: Extractor, exported: Path, tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    windows = windows_of(EXAMPLES[40:46], tokenizer)
    onnx = OnnxExtractor(exported, threads=3)
    whole = TorchReader(trained).read(windows)
    monkeypatch.setattr(reader_module, "_TOKENS_A_PART", 50)
    for reader in (onnx, TorchReader(trained)):
        together = reader.read(windows)
        for window, reading in zip(windows, together, strict=True):
            (alone,) = reader.read([window])
            np.testing.assert_allclose(reading.keep, alone.keep, atol=1e-4)
            assert len(reading.keep) == len(window.owners)
        assert reader.read([]) == []
    for one, other in zip(whole, TorchReader(trained).read(windows), strict=True):
        np.testing.assert_allclose(one.keep, other.keep, atol=1e-4)
    rough = TorchReader(trained, low_precision=True).read(windows)
    assert [r.relevance for r in rough] == pytest.approx([r.relevance for r in whole], abs=0.5)


def onnx_bytes(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in ("lower.onnx", "upper.onnx", "tokenizer.json")]


def test_a_restored_model_is_exported_to_the_same_bytes(exported: Path, tmp_path: Path) -> None:
    restored = restore_extractor(exported)
    assert restored.exit_layer == 3
    export_extractor(restored, exported / "tokenizer.json", tmp_path)
    assert onnx_bytes(tmp_path) == onnx_bytes(exported)


def test_the_embedded_extractor_can_be_restored(tmp_path: Path) -> None:
    export_extractor(restore_extractor(EXTRACTOR.folder), EXTRACTOR.folder / "tokenizer.json", tmp_path)
    assert onnx_bytes(tmp_path) == onnx_bytes(EXTRACTOR.folder)


@pytest.mark.parametrize("damaged", [None, b"", b"no model"])
def test_what_cannot_be_restored_is_a_clear_error(
    exported: Path, tmp_path: Path, damaged: bytes | None
) -> None:
    if damaged is not None:
        (tmp_path / "lower.onnx").write_bytes(damaged)
        (tmp_path / "upper.onnx").write_bytes((exported / "upper.onnx").read_bytes())
    with pytest.raises(ModelError, match=r"holds no extractor|cannot be read"):
        restore_extractor(tmp_path)


def test_another_onnx_model_cannot_be_restored(exported: Path, tmp_path: Path) -> None:
    for name in ("lower.onnx", "upper.onnx"):
        (tmp_path / name).write_bytes((exported / "upper.onnx").read_bytes())
    with pytest.raises(ModelError, match="holds no extractor that can be trained further"):
        restore_extractor(tmp_path)


def test_a_published_encoder_starts_a_training(published: Path) -> None:
    model = Extractor.start(published)
    assert model.exit_layer == 3
    torch.manual_seed(5)
    for name, value in make_encoder(**SIZES).state_dict().items():
        assert torch.equal(model.encoder.state_dict()[name], value), name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "roberta"}, "Only BERT encoders can be exported, got model_type='roberta'"),
        ({"hidden_act": "relu"}, "Only hidden_act='gelu' can be exported, got 'relu'"),
        ({"num_hidden_layers": 3}, "needs more than 3 layers, got 3"),
        ({"hidden_size": 16}, "holds no BERT-style model"),
        (None, "holds no BERT-style model"),
        ("model.safetensors", "holds no BERT-style model"),
        ("config.json", "holds no BERT-style model"),
    ],
)
def test_what_training_cannot_start_from_is_a_clear_error(
    published: Path, tmp_path: Path, change: dict[str, Any] | str | None, message: str
) -> None:
    for file in published.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    if isinstance(change, dict):
        config = json.loads((tmp_path / "config.json").read_text()) | change
        (tmp_path / "config.json").write_text(json.dumps(config))
    elif change:
        (tmp_path / change).write_text("{broken")
    with pytest.raises(InputError, match=message):
        Extractor.start(tmp_path if change else tmp_path / "nowhere")


# Calibration


def sigmoid(x: float) -> float:
    return 1 / (1 + float(np.exp(-x)))


def test_platt_scaling_meets_the_smoothed_rates_of_two_groups() -> None:
    # With two logits only, the fit passes through the mean target of each.
    logits = np.array([0.0] * 10 + [2.0] * 20)
    labels = np.array([True] * 2 + [False] * 8 + [True] * 15 + [False] * 5)
    yes, no = (17 + 1) / (17 + 2), 1 / (13 + 2)
    scale, offset = fit_platt(logits, labels)
    assert sigmoid(offset) == pytest.approx((2 * yes + 8 * no) / 10, abs=1e-6)
    assert sigmoid(2 * scale + offset) == pytest.approx((15 * yes + 5 * no) / 20, abs=1e-6)


def test_platt_scaling_finds_back_what_made_the_labels() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, 40_000)
    labels = rng.random(40_000) < 1 / (1 + np.exp(-(0.6 * logits - 1.5)))
    assert fit_platt(logits, labels) == pytest.approx((0.6, -1.5), abs=0.05)


@pytest.mark.parametrize(
    "labels", [[False] * 5 + [True] * 5, [True] * 5 + [False] * 5, [True] * 10, [False] * 10]
)
def test_platt_scaling_of_separable_data_stays_finite(labels: list[bool]) -> None:
    scale, offset = fit_platt(np.arange(10.0) - 5, np.array(labels))
    assert np.isfinite([scale, offset]).all()
    assert abs(scale) < 20
    if labels[0] != labels[-1]:
        assert (scale > 0) == labels[-1]


def test_calibration_keeps_the_evidence_and_saves_its_settings(exported: Path, tmp_path: Path) -> None:
    for file in exported.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    look = SecondLook(segments=1, weight=2.5)
    held = EXAMPLES[36:]
    found = calibrate(tmp_path, held, second_look=look, threads=1)
    assert ExtractorSettings.load(tmp_path) == found
    assert found.second_look == look
    assert found.scale > 0
    assert found.relevance_scale > 0
    scorer = ExtractorScorer(tmp_path, threads=1)
    segmenter = TextSegmenter()
    kept = everything = 0
    for e in held:
        passages = [Passage(text=p.text, title=None, segments=segmenter.segment(p.text)) for p in e.passages]
        (scores,) = scorer.score([ScoringTask(query=e.question, passages=passages)])
        for p, row in zip(e.passages, scores, strict=True):
            start = p.evidence[0][0] if p.evidence else -1
            assert (
                start not in row.starts or row.keep[list(row.starts).index(start)] >= found.threshold - 1e-4
            )
            kept += int((row.keep >= found.threshold).sum())
            everything += len(row.keep)
    assert kept < everything
    # No passage with evidence leaves early.
    tasks = [
        ScoringTask(
            query=e.question,
            passages=[Passage(text=p.text, title=None, segments=segmenter.segment(p.text)) for p in e.gold],
        )
        for e in held
    ]
    assert not any(look.left_early for row in scorer.logits(tasks) for look in row)


def test_what_leaves_early_is_mapped_to_what_the_whole_model_says(tmp_path: Path) -> None:
    for file in EXTRACTOR.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    chaff = tuple(LabelledPassage(text=f"{word} {i} slept.") for i in range(4) for word in ("Cats", "Owls"))
    held = [replace(e, passages=(*e.passages, *chaff)) for e in EXAMPLES[36:]]
    found = calibrate(tmp_path, held, second_look=None, early_exit=True, threads=1)
    assert found.early_exit is not None
    segmenter = TextSegmenter()
    tasks = [
        ScoringTask(
            query=e.question,
            passages=[
                Passage(text=p.text, title=None, segments=segmenter.segment(p.text)) for p in e.passages
            ],
        )
        for e in held
    ]
    mapped = ExtractorScorer(tmp_path, threads=1).logits(tasks)
    whole = ExtractorScorer(tmp_path, threads=1, settings=replace(found, early_exit=None)).logits(tasks)
    pairs = [(m, w) for a, b in zip(mapped, whole, strict=True) for m, w in zip(a, b, strict=True)]
    leavers = [(m, w) for m, w in pairs if m.left_early]
    assert len(leavers) >= 50
    assert all(m.relevance == w.relevance for m, w in pairs if not m.left_early)
    for off in (
        np.concatenate([m.segments - w.segments for m, w in leavers]),
        np.array([m.relevance - w.relevance for m, w in leavers]),
    ):
        assert abs(off.mean()) < 1e-3  # least squares
    for examples, wanted in ((EXAMPLES[36:56], True), (held, False)):
        again = calibrate(tmp_path, examples, second_look=None, early_exit=wanted, threads=1)
        assert again.early_exit is None


def test_calibration_needs_examples_with_evidence(exported: Path) -> None:
    bare = [replace(e, passages=tuple(replace(p, evidence=()) for p in e.passages)) for e in EXAMPLES[:30]]
    few = EXAMPLES[: FEWEST_EXAMPLES - 1]
    for examples in ([], few, [*few, *bare]):
        with pytest.raises(
            InputError, match=f"at least 20 examples with evidence, got {len(examples) and 19}"
        ):
            calibrate(exported, examples, second_look=None)
    assert not (exported / "extractor.json").exists()


# A user's examples


def line(**fields: Any) -> dict[str, Any]:
    passages = [{"title": "Fox", "text": "Rain fell. The fox is red."}, {"text": "Nobody came."}]
    return {"question": "What colour is the fox?", "passages": passages, "evidence": [[0, 11, 26]], **fields}


def written(file: Path, *lines: Any) -> Path:
    opened = gzip.open if file.suffix == ".gz" else open
    with opened(file, "wt", encoding="utf-8") as out:
        out.writelines(text if isinstance(text, str) else json.dumps(text) + "\n" for text in lines)
    return file


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in line().items() if name != key}


@pytest.mark.parametrize("name", ["own.jsonl", "own.jsonl.gz"])
def test_examples_are_read_from_json_lines(tmp_path: Path, name: str) -> None:
    file = written(
        tmp_path / name,
        line(answers=["red"], id="first"),
        "\n",
        without("evidence") | {"answer_spans": [[0, 22, 25]]},
        without("evidence") | {"gold": [1]},
        line(evidence=[]),
        line(evidence=[], gold=[0], answer_spans=[[0, 0, 4]]),
    )
    found = read_examples(file)
    assert [[p.evidence for p in e.passages] for e in found] == [
        [((11, 26),), ()],
        [((22, 25),), ()],
        [(), ((0, 12),)],
        [(), ()],
        [(), ()],
    ]
    assert [e.id for e in found] == ["first", "2", "3", "4", "5"]
    assert found[0].answers == ("red",)
    assert [p.title for p in found[0].passages] == ["Fox", None]
    assert {e.source for e in found} == {name}


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (without("question"), "needs 'question'"),
        (line(question=None), "needs 'question'"),
        (line(passages="text"), "'passages' \\(a list\\)"),
        (line(passages=["text"]), "needs 'text'"),
        (line(passages=[{"title": "x"}]), "needs 'text'"),
        (line(passages=[{"text": None}]), "needs 'text'"),
        (line(passages=[{"text": "x", "title": 3}]), "perhaps 'title'"),
        (without("evidence"), "says nothing about evidence"),
        (line(evidence="all"), "needs a list as 'evidence'"),
        (line(evidence=[[0, 11]]), "is no \\[passage, start, end\\] inside its 2 passages"),
        (line(evidence=[0, 11, 26]), "0 in 'evidence' is no"),
        (line(evidence=[[2, 0, 4]]), "is no \\[passage"),
        (line(evidence=[[-1, 0, 4]]), "is no \\[passage"),
        (line(evidence=[[0, 5, 5]]), "is no \\[passage"),
        (line(evidence=[[0, 11, 27]]), "is no \\[passage"),
        (line(evidence=[["0", "11", "26"]]), "is no \\[passage"),
        (line(evidence=[[0, 1.5, 2.5]]), "is no \\[passage"),
        (line(evidence=[[0, None, 3]]), "is no \\[passage"),
        (without("evidence") | {"answer_spans": [[0, 90, 99]]}, "in 'answer_spans' is no"),
        (without("evidence") | {"gold": [2]}, "2 in 'gold' is no passage inside its 2 passages"),
        (without("evidence") | {"gold": [-1]}, "-1 in 'gold'"),
        (without("evidence") | {"gold": ["0"]}, "'0' in 'gold'"),
        (line(answers="red"), "needs a list as 'answers'"),
        (line(answers=[3]), "needs texts as 'answers'"),
        (["a", "list"], "is no JSON object"),
    ],
)
def test_bad_examples_are_named_in_a_clear_error(tmp_path: Path, bad: Any, message: str) -> None:
    with pytest.raises(InputError, match=rf"Example 2 of .*own\.jsonl'.*{message}"):
        read_examples(written(tmp_path / "own.jsonl", line(), bad, line()))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "holds no example with evidence"),
        ([line(evidence=[])], "holds no example with evidence"),
        ([line(passages=[]) | {"evidence": []}], "holds no example with evidence"),
        ([line(), "{broken\n"], "Line 2 of .* is no JSON"),
        (None, "cannot be read as JSON lines"),
    ],
)
def test_files_without_examples_are_a_clear_error(tmp_path: Path, lines: Any, message: str) -> None:
    file = tmp_path / "own.jsonl"
    with pytest.raises(InputError, match=message):
        read_examples(file if lines is None else written(file, *lines))


def record(example: Example) -> dict[str, Any]:
    return {
        "question": example.question,
        "passages": [{"text": p.text} for p in example.passages],
        "evidence": [[i, *span] for i, p in enumerate(example.passages) for span in p.evidence],
    }


def numbered(count: int) -> list[dict[str, Any]]:
    """Records with different questions, of which a tenth is held out by a hash."""
    return [
        {**record(animal_example(i)), "question": f"{animal_example(i).question[:-1]} {i}?"}
        for i in range(count)
    ]


def test_other_examples_passages_become_distractors_without_their_evidence(tmp_path: Path) -> None:
    material = Material.own(written(tmp_path / "own.jsonl", *numbered(30)), seed=0)
    assert (len(material.examples), material.calibration) == (30, [])
    example = material.examples[0]
    found = material.distractors.added_to(replace(example, passages=tuple(example.gold)), random.Random(0))
    assert len(found.passages) > 1
    assert found.gold == example.gold


def test_a_tenth_is_held_out_if_that_is_enough(tmp_path: Path) -> None:
    file = written(tmp_path / "own.jsonl", *numbered(330))
    material = Material.own(file, seed=0)
    assert len(material.examples) + len(material.calibration) == 330
    assert FEWEST_EXAMPLES <= len(material.calibration) < 60
    learnt = {e.question for e in material.examples}
    assert not any(e.question in learnt for e in material.calibration)
    assert all(len(e.passages) > 3 and len(e.gold) == 1 for e in material.calibration)
    assert Material.own(file, seed=0).calibration == material.calibration


def test_examples_without_evidence_do_not_count_for_calibration(tmp_path: Path) -> None:
    rows = [row | {"evidence": row["evidence"] if i % 3 == 0 else []} for i, row in enumerate(numbered(330))]
    assert Material.own(written(tmp_path / "own.jsonl", *rows), seed=0).calibration == []


# The whole way


def material(calibration: int = 20) -> Material:
    return Material(
        examples=EXAMPLES[:40], distractors=NO_DISTRACTORS, calibration=EXAMPLES[40:][:calibration]
    )


def test_from_examples_to_a_compressor(published: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    reported: list[Progress] = []
    found = train_extractor(
        material(), out, replace(OPTIONS, steps=25), start=published, report=reported.append
    )
    assert len(reported) == 25
    assert sorted(file.name for file in out.iterdir()) == [
        "extractor.json", "lower.onnx", "tokenizer.json", "upper.onnx",
    ]  # fmt: skip
    compressor = PromptCompressor(model=out)
    result = compressor.compress([p.text for p in EXAMPLES[50].passages], EXAMPLES[50].question)
    assert result.budget.value == found.threshold == ExtractorSettings.load(out).threshold
    (gold,) = EXAMPLES[50].gold
    assert gold.text[slice(*gold.evidence[0])] in result.text
    # The same again gives the same files.
    train_extractor(material(), tmp_path / "again", replace(OPTIONS, steps=25), start=published)
    assert onnx_bytes(tmp_path / "again") == onnx_bytes(out)


def test_too_few_examples_to_calibrate_are_an_error_before_anything_is_trained(
    published: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="at least 20 held-out examples, got 19"):
        train_extractor(material(19), tmp_path / "out", OPTIONS, start=published)
    assert not (tmp_path / "out").exists()


@pytest.fixture
def embedded(exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The tiny model in the place of the one in the package."""
    folder = tmp_path / "embedded"
    folder.mkdir()
    for name in ("lower.onnx", "upper.onnx", "tokenizer.json"):
        (folder / name).write_bytes((exported / name).read_bytes())
    ExtractorSettings(scale=0.5, threshold=0.03).save(folder)
    monkeypatch.setattr(pipeline, "EXTRACTOR", ShippedModel(name="tiny", folder=folder))
    return folder


def test_the_embedded_extractor_is_trained_further_and_keeps_its_calibration(
    embedded: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out"
    found = train_extractor(material(0), out, replace(OPTIONS, steps=3))
    assert found == ExtractorSettings.load(out) == ExtractorSettings.load(embedded)
    assert "calibration is that of the model trained further" in caplog.text
    assert onnx_bytes(out) != onnx_bytes(embedded)
    calibrated = train_extractor(material(), tmp_path / "more", replace(OPTIONS, steps=3), second_look=None)
    assert calibrated != found
    assert calibrated.second_look is None


def test_an_extractor_of_ones_own_can_be_trained_further(embedded: Path, tmp_path: Path) -> None:
    own = tmp_path / "own"
    shutil.copytree(embedded, own)
    options = replace(OPTIONS, steps=3)
    train_extractor(material(0), tmp_path / "one", options, start=own)
    train_extractor(material(0), tmp_path / "other", options)
    assert onnx_bytes(tmp_path / "one") == onnx_bytes(tmp_path / "other")


def test_an_interrupted_run_is_taken_up_and_cleaned_away(embedded: Path, tmp_path: Path) -> None:
    def interrupt(progress: Progress) -> None:
        if progress.step == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_extractor(material(0), tmp_path / "part", OPTIONS, report=interrupt)
    assert [file.name for file in (tmp_path / "part" / "training").iterdir()] == ["checkpoint.pt"]
    steps: list[int] = []
    train_extractor(material(0), tmp_path / "part", OPTIONS, report=lambda p: steps.append(p.step))
    assert steps == list(range(5, 13))
    assert not (tmp_path / "part" / "training").exists()
    train_extractor(material(0), tmp_path / "whole", OPTIONS)
    assert onnx_bytes(tmp_path / "part") == onnx_bytes(tmp_path / "whole")


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path, tokenizer: Tokenizer) -> None:
    def run(model: Extractor, examples: Sequence[Example], **other: Any) -> None:
        train(model, examples, NO_DISTRACTORS, tokenizer, replace(OPTIONS, **other), folder=tmp_path)

    run(tiny(), EXAMPLES)
    file = tmp_path / "checkpoint.pt"
    made = file.read_bytes()
    with pytest.raises(InputError, match=r"another run: rate 0.002 there, 0.01 here; seed 0 there, 3 here"):
        run(tiny(), EXAMPLES, rate=0.01, seed=3)
    with pytest.raises(InputError, match=r"another run: examples .*Give the command it was made with"):
        run(tiny(), EXAMPLES[1:])
    other = tiny()
    torch.nn.init.ones_(next(other.parameters()))
    with pytest.raises(InputError, match="another run: first weights"):
        run(other, EXAMPLES)
    assert file.read_bytes() == made
    run(tiny(), EXAMPLES, checkpoint_every=1)  # how often to save changes nothing
    file.write_bytes(made[: len(made) // 2])
    with pytest.raises(InputError, match="cannot be read"):
        run(tiny(), EXAMPLES)


# `lingua train extractor`


def test_the_command_trains_a_users_examples(published: Path, tmp_path: Path) -> None:
    data, out = written(tmp_path / "own.jsonl.gz", *numbered(330)), tmp_path / "out"
    arguments = ["--out", out, "--start", published, "--steps", "4", "--questions", "4", "--seed", "3"]
    result = lingua("train", "extractor", data, *map(str, arguments))
    assert result.exit_code == 0, result.stderr
    settings = ExtractorSettings.load(out)
    assert result.stdout == f"path       {out}\nthreshold  {settings.threshold:g}\n"
    assert "held out for calibration, 4 steps" in result.stderr
    assert isinstance(PromptCompressor(model=out).scorer, ExtractorScorer)


@pytest.mark.usefixtures("embedded")
def test_by_default_the_command_makes_three_passes_over_the_examples(tmp_path: Path) -> None:
    data = written(tmp_path / "own.jsonl", *numbered(5))
    result = lingua("train", "extractor", data, "--out", tmp_path / "out", "--questions", "4")
    assert result.exit_code == 0, result.stderr
    assert "5 examples, 0 held out for calibration, 6 steps" in result.stderr
    text = "Rain fell all day. The fox is red."
    compressed = lingua("compress", "-q", "What colour is the fox?", "--model", tmp_path / "out", stdin=text)
    assert compressed.exit_code in (0, 1), compressed.stderr


@pytest.mark.parametrize(
    ("lines", "more", "message"),
    [
        (None, [], "cannot be read as JSON lines"),
        ([line(), line(evidence=[[9, 0, 1]])], [], "Example 2 of"),
        ([line()], ["--start", "nowhere"], "at least 20 held-out examples, got 0"),
        ("folder", [], "Pass the folder of the data sets"),
    ],
)
def test_what_cannot_be_trained_is_one_message(
    tmp_path: Path, lines: Any, more: list[str], message: str
) -> None:
    data = tmp_path / "own.jsonl"
    if lines == "folder":
        data.mkdir()
    elif lines:
        written(data, *lines)
    result = lingua("train", "extractor", data, "--out", tmp_path / "out", *more)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "lingua: error: " in result.stderr
    assert message in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()
