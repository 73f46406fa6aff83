"""Follows a response in the background by its kept events, whichever process writes it."""

import asyncio
import json
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from handlers.answering.event_stream import EventStream, StreamResponse
from handlers.answering.picture_content import with_content
from handlers.background.kept import (
    as_response,
    found_response,
    is_written,
    kept_events,
    lost_output,
)
from handlers.background.lost_output import LOST
from handlers.background.running import RUNNING
from handlers.edge.headers import reply_headers
from handlers.edge.json_replies import error_response
from handlers.edge.record import RECORD
from service.keys import BLOBS, CONFIG
from service.ports import BlobStore
from service.sink import Sink, put
from service.stages.encode.chat import PING
from service.stages.encode.gathered import Gathered
from service.stages.encode.responses import failure_frame
from service.turns.kept_events import EVENT_END, EventPart
from service.vocabulary import endings
from service.vocabulary.errors import NotFoundError
from service.vocabulary.events import Failure
from service.vocabulary.rendered import Rendered, TokenCounts
from service.vocabulary.wire import to_json

LOOK_SECONDS = 2.0  # how long a follower waits before it asks whether the writer lives
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 1.0  # between looks at another process's parts
_PICTURE = b"image_generation_call"


async def followed(
    request: web.Request, owner: str, response_id: str, after: int = -1
) -> web.StreamResponse:
    """Answer with the events of a response behind the one of this number, to the end.

    Raises:
        ServiceError: nothing can be sent.
    """
    app, record = request.app, request[RECORD]
    events = _Replayed(after)
    response = StreamResponse(reply_headers())
    stream = EventStream(request, response, events, app[CONFIG].stream, None)
    follower = Follower(app, owner, response_id, after)
    failure = await stream.run(follower.push(stream))
    record.outcome = None  # that of the turn is counted where the response is written
    return response if failure is None else error_response(failure)


class Follower:
    """Reads the parts of one response's events, from the first one on.

    Args:
        app: of the gateway.
        owner: of the response.
        response_id: its id.
        after: the number of the last event that the caller has, -1 for none.
    """

    def __init__(self, app: web.Application, owner: str, response_id: str, after: int) -> None:
        self._app = app
        self._owner = owner
        self._id = response_id
        self._after = after
        self._events = kept_events(app, owner, response_id)
        self._count = 0  # of the events before the next part

    async def push(self, sink: Sink[EventPart]) -> None:
        """Push the events that the caller lacks into a sink.

        Raises:
            NotFoundError: the response was deleted, or events of it are not kept.
        """
        number = 0
        while True:
            part = await self._events.find(number) or await self._awaited(number)
            frames = self._lacking(part)
            if _PICTURE in frames:
                frames = await _with_pictures(self._app[BLOBS], frames)
            self._count += part.count
            await put(sink, [EventPart(frames, part.is_last)])
            if part.is_last:
                return
            number += 1

    def _lacking(self, part: EventPart) -> bytes:
        known = self._after + 1 - self._count
        if known <= 0:
            return part.frames
        return b"".join(_events_of(part.frames)[known:])

    async def _awaited(self, number: int) -> EventPart:
        """Wait for a part, or make the last one of a response whose writer is gone."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            running = self._app[RUNNING].find(self._owner, self._id)
            is_alive = await is_written(self._app, self._owner, self._id)
            # Only now: it may have been kept just before its writer ended.
            if (part := await self._events.find(number)) is not None:
                return part
            if not is_alive:
                return await self._end()
            if running is not None and running.log is not None:
                await running.log.wait(number, LOOK_SECONDS)
            else:
                await asyncio.sleep(pause)
                pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)

    async def _end(self) -> EventPart:
        kept = await found_response(self._app, self._owner, self._id)
        if kept is None:
            raise NotFoundError("This response was deleted.")
        error = kept.response.get("error") or {}
        if error.get("code") != LOST.code:
            message = (
                "The events of this response are not kept, or not any more; read the response "
                "itself, without `stream`."
            )
            raise NotFoundError(message, param="stream", code="events_not_kept")
        output = await lost_output(self._app, self._owner, self._id)
        return EventPart(output.end(as_response(kept)), is_last=True)


class _Replayed:
    """The events of a replay, for `EventStream`: sent as they are kept.

    Args:
        after: the number of the last event that the caller has.
    """

    opening = PING  # the events have their own

    def __init__(self, after: int) -> None:
        self.gathered = Gathered()
        self._next = after + 1

    def keep_alive(self) -> bytes:
        """Return nothing: an event of its own would have no number."""
        return b""

    def text(self, _text: str, /) -> bytes:
        """Return nothing: no lane sends text here."""
        return b""

    def gather(self, _pieces: list[Rendered], /) -> None:
        """Do nothing, likewise."""

    def feed_batch(self, batch: list[EventPart], /) -> bytes:
        """Return the events of parts."""
        frames = b"".join(part.frames for part in batch)
        self._next += frames.count(EVENT_END)
        if batch[-1].is_last:
            self.gathered.feed(endings.COMPLETE.ended())
        return frames

    def finish(self, _counts: TokenCounts | None, /) -> bytes:
        """Return nothing: the last event is among the others."""
        return b""

    def fail(self, failure: Failure, /) -> bytes:
        """Return the event of a replay that cannot go on."""
        return failure_frame(failure, self._next)


def _events_of(frames: bytes) -> list[bytes]:
    return [event + EVENT_END for event in frames.split(EVENT_END)[:-1]]


async def _with_pictures(blobs: BlobStore, frames: bytes) -> bytes:
    """Return events with the content of their pictures, which is kept apart."""
    return b"".join([await _with_picture(blobs, event) for event in _events_of(frames)])


async def _with_picture(blobs: BlobStore, event: bytes) -> bytes:
    if _PICTURE not in event:
        return event
    head, data = event.removesuffix(EVENT_END).split(b"\ndata: ", 1)
    whole: dict[str, Any] = json.loads(data)
    if isinstance(whole.get("item"), dict):
        whole["item"] = await with_content(blobs, whole["item"])
    if isinstance(whole.get("response"), dict):
        output = await _all_with_content(blobs, whole["response"]["output"])
        whole["response"] = {**whole["response"], "output": output}
    return b"%b\ndata: %b\n\n" % (head, to_json(whole))


async def _all_with_content(
    blobs: BlobStore, items: Iterable[dict[str, Any]]
) -> list[dict[str, Any]]:
    return [await with_content(blobs, item) for item in items]
