"""`compress_documents` and `compress_prompt` in the chains that people write."""

import copy
import json
import re
from collections.abc import Callable
from operator import itemgetter
from typing import Any

import pytest

pytest.importorskip("langchain_core", reason="needs the extra: lingua-rag[langchain]")

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda, RunnablePassthrough
from pydantic import Field

from langchain_contract import RunRecorder
from langchain_lingua import LinguaCompressor, compress_documents, compress_prompt
from lingua_core import InputError, PromptCompressor, ProtectedOverBudgetError
from lingua_core.structured import compress_messages

ANSWER = "Its lamp was lit for the first time on 3 March 1874."


class Shelf(BaseRetriever):
    documents: list[Document]

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        return self.documents


@pytest.fixture
def compressor() -> LinguaCompressor:
    return LinguaCompressor(target_tokens=15)


@pytest.fixture
def notes(documents: list[Document]) -> str:
    return " ".join(document.page_content for document in documents)


def joined(documents: list[Document]) -> str:
    return "\n\n".join(document.page_content for document in documents)


class Reader(GenericFakeChatModel):
    """Answers with the last message that it reads, and keeps all."""

    messages: Any = None
    prompts: list[list[BaseMessage]] = Field(default_factory=list)

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> Any:
        self.prompts.append(messages)
        self.messages = iter([AIMessage(str(messages[-1].text))])
        return super()._generate(messages, *args, **kwargs)


@pytest.fixture
def reader() -> Reader:
    return Reader()


QUOTE = ChatPromptTemplate.from_template("{context}\n\nQuestion: {input}")


async def test_behind_a_mapping_of_documents_and_query(
    documents: list[Document], question: str, compressor: LinguaCompressor
) -> None:
    chain = {"documents": Shelf(documents=documents), "query": RunnablePassthrough()} | compress_documents(
        compressor
    )
    expected = compressor.compress_documents(documents, question)
    assert expected[0].page_content == ANSWER
    assert chain.invoke(question) == expected
    assert await chain.ainvoke(question) == expected


async def test_inside_assign(documents: list[Document], question: str, compressor: LinguaCompressor) -> None:
    chain = RunnablePassthrough.assign(context=compress_documents(compressor))
    given = {"context": documents, "question": question}
    assert chain.invoke(given)["context"] == compressor.compress_documents(documents, question)
    assert given["context"] is documents
    retrieving = (
        RunnablePassthrough.assign(context=itemgetter("question") | Shelf(documents=documents)) | chain
    )
    assert (await retrieving.ainvoke({"question": question}))["context"][0].page_content == ANSWER


@pytest.mark.filterwarnings("ignore::DeprecationWarning:langchain_classic.*")
async def test_inside_create_retrieval_chain(
    documents: list[Document], question: str, compressor: LinguaCompressor, reader: Reader
) -> None:
    chains = pytest.importorskip("langchain_classic.chains", reason="needs langchain-classic")
    combining = pytest.importorskip("langchain_classic.chains.combine_documents")
    answer = combining.create_stuff_documents_chain(reader, QUOTE)
    shelf = Shelf(documents=documents)
    chain = chains.create_retrieval_chain(compress_documents(compressor, retriever=shelf), answer)
    found = chain.invoke({"input": question})
    assert found["answer"] == f"{ANSWER}\n\nQuestion: {question}"
    assert found["context"] == compressor.compress_documents(documents, question)
    assert await chain.ainvoke({"input": question}) == found
    # Compressing in the prompt only: the result keeps the whole documents.
    late = RunnablePassthrough.assign(context=compress_documents(compressor)) | answer
    kept = chains.create_retrieval_chain(shelf, late).invoke({"input": question})
    assert (kept["answer"], kept["context"]) == (found["answer"], documents)


async def test_in_a_chain_that_streams(
    documents: list[Document], question: str, compressor: LinguaCompressor, reader: Reader
) -> None:
    context = compress_documents(compressor, retriever=Shelf(documents=documents)) | joined
    chain = {"context": context, "input": RunnablePassthrough()} | QUOTE | reader | StrOutputParser()
    expected = f"{ANSWER}\n\nQuestion: {question}"
    parts = list(chain.stream(question))
    assert len(parts) > 5
    assert "".join(parts) == expected
    assert "".join([part async for part in chain.astream(question)]) == expected


async def test_the_retrievers_run_and_the_compressions_are_children(
    documents: list[Document], question: str, compressor: LinguaCompressor
) -> None:
    step = compress_documents(compressor, retriever=Shelf(documents=documents))
    recorder, other = RunRecorder(), RunRecorder()
    step.invoke(question, {"callbacks": [recorder]})
    await step.ainvoke(question, {"callbacks": [other]})
    for seen in (recorder, other):
        for name in ("Shelf", "LinguaCompressor"):
            (run,) = seen.named(name)
            assert seen.ancestors(run) == ["compress_documents"]


def test_any_runnable_from_a_question_to_documents_is_a_retriever(
    documents: list[Document], question: str, compressor: LinguaCompressor
) -> None:
    found = RunnableLambda(lambda query: [d for d in documents if "lamp" in d.page_content])
    step = compress_documents(compressor, retriever=found)
    assert [document.page_content for document in step.invoke(question)] == [ANSWER]


def test_keys_can_be_named(documents: list[Document], question: str, compressor: LinguaCompressor) -> None:
    step = compress_documents(compressor, documents_key="docs", query_key="asked")
    given = {"docs": documents, "asked": question, "documents": [], "query": "something else"}
    assert step.invoke(given) == compressor.compress_documents(documents, question)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("a question", "must be a mapping with the question under 'query' or 'question' or 'input', got str"),
        ({"documents": []}, "must hold the question under .*, got the keys 'documents'"),
        ({"query": "q"}, "must hold the documents under 'documents' or 'context', got the keys 'query'"),
        ({"query": 5, "documents": []}, "The question must be a str, got int: 5"),
        (
            {"query": "q", "context": "text"},
            "must be a sequence of langchain_core.documents.Document, got str",
        ),
        ({"query": "q", "context": ["text"]}, "documents must be langchain_core.documents.Document, got str"),
    ],
)
def test_what_a_document_step_cannot_use_is_refused(given: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        compress_documents().invoke(given)


@pytest.mark.parametrize("make", [compress_documents, compress_prompt])
def test_a_compressor_of_the_core_is_refused(make: Callable[..., Any]) -> None:
    with pytest.raises(InputError, match="compressor must be a LinguaCompressor, got PromptCompressor"):
        make(PromptCompressor())


IMAGE = {"type": "image", "base64": "aGk=", "mime_type": "image/png"}


@pytest.fixture
def conversation(notes: str, question: str) -> list[BaseMessage]:
    call = {"name": "search", "args": {"q": notes}, "id": "1"}
    return [
        SystemMessage(notes, id="s"),
        HumanMessage(
            [notes, IMAGE, {"type": "text", "text": notes, "cache_control": {"type": "ephemeral"}}],
            id="h",
            name="ada",
            additional_kwargs={"own": [1]},
        ),
        AIMessage(
            [{"type": "text", "text": notes}, {"type": "reasoning", "reasoning": notes}],
            id="a",
            tool_calls=[call],
            usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
            response_metadata={"output_version": "v1"},
        ),
        ToolMessage(notes, tool_call_id="1", name="search", id="t", artifact=["own"], status="success"),
        ChatMessage(notes, role="critic", id="c"),
        HumanMessage(question, id="q"),
    ]


def test_only_long_texts_of_people_and_tools_change(
    conversation: list[BaseMessage], notes: str, question: str
) -> None:
    before = copy.deepcopy(conversation)
    found = compress_prompt(LinguaCompressor(rate=0.2), min_tokens=30).invoke(conversation)
    assert conversation == before
    assert [found[i] for i in (0, 2, 4, 5)] == [before[i] for i in (0, 2, 4, 5)]
    text, image, block = found[1].content
    assert isinstance(text, str)
    assert image == IMAGE
    assert block["cache_control"] == {"type": "ephemeral"}
    for short in (text, block["text"], found[3].content):
        assert len(short) < len(notes) / 2
        assert all(piece in notes for piece in short.split("\n"))
    assert ANSWER in found[3].content
    for old, new in zip(before, found, strict=True):
        assert type(new) is type(old)
        assert {**dict(new), "content": 0} == {**dict(old), "content": 0}


def test_the_messages_that_come_back_are_fresh(conversation: list[BaseMessage]) -> None:
    before = copy.deepcopy(conversation)
    for message in compress_prompt(LinguaCompressor(rate=0.2), min_tokens=30).invoke(conversation):
        message.additional_kwargs["changed"] = True
        message.additional_kwargs.get("own", []).append(2)
        message.response_metadata["changed"] = True
        if isinstance(message, AIMessage):
            message.tool_calls.clear()
        if isinstance(message.content, list):
            message.content.clear()
    assert conversation == before


def test_it_does_what_the_core_does(notes: str, question: str) -> None:
    found = compress_prompt(LinguaCompressor(target_tokens=60), min_tokens=30).invoke(
        [HumanMessage(notes), ToolMessage(notes, tool_call_id="1"), HumanMessage(question)]
    )
    plain = [
        {"role": "user", "content": notes},
        {"role": "tool", "content": notes},
        {"role": "user", "content": question},
    ]
    expected = compress_messages(plain, PromptCompressor(), target_tokens=60, min_tokens=30)
    assert [message.content for message in found] == [message["content"] for message in expected.messages]


def test_roles_have_the_names_that_messages_have(notes: str, question: str) -> None:
    given = [SystemMessage(notes), AIMessage(notes), HumanMessage(notes), HumanMessage(question)]
    changed: dict[str, list[bool]] = {}
    for roles in (("ai",), ("assistant",), ("system", "human")):
        found = compress_prompt(LinguaCompressor(rate=0.3), roles=roles, min_tokens=30).invoke(given)
        changed["/".join(roles)] = [new.content != old.content for new, old in zip(found, given, strict=True)]
    assert changed == {
        "ai": [False, True, False, False],
        "assistant": [False, True, False, False],
        "system/human": [True, False, True, False],
    }


def test_json_of_a_tool_stays_json(notes: str, question: str) -> None:
    rows = json.dumps({"rows": [{"id": 7, "text": notes}], "total": 1})
    found = compress_prompt(LinguaCompressor(rate=0.3), min_tokens=30).invoke(
        [ToolMessage(rows, tool_call_id="1"), HumanMessage(question)]
    )
    data = json.loads(found[0].content)
    assert data["total"] == 1
    assert ANSWER in data["rows"][0]["text"]
    assert len(data["rows"][0]["text"]) < len(notes)


def test_one_message_with_documents_and_question_needs_the_question_named(
    notes: str, question: str, reader: Reader
) -> None:
    template = ChatPromptTemplate.from_template("{notes}\n\n{question}")
    given = {"notes": notes, "question": question}
    compressor = LinguaCompressor(target_tokens=40)
    untouched = (template | compress_prompt(compressor, min_tokens=30)).invoke(given)
    assert untouched == template.invoke(given).to_messages()
    chain = (
        RunnablePassthrough.assign(prompt=template)
        | compress_prompt(compressor, min_tokens=30, keep_last=0)
        | reader
    )
    answer = chain.invoke(given).text
    assert ANSWER in answer
    assert len(answer) < len(notes) / 2


async def test_between_prompt_and_model(notes: str, question: str, reader: Reader) -> None:
    template = ChatPromptTemplate.from_messages([("human", "{notes}"), ("human", "{question}")])
    chain = template | compress_prompt(LinguaCompressor(target_tokens=16), min_tokens=30) | reader
    chain.invoke({"notes": notes, "question": question})
    await chain.ainvoke({"notes": notes, "question": question})
    assert [m.content for m in reader.prompts[0]] == [ANSWER, question]
    assert [m.content for m in reader.prompts[1]] == [ANSWER, question]


def test_the_event_says_what_became_of_each_text(notes: str, question: str) -> None:
    recorder = RunRecorder()
    compress_prompt(LinguaCompressor(target_tokens=20), min_tokens=30).invoke(
        [("system", "Answer."), ("human", notes), ("human", question)], {"callbacks": [recorder]}
    )
    ((name, data, _),) = recorder.events
    assert name == "lingua_compression"
    assert [part["outcome"] for part in data["parts"]] == ["role", "compressed", "last"]
    assert data["compressed_tokens"] < data["origin_tokens"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (5, "A prompt must be a PromptValue, a str or a sequence of messages, got int: 5"),
        ([5], "holds something that is no message"),
        ([("nobody", "text")], "holds something that is no message"),
        ({"query": "q"}, "must hold the prompt under 'prompt' or 'messages', got the keys 'query'"),
        ({"prompt": "p", "query": 5}, "query must be a str or None, got int"),
    ],
)
def test_what_a_prompt_step_cannot_use_is_refused(given: Any, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        compress_prompt().invoke(given)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"roles": "human"}, "roles must be a collection of message types, got 'human'"),
        ({"min_tokens": -1}, "min_tokens must be a whole number of at least 0"),
        ({"keep_last": 1.5}, "keep_last must be a whole number, got 1.5"),
        ({"omission": 5}, "omission must be a str"),
    ],
)
def test_options_of_a_prompt_step_are_checked_when_it_is_made(options: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        compress_prompt(**options)


def test_an_impossible_budget_is_the_cores_error(notes: str, question: str) -> None:
    compressor = LinguaCompressor(target_tokens=3, always_keep=["granite", "Bicycles", "oven"])
    step = compress_prompt(compressor, min_tokens=30)
    with pytest.raises(ProtectedOverBudgetError):
        step.invoke([HumanMessage(notes), HumanMessage(question)])


def test_steps_work_behind_functions_and_retries(
    documents: list[Document], question: str, compressor: LinguaCompressor
) -> None:
    step = compress_documents(compressor)
    made = RunnableLambda(lambda query: {"documents": documents, "query": query})
    expected = compressor.compress_documents(documents, question)
    assert (made | step.with_retry()).invoke(question) == expected
    assert step.with_fallbacks([compress_documents()]).invoke(made.invoke(question)) == expected
    assert step.map().invoke([made.invoke(question)] * 2) == [expected] * 2
