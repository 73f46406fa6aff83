"""Answers an image order with events: each picture is sent when its turn has ended (spec 9)."""

import asyncio
import time

from aiohttp import web

from handlers.answering.event_stream import EventStream, StreamResponse
from handlers.edge.headers import reply_headers
from handlers.edge.json_replies import error_response
from handlers.edge.record import RECORD
from handlers.images.drawing import Drawn, counted, draw_all, picture_of
from service.keys import BLOBS, CONFIG
from service.orders.images import Drawing, ImageOrder, joined_content
from service.sink import Sink, put
from service.stages.encode.images import ImageEvents, ImagePiece, PictureShown
from service.vocabulary.credentials import Credential
from service.vocabulary.errors import StorageError
from service.vocabulary.events import AssetReady, Outcome, TurnEnded

_DEFAULT_FORMAT = "png"


async def stream_pictures(
    request: web.Request, credential: Credential, order: ImageOrder
) -> web.StreamResponse:
    """Answer an order with events, or with the error status if the first thing is a failure."""
    pictures = _Pictures(request, credential, order)
    response = StreamResponse(reply_headers(ignored_fields=order.ignored_fields))
    events = ImageEvents(int(time.time()), order.size, is_edit=order.is_edit)
    settings = request.app[CONFIG].stream
    stream = EventStream(request, response, events, settings, pictures.settle)
    async with asyncio.TaskGroup() as group:
        drawing = group.create_task(pictures.draw())
        failure = await stream.run(pictures.push(stream))
        drawing.cancel()  # it has ended, or its caller has left
    return response if failure is None else error_response(failure, pictures.partial)


class _Pictures:
    """The pictures of one order, as they arrive."""

    def __init__(self, request: web.Request, credential: Credential, order: ImageOrder) -> None:
        self._request = request
        self._credential = credential
        self._order = order
        self._drawn: Drawn | None = None
        self._shown: dict[Drawing, int] = {}  # previews sent, by turn
        # A queue of one: turns wait for a caller that reads slowly.
        self._ready: asyncio.Queue[list[ImagePiece]] = asyncio.Queue(1)

    @property
    def partial(self) -> str:
        """The text beside an order without pictures."""
        return joined_content(self._drawn.drawings) if self._drawn else ""

    async def push(self, sink: Sink[ImagePiece]) -> None:
        """Push the pieces that `draw` makes; the last batch has the end."""
        while not sink.is_over():
            await put(sink, await self._ready.get())

    async def settle(self) -> None:
        """Count the tokens of the order, for the log."""
        if self._drawn is not None:
            self._request[RECORD].usage = await counted(self._order, self._drawn.made)

    async def draw(self) -> None:
        """Run all turns of the order."""
        order = self._order
        self._drawn = drawn = await draw_all(self._request, self._credential, order, self._watch)
        outcome, failure = drawn.outcome or Outcome.COMPLETE, drawn.failure
        ended = TurnEnded(outcome, None if failure else "stop", failure)
        facts = [drawn.first.gathered.facts] if drawn.first else []
        await self._ready.put([*facts, ended])

    async def _watch(self, drawing: Drawing) -> None:
        """Send new previews, and the pictures of a turn that has ended."""
        shown = self._shown.get(drawing, 0)
        for number, ready in enumerate(drawing.previews[: self._order.previews]):
            if number >= shown:
                self._shown[drawing] = number + 1
                await self._send(ready, number, None)
        if drawing.gathered.ended is None:
            return
        for ready in drawing.pictures:
            await self._send(ready, None, drawing)

    async def _send(self, ready: AssetReady, preview: int | None, drawing: Drawing | None) -> None:
        blobs, kind = self._request.app[BLOBS], ready.media_type.partition("/")[2]
        try:
            picture = await picture_of(blobs, ready, is_base64=self._order.is_base64)
        except StorageError:
            if drawing is None:
                return  # a lost preview does no harm
            raise
        counts = await counted(self._order, [drawing]) if drawing else None
        shown = PictureShown(picture, kind or _DEFAULT_FORMAT, counts, preview)
        await self._ready.put([shown])
