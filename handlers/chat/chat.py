"""`POST /v1/chat/completions`, whole and streamed (spec 6)."""

import string
import time

from aiohttp import web

from handlers.answering.answers import Collected, answered, collected, overhead_header, usage_of
from handlers.answering.event_stream import EventStream, StreamResponse
from handlers.edge.arrivals import arrival_of
from handlers.edge.headers import credential_of, reply_headers
from handlers.edge.json_replies import error_response, json_response
from handlers.edge.record import RECORD
from handlers.reading.chat_fields import chat_request
from handlers.reading.demand_fields import checked
from handlers.reading.json_body import read_body
from service.keys import CONFIG
from service.random_ids import random_bytes
from service.stages.encode.chat import ChatChunks, collect
from service.stages.encode.gathered import Gathered
from service.version import FINGERPRINT
from service.vocabulary.credentials import Credential
from service.vocabulary.rendered import ReplyMeta, TokenCounts
from service.vocabulary.requests import ChatRequest

# One letter or digit for each value of a byte, as evenly as 62 divide 256.
_ID_CHARS = ((string.ascii_letters + string.digits) * 5)[:256].encode()
_ID_LENGTH = 29  # as OpenAI's own


async def chat_completions(request: web.Request) -> web.StreamResponse:
    """Answer a chat, as one reply or as a stream of events.

    Raises:
        ServiceError: the request is wrong, or the turn failed before its first event.
    """
    config, record = request.app[CONFIG], request[RECORD]
    credential = credential_of(request)
    # No name for the body: it may be long, and would be kept until the last event.
    arrival = arrival_of(request, credential)
    fields = chat_request(await read_body(request, config.server.max_body_bytes), arrival)
    record.chat = chat = await checked(fields, is_native=arrival.is_native)
    meta = ReplyMeta(
        id=f"chatcmpl-{random_bytes(_ID_LENGTH).translate(_ID_CHARS).decode()}",
        created=int(time.time()),
        model=chat.model,
        fingerprint=FINGERPRINT,
        is_temporary=config.conversation.temporary,
        may_call=chat.demand is not None and bool(chat.demand.functions),
        is_legacy_call=chat.demand is not None and chat.demand.is_legacy,
    )
    answer = _stream if chat.is_stream else _reply
    return await answer(request, chat, credential, meta)


async def _stream(
    request: web.Request, chat: ChatRequest, credential: Credential, meta: ReplyMeta
) -> web.StreamResponse:
    record, chunks = request[RECORD], ChatChunks(meta)

    async def settle() -> TokenCounts:
        record.usage = await usage_of(chat, chunks.gathered)
        return record.usage

    response = StreamResponse(reply_headers(ignored_fields=chat.ignored_fields))
    settings = request.app[CONFIG].stream
    wanted = settle if chat.is_usage_wanted else None
    stream = EventStream(request, response, chunks, settings, wanted)
    failure = await stream.run(answered(stream, request.app, record, chat, credential))
    if failure is not None:
        return error_response(failure)
    ended = chunks.gathered.ended
    if record.usage is None and ended is not None and ended.failure is None:
        record.usage = await usage_of(chat, chunks.gathered)  # for the log
    return response


async def _reply(
    request: web.Request, chat: ChatRequest, credential: Credential, meta: ReplyMeta
) -> web.Response:
    record, gathered = request[RECORD], Gathered()
    answering = answered(Collected(gathered), request.app, record, chat, credential)
    waited = await collected(answering, gathered, record)
    if gathered.ended is not None and gathered.ended.failure is not None:
        return error_response(gathered.ended.failure, gathered.partial)
    record.usage = await usage_of(chat, gathered)
    reply = collect(gathered, meta, record.usage)
    headers = reply_headers(
        ignored_fields=chat.ignored_fields, upstream_model=gathered.facts.upstream_model
    )
    return json_response(reply, headers=headers | overhead_header(request, waited))
