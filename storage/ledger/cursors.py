"""Where a page of calls ends, as it is given to callers: `1764460800123-42`."""

import re
from typing import NamedTuple

_PLACE = re.compile(r"([0-9]{1,15})-([0-9]{1,18})")


class Place(NamedTuple):
    """A call: when it came, in milliseconds, and its number among those of that time."""

    at_ms: int
    number: int


def text_of(place: Place) -> str:
    """Return a place as text."""
    return f"{place.at_ms}-{place.number}"


def place_in(text: str) -> Place:
    """Return the place that a text names.

    Raises:
        ValueError: it names none.
    """
    if (found := _PLACE.fullmatch(text)) is None:
        message = f"'{text[:40]}' is no place in the log of calls"
        raise ValueError(message)
    return Place(int(found[1]), int(found[2]))
