"""How points become an answer: pure functions, so that a stream and a whole answer are the same text."""

from collections.abc import Iterable
from typing import Literal

from lingua_core.skeleton.types import Point

__all__ = ["POINT_SEPARATOR", "AnswerStyle", "point_opening", "render_answer"]

AnswerStyle = Literal["numbered", "headings", "plain"]
POINT_SEPARATOR = "\n\n"
"""What stands between two points."""
_ENDINGS = "?!:：？！。.…"
_WIDE = ("\u2e80", "\u9fff")


def point_opening(point: Point, style: AnswerStyle) -> str:
    """What stands before a point's text: "1. **Title**: ", "## Title" and a blank line, or nothing."""
    if style == "plain":
        return ""
    if style == "headings":
        return f"## {point.text}\n\n"
    ends_itself = point.text[-1:] in _ENDINGS
    is_wide = _WIDE[0] <= point.text[-1:] <= _WIDE[1]
    return f"{point.index}. **{point.text}**" + (" " if ends_itself else "：" if is_wide else ": ")


def render_answer(points: Iterable[tuple[Point, str]], style: AnswerStyle = "numbered") -> str:
    """The answer of points and their texts, in the order given; points without text are left out."""
    return POINT_SEPARATOR.join(point_opening(point, style) + text for point, text in points if text.strip())
