"""An agent of LangChain whose tool returns whole pages: they are shortened once, and nothing is lost.

    pip install "lingua-rag[langchain-agents]"     # and langchain-openai, for a model of OpenAI's
    python agent_langchain.py

With OPENAI_API_KEY set, OpenAI answers (MODEL names the model, OPENAI_BASE_URL another server).
"""

from handbook import PAGES, QUESTION, announce
from langchain.agents import create_agent
from langchain_core.tools import tool
from langchain_parts import make_model

from langchain_lingua import LinguaCompressor
from langchain_lingua.agents import CompressToolResultsMiddleware

TEXTS = {page["id"]: page["text"] for page in PAGES}


@tool
def read_page(page: str) -> str:
    """Reads a page of the staff handbook."""
    return TEXTS.get(page, f"There is no page {page!r}; there are {', '.join(TEXTS)}.")


announce()
shorten = CompressToolResultsMiddleware(LinguaCompressor(target_tokens=200))
pages = ", ".join(TEXTS)
agent = create_agent(
    make_model(),
    [read_page],
    middleware=[shorten],
    system_prompt=f"Answer from the staff handbook. Its pages: {pages}.",
)
state = agent.invoke({"messages": [("human", QUESTION)]})

for message in state["messages"]:
    if message.type == "ai" and message.tool_calls:
        print(f"The model calls {message.tool_calls[0]['name']}({message.tool_calls[0]['args']}).\n")
    elif message.type == "tool":
        entry = message.response_metadata.get("lingua", {})
        print(f"It reads:\n{message.text}\n")
        if "id" in entry:
            print(f"The original, {len(message.artifact)} characters, is kept as the message's artifact.\n")
print(f"{QUESTION}\n> {state['messages'][-1].text}")
