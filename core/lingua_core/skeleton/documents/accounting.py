"""What an answer over documents reads, beside what a direct one would."""

from collections.abc import Callable, Sequence

from lingua_core.llms.base import ChatRequest, Message
from lingua_core.skeleton.documents.contexts import DocumentContexts
from lingua_core.skeleton.types import Accounting, SkeletonAnswer

__all__ = ["accounting"]


def accounting(
    contexts: DocumentContexts,
    asked: Sequence[ChatRequest],
    *,
    answer: SkeletonAnswer,
    direct: Callable[[str], tuple[Message, ...]],
) -> Accounting:
    """The prompts of all requests, and those of one direct call, by the compressor's counter.

    Args:
        contexts: Of the answer.
        asked: All its requests; repeated attempts count once.
        answer: What came of them.
        direct: Words a direct request over a context.
    """
    count = contexts.count
    frame = count(_texts(direct("x"))) - count(["x"])
    plan = [] if answer.skeleton is None else [answer.skeleton.to_text()]
    return Accounting(
        prompt_tokens=sum(count(_texts(request.messages)) for request in asked),
        context_tokens=contexts.given_tokens(),
        completion_tokens=count([*plan, answer.text]),
        direct_prompt_tokens=count(_texts(direct(contexts.whole()))),
        direct_compressed_prompt_tokens=frame + min(contexts.context_tokens, contexts.whole_tokens),
    )


def _texts(messages: Sequence[Message]) -> list[str]:
    return [message.content for message in messages]
