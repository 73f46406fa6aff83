"""`POST /v1/messages`, whole and streamed (anthropic-wire 2 to 4)."""

from aiohttp import web

from handlers.answering.answers import Collected, answered, collected, overhead_header, usage_of
from handlers.answering.event_stream import EventStream, StreamResponse
from handlers.edge.arrivals import arrival_of
from handlers.edge.dialects import failed
from handlers.edge.headers import ESTIMATED, credential_of, reply_headers
from handlers.edge.json_replies import json_response
from handlers.edge.record import RECORD
from handlers.messages.fields import asked_message
from handlers.reading.demand_fields import checked
from handlers.reading.json_body import read_body
from service.demands.instructions import instructed
from service.keys import CATALOGUE, CONFIG, TOKENS
from service.random_ids import random_hex
from service.settings.claude_names import stand_in
from service.stages.encode.message_errors import MAX_CONTEXT_TOKENS, REFUSAL_CODES, of_turn
from service.stages.encode.messages import MessageEvents, MessageMeta, MessageReply
from service.vocabulary import endings
from service.vocabulary.credentials import Credential
from service.vocabulary.errors import ServiceError
from service.vocabulary.events import Failure, Outcome, TurnEnded
from service.vocabulary.rendered import TokenCounts
from service.vocabulary.requests import ChatRequest, ModelInfo

_ID_BYTES = 16
_BYTES_PER_TOKEN = 4  # about; the true count comes with the end


async def create_message(request: web.Request) -> web.StreamResponse:
    """Answer a conversation, as one message or as a stream of events.

    Raises:
        ServiceError: the request is wrong.
    """
    config, record = request.app[CONFIG], request[RECORD]
    credential = credential_of(request)
    body = await read_body(request, config.server.max_body_bytes)
    arrival = arrival_of(request, credential)
    listing = await _listing(request, credential) if arrival.is_native else []
    asked = asked_message(body, arrival)
    record.chat = chat = await checked(asked.chat, is_native=arrival.is_native)
    model = stand_in(chat.model, config.messages.models, [info.id for info in listing])
    listing.sort(key=lambda info: info.id != model)  # another name stands for the first
    windows = (info.context_window for info in listing if info.context_window)
    meta = MessageMeta(
        id=f"msg_{random_hex(_ID_BYTES)}",
        model=chat.model,
        request_id=record.request_id,
        input_tokens=_estimated(chat),
        context_tokens=next(windows, MAX_CONTEXT_TOKENS),
        thinking=asked.thinking,
        search_query=asked.search_query,
    )
    if chat.max_tokens == 0:
        return await _nothing(request, chat, meta)
    answer = _stream if chat.is_stream else _reply
    return await answer(request, chat, credential, meta)


async def _stream(
    request: web.Request, chat: ChatRequest, credential: Credential, meta: MessageMeta
) -> web.StreamResponse:
    record, events = request[RECORD], MessageEvents(meta)

    async def settle() -> TokenCounts:
        record.usage = await usage_of(chat, events.gathered)
        return record.usage

    response = StreamResponse(reply_headers(ignored_fields=chat.ignored_fields))
    stream = EventStream(request, response, events, request.app[CONFIG].stream, settle)
    failure = await stream.run(
        answered(stream, request.app, record, chat, credential, is_flat=False)
    )
    if failure is None:
        return response
    if failure.code in REFUSAL_CODES:
        return await _written(request, response, events.opening + events.fail(failure))
    return failed(request, of_turn(failure, meta.input_tokens, meta.context_tokens))


async def _reply(
    request: web.Request, chat: ChatRequest, credential: Credential, meta: MessageMeta
) -> web.Response:
    record, reply = request[RECORD], MessageReply(meta)
    gathered, waited = reply.gathered, 0.0
    sink = Collected(gathered, reply.take_batch)
    answering = answered(sink, request.app, record, chat, credential, is_flat=False)
    try:
        waited = await collected(answering, gathered, record)
    except ServiceError as error:
        gathered.feed(_ended(error.failure()))
    if (failure := reply.failure) is not None:
        return failed(
            request, of_turn(failure, meta.input_tokens, meta.context_tokens), gathered.partial
        )
    record.usage = await usage_of(chat, gathered)
    headers = reply_headers(
        ignored_fields=chat.ignored_fields, upstream_model=gathered.facts.upstream_model
    )
    headers |= overhead_header(request, waited)
    if record.usage.is_estimated:
        headers[ESTIMATED] = "true"
    return json_response(reply.message(record.usage), headers=headers)


async def _listing(request: web.Request, credential: Credential) -> list[ModelInfo]:
    """Return the models of an account, which the names of this dialect stand for."""
    try:
        caller = await request.app[TOKENS].caller(credential)
    except ServiceError as error:  # the turn ends before it is asked for
        request[RECORD].outcome = endings.outcome_of(error)
        raise
    return await request.app[CATALOGUE].listing(caller)


async def _nothing(
    request: web.Request, chat: ChatRequest, meta: MessageMeta
) -> web.StreamResponse:
    """Answer a request for no tokens at all, with which clients only warm a cache."""
    headers = reply_headers(ignored_fields=chat.ignored_fields)
    ended = endings.LENGTH.ended()
    if not chat.is_stream:
        reply = MessageReply(meta)
        reply.take_batch([ended])
        return json_response(reply.message(None), headers=headers | {ESTIMATED: "true"})
    events = MessageEvents(meta)
    whole = events.opening + events.feed_batch([ended]) + events.finish(None)
    return await _written(request, StreamResponse(headers), whole)


async def _written(request: web.Request, response: StreamResponse, whole: bytes) -> StreamResponse:
    """Write a stream that is there already."""
    await response.prepare(request)
    await response.write_eof(whole)
    return response


def _ended(failure: Failure) -> TurnEnded:
    return TurnEnded(Outcome.REFUSED, None, failure)


def _estimated(chat: ChatRequest) -> int:
    """Return about how many tokens a request has, before anybody has counted them."""
    size = sum(
        len(message.text.encode("utf-8", "replace")) for message in instructed(chat).messages
    )
    return max(1, size // _BYTES_PER_TOKEN)
