"""Long tool results inside real agents: shortened once, always the same, and never lost."""

import copy
import json
import re
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import pytest

pytest.importorskip("langchain.agents.middleware", reason="needs the extra: lingua-rag[langchain-agents]")

from langchain.agents import create_agent
from langchain.agents.middleware import ContextEditingMiddleware
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.outputs import ChatResult
from langchain_core.tools import BaseTool, InjectedToolCallId, tool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.store.memory import InMemoryStore
from langgraph.types import Command
from pydantic import Field

from langchain_contract import RunRecorder
from langchain_lingua import CompressToolResultsEdit, LinguaCompressor
from langchain_lingua.agents import CompressToolResultsMiddleware, get_original_tool
from lingua_core import InputError

NOTES = (
    "The lighthouse at Kessel Point was built of grey granite. Its lamp was lit for the first time on "
    "3 March 1874. Visitors climb 212 steps to reach the gallery. The ferry between the islands runs four "
    "times a day. Bicycles travel free of charge on the ferry. Dogs must be kept on a lead on the open deck. "
    "The bakery on Mill Street opens at six in the morning. Its rye bread is baked in a wood-fired oven. "
    "Regular customers order by telephone the day before. Nobody knows who owned the shop first. The museum "
    "shows photographs."
)
LAMP = "Its lamp was lit for the first time on 3 March 1874."
BICYCLES = "Bicycles travel free of charge on the ferry."
QUESTION = "When was the lighthouse lamp first lit?"
NOTE = re.compile(r"\[Shortened from \d+ to \d+ tokens\. get_original\(\"(\w{12})\"\) returns all of it\.\]")


@tool
def search(topic: str) -> str:
    """Searches."""
    return NOTES


class Scripted(GenericFakeChatModel):
    """Follows a script whose steps may look at the prompt, and keeps every prompt."""

    messages: Any = None
    script: list[Callable[[list[BaseMessage]], AIMessage]]
    prompts: list[list[BaseMessage]] = Field(default_factory=list)
    tools: list[str] = Field(default_factory=list)

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> Any:
        self.tools[:] = [each.name for each in tools]
        return self

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        self.prompts.append(copy.deepcopy(messages))
        self.messages = iter([self.script[len(self.prompts) - 1](messages)])
        return super()._generate(messages, *args, **kwargs)


def calling(name: str, number: int, **args: Any) -> Callable[[list[BaseMessage]], AIMessage]:
    call = {"name": name, "args": args, "id": f"call-{number}"}
    return lambda messages: AIMessage("", tool_calls=[call])


def asking_for_the_original(messages: list[BaseMessage]) -> AIMessage:
    (name,) = NOTE.findall(str(messages[-1].text))
    return AIMessage("", tool_calls=[{"name": "get_original", "args": {"id": name}, "id": "call-o"}])


def saying(text: str) -> Callable[[list[BaseMessage]], AIMessage]:
    return lambda messages: AIMessage(text)


def middleware(**options: Any) -> CompressToolResultsMiddleware:
    compressor = LinguaCompressor(target_tokens=options.pop("target_tokens", 13))
    return CompressToolResultsMiddleware(compressor, min_tokens=options.pop("min_tokens", 50), **options)


def texts(messages: Sequence[BaseMessage]) -> list[str]:
    return [str(message.text) for message in messages]


def tool_messages(messages: Sequence[BaseMessage]) -> list[ToolMessage]:
    return [message for message in messages if isinstance(message, ToolMessage)]


async def ran(agent: Any, asynchronously: bool, question: str = QUESTION, **kwargs: Any) -> list[BaseMessage]:
    given = {"messages": [HumanMessage(question)]}
    found = await agent.ainvoke(given, **kwargs) if asynchronously else agent.invoke(given, **kwargs)
    return found["messages"]


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def asynchronously(request: pytest.FixtureRequest) -> bool:
    return request.param


async def test_an_agent_reads_the_short_result_and_gets_the_original_on_demand(asynchronously: bool) -> None:
    model = Scripted(script=[calling("search", 1, topic="lamp"), asking_for_the_original, saying("Done.")])
    agent = create_agent(model, [search], middleware=[middleware()])
    messages = await ran(agent, asynchronously)
    short, whole = tool_messages(messages)
    note, text = str(short.content).split("\n", 1)
    assert text == LAMP
    assert NOTE.fullmatch(note)
    assert short.artifact == NOTES
    assert (short.name, short.tool_call_id, short.status) == ("search", "call-1", "success")
    entry = short.response_metadata["lingua"]
    assert entry["compressed_tokens"] <= 20 < entry["origin_tokens"]
    assert whole.content == NOTES
    assert messages[-1].content == "Done."
    assert sorted(model.tools) == ["get_original", "search"]


@pytest.mark.parametrize("way", ["middleware", "edit"])
async def test_every_request_begins_with_the_one_before(way: str, asynchronously: bool) -> None:
    script = [calling("search", i, topic=topic) for i, topic in enumerate(["lamp", "bread", "bicycles"])]
    model = Scripted(script=[*script, saying("One."), calling("search", 9, topic="ferry"), saying("Two.")])
    if way == "middleware":
        used: Any = middleware()
    else:
        edit = CompressToolResultsEdit(compressor=LinguaCompressor(target_tokens=16), min_tokens=50)
        used = ContextEditingMiddleware(edits=[edit])
    agent = create_agent(model, [search], middleware=[used], checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "1"}}
    await ran(agent, asynchronously, config=config)
    await ran(agent, asynchronously, question="And how does one get there?", config=config)
    assert len(model.prompts) == 6
    for before, after in zip(model.prompts, model.prompts[1:], strict=False):
        sent = [(type(m), m.content) for m in before]
        assert [(type(m), m.content) for m in after][: len(sent)] == sent
    results = tool_messages(model.prompts[-1])
    assert len(results) == 4
    assert all("Shortened" in str(message.content) for message in results)
    assert all(len(str(message.content)) < len(NOTES) for message in results)


def test_edit_and_middleware_write_the_same_text() -> None:
    compressor = LinguaCompressor(target_tokens=16)
    prompts: list[list[str]] = []
    for used in (
        CompressToolResultsMiddleware(compressor, min_tokens=50, offer_original=False),
        ContextEditingMiddleware(edits=[CompressToolResultsEdit(compressor=compressor, min_tokens=50)]),
    ):
        model = Scripted(script=[calling("search", 1, topic="bicycles"), saying("Done.")])
        create_agent(model, [search], middleware=[used]).invoke({"messages": [HumanMessage(QUESTION)]})
        prompts.append(texts(model.prompts[-1]))
    assert prompts[0] == prompts[1]
    assert "[Shortened" in prompts[0][-1]


@pytest.mark.parametrize(
    ("query", "kept"), [("question", LAMP), ("arguments", BICYCLES)], ids=["question", "arguments"]
)
def test_what_decides_is_a_choice(query: Any, kept: str) -> None:
    call = calling("search", 1, topic="Do bicycles travel free of charge?")
    used = middleware(query=query, note="")
    messages = create_agent(Scripted(script=[call, saying(".")]), [search], middleware=[used]).invoke(
        {"messages": [HumanMessage(QUESTION)]}
    )["messages"]
    assert tool_messages(messages)[0].content == kept


class TestStores:
    """Where the originals are kept."""

    async def run(self, asynchronously: bool, used: Any, **options: Any) -> list[ToolMessage]:
        script = [calling("search", 1, topic="lamp"), asking_for_the_original, saying(".")]
        agent = create_agent(Scripted(script=script), [search], middleware=[used], **options)
        return tool_messages(await ran(agent, asynchronously))

    async def test_a_mapping(self, asynchronously: bool) -> None:
        store: dict[str, Any] = {}
        short, whole = await self.run(asynchronously, middleware(store=store))
        assert store == {short.response_metadata["lingua"]["id"]: NOTES}
        assert (short.artifact, whole.content) == (None, NOTES)

    async def test_a_langgraph_store(self, asynchronously: bool) -> None:
        store = InMemoryStore()
        short, whole = await self.run(asynchronously, middleware(store=store))
        item = store.get(("lingua", "originals"), short.response_metadata["lingua"]["id"])
        assert item is not None
        assert item.value == {"content": NOTES}
        assert (short.artifact, whole.content) == (None, NOTES)

    async def test_the_agents_own_store(self, asynchronously: bool) -> None:
        store = InMemoryStore()
        short, whole = await self.run(asynchronously, middleware(store="agent"), store=store)
        assert len(store.search(("lingua", "originals"))) == 1
        assert (short.artifact, whole.content) == (None, NOTES)

    async def test_the_store_of_an_agent_without_one_is_an_error(self, asynchronously: bool) -> None:
        with pytest.raises(InputError, match=r"create_agent\(..., store=...\)"):
            await self.run(asynchronously, middleware(store="agent"))

    async def test_with_an_edit_the_originals_are_in_the_state(self, asynchronously: bool) -> None:
        edit = CompressToolResultsEdit(
            compressor=LinguaCompressor(target_tokens=16),
            min_tokens=50,
            note=(
                "[Shortened from {origin_tokens} to {compressed_tokens} tokens. "
                'get_original("{id}") returns all of it.]'
            ),
        )
        model = Scripted(script=[calling("search", 1, topic="lamp"), asking_for_the_original, saying(".")])
        used = ContextEditingMiddleware(edits=[edit])
        agent = create_agent(model, [search, get_original_tool()], middleware=[used])
        first, second = tool_messages(await ran(agent, asynchronously))
        assert first.content == second.content == NOTES
        assert LAMP in str(model.prompts[1][-1].content)
        assert len(str(model.prompts[1][-1].content)) < len(NOTES) / 2
        assert model.prompts[2][-1].content == NOTES

    async def test_a_tool_of_ones_own_making_is_not_shortened_again(self, asynchronously: bool) -> None:
        store: dict[str, Any] = {}
        used = middleware(store=store, offer_original=False, note="[Shortened: {id}]")
        model = Scripted(
            script=[
                calling("search", 1, topic="lamp"),
                lambda messages: calling("get_original", 2, id=next(iter(store)))(messages),
                saying("."),
            ]
        )
        agent = create_agent(model, [search, get_original_tool(store)], middleware=[used])
        short, whole = tool_messages(await ran(agent, asynchronously))
        assert str(short.content).startswith(f"[Shortened: {next(iter(store))}]\n")
        assert whole.content == NOTES

    async def test_they_outlive_a_turn_with_a_checkpointer(self, asynchronously: bool) -> None:
        model = Scripted(
            script=[
                calling("search", 1, topic="lamp"),
                saying("Done."),
                lambda messages: asking_for_the_original([messages[2]]),
                saying("Done."),
            ]
        )
        agent = create_agent(model, [search], middleware=[middleware()], checkpointer=InMemorySaver())
        config = {"configurable": {"thread_id": "1"}}
        await ran(agent, asynchronously, config=config)
        messages = await ran(agent, asynchronously, question="Show me all of it.", config=config)
        assert tool_messages(messages)[-1].content == NOTES


def result_of(returned: Any, *, args: dict[str, Any] | None = None, **options: Any) -> ToolMessage:
    """What an agent's state holds of a tool that returns this."""

    def give(topic: str) -> Any:
        """Gives."""
        return returned

    given = options.pop("tool", None) or tool(give)
    call = calling(given.name, 1, **(args or {"topic": "lamp"}))
    agent = create_agent(Scripted(script=[call, saying(".")]), [given], middleware=[middleware(**options)])
    return tool_messages(agent.invoke({"messages": [HumanMessage(QUESTION)]})["messages"])[0]


def test_json_stays_json_below_the_note() -> None:
    message = result_of(json.dumps({"total": 12, "rows": [{"id": "a-7", "text": NOTES}]}), target_tokens=60)
    data = json.loads(str(message.content).split("\n", 1)[1])
    assert (data["total"], data["rows"][0]["id"]) == (12, "a-7")
    assert LAMP in data["rows"][0]["text"]
    assert len(data["rows"][0]["text"]) < len(NOTES)


def test_images_and_blocks_stay() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
    given = [{"type": "text", "text": NOTES}, image]
    message = result_of(given)
    assert isinstance(message.content, list)
    assert [block["type"] for block in message.content] == ["text", "text", "image_url"]  # type: ignore[index]
    assert message.content[1]["text"] == LAMP  # type: ignore[index]
    assert message.content[2] == image
    assert message.artifact == given


def test_a_tools_own_artifact_is_kept_and_so_is_the_original() -> None:
    @tool(response_format="content_and_artifact")
    def rows(topic: str) -> tuple[str, list[int]]:
        """Rows."""
        return NOTES, [1, 2, 3]

    message = result_of(None, tool=rows)
    assert message.artifact == [1, 2, 3]
    assert message.response_metadata["lingua"]["original"] == NOTES


def test_a_command_is_shortened_too() -> None:
    @tool
    def remember(topic: str, tool_call_id: Annotated[str, InjectedToolCallId]) -> Command[Any]:
        """Remembers."""
        return Command(update={"messages": [ToolMessage(NOTES, tool_call_id=tool_call_id)]})

    message = result_of(None, tool=remember)
    assert str(message.content).endswith(LAMP)
    assert message.artifact == NOTES


@pytest.mark.parametrize(
    "options",
    [{"min_tokens": 500}, {"exclude_tools": ["give"]}, {"target_tokens": 100}],
    ids=["short", "excluded", "not worth it"],
)
def test_what_is_not_to_be_shortened_stays(options: dict[str, Any]) -> None:
    message = result_of(NOTES, **options)
    assert message.content == NOTES
    assert message.artifact is None
    assert "lingua" not in message.response_metadata


def test_errors_stay_whole() -> None:
    message = result_of(None, args={"wrong": NOTES})
    assert message.status == "error"
    assert NOTES in str(message.content)


def test_a_budget_that_cannot_be_met_keeps_the_result_and_says_so() -> None:
    compressor = LinguaCompressor(target_tokens=5, always_keep=["granite", "Bicycles", "oven"])
    used = CompressToolResultsMiddleware(compressor, min_tokens=50)
    model = Scripted(script=[calling("search", 1, topic="lamp"), saying(".")])
    messages = create_agent(model, [search], middleware=[used]).invoke({"messages": [HumanMessage(QUESTION)]})
    (message,) = tool_messages(messages["messages"])
    assert message.content == NOTES
    assert "always_keep" in message.response_metadata["lingua"]["notes"][0]


def test_parallel_calls_are_shortened_each_for_its_own_arguments() -> None:
    calls = [
        {"name": "search", "args": {"topic": "When was the lamp lit?"}, "id": "1"},
        {"name": "search", "args": {"topic": "Do bicycles travel free?"}, "id": "2"},
    ]
    model = Scripted(script=[lambda messages: AIMessage("", tool_calls=calls), saying(".")])
    used = middleware(query="arguments", note="")
    messages = create_agent(model, [search], middleware=[used]).invoke({"messages": [HumanMessage("Go.")]})
    found = {message.tool_call_id: message.content for message in tool_messages(messages["messages"])}
    assert found == {"1": LAMP, "2": BICYCLES}


async def test_an_agents_trace_shows_what_became_of_the_result(asynchronously: bool) -> None:
    recorder = RunRecorder()
    model = Scripted(script=[calling("search", 1, topic="lamp"), saying(".")])
    agent = create_agent(model, [search], middleware=[middleware()])
    await ran(agent, asynchronously, config={"callbacks": [recorder]})
    (run,) = recorder.named("CompressToolResult")
    assert "tools" in recorder.ancestors(run)
    ((name, data, at),) = recorder.events
    assert (name, at) == ("lingua_compression", run)
    assert [part["outcome"] for part in data["parts"]] == ["compressed"]


def request(number: int = 1) -> list[BaseMessage]:
    """Messages with this many results of tools."""
    found: list[BaseMessage] = [HumanMessage(QUESTION)]
    for i in range(number):
        call = {"name": "search", "args": {"topic": f"lamp {i}"}, "id": f"{i}"}
        found += [AIMessage("", tool_calls=[call]), ToolMessage(NOTES, tool_call_id=f"{i}", name="search")]
    return found


def edited(messages: list[BaseMessage], **options: Any) -> list[BaseMessage]:
    edit = CompressToolResultsEdit(compressor=LinguaCompressor(target_tokens=16), min_tokens=50, **options)
    given = list(messages)
    edit.apply(given, count_tokens=count_tokens_approximately)  # type: ignore[arg-type]
    return given


class TestEdit:
    """`CompressToolResultsEdit` by itself."""

    def test_messages_are_replaced_and_not_changed(self) -> None:
        messages = request(2)
        before = copy.deepcopy(messages)
        found = edited(messages)
        assert messages == before
        assert [new is old for new, old in zip(found, messages, strict=True)] == [
            not isinstance(message, ToolMessage) for message in messages
        ]
        assert all(str(message.content).endswith(LAMP) for message in tool_messages(found))

    def test_twice_is_the_same_as_once(self) -> None:
        once = edited(request(3))
        assert edited(once) == once
        assert edited(request(3)) == once

    def test_the_trigger_counts_all_messages(self) -> None:
        tokens = count_tokens_approximately(request(2))
        assert edited(request(2), trigger=tokens) == request(2)
        assert edited(request(2), trigger=tokens - 1) == edited(request(2))

    def test_the_last_results_may_be_kept(self) -> None:
        found = tool_messages(edited(request(3), keep=2))
        assert [message.content == NOTES for message in found] == [False, True, True]
        assert edited(request(1), keep=5) == request(1)

    def test_tools_may_be_excluded(self) -> None:
        assert edited(request(2), exclude_tools=["search"]) == request(2)

    def test_a_question_that_comes_later_does_not_matter(self) -> None:
        found = edited([*request(1), AIMessage("Done."), HumanMessage("And the bakery's bread?")])
        assert found[:3] == edited(request(1))

    def test_what_another_edit_has_cleared_stays(self) -> None:
        messages = request(1)
        messages[2].response_metadata["context_editing"] = {"cleared": True}
        assert edited(messages) == messages

    def test_a_result_whose_call_is_gone_is_shortened_for_the_question(self) -> None:
        messages = [HumanMessage(QUESTION), ToolMessage(NOTES, tool_call_id="lost")]
        assert str(edited(messages)[1].content).endswith(LAMP)


class TestOriginalTool:
    """`get_original_tool` by itself."""

    async def asked(self, asynchronously: bool, given: BaseTool, **args: Any) -> ToolMessage:
        script = [calling(given.name, 1, **args), saying(".")]
        return tool_messages(await ran(create_agent(Scripted(script=script), [given]), asynchronously))[0]

    async def test_a_long_original_comes_in_parts(self, asynchronously: bool) -> None:
        store = {"one": "abcdefghij"}
        given = get_original_tool(store, max_characters=4)
        first = await self.asked(asynchronously, given, id="one")
        assert first.content == "abcd\n[6 characters are left: offset=4.]"
        assert (await self.asked(asynchronously, given, id="one", offset=8)).content == "ij"

    async def test_blocks_of_text_come_as_text_and_others_as_they_are(self, asynchronously: bool) -> None:
        blocks = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
        image = [*blocks, {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}]
        given = get_original_tool({"text": blocks, "image": image})
        assert (await self.asked(asynchronously, given, id="text")).content == "one\ntwo"
        assert (await self.asked(asynchronously, given, id="image")).content == image

    async def test_an_unknown_id_is_an_error_that_the_model_reads(self, asynchronously: bool) -> None:
        message = await self.asked(asynchronously, get_original_tool(), id="nothing")
        assert message.status == "error"
        assert "no original with the id 'nothing'" in str(message.content)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"query": "answer"}, "query must be one of 'both', 'question', 'arguments', got 'answer'"),
        ({"min_tokens": -1}, "min_tokens must be a whole number"),
        ({"exclude_tools": "search"}, "exclude_tools must be a collection of names, got 'search'"),
        ({"note": "{name}"}, "note must be a str with no other fields"),
        ({"note": 5}, "note must be a str"),
        ({"compressor": "lexical"}, "compressor must be a LinguaCompressor, got str"),
    ],
)
@pytest.mark.parametrize("make", [CompressToolResultsMiddleware, CompressToolResultsEdit])
def test_options_are_checked_when_it_is_made(make: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(**options)


def test_own_options_are_checked_when_it_is_made() -> None:
    for name in ("trigger", "keep"):
        with pytest.raises(InputError, match=f"{name} must be a whole number of at least 0, got -1"):
            CompressToolResultsEdit(**{name: -1})
    with pytest.raises(InputError, match='store must be None, "agent", a LangGraph store or'):
        CompressToolResultsMiddleware(store=5)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="max_characters must be a whole number of at least 1, got 0"):
        get_original_tool(max_characters=0)
