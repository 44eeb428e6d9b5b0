"""Rows of figures as tables for people, and as plain data."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.table import Table

from lingua_core.bench.quality.measures import Row
from lingua_core.bench.quality.metrics import Estimate

__all__ = ["as_data", "by_figure", "by_setting"]


def by_setting(rows: Sequence[Row], title: str) -> Table:
    """One line for each method and figure, one column for each setting."""
    settings = list(dict.fromkeys(row.setting for row in rows))
    table = Table(title=title)
    for head in ("method", "figure", "n"):
        table.add_column(head)
    for setting in settings:
        table.add_column(setting, justify="right")
    for method in dict.fromkeys(row.method for row in rows):
        own = {row.setting: row.figures for row in rows if row.method == method}
        for figure in _figures(own.values()):
            estimates = [own[setting].get(figure) for setting in settings]
            sizes = {estimate.size for estimate in estimates if estimate}
            table.add_row(method, figure, ", ".join(map(str, sorted(sizes))), *map(_percent, estimates))
    return table


def by_figure(rows: Sequence[Row], title: str) -> Table:
    """One line for each method and setting, one column for each figure."""
    figures = _figures([row.figures for row in rows])
    table = Table(title=title)
    table.add_column("method")
    if any(row.setting for row in rows):
        table.add_column("setting")
    for figure in figures:
        table.add_column(figure, justify="right")
    for row in rows:
        cells = [_with_size(row.figures.get(figure)) for figure in figures]
        table.add_row(row.method, *([row.setting] if len(table.columns) > len(cells) + 1 else []), *cells)
    return table


def as_data(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Plain data for JSON."""
    return [
        {
            "method": row.method,
            "setting": row.setting,
            "figures": {name: asdict(value) for name, value in row.figures.items() if value},
        }
        for row in rows
    ]


def _figures(rows: Iterable[Mapping[str, Estimate | None]]) -> list[str]:
    return list(dict.fromkeys(name for figures in rows for name, value in figures.items() if value))


def _percent(value: Estimate | None) -> str:
    return f"{100 * value.mean:.1f} ± {100 * value.standard_error:.1f}" if value else ""


def _with_size(value: Estimate | None) -> str:
    return f"{_percent(value)} (n={value.size})" if value else ""
