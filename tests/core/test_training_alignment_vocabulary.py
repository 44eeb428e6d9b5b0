"""A teacher's distributions over its own tokens, mapped to a student's: by hand, and on any text."""

import json
import math
import re
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from lingua_core import InputError
from lingua_core.training.alignment.teacher_tokens import ENDS, Candidate, TeacherPosition, teacher_positions
from lingua_core.training.alignment.token_bytes import TokenBytes
from lingua_core.training.alignment.vocabulary import MappedDistribution, VocabularyMap, share_vocabulary
from lingua_core.training.causal_lm.tokenizer import make_tokenizer

TEXT = [
    "The fox saw an unbelievable storm over the harbour, and it ran home. 中文 和 日本語 😀 cafe\u0301 нет.",
    "Nobody believed the unhappy fox: \n\n  the storm was over, the harbour was dry; it was 1921 then!",
] * 20
SPACE = "\u2581"


def byte_level(*tokens: str) -> Tokenizer:
    """Byte-level BPE whose only long tokens are these, each merged from the left; `<end>` is special."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {character: i for i, character in enumerate(alphabet)}
    merges: list[tuple[str, str]] = []
    letters = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    for token in tokens:
        spelled = letters.pre_tokenize_str(token)[0][0]
        for end in range(2, len(spelled) + 1):
            if spelled[:end] not in vocab:
                vocab[spelled[:end]] = len(vocab)
                merges.append((spelled[: end - 1], spelled[end - 1]))
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<end>"])
    return tokenizer


def only(*tokens: str) -> Tokenizer:
    """Byte-level BPE with these tokens and the bytes, without the tokens that merge into them."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {character: i for i, character in enumerate(alphabet)}
    letters = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    for token in tokens:
        vocab.setdefault(letters.pre_tokenize_str(token)[0][0], len(vocab))
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[], ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer.add_special_tokens(["<end>"])
    return tokenizer


@cache
def sentence_piece() -> Tokenizer:
    """BPE as Llama 2 has it: visible spaces, one put before the text, bytes for unknown characters."""
    trained = Tokenizer(models.BPE(unk_token="<unk>"))
    trained.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    trainer = trainers.BpeTrainer(vocab_size=200, special_tokens=["<unk>"], show_progress=False)
    trained.train_from_iterator([text.split("中")[0] for text in TEXT], trainer)
    model = json.loads(trained.to_str())["model"]
    vocab = dict(model["vocab"])
    for byte in range(256):
        vocab[f"<0x{byte:02X}>"] = len(vocab)
    merges = [tuple(merge) for merge in model["merges"]]
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    tokenizer.add_special_tokens(["</s>"])
    return tokenizer


@cache
def unigram() -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    trainer = trainers.UnigramTrainer(
        vocab_size=120, special_tokens=["<unk>"], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    return tokenizer


@cache
def trained(vocabulary: int) -> Tokenizer:
    return make_tokenizer(TEXT, vocabulary=vocabulary)


def ids(tokenizer: Tokenizer, text: str) -> list[int]:
    return tokenizer.encode(text, add_special_tokens=False).ids


def candidate(token: str | bytes, probability: float) -> Candidate:
    data = token if isinstance(token, bytes) else token.encode()
    name = data.decode(errors="backslashreplace")
    return Candidate(data=data, token=name, logprob=math.log(probability) if probability else -math.inf)


def wrote(token: str | bytes, probability: float, **others: float) -> TeacherPosition:
    """A token that was written, and others in its place; `_` before their names stands for a space."""
    own = candidate(token, probability)
    named = [candidate(re.sub("^_", " ", name), share) for name, share in others.items()]
    return TeacherPosition(observed=own, top=(own, *named))


def shown(student: Tokenizer, distribution: MappedDistribution) -> dict[str, float]:
    data = TokenBytes(student)
    return {
        (data.of(id_) or b"<end>").decode(errors="backslashreplace"): pytest.approx(share)
        for id_, share in zip(distribution.ids, distribution.probabilities, strict=True)
    }


# --- by hand -----------------------------------------------------------------------------------------


def test_a_token_that_both_have_is_itself_and_one_of_several_goes_to_the_first() -> None:
    student = byte_level(" hel", " fox")
    teacher = [wrote(" fox", 0.5, _hello=0.2, _help=0.1, _hel=0.05)]
    (found,) = VocabularyMap(student).distributions(teacher, ids(student, " fox"))
    assert shown(student, found) == {" fox": 0.5, " hel": 0.35}
    assert found.position == 0
    assert found.rest == pytest.approx(0.15)
    assert found.unmapped == 0


def test_what_was_written_is_followed_until_it_covers_the_students_token() -> None:
    student = only(" unbelievable", " under", " un", "unable")
    teacher = [
        wrote(" un", 0.5, _fox=0.25),
        wrote("believ", 0.8, der=0.1),
        wrote("able", 0.9, ing=0.1),
    ]
    (found,) = VocabularyMap(student).distributions(teacher, ids(student, " unbelievable"))
    # " fox" and " unbelieving" begin with the space alone: this student has no longer token for them.
    assert shown(student, found) == {
        " unbelievable": 0.5 * 0.8 * 0.9,
        " under": 0.5 * 0.1,
        " ": 0.25 + 0.5 * 0.8 * 0.1,
    }
    assert found.rest == pytest.approx(0.25 + 0.5 * 0.1)


def test_a_part_of_a_longer_token_that_was_not_written_is_set_aside() -> None:
    student = only(" unbelievable", " fox")
    teacher = [wrote(" fox", 0.6, _unbel=0.3)]
    (found,) = VocabularyMap(student).distributions(teacher, ids(student, " fox"))
    assert shown(student, found) == {" fox": 0.6}
    assert found.unmapped == pytest.approx(0.3)
    assert found.rest == pytest.approx(0.1)


def test_a_token_of_the_teacher_may_cover_several_of_the_students() -> None:
    student = byte_level(" har", "bour", " fox")
    teacher = [wrote(" harbour", 0.6, _fox=0.1, _hard=0.2), wrote(" fox", 0.7, _har=0.3)]
    found = VocabularyMap(student).distributions(teacher, ids(student, " harbour fox"))
    assert [(d.position, d.is_inside) for d in found] == [(0, False), (1, True), (2, False)]
    assert shown(student, found[0]) == {" har": 0.8, " fox": 0.1}
    # Behind " har" only what begins so can come: of " harbour" and " hard", and perhaps of the tail.
    assert shown(student, found[1]) == {"bour": 0.6 / 0.9, "d": 0.2 / 0.9}
    assert (found[1].unmapped, found[1].rest) == (pytest.approx(0.1 / 0.9), 0)
    assert shown(student, found[2]) == {" fox": 0.7, " har": 0.3}


def test_inside_a_token_what_the_student_would_have_begun_otherwise_is_ruled_out() -> None:
    student = byte_level(" und", "bel")
    teacher = [wrote(" unbelievable", 0.5, _under=0.2, _unfold=0.1, _u=0.1, fox=0.1)]
    found = VocabularyMap(student).distributions(teacher, ids(student, " unbelievable"))
    # The student writes " under" by " und", and had written " un"; of " u" nobody knows how it goes on.
    assert shown(student, found[1]) == {"bel": 0.5 / 0.7, "f": 0.1 / 0.7}
    assert found[1].unmapped == pytest.approx(0.1 / 0.7)


def test_behind_what_the_two_texts_do_not_share_nothing_is_known_until_both_begin_a_token() -> None:
    student = byte_level("fo", "x")
    teacher = [wrote("?", 0.5), wrote("?fox", 0.5), wrote("x", 0.9)]
    found = VocabularyMap(student).distributions(teacher, ids(student, "!fox" + "x"))
    assert [d.position for d in found] == [3]


def test_halves_of_a_character_are_joined_and_an_unwritten_half_is_set_aside() -> None:
    student = only("中", "为", "a")
    half = b"\xe4\xb8"
    teacher = [
        TeacherPosition(observed=candidate(half, 0.6), top=(candidate("a", 0.4),)),
        TeacherPosition(observed=candidate(b"\xad", 0.75), top=(candidate(b"\xba", 0.25),)),
    ]
    mapping = VocabularyMap(student)
    (found,) = mapping.distributions(teacher, ids(student, "中"))
    assert shown(student, found) == {"中": 0.45, "为": 0.15, "a": 0.4}
    teacher = [TeacherPosition(observed=candidate("a", 0.4), top=(candidate(half, 0.6),))]
    (found,) = mapping.distributions(teacher, ids(student, "a"))
    assert (shown(student, found), found.unmapped) == ({"a": 0.4}, pytest.approx(0.6))


def test_a_student_that_writes_bytes_is_mapped_inside_characters() -> None:
    student = byte_level()
    pieces = [b"\xe4", b"\xb8\xad"]
    teacher = [TeacherPosition(observed=candidate(piece, 0.9), top=()) for piece in pieces]
    found = VocabularyMap(student).distributions(teacher, ids(student, "中"))
    assert [d.ids[0] for d in found] == ids(student, "中")
    assert [d.mapped for d in found] == pytest.approx([0.9, 0.9, 0.9])
    assert [(d.rest, d.unmapped) for d in found] == [
        (pytest.approx(0.1), 0),
        (pytest.approx(0.1), 0),
        (0, pytest.approx(0.1)),
    ]


def test_the_teachers_end_is_the_students_end() -> None:
    student = byte_level(" fox", " ran")
    end = student.token_to_id("<end>")
    mapping = VocabularyMap(student, specials={"<|im_end|>": end})
    teacher = [wrote(" fox", 0.5, **{"<|im_end|>": 0.3}), wrote("<|im_end|>", 0.9, _ran=0.1)]
    found = mapping.distributions(teacher, [*ids(student, " fox"), end])
    assert [shown(student, d) for d in found] == [
        {" fox": 0.5, "<end>": 0.3},
        {"<end>": 0.9, " ran": 0.1},
    ]
    # Without an end of the teacher's, none is learnt.
    assert len(mapping.distributions(teacher[:1], [*ids(student, " fox"), end])) == 1
    # Where the end is in the middle of a token, that token is cut short.
    followed = [wrote(" f", 0.5), wrote("ox", 0.8, **{"<|im_end|>": 0.2})]
    (cut,) = mapping.distributions(followed, ids(student, " fox"))
    assert shown(student, cut) == {" fox": 0.4, " f": 0.1}


@pytest.mark.parametrize("mark", [*ENDS, "<|start_header_id|>", "<start_of_turn>"])
def test_a_mark_that_means_nothing_to_the_student_is_no_text(mark: str) -> None:
    student = byte_level(" fox", "<|", "</")
    end = student.token_to_id("<end>")
    teacher = [wrote(" fox", 0.6, **{mark: 0.3}), wrote(mark, 0.9, _fox=0.1)]
    (found,) = VocabularyMap(student).distributions(teacher, ids(student, " fox"))
    assert (shown(student, found), found.unmapped) == ({" fox": 0.6}, pytest.approx(0.3))
    known = VocabularyMap(student, specials={mark: end}).distributions(teacher, [*ids(student, " fox"), end])
    assert [d.unmapped for d in known] == [0, 0]
    assert known[1].ids[0] == end


@pytest.mark.parametrize("text", ["<", "<|", "|>", "<b>", "</", "a < b | c > d"])
def test_text_is_no_mark(text: str) -> None:
    assert not candidate(text, 0.5).is_mark


def test_the_token_that_was_written_is_known_among_the_listed_without_its_name() -> None:
    half = b"\xe4\xb8"
    unnamed = Candidate(data=half, logprob=math.log(0.7))
    position = TeacherPosition(observed=candidate(half, 0.7), top=(unnamed, candidate("a", 0.2)))
    assert [other.data for other, _ in position.shares().others] == [b"a"]


def test_a_shared_vocabulary_is_an_identity_even_where_bytes_would_not_say_so() -> None:
    student = only(" un", " unbel", " unbelievable")
    teacher = [
        wrote(" un", 0.5, _unbel=0.2, _unbelievable=0.1, **{"<end>": 0.1}),
        wrote("x", 0.9, **{"no such token": 0.05}),
    ]
    found = VocabularyMap(student, is_shared=True).distributions(
        teacher, [student.token_to_id("Ġun"), student.token_to_id("x")]
    )
    assert shown(student, found[0]) == {" un": 0.5, " unbel": 0.2, " unbelievable": 0.1, "<end>": 0.1}
    assert found[1].unmapped == pytest.approx(0.05)


def test_vocabularies_are_shared_when_tokens_and_ids_are() -> None:
    assert share_vocabulary(byte_level(" a", " b"), byte_level(" a", " b"))
    assert not share_vocabulary(byte_level(" a", " b"), byte_level(" b", " a"))


@pytest.mark.parametrize("make", [sentence_piece, unigram])
def test_the_space_that_a_tokenizer_puts_before_a_text_is_allowed_for(make: Any) -> None:
    student = make()
    text = "The fox saw"
    teacher = [wrote("The", 0.6, Nobody=0.2), wrote(" fox", 0.7, _storm=0.3), wrote(" saw", 0.9)]
    found = VocabularyMap(student).distributions(teacher, ids(student, text))
    assert found[0].position == 0
    first = [(TokenBytes(student).of(id_) or b"") for id_ in found[0].ids]
    assert all(b" The".startswith(data) or b" Nobody".startswith(data) for data in first)
    assert found[0].mapped == pytest.approx(0.8)
    borders = {student.encode(text, add_special_tokens=False).char_to_token(place) for place in (0, 3, 7)}
    assert {d.position for d in found if not d.is_inside} == borders


def test_only_what_both_texts_have_in_common_at_their_ends_is_mapped() -> None:
    student = unigram()
    own = ids(student, "the fox ﬁt the storm")
    teacher = [wrote(piece, 0.9) for piece in ("the", " fox", " ﬁt", " the", " storm")]
    found = VocabularyMap(student).distributions(teacher, own)
    pieces = [TokenBytes(student).of(id_) or b"" for id_ in own]
    text = b"".join(pieces)
    assert text == b" the fox fit the storm"
    starts = {len(b"".join(pieces[: d.position])) for d in found}
    assert starts >= {text.index(b" the"), text.index(b" fox"), text.rindex(b" the"), text.index(b" storm")}
    assert not starts & set(range(text.index(b"fit"), text.index(b"fit") + 2))


def test_a_written_token_that_is_not_listed_counts_beside_the_listed_ones() -> None:
    student = byte_level(" fox", " ran")
    teacher = [TeacherPosition(observed=candidate(" fox", 0.01), top=(candidate(" ran", 0.9),))]
    (found,) = VocabularyMap(student).distributions(teacher, ids(student, " fox"))
    assert shown(student, found) == {" ran": 0.9, " fox": 0.01}
    assert found.rest == pytest.approx(0.09)


def test_rounding_above_one_is_scaled_and_more_is_an_error() -> None:
    student = byte_level(" fox")
    (found,) = VocabularyMap(student).distributions([wrote(" fox", 0.9, a=0.105)], ids(student, " fox"))
    assert found.rest == 0
    assert found.mapped == pytest.approx(1, abs=1e-15)
    with pytest.raises(InputError, match=r"add up to 1\.4000; expected at most 1"):
        VocabularyMap(student).distributions([wrote(" fox", 0.9, a=0.5)], ids(student, " fox"))


def test_a_tokenizer_that_hides_spaces_is_refused() -> None:
    tokenizer = Tokenizer(models.WordPiece({"[UNK]": 0, "fox": 1, "##es": 2}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    with pytest.raises(InputError, match=r"'WordPiece'\) do not say where spaces are"):
        VocabularyMap(tokenizer)


def test_a_tokenizer_of_another_library_is_an_error() -> None:
    with pytest.raises(InputError, match=r"got str\. Pass the backend_tokenizer"):
        VocabularyMap("gpt2")  # type: ignore[arg-type]


def test_tokens_that_never_begin_together_are_mapped_all_along() -> None:
    student = trained(500)
    text = "the fox saw the storm over the harbour. " * 20
    teacher = [wrote(word, 0.9, **{"storm ": 0.05}) for word in re.findall(r"\S+ ", text)]
    own = ids(student, text)
    found = VocabularyMap(student).distributions(teacher, own)
    assert [d.position for d in found] == list(range(len(own)))
    assert sum(d.is_inside for d in found) > 0.9 * len(own)
    assert all(d.ids[0] == own[d.position] for d in found)


def test_ids_of_another_vocabulary_are_an_error() -> None:
    student = byte_level(" fox")
    with pytest.raises(InputError, match="Token 9999 is not in the vocabulary of"):
        VocabularyMap(student).distributions([wrote(" fox", 0.9)], [9999])
    with pytest.raises(InputError, match="Token 9999"):
        VocabularyMap(student, specials={"<|im_end|>": 9999})
    for wrong in (None, -1):
        with pytest.raises(InputError, match=f"Token {wrong} is not"):
            VocabularyMap(student, specials={"<|im_end|>": wrong})  # type: ignore[dict-item]


def test_nothing_has_no_distributions() -> None:
    mapping = VocabularyMap(byte_level())
    assert mapping.distributions([], []) == []
    assert mapping.distributions([], [5]) == []
    assert mapping.distributions([wrote("a", 1.0)], []) == []


# --- tokens as bytes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["a fox", " fox", "fox", "  fox\n\n", "中文😀", "cafe\u0301", "<end>"])
def test_bytes_go_on_in_tokens_that_stand_for_them(text: str) -> None:
    for student in (trained(300), trained(500), sentence_piece(), byte_level(" fo", "ox")):
        tokens = TokenBytes(student)
        found = [tokens.of(id_) for id_ in tokens.ids(text.encode())]
        if None not in found:
            assert b"".join(piece or b"" for piece in found) == text.encode()
        else:
            assert "<end>" in text


def test_a_border_inside_a_word_puts_no_space_there() -> None:
    tokens = TokenBytes(sentence_piece())
    assert tokens.of(tokens.ids(b"ox")[0]) in (b"o", b"ox")
    assert (tokens.of(tokens.ids(b" ox")[0]) or b"").startswith(b" ")


def test_single_bytes_stand_around_whole_characters_where_bytes_are_a_fallback() -> None:
    tokens = TokenBytes(sentence_piece())
    data = b"\xad fox\xe4\xb8"
    found = [tokens.of(id_) or b"" for id_ in tokens.ids(data)]
    assert b"".join(found) == data
    assert (found[0], found[-2:]) == (b"\xad", [b"\xe4", b"\xb8"])


def test_of_two_tokens_with_the_same_bytes_the_one_for_the_character_is_meant() -> None:
    student = sentence_piece()
    tokens = TokenBytes(student)
    assert tokens.of(student.token_to_id("<0x61>")) == b"a" == tokens.of(student.token_to_id("a"))
    assert tokens.id_of(b"a") == student.token_to_id("a")


def test_an_added_token_that_is_text_has_bytes_and_a_special_one_has_none() -> None:
    student = byte_level()
    student.add_tokens([AddedToken("  ñ")])
    tokens = TokenBytes(student)
    assert tokens.of(student.token_to_id("  ñ")) == "  ñ".encode()
    assert tokens.of(student.token_to_id("<end>")) is None
    assert tokens.specials == {"<end>": student.token_to_id("<end>")}


# --- any text ----------------------------------------------------------------------------------------

SNIPPETS = st.sampled_from(
    [
        "😀",
        "👩‍👩‍👧",
        "中文",
        "日本語",
        "cafe\u0301",
        "нет",
        "the fox",
        " \n\n ",
        "unbel",
        "<end>",
        "ﬁ",
        "\x00",
    ]
)
ANY_TEXT = st.lists(SNIPPETS | st.text(max_size=6), max_size=6).map("".join)
STUDENTS = {
    "bytes": lambda: byte_level(),
    "few merges": lambda: trained(300),
    "many merges": lambda: trained(500),
    "whole words": lambda: only(" unbelievable", "中文", "😀", " storm", "the"),
    "sentence piece": sentence_piece,
    "unigram": unigram,
}
MAPS = {
    (name, is_shared): VocabularyMap(make(), is_shared=is_shared)
    for name, make in STUDENTS.items()
    for is_shared in (False, True)
}


@st.composite
def answers(draw: st.DrawFn, *, top: int = 4, certain: bool = False) -> tuple[str, list[TeacherPosition]]:
    """A text cut anywhere, inside characters too, with tokens of any bytes in place of each of its own."""
    text = draw(ANY_TEXT)
    data = text.encode()
    cuts = draw(st.sets(st.integers(1, max(1, len(data) - 1)), max_size=8)) if len(data) > 1 else set()
    pieces = [data[a:b] for a, b in pairwise([0, *sorted(cuts), len(data)])] if data else []
    found: list[TeacherPosition] = []
    other = st.binary(max_size=4) | ANY_TEXT.map(str.encode)
    for piece in pieces:
        others = [] if certain else draw(st.lists(other, max_size=top, unique=True))
        weights = draw(
            st.lists(st.floats(0, 1), min_size=len(others) + 2, max_size=len(others) + 2).filter(
                lambda w: sum(w) > 0.01
            )
        )
        shares = [1.0] if certain else [weight / sum(weights) for weight in weights]
        listed = [candidate(data, share) for data, share in zip([piece, *others], shares, strict=False)]
        if draw(st.booleans()):
            found.append(TeacherPosition(observed=listed[0], top=tuple(listed[::-1])))
        else:
            found.append(TeacherPosition(observed=listed[0], top=tuple(listed[1:])))
    return text, found


@settings(max_examples=150, deadline=None)
@given(answers(), st.sampled_from(sorted(STUDENTS)), st.booleans())
def test_probability_is_conserved_on_any_text(
    answer: tuple[str, list[TeacherPosition]], name: str, is_shared: bool
) -> None:
    text, teacher = answer
    student_ids = ids(STUDENTS[name](), text)
    found = MAPS[name, is_shared].distributions(teacher, student_ids)
    for distribution in found:
        parts = [*distribution.probabilities, distribution.rest, distribution.unmapped]
        assert all(part >= 0 for part in parts)
        assert math.fsum(parts) == pytest.approx(1, abs=1e-12)
        assert len(set(distribution.ids)) == len(distribution.ids)
        assert list(distribution.probabilities) == sorted(distribution.probabilities, reverse=True)
    assert [d.position for d in found] == sorted({d.position for d in found})


@settings(max_examples=150, deadline=None)
@given(answers(certain=True), st.sampled_from(["bytes", "few merges", "many merges", "sentence piece"]))
def test_a_teacher_that_is_certain_leaves_the_student_certain_of_its_own_tokens(
    answer: tuple[str, list[TeacherPosition]], name: str
) -> None:
    text, teacher = answer
    if "<end>" in text:
        return
    student_ids = ids(STUDENTS[name](), text)
    found = MAPS[name, False].distributions(teacher, student_ids)
    assert [d.ids for d in found] == [(student_ids[d.position],) for d in found]
    assert all(d.mapped == pytest.approx(1, abs=1e-12) for d in found)
    # Nothing is left out, and what begins where a token of the teacher's does is told from what does not.
    assert [d.position for d in found] == list(range(len(student_ids)))
    tokens = TokenBytes(STUDENTS[name]())
    own = [len(tokens.of(id_) or b"") for id_ in student_ids]
    lead = sum(own) - len(text.encode())
    theirs = {sum(len(p.observed.data) for p in teacher[:i]) + lead for i in range(1, len(teacher))} | {0}
    assert [d.is_inside for d in found] == [sum(own[:i]) not in theirs for i in range(len(own))]


@settings(max_examples=60, deadline=None)
@given(ANY_TEXT)
def test_with_its_own_vocabulary_every_token_is_mapped_to_itself(text: str) -> None:
    student = trained(400)
    own = ids(student, text)
    tokens = TokenBytes(student)
    if any(tokens.of(id_) is None for id_ in own):
        return
    teacher = [
        TeacherPosition(observed=candidate(tokens.of(id_) or b"", 0.75), top=(candidate("the", 0.2),))
        for id_ in own
    ]
    found = VocabularyMap(student, is_shared=True).distributions(teacher, own)
    assert [d.position for d in found] == list(range(len(own)))
    assert [d.ids[0] for d in found] == own
    assert all(d.unmapped == 0 for d in found)


# --- what servers send -------------------------------------------------------------------------------


def entry(token: str, logprob: float, data: Sequence[int] | None = None, top: Any = ()) -> dict[str, Any]:
    return {"token": token, "logprob": logprob, "bytes": data, "top_logprobs": list(top)}


def test_the_log_probabilities_of_a_chat_completion_are_read() -> None:
    content = [
        entry(
            " fox", -0.1, [32, 102, 111, 120], [entry(" fox", -0.1), entry("\\xe4\\xb8", -3.0, [0xE4, 0xB8])]
        ),
        entry("!", 0.0),
        {"token": "\ud800", "logprob": -9999.0},
    ]
    first, second, third = teacher_positions(content)
    assert first.observed == Candidate(data=b" fox", token=" fox", logprob=-0.1)
    assert [c.data for c in first.top] == [b" fox", b"\xe4\xb8"]
    assert first.shares().observed == pytest.approx(math.exp(-0.1))
    assert first.shares().rest == pytest.approx(1 - math.exp(-0.1) - math.exp(-3))
    assert second.shares().rest == 0
    assert third.observed.data == "\ufffd".encode()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"token": "a"}, r"Token 1 of the log-probabilities cannot be read \('logprob'\)"),
        ({"token": 3, "logprob": -1}, "'token' is 3"),
        (entry("a", math.nan), "'logprob' is nan"),
        (entry("a", 0.5), "'logprob' is 0.5"),
        (entry("a", -1.0, [300]), "range"),
        (entry("a", -1.0, top=["b"]), "expected 'token', 'logprob', 'bytes' and 'top_logprobs'"),
        (None, "got None"),
    ],
)
def test_what_are_no_log_probabilities_is_a_clear_error(wrong: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        teacher_positions([entry("a", -1.0), wrong])


@pytest.mark.parametrize("wrong", [None, "text", {"content": []}])
def test_no_list_of_log_probabilities_is_a_clear_error(wrong: Any) -> None:
    with pytest.raises(InputError, match="Expected a list of tokens with their log-probabilities, got"):
        teacher_positions(wrong)
