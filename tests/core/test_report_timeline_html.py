"""The picture of an answer's calls."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingua_core.documents import Span
from lingua_core.llms import Usage
from lingua_core.report.timeline_html import timeline_page
from lingua_core.skeleton.types import (
    Call,
    Citation,
    Expansion,
    Point,
    RouteDecision,
    Skeleton,
    SkeletonAnswer,
    Timings,
)

POINTS = (
    Point(index=1, text="Rent & bills"),
    Point(index=2, text="<script>alert(1)</script>"),
    Point(index=3, text="In short", depends_on=(1, 2)),
)


def call(tag: str, started: float, first: float | None, ended: float, **given: object) -> Call:
    usage = Usage(completion_tokens=50, calls=1, estimated=bool(given.get("error")))
    return Call(tag=tag, started=started, first_token=first, ended=ended, usage=usage, **given)  # type: ignore[arg-type]


def answer(*calls: Call, total: float = 6.0, text: str = "1. Rent") -> SkeletonAnswer:
    return SkeletonAnswer(
        text=text,
        route="skeleton",
        decision=RouteDecision(use_skeleton=True, probability=0.9, reason="a list <of> points"),
        skeleton=Skeleton(points=POINTS),
        expansions=tuple(Expansion(point=p, text="Some text.", status="complete") for p in POINTS),
        usage=Usage(prompt_tokens=1234, completion_tokens=150, calls=len(calls), estimated=True),
        timings=Timings(first_token=1.0, skeleton=2.0, total=total, calls=calls),
        notes=("Point 2 was written again.",),
    )


def bars(page: str, kind: str) -> list[tuple[float, float]]:
    found = re.findall(rf'<span class="{kind}" style="left:([\d.]+)%;width:([\d.]+)%">', page)
    return [(float(left), float(width)) for left, width in found]


def test_bars_stand_where_calls_waited_and_wrote() -> None:
    page = timeline_page(answer(call("point 1", 3.0, 4.5, 6.0), call("skeleton", 0.0, 0.6, 2.0)), "Why?")
    assert bars(page, "wait") == [(0.0, 10.0), (50.0, 25.0)]
    assert bars(page, "write") == [(10.0, pytest.approx(23.333)), (75.0, 25.0)]
    assert "50 tokens, 35/s" in page
    assert "point 1: Rent &amp; bills" in page


def test_a_failed_call_shows_what_went_wrong() -> None:
    failed = call("point 2", 1.0, None, 3.0, error="LLMTimeoutError: took longer", attempt=2)
    page = timeline_page(answer(failed), "Why?")
    assert len(bars(page, "failed")) == 1
    assert "point 2, attempt 2" in page
    assert "~50 tokens, LLMTimeoutError" in page


def test_points_list_what_they_were_written_from_and_what_they_cite() -> None:
    sources = tuple(
        Citation(number=i, id=f"id {i}", title=title, spans=(Span(0, 10), Span(20, 25)), score=0.5)
        for i, title in ((1, "<b>Bold</b>"), (3, None))
    )
    plain = answer(call("skeleton", 0, 1, 2), text="So it is [3].")
    given = replace(
        plain,
        expansions=tuple(replace(e, citations=sources, cited=(1,)) for e in plain.expansions),
        citations=sources,
    )
    page = timeline_page(given, "Why?")
    assert page.count("class=cited>[1] &lt;b&gt;Bold&lt;/b&gt; <small>15 characters in 2 pieces</small>") == 3
    assert page.count("class=cited>[3] id 3 <small>") == 1
    assert "sources" not in timeline_page(plain, "Why?").split("</style>")[1]


def test_everything_from_outside_is_escaped_and_nothing_can_load() -> None:
    page = timeline_page(answer(call("skeleton", 0, 1, 2), text="<img src=x>\x00"), "<b>Why</b>?")
    assert "<script" not in page
    assert "<img" not in page
    assert "<b>Why" not in page
    assert "default-src 'none'" in page
    assert "\x00" not in page
    assert "about 1,234" in page
    assert "written after 1, 2" in page


@given(st.lists(st.tuples(st.floats(0, 50), st.floats(0, 50), st.floats(0, 50)), max_size=6))
def test_any_times_give_a_page_whose_bars_are_inside(times: list[tuple[float, float, float]]) -> None:
    calls = [call("direct", *sorted(row)) for row in times]
    page = timeline_page(answer(*calls, total=max([c.ended for c in calls], default=0.0)), "?")
    for kind in ("wait", "write", "failed"):
        assert all(left + width <= 100.01 for left, width in bars(page, kind))
    HTMLParser().feed(page)
    assert page.count("<b style=") <= 12
