"""`POST /v1/images/generations`, and the parts that all image endpoints share (spec 9)."""

import asyncio
import time

from aiohttp import HttpVersion11, web

from handlers.edge.arrivals import arrival_of
from handlers.edge.headers import OVERHEAD, credential_of, reply_headers
from handlers.edge.json_replies import error_response, json_response
from handlers.edge.record import RECORD, Record
from handlers.images.drawing import counted, draw_all, picture_of
from handlers.images.fields import read_order
from handlers.images.streaming import stream_pictures
from handlers.reading.json_body import read_body
from service.keys import BLOBS, CONFIG, METRICS
from service.orders.images import ImageOrder, images_reply, joined_content
from service.vocabulary.credentials import Credential
from service.vocabulary.errors import StorageError
from service.vocabulary.events import Failure, Outcome
from service.vocabulary.wire import error_of, to_json

_WHITE_SPACE = b"\n"


async def image_generations(request: web.Request) -> web.StreamResponse:
    """Draw the order of a JSON body.

    Raises:
        ServiceError: the request is wrong, or no picture was made.
    """
    config = request.app[CONFIG]
    credential = credential_of(request)
    order = read_order(
        await read_body(request, config.server.max_body_bytes),
        arrival_of(request, credential),
        config,
    )
    return await draw(request, credential, order)


async def draw(
    request: web.Request, credential: Credential, order: ImageOrder
) -> web.StreamResponse:
    """Draw the order, and answer with events or as a whole.

    With `images.keep_alive`, white space is sent ahead of a whole reply.
    """
    settings = request.app[CONFIG]
    record = request[RECORD]
    record.chat, record.fail = order.chat, _error_body
    if order.is_stream:
        return await stream_pictures(request, credential, order)
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
                        response.force_close()  # without chunks, only its end ends the body
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
    """Return the response of a reply whose status is not known yet: 200, with white space first."""
    response = web.StreamResponse(headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"})
    response.content_type = "application/json"
    return response


async def _end(response: web.StreamResponse, answer: web.Response, record: Record) -> None:
    body = answer.body
    try:
        await response.write_eof(body if isinstance(body, bytes) else b"")
    except ConnectionResetError:
        record.abandon()


async def _answer(request: web.Request, credential: Credential, order: ImageOrder) -> web.Response:
    """Return the whole answer, which may be that of a failure."""
    record, loop = request[RECORD], asyncio.get_running_loop()
    asked_at = loop.time()
    drawn = await draw_all(request, credential, order)
    waited = loop.time() - asked_at
    if drawn.first is not None:
        record.learn(drawn.first.gathered)
    record.outcome = drawn.outcome
    if (failure := drawn.failure) is not None:
        return error_response(failure, joined_content(drawn.drawings))
    made = drawn.made
    try:
        data = [
            await picture_of(request.app[BLOBS], picture, is_base64=order.is_base64)
            for drawing in made
            for picture in drawing.pictures
        ]
    except StorageError as error:
        record.outcome = Outcome.FAILED
        return error_response(error.failure())
    record.usage = await counted(order, made)
    reply = images_reply(made, data, int(time.time()), record.usage)
    headers = reply_headers(
        ignored_fields=order.ignored_fields, upstream_model=record.upstream_model
    )
    overhead = loop.time() - record.received_at - waited
    request.app[METRICS].overhead_seconds.observe(overhead)
    headers[OVERHEAD] = f"{overhead * 1000:.1f}"
    return json_response(reply, headers=headers)
