"""Figures as they come, and as a table or JSON at the end."""

import json
from collections.abc import Iterable

from lingua_core.bench.measuring import Figure
from lingua_core.cli.ending import write_stdout

__all__ = ["report"]


def report(measured: Iterable[Figure], *, as_json: bool) -> None:
    """Measure, telling on stderr how far it is; then print all figures on stdout."""
    from rich.console import Console

    figures: list[Figure] = []
    with Console(stderr=True).status("measuring") as status:
        for figure in measured:
            figures.append(figure)
            status.update(f"measured: {figure.name}")
    if as_json:
        data = {"machine": _machine(), "figures": [figure.to_dict() for figure in figures]}
        write_stdout(json.dumps(data, indent=2) + "\n")
    else:
        _show(figures)


def _machine() -> dict[str, str | int]:
    import platform

    from lingua_core.models.onnx_session import usable_cores

    return {"python": platform.python_version(), "machine": platform.machine(), "cores": usable_cores()}


def _show(figures: list[Figure]) -> None:
    from rich.console import Console
    from rich.table import Table

    machine = _machine()
    table = Table(title=f"{machine['cores']} cores, {machine['machine']}, Python {machine['python']}")
    table.add_column("figure")
    table.add_column("median", justify="right")
    table.add_column("against", overflow="fold")
    table.add_column("ratio", justify="right")
    for figure in figures:
        against = f"{figure.reference_name}: {_number(figure.reference)}" if figure.reference else figure.note
        ratio = f"{figure.ratio:.2f}" if figure.ratio is not None else ""
        table.add_row(figure.name, f"{_number(figure.value)} {figure.unit}".strip(), against, ratio)
    Console().print(table)


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
