"""`POST /v1/audio/speech`: reads a text, or an existing answer, aloud (openai-wire 9)."""

import logging
from typing import Any

from aiohttp import web
from msgspec import Struct

from handlers.edge.arrivals import arrival_of
from handlers.edge.headers import credential_of, reply_headers
from handlers.edge.record import RECORD
from handlers.reading.common_fields import Arrival, ignored_names, model_name, upstream_id
from handlers.reading.json_body import decode_json, given_names, quoted, read_body, refusal
from service.keys import CONFIG, SPEECH
from service.orders.speech import (
    DEFAULT_FORMAT,
    DEFAULT_VOICE,
    FORMATS,
    MAX_CHARS,
    UPSTREAM_VOICES,
    VOICES,
    repeating,
    repeating_model,
)
from service.ports import Sound
from service.settings.config import Config
from service.vocabulary.endings import outcome_of
from service.vocabulary.errors import ServiceError
from service.vocabulary.events import Outcome
from service.vocabulary.gateway_keys import check_model
from service.vocabulary.requests import (
    ChatMessage,
    ChatRequest,
    Profile,
    SpeechOrder,
    StoredMessage,
    TextPart,
)

_log = logging.getLogger("gateway.speech")


class _Inert(Struct, frozen=True, kw_only=True):
    """Known fields without effect, declared for their types: the upstream has no such settings."""

    speed: float | None = None
    instructions: str | None = None


class SpeechFields(_Inert, frozen=True, kw_only=True):
    """The body of a request for speech, checked for its shape."""

    input: str = ""
    model: str | None = None
    voice: Any = None
    response_format: str | None = None
    stream_format: str | None = None
    conversation_id: str | None = None
    message_id: str | None = None


HONOURED = frozenset(SpeechFields.__struct_fields__) - frozenset(_Inert.__struct_fields__)


async def speech(request: web.Request) -> web.StreamResponse:
    """Read a text aloud, and send the sound as it arrives from the upstream.

    Raises:
        ServiceError: the request is wrong, or no sound came.
    """
    config, record = request.app[CONFIG], request[RECORD]
    credential = credential_of(request)
    order = _order(
        await read_body(request, config.server.max_body_bytes),
        arrival_of(request, credential),
        config,
    )
    record.chat = order.chat
    response = web.StreamResponse(headers=reply_headers(ignored_fields=order.ignored_fields))
    try:
        async with request.app[SPEECH].speak(order, credential) as sound:
            await _send(request, response, sound)
    except ServiceError as error:
        record.outcome = outcome_of(error)
        if not response.prepared:
            raise
        _log.warning("speech broke off while it was sent: %s", error)
        if request.transport is not None:
            request.transport.abort()  # so that the part that arrived does not look complete
    return response


async def _send(request: web.Request, response: web.StreamResponse, sound: Sound) -> None:
    record = request[RECORD]
    response.content_type = sound.media_type
    response.content_length = sound.size_bytes
    await response.prepare(request)
    async for chunk in sound.chunks:
        try:
            await response.write(chunk)
        except ConnectionResetError:  # the caller left; the upstream is not to blame
            record.abandon()
            return
    record.outcome = Outcome.COMPLETE


def _order(body: bytes, arrival: Arrival, config: Config) -> SpeechOrder:
    fields = decode_json(body, SpeechFields)
    message = _message(fields)
    if message is not None and fields.model is not None:
        check_model(arrival.models, fields.model)  # a turn checks its model itself
    if message is None:
        _check_text(fields.input)
    elif fields.input.strip():
        raise refusal("input", "send a text, or the ids of an answer, but not both")
    return SpeechOrder(
        voice=_voice(fields.voice),
        format=_format(fields),
        text=fields.input,
        chat=None if message else _chat(fields, arrival, config),
        message=message,
        ignored_fields=ignored_names(given_names(body), HONOURED),
    )


def _chat(fields: SpeechFields, arrival: Arrival, config: Config) -> ChatRequest:
    """Return the turn that makes a model repeat the text."""
    asked = None if fields.model is None else model_name(fields.model)
    return ChatRequest(
        request_id=arrival.request_id,
        model=repeating_model(asked, config.models, arrival.models),
        asked_model=asked or "",
        messages=(ChatMessage("user", (TextPart(repeating(fields.input)),)),),
        is_stream=False,
        is_usage_wanted=False,
        profile=Profile.RAW,
        public_url=arrival.public_url,
        received_at=arrival.received_at,
    )


def _message(fields: SpeechFields) -> StoredMessage | None:
    ids = [upstream_id(name, getattr(fields, name)) for name in ("conversation_id", "message_id")]
    conversation_id, message_id = ids
    if conversation_id and message_id:
        return StoredMessage(conversation_id, message_id)
    if conversation_id or message_id:
        raise refusal(
            "conversation_id" if message_id else "message_id",
            "this field is required beside the other; an answer names both",
        )
    return None


def _check_text(text: str) -> None:
    if not text.strip():
        raise refusal("input", "the text is empty; say what to read aloud")
    if len(text) > MAX_CHARS:
        problem = f"expected up to {MAX_CHARS} characters, got {len(text)}; send it in parts"
        raise refusal("input", problem, "string_above_max_length")


def _voice(voice: Any) -> str:
    if voice is None:
        return DEFAULT_VOICE
    known = VOICES.get(voice.strip().lower()) if isinstance(voice, str) else None
    if known is None:
        official = [name for name in VOICES if name not in UPSTREAM_VOICES]
        choices = ", ".join(f"'{name}'" for name in (*official, *UPSTREAM_VOICES))
        got = quoted(voice) if isinstance(voice, str) else "this"
        raise refusal("voice", f"{got} is no voice; use one of {choices}")
    return known


def _format(fields: SpeechFields) -> str:
    if fields.stream_format not in (None, "audio"):
        problem = "only 'audio' can be had; its bytes are streamed as they arrive"
        raise refusal("stream_format", problem)
    wanted = fields.response_format or DEFAULT_FORMAT
    if wanted not in FORMATS:
        choices = ", ".join(f"'{name}'" for name in FORMATS)
        raise refusal("response_format", f"{quoted(wanted)} is no format; use one of {choices}")
    return wanted
