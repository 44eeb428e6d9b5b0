"""One pass over a reply: thinking is skipped, JSON and lines are told apart, answers are recognised."""

import re
from dataclasses import dataclass, field

from lingua_core.skeleton.parsing.assembling import Item
from lingua_core.skeleton.parsing.json_points import JsonReader, json_start
from lingua_core.skeleton.parsing.lists import Hypothesis, ListReader
from lingua_core.skeleton.parsing.markers import markers
from lingua_core.skeleton.parsing.thoughts import THOUGHT_END, THOUGHT_START, is_reasoning
from lingua_core.skeleton.parsing.words import count_words

__all__ = ["WORDS_PER_POINT", "Reading"]

# Skeletons have points of 3-10 words, at times with a sentence of 10-20 behind; the points of whole answers
# have 30-40 words on average. The border lies between.
WORDS_PER_POINT = 25
_WORDS_PER_LINE = 50
"""A longer line is neither a point of a skeleton nor what leads to one."""
_WORDS_BEFORE = 60
"""More text before the first point is an answer that has a list in it."""
_FEWEST_POINTS = 3
"""While a list is shorter, it is measured as if it had so many points: the first may be the longest."""
_LONGEST_TAG = 40
_LOOK_AGAIN = 64
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_LONE_END = re.compile(rf"\s*(?:{THOUGHT_END.pattern})", re.IGNORECASE)


@dataclass(slots=True)
class Reading:
    """Reads a reply in any pieces; the state depends on the characters read, never on how they were cut.

    Attributes:
        disabled: Hypotheses ruled out: kinds of markers, JSON, thinking aloud without tags.
        prefix: How the reply was begun for the model.
        in_thought: Whether it is inside a block of thinking.
        suspects_reasoning: Whether that block had no opening tag: the text only began like thinking.
        answer: Why this is the answer rather than a skeleton; empty while it may be one.
        spoilt: Why the points found so far are none; empty if they are.
    """

    disabled: frozenset[Hypothesis] = frozenset()
    prefix: str = ""
    in_thought: bool = False
    suspects_reasoning: bool = False
    answer: str = ""
    spoilt: str = ""
    lists: ListReader = field(init=False)
    json: JsonReader | None = None
    _buffer: str = ""
    _looked: int = 0
    _has_begun: bool = False
    _at_end: bool = False

    def __post_init__(self) -> None:
        self.lists = ListReader(self.disabled)
        *before, self.prefix = self.prefix.split("\n")
        for line in before:
            self.lists.take(line)

    @property
    def items(self) -> list[Item]:
        """The points so far."""
        return self.json.items if self.json and self.json.items else self.lists.items

    @property
    def certain(self) -> int:
        """How many of them nothing that follows can change."""
        return len(self.items) if self.json and self.json.items else self.lists.certain

    @property
    def is_done(self) -> bool:
        """Whether nothing that follows counts."""
        return bool(self.answer) or self.lists.is_done or (self._has_json and self.json.is_closed)  # pyright: ignore[reportOptionalMemberAccess]

    @property
    def _has_json(self) -> bool:
        return self.json is not None and bool(self.json.items)

    def feed(self, text: str) -> None:
        """Read on."""
        # Line by line, so that the buffer stays short: what is left of it is copied at every step.
        for piece in _LINE.findall(text):
            if not piece.strip() and not self._buffer.strip() and piece.endswith("\n") and self.json is None:
                self._buffer = ""
                continue
            self._buffer += piece
            while not self.is_done and self._step():
                pass
            if self.is_done:
                self._buffer = ""
                return

    def finish(self) -> None:
        """Read the rest, as if a line ended here."""
        self._at_end = True
        self._buffer += "\n"
        while not self.is_done and self._step():
            pass
        if self.json is not None and not self.json.is_closed:
            self.json.finish()
        if not self._has_json:
            self.lists.finish()

    def doubts(self) -> frozenset[Hypothesis]:
        """What to rule out in another reading: what this one believed in vain."""
        found = set(self.disabled)
        if self.suspects_reasoning:
            found.add("reasoning")
        if self.json is not None and not self.json.items:
            found.add("json")
        if self.lists.kind is not None and not self.lists.is_believed:
            found.add(self.lists.kind)
        return frozenset(found)

    def _step(self) -> bool:
        """Consume the beginning of the buffer; whether there may be more to do."""
        if self.in_thought:
            return self._skip_thought()
        if self.json is not None and not self.json.is_closed:
            self._buffer = self._buffer[self.json.feed(self._buffer) :]
            return bool(self._buffer)
        if match := THOUGHT_START.match(self._buffer):
            self._buffer = self._buffer[match.end() :]
            self.in_thought = True
            return True
        if match := _LONE_END.match(self._buffer):
            self._buffer = self._buffer[match.end() :]
            self._end_untagged_thought()
            return True
        found = self._find_json()
        return found if found is not None else self._step_line()

    def _skip_thought(self) -> bool:
        match = THOUGHT_END.search(self._buffer)
        if match is None:
            self._buffer = self._buffer[-_LONGEST_TAG:]
            return False
        self._buffer = self._buffer[match.end() :]
        self.in_thought = self.suspects_reasoning = False
        return True

    def _end_untagged_thought(self) -> None:
        """The end of a block that was never opened: what came before was thinking."""
        if self.lists.certain:
            self.spoilt = "What was read as points was reasoning: a lone closing tag came after it."
        else:
            self.lists = ListReader(self.disabled)

    # JSON

    def _find_json(self) -> bool | None:
        """True if JSON begins here, False if more text must tell, None if it does not."""
        if "json" in self.disabled or self.lists.is_believed:
            return None
        text = self._buffer.lstrip()
        if self.prefix.lstrip()[:1] in ("[", "{"):
            return self._continue_json(text)
        if text[:1] in ("[", "{"):
            if not text[1:].strip():
                return None if self._at_end else False
            start = json_start(text)
            return None if start is None else self._open_json(text)
        line, end, _ = self._buffer.partition("\n")
        start = json_start(line + "\n[" if line.rstrip().endswith(("[", "{")) else line) if end else None
        return None if start is None else self._open_json(self._buffer[start:])

    def _continue_json(self, text: str) -> bool | None:
        prefix = self.prefix.strip()
        if text[:1] in ("<", "`"):
            return None  # a tag or a fence; JSON may come behind it
        if prefix.startswith(text) and not self._at_end:
            return False  # perhaps the beginning, written again
        return self._open_json(text if text.startswith(prefix) else prefix + text)

    def _open_json(self, text: str) -> bool:
        self.prefix = ""
        self.json = JsonReader()
        self._buffer = text
        return True

    # Lines

    def _step_line(self) -> bool:
        line, end, rest = self._buffer.partition("\n")
        if not end:
            self._watch(line)
            return False
        self._looked = 0
        closing = None if self.lists.certain else THOUGHT_END.search(line)
        if closing is not None:
            self._end_untagged_thought()
            self._buffer = line[closing.end() :] + "\n" + rest
            return True
        self._buffer = rest
        # Only here are other line breaks told apart: "\r" may be half of "\r\n" until "\n" has come.
        for part in line.splitlines():
            self._take(part)
        return True

    def _take(self, line: str) -> None:
        if not line.strip() or self.is_done or self.in_thought:
            return
        if self.prefix:
            line = self._with_prefix(line)
        elif not self._has_begun and "reasoning" not in self.disabled and is_reasoning(line):
            self.in_thought = self.suspects_reasoning = True
            return
        self._has_begun = True
        self.lists.take(line)
        self._judge()

    def _with_prefix(self, line: str) -> str:
        """The first line behind what was begun for the model, which it may have written again or ignored."""
        if line.lstrip().startswith(("```", "~~~")):
            return line
        prefix, self.prefix = self.prefix, ""
        found = markers(line)
        given = {m.value for m in markers(f"{prefix} x")}
        if any((m.value and m.value in given) or m.kind == "bullet" or m.form in _HEADINGS for m in found):
            return line
        self.lists.is_prefixed = True
        return f"{prefix.rstrip()} {line.lstrip()}"

    def _judge(self) -> None:
        lists = self.lists
        if lists.has_code:
            self.answer = "It has a block of code."
        elif lists.longest > _WORDS_PER_LINE:
            self.answer = f"A line has more than {_WORDS_PER_LINE} words."
        elif lists.prose > _WORDS_BEFORE:
            self.answer = f"More than {_WORDS_BEFORE} words stand outside of any list."
        elif lists.inside > WORDS_PER_POINT * max(_FEWEST_POINTS, len(lists.items)):
            self.answer = f"The points have more than {WORDS_PER_POINT} words on average."

    def _watch(self, line: str) -> None:
        """Look at a line before it ends: once too long for a skeleton, it stays so."""
        if self.lists.is_code or len(line) < self._looked + _LOOK_AGAIN:
            return
        self._looked = len(line)
        if count_words(line) > _WORDS_PER_LINE and not self._may_be_thought(line):
            self.answer = f"A line has more than {_WORDS_PER_LINE} words."

    def _may_be_thought(self, line: str) -> bool:
        if self._has_begun or self.prefix or "reasoning" in self.disabled:
            return False
        return is_reasoning(line) or THOUGHT_START.match(line) is not None


_HEADINGS = frozenset(f"h{level}" for level in range(1, 7))
