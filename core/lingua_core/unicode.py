"""Text as the native libraries need it."""

import re

__all__ = ["encodable"]

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def encodable(text: str) -> str:
    """The text with every lone surrogate replaced, one for one, so that character offsets hold.

    Python strings may hold lone surrogates (from `surrogateescape`, or from JSON); UTF-8, and so
    every native library, cannot. Only what is read by models changes: results are cut from the
    original.
    """
    if text.isascii():
        return text
    return _LONE_SURROGATE.sub("\ufffd", text)
