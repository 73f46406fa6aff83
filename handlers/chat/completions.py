"""`POST /v1/completions`, the form before chats: a prompt, sent as one message of the user."""

import time
from typing import Any

from aiohttp import web
from msgspec import Struct

from handlers.answering.answers import Collected, answered, collected, overhead_header, usage_of
from handlers.answering.event_stream import EventStream, StreamResponse
from handlers.edge.arrivals import arrival_of
from handlers.edge.headers import credential_of, reply_headers
from handlers.edge.json_replies import error_response, json_response
from handlers.edge.record import RECORD
from handlers.reading.common_fields import (
    Arrival,
    check_ranges,
    chosen_profile,
    ignored_names,
    model_name,
    stop_strings,
)
from handlers.reading.json_body import decode_json, given_names, read_body, refusal
from service.keys import CONFIG
from service.random_ids import random_hex
from service.stages.encode.completions import CompletionChunks, completion
from service.stages.encode.gathered import Gathered
from service.version import FINGERPRINT
from service.vocabulary.credentials import Credential
from service.vocabulary.rendered import ReplyMeta, TokenCounts
from service.vocabulary.requests import ChatMessage, ChatRequest, TextPart

_ID_BYTES = 15


class _StreamOptions(Struct, frozen=True):
    include_usage: bool | None = None


class _Inert(Struct, frozen=True, kw_only=True):
    """Known fields without effect, declared for their types."""

    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: int | None = None
    user: str | None = None


class CompletionFields(_Inert, frozen=True, kw_only=True):
    """The body of a request for a completion, checked for its shape."""

    model: str
    prompt: str | list[Any]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: int | None = None
    stop: str | list[str] | None = None
    echo: bool | None = None
    suffix: str | None = None
    n: int | None = None
    best_of: int | None = None
    render_profile: str | None = None


HONOURED = frozenset(CompletionFields.__struct_fields__) - frozenset(_Inert.__struct_fields__)


class _Asked(Struct, frozen=True):
    """A checked completion; `echo` is put before its text."""

    chat: ChatRequest
    echo: str


async def completions(request: web.Request) -> web.StreamResponse:
    """Answer a prompt, as one reply or as a stream of events.

    Raises:
        ServiceError: the request is wrong, or the turn failed before its first event.
    """
    config, record = request.app[CONFIG], request[RECORD]
    credential = credential_of(request)
    asked = read_completion(
        await read_body(request, config.server.max_body_bytes), arrival_of(request, credential)
    )
    record.chat = asked.chat
    meta = ReplyMeta(
        id=f"cmpl-{random_hex(_ID_BYTES)}",
        created=int(time.time()),
        model=asked.chat.model,
        fingerprint=FINGERPRINT,
        is_temporary=config.conversation.temporary,
    )
    answer = _stream if asked.chat.is_stream else _reply
    return await answer(request, asked, credential, meta)


def read_completion(body: bytes, arrival: Arrival) -> _Asked:
    """Return the completion that a body asks for.

    Raises:
        RequestError: it is not JSON, a field is wrong, or it asks for something unsupported.
    """
    fields = decode_json(body, CompletionFields)
    prompt = _prompt(fields.prompt)
    _refuse_unsupported(fields)
    options = fields.stream_options
    chat = ChatRequest(
        request_id=arrival.request_id,
        model=model_name(fields.model),
        messages=(ChatMessage("user", (TextPart(prompt),)),),
        is_stream=bool(fields.stream),
        is_usage_wanted=bool(options and options.include_usage),
        profile=chosen_profile(fields.render_profile, arrival),
        public_url=arrival.public_url,
        received_at=arrival.received_at,
        idempotency_key=arrival.idempotency_key,
        max_tokens=fields.max_tokens,
        stop=stop_strings(fields.stop),
        ignored_fields=ignored_names(given_names(body), HONOURED),
    )
    return _Asked(chat, prompt if fields.echo else "")


def _prompt(prompt: str | list[Any]) -> str:
    """Return the only prompt; SDKs and LangChain send it as a list of one."""
    prompts = [prompt] if isinstance(prompt, str) else prompt
    if len(prompts) != 1:
        raise refusal("prompt", "only 1 prompt for a request can be answered; send one string")
    if not isinstance(prompts[0], str):
        raise refusal("prompt", "token numbers cannot be read; send a string")
    return prompts[0]


def _refuse_unsupported(fields: CompletionFields) -> None:
    """Refuse fields that must not be ignored, because the caller would misread the answer."""
    check_ranges(fields)
    for name in ("n", "best_of"):
        if getattr(fields, name) not in (None, 1):
            raise refusal(name, "only 1 choice for a request can be made; leave it out or send 1")
    if fields.suffix:
        raise refusal("suffix", "a text cannot be filled in; leave it out")
    if fields.max_tokens is not None and fields.max_tokens < 1:
        raise refusal("max_tokens", "expected 1 or more")


async def _stream(
    request: web.Request, asked: _Asked, credential: Credential, meta: ReplyMeta
) -> web.StreamResponse:
    record, chunks, chat = request[RECORD], CompletionChunks(meta, asked.echo), asked.chat

    async def settle() -> TokenCounts | None:
        record.usage = await usage_of(chat, chunks.gathered)
        return record.usage if chat.is_usage_wanted else None

    response = StreamResponse(reply_headers(ignored_fields=chat.ignored_fields))
    stream = EventStream(request, response, chunks, request.app[CONFIG].stream, settle)
    failure = await stream.run(answered(stream, request.app, record, chat, credential))
    return response if failure is None else error_response(failure)


async def _reply(
    request: web.Request, asked: _Asked, credential: Credential, meta: ReplyMeta
) -> web.Response:
    record, gathered, chat = request[RECORD], Gathered(), asked.chat
    answering = answered(Collected(gathered), request.app, record, chat, credential)
    waited = await collected(answering, gathered, record)
    if gathered.ended is not None and gathered.ended.failure is not None:
        return error_response(gathered.ended.failure, gathered.content)
    record.usage = await usage_of(chat, gathered)
    reply = completion(gathered, meta, record.usage, asked.echo)
    headers = reply_headers(
        ignored_fields=chat.ignored_fields, upstream_model=gathered.facts.upstream_model
    )
    return json_response(reply, headers=headers | overhead_header(request, waited))
