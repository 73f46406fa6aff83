"""`POST /v1/chat/completions`, whole and streamed (spec 6)."""

import asyncio
import secrets
import string
import time
from contextlib import aclosing
from typing import Any

from aiohttp import web

from handlers.answers import Source, rendered, usage_of
from handlers.event_stream import EventStream, StreamResponse
from handlers.headers import OVERHEAD, credential_of, reply_headers
from handlers.json_body import read_body
from handlers.links import public_url
from handlers.profiles import default_profile
from handlers.record import RECORD, Record, outcome_of
from handlers.requests import PROFILE_HEADER, Arrival, chat_request
from handlers.responses import error_response, json_response
from service.chat import ChatRequest
from service.config import Config
from service.errors import ServiceError, UpstreamCutError
from service.keys import CONFIG, METRICS
from service.stages.encode import ChatChunks, Gathered, ReplyMeta, collect

_ID_CHARS = string.ascii_letters + string.digits
_ID_LENGTH = 29  # as OpenAI's own


async def chat_completions(request: web.Request) -> web.StreamResponse:
    """Answer a chat, as one reply or as a stream of events.

    Raises:
        ServiceError: the request is wrong, or the turn failed before its first event.
    """
    config, record = request.app[CONFIG], request[RECORD]
    credential = credential_of(request)
    record.chat = chat = await _read(request, config, record)
    source = await rendered(request, chat, credential)
    meta = ReplyMeta(
        id=f"chatcmpl-{''.join(secrets.choice(_ID_CHARS) for _ in range(_ID_LENGTH))}",
        created=int(time.time()),
        model=chat.model,
        is_temporary=config.conversation.temporary,
    )
    if chat.is_stream:
        return await _stream(request, chat, source, meta)
    return await _reply(request, chat, source, meta)


async def _read(request: web.Request, config: Config, record: Record) -> ChatRequest:
    arrival = Arrival(
        request_id=record.request_id,
        received_at=record.received_at,
        public_url=public_url(request, config.server),
        default_profile=default_profile(config.bot_mode),
        profile_header=request.headers.get(PROFILE_HEADER),
    )
    return chat_request(await read_body(request, config.server.max_body_bytes), arrival)


async def _stream(
    request: web.Request, chat: ChatRequest, source: Source, meta: ReplyMeta
) -> web.StreamResponse:
    record, chunks = request[RECORD], ChatChunks(meta)

    async def settle() -> dict[str, Any]:
        record.usage = await usage_of(chat, chunks.gathered)
        return record.usage.as_json()

    response = StreamResponse(reply_headers(ignored_fields=chat.ignored_fields))
    settings = request.app[CONFIG].stream
    wanted = settle if chat.is_usage_wanted else None
    stream = EventStream(request, response, chunks, settings, wanted)
    failure = await stream.run(source, record)
    if failure is not None:
        return error_response(failure)
    ended = chunks.gathered.ended
    if record.usage is None and ended is not None and ended.failure is None:
        record.usage = await usage_of(chat, chunks.gathered)  # for the log
    return response


async def _reply(
    request: web.Request, chat: ChatRequest, source: Source, meta: ReplyMeta
) -> web.Response:
    record, loop = request[RECORD], asyncio.get_running_loop()
    asked_at = loop.time()
    gathered = await _gather(source, record)
    waited = loop.time() - asked_at
    record.learn(gathered)
    if gathered.ended is not None and gathered.ended.failure is not None:
        return error_response(gathered.ended.failure, gathered.content)
    record.usage = await usage_of(chat, gathered)
    reply = collect(gathered, meta, record.usage.as_json())
    headers = reply_headers(
        ignored_fields=chat.ignored_fields, upstream_model=gathered.facts.upstream_model
    )
    overhead = loop.time() - record.received_at - waited
    request.app[METRICS].overhead_seconds.observe(overhead)
    headers[OVERHEAD] = f"{overhead * 1000:.1f}"
    return json_response(reply, headers=headers)


async def _gather(source: Source, record: Record) -> Gathered:
    gathered = Gathered()
    try:
        async with aclosing(source):
            async for batch in source:
                gathered.feed_batch(batch)
                if gathered.ended is not None:
                    return gathered
        raise UpstreamCutError("The answer ended without an end.")
    except ServiceError as error:
        record.outcome = outcome_of(error)
        raise
