"""`SkeletonSynthesizer` and `SkeletonQueryEngine` keep what LlamaIndex expects of theirs."""

import asyncio
import copy
import json
import threading
from inspect import signature
from typing import Any

import pytest

pytest.importorskip("llama_index.core")
from llama_index.core.base.response.schema import AsyncStreamingResponse, Response, StreamingResponse
from llama_index.core.llms import MockLLM
from llama_index.core.prompts import ChatPromptTemplate, PromptTemplate
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.retrievers import BaseRetriever
from llama_index.core.schema import ImageNode, MetadataMode, NodeWithScore, QueryBundle, TextNode
from llama_index.core.tools import QueryEngineTool

from lingua_core import InputError, PromptCompressor, SkeletonOfThought
from lingua_core.errors import AnswerError
from lingua_core.llms import RetryPolicy
from llamaindex_lingua import LinguaPostprocessor, SkeletonQueryEngine, SkeletonSynthesizer
from scripted_llama import ChatLlama, CompletionLlama
from skeleton_script import ANSWER, DIRECT, QUESTION, TITLES, title_in

LLMS = [ChatLlama, CompletionLlama]


def sources() -> list[NodeWithScore]:
    texts = {
        "commute": "Commuting costs an hour a day. Nobody misses it.",
        "lonely": "Lonely people should meet their colleagues in person. Tea helps.",
        "bakery": "The bakery opens at six.",
    }
    return [
        NodeWithScore(node=TextNode(id_=name, text=text, metadata={"title": name.title()}), score=0.5)
        for name, text in texts.items()
    ]


class Finding(BaseRetriever):
    """Finds the given nodes."""

    def __init__(self, nodes: list[NodeWithScore]) -> None:
        super().__init__()
        self._nodes = nodes

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return self._nodes


def synthesizer(llm: Any = None, **options: Any) -> SkeletonSynthesizer:
    options.setdefault("router", "always")
    return SkeletonSynthesizer(llm if llm is not None else ChatLlama(), **options)


def account(response: Any) -> dict[str, Any]:
    """What the metadata say, without times."""
    found = copy.deepcopy(response.metadata["lingua"])
    del found["timings"]
    return found


# Every way to call it


@pytest.mark.parametrize("kind", LLMS)
async def test_every_way_to_call_it_gives_the_same_response(kind: type[CompletionLlama]) -> None:
    one, flowing = synthesizer(kind()), synthesizer(kind(), streaming=True)
    expected = one.synthesize(QUESTION, sources())
    assert isinstance(expected, Response)
    assert (expected.response or "").count("[1]") == 4
    other = await one.asynthesize(QueryBundle(QUESTION), sources())
    stream = flowing.synthesize(QUESTION, sources())
    assert isinstance(stream, StreamingResponse)
    texts = list(stream.response_gen)
    astream = await flowing.asynthesize(QUESTION, sources())
    assert isinstance(astream, AsyncStreamingResponse)
    atexts = [text async for text in astream.async_response_gen()]
    assert other.response == "".join(texts) == "".join(atexts) == expected.response  # type: ignore[union-attr]
    assert len(texts) > 4
    for response in (other, stream, astream):
        assert account(response) == account(expected)
        assert [n.node.metadata for n in response.source_nodes] == [
            n.node.metadata for n in expected.source_nodes
        ]
    engine = SkeletonQueryEngine(Finding(sources()), response_synthesizer=one)
    assert engine.query(QUESTION).response == expected.response  # type: ignore[union-attr]
    assert (await engine.aquery(QUESTION)).response == expected.response  # type: ignore[union-attr]


async def test_sync_methods_work_where_an_event_loop_runs_and_in_threads() -> None:
    one = synthesizer()
    assert one.answer(QUESTION).response == ANSWER  # type: ignore[union-attr]
    found = await asyncio.gather(*[asyncio.to_thread(one.answer, QUESTION) for _ in range(4)])
    assert [response.response for response in found] == [ANSWER] * 4  # type: ignore[union-attr]


async def test_it_is_a_synthesizer_for_query_engines_of_llamaindex() -> None:
    engine = RetrieverQueryEngine(
        Finding(sources()),
        response_synthesizer=synthesizer(),
        node_postprocessors=[LinguaPostprocessor(method="lexical", rate=0.6)],
    )
    response = engine.query(QUESTION)
    assert response.metadata["lingua"]["route"] == "skeleton"  # type: ignore[index]
    assert (await engine.aquery(QUESTION)).response == response.response  # type: ignore[union-attr]


def test_texts_alone_are_answered_from_too() -> None:
    texts = [scored.node.get_content() for scored in sources()]
    assert str(synthesizer().get_response(QUESTION, texts)).count("[1]") == 4
    assert "".join(synthesizer(streaming=True).get_response(QUESTION, texts)).count("[1]") == 4
    assert synthesizer().get_response(QUESTION, []) == ANSWER


@pytest.mark.parametrize("is_chat", [False, True])
def test_a_mock_llm_works(is_chat: bool) -> None:
    try:
        llm = MockLLM(max_tokens=5, is_chat_model=is_chat)
    except TypeError:  # an older one
        llm = MockLLM(max_tokens=5)
    response = synthesizer(llm, router="never").answer("What is said?")
    assert response.response  # type: ignore[union-attr]


# Nodes


async def test_no_nodes_are_an_empty_response_of_a_synthesizer_and_an_answer_of_the_engine() -> None:
    llm = ChatLlama()
    one = synthesizer(llm)
    assert one.synthesize(QUESTION, []).response == "Empty Response"  # type: ignore[union-attr]
    assert (await one.asynthesize(QUESTION, [])).response == "Empty Response"  # type: ignore[union-attr]
    flowing = synthesizer(llm, streaming=True, empty_response="Nothing.")
    assert str(flowing.synthesize(QUESTION, [])) == "Nothing."
    assert llm.calls == []
    for retriever in (None, Finding([])):
        engine = SkeletonQueryEngine(retriever, response_synthesizer=one)
        response = engine.query(QUESTION)
        assert response.response == ANSWER  # type: ignore[union-attr]
        assert response.metadata["lingua"]["notes"] == ["There were no nodes: answered without."]  # type: ignore[index]
        assert (await engine.aquery(QUESTION)).response == ANSWER  # type: ignore[union-attr]


def test_source_nodes_say_which_points_read_and_cite_them_and_nothing_is_mutated() -> None:
    nodes = sources()
    before = copy.deepcopy(nodes)
    response = synthesizer(contexts="per-point").synthesize(QUESTION, nodes)
    assert nodes == before
    assert [scored.node.node_id for scored in response.source_nodes] == ["commute", "lonely", "bakery"]
    found = response.source_nodes[0].node.metadata["lingua_citations"]
    assert found["number"] == 1
    assert found["cited"]
    assert [point["point"] for point in found["points"] if point["cited"]] == [1, 2, 3, 4]
    text = nodes[0].node.get_content()
    assert all(0 <= start < end <= len(text) for start, end in found["spans"])
    assert "lingua_citations" not in response.source_nodes[0].node.get_content(MetadataMode.LLM)
    assert "lingua_citations" not in response.source_nodes[0].node.get_content(MetadataMode.EMBED)
    found = response.metadata["lingua"]  # type: ignore[index]
    assert json.loads(json.dumps(found)) == found
    assert [citation["title"] for citation in found["citations"]][:2] == ["Commute", "Lonely"]


def test_nodes_without_text_stay_sources() -> None:
    image = NodeWithScore(node=ImageNode(id_="image", image="aGk="))
    given = [image, *sources()]
    extra = NodeWithScore(node=TextNode(id_="extra", text="x"))
    response = synthesizer().synthesize(QUESTION, given, additional_source_nodes=[extra])
    assert [scored.node.node_id for scored in response.source_nodes] == [
        "image",
        "commute",
        "lonely",
        "bakery",
        "extra",
    ]
    assert "lingua_citations" in response.source_nodes[1].node.metadata
    assert "lingua_citations" not in response.source_nodes[0].node.metadata
    only = synthesizer().synthesize(QUESTION, [image])
    assert only.response == ANSWER  # type: ignore[union-attr]
    assert "None of the 1 nodes holds text" in only.metadata["lingua"]["notes"][0]  # type: ignore[index]


def test_postprocessors_of_the_engine_are_applied() -> None:
    llm = ChatLlama()
    engine = SkeletonQueryEngine(
        Finding(sources()),
        response_synthesizer=synthesizer(llm),
        node_postprocessors=[LinguaPostprocessor(method="lexical", target_tokens=8)],
    )
    found = engine.retrieve(QueryBundle("When does the bakery open?"))
    assert [scored.node.node_id for scored in found] == ["bakery"]


def test_the_core_of_a_postprocessor_cuts_nodes_for_each_call() -> None:
    postprocessor = LinguaPostprocessor(method="lexical")
    long = [
        NodeWithScore(node=TextNode(text=f"Item {i} costs {i} crowns. " * 20, id_=str(i))) for i in range(10)
    ]
    found = [
        account(synthesizer(compressor=compressor, contexts="per-point").synthesize(QUESTION, long))
        for compressor in (postprocessor.core, PromptCompressor("lexical"), None)
    ]
    assert found[0] == found[1] != found[2]


def test_it_is_a_tool_for_agents() -> None:
    tool = QueryEngineTool.from_defaults(
        SkeletonQueryEngine(response_synthesizer=synthesizer()), name="long", description="Long answers."
    )
    output = tool.call(QUESTION)
    assert output.content == ANSWER
    assert output.raw_output.metadata["lingua"]["is_complete"]


# Prompts


def test_prompts_can_be_read_and_replaced() -> None:
    llm = ChatLlama()
    engine = SkeletonQueryEngine(response_synthesizer=synthesizer(llm))
    prompts = engine.get_prompts()
    assert "plan" in prompts["response_synthesizer:skeleton_prompt"].get_template()
    assert ":" not in "".join(synthesizer(llm).get_prompts())
    engine.update_prompts({"response_synthesizer:length_prompt": PromptTemplate("nine words")})
    assert engine.get_prompts()["response_synthesizer:length_prompt"].get_template() == "nine words"
    engine.query(QUESTION)
    assert any("in nine words" in call["prompt"] for call in llm.calls)


@pytest.mark.parametrize(
    ("prompts", "match"),
    [
        ({"plan_prompt": PromptTemplate("no place")}, "skeleton"),
        ({"poem_prompt": PromptTemplate("x")}, "no prompt 'poem_prompt'"),
        ({"length_prompt": ChatPromptTemplate.from_messages([("user", "x")])}, "PromptTemplate"),
        ({"length_prompt": PromptTemplate("x", template_var_mappings={"a": "b"})}, "plain"),
    ],
    ids=["place", "name", "chat", "mapped"],
)
def test_prompts_that_cannot_be_used_are_refused(prompts: Any, match: str) -> None:
    with pytest.raises(InputError, match=match):
        synthesizer().update_prompts(prompts)


# LLMs


@pytest.mark.parametrize("kind", LLMS)
def test_usage_is_the_sum_of_all_calls(kind: type[CompletionLlama]) -> None:
    llm = kind()
    found = synthesizer(llm).answer(QUESTION).metadata["lingua"]["usage"]  # type: ignore[index]
    assert found["completion_tokens"] == sum(call["sent"] for call in llm.calls)
    assert (found["calls"], found["estimated"]) == (5, False)
    silent = synthesizer(kind(has_usage=False)).answer(QUESTION).metadata["lingua"]["usage"]  # type: ignore[index]
    assert silent["estimated"]


def test_limits_are_passed_to_llms_that_declare_them() -> None:
    llm = ChatLlama()
    synthesizer(llm, skeleton_max_tokens=60, max_tokens_per_point=50).answer(QUESTION)
    assert [call["options"] for call in llm.calls] == [{"max_tokens": 60}] + [{"max_tokens": 50}] * 4


def test_a_system_prompt_of_the_llm_stands_first() -> None:
    for kind in LLMS:
        llm = kind(system_prompt="Speak like a pirate.")
        synthesizer(llm).answer(QUESTION)
        assert all("Speak like a pirate." in call["prompt"] for call in llm.calls)


def test_an_llm_that_cannot_stream_is_called_whole() -> None:
    class Whole(ChatLlama):
        def stream_chat(self, messages: Any, **kwargs: Any) -> Any:
            raise NotImplementedError

        async def astream_chat(self, messages: Any, **kwargs: Any) -> Any:
            raise NotImplementedError

    assert synthesizer(Whole()).answer(QUESTION).response == ANSWER  # type: ignore[union-attr]
    assert asyncio.run(synthesizer(Whole()).aanswer(QUESTION)).response == ANSWER  # type: ignore[union-attr]


async def test_a_synchronous_llm_does_not_hold_up_the_event_loop_and_writes_points_at_once() -> None:
    llm = CompletionLlama(seconds=0.01)
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.005)
            ticks += 1

    ticking = asyncio.create_task(tick())
    response = await synthesizer(llm, early_launch=False).aanswer(QUESTION)
    ticking.cancel()
    assert response.response == ANSWER  # type: ignore[union-attr]
    assert llm.peak == 4
    assert ticks > 5


def test_the_llms_own_rate_limiter_is_asked_before_every_call() -> None:
    limiters = pytest.importorskip("llama_index.core.rate_limiter")

    class Counting(limiters.BaseRateLimiter):
        def __init__(self) -> None:
            self.asked = 0
            self.lock = threading.Lock()

        def acquire(self, num_tokens: int = 0) -> None:
            with self.lock:
                self.asked += 1

        async def async_acquire(self, num_tokens: int = 0) -> None:
            self.acquire()

    for kind in LLMS:
        limiter = Counting()
        one = synthesizer(kind(rate_limiter=limiter))
        one.answer(QUESTION)
        assert limiter.asked == 5
        asyncio.run(one.aanswer(QUESTION))
        assert limiter.asked == 10


@pytest.mark.parametrize("wished", [1, 2])
@pytest.mark.parametrize("kind", LLMS)
async def test_max_concurrency_binds(kind: type[CompletionLlama], wished: int) -> None:
    llm = kind(seconds=0.002)
    one = synthesizer(llm, max_concurrency=wished)
    one.answer(QUESTION)
    await one.aanswer(QUESTION)
    assert llm.peak == wished


# Errors


class RateLimitError(Exception):
    """What providers raise."""

    status_code = 429


async def test_no_answer_is_an_error_that_holds_the_providers() -> None:
    error = RuntimeError("the provider is down")
    one = synthesizer(ChatLlama(fails=lambda prompt, asked: error))
    with pytest.raises(AnswerError, match="provider is down") as caught:
        one.synthesize(QUESTION, sources())
    assert caught.value.__cause__ is not None
    assert caught.value.__cause__.__cause__ is error
    with pytest.raises(AnswerError, match="provider is down"):
        await one.asynthesize(QUESTION, sources())


async def test_errors_that_pass_are_retried_and_others_cost_only_their_point() -> None:
    def fails(prompt: str, asked: int) -> BaseException | None:
        return RateLimitError("slow down") if title_in(prompt) == TITLES[0] and asked == 1 else None

    quick = RetryPolicy(base_seconds=0.0, max_seconds=0.0)
    for kind in LLMS:
        response = await synthesizer(kind(fails=fails), retry=quick).aanswer(QUESTION)
        assert response.response == ANSWER  # type: ignore[union-attr]
        assert response.metadata["lingua"]["points"][0]["status"] == "retried"  # type: ignore[index]
    failing = ChatLlama(fails=lambda p, n: KeyError("no") if title_in(p) == TITLES[1] else None)
    found = synthesizer(failing, on_failure="mark").answer(QUESTION).metadata["lingua"]  # type: ignore[index]
    assert [point["status"] for point in found["points"]] == ["complete", "failed", "complete", "complete"]


@pytest.mark.parametrize("question", ["", " \n"])
def test_a_question_that_says_nothing_is_a_value_error_and_costs_no_call(question: str) -> None:
    llm = ChatLlama()
    with pytest.raises(ValueError, match="question must say something"):
        synthesizer(llm).synthesize(QueryBundle(question), sources())
    assert llm.calls == []


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"llm": "gpt-4.1"}, "llm must be"),
        ({"llm": ChatLlama}, "not its class"),
        ({"router": "sometimes"}, "router must be"),
        ({"compressor": LinguaPostprocessor(method="lexical")}, "node_postprocessors"),
        ({"contexts": "none"}, "mode"),
        ({"temperature": 0.5}, "temperature"),
        ({"max_concurrency": 0}, "max_concurrency"),
        ({"prompts": "poem"}, "poem"),
    ],
    ids=str,
)
def test_options_that_cannot_be_used_are_refused_at_construction(options: dict[str, Any], match: str) -> None:
    with pytest.raises(InputError, match=match):
        SkeletonSynthesizer(**{"llm": ChatLlama(), **options})


def test_every_option_of_the_core_is_an_option_here() -> None:
    assert set(signature(SkeletonOfThought).parameters) <= set(signature(SkeletonSynthesizer).parameters)


def test_what_marks_a_failed_point_can_be_chosen() -> None:
    failing = ChatLlama(fails=lambda p, n: KeyError("no") if title_in(p) == TITLES[1] else None)
    response = synthesizer(failing, on_failure="mark", failure_mark="(missing)").answer(QUESTION)
    assert "2. **Quiet rooms**: (missing)" in str(response)


def test_an_engine_refuses_what_contradicts_itself() -> None:
    with pytest.raises(InputError, match="not both"):
        SkeletonQueryEngine(llm=ChatLlama(), response_synthesizer=synthesizer())
    with pytest.raises(InputError, match="as_retriever"):
        SkeletonQueryEngine([], llm=ChatLlama())  # type: ignore[arg-type]


def test_an_engine_with_an_llm_alone_has_the_defaults() -> None:
    llm = ChatLlama()
    assert SkeletonQueryEngine(llm=llm).query("What is 2 + 2?").response == DIRECT  # type: ignore[union-attr]
    assert (
        "".join(SkeletonQueryEngine(llm=llm, streaming=True).query("What is 2 + 2?").response_gen) == DIRECT
    )  # type: ignore[union-attr]


# Ends


def is_quiet(llm: CompletionLlama) -> bool:
    return llm.open_calls == 0 and sum(call["sent"] for call in llm.calls) < 40


@pytest.mark.parametrize("kind", LLMS)
async def test_ending_a_stream_early_or_cancelling_its_task_ends_all_calls(
    kind: type[CompletionLlama],
) -> None:
    llm = kind(seconds=0.02)
    response = synthesizer(llm, streaming=True).answer(QUESTION)
    next(response.response_gen)  # type: ignore[union-attr]
    response.response_gen.close()  # type: ignore[union-attr]
    assert is_quiet(llm)
    llm = kind(seconds=0.02)
    aresponse: Any = await synthesizer(llm, streaming=True).aanswer(QUESTION)
    await anext(aresponse.response_gen)
    await aresponse.response_gen.aclose()
    assert is_quiet(llm)
    llm = kind(seconds=0.02)
    task = asyncio.create_task(synthesizer(llm).aanswer(QUESTION))
    while not any(title_in(call["prompt"]) for call in llm.calls):
        await asyncio.sleep(0.002)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert is_quiet(llm)
