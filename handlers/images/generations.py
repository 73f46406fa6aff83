"""`POST /v1/images/generations`, and what every way to order pictures shares (spec 9)."""

import asyncio
import time
from contextlib import aclosing

from aiohttp import HttpVersion11, web
from msgspec import UNSET, Struct

from handlers.answering.picture_content import picture_base64
from handlers.edge.arrivals import arrival_of
from handlers.edge.headers import OVERHEAD, credential_of, reply_headers
from handlers.edge.json_replies import error_response, json_response
from handlers.edge.profiles import format_for
from handlers.edge.record import RECORD, Record
from handlers.images.fields import read_order
from handlers.reading.json_body import read_body
from service.answers.images import Picture
from service.keys import BLOBS, CONFIG, METRICS, TURNS
from service.orders.images import (
    Drawing,
    ImageOrder,
    images_reply,
    joined_content,
    outcome_of_failure,
)
from service.pipeline.usage import measure
from service.ports import BlobStore
from service.settings.config import Config
from service.vocabulary.credentials import Credential
from service.vocabulary.endings import outcome_of
from service.vocabulary.errors import ServiceError, StorageError, UpstreamCutError
from service.vocabulary.events import AssetReady, Failure, Outcome
from service.vocabulary.rendered import TokenCounts
from service.vocabulary.requests import ChatRequest
from service.vocabulary.wire import error_of, to_json

_WHITE_SPACE = b"\n"


async def image_generations(request: web.Request) -> web.StreamResponse:
    """Draw what a JSON body asks for.

    Raises:
        ServiceError: the request is wrong, or no picture was made.
    """
    config = request.app[CONFIG]
    credential = credential_of(request)
    order = read_order(
        await read_body(request, config.server.max_body_bytes), arrival_of(request), config
    )
    return await draw(request, credential, order)


async def draw(
    request: web.Request, credential: Credential, order: ImageOrder
) -> web.StreamResponse:
    """Draw what was ordered, and answer; with `images.keep_alive`, white space goes ahead."""
    settings = request.app[CONFIG]
    record = request[RECORD]
    record.chat, record.fail = order.chat, _error_body
    seconds = settings.stream.keep_alive_seconds if settings.images.keep_alive else 0
    if not seconds:
        return await _answer(request, credential, order)
    response = _spacious()
    async with asyncio.TaskGroup() as group:
        answer = group.create_task(_answer(request, credential, order))
        try:
            while not (await asyncio.wait({answer}, timeout=seconds))[0]:
                if not response.prepared:
                    if request.version < HttpVersion11:
                        response.force_close()  # without chunks, only the end ends the body
                    await response.prepare(request)
                    record.stream = response
                await response.write(_WHITE_SPACE)
        except ConnectionResetError:
            record.abandon()
            answer.cancel()
            return response
    if not response.prepared:
        return answer.result()
    await _end(response, answer.result(), record)
    return response


def _error_body(failure: Failure) -> bytes:
    return to_json(error_of(failure))


def _spacious() -> web.StreamResponse:
    """Return the head of a reply whose status cannot be known yet."""
    response = web.StreamResponse(headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
    response.content_type = "application/json"
    return response


async def _end(response: web.StreamResponse, answer: web.Response, record: Record) -> None:
    body = answer.body
    try:
        await response.write_eof(body if isinstance(body, bytes) else b"")
    except ConnectionResetError:
        record.abandon()


class _Drawn(Struct, frozen=True):
    """The turns of one order that came to an end, and the errors of those that did not begin."""

    drawings: list[Drawing]
    errors: list[ServiceError]

    @property
    def failure(self) -> Failure | None:
        """Why there is nothing to hand out: some of several pictures are better than none."""
        if any(drawing.pictures for drawing in self.drawings):
            return None
        failures = [error.failure() for error in self.errors]
        failures += [failure for one in self.drawings if (failure := one.failure) is not None]
        return failures[0]


async def _answer(request: web.Request, credential: Credential, order: ImageOrder) -> web.Response:
    """Return the whole answer, that of a failure included."""
    record, loop = request[RECORD], asyncio.get_running_loop()
    asked_at = loop.time()
    drawn = await _draw_all(request, credential, order)
    waited = loop.time() - asked_at
    _learn(record, drawn)
    if (failure := drawn.failure) is not None:
        return error_response(failure, joined_content(drawn.drawings))
    made = [drawing for drawing in drawn.drawings if drawing.pictures]
    try:
        data = [
            await _entry(request.app[BLOBS], picture, is_base64=order.is_base64)
            for drawing in made
            for picture in drawing.pictures
        ]
    except StorageError as error:
        record.outcome = Outcome.FAILED
        return error_response(error.failure())
    record.usage = await _usage(order, made)
    reply = images_reply(made, data, int(time.time()), record.usage)
    headers = reply_headers(
        ignored_fields=order.ignored_fields, upstream_model=record.upstream_model
    )
    overhead = loop.time() - record.received_at - waited
    request.app[METRICS].overhead_seconds.observe(overhead)
    headers[OVERHEAD] = f"{overhead * 1000:.1f}"
    return json_response(reply, headers=headers)


async def _draw_all(request: web.Request, credential: Credential, order: ImageOrder) -> _Drawn:
    """Run a turn for each picture, side by side."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_draw_one(request, credential, chat)) for chat in order.turns]
    results = [task.result() for task in tasks]
    return _Drawn(
        drawings=[one for one in results if isinstance(one, Drawing)],
        errors=[one for one in results if isinstance(one, ServiceError)],
    )


async def _draw_one(
    request: web.Request, credential: Credential, chat: ChatRequest
) -> Drawing | ServiceError:
    """Return what one turn drew; its error is a result, so that it does not end the others."""
    config: Config = request.app[CONFIG]
    drawing = Drawing(format_for(chat.profile, config.bot_mode))
    try:
        async with aclosing(request.app[TURNS].run(chat, credential)) as deltas:
            async for batch in deltas:
                drawing.feed_batch(batch)
                if drawing.gathered.ended is not None:
                    return drawing
        return UpstreamCutError("The answer ended without an end.")
    except ServiceError as error:
        return error


def _learn(record: Record, drawn: _Drawn) -> None:
    """Take over how the order ended: as its first turn that made a picture, else as the first."""
    best = next((one for one in drawn.drawings if one.pictures), next(iter(drawn.drawings), None))
    if best is not None:
        record.learn(best.gathered)
    failure = drawn.failure
    if failure is None:
        return
    if drawn.errors:
        record.outcome = outcome_of(drawn.errors[0])
    else:
        record.outcome = outcome_of_failure(failure, record.outcome)


async def _entry(blobs: BlobStore, picture: AssetReady, *, is_base64: bool) -> Picture:
    words = picture.wanted.revised_prompt or UNSET
    if is_base64:
        content = await picture_base64(blobs, picture.name)
        return Picture(b64_json=content, revised_prompt=words)
    return Picture(url=picture.url, revised_prompt=words)


async def _usage(order: ImageOrder, made: list[Drawing]) -> TokenCounts:
    content = "\n".join(drawing.gathered.content for drawing in made)
    reasoning = "\n".join(drawing.gathered.reasoning for drawing in made)
    return await measure([order.text] * len(made), content, reasoning)
