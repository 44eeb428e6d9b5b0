"""Answers over documents: what each call reads, under one budget, and where it comes from."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lingua_core import Document, InputError, PromptCompressor, ScorerError, SkeletonOfThought
from lingua_core.llms import ChatRequest, Reply, ScriptedLLM, WrittenAnswer
from lingua_core.scorers import FixedScorer
from lingua_core.skeleton import (
    AnswerDone,
    ContextOptions,
    DocumentContexts,
    Expansion,
    Point,
    SkeletonAnswer,
)
from lingua_core.skeleton.documents.budgeting import PointBudget, PromptFrame
from lingua_core.skeleton.documents.scoring import SharedPasses
from lingua_core.skeleton.economy import Prices

SUBJECTS = ("Bridges", "Ferries", "Tunnels", "Roads", "Canals", "Rails", "Airports")
QUESTION = "How can a town be reached?"


def document(subject: str, *, sentences: int = 8) -> Document:
    text = " ".join(
        f"{subject} matter for reason number {i}, which takes a whole sentence of some length to explain."
        for i in range(sentences)
    )
    return Document(text, id=subject.lower(), title=subject)


DOCUMENTS = tuple(document(subject) for subject in SUBJECTS)


def shared_words(query: str | None, text: str) -> float:
    """The share of a text's words that a query has."""
    asked = set((query or "").lower().replace("?", "").split())
    words = text.lower().split()
    return sum(word in asked for word in words) / max(1, len(words))


def words(text: str) -> int:
    return len(text.split())


def compressor(
    score: Callable[[str | None, str], float] = shared_words, *, threshold: float | None = None
) -> PromptCompressor:
    return PromptCompressor(
        model=FixedScorer(score, default_threshold=threshold), token_counter=words, protect=()
    )


def written(
    *titles: str, text: Callable[[int], str] = lambda i: f"It is so, as [{i}] says."
) -> WrittenAnswer:
    return WrittenAnswer(
        points=tuple((title, text(i)) for i, title in enumerate(titles, 1)), direct="All of it [1]."
    )


def answered(
    replies: object = None,
    *,
    documents: Sequence[Document | str] = DOCUMENTS,
    cut: PromptCompressor | None = None,
    contexts: ContextOptions | None = None,
    router: str = "always",
    **options: object,
) -> tuple[SkeletonAnswer, list[ChatRequest]]:
    llm = ScriptedLLM(replies or written("Bridges", "Ferries", "Tunnels"))  # type: ignore[arg-type]
    engine = SkeletonOfThought(
        llm,
        router=router,  # type: ignore[arg-type]
        compressor=cut or compressor(),
        contexts=contexts or ContextOptions(context_tokens=400),
        **options,  # type: ignore[arg-type]
    )
    return engine.answer(QUESTION, documents=documents), llm.requests


def request(requests: Sequence[ChatRequest], tag: str) -> str:
    return next(r.messages[-1].content for r in requests if r.tag == tag)


def passages(expansion: Expansion) -> list[str]:
    """What a point was given of the documents."""
    return [
        DOCUMENTS[citation.number - 1].text[start:end]
        for citation in expansion.citations
        for start, end in citation.spans
    ]


def contexts_of(
    cut: PromptCompressor | None = None,
    options: ContextOptions | None = None,
    documents: Sequence[Document] = DOCUMENTS,
) -> DocumentContexts:
    return DocumentContexts(documents, cut or compressor(), options or ContextOptions(context_tokens=400))


# What points read


def test_each_point_reads_what_bears_on_it_and_shows_where_it_comes_from() -> None:
    answer, requests = answered()
    for i, subject in enumerate(("Bridges", "Ferries", "Tunnels"), start=1):
        prompt = request(requests, f"point {i}")
        assert f"[{i}] {subject}\n{subject} matter for reason" in prompt
        assert answer.expansions[i - 1].cited == (i,)
        for citation in answer.expansions[i - 1].citations:
            source = DOCUMENTS[citation.number - 1]
            assert (citation.id, citation.title) == (source.id, source.title)
            for start, end in citation.spans:
                assert source.text[start:end] in prompt
    assert not [note for note in answer.notes if "document bears" in note or "failed" in note]


def test_numbers_are_places_in_the_input_in_every_call() -> None:
    _, requests = answered()
    for asked in requests:
        for i, subject in enumerate(SUBJECTS, start=1):
            for wrong in range(1, len(SUBJECTS) + 1):
                assert wrong == i or f"[{wrong}] {subject}\n" not in asked.messages[-1].content
    assert "[1] Bridges\n" in request(requests, "point 1")


def test_citations_of_the_answer_hold_all_spans_of_its_points_once() -> None:
    answer, _ = answered()
    numbers = [citation.number for citation in answer.citations]
    assert numbers == sorted(set(numbers))
    merged = {citation.number: citation.spans for citation in answer.citations}
    for expansion in answer.expansions:
        for citation in expansion.citations:
            for start, end in citation.spans:
                assert any(a <= start and end <= b for a, b in merged[citation.number])
    for spans in merged.values():
        assert all(a.end < b.start for a, b in pairwise(spans))


def test_a_number_that_a_call_was_not_given_is_noted() -> None:
    answer, _ = answered(written("Bridges", "Ferries", text=lambda i: "So it is [99], and [1, 42]."))
    assert "Point 1 cites [99], [42], which it was not given." in answer.notes
    direct, _ = answered({"direct": "So it is [99]."}, router="never")
    assert "The answer cites [99], which it was not given." in direct.notes
    assert answer.expansions[0].cited == (1,)


def test_points_written_in_one_request_share_what_bears_on_all_of_them() -> None:
    replies = {
        "skeleton": "1. Bridges\n2. Ferries\n",
        "points 1-2": "=== 1 ===\nOne [1].\n=== 2 ===\nTwo [2].",
        "": "x",
    }
    _, requests = answered(replies, points_per_request=2)
    prompt = request(requests, "points 1-2")
    assert "[1] Bridges\n" in prompt
    assert "[2] Ferries\n" in prompt


# The budget


@settings(max_examples=40, deadline=None)
@given(
    points=st.integers(1, 14),
    tokens=st.integers(290, 900),
    expected=st.integers(1, 8),
    share=st.floats(0, 0.11),
)
def test_contexts_hold_the_budget_whatever_the_number_of_points(
    points: int, tokens: int, expected: int, share: float
) -> None:
    options = ContextOptions(context_tokens=tokens, expected_points=expected, skeleton_share=share)
    contexts = contexts_of(options=options)
    given = [contexts.for_skeleton(QUESTION)]
    given += [
        contexts.for_points(QUESTION, [Point(index=i, text=SUBJECTS[i % len(SUBJECTS)])])
        for i in range(1, points + 1)
    ]
    assert contexts.count(given) <= tokens + 32 * max(0, points - expected)
    assert contexts.count(given) == contexts.given_tokens()
    assert all(given)


@given(total=st.integers(320, 5000), expected=st.integers(1, 10), number=st.integers(1, 20))
def test_a_points_share_follows_from_its_number_and_all_that_are_expected_get_the_same(
    total: int, expected: int, number: int
) -> None:
    budget = PointBudget(total=total, expected=expected, least=32)
    shares = [budget.of(i) for i in range(1, number + 1)]
    assert sum(shares) <= total + 32 * max(0, number - expected)
    assert len(set(shares[:expected])) == 1
    assert set(shares[expected:]) <= {32}


@given(
    total=st.integers(1000, 5000),
    expected=st.integers(2, 10),
    points=st.integers(2, 12),
    frame=st.builds(
        PromptFrame, skeleton=st.integers(0, 200), point=st.integers(0, 150), title=st.integers(0, 9)
    ),
    data=st.data(),
)
def test_points_that_wait_share_what_the_others_leave_and_hold_the_budget_of_prompts(
    total: int, expected: int, points: int, frame: PromptFrame, data: st.DataObject
) -> None:
    waiting = data.draw(st.sets(st.integers(1, points), min_size=1))
    budget = PointBudget(total=total, expected=expected, least=32, frame=frame)
    each = budget.of_waiting(waiting, points=points)
    assert 32 <= each <= max(32, 3 * budget.of(1))
    early = [i for i in range(1, points + 1) if i not in waiting]
    spent = sum(budget.of(i) + frame.of_point(i) for i in early)
    spent += len(waiting) * (each + frame.of_point(points))
    if each > 32:
        assert spent + frame.skeleton <= total + frame.of_answer(expected)
    if points <= expected and not frame.point and not frame.title:
        assert each >= budget.of(1)


def test_a_point_that_names_nothing_waits_for_the_plan_and_reads_what_the_others_leave() -> None:
    plan = written("Bridges", "Conclusion", "Ferries")
    answer, requests = answered(plan, contexts=ContextOptions(context_tokens=700))
    whole, partial = request(requests, "point 2"), request(requests, "point 1")
    assert "3. Ferries" in whole
    assert "2. Conclusion" not in partial
    given = [sum(words(s) for s in passages(e)) for e in answer.expansions]
    assert given[1] > 2 * max(given[0], given[2])
    assert answer.accounting is not None
    assert answer.accounting.context_tokens <= 700


def test_what_points_read_does_not_depend_on_when_they_are_launched() -> None:
    plan = written("Bridges", "Conclusion", "Ferries", "Overview")
    options = ContextOptions(context_tokens=700)
    answers = [answered(plan, contexts=options)[0] for _ in range(2)]
    assert answers[0].expansions == answers[1].expansions
    # With two calls at once, the second point finds no slot: it knows the plan, and shares what is left.
    narrow, _ = answered(plan, contexts=options, max_concurrency=2)
    assert narrow.accounting is not None
    assert narrow.accounting.context_tokens <= 700


def test_where_the_question_says_nothing_of_points_their_own_words_choose_what_is_read_again() -> None:
    def score(query: str | None, text: str) -> float:
        if "zeppelin" in (query or "").lower() and "airship" in text:
            return 0.95
        return 0.9 if "always" in text else 0.1

    loud = [f"Remark {i} always seems to matter, whatever the question is." for i in range(5)]
    quiet = [f"Remark {i} is about nothing in particular." for i in range(14)]
    about = "The zeppelin was built by a count. An airship of this kind was as long as a street."
    contexts = DocumentContexts(
        [Document(text) for text in (*loud, *quiet, about)],
        compressor(score, threshold=0.5),
        ContextOptions(context_tokens=160, expected_points=4, reread=4),
    )
    contexts.for_skeleton(QUESTION)
    read = contexts.for_points(QUESTION, [Point(index=1, text="Zeppelin travel and its heyday")])
    assert "An airship of this kind" in read


def test_headings_count_towards_the_budget() -> None:
    long_titles = [
        Document(d.text, title="A title of many words that says very little " * 2) for d in DOCUMENTS
    ]
    contexts = contexts_of(options=ContextOptions(context_tokens=500), documents=long_titles)
    assert words(contexts.for_direct(QUESTION)) <= 500
    assert words(contexts.for_skeleton(QUESTION)) <= 50


def test_a_seven_point_answer_over_twenty_documents_reads_no_more_than_a_direct_call() -> None:
    documents = [document(f"{subject} {i}", sentences=10) for i in range(3) for subject in SUBJECTS][:20]
    assert 140 <= sum(words(d.text) for d in documents) / 20 <= 170
    answer, requests = answered(written(*SUBJECTS), documents=documents, contexts=ContextOptions())
    assert answer.accounting is not None
    assert answer.accounting.ratio <= 1.0
    assert answer.accounting.prompt_tokens == sum(words(m.content) for r in requests for m in r.messages)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"context_tokens": 100}, "at least 32 each: 256"),
        ({"context_tokens": 0}, "context_tokens must be a whole number from 1 on, got 0"),
        ({"context_tokens": 400.5}, "context_tokens must be a whole number"),
        ({"skeleton_share": 1.0}, "skeleton_share must be a fraction"),
        ({"skeleton_share": "much"}, "skeleton_share must be a fraction"),
        ({"expected_points": 0}, "expected_points must be a whole number from 1 on"),
        ({"expected_points": True}, "expected_points must be a whole number from 1 on"),
        ({"reread": -1}, "reread must be a whole number from 0 on"),
        ({"mode": "both"}, "mode must be one of 'auto', 'per-point', 'shared', got 'both'"),
    ],
)
def test_options_out_of_range_say_what_was_given(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ContextOptions(**options)  # type: ignore[arg-type]


@given(expected=st.integers(1, 20), share=st.floats(0, 0.95))
def test_the_least_number_of_tokens_is_one_that_is_accepted(expected: int, share: float) -> None:
    least = ContextOptions(expected_points=expected, skeleton_share=share).least_tokens
    ContextOptions(expected_points=expected, skeleton_share=share, context_tokens=least + 1)


# One context for all


def test_in_shared_mode_all_prompts_begin_alike() -> None:
    answer, requests = answered(contexts=ContextOptions(mode="shared", context_tokens=600))
    prompts = [r.messages for r in requests]
    assert len(prompts) == 4
    context = contexts_of(options=ContextOptions(mode="shared", context_tokens=600)).for_skeleton(QUESTION)
    shared = prompts[0][-1].content.split(QUESTION)[0] + QUESTION
    assert context in shared
    assert all(messages[-1].content.startswith(shared) for messages in prompts)
    assert len({messages[:-1] for messages in prompts}) == 1
    assert len({e.citations for e in answer.expansions}) == 1


@pytest.mark.parametrize(
    ("prices", "mode", "reason"),
    [
        (None, "per-point", "no price for cached tokens was given"),
        (Prices(prompt=1.0), "per-point", "no price for cached tokens was given"),
        (Prices(prompt=1.0, cached=0.1, cache_from=5000), "per-point", "below the 5,000 that are cached"),
        (Prices(prompt=1.0, cached=0.0, cache_from=100), "shared", "cost as much as 275"),
        (Prices(prompt=1.0, cached=1.0, cache_from=100), "per-point", "cost as much as 2,475"),
    ],
)
def test_auto_takes_what_costs_less_and_says_why(prices: Prices | None, mode: str, reason: str) -> None:
    choice = contexts_of(options=ContextOptions(context_tokens=500, prices=prices)).choice
    assert choice.mode == mode
    assert reason in choice.reason
    assert choice.per_point == 500
    answer, _ = answered(contexts=ContextOptions(context_tokens=500, prices=prices))
    assert any(note.startswith(f"Contexts: {mode};") for note in answer.notes)


# Direct answers


def test_a_direct_answer_reads_the_documents_under_the_whole_budget() -> None:
    answer, requests = answered(router="never")
    assert answer.route == "direct"
    prompt = request(requests, "direct")
    for citation in answer.citations:
        for start, end in citation.spans:
            assert DOCUMENTS[citation.number - 1].text[start:end] in prompt
    assert answer.accounting is not None
    assert 300 < answer.accounting.context_tokens <= 400
    assert answer.accounting.prompt_tokens <= answer.accounting.direct_compressed_prompt_tokens
    assert not [note for note in answer.notes if note.startswith("Contexts")]


def test_accounting_adds_up_by_hand() -> None:
    documents = [Document("One two three.", title="A"), Document("Four five.")]
    answer, requests = answered(
        written("A", "B"), documents=documents, contexts=ContextOptions(context_tokens=300)
    )
    found = answer.accounting
    assert found is not None
    # "[1] A" and three words, "[2]" and two: nothing need be cut, and skeleton and two points read all.
    whole = 2 + 3 + 1 + 2
    assert found.context_tokens == 3 * whole
    assert found.prompt_tokens == sum(words(m.content) for r in requests for m in r.messages)
    assert found.completion_tokens == words("1. A 2. B") + words(answer.text)
    direct, asked = answered(documents=documents, router="never", contexts=ContextOptions(context_tokens=300))
    assert direct.accounting is not None
    once = sum(words(m.content) for m in asked[0].messages)
    assert found.direct_prompt_tokens == once == direct.accounting.prompt_tokens
    assert found.direct_compressed_prompt_tokens == once
    assert found.ratio == found.prompt_tokens / once


# What goes wrong


def test_a_point_on_which_no_document_bears_is_written_from_the_shared_view_and_noted() -> None:
    def score(query: str | None, text: str) -> float:
        return 0.0 if "Zeppelins" in (query or "") else 0.9

    answer, requests = answered(written("Bridges", "Zeppelins"), cut=compressor(score, threshold=0.5))
    note = "No document bears on point 2: written from what the skeleton was planned on."
    assert note in answer.notes
    assert [expansion.note for expansion in answer.expansions] == ["", note]
    view = contexts_of(compressor(score, threshold=0.5)).for_skeleton(QUESTION)
    assert view in request(requests, "point 2")
    assert not [note for note in answer.notes if "point 1" in note]


def test_the_shipped_extractor_tells_points_that_the_documents_say_nothing_of() -> None:
    documents = [
        Document(
            "The lighthouse of Brill Point was first lit in 1871. Its lamp burned whale oil until 1902, when "
            "the town laid a cable. Since 1974 nobody has lived in the tower.",
            title="Brill Point",
        ),
        Document(
            "The keeper's log is kept in the town's museum. It tells of eleven wrecks and of two rescues by "
            "the keeper's daughters.",
            title="The keeper's log",
        ),
    ]
    points = ("Background", "The lamp and its fuel", "Growing tomatoes in winter", "Rescues of sailors")
    answer, _ = answered(
        written(*points),
        documents=documents,
        cut=PromptCompressor(),
        contexts=ContextOptions(context_tokens=400),
    )
    noted = [expansion.point.text for expansion in answer.expansions if expansion.note]
    assert noted == ["Growing tomatoes in winter"]


@pytest.mark.parametrize("error", [ScorerError("no scores"), ValueError("a user's scorer")])
def test_a_compressor_that_fails_for_one_point_harms_no_other(error: Exception) -> None:
    def score(query: str | None, text: str) -> float:
        if "Ferries" in (query or ""):
            raise error
        return shared_words(query, text)

    answer, requests = answered(cut=compressor(score))
    clean, undisturbed = answered()
    failed = [note for note in answer.notes if note.startswith("The compressor failed for point 2")]
    assert len(failed) == 1
    assert str(error) in failed[0]
    assert answer.is_complete
    assert answer.text == clean.text
    for tag in ("skeleton", "point 1", "point 3"):
        assert request(requests, tag) == request(undisturbed, tag)


@pytest.mark.parametrize("router", ["always", "never"])
def test_a_compressor_that_fails_for_the_question_is_an_error_that_says_so(router: str) -> None:
    def score(query: str | None, text: str) -> float:
        raise RuntimeError("out of order")

    with pytest.raises(ScorerError, match=r"could not be compressed to \d+ tokens .*out of order"):
        answered(cut=compressor(score), router=router)


def test_documents_without_text_are_refused_and_empty_ones_among_others_pass() -> None:
    for documents in ([], [""], [Document("  \n"), Document("")]):
        with pytest.raises(InputError, match="documents holds no text"):
            answered(documents=documents)
    with pytest.raises(InputError, match="not both"):
        SkeletonOfThought(ScriptedLLM("x")).answer(QUESTION, context="c", documents=["d"])
    answer, _ = answered(documents=[Document(""), *DOCUMENTS, Document("")])
    assert answer.expansions[0].citations[0].number == 2
    assert answer.is_complete


def test_scores_that_say_nothing_still_give_every_point_a_context() -> None:
    answer, _ = answered(cut=compressor(lambda query, text: 0.0))
    assert all(expansion.citations for expansion in answer.expansions)


def test_a_method_that_keeps_words_goes_through_its_own_compression() -> None:
    class Words(FixedScorer):
        name = "words"

    cut = PromptCompressor("llmlingua2", model=Words(shared_words), token_counter=words)
    assert not cut.keeps_segments
    with pytest.raises(InputError, match="keeps words"):
        cut.repeated_selection(["A b."], largest=10)
    contexts = contexts_of(cut)
    given = [contexts.for_skeleton(QUESTION)]
    given += [
        contexts.for_points(QUESTION, [Point(index=i, text=subject)])
        for i, subject in enumerate(SUBJECTS, start=1)
    ]
    assert contexts.count(given) <= 400
    assert "Bridges" in given[1]


# Many at once


def test_requests_that_wait_are_taken_together_and_get_their_own_answers() -> None:
    entered, go = threading.Event(), threading.Event()
    batches: list[list[int]] = []

    def answer(asked: Sequence[int]) -> list[int]:
        batches.append(sorted(asked))
        if asked == [0]:
            entered.set()
            assert go.wait(10)
        return [10 * one for one in asked]

    passes: SharedPasses[int, int] = SharedPasses(answer)
    found: dict[int, int] = {}

    def ask(number: int) -> None:
        found[number] = passes.get(number)

    first = threading.Thread(target=ask, args=(0,))
    first.start()
    assert entered.wait(10)
    others = [threading.Thread(target=ask, args=(i,)) for i in range(1, 50)]
    for thread in others:
        thread.start()
    while passes.waiting < 49:
        threading.Event().wait(0.001)
    go.set()
    for thread in (first, *others):
        thread.join(10)
        assert not thread.is_alive()
    assert found == {i: 10 * i for i in range(50)}
    assert batches == [[0], list(range(1, 50))]


def test_in_a_pass_that_fails_only_those_fail_that_cannot_be_answered() -> None:
    def answer(asked: Sequence[int]) -> list[int]:
        if 13 in asked:
            raise ValueError("unlucky")
        return list(asked)

    passes: SharedPasses[int, int] = SharedPasses(answer)
    found: dict[int, object] = {}
    start = threading.Barrier(50)

    def ask(number: int) -> None:
        start.wait()
        try:
            found[number] = passes.get(number)
        except ValueError as error:
            found[number] = str(error)

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    assert found == {i: "unlucky" if i == 13 else i for i in range(50)}


def test_an_interrupt_leaves_nobody_waiting() -> None:
    def answer(asked: Sequence[int]) -> list[int]:
        raise KeyboardInterrupt

    passes: SharedPasses[int, int] = SharedPasses(answer)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            passes.get(1)


def test_points_that_ask_at_once_read_what_they_would_have_read_one_by_one() -> None:
    points = [Point(index=i, text=subject) for i, subject in enumerate(SUBJECTS, start=1)]
    alone = contexts_of()
    expected = [alone.for_points(QUESTION, [point]) for point in points]
    together = contexts_of()
    found: dict[int, str] = {}
    start = threading.Barrier(len(points))

    def ask(point: Point) -> None:
        start.wait()
        found[point.index] = together.for_points(QUESTION, [point])

    threads = [threading.Thread(target=ask, args=(point,)) for point in reversed(points)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert [found[point.index] for point in points] == expected
    assert together.given_tokens() == alone.given_tokens()


def test_answers_are_the_same_in_all_four_ways_of_asking() -> None:
    def engine() -> SkeletonOfThought:
        return SkeletonOfThought(
            ScriptedLLM(written("Bridges", "Ferries", "Tunnels")),
            router="always",
            compressor=compressor(),
            contexts=ContextOptions(context_tokens=400),
        )

    async def streamed() -> SkeletonAnswer:
        events = [event async for event in engine().astream(QUESTION, documents=DOCUMENTS)]
        assert isinstance(events[-1], AnswerDone)
        return events[-1].answer

    *_, last = engine().stream(QUESTION, documents=DOCUMENTS)
    assert isinstance(last, AnswerDone)
    answers = [
        engine().answer(QUESTION, documents=DOCUMENTS),
        asyncio.run(engine().aanswer(QUESTION, documents=DOCUMENTS)),
        last.answer,
        asyncio.run(streamed()),
    ]
    for answer in answers[1:]:
        assert (answer.text, answer.citations, answer.accounting, answer.notes) == (
            answers[0].text,
            answers[0].citations,
            answers[0].accounting,
            answers[0].notes,
        )
        assert [e.citations for e in answer.expansions] == [e.citations for e in answers[0].expansions]


def test_a_failed_point_that_is_written_again_keeps_its_sources() -> None:
    def replies(asked: ChatRequest) -> str | Reply:
        if asked.tag == "point 2":
            return Reply(text="", finish_reason="content_filter")
        return "Written in the end [2]." if asked.tag == "fallback" else written("Bridges", "Ferries")(asked)

    answer, _ = answered(replies)
    assert answer.expansions[1].status == "fallback"
    assert answer.expansions[1].cited == (2,)
    assert answer.accounting is not None
    assert answer.accounting.context_tokens <= 400 + 32


# The shipped model


def test_the_shipped_extractor_gives_each_point_its_own_evidence() -> None:
    documents = [
        Document(
            "The bridge was built in 1931 by Anna Berg. It carries two lanes of traffic. Its towers are "
            "made of granite from the quarry nearby.",
            title="The bridge",
        ),
        Document(
            "The ferry crosses the river every twenty minutes. A ticket costs three crowns. Bicycles travel "
            "free of charge on weekdays.",
            title="The ferry",
        ),
        Document("Bread is baked at night. The oven is heated with beech wood.", title="The bakery"),
    ]
    options = ContextOptions(context_tokens=200, expected_points=4)
    contexts = DocumentContexts(documents, PromptCompressor(), options)
    question = "How can one cross the river, and what does it cost?"
    bridge = contexts.for_points(question, [Point(index=1, text="By the bridge")])
    ferry = contexts.for_points(question, [Point(index=2, text="Ferry tickets")])
    assert "two lanes of traffic" in bridge
    assert "A ticket costs three crowns." in ferry
    assert contexts.count([bridge]) <= 50 >= contexts.count([ferry])
