"""A direct answer without what the model said to itself before it."""

from lingua_core.skeleton.parsing.thoughts import THOUGHT_END, THOUGHT_START

__all__ = ["ThoughtFilter"]

_LONGEST_TAG = 40


class ThoughtFilter:
    """Removes a block of thinking from the beginning of a text that streams in.

    Text is held back only while it may be the beginning of such a block.
    """

    def __init__(self) -> None:
        self._held = ""
        self._is_open = True
        self._in_thought = False

    def feed(self, text: str) -> str:
        """What is new and part of the answer."""
        if not self._is_open:
            return text
        self._held += text
        if not self._in_thought and (start := THOUGHT_START.match(self._held)):
            self._in_thought, self._held = True, self._held[start.end() :]
        if self._in_thought:
            return self._leave_thought()
        begun = self._held.lstrip()
        if len(begun) < _LONGEST_TAG and (not begun or begun[0] in "<◁["):
            return ""
        return self._let_go()

    def finish(self) -> str:
        """What was held back; thinking that never ended is no answer."""
        return "" if self._in_thought else self._let_go()

    def _leave_thought(self) -> str:
        end = THOUGHT_END.search(self._held)
        if end is None:
            self._held = self._held[-_LONGEST_TAG:]
            return ""
        self._in_thought, self._held = False, self._held[end.end() :]
        # Another block may follow.
        return self.feed("")

    def _let_go(self) -> str:
        self._is_open = False
        held, self._held = self._held, ""
        return held.lstrip()
