"""An answer as a picture: when its calls waited, wrote and ended, and what came of them.

Needs no script and no other file. Everything that came from outside is escaped.
"""

import math
from collections.abc import Iterator, Sequence

from lingua_core.report.escaping import escaped
from lingua_core.report.page import html_page
from lingua_core.report.style import timeline_style
from lingua_core.skeleton.documents.citing import cited_numbers
from lingua_core.skeleton.types import Call, Citation, SkeletonAnswer

__all__ = ["timeline_page"]

_TICKS = 8
_ROOM_BEHIND = 0.78
_ROOM_BEFORE = 0.25
"""Shares of the width: a bar's figures stand behind it, else before it, else in it."""


def timeline_page(answer: SkeletonAnswer, question: str) -> str:
    """A self-contained HTML document with the timeline of an answer, its figures and its text.

    Args:
        answer: With its timings.
        question: The heading.
    """
    title = f"{' '.join(question.split())[:80]} - Lingua timeline"
    body = "".join(
        [_header(answer, question), _notes(answer), _chart(answer), _points(answer), _text(answer)]
    )
    return html_page(title, body, style=timeline_style())


def _header(answer: SkeletonAnswer, question: str) -> str:
    timings, usage = answer.timings, answer.usage
    about = "about " if usage.estimated else ""
    tiles = [
        ("Until the end", f"{timings.total:.2f} s"),
        ("Until the first text", "-" if timings.first_token is None else f"{timings.first_token:.2f} s"),
        ("Calls end to end", f"{sum(call.ended - call.started for call in timings.calls):.2f} s"),
        ("Calls", f"{usage.calls:,}"),
        ("Tokens read", f"{about}{usage.prompt_tokens:,}"),
        ("Tokens written", f"{about}{usage.completion_tokens:,}"),
    ]
    if answer.accounting is not None:
        tiles.append(("Read, against one direct call", f"{answer.accounting.ratio:.2f}x"))
    figures = "".join(f'<div class="tile"><dt>{name}</dt><dd>{value}</dd></div>' for name, value in tiles)
    decision = answer.decision
    probability = "" if decision.probability is None else f", probability {decision.probability:.2f}"
    reason = f": <bdi>{escaped(decision.reason)}</bdi>" if decision.reason else ""
    way = {"skeleton": "by way of a skeleton", "direct": "directly"}[answer.route]
    return (
        f'<header>\n<p class="eyebrow">Lingua timeline</p>\n<h1 dir="auto">{escaped(question)}</h1>\n'
        f'<dl class="tiles">{figures}</dl>\n'
        f'<p class="facts">Answered {way}{probability}{reason}.</p>\n</header>\n'
    )


def _notes(answer: SkeletonAnswer) -> str:
    if not answer.notes:
        return ""
    items = "".join(f'<li dir="auto">{escaped(note)}</li>' for note in answer.notes)
    return f'<ul class="notes">{items}</ul>\n'


def _chart(answer: SkeletonAnswer) -> str:
    calls = sorted(answer.timings.calls, key=lambda call: call.started)
    span = max([answer.timings.total, *(call.ended for call in calls)], default=0.0) or 1.0
    names = (
        {f"point {point.index}": point.text for point in answer.skeleton.points} if answer.skeleton else {}
    )
    rows = "".join(_row(call, span, names.get(call.tag, "")) for call in calls)
    legend = (
        '<p class="legend"><span class="key wait"></span>waiting for the first token'
        '<span class="key write"></span>writing<span class="key failed"></span>failed or cancelled</p>\n'
    )
    grid = "".join(
        f'<i style="left:{100 * tick / span:.3f}%"></i>'
        f'<b style="left:{100 * tick / span:.3f}%">{tick:g} s</b>'
        for tick in _ticks(span)
    )
    return (
        f'<h2 class="section">Calls</h2>\n{legend}<div class="chart"><div class="grid">{grid}</div>\n'
        f"{rows}</div>\n"
    )


def _row(call: Call, span: float, text: str) -> str:
    name = call.tag if call.attempt == 1 else f"{call.tag}, attempt {call.attempt}"
    title = f"{name}: {text}" if text else name
    shown = escaped(f"{name}: {text}" if text else name)
    writing = call.first_token if call.first_token is not None else call.ended
    style = "failed" if call.error else "write"
    bars = _bar("wait", call.started, writing, span) if writing > call.started else ""
    if call.ended > writing or call.error:
        bars += _bar(style, writing, call.ended, span)
    hint = escaped(f"{title}. {call.error}" if call.error else title)
    return (
        f'<div class="row" title="{hint}"><span class="name" dir="auto">{shown}</span>'
        f'<div class="lane">{bars}{_label(call, span)}</div></div>\n'
    )


def _bar(kind: str, start: float, end: float, span: float) -> str:
    return (
        f'<span class="{kind}" style="left:{100 * start / span:.3f}%;'
        f'width:{100 * max(0.0, end - start) / span:.3f}%"></span>'
    )


def _label(call: Call, span: float) -> str:
    tokens = call.usage.completion_tokens
    about = "~" if call.usage.estimated else ""
    parts = [f"{about}{tokens:,} token{'s' * (tokens != 1)}"] if tokens else []
    if call.first_token is not None and tokens > 1 and call.ended > call.first_token:
        parts.append(f"{(tokens - 1) / (call.ended - call.first_token):,.0f}/s")
    if call.error:
        parts.append(call.error.split(":")[0][:40])
    if not parts:
        return ""
    text = escaped(", ".join(parts))
    if call.ended / span <= _ROOM_BEHIND:
        return f'<em style="left:{100 * call.ended / span:.3f}%">{text}</em>'
    if call.started / span < _ROOM_BEFORE:
        writing = call.first_token if call.first_token is not None else call.started
        return f'<em class="inside" style="left:{100 * writing / span:.3f}%">{text}</em>'
    return f'<em class="before" style="left:{100 * call.started / span:.3f}%">{text}</em>'


def _ticks(span: float) -> Iterator[float]:
    """Round seconds from 0 on, at most some `_TICKS`."""
    rough = span / _TICKS
    unit = 10.0 ** math.floor(math.log10(rough)) if rough > 0 else 1.0
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
    for i in range(int(span / step + 1e-9) + 1):
        yield round(i * step, 9)


def _points(answer: SkeletonAnswer) -> str:
    if not answer.expansions:
        return ""
    rows = "".join(
        f'<article class="card"><div class="head"><h2 dir="auto">{expansion.point.index}. '
        f"{escaped(expansion.point.text)}</h2>"
        f'<span class="figures"><b>{expansion.usage.completion_tokens:,}</b> tokens, '
        f"{escaped(expansion.status)}{_after(expansion.point.depends_on)}</span></div>"
        f'<div class="text plain" dir="auto">{escaped(expansion.text)}</div>'
        f"{_sources(expansion.citations, expansion.cited)}</article>\n"
        for expansion in answer.expansions
    )
    return f'<h2 class="section">Points</h2>\n{rows}'


def _sources(citations: Sequence[Citation], cited: Sequence[int]) -> str:
    """The documents that a text was written from; those that it cites stand out."""
    if not citations:
        return ""
    items = "".join(
        f'<li dir="auto"{" class=cited" if citation.number in cited else ""}>[{citation.number}] '
        f"{escaped(citation.title or citation.id or '')} <small>{_read(citation)}</small></li>"
        for citation in citations
    )
    return f'<ul class="sources">{items}</ul>'


def _read(citation: Citation) -> str:
    read = sum(end - start for start, end in citation.spans)
    pieces = len(citation.spans)
    return f"{read:,} characters in {pieces} piece{'s' * (pieces != 1)}"


def _after(points: tuple[int, ...]) -> str:
    return f", written after {', '.join(map(str, points))}" if points else ""


def _text(answer: SkeletonAnswer) -> str:
    return (
        '<h2 class="section">The answer</h2>\n<article class="card">'
        f'<div class="text plain" dir="auto">{escaped(answer.text)}</div>'
        f"{_sources(answer.citations, cited_numbers(answer.text))}</article>\n"
    )
