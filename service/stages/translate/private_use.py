"""Private-use markers out of text that carries no citations (protocol 5.2, spec 1.3)."""

import re

MARKER_OPEN, MARKER_CLOSE = "\ue200", "\ue201"
# The longest markers seen name about ten pages; beyond this an unclosed one is a mistake.
MAX_MARKER_CHARS = 2000
_ANY = re.compile("[\ue200-\ue206]")
_MARKER = re.compile("\ue200[^\ue200\ue201]*(?:\ue201|(?=\ue200))")


class StripMarkers:
    """Remove markers and styling marks from text that comes in pieces; one per text."""

    def __init__(self) -> None:
        self._held = ""  # a marker that has not ended

    def feed(self, text: str) -> str:
        """Return what can be shown now; an open marker waits for its end."""
        text, self._held = self._held + text, ""
        if _ANY.search(text) is None:
            return text
        text = _MARKER.sub("", text)
        place = text.find(MARKER_OPEN)
        if place >= 0 and len(text) - place <= MAX_MARKER_CHARS:
            text, self._held = text[:place], text[place:]
        return _ANY.sub("", text)


def without_markers(text: str) -> str:
    """Return a whole text without its markers; one that never ends goes with what follows it."""
    return StripMarkers().feed(text)
