"""What steps of LCEL chains are given: values under usual keys, and a compressor."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from langchain_lingua.compressor import LinguaCompressor
from lingua_core import InputError

__all__ = ["QUERY_KEYS", "checked_compressor", "value_under"]

QUERY_KEYS = ("query", "question", "input")
"""Where chains have the question: retrievers, prompts of the documentation, `create_retrieval_chain`."""


def checked_compressor(compressor: LinguaCompressor | None) -> LinguaCompressor:
    """The compressor, or one with the defaults.

    Raises:
        InputError: If it is none of LangChain.
    """
    if compressor is None:
        return LinguaCompressor()
    if not isinstance(compressor, LinguaCompressor):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
        raise InputError(
            f"compressor must be a LinguaCompressor, got {type(compressor).__name__}: {compressor!r:.80}."
        )
    return compressor


def value_under(given: object, key: str | None, usual: Sequence[str], *, what: str) -> Any:  # noqa: ANN401  # a chain's values
    """The value under the key, or under the first of the usual ones that is there.

    Args:
        given: What the step got.
        key: The key that its maker chose, or None.
        usual: Keys to look under if none was chosen.
        what: What the value is, for error messages.

    Raises:
        InputError: If this is no mapping, or holds nothing under the keys.
    """
    expected = " or ".join(repr(name) for name in ([key] if key is not None else usual))
    if not isinstance(given, Mapping):
        raise InputError(
            f"The input must be a mapping with {what} under {expected}, got {type(given).__name__}: "
            f"{given!r:.80}."
        )
    values = cast(Mapping[str, Any], given)
    found = [name for name in ([key] if key is not None else usual) if name in values]
    if not found:
        raise InputError(
            f"The input must hold {what} under {expected}, got the keys {', '.join(map(repr, values))}. "
            "Another key can be named when the step is made."
        )
    return values[found[0]]
