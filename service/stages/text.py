"""Surrogate halves: an upstream may cut a JavaScript string inside a character (spec 7.1)."""

import re

_SURROGATE = re.compile("[\ud800-\udfff]")


def join_surrogates(text: str) -> str:
    """Return the text with each pair of surrogate halves as the character they make."""
    if _SURROGATE.search(text) is None:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def ends_in_half(text: str) -> bool:
    """Return whether the last code point is a high surrogate, whose other half may follow."""
    return "\ud800" <= text[-1:] <= "\udbff"


def truncate_utf16(text: str, units: int) -> str:
    """Return the first `units` UTF-16 code units of the text."""
    if units >= len(text) and text.isascii():
        return text
    encoded = text.encode("utf-16-le", "surrogatepass")[: max(units, 0) * 2]
    return encoded.decode("utf-16-le", "surrogatepass")
