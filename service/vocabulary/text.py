"""Text that arrives in pieces; a cut may even fall inside a character (spec 7.1)."""

import re

_SURROGATE = re.compile("[\ud800-\udfff]")
_LOOSE_PIECES = 1_000
# Marks of the website (protocol 5.2), which mean nothing elsewhere.
_PRIVATE_USE = re.compile("[\ue200-\ue206]")


class Pieces:
    """A growing text that is seldom read as a whole.

    A short string takes ten times the memory of its letters, so pieces are joined into blocks; a
    joined block is copied again only when the whole text is read.
    """

    __slots__ = ("_blocks", "_loose", "_shared")

    def __init__(self) -> None:
        self._blocks: list[str] = []
        self._shared = 0  # blocks up to the last one that others reference, too
        self._loose: list[str] = []

    def add(self, text: str) -> None:
        """Put text at the end."""
        self._loose.append(text)
        if len(self._loose) >= _LOOSE_PIECES:
            self._blocks.append("".join(self._loose))
            self._loose.clear()

    def share(self, end: str) -> None:
        """Replace the last piece by this equal string, so that only one copy is in memory."""
        own = "".join((*self._blocks[self._shared :], *self._loose))
        if own.endswith(end):
            self._blocks[self._shared :] = (own[: len(own) - len(end)], end)
            self._loose.clear()
            self._shared = len(self._blocks)

    def joined(self) -> str:
        """Return the whole text."""
        return "".join((*self._blocks, *self._loose))


def join_surrogates(text: str) -> str:
    """Return the text with each pair of surrogate halves as the character they make."""
    if text.isascii() or _SURROGATE.search(text) is None:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def lengthened(text: str, more: str) -> str:
    """Return a text with more appended; surrogate halves that meet at the seam are joined."""
    if ends_in_half(text):
        return text[:-1] + join_surrogates(text[-1] + more)
    return text + join_surrogates(more)


def well_formed(text: str) -> str:
    """Return text that can be sent: surrogate pairs joined, a lone half replaced."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def ends_in_half(text: str) -> bool:
    """Tell whether the last code point is a high surrogate, whose other half may follow."""
    return "\ud800" <= text[-1:] <= "\udbff"


def truncate_utf16(text: str, units: int) -> str:
    """Return the first `units` UTF-16 code units of the text."""
    if units >= len(text) and text.isascii():
        return text
    encoded = text.encode("utf-16-le", "surrogatepass")[: max(units, 0) * 2]
    return encoded.decode("utf-16-le", "surrogatepass")


def common_chars(one: str, other: str) -> int:
    """Return the length of the common beginning; found by halving, not character by character."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def has_private_use(text: str) -> bool:
    """Tell whether a text contains one of the website's private-use marks, U+E200 to U+E206."""
    return not text.isascii() and _PRIVATE_USE.search(text) is not None


def without_private_use(text: str) -> tuple[str, int]:
    """Return a text without these marks, and the number of marks removed."""
    return _PRIVATE_USE.subn("", text)
