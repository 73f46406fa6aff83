"""Markup of the website's own page in an answer's text, useless elsewhere (spec 7.2).

Water is wet. :contentReference[oaicite:0]{index=0}      a citation that was not made one
:::writing{variant="email" id="123" subject="Boats"}     the beginning and the end of a
Dear crew, …                                             block for a letter or document,
:::                                                      each a line of its own
"""

import re

CITATION = ":contentReference[oaicite:"
FENCE = ":::"
_WRITING = "writing"
_MAX_CITATION_CHARS = 200
_MAX_OPENING_CHARS = 2000  # it contains the subject of a letter
_NUMBER = re.compile(r"[^\]\n]*")
_BRACES = re.compile(r"\{[^}\n]*")
_BLANK = re.compile(r"[ \t\r]{0,80}")
_SURE = len(":contentR")  # a beginning that no sentence has

# The end of a place, and whether its text stays; None: more text is needed.
Found = tuple[int, bool] | None


class Directives:
    """Finds the markup in the messages of an answer, one after the other."""

    def __init__(self) -> None:
        self._open = 0  # open blocks

    def begin(self) -> None:
        """Begin another message, in which no block is open."""
        self._open = 0

    def at_citation(self, text: str, at: int, *, is_end: bool) -> Found:
        """Look at a possible citation."""
        limit = at + _MAX_CITATION_CHARS
        number = _NUMBER.match(text, at + len(CITATION), limit)
        end = number.end() if number else at
        if end == len(text) and end < limit:
            return (end, False) if is_end else None
        if end >= limit or not text.startswith("]", end):
            return at + 1, True
        braces = _BRACES.match(text, end + 1, limit)
        last = end + 1 if braces is None else braces.end()
        if braces is not None and last < limit and text.startswith("}", last):
            return last + 1, False
        if last == len(text) and last < limit:
            return (last, False) if is_end else None
        return end + 1, False

    def at_fence(self, text: str, at: int, *, is_end: bool) -> Found:
        """Look at three colons at the start of a line."""
        word = at + len(FENCE)
        if text.startswith(_WRITING, word):
            return self._opening(text, at, is_end=is_end)
        if not is_end and _WRITING.startswith(text[word : word + len(_WRITING)]):
            return None
        blank = _BLANK.match(text, word)
        end = blank.end() if blank else word
        if not self._open:
            return at + 1, True
        if end == len(text):
            if not is_end:
                return None
        elif not text.startswith("\n", end):
            return at + 1, True
        self._open -= 1
        return min(end + 1, len(text)), False

    def _opening(self, text: str, at: int, *, is_end: bool) -> Found:
        """Look at the line that opens a block; if text follows, only the part in braces is markup."""
        begin, limit = at + len(FENCE + _WRITING), at + _MAX_OPENING_CHARS
        line_end = text.find("\n", at, limit)
        if line_end < 0 and len(text) < limit and not is_end:
            return None
        rest = text[begin : line_end if line_end >= 0 else limit].rstrip()
        is_whole = not rest or (rest.startswith("{") and rest.endswith("}"))
        is_cut = rest.startswith("{") and "}" not in rest and line_end < 0 and len(text) < limit
        if is_whole or is_cut:
            end = line_end + 1 if line_end >= 0 else begin + len(rest)
        elif rest.startswith("{") and "}" in rest:
            end = begin + rest.index("}") + 1
        else:
            return at + 1, True
        self._open += 1
        return end, False


def is_incomplete(beginning: str) -> bool:
    """Tell whether the end of a message is the beginning of a citation, and nothing else."""
    return len(beginning) >= _SURE and CITATION.startswith(beginning)
