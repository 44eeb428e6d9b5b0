"""`SkeletonOfThoughtChain` keeps what LangChain expects of a Runnable: ways to call it, limits, errors."""

import asyncio
import copy
import json
import threading
from inspect import signature
from typing import Any

import pytest

pytest.importorskip("langchain_core")
from langchain_core.documents import Document
from langchain_core.language_models import FakeListChatModel, GenericFakeChatModel
from langchain_core.load import dumpd, dumps, loads
from langchain_core.messages import AIMessage, HumanMessage, RemoveMessage, SystemMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnablePassthrough

from langchain_lingua import LinguaCompressor, SkeletonOfThoughtChain
from lingua_core import InputError, PromptCompressor, SkeletonOfThought
from lingua_core.errors import AnswerError, LLMRateLimitError, LLMResponseError
from lingua_core.skeleton import ContextOptions
from scripted_chat_model import ScriptedChatModel
from skeleton_script import ANSWER, DIRECT, QUESTION, TITLES, cited, is_skeleton, title_in

DOCUMENTS = [
    Document("Commuting costs an hour a day. Nobody misses it.", id="commute", metadata={"title": "Ways"}),
    Document("Lonely people should meet their colleagues in person. Tea helps.", id="lonely"),
    Document("The bakery opens at six.", id="bakery", metadata={"tags": ["bread"]}),
]
CALL: Any = {"name": "look_up", "args": {"what": "offices"}, "id": "1", "type": "tool_call"}
IMAGE: Any = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}


def chain(model: Any = None, **options: Any) -> SkeletonOfThoughtChain:
    options.setdefault("router", "always")
    return SkeletonOfThoughtChain(llm=model if model is not None else ScriptedChatModel(), **options)


def added(chunks: list[Any]) -> Any:
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole = whole + chunk
    return whole


def account(message: AIMessage) -> dict[str, Any]:
    """What the metadata say, without times."""
    found = copy.deepcopy(message.response_metadata["lingua"])
    del found["timings"]
    return found


# Every way to call it


async def test_every_way_to_call_it_gives_the_same_answer() -> None:
    step = chain()
    message = step.invoke(QUESTION)
    assert isinstance(message, AIMessage)
    assert message.text == ANSWER
    streamed = added(list(step.stream(QUESTION)))
    astreamed = added([chunk async for chunk in step.astream(QUESTION)])
    others = [
        await step.ainvoke(QUESTION),
        *step.batch([QUESTION, QUESTION]),
        *await step.abatch([QUESTION, QUESTION]),
        *[found for _, found in step.batch_as_completed([QUESTION])],
        *[found async for _, found in step.abatch_as_completed([QUESTION])],
        streamed,
        astreamed,
    ]
    for other in others:
        assert other.text == ANSWER
        assert other.usage_metadata == message.usage_metadata
        assert account(other) == account(message)
    assert step.batch([]) == []


async def test_text_is_streamed_in_the_order_of_the_answer_and_in_pieces() -> None:
    chunks = [chunk async for chunk in chain(ScriptedChatModel(seconds=0.001)).astream(QUESTION)]
    assert "".join(str(chunk.text) for chunk in chunks) == ANSWER
    assert len(chunks) > len(TITLES) + 1
    assert len({chunk.id for chunk in chunks}) == 1


async def test_sync_methods_work_where_an_event_loop_runs_and_in_threads() -> None:
    step = chain()
    assert step.invoke(QUESTION).text == ANSWER
    assert added(list(step.stream(QUESTION))).text == ANSWER
    found = await asyncio.gather(*[asyncio.to_thread(step.invoke, QUESTION) for _ in range(4)])
    assert [message.text for message in found] == [ANSWER] * 4


def test_a_model_that_cannot_stream_is_called_whole() -> None:
    model = FakeListChatModel(responses=["1. One side\n2. Other side", "Text."])
    message = SkeletonOfThoughtChain(llm=model, router="always", max_concurrency=1).invoke("Which sides?")
    assert message.response_metadata["lingua"]["route"] == "skeleton"
    direct = GenericFakeChatModel(messages=iter([AIMessage("Plainly said.")]))
    assert SkeletonOfThoughtChain(llm=direct, router="never").invoke("What?").text == "Plainly said."


# What it takes


@pytest.mark.parametrize(
    "given",
    [
        QUESTION,
        [("human", QUESTION)],
        [HumanMessage(QUESTION)],
        HumanMessage([{"type": "text", "text": QUESTION}]),
        ChatPromptTemplate.from_messages([("human", "{q}")]).invoke({"q": QUESTION}),
        {"question": QUESTION},
        {"input": QUESTION, "context": []},
        {"query": QUESTION, "documents": None},
        {"messages": [{"role": "user", "content": QUESTION}]},
        {"question": QUESTION, "chat_history": []},
    ],
    ids=lambda given: type(given).__name__,
)
async def test_it_takes_what_chat_models_take_and_mappings_with_it(given: Any) -> None:
    before = copy.deepcopy(given)
    assert chain().invoke(given).text == ANSWER
    assert (await chain().ainvoke(given)).text == ANSWER
    assert given == before


def test_the_conversation_goes_with_every_call() -> None:
    model = ScriptedChatModel()
    turns = [SystemMessage("Be brief."), HumanMessage("Hello?"), AIMessage("Hello."), HumanMessage(QUESTION)]
    chain(model).invoke(turns)
    assert len(model.calls) == 1 + len(TITLES)
    for call in model.calls:
        roles = [message.type for message in call["messages"]]
        assert roles == ["system", "human", "ai", "human"]
        assert "Be brief." in str(call["messages"][0].text)


def test_human_messages_in_a_row_are_one_question() -> None:
    model = ScriptedChatModel()
    chain(model).invoke([HumanMessage("About offices."), HumanMessage(QUESTION)])
    assert f"About offices.\n\n{QUESTION}" in model.calls[0]["prompt"]


def test_earlier_turns_are_sent_as_they_came() -> None:
    model = ScriptedChatModel()
    turns = [
        SystemMessage("Be brief."),
        HumanMessage([{"type": "text", "text": "What is this?"}, IMAGE], id="h", name="ada"),
        AIMessage("", tool_calls=[CALL], id="a"),
        ToolMessage("An office.", tool_call_id="1", artifact={"page": 3}),
        AIMessage("An office.", response_metadata={"model_name": "m"}),
    ]
    before = copy.deepcopy(turns)
    chain(model).invoke([*turns, HumanMessage(QUESTION)])
    assert turns == before
    assert len(model.calls) == 1 + len(TITLES)
    for call in model.calls:
        assert call["messages"][1:-1] == turns[1:]
        assert QUESTION in call["messages"][-1].text


async def test_a_conversation_that_ends_with_what_tools_found_is_answered_for_its_last_human_message() -> (
    None
):
    model = ScriptedChatModel()
    turns = [
        HumanMessage("Hello?"),
        AIMessage("Hello."),
        HumanMessage([IMAGE, {"type": "text", "text": QUESTION}]),
        AIMessage("", tool_calls=[CALL, {**CALL, "id": "2"}]),
        ToolMessage("Offices are far away.", tool_call_id="1"),
        ToolMessage("Offices are loud.", tool_call_id="2"),
    ]
    message = await chain(model).ainvoke({"messages": turns})
    assert message.text == ANSWER
    for call in model.calls:
        assert call["messages"][1:-1] == turns
        assert call["messages"][-1].type == "human"
        assert isinstance(call["messages"][-1].content, str)
        assert QUESTION in call["messages"][-1].text


def test_images_of_the_question_are_sent_with_it_in_every_call_that_answers_it() -> None:
    model = ScriptedChatModel(
        reply=lambda prompt: "A" if "Reply with one letter" in prompt else cited(prompt)
    )
    file = {"type": "file", "mime_type": "application/pdf", "base64": "JVBERi0="}
    question = [HumanMessage([IMAGE, {"type": "text", "text": QUESTION}]), HumanMessage(["Mind it.", file])]
    before = copy.deepcopy(question)
    message = chain(model, router="llm", stitch=True).invoke(question)
    assert message.response_metadata["lingua"]["route"] == "skeleton"
    assert question == before
    router, *others, stitch = model.calls
    assert len(others) == 1 + len(TITLES)
    assert all(isinstance(call["messages"][-1].content, str) for call in (router, stitch))
    for call in others:
        *blocks, text = call["messages"][-1].content
        assert blocks == [IMAGE, file]
        assert f"{QUESTION}\n\nMind it." in text["text"]


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ("", "ends? with a human message|must end"),
        ("  \n", "must end"),
        ([], "no message at all"),
        ([AIMessage("Hello.")], "must end"),
        (17, "got int"),
        ({}, "empty mapping"),
        ({"topic": "x"}, "'topic'"),
        ({"question": QUESTION, "documents": "text", "x": 1} | {"documents": 3}, "got int"),
        ({"question": QUESTION, "documents": ["text"]}, "got str"),
        ([ToolMessage("found", tool_call_id="1")], "'tool' last"),
        ([HumanMessage(QUESTION), AIMessage("", tool_calls=[CALL])], "'ai' last"),
        ([HumanMessage([IMAGE])], "says something"),
        ([HumanMessage(QUESTION), RemoveMessage(id="1"), HumanMessage("so?")], "'remove'"),
        ([("nobody", "x")], "no message"),
    ],
    ids=str,
)
async def test_input_that_cannot_be_answered_is_a_value_error_and_costs_no_call(
    given: Any, match: str
) -> None:
    model = ScriptedChatModel()
    step = chain(model)
    with pytest.raises(ValueError, match=match):
        step.invoke(given)
    with pytest.raises(ValueError, match=match):
        await step.ainvoke(given)
    with pytest.raises(ValueError, match=match):
        list(step.stream(given))
    good, failed = step.batch([QUESTION, given], return_exceptions=True)
    assert good.text == ANSWER
    assert isinstance(failed, InputError)
    assert len(model.calls) == 1 + len(TITLES)


# Options


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"llm": "gpt-4.1"}, "init_chat_model"),
        ({"llm": ScriptedChatModel}, "not its class"),
        ({"router": "sometimes"}, "router must be"),
        ({"max_concurrency": 0}, "max_concurrency"),
        ({"on_failure": "ignore"}, "on_failure"),
        ({"prompts": "poem"}, "poem"),
        ({"style": "songs"}, "style"),
        ({"contexts": "none"}, "mode"),
        ({"context_tokens": 3}, "context_tokens"),
        ({"context_tokens": 900, "contexts": ContextOptions()}, "context_tokens"),
        ({"compressor": "lexical"}, "compressor must be"),
        ({"documents": "one text"}, "documents must be"),
        ({"documents": ["one text"]}, "got str"),
        ({"max_attempts": 0}, "max_attempts"),
        ({"stop": "END"}, "stop must be"),
        ({"temperature": 0.5}, "temperature"),
    ],
    ids=str,
)
def test_options_that_cannot_be_used_are_refused_at_construction(options: dict[str, Any], match: str) -> None:
    with pytest.raises(InputError, match=match):
        SkeletonOfThoughtChain(**{"llm": ScriptedChatModel(), **options})


def test_every_option_of_the_core_is_an_option_here() -> None:
    core = set(signature(SkeletonOfThought).parameters)
    elsewhere = {"limit", "retry"}  # a config's max_concurrency, and max_attempts
    assert core - elsewhere <= set(SkeletonOfThoughtChain.model_fields)


def test_what_marks_a_failed_point_can_be_chosen() -> None:
    model = ScriptedChatModel(fails=lambda p, n: KeyError("no") if title_in(p) == TITLES[1] else None)
    message = chain(model, on_failure="mark", failure_mark="(missing)").invoke(QUESTION)
    assert "2. **Quiet rooms**: (missing)" in message.text


def test_a_copy_is_checked_and_takes_effect() -> None:
    step = chain(contexts="shared")
    copied = step.model_copy(update={"max_points": 2, "context_tokens": 600})
    assert (copied.max_points, copied.contexts, step.max_points) == (2, "shared", 12)
    assert len(copied.invoke(QUESTION).response_metadata["lingua"]["skeleton"]) == 2
    with pytest.raises(InputError, match="max_points"):
        step.model_copy(update={"max_points": 0})


async def test_options_can_be_configured_by_the_config() -> None:
    from langchain_core.runnables import ConfigurableField

    step = chain().configurable_fields(max_points=ConfigurableField(id="points"))
    message = await step.ainvoke(QUESTION, {"configurable": {"points": 3}})
    assert len(message.response_metadata["lingua"]["skeleton"]) == 3


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(ValueError, match="max_point"):
        chain(max_point=3)


def test_limits_are_passed_to_models_that_declare_them_and_to_no_others() -> None:
    model = ScriptedChatModel()
    chain(model, max_tokens_per_point=50, skeleton_max_tokens=60, stop=["END"]).invoke(QUESTION)
    options = [call["options"] for call in model.calls]
    assert options[0]["max_tokens"] == 60
    assert {given["max_tokens"] for given in options[1:]} == {50}
    assert {tuple(given["stop"]) for given in options[1:]} == {("END",)}
    assert all("temperature" not in given for given in options)
    assert all("seed" not in given for given in options)

    class Seeded(ScriptedChatModel):
        seed: int | None = None

    seeded = Seeded()
    chain(seeded, seed=7).invoke(QUESTION)
    assert {call["options"]["seed"] for call in seeded.calls} == {7}

    def function(messages: list[Any]) -> AIMessage:
        return AIMessage(DIRECT)

    assert chain(RunnableLambda(function), router="never", max_tokens=5).invoke(QUESTION).text == DIRECT


def test_what_the_model_was_bound_to_stays_in_force() -> None:
    model = ScriptedChatModel()
    chain(model.bind(user="me").with_config(tags=["mine"])).invoke(QUESTION)
    assert {call["options"]["user"] for call in model.calls} == {"me"}
    assert chain(model.bind(user="me"), max_tokens_per_point=9).invoke(QUESTION).text == ANSWER
    assert model.calls[-1]["options"]["max_tokens"] == 9


def test_stop_texts_are_cut_off_for_models_that_do_not_know_them() -> None:
    model = ScriptedChatModel(reply=lambda prompt: "Kept here. STOP and not this")
    message = chain(model, router="never", stop=["STOP"]).invoke(QUESTION)
    assert message.text == "Kept here."
    assert model.open_calls == 0


# What comes back


def test_usage_is_the_sum_of_all_calls() -> None:
    model = ScriptedChatModel()
    message = chain(model).invoke(QUESTION)
    read = sum(len(call["prompt"].split()) for call in model.calls)
    assert message.usage_metadata is not None
    assert message.usage_metadata["output_tokens"] == sum(call["sent"] for call in model.calls)
    assert message.usage_metadata["input_tokens"] >= read
    assert message.usage_metadata["total_tokens"] == (
        message.usage_metadata["input_tokens"] + message.usage_metadata["output_tokens"]
    )
    found = message.response_metadata["lingua"]["usage"]
    assert (found["calls"], found["estimated"]) == (1 + len(TITLES), False)


def test_usage_that_the_model_does_not_say_is_estimated_and_says_so() -> None:
    message = chain(ScriptedChatModel(has_usage=False)).invoke(QUESTION)
    assert message.response_metadata["lingua"]["usage"]["estimated"]
    assert message.usage_metadata is not None
    assert message.usage_metadata["output_tokens"] > 0


def test_the_metadata_say_how_the_answer_came_about_as_json() -> None:
    found = chain().invoke(QUESTION).response_metadata["lingua"]
    assert json.loads(json.dumps(found)) == found
    assert found["route"] == "skeleton"
    assert [point["text"] for point in found["skeleton"]] == list(TITLES)
    assert [point["status"] for point in found["points"]] == ["complete"] * 4
    assert found["is_complete"]
    assert found["timings"]["total"] >= found["timings"]["skeleton"] > 0
    assert len(found["timings"]["calls"]) == 5
    direct = chain(router="never").invoke(QUESTION)
    assert direct.text == DIRECT
    assert direct.response_metadata["lingua"]["route"] == "direct"
    assert direct.response_metadata["lingua"]["skeleton"] is None


def test_an_answer_that_hits_its_limit_is_not_complete() -> None:
    found = chain(ScriptedChatModel(finish="length")).invoke(QUESTION).response_metadata["lingua"]
    assert not found["is_complete"]


# Documents


@pytest.mark.parametrize("way", ["field", "documents", "context"])
def test_points_are_written_from_the_documents_and_cite_them(way: str) -> None:
    model = ScriptedChatModel()
    given: Any = {"question": QUESTION} if way == "field" else {"question": QUESTION, way: DOCUMENTS}
    before = copy.deepcopy(DOCUMENTS)
    message = chain(model, documents=DOCUMENTS if way == "field" else None).invoke(given)
    assert message.text.count("[1]") == len(TITLES)
    found = message.response_metadata["lingua"]
    assert [(c["number"], c["id"], c["title"]) for c in found["citations"]] == [
        (1, "commute", "Ways"),
        (2, "lonely", None),
        (3, "bakery", None),
    ]
    assert all(point["cited"] == [1] for point in found["points"])
    assert found["accounting"]["direct_prompt_tokens"] > 0
    assert json.loads(json.dumps(found)) == found
    assert before == DOCUMENTS
    assert all("Commuting costs an hour" in call["prompt"] for call in model.calls)


def test_documents_of_the_input_go_before_those_of_the_chain() -> None:
    message = chain(documents=DOCUMENTS[:1]).invoke({"question": QUESTION, "documents": DOCUMENTS[1:]})
    assert [c["id"] for c in message.response_metadata["lingua"]["citations"]] == ["lonely", "bakery"]


def test_a_text_may_stand_for_documents() -> None:
    model = ScriptedChatModel()
    chain(model, documents=DOCUMENTS).invoke({"question": QUESTION, "context": "The office is far away."})
    assert all("The office is far away." in call["prompt"] for call in model.calls)
    assert "Commuting" not in model.calls[0]["prompt"]


@pytest.mark.parametrize("documents", [[], [Document("  ")]])
def test_without_any_text_to_answer_from_it_answers_without_and_says_so(documents: list[Document]) -> None:
    message = chain().invoke({"question": QUESTION, "documents": documents})
    assert message.text == ANSWER
    (note,) = message.response_metadata["lingua"]["notes"]
    assert "answered without" in note


@pytest.mark.parametrize(
    "compressor", [LinguaCompressor(method="lexical"), PromptCompressor("lexical")], ids=["adapter", "core"]
)
def test_it_takes_compressors_of_langchain_and_of_the_core(compressor: Any) -> None:
    long = [Document(f"Item {i} costs {i} crowns. " * 20, id=str(i)) for i in range(10)]
    long.append(Document("A commute that takes an hour is gone.", id="commute"))
    model = ScriptedChatModel()
    step = chain(model, compressor=compressor, context_tokens=800, contexts="per-point")
    found = step.invoke({"question": QUESTION, "documents": long}).response_metadata["lingua"]
    assert 0 < found["accounting"]["context_tokens"] <= 800
    point = next(call["prompt"] for call in model.calls if title_in(call["prompt"]) == "No commute")
    assert "A commute that takes an hour" in point


def test_the_budget_of_a_compressor_is_that_of_all_contexts_and_one_too_small_is_noted() -> None:
    long = [Document(f"Fact {i} is about working from home, number {i}. " * 30) for i in range(8)]
    given = {"question": QUESTION, "documents": long}
    step = chain(compressor=LinguaCompressor(method="lexical", target_tokens=900), contexts="per-point")
    found = step.invoke(given).response_metadata["lingua"]
    assert found["accounting"]["context_tokens"] <= 900
    small = chain(compressor=LinguaCompressor(method="lexical", target_tokens=40), contexts="per-point")
    assert "target_tokens=40" in small.invoke(given).response_metadata["lingua"]["notes"][0]


# In chains


async def test_it_is_the_last_step_of_a_rag_chain() -> None:
    retriever = RunnableLambda(lambda question: DOCUMENTS)
    rag = (
        {"context": retriever, "question": RunnablePassthrough()}
        | RunnablePassthrough.assign(asked=lambda values: values["question"].upper())
        | chain()
    )
    assert rag.invoke(QUESTION).text.count("[1]") == 4
    assert (await rag.ainvoke(QUESTION)).text == rag.invoke(QUESTION).text
    pieces = [str(chunk.text) async for chunk in rag.astream(QUESTION)]
    assert "".join(pieces) == rag.invoke(QUESTION).text
    assert len(pieces) > 4
    assert [message.text for message in rag.batch([QUESTION] * 2)] == [rag.invoke(QUESTION).text] * 2
    assert "".join((rag | StrOutputParser()).stream(QUESTION)) == rag.invoke(QUESTION).text


async def test_it_runs_inside_a_graph_node() -> None:
    graphs = pytest.importorskip("langgraph.graph")
    step = chain()

    def answer(state: Any) -> Any:
        return {"messages": [step.invoke(state["messages"])]}

    async def aanswer(state: Any) -> Any:
        return {"messages": [await step.ainvoke(state["messages"])]}

    for node in (answer, aanswer, RunnableLambda(answer, aanswer)):
        builder = graphs.StateGraph(graphs.MessagesState)
        builder.add_node("answer", node)
        builder.add_edge(graphs.START, "answer")
        builder.add_edge("answer", graphs.END)
        graph = builder.compile()
        state = await graph.ainvoke({"messages": [("human", QUESTION)]})
        assert state["messages"][-1].text == ANSWER
        if node is not aanswer:
            assert graph.invoke({"messages": [("human", QUESTION)]})["messages"][-1].text == ANSWER


# Storing


def revived(stored: str, *classes: type) -> Any:
    # langchain-core before 1.2.5 has no allow list.
    allowed = {"allowed_objects": list(classes)} if "allowed_objects" in signature(loads).parameters else {}
    return loads(stored, valid_namespaces=["langchain_lingua", "scripted_chat_model"], **allowed)


@pytest.mark.filterwarnings("ignore:The function `loads` is in beta")
def test_it_is_revived_from_what_is_stored() -> None:
    step = chain(
        ScriptedChatModel(max_tokens=30),
        compressor=LinguaCompressor(method="lexical"),
        max_points=3,
        documents=DOCUMENTS,
        contexts="per-point",
    )
    again = revived(dumps(step), SkeletonOfThoughtChain, ScriptedChatModel, LinguaCompressor, Document)
    assert type(again) is SkeletonOfThoughtChain
    assert dumpd(again) == dumpd(step)
    assert again.max_points == 3
    assert again.invoke(QUESTION).text == step.invoke(QUESTION).text


def test_its_schemas_can_be_made() -> None:
    step = chain()
    assert step.get_input_jsonschema()
    assert step.get_output_jsonschema()["title"]
    assert "max_concurrency" in SkeletonOfThoughtChain.model_json_schema()["properties"]


# Errors


def at_point(index: int, error: BaseException, *, times: int = 99) -> Any:
    def fails(prompt: str, asked: int) -> BaseException | None:
        return error if title_in(prompt) == TITLES[index - 1] and asked <= times else None

    return fails


class RateLimitError(Exception):
    """What providers raise."""

    status_code = 429


async def test_no_answer_at_all_is_an_error_that_holds_the_providers() -> None:
    error = RuntimeError("the provider is down")
    model = ScriptedChatModel(fails=lambda prompt, asked: error)
    for call in (chain(model).invoke, lambda given: list(chain(model).stream(given))):
        with pytest.raises(AnswerError, match="provider is down") as caught:
            call(QUESTION)
        assert caught.value.answer is not None
        assert caught.value.__cause__ is not None
        assert caught.value.__cause__.__cause__ is error
    with pytest.raises(AnswerError, match="provider is down"):
        await chain(model).ainvoke(QUESTION)
    good, failed = chain(ScriptedChatModel()), chain(model)
    assert failed.with_fallbacks([good]).invoke(QUESTION).text == ANSWER


def test_one_point_that_fails_costs_only_that_point() -> None:
    model = ScriptedChatModel(fails=at_point(2, RuntimeError("no")))
    message = chain(model, on_failure="mark").invoke(QUESTION)
    found = message.response_metadata["lingua"]
    assert [point["status"] for point in found["points"]] == ["complete", "failed", "complete", "complete"]
    assert not found["is_complete"]
    assert "Errands and children" in message.text
    with pytest.raises(AnswerError, match="no"):
        chain(ScriptedChatModel(fails=at_point(2, RuntimeError("no"))), on_failure="raise").invoke(QUESTION)


async def test_errors_that_pass_are_retried_within_a_point() -> None:
    model = ScriptedChatModel(fails=at_point(1, RateLimitError("slow down"), times=1))
    message = await chain(model).ainvoke(QUESTION)
    assert message.text == ANSWER
    found = message.response_metadata["lingua"]
    assert found["points"][0]["status"] == "retried"
    assert [call["attempt"] for call in found["timings"]["calls"] if call["tag"] == "point 1"] == [1, 2]
    once = ScriptedChatModel(fails=at_point(1, RateLimitError("slow down"), times=1))
    marked = chain(once, max_attempts=1, on_failure="mark").invoke(QUESTION)
    assert marked.response_metadata["lingua"]["points"][0]["status"] == "failed"


def test_a_model_with_retry_is_retried_by_its_own_rules() -> None:
    odd = LookupError("odd")
    model = ScriptedChatModel(fails=at_point(1, odd, times=2))
    retrying = model.with_retry(
        retry_if_exception_type=(LookupError,), stop_after_attempt=3, wait_exponential_jitter=False
    )
    message = chain(retrying).invoke(QUESTION)
    assert message.response_metadata["lingua"]["points"][0]["status"] == "retried"
    assert message.response_metadata["lingua"]["is_complete"]
    assert sum(title_in(call["prompt"]) == TITLES[0] for call in model.calls) >= 3
    twice = ScriptedChatModel(fails=at_point(1, odd, times=2))
    other = twice.with_retry(
        retry_if_exception_type=(KeyError,), stop_after_attempt=3, wait_exponential_jitter=False
    )
    found = chain(other, on_failure="mark").invoke(QUESTION).response_metadata["lingua"]
    assert found["points"][0]["status"] == "failed"


async def test_a_model_with_fallbacks_falls_back_call_by_call() -> None:
    first = ScriptedChatModel(fails=at_point(3, RuntimeError("down")))
    second = ScriptedChatModel()
    step = chain(first.with_fallbacks([second]))
    assert step.invoke(QUESTION).text == ANSWER
    assert (await step.ainvoke(QUESTION)).text == ANSWER
    assert {title_in(call["prompt"]) for call in second.calls} == {TITLES[2]}


def test_a_rate_limiter_of_the_model_is_asked_before_every_call() -> None:
    from langchain_core.rate_limiters import BaseRateLimiter

    class Counting(BaseRateLimiter):
        def __init__(self) -> None:
            self.asked = 0
            self.lock = threading.Lock()

        def acquire(self, *, blocking: bool = True) -> bool:
            with self.lock:
                self.asked += 1
            return True

        async def aacquire(self, *, blocking: bool = True) -> bool:
            return self.acquire()

    limiter = Counting()
    chain(ScriptedChatModel(rate_limiter=limiter)).invoke(QUESTION)
    assert limiter.asked == 5


def test_a_tool_call_in_the_reply_is_an_error_that_says_what_to_do() -> None:
    calling = AIMessage("", tool_calls=[{"name": "look_up", "args": {}, "id": "1"}])
    model = RunnableLambda(lambda messages: calling)
    with pytest.raises(AnswerError, match=r"look_up.*bind_tools") as caught:
        chain(model, router="never").invoke(QUESTION)
    assert isinstance(caught.value.__cause__, LLMResponseError)


def test_a_model_with_a_parser_behind_it_is_refused() -> None:
    with pytest.raises(AnswerError, match="without an output parser"):
        chain(RunnableLambda(lambda messages: {"answer": 1}), router="never").invoke(QUESTION)


def test_a_servers_wish_to_wait_is_read_from_its_headers() -> None:
    class Refused(Exception):
        def __init__(self) -> None:
            super().__init__("later")
            self.response = type("Response", (), {"status_code": 429, "headers": {"Retry-After": "3600"}})()

    with pytest.raises(AnswerError, match="later") as caught:
        chain(ScriptedChatModel(fails=lambda prompt, asked: Refused())).invoke(QUESTION)
    cause = caught.value.__cause__
    assert isinstance(cause, LLMRateLimitError)
    assert cause.retry_after == 3600  # more than anyone waits: there was one attempt


# Limits and ends


@pytest.mark.parametrize("wished", [1, 2])
async def test_max_concurrency_binds_in_every_mode(wished: int) -> None:
    config: Any = {"max_concurrency": wished}

    def fresh() -> tuple[ScriptedChatModel, SkeletonOfThoughtChain]:
        model = ScriptedChatModel(seconds=0.002)
        return model, chain(model)

    async def peaks() -> list[int]:
        found: list[int] = []
        model, step = fresh()
        step.invoke(QUESTION, config)
        found.append(model.peak)
        model, step = fresh()
        await step.ainvoke(QUESTION, config)
        found.append(model.peak)
        model, step = fresh()
        list(step.stream(QUESTION, config))
        found.append(model.peak)
        model, step = fresh()
        [chunk async for chunk in step.astream(QUESTION, config)]
        found.append(model.peak)
        model, step = fresh()
        step.batch([QUESTION] * 3, config)
        found.append(model.peak)
        model, step = fresh()
        await step.abatch([QUESTION] * 3, config)
        found.append(model.peak)
        model, step = fresh()
        list(step.batch_as_completed([QUESTION] * 3, config))
        found.append(model.peak)
        model, step = fresh()
        [one async for one in step.abatch_as_completed([QUESTION] * 3, config)]
        found.append(model.peak)
        model, step = fresh()
        (RunnableLambda(lambda given: given) | step).batch([QUESTION] * 3, config)
        found.append(model.peak)
        model, step = fresh()
        await step.map().ainvoke([QUESTION] * 3, config)
        found.append(model.peak)
        model, step = fresh()
        [event async for event in step.astream_events(QUESTION, config, version="v2")]
        found.append(model.peak)
        return found

    assert await peaks() == [wished] * 11


def test_without_a_wish_points_are_written_at_once_up_to_the_chains_own_limit() -> None:
    model = ScriptedChatModel(seconds=0.01)
    chain(model, early_launch=False).invoke(QUESTION)
    assert model.peak == 4
    model = ScriptedChatModel(seconds=0.002)
    chain(model, max_concurrency=3).invoke(QUESTION, {"max_concurrency": 50})
    assert model.peak == 3


def is_quiet(model: ScriptedChatModel) -> bool:
    sent = [call["sent"] for call in model.calls]
    return model.open_calls == 0 and sum(sent) < 40


def test_closing_a_stream_ends_all_calls() -> None:
    model = ScriptedChatModel(seconds=0.02)
    chunks = chain(model).stream(QUESTION)
    next(chunks)
    chunks.close()  # type: ignore[attr-defined]
    assert is_quiet(model)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("lingua")]


async def test_closing_an_asynchronous_stream_ends_all_calls() -> None:
    model = ScriptedChatModel(seconds=0.02)
    chunks = chain(model).astream(QUESTION)
    await anext(chunks)
    await chunks.aclose()  # type: ignore[attr-defined]
    assert is_quiet(model)
    assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []


async def test_cancelling_a_task_ends_all_calls() -> None:
    model = ScriptedChatModel(seconds=0.02)
    task = asyncio.create_task(chain(model).ainvoke(QUESTION))
    while not any(title_in(call["prompt"]) for call in model.calls):
        await asyncio.sleep(0.002)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert is_quiet(model)
    assert any(is_skeleton(call["prompt"]) for call in model.calls)
