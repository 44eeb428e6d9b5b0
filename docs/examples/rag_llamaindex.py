"""RAG in LlamaIndex: nodes are retrieved, compressed for the question, and answered from.

    pip install "lingua-rag[llamaindex]"           # and llama-index-llms-openai-like, for a model of OpenAI's
    python rag_llamaindex.py

With OPENAI_API_KEY set, OpenAI answers (MODEL names the model, OPENAI_BASE_URL another server).
"""

from typing import Any

from handbook import QUESTION, announce
from llamaindex_parts import make_index, make_llm

from llamaindex_lingua import LinguaPostprocessor

announce()
index = make_index()
compress = LinguaPostprocessor(target_tokens=250)
engine: Any = index.as_query_engine(
    llm=make_llm(), similarity_top_k=5, node_postprocessors=[compress], streaming=True
)
response = engine.query(QUESTION)

found = index.as_retriever(similarity_top_k=5).retrieve(QUESTION)
texts = ["\n\n".join(scored.text for scored in nodes) for nodes in (found, response.source_nodes)]
before, after = compress.core.token_counter.count(texts)
print(f"{len(found)} nodes were retrieved. Of {before} tokens, {after} are left for the question:\n")
for scored in response.source_nodes:
    print(f"[{scored.metadata['title']}]\n{scored.text}\n")
print(f"{QUESTION}\n> ", end="")
for text in response.response_gen:
    print(text, end="", flush=True)
print()
