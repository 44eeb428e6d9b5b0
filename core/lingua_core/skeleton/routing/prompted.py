"""A router that asks a language model, in one short call (section 4 of arXiv 2307.15337, in our words)."""

import re

from lingua_core.errors import LLMError
from lingua_core.llms.base import LLM, ChatRequest, Message
from lingua_core.skeleton.types import RouteDecision

__all__ = ["LLMRouter"]

_PROMPT = """\
Somebody asks this:

<question>
{question}
</question>

How would the best answer be organised?
A. As three or more points that can be written independently of one another, each in a few sentences.
B. As points of which later ones need the text or the results of earlier ones, such as steps of a \
calculation, of a proof, of a program or of a story.
C. Not as points: a short fact, a number, yes or no, code, a translation, a poem, a letter, a conversation.

Reply with one letter and nothing else."""
_LONGEST_QUESTION = 6000
_MAX_TOKENS = 256
_THOUGHT = re.compile(r".*</think\w*>", re.DOTALL)
_MARKED = re.compile(r"(?:answer|option|choice|letter)\W+(?:is\W+)?\(?([ABC])\b", re.IGNORECASE)
_ALONE = re.compile(r"^[\W_]*([ABCabc])(?![\w'’])(?!\s+[a-z])")
_LETTER = re.compile(r"(?<![\w'’])([ABC])(?![\w'’])(?!\s+[a-z])")
_REASONS = {
    "A": "the model expects points that stand for themselves",
    "B": "the model expects points that build on one another",
    "C": "the model expects an answer that is no list of points",
}


class LLMRouter:
    """Has a language model say whether the answer is a list of points that stand for themselves.

    A reply that is neither, and a call that fails, mean a direct answer, and the reason says so. Within a
    `SkeletonOfThought` its driver makes the call, with the engine's limits and accounts.

    Args:
        llm: Who is asked; a small model will do.
    """

    def __init__(self, llm: LLM) -> None:
        self.llm = llm

    def request(self, question: str) -> ChatRequest:
        """What the model is asked. Of very long questions, the beginning and the end."""
        if len(question) > _LONGEST_QUESTION:
            half = _LONGEST_QUESTION // 2
            question = f"{question[:half]}\n[...]\n{question[-half:]}"
        prompt = _PROMPT.replace("{question}", question)
        return ChatRequest(messages=(Message("user", prompt),), max_tokens=_MAX_TOKENS, tag="router")

    @staticmethod
    def read(reply: str) -> RouteDecision:
        """The decision that a reply stands for; every text has one."""
        text = _THOUGHT.sub("", reply).strip()
        found = _ALONE.match(text) or _MARKED.search(text) or _LETTER.search(text)
        if found is None:
            reason = f"the router's reply is none of A, B and C: {reply.strip()!r:.60}"
            return RouteDecision(use_skeleton=False, reason=reason)
        letter = found[1].upper()
        return RouteDecision(use_skeleton=letter == "A", reason=_REASONS[letter])

    @staticmethod
    def failed(error: BaseException | str) -> RouteDecision:
        """The decision when the model could not be asked."""
        return RouteDecision(use_skeleton=False, reason=f"the router could not be asked: {error}")

    def route(self, question: str, *, has_documents: bool = False) -> RouteDecision:
        """Ask, and read the reply."""
        try:
            return self.read(self.llm.complete(self.request(question)).text)
        except LLMError as error:
            return self.failed(error)
