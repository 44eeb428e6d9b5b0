"""What LangChain expects of a document compressor and of a step of a chain, as classes to inherit tests from.

In the style of `langchain-tests`, which has no suite for either.
"""

import asyncio
import copy
import threading
from collections.abc import Callable, Sequence
from inspect import signature
from typing import Any
from uuid import UUID

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import BaseDocumentCompressor, Document
from langchain_core.load import dumpd, dumps, loads
from langchain_core.runnables import Runnable, RunnableLambda


class RunRecorder(BaseCallbackHandler):
    """Keeps the runs and custom events that it is told of."""

    def __init__(self) -> None:
        self.runs: dict[UUID, dict[str, Any]] = {}
        self.events: list[tuple[str, Any, UUID]] = []
        self.errors: list[BaseException] = []

    def on_chain_start(self, serialized: Any, inputs: Any, *, run_id: UUID, **kwargs: Any) -> None:
        self.runs[run_id] = kwargs

    def on_retriever_start(self, serialized: Any, query: str, *, run_id: UUID, **kwargs: Any) -> None:
        self.runs[run_id] = kwargs

    def on_chain_error(self, error: BaseException, **kwargs: Any) -> None:
        self.errors.append(error)

    def on_custom_event(self, name: str, data: Any, *, run_id: UUID, **kwargs: Any) -> None:
        self.events.append((name, data, run_id))

    def named(self, name: str) -> list[UUID]:
        return [run for run, kwargs in self.runs.items() if kwargs.get("name") == name]

    def ancestors(self, run: UUID) -> list[str]:
        """Names of the runs that this one is in, from the inside out."""
        names: list[str] = []
        while (parent := self.runs[run]["parent_run_id"]) is not None:
            names.append(self.runs[parent]["name"])
            run = parent
        return names


def revived(stored: str, *classes: type) -> Any:
    """What `loads` makes of it, if these classes of langchain_lingua are allowed."""
    # langchain-core before 1.2.5 has no allow list.
    allowed = {"allowed_objects": list(classes)} if "allowed_objects" in signature(loads).parameters else {}
    return loads(stored, valid_namespaces=["langchain_lingua"], **allowed)


class DocumentCompressorContract:
    """A subclass has the fixtures `make` (options to a compressor), `documents` and `question`."""

    run_name: str
    event_name: str

    @pytest.fixture
    def compressor(self, make: Callable[..., BaseDocumentCompressor]) -> BaseDocumentCompressor:
        return make(rate=0.6)

    async def test_sync_async_and_concurrent_calls_agree(
        self, compressor: BaseDocumentCompressor, documents: list[Document], question: str
    ) -> None:
        expected = compressor.compress_documents(documents, question)
        assert expected
        assert await compressor.acompress_documents(documents, question) == expected
        assert (
            await asyncio.gather(*[compressor.acompress_documents(documents, question) for _ in range(3)])
            == [expected] * 3
        )

    async def test_no_documents_give_no_documents(
        self, compressor: BaseDocumentCompressor, question: str
    ) -> None:
        assert compressor.compress_documents([], question) == []
        assert await compressor.acompress_documents([], question) == []

    def test_empty_documents_are_dropped_or_kept_by_choice(
        self, make: Callable[..., BaseDocumentCompressor], documents: list[Document], question: str
    ) -> None:
        given = [Document("", id="a"), documents[0], Document(" \n", id="b", metadata={"page": 1})]
        assert [d.id for d in make(rate=0.6).compress_documents(given, question)] == [documents[0].id]
        kept = make(rate=0.6, keep_empty=True).compress_documents(given, question)
        assert [d.id for d in kept] == ["a", documents[0].id, "b"]
        assert [bool(d.page_content) for d in kept] == [False, True, False]
        assert kept[2].metadata["page"] == 1

    async def test_nothing_is_mutated_or_shared(
        self, compressor: BaseDocumentCompressor, documents: list[Document], question: str
    ) -> None:
        before = copy.deepcopy(documents)
        kept = [
            *compressor.compress_documents(documents, question),
            *await compressor.acompress_documents(documents, question),
        ]
        for document in kept:
            document.page_content = ""
            document.metadata.clear()
        compressor.compress_documents(tuple(documents), question)
        assert documents == before

    def test_ids_and_metadata_are_the_originals_and_scores_are_numbers(
        self, compressor: BaseDocumentCompressor, documents: list[Document], question: str
    ) -> None:
        given = {document.page_content: document for document in documents}
        for kept in compressor.compress_documents(documents, question):
            spans = kept.metadata["lingua"]["spans"]
            (source,) = [
                document
                for text, document in given.items()
                if document.id == kept.id and all(text[a:b] in kept.page_content for a, b in spans)
            ]
            assert kept.metadata.items() >= source.metadata.items()
            assert isinstance(kept.metadata["relevance_score"], float)

    @pytest.mark.filterwarnings("ignore:The function `loads` is in beta")
    def test_it_is_revived_from_what_is_stored(
        self, compressor: BaseDocumentCompressor, documents: list[Document], question: str
    ) -> None:
        again = revived(dumps(compressor), type(compressor))
        assert type(again) is type(compressor)
        assert dumpd(again) == dumpd(compressor)
        assert again.compress_documents(documents, question) == compressor.compress_documents(
            documents, question
        )

    async def test_every_call_is_one_named_run_with_its_statistics(
        self, compressor: BaseDocumentCompressor, documents: list[Document], question: str
    ) -> None:
        recorder, other = RunRecorder(), RunRecorder()
        compressor.compress_documents(documents, question, callbacks=[recorder])
        await compressor.acompress_documents(documents, question, callbacks=[other])
        for seen in (recorder, other):
            (run,) = seen.named(self.run_name)
            ((name, data, at),) = seen.events
            assert (name, at) == (self.event_name, run)
            assert data["method"] == compressor.method  # type: ignore[attr-defined]
            assert data["compressed_tokens"] <= data["origin_tokens"]

    async def test_inside_a_step_its_run_is_a_child_of_the_steps(
        self, compressor: BaseDocumentCompressor, documents: list[Document], question: str
    ) -> None:
        def work(query: str) -> Sequence[Document]:
            return compressor.compress_documents(documents, query)

        async def awork(query: str) -> Sequence[Document]:
            return await compressor.acompress_documents(documents, query)

        step = RunnableLambda(work, awork, name="step")
        recorder, other = RunRecorder(), RunRecorder()
        step.invoke(question, {"callbacks": [recorder]})
        await step.ainvoke(question, {"callbacks": [other]})
        for seen in (recorder, other):
            (run,) = seen.named(self.run_name)
            assert seen.ancestors(run) == ["step"]


class StepContract:
    """A subclass has the fixtures `step`, `inputs` (several), `empty` and `bad`, and a `run_name`."""

    run_name: str
    event_name: str

    async def test_every_way_to_call_it_gives_the_same(
        self, step: Runnable[Any, Any], inputs: list[Any]
    ) -> None:
        expected = [step.invoke(given) for given in inputs]
        assert all(expected)
        assert [await step.ainvoke(given) for given in inputs] == expected
        assert step.batch(inputs) == expected
        assert await step.abatch(inputs) == expected
        assert [list(step.stream(given)) for given in inputs] == [[found] for found in expected]
        assert [[c async for c in step.astream(given)] for given in inputs] == [[f] for f in expected]
        assert sorted(step.batch_as_completed(inputs)) == list(enumerate(expected))

    async def test_inside_a_chain_it_gives_the_same(
        self, step: Runnable[Any, Any], inputs: list[Any]
    ) -> None:
        expected = step.invoke(inputs[0])
        chain = RunnableLambda(lambda given: given) | step | RunnableLambda(list)
        assert chain.invoke(inputs[0]) == expected
        assert await chain.ainvoke(inputs[0]) == expected
        assert [part async for part in chain.astream(inputs[0])] == [expected]

    async def test_nothing_gives_nothing(self, step: Runnable[Any, Any], empty: Any) -> None:
        assert step.invoke(empty) == []
        assert await step.ainvoke(empty) == []
        assert step.batch([]) == []

    async def test_inputs_are_not_mutated(self, step: Runnable[Any, Any], inputs: list[Any]) -> None:
        before = copy.deepcopy(inputs)
        for found in (*step.batch(inputs), *await step.abatch(inputs)):
            for item in found:
                item.__dict__.clear()
        assert inputs == before

    @pytest.mark.filterwarnings("ignore:The function `loads` is in beta")
    def test_it_is_revived_from_what_is_stored(
        self, step: Runnable[Any, Any], inputs: list[Any], allowed: list[type]
    ) -> None:
        again = revived(dumps(step), *allowed)
        assert type(again) is type(step)
        assert dumpd(again) == dumpd(step)
        assert again.batch(inputs) == step.batch(inputs)

    async def test_its_run_has_a_name_of_its_own_or_the_given_one(
        self, step: Runnable[Any, Any], inputs: list[Any]
    ) -> None:
        for name, named in ((self.run_name, step), ("mine", step.with_config(run_name="mine"))):
            recorder, other = RunRecorder(), RunRecorder()
            named.invoke(inputs[0], {"callbacks": [recorder], "tags": ["t"], "metadata": {"m": 1}})
            await named.ainvoke(inputs[0], {"callbacks": [other], "tags": ["t"], "metadata": {"m": 1}})
            for seen in (recorder, other):
                (run,) = seen.named(name)
                assert seen.runs[run]["tags"] == ["t"]
                assert seen.runs[run]["metadata"]["m"] == 1
                ((event, _, at),) = seen.events
                assert event == self.event_name
                assert at == run or name in seen.ancestors(at)

    async def test_astream_events_hold_the_statistics(
        self, step: Runnable[Any, Any], inputs: list[Any]
    ) -> None:
        seen = [
            (event["event"], event["name"]) async for event in step.astream_events(inputs[0], version="v2")
        ]
        assert seen[0] == ("on_chain_start", self.run_name)
        assert seen[-1] == ("on_chain_end", self.run_name)
        assert seen.count(("on_custom_event", self.event_name)) == 1

    async def test_a_failure_is_a_value_error_for_that_input_alone(
        self, step: Runnable[Any, Any], inputs: list[Any], bad: Any
    ) -> None:
        recorder = RunRecorder()
        with pytest.raises(ValueError, match="got") as caught:
            step.invoke(bad, {"callbacks": [recorder]})
        assert recorder.errors == [caught.value]
        with pytest.raises(ValueError, match="got"):
            await step.ainvoke(bad)
        good, failed = step.batch([inputs[0], bad], return_exceptions=True)
        assert good == step.invoke(inputs[0])
        assert isinstance(failed, ValueError)
        good, failed = await step.abatch([inputs[0], bad], return_exceptions=True)
        assert good == step.invoke(inputs[0])
        assert isinstance(failed, ValueError)

    async def test_max_concurrency_binds(self, step: Runnable[Any, Any], inputs: list[Any]) -> None:
        class Counting(BaseCallbackHandler):
            run_inline = True

            def __init__(self) -> None:
                self.lock = threading.Lock()
                self.now = self.most = 0

            def on_chain_start(self, *args: Any, parent_run_id: UUID | None = None, **kwargs: Any) -> None:
                if parent_run_id is None:
                    with self.lock:
                        self.now += 1
                        self.most = max(self.most, self.now)

            def on_chain_end(self, *args: Any, parent_run_id: UUID | None = None, **kwargs: Any) -> None:
                if parent_run_id is None:
                    with self.lock:
                        self.now -= 1

        counting = Counting()
        step.batch(inputs * 3, {"callbacks": [counting], "max_concurrency": 1})
        assert counting.most == 1
        counting = Counting()
        await step.abatch(inputs * 3, {"callbacks": [counting], "max_concurrency": 1})
        assert counting.most == 1
