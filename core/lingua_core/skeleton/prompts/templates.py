"""Templates: text with named places, in which what users write is never read as a template."""

from collections.abc import Mapping
from string import Formatter

from lingua_core.errors import InputError

__all__ = ["check_template", "fill"]


def _parts(template: str) -> list[tuple[str, str | None]]:
    """(Literal text, name of the place behind it or None) in order."""
    parts: list[tuple[str, str | None]] = []
    for literal, name, spec, conversion in Formatter().parse(template):
        if name is not None and (spec or conversion or not name.isidentifier()):
            raise ValueError(f"{{{name}}} is no plain name in braces")
        parts.append((literal, name))
    return parts


def check_template(field: str, template: str, *, required: frozenset[str], allowed: frozenset[str]) -> None:
    """Raise if a template cannot be filled.

    Raises:
        InputError: If braces do not match, a place is unknown, or a required one is missing.
    """
    if not isinstance(template, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
        raise InputError(f"The template {field!r} must be a string, got {template!r:.60}.")
    try:
        names = {name for _, name in _parts(template) if name is not None}
    except ValueError as error:
        raise InputError(
            f"The template {field!r} cannot be read ({error}): {template!r:.120}. Places are names "
            "in braces, "
            "{question}; write {{ and }} for braces that are meant."
        ) from error
    known = sorted(required | allowed)
    if unknown := sorted(names - required - allowed):
        raise InputError(f"The template {field!r} has unknown places {unknown}; it may have {known}.")
    if missing := sorted(required - names):
        raise InputError(
            f"The template {field!r} lacks {missing}; without them the model is not told what it must know."
        )


def fill(template: str, values: Mapping[str, str]) -> str:
    """The template with its places filled; braces in the values mean nothing."""
    return "".join(literal + (values[name] if name is not None else "") for literal, name in _parts(template))
