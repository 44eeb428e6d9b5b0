"""Prompts with `<llmlingua>` tags."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingua_core import (
    BudgetError,
    Document,
    InputError,
    MissingQueryError,
    PromptCompressor,
    ProtectedOverBudgetError,
    Span,
)
from lingua_core.scorers import FixedScorer
from lingua_core.structured import TaggedResult, compress_tagged, parse_tagged

NOTES = (
    "The lamp was first lit on 3 March 1874. The ferry runs four times a day. Bicycles travel free. "
    "Dogs bark at night. The tower is built of grey granite. Visitors climb 212 steps to the gallery."
)
OTHERS = (
    "The keeper lit the lamp at dusk. Tea is grown in Assam. Cats sleep all day long. "
    "The harbour was dredged in 1901. A museum shows old nets and ropes. Entry is free on Sundays."
)
QUESTION = "When was the lamp first lit?"
lexical = PromptCompressor("lexical")
COUNTERS: dict[str, Callable[[str], int] | None] = {
    "embedded": None,
    "characters": len,
    "with specials": lambda text: len(text.split()) + 2,
    "quarter characters": lambda text: -(-len(text) // 4),
}

plain_pieces = st.sampled_from(
    [
        "a < b",
        "</s>",
        "<b>",
        "<llmlingua2>",
        "</llmlinguas>",
        "< llmlingua>",
        "<",
        ">",
        "\r\n",
        "é 字 🙂",
        " ",
        "",
        "x>y<z",
    ]
)
plain_text = st.lists(plain_pieces | st.text(max_size=20), max_size=6).map("".join)
openings = st.sampled_from(
    [
        "<llmlingua>",
        "<llmlingua, rate=0.4>",
        "<llmlingua rate=1>",
        "<llmlingua,compress=True,rate=.5>",
        "<llmlingua , rate = 0.2 , compress = False >",
        "<llmlingua\n  compress='true'\n>",
    ]
)
closings = st.sampled_from(["</llmlingua>", "</llmlingua >"])
any_text = st.one_of(
    st.text(max_size=200),
    st.lists(plain_text | openings | closings | st.just("<llmlingua"), max_size=12).map("".join),
)


def is_text(text: str) -> bool:
    return re.search(r"</?llmlingua(?![\w.:-])", text) is None


def check_parts_make_up_the_text(result: TaggedResult, prompt: str) -> None:
    assert result.text == "".join(part.text for part in result.parts)
    at = 0
    for part in result.parts:
        start, end = part.section.span
        assert at <= start <= end <= len(prompt)
        at = end
        kept = "\n".join(prompt[a:b] for a, b in part.spans)
        if part.result is None:
            assert part.text == prompt[start:end]
        assert part.text.strip() == kept.strip()
        assert all(start <= a < b <= end for a, b in part.spans)


@given(any_text)
def test_any_text_is_either_parsed_without_loss_or_refused(prompt: str) -> None:
    try:
        sections = parse_tagged(prompt)
    except InputError as error:
        if not re.match(r"Line \d+, character offset \d+: ", str(error)):
            raise
        return
    at = 0
    between: list[str] = []
    for section in sections:
        between.append(prompt[at : section.span.start])
        assert section.tagged or section.span.start < section.span.end
        at = section.span.end
    between.append(prompt[at:])
    assert all(re.fullmatch(r"(</?llmlingua(?![\w.:-])[^<>]*>)*", tags) for tags in between)
    kept = "".join(prompt[start:end] for start, end in (section.span for section in sections))
    assert len(kept) + sum(len(tags) for tags in between) == len(prompt)
    assert is_text(prompt) == (between == [""] * len(between))


@given(st.lists(st.tuples(plain_text, st.none() | st.tuples(openings, closings)), max_size=6))
def test_text_minus_the_tags_survives_a_rate_of_one(pieces: list[tuple[str, tuple[str, str] | None]]) -> None:
    texts = [text for text, _ in pieces]
    prompt = "".join(text if tags is None else f"{tags[0]}{text}{tags[1]}" for text, tags in pieces)
    if not is_text("".join(texts)) or not all(is_text(text) for text in texts):
        return
    result = compress_tagged(re.sub(r"rate ?= ?[\d.]+", "rate=1.0", prompt), lexical, rate=1)
    assert result.text == "".join(texts)
    assert result.origin_tokens == result.compressed_tokens


@given(plain_text)
def test_text_without_tags_survives_whatever_the_budget(text: str) -> None:
    if is_text(text):
        result = compress_tagged(text, lexical, "q", rate=0.1)
        assert result.text == text
        assert [note.code for note in result.notes] == (["no_tags"] if text.strip() else [])


@pytest.mark.parametrize("counter", COUNTERS)
def test_target_tokens_bound_the_whole_text(
    counter: str, generated: dict[str, st.SearchStrategy[str]]
) -> None:
    subject = PromptCompressor(
        model=FixedScorer(lambda _, text: (sum(map(ord, text)) % 97) / 97), token_counter=COUNTERS[counter]
    )

    @given(
        st.lists(st.tuples(plain_text, openings, generated["texts"]), max_size=4),
        plain_text,
        st.integers(1, 300),
    )
    def check(pieces: list[tuple[str, str, str]], end: str, target: int) -> None:
        prompt = "".join(f"{before}{tag}{text}</llmlingua>" for before, tag, text in pieces) + end
        if not all(is_text(text) for before, _, inside in pieces for text in (before, inside)):
            return
        try:
            result = compress_tagged(prompt, subject, "q", target_tokens=target)
        except ProtectedOverBudgetError as error:
            if f"target_tokens={target} is for the whole text" not in str(error):
                raise
            return
        except InputError:
            return  # pieces that make up a tag together
        check_parts_make_up_the_text(result, prompt)
        assert result.compressed_tokens <= target
        assert [result.compressed_tokens] == subject.token_counter.count([result.text])
        assert result.token_counter == subject.token_counter.name

    check()


def test_attributes_are_read_in_any_order_with_and_without_commas() -> None:
    for tag in (
        "<llmlingua, rate=0.4, compress=False>",
        "<llmlingua, compress=False, rate=0.4>",
        "<llmlingua rate=0.4 compress=False>",
        "<llmlingua,rate=0.4,compress=False>",
        "<llmlingua  ,  rate = 0.40\n, compress = false >",
        "<llmlingua rate=\"0.4\" compress='False'>",
        "<llmlingua rate=4e-1, compress=False>",
    ):
        (section,) = parse_tagged(f"{tag}x</llmlingua>")
        assert (section.rate, section.compress, section.tagged) == (0.4, False, True), tag
        assert section.span == Span(len(tag), len(tag) + 1)
    (section,) = parse_tagged("<llmlingua></llmlingua>")
    assert (section.rate, section.compress, section.span) == (None, True, Span(11, 11))


@pytest.mark.parametrize(
    ("prompt", "line", "offset", "says"),
    [
        ("one\ntwo <llmlingua rate=0.4", 2, 8, "no '>'"),
        ("one\r\n<llmlingua, a < b>", 2, 5, "no '>'"),
        ("x\n\n<llmlingua>text", 3, 3, "never closed"),
        ("text</llmlingua>", 1, 4, "never opened"),
        ("<llmlingua>a<llmlingua>b</llmlingua></llmlingua>", 1, 12, "nested"),
        ("<llmlingua>a</llmlingua b>", 1, 12, "closing tag"),
        ("<llmlingua>a</llmlingua", 1, 12, "closing tag"),
        ("<llmlingua, rat=0.4>a</llmlingua>", 1, 12, "unknown attribute 'rat'"),
        ("<llmlingua, rate=0.4, rate=0.5>a</llmlingua>", 1, 22, "twice"),
        ("<llmlingua, rate>a</llmlingua>", 1, 10, "cannot read ', rate'"),
        ("<llmlingua, rate=>a</llmlingua>", 1, 10, "cannot read"),
        ("<llmlingua, rate=0.4,>a</llmlingua>", 1, 20, "cannot read ','"),
        ("<llmlingua/>", 1, 10, "cannot read '/'"),
        ("<llmlingua, rate=half>a</llmlingua>", 1, 0, "rate must be a number"),
        ("<llmlingua, rate=nan>a</llmlingua>", 1, 0, "rate must be a number"),
        ("<llmlingua, rate=-0.4>a</llmlingua>", 1, 0, "rate must be a number"),
        ("<llmlingua, rate=0>a</llmlingua>", 1, 0, "in (0, 1]"),
        ("\n<llmlingua, rate=1.01>a</llmlingua>", 2, 1, "in (0, 1]"),
        ("<llmlingua, compress=1>a</llmlingua>", 1, 0, "compress must be True or False, got '1'"),
        ("<llmlingua, compress=maybe>a</llmlingua>", 1, 0, "compress must be True or False"),
    ],
)
def test_malformed_tags_are_refused_with_their_place(prompt: str, line: int, offset: int, says: str) -> None:
    with pytest.raises(InputError, match=re.escape(says)) as caught:
        compress_tagged(prompt, lexical, QUESTION)
    assert str(caught.value).startswith(f"Line {line}, character offset {offset}: ")


def test_parts_without_a_rate_share_the_budget_and_the_others_meet_their_own() -> None:
    prompt = (
        f"Notes:\n<llmlingua>{NOTES}</llmlingua>\n<llmlingua, rate=0.4>{OTHERS}</llmlingua>\n"
        f"<llmlingua>{OTHERS}</llmlingua>\n<llmlingua, compress=False>{NOTES}</llmlingua>\nEnd."
    )
    result = compress_tagged(prompt, lexical, QUESTION, rate=0.3)
    check_parts_make_up_the_text(result, prompt)
    first, own, second, kept = [part for part in result.parts if part.section.tagged]
    assert first.result is second.result
    expected = lexical.compress([NOTES, OTHERS], QUESTION, rate=0.3)
    assert first.result is not None
    assert first.result.to_dict() == expected.to_dict()
    assert own.result is not None
    assert own.result.to_dict() == lexical.compress([OTHERS], QUESTION, rate=0.4).to_dict()
    assert (kept.text, kept.result, kept.document) == (NOTES, None, None)
    assert result.text.startswith("Notes:\nThe lamp was first lit on 3 March 1874.")
    assert result.text.endswith(f"\n{NOTES}\nEnd.")
    assert 0 < result.rate < 1 < result.ratio


def test_equal_budgets_are_scored_in_one_batch() -> None:
    calls: list[int] = []

    class Counting(PromptCompressor):
        def compress_batch(self, batch: Any, *args: Any, **options: Any) -> Any:
            calls.append(len(batch))
            return super().compress_batch(batch, *args, **options)

    parts = [
        f"<llmlingua{rate}>{NOTES}</llmlingua>" for rate in ("", " rate=0.5", "", " rate=0.5", " rate=0.2")
    ]
    compress_tagged("\n".join(parts), Counting("lexical"), QUESTION, rate=0.5)
    assert calls == [3, 1]


def test_white_space_at_the_ends_of_a_part_stays() -> None:
    prompt = f"Notes:<llmlingua>\r\n\t{NOTES}\r\n</llmlingua>Question: <llmlingua> \n </llmlingua>?"
    result = compress_tagged(prompt, lexical, QUESTION, rate=0.2)
    assert result.text == "Notes:\r\n\tThe lamp was first lit on 3 March 1874.\r\nQuestion:  \n ?"
    start = prompt.index("The lamp")
    assert result.parts[1].spans == (Span(start, start + 39),)


def test_a_part_of_which_nothing_matters_goes_and_is_told() -> None:
    only_lamps = PromptCompressor(model=FixedScorer(lambda _, text: float("lamp" in text)))
    prompt = f"A<llmlingua>\n{NOTES}\n</llmlingua>B<llmlingua>\nDogs bark. Cats sleep.\n</llmlingua>C"
    result = compress_tagged(prompt, only_lamps, QUESTION, threshold=0.5)
    assert result.text == "A\nThe lamp was first lit on 3 March 1874.\nB\n\nC"
    gone = result.parts[3]
    assert gone.spans == ()
    assert gone.document is not None
    assert not gone.document.spans


def test_a_prompt_within_the_target_stays_as_it_is() -> None:
    prompt = f"A<llmlingua>{NOTES}</llmlingua>"
    result = compress_tagged(prompt, lexical, QUESTION, target_tokens=1000)
    assert result.text == f"A{NOTES}"
    assert result.parts[1].result is None
    assert result.rate == 1


def test_uncompressed_text_above_the_target_is_an_error_that_says_so() -> None:
    prompt = f"{NOTES}<llmlingua>{OTHERS}</llmlingua>"
    fixed = lexical.token_counter.count([NOTES])[0]
    with pytest.raises(
        ProtectedOverBudgetError, match=rf"target_tokens=10 .* is {fixed} tokens .* by itself"
    ):
        compress_tagged(prompt, lexical, QUESTION, target_tokens=10)
    with pytest.raises(ProtectedOverBudgetError, match="leaves too few"):
        compress_tagged(prompt, lexical, QUESTION, target_tokens=fixed)
    with pytest.raises(ProtectedOverBudgetError, match=r"leaves about 1 for the rest\. Nothing fits"):
        compress_tagged(f"{NOTES}<llmlingua>{'1,234.56 ' * 9}</llmlingua>", lexical, target_tokens=fixed + 1)
    with pytest.raises(ProtectedOverBudgetError, match="by itself"):
        compress_tagged(NOTES, lexical, QUESTION, target_tokens=10)


def test_notes_name_the_part() -> None:
    prompt = f"A<llmlingua>{OTHERS}</llmlingua>B<llmlingua, rate=0.05>{NOTES}</llmlingua>"
    result = compress_tagged(prompt, lexical, "   ", rate=0.5)
    assert ("rate_missed", 3) in [(note.code, note.document) for note in result.notes]
    assert [(n.code, n.document) for n in result.notes if n.code == "blank_query"] == [("blank_query", None)]


@pytest.mark.parametrize("prompt", ["", "   ", "<llmlingua></llmlingua>", "<llmlingua>\r\n</llmlingua>" * 3])
def test_empty_prompts_stay_empty(prompt: str) -> None:
    result = compress_tagged(prompt, lexical, QUESTION, target_tokens=5)
    assert result.text == re.sub(r"<[^>]*>", "", prompt)
    assert (result.rate, result.ratio, result.notes) == (1.0, 1.0, ())


def test_special_tokens_and_comparisons_inside_a_part_survive() -> None:
    text = (
        "Prices: <s>10</s> if a < b > c. The rest is about dogs, who bark at night, and nothing else at all."
    )
    result = compress_tagged(f"<llmlingua>{text}</llmlingua>", lexical, "What are the prices?", rate=0.5)
    assert "<s>10</s> if a < b > c." in result.text


def test_the_default_method_finds_the_answer() -> None:
    prompt = f"Use the notes.\n<llmlingua>\n{NOTES}\n</llmlingua>\n{QUESTION}"
    result = compress_tagged(prompt, PromptCompressor(), QUESTION)
    assert "first lit on 3 March 1874" in result.text
    assert "Dogs" not in result.text


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(InputError, match="prompt must be a str, got list"):
        compress_tagged(["a"], lexical)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="compressor must be a PromptCompressor, got str"):
        compress_tagged("a", "lexical")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="query must be a str or None"):
        compress_tagged("a", lexical, 5)  # type: ignore[arg-type]
    with pytest.raises(BudgetError, match="at most one"):
        compress_tagged("a", lexical, rate=0.5, target_tokens=5)
    with pytest.raises(BudgetError, match=r"in \(0, 1\]"):
        compress_tagged("a", lexical, rate=2)


def test_errors_of_the_compressor_come_through() -> None:
    asking = PromptCompressor(model=FixedScorer(requires_query=True))
    with pytest.raises(MissingQueryError):
        compress_tagged(f"<llmlingua>{NOTES}</llmlingua>", asking)
    assert compress_tagged("no tags", asking).text == "no tags"


def test_documents_are_the_texts_of_the_parts() -> None:
    result = compress_tagged(f"<llmlingua> {NOTES} </llmlingua>", lexical, QUESTION, rate=0.5)
    assert result.parts[0].document is not None
    assert result.parts[0].document.source == Document(NOTES)
