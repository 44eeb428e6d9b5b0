"""A long answer over nodes in LlamaIndex: planned, then written point by point, side by side.

    pip install "lingua-rag[llamaindex]"           # and llama-index-llms-openai-like, for a model of OpenAI's
    python long_answers_llamaindex.py

With OPENAI_API_KEY set, OpenAI answers (MODEL names the model, OPENAI_BASE_URL another server).
"""

from typing import Any

from handbook import MODEL, OVERVIEW, PAGES, announce
from llamaindex_parts import make_index, make_llm

from llamaindex_lingua import SkeletonQueryEngine, SkeletonSynthesizer

announce()
# A script has one plan for every question, so nothing is to be decided.
synthesizer = SkeletonSynthesizer(make_llm(), router="auto" if MODEL else "always", streaming=True)
engine = SkeletonQueryEngine(
    make_index().as_retriever(similarity_top_k=len(PAGES)), response_synthesizer=synthesizer
)

print(f"{OVERVIEW}\n")
response: Any = engine.query(OVERVIEW)
for text in response.response_gen:
    print(text, end="", flush=True)

account = response.metadata["lingua"]
read, direct = account["usage"]["prompt_tokens"], account["accounting"]["direct_prompt_tokens"]
print(f"\n\nRoute: {account['route']}, because {account['reason']}.")
print(
    f"All {account['usage']['calls']} calls read {read} tokens; one call with all nodes would read {direct}."
)
for source in response.source_nodes:
    entry = source.metadata.get("lingua_citations")
    if entry is None:
        print(f"{source.metadata['title']}: not read")
        continue
    cited = [point["point"] for point in entry["points"] if point["cited"]]
    read = [point["point"] for point in entry["points"]]
    print(f"[{entry['number']}] {source.metadata['title']}: read for points {read}, cited by {cited}")
