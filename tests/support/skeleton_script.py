"""One script for every framework: what a model says to the prompts of Skeleton-of-Thought, by their text.

Frameworks' models do not see the tags of the core's requests, so the script reads the prompts.
"""

import re

from lingua_core.llms import ChatRequest, ScriptedLLM
from lingua_core.llms.scripts import tokens_of

QUESTION = "What are the advantages of working from home, and what should one watch out for?"
TITLES = ("No commute", "Quiet rooms", "Flexible hours", "Loneliness")
TEXTS = {
    "No commute": "Nobody sits in traffic; an hour a day is won.",
    "Quiet rooms": "Work that needs thought gets done without being interrupted.",
    "Flexible hours": "Errands and children fit into the day.",
    "Loneliness": "Colleagues are missed, so meetings in person should be planned.",
}
DIRECT = "It depends on the work, and on who else is at home."
ANSWER = "\n\n".join(f"{i}. **{title}**: {TEXTS[title]}" for i, title in enumerate(TITLES, start=1))
_POINT = re.compile(r"(?:Write|Continue) point \d+ \((?P<title>[^)]*)\)")


def is_skeleton(prompt: str) -> bool:
    """Whether a prompt asks for a skeleton."""
    return "First plan the answer" in prompt


def title_in(prompt: str) -> str | None:
    """The title of the point that a prompt asks for."""
    found = _POINT.search(prompt)
    return found["title"] if found else None


def said(prompt: str) -> str:
    """What the model says."""
    if is_skeleton(prompt):
        return "\n".join(f"{i}. {title}" for i, title in enumerate(TITLES, start=1))
    title = title_in(prompt)
    return DIRECT if title is None else TEXTS.get(title, f"Something about {title}.")


def cited(prompt: str) -> str:
    """The same, citing in each point the first document that the prompt shows."""
    numbers = re.findall(r"^\[(\d+)\]", prompt, re.MULTILINE)
    text = said(prompt)
    return text if is_skeleton(prompt) or not numbers else f"{text} [{numbers[0]}]"


def core_model() -> ScriptedLLM:
    """The script as a model of the core."""
    return ScriptedLLM(lambda request: cited(prompt_of(request)))


def prompt_of(request: ChatRequest) -> str:
    """All messages of a request."""
    return "\n".join(message.content for message in request.messages)


def pieces(text: str) -> list[str]:
    """A reply as it is streamed."""
    return tokens_of(text)
