"""The five ways as one picture: what each reads, what reaches its points, how soon it ends. No script."""

from collections.abc import Callable, Iterable, Sequence

from lingua_core.bench.rag_skeleton.measuring import Measured, Row
from lingua_core.report.escaping import escaped
from lingua_core.report.page import html_page
from lingua_core.report.style import bars_style

__all__ = ["picture"]

_ROOM = 0.72
"""The share of the width that the longest bar takes; its figure stands behind it."""


def picture(measured: Measured) -> str:
    """A self-contained HTML document."""
    rows = measured.rows
    title = "Answers over documents, five ways"
    body = "".join(
        [
            _header(title, measured),
            _chart(
                "Prompt tokens of an answer",
                "read anew, and (hatched) from a prefix that an earlier call had read",
                rows,
                lambda row: (row.prompt_tokens - row.cached_tokens, row.cached_tokens),
                lambda row: f"{row.prompt_tokens:,.0f} ({row.prompt_tokens / rows[0].prompt_tokens:.2f}x)",
            ),
            _chart(
                "Evidence that reaches the right point",
                "of what a direct answer over the compressed documents sees",
                rows,
                lambda row: (row.right or 0.0, 0.0),
                lambda row: "-" if row.right is None else f"{row.right:.1f} %",
            ),
            _chart(
                "Seconds until the end, simulated",
                "and (hatched) what compressing on this machine adds",
                rows,
                lambda row: (row.seconds, max(0.0, row.seconds_with_work - row.seconds)),
                lambda row: _seconds(row, rows[0]),
            ),
        ]
    )
    return html_page(f"{title} - Lingua", body, style=bars_style())


def _header(title: str, measured: Measured) -> str:
    endpoint = measured.endpoint
    facts = (
        f"{measured.questions:,} questions over documents of {measured.document_tokens:,.0f} tokens, "
        f"{measured.points / measured.questions:.1f} points each, {measured.evidence:,} sentences with "
        f"evidence, of which a direct answer over the compressed documents sees {measured.seen:,}. Endpoint: "
        f"{endpoint.latencies.first:g} s to the first token, {endpoint.latencies.each:g} s between tokens, "
        f"{1000 * endpoint.per_prompt_token:g} ms for each uncached token of a prompt; prefixes of "
        f"{endpoint.cache_from:,} tokens and more are cached."
    )
    return (
        f'<header>\n<p class="eyebrow">Lingua bench</p>\n<h1>{escaped(title)}</h1>\n'
        f'<p class="facts">{escaped(facts)}</p>\n</header>\n'
    )


def _chart(
    title: str,
    about: str,
    rows: Sequence[Row],
    parts: Callable[[Row], tuple[float, float]],
    label: Callable[[Row], str],
) -> str:
    most = max(sum(parts(row)) for row in rows) or 1.0
    lines = "".join(_line(row.name, parts(row), label(row), most) for row in rows)
    return (
        f'<h2 class="section">{escaped(title)} <small>{escaped(about)}</small></h2>\n'
        f'<div class="bars">\n{lines}</div>\n'
    )


def _line(name: str, parts: Iterable[float], label: str, most: float) -> str:
    bars = "".join(
        f'<i class="{kind}" style="width:{100 * _ROOM * part / most:.3f}%"></i>'
        for kind, part in zip(("full", "light"), parts, strict=True)
        if part > 0
    )
    return (
        f'<div class="line"><span class="name">{escaped(name)}</span>'
        f'<div class="lane">{bars}<em>{escaped(label)}</em></div></div>\n'
    )


def _seconds(row: Row, first: Row) -> str:
    plain = f"{row.seconds:.2f} s ({first.seconds / row.seconds:.2f}x)"
    if row.seconds_with_work - row.seconds < 0.005:
        return plain
    return f"{plain}, with compressing {first.seconds / row.seconds_with_work:.2f}x"
