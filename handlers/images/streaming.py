"""Answers an image order with events (spec 9, 14.3).

A picture is sent once its tokens are known: when its turn has ended, or told them before.
"""

import asyncio
import time
from itertools import takewhile

from aiohttp import web

from handlers.answering.answers import counts_of
from handlers.answering.event_stream import EventStream, StreamResponse
from handlers.edge.headers import reply_headers
from handlers.edge.json_replies import error_response
from handlers.edge.record import RECORD
from handlers.images.drawing import Drawn, counted, draw_all, picture_of
from service.keys import BLOBS, CONFIG
from service.orders.images import Drawing, ImageOrder, details_of, joined_content
from service.sink import Sink, put
from service.stages.encode.images import ImageEvents, ImagePiece, PictureShown
from service.vocabulary.credentials import Credential
from service.vocabulary.errors import StorageError
from service.vocabulary.events import AssetReady, Outcome, TurnEnded
from service.vocabulary.native import UsageKnown
from service.vocabulary.rendered import TokenCounts

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


class _Shown:
    """The assets of one turn sent so far, previews included, and the tokens counted for them."""

    def __init__(self) -> None:
        self.assets = 0
        self.previews = 0
        self.usage: UsageKnown | None = None


class _Pictures:
    """The pictures of one order, as they arrive."""

    def __init__(self, request: web.Request, credential: Credential, order: ImageOrder) -> None:
        self._request = request
        self._credential = credential
        self._order = order
        self._drawn: Drawn | None = None
        self._shown: dict[Drawing, _Shown] = {}  # what was sent, by turn
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
        """Send new previews, and the pictures whose tokens are known, in their order."""
        shown = self._shown.setdefault(drawing, _Shown())
        assets, usage = drawing.assets[shown.assets :], drawing.gathered.usage
        if drawing.gathered.ended is None and usage == shown.usage:
            assets = list(takewhile(lambda ready: ready.wanted.is_preview, assets))
        number = sum(not ready.wanted.is_preview for ready in assets)
        shares = iter(await self._shares(drawing, number) if number else ())
        for ready in assets:
            shown.assets += 1
            if not ready.wanted.is_preview:
                await self._send(ready, next(shares))
                continue
            facts = ready.wanted.facts
            preview = facts.preview if facts else shown.previews
            shown.previews += 1
            if preview < self._order.previews:
                await self._send(ready, preview=preview)

    async def _shares(self, drawing: Drawing, number: int) -> list[TokenCounts]:
        """Return the tokens of each of `number` new pictures, shared out from the turn's usage."""
        shown, told = self._shown[drawing], drawing.gathered.usage
        if told is None:
            return [await counted(self._order, [drawing])] * number
        new = told if shown.usage is None else told - shown.usage
        shown.usage = told
        return [counts_of(part) for part in new.shares(number)]

    async def _send(
        self, ready: AssetReady, counts: TokenCounts | None = None, preview: int | None = None
    ) -> None:
        blobs, kind = self._request.app[BLOBS], ready.media_type.partition("/")[2]
        try:
            picture = await picture_of(blobs, ready, is_base64=self._order.is_base64)
        except StorageError:
            if counts is None:
                return  # a lost preview does no harm
            raise
        shown = PictureShown(picture, kind or _DEFAULT_FORMAT, details_of(ready), counts, preview)
        await self._ready.put([shown])
