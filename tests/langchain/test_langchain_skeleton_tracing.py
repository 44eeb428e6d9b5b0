"""In traces an answer is one run, its calls are its children, and no token is counted twice."""

import contextvars
import threading
from typing import Any
from uuid import UUID

import pytest

pytest.importorskip("langchain_core")
from langchain_core.callbacks import BaseCallbackHandler, UsageMetadataCallbackHandler
from langchain_core.runnables import RunnableLambda

from langchain_lingua import SkeletonOfThoughtChain
from lingua_core.errors import AnswerError
from scripted_chat_model import ScriptedChatModel
from skeleton_script import ANSWER, QUESTION, TITLES, pieces

MODES = ["invoke", "ainvoke", "stream", "astream"]
VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


class Runs(BaseCallbackHandler):
    """Keeps the runs, how they ended, and custom events."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.runs: dict[UUID, dict[str, Any]] = {}
        self.ended: list[UUID] = []
        self.failed: list[UUID] = []
        self.events: list[tuple[str, Any, UUID]] = []

    def _begin(self, run_id: UUID, about: dict[str, Any]) -> None:
        with self.lock:
            self.runs[run_id] = about

    def on_chain_start(self, serialized: Any, inputs: Any, *, run_id: UUID, **about: Any) -> None:
        self._begin(run_id, {**about, "inputs": inputs})

    def on_chat_model_start(self, serialized: Any, messages: Any, *, run_id: UUID, **about: Any) -> None:
        self._begin(run_id, about)

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **about: Any) -> None:
        self.ended.append(run_id)
        self.runs[run_id]["outputs"] = outputs

    def on_llm_end(self, response: Any, *, run_id: UUID, **about: Any) -> None:
        self.ended.append(run_id)

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **about: Any) -> None:
        self.failed.append(run_id)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **about: Any) -> None:
        self.failed.append(run_id)

    def on_custom_event(self, name: str, data: Any, *, run_id: UUID, **about: Any) -> None:
        self.events.append((name, data, run_id))

    def named(self, name: str) -> list[UUID]:
        return [run for run, about in self.runs.items() if about["name"] == name]


async def called(step: Any, mode: str, given: Any, config: Any) -> str:
    if mode == "invoke":
        return step.invoke(given, config).text
    if mode == "ainvoke":
        return (await step.ainvoke(given, config)).text
    if mode == "stream":
        return "".join(str(chunk.text) for chunk in step.stream(given, config))
    return "".join([str(chunk.text) async for chunk in step.astream(given, config)])


def chain(model: Any = None, **options: Any) -> SkeletonOfThoughtChain:
    options.setdefault("router", "always")
    return SkeletonOfThoughtChain(llm=model if model is not None else ScriptedChatModel(), **options)


@pytest.mark.parametrize("mode", MODES)
async def test_one_run_with_a_child_for_every_call(mode: str) -> None:
    runs = Runs()
    config = {"callbacks": [runs], "tags": ["t"], "metadata": {"m": 1}, "run_name": "mine"}
    assert await called(chain(), mode, QUESTION, config) == ANSWER
    (top,) = runs.named("mine")
    assert runs.runs[top]["parent_run_id"] is None
    assert runs.runs[top]["tags"] == ["t"]
    (skeleton,) = runs.named("plan_skeleton")
    points = runs.named("expand_point")
    assert [runs.runs[run]["parent_run_id"] for run in (skeleton, *points)] == [top] * 5
    about = sorted((runs.runs[run]["metadata"] for run in points), key=lambda found: found["lingua_point"])
    assert [found["lingua_point"] for found in about] == [1, 2, 3, 4]
    assert [found["lingua_call"] for found in about] == [f"point {i}" for i in range(1, 5)]
    assert all(found["m"] == 1 for found in about)
    assert all("t" in runs.runs[run]["tags"] for run in points)
    assert len(runs.runs) == 6
    assert sorted(runs.ended, key=str) == sorted(runs.runs, key=str)
    assert runs.ended[-1] == top
    assert runs.failed == []
    assert runs.runs[top]["outputs"].text == ANSWER


@pytest.mark.parametrize("mode", MODES)
async def test_route_and_skeleton_are_custom_events_of_the_run(mode: str) -> None:
    runs = Runs()
    await called(chain(), mode, QUESTION, {"callbacks": [runs]})
    (top,) = runs.named("SkeletonOfThoughtChain")
    assert [(name, at) for name, _, at in runs.events] == [("lingua_route", top), ("lingua_skeleton", top)]
    assert runs.events[0][1]["route"] == "skeleton"
    assert [point["text"] for point in runs.events[1][1]["points"]] == list(TITLES)


@pytest.mark.parametrize("mode", MODES)
async def test_inside_a_step_everything_nests_without_being_told(mode: str) -> None:
    step = chain()

    def work(question: str) -> Any:
        return step.invoke(question)

    async def awork(question: str) -> Any:
        return await step.ainvoke(question)

    runs = Runs()
    outer = RunnableLambda(work, awork, name="outer")
    assert await called(outer, mode, QUESTION, {"callbacks": [runs]}) == ANSWER
    (top,), (inner,) = runs.named("outer"), runs.named("SkeletonOfThoughtChain")
    assert runs.runs[inner]["parent_run_id"] == top
    assert {runs.runs[run]["parent_run_id"] for run in runs.named("expand_point")} == {inner}


@pytest.mark.parametrize("mode", MODES)
async def test_no_token_is_counted_twice(mode: str) -> None:
    runs, counting = Runs(), UsageMetadataCallbackHandler()
    message = chain().invoke(QUESTION, {"callbacks": [counting]})
    assert message.usage_metadata is not None
    (counted,) = counting.usage_metadata.values()
    assert counted == message.usage_metadata
    counting, model = UsageMetadataCallbackHandler(), ScriptedChatModel()
    await called(chain(model), mode, QUESTION, {"callbacks": [runs, counting]})
    (counted,) = counting.usage_metadata.values()
    assert counted == message.usage_metadata
    assert len(runs.named("plan_skeleton") + runs.named("expand_point")) == len(model.calls)


async def test_astream_events_show_runs_skeleton_and_ordered_text() -> None:
    seen = [event async for event in chain().astream_events(QUESTION, version="v2")]
    assert (seen[0]["event"], seen[0]["name"]) == ("on_chain_start", "SkeletonOfThoughtChain")
    assert (seen[-1]["event"], seen[-1]["name"]) == ("on_chain_end", "SkeletonOfThoughtChain")
    kinds = [(event["event"], event["name"]) for event in seen]
    assert kinds.count(("on_chat_model_start", "expand_point")) == 4
    skeleton = kinds.index(("on_custom_event", "lingua_skeleton"))
    text = [i for i, kind in enumerate(kinds) if kind == ("on_chain_stream", "SkeletonOfThoughtChain")]
    assert skeleton < text[0]
    assert "".join(str(seen[i]["data"]["chunk"].text) for i in text) == ANSWER
    # Points can be filled in place, ahead of their turn: every chunk says which point it is of.
    by_point: dict[int, str] = {}
    for event in seen:
        if event["event"] == "on_chat_model_stream" and "lingua_point" in event["metadata"]:
            index = event["metadata"]["lingua_point"]
            by_point[index] = by_point.get(index, "") + str(event["data"]["chunk"].text)
    assert all(by_point[i] in ANSWER for i in range(1, 5))


@pytest.mark.parametrize("mode", MODES)
async def test_a_failure_ends_the_run_with_an_error(mode: str) -> None:
    runs = Runs()
    model = ScriptedChatModel(fails=lambda prompt, asked: RuntimeError("down"))
    with pytest.raises(AnswerError):
        await called(chain(model), mode, QUESTION, {"callbacks": [runs]})
    (top,) = runs.named("SkeletonOfThoughtChain")
    assert top in runs.failed
    assert set(runs.failed) | set(runs.ended) == set(runs.runs)


async def test_runs_of_calls_that_were_cancelled_end_too() -> None:
    for mode in ("stream", "astream"):
        runs = Runs()
        model = ScriptedChatModel(seconds=0.02)
        chunks: Any = getattr(chain(model), mode)(QUESTION, {"callbacks": [runs]})
        if mode == "stream":
            next(chunks)
            chunks.close()
        else:
            await anext(chunks)
            await chunks.aclose()
        assert set(runs.failed) | set(runs.ended) == set(runs.runs), mode
        assert runs.named("expand_point")


@pytest.mark.parametrize("mode", MODES)
async def test_context_variables_reach_the_model(mode: str) -> None:
    seen: list[str] = []

    def reply(prompt: str) -> str:
        seen.append(VARIABLE.get())
        return "1. One\n2. Two" if "First plan" in prompt else " ".join(pieces("Some words."))

    VARIABLE.set("set")
    await called(chain(ScriptedChatModel(reply=reply)), mode, QUESTION, {})
    assert seen == ["set"] * 3


async def test_the_callbacks_of_a_model_are_called_for_each_of_its_calls() -> None:
    runs = Runs()
    step = chain(ScriptedChatModel(callbacks=[runs]))
    step.invoke(QUESTION)
    await step.ainvoke(QUESTION)
    assert len(runs.ended) == 10
