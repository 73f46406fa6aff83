"""`POST /v1/responses`, whole and streamed (openai-wire 8)."""

import logging
import secrets
import time
from contextlib import suppress
from typing import Any

import msgspec
from aiohttp import web
from msgspec import Struct, structs

from handlers.answering.answers import (
    Collected,
    RenderedSink,
    answered,
    collected,
    overhead_header,
    usage_of,
)
from handlers.answering.event_stream import EventStream, StreamResponse
from handlers.answering.picture_content import picture_base64, without_content
from handlers.edge.arrivals import arrival_of
from handlers.edge.headers import credential_of, reply_headers
from handlers.edge.json_replies import error_response, json_response
from handlers.edge.record import RECORD, Record
from handlers.reading.json_body import read_body
from handlers.responses.fields import begun_response, ignored_fields, response_fields
from handlers.responses.history import kept_responses
from handlers.responses.input import Reading, read_input
from handlers.responses.running import RUNNING, Running
from service.answers.responses import ModelResponse
from service.keys import ACCEPTANCE, BLOBS, CONFIG
from service.ports import BlobStore
from service.stages.encode.response_output import RESPONSE_PREFIX
from service.stages.encode.responses import ResponseEvents
from service.turns.kept_responses import KeptResponse
from service.vocabulary.credentials import Credential
from service.vocabulary.errors import ServiceError, StorageError
from service.vocabulary.events import AssetKind
from service.vocabulary.rendered import AssetLinked, Rendered, TokenCounts
from service.vocabulary.requests import ChatRequest

_log = logging.getLogger("gateway.responses")
_ID_BYTES = 24


class _Asked(Struct, frozen=True):
    """A response to be made, with its owner and whether it is kept.

    `begun` is the response object before anything has arrived.
    """

    owner: str
    is_kept: bool
    chat: ChatRequest
    items: list[dict[str, Any]]
    begun: ModelResponse


async def create_response(request: web.Request) -> web.StreamResponse:
    """Answer an input with a response object, or with a stream of events.

    Raises:
        ServiceError: the request is wrong, or the turn failed before its first event.
    """
    config, record = request.app[CONFIG], request[RECORD]
    credential = credential_of(request)
    asked = await _read(request, credential)
    record.chat = asked.chat
    demand, is_temporary = asked.chat.demand, config.conversation.temporary
    functions = demand.functions if demand else ()
    events = ResponseEvents(
        asked.begun,
        functions,
        is_temporary=is_temporary,
        shows_sealed=asked.chat.wishes.is_sealed_wanted,
    )
    running = Running(events, is_kept=asked.is_kept)
    with request.app[RUNNING].entered(asked.owner, asked.begun.id, running):
        answer = _Answer(request, asked, events, running)
        return await (answer.stream if asked.chat.is_stream else answer.reply)(credential)


class WithPictures:
    """A sink that loads the content of an answer's pictures before they are encoded."""

    def __init__(self, sink: RenderedSink, blobs: BlobStore, pictures: dict[str, str]) -> None:
        self.outlet = sink.outlet
        self.is_over = sink.is_over
        self._sink = sink
        self._blobs = blobs
        self._pictures = pictures
        self._held: list[Rendered] = []

    def feed(self, batch: list[Rendered]) -> None:
        """Pass a batch on, or hold it for its pictures."""
        if self._held or any(_is_picture(piece) for piece in batch):
            self._held += batch
        else:
            self._sink.feed(batch)

    def is_ready(self) -> bool:
        """Tell whether nothing is held."""
        return not self._held and self._sink.is_ready()

    async def ready(self) -> None:
        """Load the pictures of what is held, and pass it on."""
        held, self._held = self._held, []
        for piece in held:
            if isinstance(piece, AssetLinked) and _is_picture(piece):
                with suppress(StorageError):  # the picture has a link, too
                    self._pictures[piece.url] = await picture_base64(self._blobs, piece.name)
        if held:
            self._sink.feed(held)
        await self._sink.ready()


def _is_picture(piece: Rendered) -> bool:
    return isinstance(piece, AssetLinked) and piece.kind is AssetKind.PICTURE


async def _read(request: web.Request, credential: Credential) -> _Asked:
    body = await read_body(request, request.app[CONFIG].server.max_body_bytes)
    fields = response_fields(body)
    arrival = arrival_of(request)
    stem = secrets.token_hex(_ID_BYTES)
    given = await read_input(request.app, fields, Reading(arrival, credential, stem))
    ignored = ignored_fields(body, fields, is_native=arrival.is_native)
    model, created_at = given.chat.model, int(time.time())
    return _Asked(
        owner=credential.owner,
        is_kept=fields.is_kept,
        chat=structs.replace(given.chat, ignored_fields=ignored),
        items=given.items,
        begun=begun_response(fields, f"{RESPONSE_PREFIX}{stem}", model, created_at),
    )


class _Answer:
    """Writes one response and keeps it."""

    def __init__(
        self, request: web.Request, asked: _Asked, events: ResponseEvents, running: Running
    ) -> None:
        self._request = request
        self._asked = asked
        self._events = events
        self._running = running
        self._record: Record = request[RECORD]

    async def _push(self, sink: RenderedSink, credential: Credential) -> None:
        """Push the answer into a sink, until it ends or is cancelled."""
        chat, blobs = self._asked.chat, self._request.app[BLOBS]
        loading = WithPictures(sink, blobs, self._events.pictures)
        answering = answered(loading, self._request, chat, credential, is_flat=False)
        await self._running.run(answering, sink)

    async def stream(self, credential: Credential) -> web.StreamResponse:
        """Answer with events."""
        chat, events = self._asked.chat, self._events
        response = StreamResponse(reply_headers(ignored_fields=chat.ignored_fields))
        settings = self._request.app[CONFIG].stream
        stream = EventStream(self._request, response, events, settings, self._settle)
        failure = await stream.run(self._push(stream, credential))
        if failure is not None:
            return error_response(failure)
        if events.status in ("failed", "cancelled"):
            await self._keep(events.response())
        return response

    async def reply(self, credential: Credential) -> web.Response:
        """Answer with the response object."""
        chat, events = self._asked.chat, self._events
        sink = Collected(events.gathered, events.take_batch)
        waited = await collected(self._push(sink, credential), events.gathered, self._record)
        ended = events.gathered.ended
        if ended is not None and ended.failure is not None:
            return error_response(ended.failure, events.gathered.partial)
        whole = events.response(await self._settle())
        headers = reply_headers(
            ignored_fields=chat.ignored_fields,
            upstream_model=events.gathered.facts.upstream_model,
        )
        return json_response(whole, headers=headers | overhead_header(self._request, waited))

    async def _settle(self) -> TokenCounts:
        """Count the tokens and keep the answer, before its caller can continue from it."""
        self._record.usage = counts = await usage_of(self._asked.chat, self._events.gathered)
        self._events.completed_at = int(time.time())
        await self._keep(self._events.response(counts))
        return counts

    async def _keep(self, response: ModelResponse) -> None:
        if not self._running.is_kept or not await self._is_accepted():
            return
        facts = self._events.gathered.facts
        settings = self._request.app[CONFIG].conversation
        is_gone = settings.temporary or settings.delete_after_response
        output = [without_content(item) for item in response.output]
        kept = KeptResponse(
            response=msgspec.to_builtins(structs.replace(response, output=output)),
            input_items=self._asked.items,
            conversation_id=None if is_gone else facts.conversation_id,
            message_id=None if is_gone else facts.message_id,
            sealed=self._events.sealed,
            cache_key=facts.cache_key,
        )
        await kept_responses(self._request.app).keep(self._asked.owner, kept)

    async def _is_accepted(self) -> bool:
        """Tell whether the upstream accepts the caller's token; otherwise nothing is kept."""
        try:
            await self._request.app[ACCEPTANCE].confirm(credential_of(self._request))
        except ServiceError as error:
            _log.info("response %s is not kept: %s", self._asked.begun.id, error)
            return False
        return True
