"""RAG in LangChain: pages are retrieved, compressed for the question, and answered from.

    pip install "lingua-rag[langchain]"            # and langchain-openai, for a model of OpenAI's
    python rag_langchain.py

With OPENAI_API_KEY set, OpenAI answers (MODEL names the model, OPENAI_BASE_URL another server).
"""

from handbook import QUESTION, announce
from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnablePassthrough
from langchain_parts import make_model, make_retriever

from langchain_lingua import LinguaCompressor, compress_documents


def joined(documents: list[Document]) -> str:
    return "\n\n".join(document.page_content for document in documents)


announce()
retriever = make_retriever()
compressor = LinguaCompressor(target_tokens=250)

# What it does to documents.
found = retriever.invoke(QUESTION)
documents = compressor.compress_documents(found, QUESTION)
before, after = compressor.core.token_counter.count([joined(found), joined(documents)])
print(f"{len(found)} pages were retrieved. Of {before} tokens, {after} are left for the question:\n")
for document in documents:
    print(f"[{document.metadata['title']}]\n{document.page_content}\n")

# The same in a chain, from the question to the answer as it is written.
prompt = ChatPromptTemplate.from_template("Answer from this:\n\n{context}\n\nQuestion: {question}")
context = compress_documents(compressor, retriever=retriever) | joined
chain = {"context": context, "question": RunnablePassthrough()} | prompt | make_model() | StrOutputParser()
print(f"{QUESTION}\n> ", end="")
for text in chain.stream(QUESTION):
    print(text, end="", flush=True)
print()
