"""One run of a Skeleton-of-Thought chain: what it has to report, and the configs of its calls."""

from collections.abc import Callable, Sequence

from langchain_core.callbacks import AsyncCallbackManagerForChainRun, CallbackManagerForChainRun
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.runnables import RunnableConfig, patch_config
from langchain_core.runnables.config import merge_configs

from langchain_lingua.skeleton_messages import answer_message, call_labels, delta_chunk, last_chunk
from lingua_core.llms import ChatRequest
from lingua_core.skeleton import AnswerDone, Event, PointDelta, SkeletonAnswer

__all__ = ["ChainRun", "RunManager", "call_configs"]

RunManager = CallbackManagerForChainRun | AsyncCallbackManagerForChainRun


class ChainRun:
    """What one run has to report, as messages.

    Args:
        notes: What its chain did otherwise than asked.
        run_id: The run's.
    """

    def __init__(self, notes: Sequence[str], *, run_id: str) -> None:
        self._notes = list(notes)
        # The form of LangChain's own ids; all chunks of a message share one.
        self._id = f"lc_run--{run_id}"
        self._answer: SkeletonAnswer | None = None

    def add_note(self, note: str) -> None:
        """Add to what was done otherwise than asked."""
        self._notes.append(note)

    def note(self, event: Event) -> AIMessageChunk | None:
        """The chunk that an event is, if it is one."""
        if isinstance(event, PointDelta):
            return delta_chunk(event, self._id)
        if isinstance(event, AnswerDone):
            self._answer = event.answer
            return last_chunk(event.answer, self._id, self._notes)
        return None

    def message(self) -> AIMessage:
        """The answer, once it is done."""
        assert self._answer is not None, "the engine ended without an answer or an error"
        return answer_message(self._answer, self._id, self._notes)


def call_configs(config: RunnableConfig, run_manager: RunManager) -> Callable[[ChatRequest], RunnableConfig]:
    """Makes the configs of an answer's calls: children of its run, each with a name of its own."""

    def configure(request: ChatRequest) -> RunnableConfig:
        run_name, metadata = call_labels(request.tag)
        child = patch_config(config, callbacks=run_manager.get_child(), run_name=run_name)
        return merge_configs(child, {"metadata": metadata})

    return configure
