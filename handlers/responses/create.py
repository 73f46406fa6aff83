"""`POST /v1/responses`, whole and streamed (openai-wire 8)."""

import time

from aiohttp import web
from msgspec import structs

from handlers.answering.answers import Collected, collected, overhead_header
from handlers.answering.event_stream import EventStream, StreamResponse
from handlers.background.making import Asked, Making
from handlers.background.running import RUNNING
from handlers.background.writing import in_background
from handlers.edge.arrivals import arrival_of
from handlers.edge.headers import credential_of, reply_headers
from handlers.edge.json_replies import error_response, json_response
from handlers.edge.record import RECORD, Record
from handlers.reading.json_body import read_body
from handlers.responses.fields import begun_response, ignored_fields, response_fields
from handlers.responses.input import Reading, read_input
from service.keys import CONFIG
from service.random_ids import random_hex
from service.stages.encode.response_output import RESPONSE_PREFIX
from service.vocabulary.credentials import Credential

_ID_BYTES = 24


async def create_response(request: web.Request) -> web.StreamResponse:
    """Answer an input with a response object, or with a stream of events.

    Raises:
        ServiceError: the request is wrong, or the turn failed before its first event.
    """
    credential, record = credential_of(request), request[RECORD]
    asked = await _read(request, credential)
    if asked.begun.background:
        return await in_background(request, asked, credential)
    record.chat = asked.chat
    making = Making(request.app, record, credential, asked)
    with request.app[RUNNING].entered(asked.owner, asked.begun.id, making.running):
        answer = _Answer(request, making)
        return await (answer.stream if asked.chat.is_stream else answer.reply)()


async def _read(request: web.Request, credential: Credential) -> Asked:
    body = await read_body(request, request.app[CONFIG].server.max_body_bytes)
    fields = response_fields(body)
    arrival = arrival_of(request, credential)
    stem = random_hex(_ID_BYTES)
    given = await read_input(request.app, fields, Reading(arrival, credential, stem))
    ignored = ignored_fields(body, fields, is_native=arrival.is_native)
    model, created_at = given.chat.model, int(time.time())
    return Asked(
        owner=credential.owner,
        is_kept=fields.is_kept,
        chat=structs.replace(given.chat, ignored_fields=ignored),
        items=given.items,
        begun=begun_response(fields, f"{RESPONSE_PREFIX}{stem}", model, created_at),
        conversation=given.conversation,
    )


class _Answer:
    """Answers with one response while it is made."""

    def __init__(self, request: web.Request, making: Making) -> None:
        self._request = request
        self._making = making
        self._record: Record = request[RECORD]

    async def stream(self) -> web.StreamResponse:
        """Answer with events."""
        making, events = self._making, self._making.events
        ignored = making.asked.chat.ignored_fields
        response = StreamResponse(reply_headers(ignored_fields=ignored))
        settings = self._request.app[CONFIG].stream
        stream = EventStream(self._request, response, events, settings, making.settle)
        failure = await stream.run(making.push(stream, has_pictures=True))
        if failure is not None:
            return error_response(failure)
        if events.status in ("failed", "cancelled"):
            await making.keep(events.response())
        return response

    async def reply(self) -> web.Response:
        """Answer with the response object."""
        making, events = self._making, self._making.events
        answering = making.push(Collected(events.gathered, events.take_batch), has_pictures=True)
        waited = await collected(answering, events.gathered, self._record)
        ended = events.gathered.ended
        if ended is not None and ended.failure is not None:
            return error_response(ended.failure, events.gathered.partial)
        whole = events.response(await making.settle())
        headers = reply_headers(
            ignored_fields=making.asked.chat.ignored_fields,
            upstream_model=events.gathered.facts.upstream_model,
        )
        return json_response(whole, headers=headers | overhead_header(self._request, waited))
