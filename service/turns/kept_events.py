"""The events of responses that are written in the background, kept in numbered parts.

Whoever follows such a response, in whichever process, reads part after part. Parts are kept like
responses, within the same bounds, and end by themselves.

    events:<owner>:<response id>-<number>      `+` or, for the last part, `.`, then whole events
"""

from msgspec import Struct

from service.turns.kept_values import KeptValues

EVENTS = "events"  # their kind among the kept values
EVENTS_SECONDS = 3600.0  # of each part: for as long can a client come back to a stream
EVENT_END = b"\n\n"  # JSON has no raw line ends, so each stands for one event
_MORE, _LAST = b"+", b"."


class EventPart(Struct, frozen=True):
    """Some whole events of a stream, as they are sent; the last part has the stream's end."""

    frames: bytes
    is_last: bool = False

    @property
    def count(self) -> int:
        """The number of events."""
        return self.frames.count(EVENT_END)


class KeptEvents:
    """The parts of one response's events.

    Args:
        values: all that is kept.
        owner: of the response.
        response_id: its id.
    """

    def __init__(self, values: KeptValues, owner: str, response_id: str) -> None:
        self._values = values
        self._owner = owner
        self._response_id = response_id

    async def add(self, number: int, part: EventPart) -> bool:
        """Keep a part; return False if the store has not accepted it, or if it is too large."""
        value = (_LAST if part.is_last else _MORE) + part.frames
        if not self._values.fits(value):
            return False
        return await self._values.keep(
            EVENTS, self._owner, self._name(number), value, EVENTS_SECONDS
        )

    async def find(self, number: int) -> EventPart | None:
        """Return a part, or None."""
        value = await self._values.find(EVENTS, self._owner, self._name(number))
        return None if value is None else EventPart(value[1:], value[:1] == _LAST)

    async def delete(self) -> None:
        """Delete all parts."""
        number = 0
        while await self._values.delete(EVENTS, self._owner, self._name(number)):
            number += 1

    def _name(self, number: int) -> str:
        return f"{self._response_id}-{number}"
