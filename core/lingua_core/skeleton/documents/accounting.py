"""What an answer over documents reads, beside what a direct one would."""

from collections.abc import Callable, Sequence

from lingua_core.llms.base import ChatRequest, Message
from lingua_core.skeleton.documents.contexts import DocumentContexts
from lingua_core.skeleton.types import Accounting

__all__ = ["accounting"]


def accounting(
    contexts: DocumentContexts,
    asked: Sequence[ChatRequest],
    *,
    written: str,
    direct: Callable[[str], tuple[Message, ...]],
) -> Accounting:
    """The prompts of all requests, and those of one direct call, by the compressor's counter.

    Args:
        contexts: Of the answer.
        asked: All its requests; repeated attempts count once.
        written: The answer's text.
        direct: Words a direct request over a context.
    """
    count = contexts.count
    whole = contexts.whole()
    prompts = [[message.content for message in request.messages] for request in asked]
    return Accounting(
        prompt_tokens=sum(count(prompt) for prompt in prompts),
        context_tokens=contexts.given_tokens(),
        completion_tokens=count([written]),
        direct_prompt_tokens=count([message.content for message in direct(whole)]),
        direct_compressed_prompt_tokens=count([message.content for message in direct("x")])
        + min(contexts.context_tokens, count([whole])),
    )
