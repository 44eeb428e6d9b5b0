"""LLMLingua-2 scoring: the scores are those of a plain forward pass, however texts are cut and batched."""

import logging
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lingua_core import Document, InputError, ModelError, PromptCompressor, ScorerError
from lingua_core.models.hugging_face import HuggingFaceModel
from lingua_core.scorers import FixedScorer, LexicalScorer, Passage, PassageScores, Scorer, ScoringTask
from lingua_core.scorers.base import check_scores
from lingua_core.scorers.token_classifier import TokenClassifierScorer
from lingua_core.segmentation import TextSegmenter

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors  # noqa: E402

TOLERANCE = 1e-5
"""How far padding and batching may move a float32 probability."""

POSITIONS = 48
"""Tokens that the tiny models read at once, special ones included."""

LETTERS = "abcdefghijklmnopqrstuvwxyz"
PUNCTUATION = ".,;:!?'\"()-0123456789"
UNSPACED = "中国人说话你好这是第一句字走了これはテストです次の文ไทยภาษาประโยค"
WORDS = ["the", "cat", "sat", "bridge", "opened", "queen", "market", "sold", "town", "people"]
STOPS = ["。", "！", "「", "」", "，"]

SHORT = [
    "The cat sat (on the mat).",
    "The bridge at Varno was opened in 1887, by the queen!",
    "one",
    "A  b\tc\n\nd e.",
    "Unbelievably long-winded antidisestablishmentarianism?",
]
SENTENCES = [
    "The bridge at Varno opened.",
    "The queen sat in town.",
    "The market sold a cat!",
    "Is it raining?",
    "People like the town, the bridge and the market.",
]
LONG = " ".join(random.Random(1).choices(SENTENCES, k=40))


def bert_tokenizer() -> Any:
    pieces = [*LETTERS, *PUNCTUATION, *UNSPACED, *STOPS, *WORDS, *(f"##{c}" for c in LETTERS + UNSPACED)]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *dict.fromkeys(pieces)]
    tokenizer = Tokenizer(models.WordPiece({p: i for i, p in enumerate(vocabulary)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        pad_token="[PAD]", mask_token="[MASK]",
    )  # fmt: skip


def xlm_roberta_tokenizer() -> Any:
    single = [*LETTERS, *LETTERS.upper(), *PUNCTUATION, *UNSPACED, *STOPS]
    whole = [*(f"▁{w}" for w in WORDS), "▁a", "▁The", "tion", "ing", "中国", "。」", "ไทย"]
    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -3.0)]
    pieces += [(p, -4.0 - i / 100) for i, p in enumerate(dict.fromkeys(single))]
    pieces += [(p, -5.0 - i / 100) for i, p in enumerate(whole)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", cls_token="<s>", sep_token="</s>",
        unk_token="<unk>", pad_token="<pad>",
    )  # fmt: skip


def byte_tokenizer() -> Any:
    """Every byte is a token, spaces and line breaks included."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {"<s>": 0, "<pad>": 1, "</s>": 2, **{c: i + 3 for i, c in enumerate(alphabet)}}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", cls_token="<s>", sep_token="</s>",
        pad_token="<pad>",
    )  # fmt: skip


def tiny(kind: str, tokenizer: Any, **options: Any) -> Any:
    """A random model of the architecture, wide awake: its probabilities differ by token."""
    config = getattr(transformers, f"{kind}Config")(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=64, initializer_range=0.4, pad_token_id=tokenizer.pad_token_id,
        max_position_embeddings=POSITIONS + (2 if kind == "XLMRoberta" else 0), **options,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return getattr(transformers, f"{kind}ForTokenClassification")(config).eval()


Pair = tuple[Any, Any]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Passes this small lose more to waiting for other threads than they win."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def pairs() -> dict[str, Pair]:
    tokenizers = {"bert": bert_tokenizer(), "xlm-roberta": xlm_roberta_tokenizer(), "bytes": byte_tokenizer()}
    kinds = {"bert": "Bert", "xlm-roberta": "XLMRoberta", "bytes": "XLMRoberta"}
    return {name: (tiny(kinds[name], tokenizer), tokenizer) for name, tokenizer in tokenizers.items()}


@pytest.fixture(params=["bert", "xlm-roberta", "bytes"])
def pair(request: pytest.FixtureRequest, pairs: dict[str, Pair]) -> Pair:
    return pairs[request.param]


@pytest.fixture
def bert(pairs: dict[str, Pair]) -> Pair:
    return pairs["bert"]


@pytest.fixture
def xlm_roberta(pairs: dict[str, Pair]) -> Pair:
    return pairs["xlm-roberta"]


@pytest.fixture
def saved(bert: Pair, tmp_path: Path) -> Path:
    for part in bert:
        part.save_pretrained(tmp_path)
    return tmp_path


def passage(text: str) -> Passage:
    return Passage(text=text, title=None, segments=TextSegmenter().segment(text))


def task(*texts: str, query: str | None = None) -> ScoringTask:
    return ScoringTask(query=query, passages=[passage(text) for text in texts])


def scored(scorer: Scorer, *texts: str) -> list[PassageScores]:
    return list(scorer.score([task(*texts)])[0])


def words(text: str, scores: PassageScores) -> list[str]:
    return [text[a:b] for a, b in zip(scores.starts, scores.ends, strict=True)]


def plain_pass(pair: Pair, text: str, *, label: int = 1) -> tuple[NDArray[np.float32], list[tuple[int, int]]]:
    """Each token's probability from one unbatched pass with the tokenizer's own special tokens."""
    model, tokenizer = pair
    found = tokenizer(text, return_tensors="pt", return_offsets_mapping=True, return_special_tokens_mask=True)
    offsets, special = found.pop("offset_mapping")[0].tolist(), found.pop("special_tokens_mask")[0].tolist()
    found.pop("token_type_ids", None)
    with torch.no_grad():
        probabilities = model(**found).logits[0].softmax(-1)[:, label].numpy()
    own = [i for i, is_special in enumerate(special) if not is_special]
    return probabilities[own], [tuple(offsets[i]) for i in own]


def by_hand(pair: Pair, text: str, *, first: bool = False, label: int = 1) -> list[float]:
    """The words' scores of a spaced text, token by token."""
    probabilities, offsets = plain_pass(pair, text, label=label)
    runs = [match.span() for match in re.finditer(r"\S+", text)]
    found: list[list[float]] = [[] for _ in runs]
    for probability, (start, _) in zip(probabilities, offsets, strict=True):
        owner = next((i for i, (_, end) in enumerate(runs) if start < end), None)
        if owner is not None:
            found[owner].append(float(probability))
    return [own[0] if first else sum(own) / len(own) for own in found]


@pytest.fixture
def batches(pair: Pair) -> Iterator[list[tuple[list[list[int]], list[list[int]]]]]:
    """The ids and masks of every batch that goes through the model of the test."""
    seen: list[tuple[list[list[int]], list[list[int]]]] = []

    def note(_: Any, args: Any, inputs: dict[str, Any]) -> None:
        if "attention_mask" in inputs:  # not a pass that the test makes itself
            seen.append((inputs["input_ids"].tolist(), inputs["attention_mask"].tolist()))

    hook = pair[0].register_forward_pre_hook(note, with_kwargs=True)
    yield seen
    hook.remove()


def sequences(batches: Sequence[tuple[list[list[int]], list[list[int]]]]) -> list[list[int]]:
    """The unpadded sequences of all batches."""
    return [
        [token for token, used in zip(row, mask, strict=True) if used]
        for ids, masks in batches
        for row, mask in zip(ids, masks, strict=True)
    ]


# Scores


@pytest.mark.parametrize("text", SHORT)
@pytest.mark.parametrize("word_score", ["mean", "first"])
def test_a_words_score_is_the_models_probability_over_its_tokens(
    pair: Pair, text: str, word_score: Any
) -> None:
    text = text[:40]
    (scores,) = scored(TokenClassifierScorer(pair, word_score=word_score), text)
    expected = by_hand(pair, text, first=word_score == "first")
    np.testing.assert_allclose(scores.keep, expected, atol=TOLERANCE, rtol=0)
    assert words(text, scores) == text.split()
    assert scores.relevance == pytest.approx(np.mean(expected), abs=TOLERANCE)
    assert scores.keep.dtype == np.float32
    assert scores.starts.dtype == scores.ends.dtype == np.int64
    check_scores(scores)


def test_words_of_several_tokens_are_among_those_tested(pair: Pair) -> None:
    _, offsets = plain_pass(pair, SHORT[0])
    assert len(offsets) > len(SHORT[0].split())
    mean, first = (
        scored(TokenClassifierScorer(pair, word_score=s), SHORT[0])[0].keep for s in ("mean", "first")
    )  # type: ignore[arg-type]
    assert np.abs(mean - first).max() > 0.01


def test_sequences_are_framed_by_the_tokenizers_own_special_tokens(
    pair: Pair, batches: list[tuple[list[list[int]], list[list[int]]]]
) -> None:
    scored(TokenClassifierScorer(pair), "the cat")
    assert sequences(batches) == [pair[1]("the cat")["input_ids"]]
    (sequence,) = sequences(batches)
    assert (sequence[0], sequence[-1]) == (pair[1].cls_token_id, pair[1].sep_token_id)
    unknown = pair[1].unk_token_id
    assert unknown is None or unknown not in sequence


def test_a_tokenizer_without_a_template_still_gets_its_cls_and_sep(bert: Pair) -> None:
    model, tokenizer = bert
    bare = bert_tokenizer()
    bare.backend_tokenizer.post_processor = processors.Sequence([])
    assert bare("the")["input_ids"] == tokenizer("the", add_special_tokens=False)["input_ids"]
    expected = scored(TokenClassifierScorer(bert), SHORT[0])[0].keep
    np.testing.assert_array_equal(scored(TokenClassifierScorer((model, bare)), SHORT[0])[0].keep, expected)


def test_a_tokenizer_without_special_tokens_gets_none(bert: Pair) -> None:
    bare = bert_tokenizer()
    bare.backend_tokenizer.post_processor = processors.Sequence([])
    bare = transformers.PreTrainedTokenizerFast(
        tokenizer_object=bare.backend_tokenizer, unk_token="[UNK]", pad_token="[PAD]"
    )
    expected = by_hand((bert[0], bare), SHORT[0])
    np.testing.assert_allclose(
        scored(TokenClassifierScorer((bert[0], bare)), SHORT[0])[0].keep, expected, atol=TOLERANCE
    )


def test_settings_of_the_tokenizer_for_padding_and_length_change_nothing(bert: Pair) -> None:
    model, tokenizer = bert
    strange = bert_tokenizer()
    strange.backend_tokenizer.enable_truncation(8)
    strange.backend_tokenizer.enable_padding(length=64, pad_id=0, pad_token="[PAD]", direction="left")
    strange.model_max_length = 8
    strange.padding_side = "left"
    for text in (*SHORT, LONG):
        np.testing.assert_array_equal(
            scored(TokenClassifierScorer((model, strange)), text)[0].keep,
            scored(TokenClassifierScorer((model, tokenizer)), text)[0].keep,
        )


# Batches


@pytest.mark.parametrize("batch_tokens", [1, 64, 300, 100_000])
def test_scores_do_not_depend_on_the_batch(pair: Pair, batch_tokens: int) -> None:
    texts = [*SHORT, LONG, "", LONG[200:600], "。", "中国人说话。"]
    alone = [scored(TokenClassifierScorer(pair), text)[0] for text in texts]
    tasks = [task(*texts[:4]), task(), task(*texts[4:]), task(*reversed(texts))]
    found = TokenClassifierScorer(pair, batch_tokens=batch_tokens).score(tasks)
    assert [len(row) for row in found] == [4, 0, len(texts) - 4, len(texts)]
    for together, expected in zip([*found[0], *found[2], *found[3]], [*alone, *reversed(alone)], strict=True):
        np.testing.assert_allclose(together.keep, expected.keep, atol=TOLERANCE, rtol=0)
        np.testing.assert_array_equal(together.starts, expected.starts)
        assert together.relevance == pytest.approx(expected.relevance, abs=TOLERANCE)


def test_batches_are_bounded_sorted_and_hardly_padded(
    pair: Pair, batches: list[tuple[list[list[int]], list[list[int]]]]
) -> None:
    texts = [LONG[i : i + 3 * (i % 13) + 1] for i in range(120)]
    scored(TokenClassifierScorer(pair, batch_tokens=200), *texts)
    sizes = [(len(ids), len(ids[0])) for ids, _ in batches]
    assert all(rows * width <= 200 for rows, width in sizes)
    assert [width for _, width in sizes] == sorted((width for _, width in sizes), reverse=True)
    for ids, masks in batches:
        assert max(map(sum, masks)) == len(ids[0])
        assert all(mask == sorted(mask, reverse=True) for mask in masks)
    used = sum(sum(map(sum, masks)) for _, masks in batches)
    assert used > 0.85 * sum(rows * width for rows, width in sizes)


def test_short_sequences_are_not_padded_to_the_length_of_long_ones(bert: Pair) -> None:
    sizes: list[tuple[int, int]] = []
    hook = bert[0].register_forward_pre_hook(
        lambda _, args, inputs: sizes.append(tuple(inputs["input_ids"].shape)), with_kwargs=True
    )
    try:
        texts = [" ".join(WORDS[i:] + 3 * WORDS) for i in range(3)] + [f"the cat {w}" for w in LETTERS[:9]]
        scored(TokenClassifierScorer(bert), *texts)
    finally:
        hook.remove()
    assert sizes == [(3, 42), (9, 5)]


def test_equal_passages_are_scored_once(
    pair: Pair, batches: list[tuple[list[list[int]], list[list[int]]]]
) -> None:
    found = TokenClassifierScorer(pair).score([task("the cat", "the cat"), task("the cat", "a market")])
    assert len(sequences(batches)) == 2
    keep = [scores.keep for row in found for scores in row]
    assert keep[0].tolist() == keep[1].tolist() == keep[2].tolist() != keep[3].tolist()
    keep[0][:] = 0  # what a caller does to one result leaves the others alone
    assert keep[1].all()


# Long documents


def in_order(pair: Pair, found: list[list[int]], text: str) -> tuple[list[list[int]], list[str]]:
    """The chunks and their texts, if they hold each token of the text, in which nothing comes twice, once."""
    whole = pair[1](text, add_special_tokens=False, return_offsets_mapping=True)
    ids, offsets = whole["input_ids"], whole["offset_mapping"]
    places: list[tuple[int, list[int]]] = []
    for row in found:
        size = len(row) - 2
        (place,) = (i for i in range(len(ids) - size + 1) if ids[i : i + size] == row[1:-1])
        places.append((place, row))
    places.sort()
    ordered = [row for _, row in places]
    assert [place for place, _ in places] == np.cumsum([0, *(len(row) - 2 for row in ordered[:-1])]).tolist()
    assert [token for row in ordered for token in row[1:-1]] == ids
    cuts = [offsets[place][0] for place, _ in places[1:]]
    return ordered, [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def babble(glue: str, alphabet: str, *, words: int, size: int, last: str = "") -> str:
    """A text in which nothing comes twice."""
    rng = random.Random(7)
    return glue.join("".join(rng.choices(alphabet, k=size)) + last for _ in range(words))


def test_long_texts_are_scored_as_their_chunks_are(
    pair: Pair, batches: list[tuple[list[list[int]], list[list[int]]]]
) -> None:
    model, tokenizer = pair
    text = babble(" ", LETTERS + " ", words=30, size=12, last=".")
    (scores,) = scored(TokenClassifierScorer(pair), text)
    found = sequences(batches)
    assert max(map(len, found)) <= POSITIONS
    assert all(row[0] == tokenizer.cls_token_id and row[-1] == tokenizer.sep_token_id for row in found)
    chunks, _ = in_order(pair, found, text)
    assert len(chunks) > 5
    # The tokens are those of the whole text; no chunk is tokenized again.
    with torch.no_grad():
        logits = [model(input_ids=torch.tensor([row])).logits[0, 1:-1] for row in chunks]
    probabilities = torch.cat(logits).softmax(-1)[:, 1].numpy()
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    owners = np.searchsorted(scores.ends, [start for start, _ in offsets], side="right")
    expected = [probabilities[owners == i].mean() for i in range(len(scores.keep))]
    np.testing.assert_allclose(scores.keep, expected, atol=TOLERANCE, rtol=0)
    assert words(text, scores) == text.split()


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        (babble(" ", LETTERS, words=50, size=5), " "),  # no sentence ends: between words
        (babble(" ", LETTERS + " ", words=30, size=15, last="."), "."),
        (babble(" ", LETTERS + " ", words=30, size=15, last='!"'), '"'),
        (babble("\n", LETTERS + " ", words=30, size=15), "\n"),
        (babble("", UNSPACED[:16], words=40, size=6, last="！"), "！"),
        (babble("", UNSPACED[:16], words=40, size=6, last="，"), None),
        (babble(" ", "ไทยภาษาประโยค", words=4, size=90), None),
        ("the " + babble("", LETTERS, words=1, size=95) + " cat", ""),  # one word is too long
    ],
)
def test_chunks_end_at_sentences_else_between_words(
    pair: Pair, batches: list[tuple[list[list[int]], list[list[int]]]], text: str, ends: str | None
) -> None:
    (scores,) = scored(TokenClassifierScorer(pair), text)
    chunks, pieces = in_order(pair, sequences(batches), text)
    assert max(map(len, chunks)) <= POSITIONS
    assert len(pieces) > 1
    assert "".join(pieces) == text
    at = 0
    for piece in pieces[:-1]:
        at += len(piece)
        # White space between two words may be a token of its own, or part of the next one.
        following = len(text) - len(text[at:].lstrip())
        assert following in scores.starts or ends == ""
        before = text[:following].rstrip()
        if ends and ends.isspace():
            assert ends in text[len(before) : following]
        elif ends:
            assert before[-1] == ends


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the cat sat. " * 13, [26, 30]),  # 52 tokens, 46 fit
        ("the. " + "cat " * 58, [32, 32]),  # a sentence end that would cost a chunk more
        ("the cat. " + "sat " * 20 + "the. " + "cat " * 66, [27, 35, 35]),  # there are three anyway
        ("the " * 27 + "cat. " + "sat " * 63, [31, 34, 33]),  # one more, in order to cut at a sentence end
    ],
)
def test_chunks_are_few_and_about_equally_long(bert: Pair, text: str, expected: list[int]) -> None:
    seen: list[int] = []
    hook = bert[0].register_forward_pre_hook(
        lambda _, args, inputs: seen.extend(inputs["attention_mask"].sum(1).tolist()), with_kwargs=True
    )
    try:
        scored(TokenClassifierScorer(bert), text)
    finally:
        hook.remove()
    assert sorted(seen) == sorted(expected)


def test_no_more_than_512_tokens_are_read_at_once(bert: Pair) -> None:
    tokenizer = bert[1]
    config = transformers.BertConfig(
        vocab_size=len(tokenizer), hidden_size=8, num_hidden_layers=1, num_attention_heads=1,
        intermediate_size=8, max_position_embeddings=2000,
    )  # fmt: skip
    model = transformers.BertForTokenClassification(config).eval()
    for number, expected in ((510, [512]), (511, [257, 258]), (1021, [342, 342, 343])):
        seen: list[int] = []
        hook = model.register_forward_pre_hook(
            lambda _, args, inputs, seen=seen: seen.extend(inputs["attention_mask"].sum(1).tolist()),
            with_kwargs=True,
        )
        scored(TokenClassifierScorer((model, tokenizer)), "the " * number)
        hook.remove()
        assert sorted(seen) == expected


def test_roberta_uses_every_position_that_it_has(xlm_roberta: Pair) -> None:
    seen: list[int] = []
    hook = xlm_roberta[0].register_forward_pre_hook(
        lambda _, args, inputs: seen.append(inputs["input_ids"].shape[1]), with_kwargs=True
    )
    try:
        scored(TokenClassifierScorer(xlm_roberta), " ".join(["the"] * (POSITIONS - 2)))
    finally:
        hook.remove()
    assert max(seen) == POSITIONS  # one more would be an index error


def test_a_model_with_room_for_nothing_is_an_error(bert: Pair) -> None:
    config = transformers.BertConfig(
        vocab_size=len(bert[1]), hidden_size=8, num_hidden_layers=1, num_attention_heads=1,
        intermediate_size=8, max_position_embeddings=2,
    )  # fmt: skip
    model = transformers.BertForTokenClassification(config)
    with pytest.raises(ModelError, match="reads 2 tokens at once, which leaves no room"):
        scored(TokenClassifierScorer((model, bert[1])), "the")


def test_a_model_without_a_position_table_says_its_length_itself(bert: Pair) -> None:
    for longest, expected in ((20, 20), (-1, 512)):
        model = tiny("Bert", bert[1])
        model.bert.embeddings.position_table = model.bert.embeddings._modules.pop("position_embeddings")
        model.config.max_position_embeddings = longest
        seen: list[int] = []

        def count(*, input_ids: Any, attention_mask: Any, seen: list[int] = seen) -> Any:
            seen.append(input_ids.shape[1])
            return transformers.modeling_outputs.TokenClassifierOutput(
                logits=torch.zeros(*input_ids.shape, 2)
            )

        model.forward = count
        scored(TokenClassifierScorer((model, bert[1])), "the " * (expected - 2))
        assert seen == [expected]


# Words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("中国 人", [["中", "国", "人"], ["中国", "人"], ["中", "国", "人"]]),
        ("他说「你好。」Is (中) ok?", None),
        ("ไทย is", [None, ["ไทย", "is"], None]),
        ("这是China(USA)，话", None),
        ("Hi🙂 👩‍👩‍👧‍👦 e\u0301x", [["Hi🙂", "👩‍👩‍👧‍👦", "e\u0301x"]] * 3),
        ("한국어는 띄어쓰기", [["한국어는", "띄어쓰기"]] * 3),
        (" a \x00 b\u200b \ufffd ", [["a", "\x00", "b\u200b", "\ufffd"]] * 3),
    ],
)
def test_words_are_runs_and_in_unspaced_scripts_tokens(
    pairs: dict[str, Pair], text: str, expected: list[list[str] | None] | None
) -> None:
    for i, pair in enumerate(pairs.values()):
        (scores,) = scored(TokenClassifierScorer(pair), text)
        found = words(text, scores)
        assert "".join(found) == "".join(text.split())
        if expected is not None and expected[i] is not None:
            assert found == expected[i]


def test_punctuation_stays_with_the_word_beside_it(bert: Pair) -> None:
    text = "你好，人「话」说（the cat）。第China!了"
    (scores,) = scored(TokenClassifierScorer(bert), text)
    assert words(text, scores) == [
        "你",
        "好，",
        "人",
        "「话」",
        "说",
        "（the",
        "cat）。",
        "第",
        "China!",
        "了",
    ]
    for text, expected in (("国(the)人", ["国", "(the)", "人"]), ("国人。 the", ["国", "人。", "the"])):
        assert words(text, scored(TokenClassifierScorer(bert), text)[0]) == expected


def test_a_token_of_several_letters_is_one_word(xlm_roberta: Pair) -> None:
    text = "中国人说，中国。」the"
    (scores,) = scored(TokenClassifierScorer(xlm_roberta), text)
    assert words(text, scores) == ["中国", "人", "说，", "中国。」", "the"]
    probabilities, offsets = plain_pass(xlm_roberta, text)
    assert [text[a:b] for a, b in offsets][:3] == ["中", "中国", "人"]  # a lone "▁", then the first word
    assert scores.keep[0] == pytest.approx(probabilities[:2].mean(), abs=TOLERANCE)
    assert scores.keep[1] == pytest.approx(probabilities[2], abs=TOLERANCE)


def test_a_letter_of_several_tokens_is_one_word(pairs: dict[str, Pair]) -> None:
    (scores,) = scored(TokenClassifierScorer(pairs["bytes"]), "中人")
    probabilities, _ = plain_pass(pairs["bytes"], "中人")
    np.testing.assert_allclose(
        scores.keep, [probabilities[:3].mean(), probabilities[3:].mean()], atol=TOLERANCE
    )


def test_words_that_the_tokenizer_drops_get_the_lowest_probability(bert: Pair) -> None:
    text = "the \x01\x02 cat sat \u200b \ufffd on"
    (scores,) = scored(TokenClassifierScorer(bert), text)
    assert words(text, scores) == ["the", "\x01\x02", "cat", "sat", "\u200b", "\ufffd", "on"]
    spoken = by_hand(bert, "the cat sat on")
    np.testing.assert_allclose(scores.keep[[0, 2, 3, 6]], spoken, atol=TOLERANCE)
    np.testing.assert_allclose(scores.keep[[1, 4, 5]], min(spoken), atol=TOLERANCE)


def test_passages_without_words_or_tokens_are_fine(pair: Pair) -> None:
    texts = ["", " \n\t", "\u3000", "the cat"]
    scores = scored(TokenClassifierScorer(pair), *texts)
    assert [len(s.keep) for s in scores] == [0, 0, 0, 2]
    assert [s.relevance for s in scores[:3]] == [0.0] * 3
    for s in scores:
        check_scores(s)
    assert TokenClassifierScorer(pair).score([]) == []
    assert TokenClassifierScorer(pair).score([task(), task()]) == [[], []]


def test_passages_of_dropped_characters_only_have_units_and_no_probability(bert: Pair) -> None:
    (scores,) = scored(TokenClassifierScorer(bert), "\x01 \x02")
    assert (scores.keep.tolist(), scores.relevance) == ([0.0, 0.0], 0.0)


def test_a_token_over_several_words_scores_them_all(bert: Pair) -> None:
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "the cat": 1, "sat": 2}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(", "), "removed")
    whole = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]")
    (scores,) = scored(TokenClassifierScorer((bert[0], whole)), "the cat, sat")
    probabilities, _ = plain_pass((bert[0], whole), "the cat, sat")
    np.testing.assert_allclose(scores.keep, probabilities[[0, 0, 1]], atol=TOLERANCE)


def test_lone_surrogates_are_scored(pair: Pair) -> None:
    text = "a \ud800 b"
    result = PromptCompressor(model=TokenClassifierScorer(pair)).compress([text], rate=1.0)
    assert result.documents[0].text == text
    (scores,) = scored(TokenClassifierScorer(pair), text)
    assert scores.starts.tolist() == [0, 2, 4]


@given(data=st.data())
def test_units_hold_every_character_that_is_not_white_space(
    data: st.DataObject, generated: dict[str, st.SearchStrategy[str]], pairs: dict[str, Pair]
) -> None:
    text = data.draw(generated["texts"])
    pair = pairs[data.draw(st.sampled_from(sorted(pairs)))]
    (scores,) = scored(TokenClassifierScorer(pair), text)
    check_scores(scores)
    spans = list(zip(scores.starts.tolist(), scores.ends.tolist(), strict=True))
    assert all(a < b for a, b in spans)
    assert all(b <= c for (_, b), (c, _) in pairwise(spans))
    assert "".join(text[a:b] for a, b in spans) == "".join(text.split())
    assert ((scores.keep >= 0) & (scores.keep <= 1)).all()
    lonely = scored(TokenClassifierScorer(pair, batch_tokens=1), text)[0]
    np.testing.assert_allclose(scores.keep, lonely.keep, atol=TOLERANCE, rtol=0)


# Labels


def three_labels(tokenizer: Any) -> Any:
    return tiny("Bert", tokenizer, id2label={0: "drop", 1: "maybe", 2: "keep"})


@pytest.mark.parametrize(
    ("keep_label", "label"), [(0, 0), (1, 1), (2, 2), ("drop", 0), ("maybe", 1), ("keep", 2)]
)
def test_the_label_to_keep_by_may_be_named(bert: Pair, keep_label: str | int, label: int) -> None:
    pair = (three_labels(bert[1]), bert[1])
    (scores,) = scored(TokenClassifierScorer(pair, keep_label=keep_label), SHORT[0])
    np.testing.assert_allclose(scores.keep, by_hand(pair, SHORT[0], label=label), atol=TOLERANCE)


def test_of_two_labels_the_second_means_keep(bert: Pair) -> None:
    keep, drop = (scored(TokenClassifierScorer(bert, keep_label=i), SHORT[0])[0].keep for i in (1, 0))
    np.testing.assert_allclose(keep + drop, 1, atol=TOLERANCE)
    np.testing.assert_array_equal(scored(TokenClassifierScorer(bert), SHORT[0])[0].keep, keep)


def test_a_single_label_is_a_logit_of_its_own(bert: Pair) -> None:
    pair = (tiny("Bert", bert[1], num_labels=1), bert[1])
    (scores,) = scored(TokenClassifierScorer(pair, keep_label=0), "the")
    with torch.no_grad():
        logit = pair[0](**bert[1]("the", return_tensors="pt")).logits[0, 1, 0]
    assert scores.keep[0] == pytest.approx(float(logit.sigmoid()), abs=TOLERANCE)


@pytest.mark.parametrize("number", [1, 3])
def test_other_numbers_of_labels_need_a_name(bert: Pair, number: int) -> None:
    labels = {i: f"kind {i}" for i in range(number)}
    pair = (tiny("Bert", bert[1], id2label=labels), bert[1])
    with pytest.raises(ModelError, match=re.escape(f"has {number} labels, {labels}")):
        scored(TokenClassifierScorer(pair), "the")


@pytest.mark.parametrize("keep_label", [2, -1, "keep", "label_1"])
def test_an_unknown_label_is_an_error_that_names_the_labels(bert: Pair, keep_label: str | int) -> None:
    with pytest.raises(ModelError, match=rf"no label {keep_label!r}.*0: 'LABEL_0', 1: 'LABEL_1'"):
        scored(TokenClassifierScorer(bert, keep_label=keep_label), "the")


# Faults of models


def with_forward(monkeypatch: pytest.MonkeyPatch, model: Any, change: Callable[[Any], Any]) -> None:
    """Let `change` see each batch's output."""
    real = model.forward

    def forward(**inputs: Any) -> Any:
        return change(real(**inputs))

    monkeypatch.setattr(model, "forward", forward)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_logits_that_are_not_finite_are_an_error_that_names_the_document(
    bert: Pair, monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    real = bert[0].forward
    queen = bert[1].convert_tokens_to_ids("queen")

    def forward(*, input_ids: Any, attention_mask: Any) -> Any:
        output = real(input_ids=input_ids, attention_mask=attention_mask)
        output.logits[..., 0].masked_fill_(input_ids == queen, value)
        return output

    monkeypatch.setattr(bert[0], "forward", forward)
    scorer = TokenClassifierScorer(bert)
    assert scored(scorer, "the cat", "a market")
    tasks = [task("the cat", "a market"), task("the cat", "town", "the queen sat, the queen", "sold")]
    with pytest.raises(ScorerError, match=r"for 2 of the 6 tokens of document 2 of task 1 \(counted"):
        scorer.score(tasks)


def test_damaged_weights_are_an_error(bert: Pair) -> None:
    model = tiny("Bert", bert[1])
    with torch.no_grad():
        model.classifier.bias.fill_(float("nan"))
    with pytest.raises(ScorerError, match="NaN or infinite for 1 of the 1 tokens of document 0 of task 0"):
        scored(TokenClassifierScorer((model, bert[1])), "the")


@pytest.mark.parametrize("kind", ["BertModel", "BertForSequenceClassification", "BertForMaskedLM"])
def test_a_model_that_labels_no_tokens_is_an_error(bert: Pair, kind: str) -> None:
    model = getattr(transformers, kind)(bert[0].config)
    with pytest.raises(ModelError, match=rf"{kind}.*expected \(1, 3, 2\) \(sequences, tokens, labels\)"):
        scored(TokenClassifierScorer((model, bert[1])), "the")


def no_memory(monkeypatch: pytest.MonkeyPatch, model: Any, rows: int, error: Exception) -> list[int]:
    """Let the model run out of memory for more than `rows` sequences; returns the batches' sizes."""
    real = model.forward
    sizes: list[int] = []

    def forward(*, input_ids: Any, attention_mask: Any) -> Any:
        sizes.append(len(input_ids))
        if len(input_ids) > rows:
            raise error
        return real(input_ids=input_ids, attention_mask=attention_mask)

    monkeypatch.setattr(model, "forward", forward)
    return sizes


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("MPS backend out of memory (MPS allocated: 9 GB)"),
    RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=str)
@pytest.mark.parametrize("rows", [1, 3])
def test_when_memory_runs_out_batches_are_halved(
    bert: Pair, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception, rows: int
) -> None:
    texts = [f"the cat sat {c}" for c in LETTERS[:12]]
    scorer = TokenClassifierScorer(bert)
    expected = scored(scorer, *texts)
    sizes = no_memory(monkeypatch, bert[0], rows, error)
    with caplog.at_level(logging.WARNING):
        found = scored(scorer, *texts)
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a.keep, b.keep, atol=TOLERANCE, rtol=0)
    assert sizes == ([12, 6, 3, 3, 3, 3] if rows == 3 else [12, 6, 3] + 12 * [1])
    assert [record.getMessage() for record in caplog.records] == [
        "Out of memory with batches of 12 sequences: halving them."
    ]
    sizes.clear()
    scored(scorer, *texts)
    assert sizes[0] == 12  # nothing is kept between calls


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=str)
def test_memory_for_nothing_is_an_error_with_advice(
    bert: Pair, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    sizes = no_memory(monkeypatch, bert[0], 0, error)
    with pytest.raises(ModelError, match=r"single sequence of 5 tokens.*Free memory, or choose") as raised:
        scored(TokenClassifierScorer(bert), "the cat sat", "a town")
    assert raised.value.__cause__ is error
    assert sizes == [2, 1]


def test_other_errors_of_a_model_are_passed_on(bert: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = no_memory(monkeypatch, bert[0], 0, RuntimeError("a bug"))
    with pytest.raises(RuntimeError, match="a bug"):
        scored(TokenClassifierScorer(bert), "the", "cat")
    assert sizes == [2]


# Loading


def test_a_folder_is_loaded_once_however_many_threads_begin(
    saved: Path, bert: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    loads: list[Any] = []
    real = transformers.AutoModelForTokenClassification.from_pretrained

    def counted(*args: Any, **options: Any) -> Any:
        loads.append(args)
        return real(*args, **options)

    monkeypatch.setattr(transformers.AutoModelForTokenClassification, "from_pretrained", counted)
    scorer = TokenClassifierScorer(saved)
    assert not loads
    expected = scored(TokenClassifierScorer(bert), *SHORT, LONG)
    together = Barrier(6)

    def run(_: int) -> list[PassageScores]:
        together.wait()
        return scored(scorer, *SHORT, LONG)

    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(run, range(6)))
    assert len(loads) == 1
    for found in results:
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a.keep, b.keep, atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_gives_nearly_the_same_float32_scores(saved: Path, bert: Pair, dtype: Any) -> None:
    (scores,) = scored(TokenClassifierScorer(str(saved), dtype=dtype), SHORT[0])
    assert scores.keep.dtype == np.float32
    np.testing.assert_allclose(scores.keep, scored(TokenClassifierScorer(bert), SHORT[0])[0].keep, atol=0.08)


def test_a_shared_model_is_used_as_it_is(saved: Path, bert: Pair) -> None:
    shared = HuggingFaceModel(saved, kind="token-classifier")
    found = scored(TokenClassifierScorer(shared), SHORT[0])[0].keep
    np.testing.assert_array_equal(found, scored(TokenClassifierScorer(bert), SHORT[0])[0].keep)
    for options in ({"device": "cpu"}, {"dtype": "float32"}, {"trust_remote_code": True}):
        with pytest.raises(InputError, match="are those of the HuggingFaceModel"):
            TokenClassifierScorer(shared, **options)  # type: ignore[arg-type]


def test_a_model_in_training_mode_is_put_in_evaluation_mode(bert: Pair) -> None:
    model = tiny("Bert", bert[1]).train()
    scorer = TokenClassifierScorer((model, bert[1]))
    np.testing.assert_array_equal(
        scored(scorer, SHORT[0])[0].keep, scored(TokenClassifierScorer(bert), SHORT[0])[0].keep
    )


def test_nothing_is_loaded_for_nothing(tmp_path: Path) -> None:
    assert scored(TokenClassifierScorer(tmp_path / "missing"), "", " ")[0].relevance == 0.0
    with pytest.raises(ModelError, match="missing"):
        scored(TokenClassifierScorer(tmp_path / "missing"), "the")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"word_score": "max"}, "word_score must be 'mean' or 'first', got 'max'"),
        ({"keep_label": 1.0}, "keep_label must be"),
        ({"keep_label": True}, "keep_label must be"),
        ({"batch_tokens": 0}, "batch_tokens must be an int of at least 1, got 0"),
        ({"batch_tokens": 1.5}, "batch_tokens must be"),
        ({"batch_tokens": True}, "batch_tokens must be"),
        ({"document_ranker": "bm25"}, "document_ranker must be a lingua_core.scorers.Scorer or None"),
        ({"device": 0}, "device must be"),
        ({"dtype": "int3"}, "dtype must be"),
        ({"model": 3}, "model must be"),
    ],
)
def test_bad_options_are_clear_errors(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        TokenClassifierScorer(**{"model": "folder", **options})


def test_importing_the_scorer_imports_no_torch() -> None:
    code = "import sys, lingua_core.scorers.token_classifier; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Relevance


def test_a_ranker_says_how_relevant_passages_are_when_there_is_a_query(bert: Pair) -> None:
    ranker, plain = LexicalScorer(), TokenClassifierScorer(bert)
    subject = TokenClassifierScorer(bert, document_ranker=ranker)
    tasks = [
        task("The market sold a cat.", "The bridge opened.", query="When was the bridge opened?"),
        task("The market sold a cat.", "The bridge opened."),
        task("The bridge opened.", "The market sold a cat.", "", query="market"),
    ]
    found = subject.score(tasks)
    for row, unranked, asked in zip(found, plain.score(tasks), tasks, strict=True):
        expected = ranker.score([asked])[0] if asked.query is not None else unranked
        assert [s.relevance for s in row] == [s.relevance for s in expected]
        for a, b in zip(row, unranked, strict=True):
            np.testing.assert_array_equal(a.keep, b.keep)
    assert found[0][1].relevance > found[0][0].relevance
    assert found[2][1].relevance > found[2][0].relevance


def test_a_ranker_that_leaves_passages_out_is_an_error(bert: Pair) -> None:
    class Lazy:
        name = "lazy"
        requires_query = False
        default_threshold = None

        def score(self, tasks: Sequence[ScoringTask]) -> list[list[PassageScores]]:
            return [[] for _ in tasks]

    subject = TokenClassifierScorer(bert, document_ranker=Lazy())
    with pytest.raises(ScorerError, match=r"'lazy' returned scores for \[0\] passages .* with \[1\]"):
        subject.score([task("the cat", query="cat")])
    assert subject.score([task("the cat")])[0][0].relevance > 0


def test_it_is_a_scorer(bert: Pair) -> None:
    subject = TokenClassifierScorer(bert)
    assert isinstance(subject, Scorer)
    assert (subject.name, subject.requires_query, subject.default_threshold) == ("llmlingua2", False, None)


# In PromptCompressor


def test_documents_are_compressed_by_it(pair: Pair) -> None:
    compressor = PromptCompressor(model=TokenClassifierScorer(pair))
    documents = [LONG, Document(LONG[:400], title="Varno"), "", "中国人说话。这是第一句。"]
    result = compressor.compress(documents, rate=0.5)
    assert 0.4 < result.rate <= 0.52
    for document in result.documents:
        for span in document.spans:
            assert document.source.text[span.start : span.end] in document.text
    again = compressor.compress(documents, rate=0.5)
    assert again.to_dict() == result.to_dict()


def test_a_threshold_keeps_the_sentences_whose_words_reach_it_on_average(bert: Pair) -> None:
    scorer = TokenClassifierScorer(bert)
    document = " ".join(SENTENCES)
    (scores,) = scored(scorer, document)
    means = {
        document[s.start : s.end]: scores.keep[(scores.starts >= s.start) & (scores.ends <= s.end)].mean()
        for s in TextSegmenter().segment(document)
    }
    assert list(means) == SENTENCES
    _, second, third, *_ = sorted(means.values(), reverse=True)
    compressor = PromptCompressor(model=scorer)
    result = compressor.compress([document], threshold=float((second + third) / 2))
    kept = [sentence for sentence in SENTENCES if sentence in result.text]
    assert kept == [sentence for sentence in SENTENCES if means[sentence] >= second]
    assert result.text.split("\n") == kept or " ".join(kept) == result.text


def test_a_query_and_a_ranker_bring_the_relevant_document_forward(bert: Pair) -> None:
    ranker = FixedScorer(lambda _, text: 0.9 if "bridge" in text else 0.1)
    compressor = PromptCompressor(model=TokenClassifierScorer(bert, document_ranker=ranker))
    result = compressor.compress(
        ["The market sold a cat.", "The bridge opened."], "bridge?", rate=1.0, order="relevance"
    )
    assert [d.source.text for d in result.documents] == ["The bridge opened.", "The market sold a cat."]
