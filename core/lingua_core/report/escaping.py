"""Any text, from anywhere, as text that shows it and does nothing else."""

import html
import re

__all__ = ["escaped", "visible"]

_UNSAFE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000))
    + "]"
)
_CONTROL_PICTURES = 0x2400


def escaped(text: str) -> str:
    """The text for an element or a quoted attribute; encodes to UTF-8 whatever it holds."""
    return html.escape(visible(text), quote=True)


def visible(text: str) -> str:
    """The text without the characters that neither HTML nor a terminal may get.

    They are replaced one for one, so that lengths hold: a control character by its picture (U+2400
    for NUL), lone surrogates and noncharacters by U+FFFD.
    """
    return _UNSAFE.sub(_picture, text)


def _picture(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(_CONTROL_PICTURES + code)
    return "\N{SYMBOL FOR DELETE}" if code == 0x7F else "\N{REPLACEMENT CHARACTER}"
