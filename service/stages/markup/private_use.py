"""Private-use markers: finds their ends, and removes them (protocol 5.2, spec 1.3).

U+E200 kind (U+E202 field)* U+E201        U+E203 to U+E206 are styling marks
"""

import re

MARKER_OPEN, MARKER_CLOSE, MARKER_FIELD = "\ue200", "\ue201", "\ue202"
# The longest markers seen name about ten pages; a longer one without an end is a mistake.
MAX_MARKER_CHARS = 2000
# A field of JSON may contain a widget, so such a marker may be longer.
MAX_JSON_MARKER_CHARS = 16_000
_ANY = re.compile("[\ue200-\ue206]")
_BOUND = re.compile("[\ue200\ue201]")
_JSON_MARKER = re.compile("\ue200\\w{1,40}\ue202[\\[{]")


def marker_end(text: str, at: int, searched: int = 0) -> tuple[int, bool] | None:
    """Return the end of the marker at `at`, and whether it is complete; None: not known yet.

    A marker that another opening interrupts ends there; of a marker that is too long only the
    opening is removed. Each character is looked at for one marker only.

    Args:
        text: may go on.
        at: the place of a `MARKER_OPEN`.
        searched: the place up to which an earlier call has found no end.
    """
    limit = at + (MAX_JSON_MARKER_CHARS if _JSON_MARKER.match(text, at) else MAX_MARKER_CHARS)
    bound = _BOUND.search(text, max(at + 1, searched), limit)
    if bound is not None:
        is_whole = bound[0] == MARKER_CLOSE
        return bound.start() + is_whole, is_whole
    return (at + 1, False) if len(text) >= limit else None


class StripMarkers:
    """Removes markers and styling marks from text in pieces; one instance per text."""

    def __init__(self) -> None:
        self._held = ""  # a marker without its end
        self._searched = 0

    def feed(self, text: str) -> str:
        """Return the text that can be shown now; an open marker waits for its end."""
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
    """Return a text without its markers; one without an end is removed with all that follows."""
    return StripMarkers().feed(text)
