"""A point's text without its heading: models like to write again what they were given."""

import re

from lingua_core.skeleton.parsing.thoughts import THOUGHT_END, THOUGHT_START
from lingua_core.skeleton.parsing.words import plain
from lingua_core.skeleton.types import Point

__all__ = ["EchoStripper", "strip_echo"]

_LONGEST_TAG = 40
_MARGIN = 40
"""Characters of markers and decoration around an echoed title."""
_MOST_ECHOES = 3
_DECORATION = re.compile(r"[\s#>]*(?P<marks>[*_`\"“„「]*)\s*")
_LABELS = (
    *("point", "step", "section", "part", "punkt", "schritt", "teil"),
    *("paso", "punto", "étape", "пункт", "要点", "第"),
)
_LABEL = re.compile(rf"(?:{'|'.join(_LABELS)})\s*", re.IGNORECASE)
_MARKER = re.compile(
    rf"(?:{_LABEL.pattern})?[(（\[]?(\d{{1,3}})(?:点|部分)?\s*"
    r"(?:\\?[.．:：、)）\]]{1,2}(?!\d)|[-–—](?=\s))[\s*_]*",
    re.IGNORECASE,
)
_END_OF_TITLE = re.compile(
    r"(?P<asked>[?!？！]*)(?P<closed>[*_`\"”」]*)(?:[ \t]*(?P<mark>[:：]|[-–—](?=\s)|\.(?=[\s*])|。|"
    r"\n|\Z))?[\s*_`:：]*"
)


class EchoStripper:
    """Removes number, title, and thinking from the beginning of a point's text, as it streams in.

    "3. Title: text", "**3. Title**", "### Title", "Title - text" and repetitions of them lose what stands
    before the text, and so does "3. text", except for point 1, whose text may be a list. A sentence that
    only begins with the title's words is text: "Cost is what counts". White space at both ends goes too.
    What is returned, joined, does not depend on how the text was cut.

    Text is held back only while it may be an echo: for most replies, for a few characters.

    Args:
        point: The point that is written.
    """

    def __init__(self, point: Point) -> None:
        self._point = point
        before, colon, _ = point.text.partition(": ")
        titles = [plain(point.text), plain(before) if colon else ""]
        self._titles = [title for title in titles if title]
        self._window = 2 * len(point.text) + _MARGIN
        self._head = ""
        self._spaces = ""
        self._is_open = True
        self._in_thought = False
        self._has_text = False

    def feed(self, text: str) -> str:
        """What is new and certain to be the point's text."""
        if not self._is_open:
            return self._pass(text)
        # One by one, so that the decision falls at the same character however the text is cut.
        for at, character in enumerate(text):
            if character.isspace() and not self._head:
                continue
            self._head += character
            if self._in_thought:
                self._leave_thought()
            elif THOUGHT_START.match(self._head):
                self._head, self._in_thought = "", True
            elif len(self._head.lstrip()) >= self._window or not self._may_be_echo():
                return self._open(is_whole=False) + self._pass(text[at + 1 :])
        return ""

    def finish(self) -> str:
        """What was held back, as far as it is text."""
        if not self._is_open:
            return ""
        if self._in_thought:
            self._head = ""
        return self._open(is_whole=True)

    def _open(self, *, is_whole: bool) -> str:
        self._is_open = False
        return self._pass(self._stripped(self._head, is_whole=is_whole))

    def _pass(self, text: str) -> str:
        text = self._spaces + (text if self._has_text else text.lstrip())
        kept = text.rstrip()
        self._spaces = text[len(kept) :]
        self._has_text = self._has_text or bool(kept)
        return kept

    def _leave_thought(self) -> None:
        if THOUGHT_END.search(self._head):
            self._head, self._in_thought = "", False
        else:
            self._head = self._head[-_LONGEST_TAG:]

    def _may_be_echo(self) -> bool:
        """Whether more text may turn the head into an echo, or into the tag of a thought."""
        body = self._head.lstrip()
        if body[:1] in ("<", "◁", "["):
            return True
        marks = _DECORATION.match(body)
        body = body[marks.end() :] if marks else body
        if body[:1].isdigit() or not body:
            return True
        label = _LABEL.match(body)
        if label and (label.end() == len(body) or body[label.end()].isdigit()):
            return True
        if any(name.startswith(body.lower()) for name in _LABELS):
            return True
        head = plain(body)
        return any(title.startswith(head) or head.startswith(title) for title in self._titles)

    def _stripped(self, head: str, *, is_whole: bool) -> str:
        for _ in range(_MOST_ECHOES):
            decoration = _DECORATION.match(head)
            at = decoration.end() if decoration else 0
            is_decorated = bool(decoration and (decoration["marks"] or "#" in decoration.group()))
            marker = _MARKER.match(head, at)
            if marker and int(marker[1]) != self._point.index:
                break
            rest = self._behind_title(
                head[marker.end() if marker else at :],
                is_marked=is_decorated or bool(marker),
                is_whole=is_whole,
            )
            if rest is None:
                if marker and self._point.index > 1:
                    head = head[marker.end() :]
                break
            head = rest
        return head

    def _behind_title(self, text: str, *, is_marked: bool, is_whole: bool) -> str | None:
        for title in self._titles:
            at = _end_of(title, text)
            if at is None:
                continue
            match = _END_OF_TITLE.match(text, at)
            if match is None or (match.end() == len(text) and match["mark"] == "" and not is_whole):
                continue
            mark = match["mark"]
            is_sentence = mark in (".", "。") and not is_marked and " " not in self._point.text
            if (mark is not None and not is_sentence) or match["asked"] or (match["closed"] and is_marked):
                return text[match.end() :]
        return None


def strip_echo(text: str, point: Point) -> str:
    """A whole point's text without the heading that the model wrote again: see `EchoStripper`."""
    stripper = EchoStripper(point)
    return stripper.feed(text) + stripper.finish()


def _end_of(title: str, text: str) -> int | None:
    """Where the title ends that a text begins with, whatever stands between its letters, or None."""
    left = title
    for at, character in enumerate(text):
        letters = plain(character)
        if letters and not left.startswith(letters):
            return None
        left = left[len(letters) :]
        if not left:
            return at + 1
    return None
