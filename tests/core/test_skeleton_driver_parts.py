"""The pure parts of the driver: merging, seams between a text and its continuation, accounting."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingua_core.errors import LLMConnectionError, LLMRateLimitError
from lingua_core.llms import ChatRequest, Message, Usage
from lingua_core.skeleton.driver.accounting import estimate_tokens, usage_of
from lingua_core.skeleton.driver.continuing import Seam, continuing
from lingua_core.skeleton.driver.merging import Merge
from lingua_core.skeleton.driver.states import share
from lingua_core.skeleton.driver.thinking import ThoughtFilter

TEXTS = st.text(alphabet="ab .\n東", max_size=12)


def pieces(text: str, cuts: list[int]) -> list[str]:
    at = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    return [text[a:b] for a, b in pairwise(at)]


# Merging


@given(st.data())
def test_parts_that_grow_in_any_order_are_shown_in_the_one_order(data: st.DataObject) -> None:
    texts = data.draw(st.lists(TEXTS, min_size=1, max_size=5))
    held = data.draw(st.lists(st.booleans(), min_size=len(texts), max_size=len(texts)))
    shown: list[tuple[int, str]] = []
    merge = Merge(lambda index, text: shown.append((index, text)))
    steps: list[tuple[int, str | None]] = []
    for i, text in enumerate(texts):
        merge.add(i, f"[{i}] ", is_held=held[i])
        steps += [(i, piece) for piece in pieces(text, data.draw(st.lists(st.integers(0, 12), max_size=4)))]
        steps.append((i, None))
    order = data.draw(st.permutations(range(len(steps))))
    # Any interleaving that keeps each part's own order.
    queues = {i: [piece for j, piece in steps if j == i] for i in range(len(texts))}
    opened = data.draw(st.integers(0, len(steps)))
    for n, step in enumerate(order):
        if n == opened:
            merge.open()
        index = steps[step][0]
        piece = queues[index].pop(0)
        merge.finish(index) if piece is None else merge.write(index, piece)
    merge.open()
    expected = "\n\n".join(f"[{i}] {text.strip()}" for i, text in enumerate(texts) if text.strip())
    assert merge.text == "".join(text for _, text in shown) == expected
    assert [index for index, _ in shown] == sorted(index for index, _ in shown)


def test_a_part_is_shown_while_it_grows_once_those_before_it_are_done() -> None:
    shown: list[tuple[int, str]] = []
    merge = Merge(lambda index, text: shown.append((index, text)))
    for i in (1, 2):
        merge.add(i)
    merge.write(2, "later ")
    merge.write(1, "one")
    assert shown == []
    merge.open()
    merge.write(1, " two")
    merge.finish(1)
    merge.write(2, "on")
    assert shown == [(1, "one"), (1, " two"), (2, "\n\nlater"), (2, " on")]


def test_what_was_shown_cannot_be_taken_back() -> None:
    merge = Merge(lambda index, text: None)
    merge.add(1)
    merge.open()
    merge.write(1, "said")
    with pytest.raises(ValueError, match="was shown"):
        merge.restart(1)


# Continuations


@pytest.mark.parametrize(
    ("said", "more", "joined"),
    [
        ("The bridge was", " opened in 1887.", "The bridge was opened in 1887."),
        ("The bridge was", "opened in 1887.", "The bridge was opened in 1887."),
        ("The bridge was ", "opened.", "The bridge was opened."),
        ("The bridge was ", " opened.", "The bridge was opened."),
        ("The bridge was", "bridge was opened.", "The bridge was opened."),
        ("The bridge was open", "was opened in 1887.", "The bridge was opened in 1887."),
        ("The bridge was", "The bridge was opened.", "The bridge was opened."),
        ("Done.", "Then more.", "Done. Then more."),
        ("橋は", "開いた。", "橋は開いた。"),
        ("", "All of it.", "All of it."),
        ("It ends", "", "It ends"),
    ],
)
def test_a_continuation_is_joined_without_repeats_and_with_a_space(said: str, more: str, joined: str) -> None:
    for cuts in ([], [3], list(range(len(more)))):
        seam = Seam(said, is_exact=False)
        assert said + "".join(seam.feed(piece) for piece in pieces(more, cuts)) + seam.finish() == joined


@given(said=TEXTS, more=TEXTS, cuts=st.lists(st.integers(0, 12), max_size=4), exact=st.booleans())
def test_a_seam_adds_at_most_a_space_and_drops_only_the_beginning(
    said: str, more: str, cuts: list[int], exact: bool
) -> None:
    def join(parts: list[str]) -> str:
        seam = Seam(said, is_exact=exact)
        return "".join(seam.feed(piece) for piece in parts) + seam.finish()

    whole = join([more])
    assert more.endswith(whole.lstrip())
    assert join(pieces(more, cuts)).lstrip().endswith(whole.lstrip()[-3:])


def test_a_request_is_continued_by_prefill_or_by_a_further_turn() -> None:
    user, begun = Message("user", "Why?"), Message("assistant", "1. Cost:")
    request = ChatRequest(messages=(user, begun), prefill=True, max_tokens=100, tag="point 1")
    by_prefill = continuing(request, " It is ", prefill=True, spent=30)
    assert by_prefill.messages == (user, Message("assistant", "1. Cost: It is"))
    assert (by_prefill.prefill, by_prefill.max_tokens, by_prefill.tag) == (True, 70, "point 1")
    by_turn = continuing(ChatRequest(messages=(user,)), "It is", prefill=False, spent=3)
    assert by_turn.messages[:2] == (user, Message("assistant", "It is"))
    assert by_turn.messages[2].role == "user"
    assert not by_turn.prefill


# Thinking


@given(st.lists(st.integers(0, 40), max_size=6))
def test_thinking_before_a_direct_answer_is_left_out_however_it_is_cut(cuts: list[int]) -> None:
    for text, expected in (
        ("<think>\nhm, <b>\n</think>\nThe answer.", "The answer."),
        ("<b>Bold</b> begins here, and goes on and on.", "<b>Bold</b> begins here, and goes on and on."),
        ("< 5 is few", "< 5 is few"),
        ("Plain <think>no</think>", "Plain <think>no</think>"),
        ("<think>never ends", ""),
    ):
        taken = ThoughtFilter()
        assert "".join(taken.feed(piece) for piece in pieces(text, cuts)) + taken.finish() == expected


# Accounting


def test_calls_that_say_nothing_are_estimated_and_marked() -> None:
    request = ChatRequest(messages=(Message("user", "a" * 400),))
    cut = usage_of(request, "b" * 40, told=None, error=LLMConnectionError("gone"), count=estimate_tokens)
    assert cut == Usage(prompt_tokens=104, completion_tokens=10, calls=1, estimated=True)
    refused = usage_of(request, "", told=None, error=LLMRateLimitError("429"), count=estimate_tokens)
    assert refused == Usage(calls=1)
    told = Usage(prompt_tokens=7, completion_tokens=2, cached_tokens=5, calls=3)
    assert usage_of(request, "b", told=told, error=None, count=estimate_tokens) == Usage(
        prompt_tokens=7, completion_tokens=2, cached_tokens=5, calls=1
    )


@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(1, 7))
def test_a_shared_call_is_divided_without_loss(prompt: int, completion: int, among: int) -> None:
    whole = Usage(prompt_tokens=prompt, completion_tokens=completion, calls=1)
    assert sum(share(whole, among=among), Usage()) == whole
