"""After the last point: repeats across points, and the stitch pass."""

from collections.abc import Callable, Sequence

from lingua_core.llms.base import LLM
from lingua_core.skeleton.driver.asking import Asking
from lingua_core.skeleton.driver.calls import Caller
from lingua_core.skeleton.driver.merging import Merge
from lingua_core.skeleton.driver.options import Repeats
from lingua_core.skeleton.driver.texts import Collected
from lingua_core.skeleton.parsing import StitchPlan, apply_stitch, parse_stitch
from lingua_core.skeleton.similarity import Repeat, find_repeats, remove_repeats
from lingua_core.skeleton.types import Skeleton

__all__ = ["Closing"]

_LONGEST_QUOTE = 80


class Closing:
    """What is done with the points' texts when all are there.

    Args:
        merge: The answer. What it has shown stays as it is.
        skeleton: Its points.
        note: Records in plain words what was found or changed.
    """

    def __init__(self, merge: Merge, skeleton: Skeleton, note: Callable[[str], None]) -> None:
        self._merge, self._skeleton, self._note = merge, skeleton, note
        self._indices = [point.index for point in skeleton.points]

    @property
    def _texts(self) -> list[str]:
        return [self._merge[index].text.strip() for index in self._indices]

    def treat_repeats(self, choice: Repeats) -> None:
        """Find sentences that say what an earlier point said, and note them or take them out."""
        if choice == "keep":
            return
        texts = self._texts
        repeats = [repeat for repeat in find_repeats(texts) if repeat.text != repeat.earlier_text]
        if choice == "remove":
            self._rewrite(texts, remove_repeats(texts, repeats))
        for repeat in repeats:
            self._note(self._describe(repeat, texts[repeat.text], was_removed=choice == "remove"))

    async def stitch(self, llm: LLM, caller: Caller, asking: Asking) -> None:
        """Ask for transitions between the points and for repeats, and carry that out."""
        texts = self._texts
        reply = Collected()
        outcome = await caller.run(llm, lambda: asking.stitch(self._skeleton, texts), reply)
        if outcome.end == "failed":
            self._note(f"The stitch pass failed, so the points stand as they were written: {outcome.reason}.")
            return
        plan = parse_stitch(reply.text, points=len(texts))
        for note in plan.notes:
            self._note(note)
        empty = {number for number, text in enumerate(texts, 1) if not text}
        plan = StitchPlan(
            transitions={number: text for number, text in plan.transitions.items() if number not in empty},
            removals=tuple(removal for removal in plan.removals if removal.index not in empty),
        )
        self._rewrite(texts, apply_stitch(texts, plan))

    def _rewrite(self, texts: Sequence[str], rewritten: Sequence[str]) -> None:
        for index, old, new in zip(self._indices, texts, rewritten, strict=True):
            if new != old and not self._merge[index].is_shown:
                self._merge.replace(index, new)

    def _describe(self, repeat: Repeat, text: str, *, was_removed: bool) -> str:
        sentence = text[repeat.span.start : repeat.span.end]
        if len(sentence) > _LONGEST_QUOTE:
            sentence = sentence[:_LONGEST_QUOTE].rstrip() + "..."
        later, earlier = self._indices[repeat.text], self._indices[repeat.earlier_text]
        end = ", and was taken out" if was_removed else ""
        return f"Point {later} repeats point {earlier}{end}: {sentence!r}"
