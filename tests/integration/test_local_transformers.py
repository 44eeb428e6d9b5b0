"""Both adapters with their frameworks' classes for local models, from retrieval to the answer.

The model follows a script; pipelines, chat templates, generation and streamers are real. Another one has
random weights, and says nothing that makes sense.
"""

from collections.abc import Sequence
from typing import Any

import pytest

pytest.importorskip("torch", reason="local models need torch")
transformers = pytest.importorskip("transformers", reason="local models need transformers")

from language_models import language_model  # noqa: E402
from scripted_transformers import ScriptedCausalLM, scripted_pair  # noqa: E402
from skeleton_script import ANSWER, QUESTION, TITLES  # noqa: E402

LAMP = "When was the lamp of the lighthouse first lit?"
LIGHTHOUSE = (
    "The lighthouse was built of grey granite. Its lamp was first lit on 3 March 1874. "
    "Visitors climb 212 steps to reach the gallery."
)
FERRY = "The ferry runs four times a day. Bicycles travel free of charge."
HOME = ["Commuting costs an hour a day. Nobody misses it.", "Lonely people should meet their colleagues."]


def says_when(prompt: str) -> str:
    """An answer that only a prompt with the right sentence gives."""
    return "On 3 March 1874." if "3 March 1874" in prompt else "Nobody knows."


def check_compressed(model: ScriptedCausalLM) -> None:
    assert model.prompts
    for prompt in model.prompts:
        assert "3 March 1874" in prompt
        assert "212 steps" not in prompt
        assert "Bicycles" not in prompt


# LangChain


def pipeline_of(model: Any, tokenizer: Any, **options: Any) -> Any:
    package = pytest.importorskip("langchain_huggingface", reason="needs langchain-huggingface")
    options = {"max_new_tokens": 200, "return_full_text": False, "do_sample": False} | options
    made = transformers.pipeline("text-generation", model=model, tokenizer=tokenizer, **options)
    return package.HuggingFacePipeline(pipeline=made, model_id="local")


def chat_of(model: Any, tokenizer: Any, **options: Any) -> Any:
    pipeline = pipeline_of(model, tokenizer, **options)
    package = pytest.importorskip("langchain_huggingface")
    return package.ChatHuggingFace(llm=pipeline, tokenizer=tokenizer, model_id="local")


@pytest.mark.parametrize("wrap", [pipeline_of, chat_of])
async def test_langchain_from_retrieval_to_the_answer(wrap: Any) -> None:
    model, tokenizer = scripted_pair(says_when)
    llm = wrap(model, tokenizer)
    from langchain_core.documents import Document
    from langchain_core.embeddings import DeterministicFakeEmbedding
    from langchain_core.output_parsers import StrOutputParser
    from langchain_core.prompts import ChatPromptTemplate
    from langchain_core.runnables import RunnablePassthrough
    from langchain_core.vectorstores import InMemoryVectorStore

    from langchain_lingua import LinguaCompressor, compress_documents

    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=8))
    store.add_documents([Document(LIGHTHOUSE, id="lighthouse"), Document(FERRY, id="ferry")])
    compressor = LinguaCompressor(target_tokens=60, llm=llm)
    assert compressor.core.token_counter.name == f"{type(llm).__name__}'s tokenizer"
    assert compressor.core.token_counter.count([FERRY]) == [len(tokenizer.encode(FERRY))]
    prompt = ChatPromptTemplate.from_messages([("human", "{context}\n\nQuestion: {question}")])

    def joined(documents: Sequence[Document]) -> str:
        return "\n\n".join(document.page_content for document in documents)

    context = compress_documents(compressor, retriever=store.as_retriever()) | joined
    chain = {"context": context, "question": RunnablePassthrough()} | prompt | llm | StrOutputParser()
    assert chain.invoke(LAMP) == "On 3 March 1874."
    assert "".join(chain.stream(LAMP)) == "On 3 March 1874."
    assert chain.batch([LAMP, LAMP]) == ["On 3 March 1874."] * 2
    if wrap is pipeline_of:  # ChatHuggingFace's asynchronous methods know endpoints alone
        assert await chain.ainvoke(LAMP) == "On 3 March 1874."
        assert "".join([text async for text in chain.astream(LAMP)]) == "On 3 March 1874."
    check_compressed(model)


@pytest.mark.parametrize("wrap", [pipeline_of, chat_of])
async def test_langchain_writes_long_answers_whole_and_streamed(wrap: Any) -> None:
    model, tokenizer = scripted_pair()
    llm = wrap(model, tokenizer)
    from langchain_lingua import SkeletonOfThoughtChain

    chain = SkeletonOfThoughtChain(llm=llm, router="always")
    assert chain.invoke(QUESTION).text == ANSWER
    assert (await chain.ainvoke(QUESTION)).text == ANSWER
    streamed = [str(chunk.text) for chunk in chain.stream(QUESTION)]
    assert "".join(streamed) == ANSWER
    assert len(streamed) > len(TITLES) + 1
    assert "".join([str(chunk.text) async for chunk in chain.astream(QUESTION)]) == ANSWER
    assert len(model.prompts) == 1 + len(TITLES)


async def test_langchain_writes_long_answers_over_compressed_documents() -> None:
    model, tokenizer = scripted_pair()
    llm = chat_of(model, tokenizer)
    from langchain_core.documents import Document
    from langchain_core.runnables import RunnableLambda, RunnablePassthrough

    from langchain_lingua import LinguaCompressor, SkeletonOfThoughtChain

    documents = [Document(text, id=str(i)) for i, text in enumerate(HOME)]
    writer = SkeletonOfThoughtChain(llm=llm, router="always", compressor=LinguaCompressor())
    chain = {"context": RunnableLambda(lambda _: documents), "question": RunnablePassthrough()} | writer
    for message in (chain.invoke(QUESTION), await chain.ainvoke(QUESTION)):
        found = message.response_metadata["lingua"]
        assert [point["cited"] for point in found["points"]] == [[1]] * len(TITLES)
        assert [citation["id"] for citation in found["citations"]] == ["0", "1"]
        assert found["is_complete"]


async def test_langchain_with_a_model_that_talks_nonsense_still_says_what_happened() -> None:
    from langchain_lingua import SkeletonOfThoughtChain

    model, tokenizer = language_model("llama")
    tokenizer.chat_template = "{% for message in messages %}{{ message.content }}{% endfor %}"
    chain = SkeletonOfThoughtChain(
        llm=chat_of(model, tokenizer, max_new_tokens=12), router="always", max_concurrency=1
    )
    for message in (chain.invoke(QUESTION), await chain.ainvoke(QUESTION)):
        assert message.text.strip()
        assert message.response_metadata["lingua"]["notes"]


# LlamaIndex


def hugging_face_llm(model: Any, tokenizer: Any, **options: Any) -> Any:
    package = pytest.importorskip("llama_index.llms.huggingface", reason="needs llama-index-llms-huggingface")
    return package.HuggingFaceLLM(
        model=model, tokenizer=tokenizer, max_new_tokens=200, context_window=2048, **options
    )


@pytest.mark.parametrize("is_chat", [False, True], ids=["completion", "chat"])
@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streamed"])
async def test_llamaindex_from_retrieval_to_the_answer(is_chat: bool, streaming: bool) -> None:
    model, tokenizer = scripted_pair(says_when)
    llm = hugging_face_llm(model, tokenizer, is_chat_model=is_chat)
    from llama_index.core import SummaryIndex
    from llama_index.core.schema import TextNode

    from llamaindex_lingua import LinguaPostprocessor

    index = SummaryIndex([TextNode(text=LIGHTHOUSE, id_="lighthouse"), TextNode(text=FERRY, id_="ferry")])
    compress = LinguaPostprocessor(target_tokens=60, token_counter=lambda text: len(tokenizer.encode(text)))
    engine: Any = index.as_query_engine(llm=llm, streaming=streaming, node_postprocessors=[compress])
    response, again = engine.query(LAMP), await engine.aquery(LAMP)
    if streaming:
        assert "".join(response.response_gen) == "On 3 March 1874."
        assert "".join([text async for text in again.async_response_gen()]) == "On 3 March 1874."
    else:
        assert str(response) == str(again) == "On 3 March 1874."
    assert [source.node_id for source in response.source_nodes] == ["lighthouse"]
    check_compressed(model)


@pytest.mark.parametrize("is_chat", [False, True], ids=["completion", "chat"])
async def test_llamaindex_writes_long_answers_whole_and_streamed(is_chat: bool) -> None:
    model, tokenizer = scripted_pair()
    llm = hugging_face_llm(model, tokenizer, is_chat_model=is_chat)
    from llama_index.core import SummaryIndex
    from llama_index.core.schema import TextNode

    from llamaindex_lingua import SkeletonQueryEngine, SkeletonSynthesizer

    alone = SkeletonQueryEngine(response_synthesizer=SkeletonSynthesizer(llm, router="always"))
    assert str(alone.query(QUESTION)) == ANSWER
    assert str(await alone.aquery(QUESTION)) == ANSWER
    assert len(model.prompts) == 1 + len(TITLES)

    index = SummaryIndex([TextNode(text=text, id_=str(i)) for i, text in enumerate(HOME)])
    flowing = SkeletonQueryEngine(
        index.as_retriever(),
        response_synthesizer=SkeletonSynthesizer(llm, router="always", streaming=True),
    )
    response: Any = flowing.query(QUESTION)
    texts = list(response.response_gen)
    assert len(texts) > len(TITLES)
    assert "".join(texts).count("[1]") == len(TITLES)
    assert response.metadata["lingua"]["is_complete"]
    again: Any = await flowing.aquery(QUESTION)
    assert "".join([text async for text in again.async_response_gen()]) == "".join(texts)
    entries = [source.metadata["lingua_citations"] for source in again.source_nodes]
    assert [entry["cited"] for entry in entries] == [True, False]


def test_llamaindex_with_a_model_that_talks_nonsense_still_says_what_happened() -> None:
    model, tokenizer = language_model("llama")
    tokenizer.chat_template = "{% for message in messages %}{{ message.content }}{% endfor %}"
    llm = hugging_face_llm(model, tokenizer, generate_kwargs={"do_sample": False, "pad_token_id": 3})
    from llamaindex_lingua import SkeletonSynthesizer

    llm.max_new_tokens = 12
    response = SkeletonSynthesizer(llm, router="always", max_concurrency=1).answer(QUESTION)
    assert str(response).strip()
    assert response.metadata is not None
    assert response.metadata["lingua"]["notes"]
