"""Private-use markers: where one ends, and text without them (protocol 5.2, spec 1.3).

U+E200 kind (U+E202 field)* U+E201        U+E203 to U+E206 are styling marks
"""

import re

MARKER_OPEN, MARKER_CLOSE, MARKER_FIELD = "\ue200", "\ue201", "\ue202"
# The longest markers seen name about ten pages; beyond this an unclosed one is a mistake.
MAX_MARKER_CHARS = 2000
# One whose field is JSON may hold a widget: it is no mistake yet.
MAX_JSON_MARKER_CHARS = 16_000
_ANY = re.compile("[\ue200-\ue206]")
_BOUND = re.compile("[\ue200\ue201]")
_JSON_MARKER = re.compile("\ue200\\w{1,40}\ue202[\\[{]")


def marker_end(text: str, at: int, searched: int = 0) -> tuple[int, bool] | None:
    """Return where the marker that opens at `at` ends, and whether it is whole; None: not yet.

    One that another opening breaks off ends there; of one that goes on for too long only
    the opening is a mark. Each character is looked at by one marker only.

    Args:
        text: that may go on.
        at: the place of a `MARKER_OPEN`.
        searched: up to where there is no bound, from an earlier look.
    """
    limit = at + (MAX_JSON_MARKER_CHARS if _JSON_MARKER.match(text, at) else MAX_MARKER_CHARS)
    bound = _BOUND.search(text, max(at + 1, searched), limit)
    if bound is not None:
        is_whole = bound[0] == MARKER_CLOSE
        return bound.start() + is_whole, is_whole
    return (at + 1, False) if len(text) >= limit else None


class StripMarkers:
    """Remove markers and styling marks from text that comes in pieces; one per text."""

    def __init__(self) -> None:
        self._held = ""  # a marker that has not ended
        self._searched = 0

    def feed(self, text: str) -> str:
        """Return what can be shown now; an open marker waits for its end."""
        if not self._held and _ANY.search(text) is None:
            return text
        text, self._held = self._held + text, ""
        searched, self._searched = self._searched, 0
        shown: list[str] = []
        at = 0
        while (mark := _ANY.search(text, at)) is not None:
            place = mark.start()
            shown.append(text[at:place])
            is_marker = mark[0] == MARKER_OPEN
            found = marker_end(text, place, searched) if is_marker else (place + 1, False)
            if found is None:
                self._held, self._searched = text[place:], len(text) - place
                return "".join(shown)
            at, searched = found[0], 0
        return "".join((*shown, text[at:]))


def without_markers(text: str) -> str:
    """Return a whole text without its markers; one that never ends goes with what follows it."""
    return StripMarkers().feed(text)
