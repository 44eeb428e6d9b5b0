"""A long answer over documents in LangChain: planned, then written point by point, side by side.

    pip install "lingua-rag[langchain]"            # and langchain-openai, for a model of OpenAI's
    python long_answers_langchain.py

With OPENAI_API_KEY set, OpenAI answers (MODEL names the model, OPENAI_BASE_URL another server).
"""

from handbook import MODEL, OVERVIEW, PAGES, announce
from langchain_core.runnables import RunnablePassthrough
from langchain_parts import make_model, make_retriever

from langchain_lingua import SkeletonOfThoughtChain

announce()
# A script has one plan for every question, so nothing is to be decided.
writer = SkeletonOfThoughtChain(llm=make_model(), router="auto" if MODEL else "always")
rag = {"context": make_retriever(k=len(PAGES)), "question": RunnablePassthrough()} | writer

print(f"{OVERVIEW}\n")
message = None
for chunk in rag.stream(OVERVIEW):
    print(chunk.text, end="", flush=True)
    message = chunk if message is None else message + chunk
assert message is not None

account = message.response_metadata["lingua"]
read, direct = account["usage"]["prompt_tokens"], account["accounting"]["direct_prompt_tokens"]
print(f"\n\nRoute: {account['route']}, because {account['reason']}.")
print(
    f"All {account['usage']['calls']} calls read {read} tokens; one call with all pages would read {direct}."
)
for point in account["points"]:
    print(f"Point {point['index']} was written from {point['citations']}, and cites {point['cited']}.")
for citation in account["citations"]:
    print(f"[{citation['number']}] {citation['title']}")
