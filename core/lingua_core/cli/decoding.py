"""From bytes to text, or to the reason why not."""

import codecs

__all__ = ["NotTextError", "decoded", "looks_binary"]

_SNIFFED = 8192
_BINARY_STARTS = (b"%PDF-", b"PK\x03\x04", b"\x1f\x8b", b"\x89PNG", b"\xff\xd8\xff", b"GIF8")
# UTF-32 first: its little-endian mark starts with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


class NotTextError(Exception):
    """The bytes are no text that can be read; the message says why."""


def looks_binary(data: bytes) -> bool:
    """True for a known binary format, or a zero byte near the start of what has no byte order mark."""
    if data.startswith(_BINARY_STARTS):
        return True
    return b"\0" in data[:_SNIFFED] and not any(data.startswith(mark) for mark, _ in _MARKS)


def decoded(data: bytes) -> str:
    """The text: UTF-8, or what the byte order mark says. The mark itself is no part of it.

    Raises:
        NotTextError: If the data is binary, or not in that encoding.
    """
    if looks_binary(data):
        raise NotTextError("a binary file, not text; convert it to text first")
    mark, encoding = next(((m, e) for m, e in _MARKS if data.startswith(m)), (b"", "utf-8"))
    try:
        return data[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        at = error.start + len(mark)
        raise NotTextError(
            f"not {encoding.upper()} text (byte 0x{data[at]:02x} at offset {at:,}); convert it to UTF-8 first"
        ) from error
